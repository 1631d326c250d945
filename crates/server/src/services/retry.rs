//! What a job that did not succeed was about, begun anew by hand.

use std::sync::Arc;

use catalog::{Backup, BackupMode, BackupState, Job, JobKind, JobState};
use tonic::Status;

use crate::core::Core;
use crate::error::Error;
use crate::jobs::LiveJob;
use crate::schedule::{self, Wanted};
use crate::{checking, moving, publishing, retention, verify};

/// Begins anew what a job was about, blocking. Returns the new job.
pub fn retry(core: &Arc<Core>, job: &Job) -> Result<Arc<LiveJob>, Status> {
    let id = job.id;
    match job.state {
        JobState::Queued | JobState::Running => {
            let what = format!("job {id} has not ended: \"perennial jobs cancel {id}\" ends it");
            return Err(Status::failed_precondition(what));
        }
        JobState::Done => {
            let what = format!("job {id} is done: there is nothing to try again");
            return Err(Status::failed_precondition(what));
        }
        JobState::Failed | JobState::Cancelled | JobState::Interrupted => {}
    }
    let reason = format!("job {id} is tried again");
    match job.kind {
        JobKind::FileBackup | JobKind::ImageBackup => back_up(core, job, &reason),
        JobKind::Verify => check(core, job),
        JobKind::Publish => publish(core, job),
        JobKind::Cleanup => Ok(retention::start_cleanup(core, &reason)?),
        JobKind::Check => Ok(again_checked(core, job, &reason)?),
        JobKind::Move => {
            let client = client_of(job)?;
            Ok(moving::again(core, client, &reason)?)
        }
        kind @ (JobKind::Restore | JobKind::Delete | JobKind::Repair | JobKind::RebuildIndex) => {
            let what = format!("a {kind} can't be begun by its job: give its command again");
            Err(Status::failed_precondition(what))
        }
    }
}

/// A check goes on with what is due.
fn again_checked(core: &Arc<Core>, job: &Job, reason: &str) -> Result<Arc<LiveJob>, Error> {
    let task = checking::Task {
        client: job.subject.clone(),
        storage: None,
        extent: checking::Extent::Due,
    };
    checking::start(core, task, reason)
}

fn back_up(core: &Arc<Core>, job: &Job, reason: &str) -> Result<Arc<LiveJob>, Status> {
    let wanted = match job.kind {
        JobKind::ImageBackup => Wanted::Image(schedule::volumes_of(job.subject.as_deref())),
        _ => Wanted::Files,
    };
    let mode = job.mode.unwrap_or(BackupMode::Incremental);
    Ok(schedule::ask(core, client_of(job)?, mode, wanted, reason)?)
}

fn check(core: &Arc<Core>, job: &Job) -> Result<Arc<LiveJob>, Status> {
    let extent = verify::Extent::of_reason(job.reason.as_deref());
    Ok(verify::start(core, backup_of(core, job)?, extent)?)
}

fn publish(core: &Arc<Core>, job: &Job) -> Result<Arc<LiveJob>, Status> {
    let wanted = publishing::Wanted::of_reason(job.reason.as_deref().unwrap_or_default());
    let wanted = wanted.ok_or_else(|| {
        Status::failed_precondition("the job does not say what it was to make: give its command again")
    })?;
    let image = backup_of(core, job)?;
    if image.state != BackupState::Committed {
        let what = format!("the backup {}/{} is being deleted", image.client, image.name);
        return Err(Status::not_found(what));
    }
    Ok(publishing::start(core, image, wanted)?)
}

fn backup_of(core: &Core, job: &Job) -> Result<Backup, Status> {
    let (client, name) = (client_of(job)?, job.subject.as_deref().unwrap_or_default());
    core.catalog.backup(client, name).map_err(|error| match error {
        catalog::Error::UnknownBackup { .. } => {
            Status::not_found(format!("the backup {client}/{name} is no longer there"))
        }
        error => Error::from(error).into(),
    })
}

fn client_of(job: &Job) -> Result<&str, Status> {
    let client = job.client.as_deref();
    client.ok_or_else(|| Status::failed_precondition(format!("the client of job {} is gone", job.id)))
}
