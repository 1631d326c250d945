//! Starts backups that are due. The decision is `policy`'s; here it only meets the clock and the clients.

use std::sync::Arc;
use std::time::Duration;

use catalog::{BackupFilter, BackupKind, BackupMode, JobFilter, JobKind, JobState};
use policy::Span;
use policy::schedule::{Due, Failures, History, Interval, Mode, Rules};
use tracing::{debug, warn};
use wire::v1::{BackupMode as WireMode, StartFileBackup, StartImageBackup, server_command::Command};

use crate::core::Core;
use crate::error::Result;
use crate::jobs::LiveJob;

const LOOK_EVERY: Duration = Duration::from_secs(15);
/// A job that the client has not begun by then is given up.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Looks for due backups until the server ends.
pub async fn run(core: Arc<Core>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = core.shutdown.cancelled() => return,
        }
        for client in core.attached.names() {
            if let Err(error) = look(&core, &client) {
                warn!(
                    client,
                    error = error.chain(),
                    "a scheduled backup could not be started"
                );
            }
        }
    }
}

fn look(core: &Arc<Core>, client: &str) -> Result<()> {
    if core.board.live_of(JobKind::FileBackup, client).is_some() {
        return Ok(());
    }
    let Some(mode) = due(core, client)? else {
        return Ok(());
    };
    start(core, client, mode, Wanted::Files)?;
    Ok(())
}

/// What a client is asked to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The files that its settings name.
    Files,
    /// These volumes, or those that its settings name.
    Image(Vec<String>),
}

/// Queues a backup and asks the client to make it.
pub fn start(core: &Arc<Core>, client: &str, mode: WireMode, wanted: Wanted) -> Result<Arc<LiveJob>> {
    let attachment = core.attached.get(client)?;
    let kind = match wanted {
        Wanted::Files => JobKind::FileBackup,
        Wanted::Image(_) => JobKind::ImageBackup,
    };
    let job = core.board.queue(kind, client, None)?;
    let (job_id, mode) = (job.id.0 as u64, mode.into());
    let command = match wanted {
        Wanted::Files => Command::StartFileBackup(StartFileBackup { job_id, mode }),
        Wanted::Image(volumes) => Command::StartImageBackup(StartImageBackup {
            job_id,
            mode,
            volumes,
        }),
    };
    if let Err(error) = attachment.command(command) {
        core.board.fail(&job, &error);
        return Err(error);
    }
    tokio::spawn(give_up_unbegun(core.clone(), job.clone()));
    Ok(job)
}

/// Closes a job that its client never begins, for instance since it lost its connection just then.
async fn give_up_unbegun(core: Arc<Core>, job: Arc<LiveJob>) {
    let mut watch = job.watch();
    let ended = async { while watch.borrow_and_update().done.is_none() && watch.changed().await.is_ok() {} };
    tokio::select! {
        () = ended => return,
        () = tokio::time::sleep(BEGIN_TIMEOUT) => {}
        () = core.shutdown.cancelled() => return,
    }
    let begun = core
        .catalog
        .job(job.id)
        .is_ok_and(|record| record.started_ms.is_some());
    if !begun && core.board.live(job.id.0 as u64).is_some() {
        core.board.fail(
            &job,
            &crate::Error::Client {
                why: "it did not begin the backup".into(),
            },
        );
    }
}

/// What a client's file backups are due for now.
fn due(core: &Core, client: &str) -> Result<Option<WireMode>> {
    let interval = |setting: Option<Duration>| {
        setting.map_or(Interval::Off, |every| {
            Interval::Every(Span {
                len_ms: u64::try_from(every.as_millis()).unwrap_or(u64::MAX),
            })
        })
    };
    let rules = Rules {
        incremental: interval(core.settings.incremental_interval),
        full: interval(core.settings.full_interval),
        ..Rules::default()
    };
    let last = |mode| -> Result<Option<i64>> {
        let filter = BackupFilter {
            kind: Some(BackupKind::File),
            mode: Some(mode),
            ..BackupFilter::committed_of(client)
        };
        Ok(core
            .catalog
            .newest_backup(&filter)?
            .map(|backup| backup.started_ms))
    };
    let history = History {
        full_ms: last(BackupMode::Full)?,
        incremental_ms: last(BackupMode::Incremental)?,
        failures: failures(core, client)?,
    };
    let decision = policy::schedule::next(&rules, &history, core.clock.now_ms());
    debug!(client, due = ?decision.due, reason = %decision.reason, "schedule");
    Ok(match decision.due {
        Due::Now(Mode::Full) => Some(WireMode::Full),
        Due::Now(Mode::Incremental) => Some(WireMode::Incremental),
        Due::Later { .. } | Due::Never => None,
    })
}

/// The tries since the last success, newest first in the catalog.
fn failures(core: &Core, client: &str) -> Result<Option<Failures>> {
    let jobs = core.catalog.jobs(&JobFilter {
        client: Some(client.to_owned()),
        kind: Some(JobKind::FileBackup),
        limit: Some(20),
        ..JobFilter::default()
    })?;
    let failed: Vec<_> = jobs
        .iter()
        .take_while(|job| job.state != JobState::Done)
        .filter(|job| matches!(job.state, JobState::Failed | JobState::Interrupted))
        .collect();
    let last = failed.first().and_then(|job| job.finished_ms);
    Ok(last.map(|last_ms| Failures {
        count: failed.len() as u32,
        last_ms,
    }))
}
