//! Backups that somebody asks for, and how a client is asked to make one.

use std::sync::Arc;
use std::time::Duration;

use catalog::{BackupMode, JobKind};
use tokio::sync::oneshot;
use wire::v1::{BackupMode as WireMode, StartFileBackup, StartImageBackup, server_command::Command};

use super::waiting::{Pending, Turn};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order};

/// A job that the client has not begun is given up when the client has said nothing of it for so long.
const BEGIN_TIMEOUT: Duration = Duration::from_secs(120);

/// What a client is asked to back up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The files that its settings name.
    Files,
    /// These volumes, or those that its settings name.
    Image(Vec<String>),
}

impl Wanted {
    /// The kind of job that makes it.
    pub fn job_kind(&self) -> JobKind {
        match self {
            Self::Files => JobKind::FileBackup,
            Self::Image(_) => JobKind::ImageBackup,
        }
    }

    /// What a job for it is about: the volumes that were named, each in a line.
    fn subject(&self) -> Option<String> {
        match self {
            Self::Image(volumes) if !volumes.is_empty() => Some(volumes.join("\n")),
            Self::Files | Self::Image(_) => None,
        }
    }
}

/// The volumes that were named for a job that is about this.
pub fn volumes_of(subject: Option<&str>) -> Vec<String> {
    subject
        .map(|subject| subject.lines().map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Queues a backup that somebody asked for. The client, which must be connected, is asked when there is a free slot.
pub fn ask(
    core: &Arc<Core>,
    client: &str,
    mode: BackupMode,
    wanted: Wanted,
    reason: &str,
) -> Result<Arc<LiveJob>> {
    core.attached.get(client)?;
    let job = core.board.queue(Order {
        mode: Some(mode),
        reason: Some(reason.to_owned()),
        subject: wanted.subject(),
        ..Order::of(wanted.job_kind(), client)
    })?;
    core.schedule.add(Pending {
        job: job.clone(),
        since_ms: core.clock.now_ms(),
        turn: Turn::Ask(wanted),
    });
    Ok(job)
}

/// The job that a client works for: the one that it was asked to do, or a new one (0) where it begins by itself. That one
/// waits for a free slot, or until the client has lost patience, which `gone` tells.
pub async fn let_in(
    core: &Arc<Core>,
    kind: JobKind,
    client: &str,
    mode: BackupMode,
    job_id: u64,
    gone: impl Future<Output = ()>,
) -> Result<Arc<LiveJob>> {
    if job_id != 0 {
        return core.board.asked(kind, client, job_id);
    }
    let (queuing, order) = (
        core.clone(),
        Order {
            mode: Some(mode),
            reason: Some("the client began it".to_owned()),
            ..Order::of(kind, client)
        },
    );
    let queued = tokio::task::spawn_blocking(move || {
        let client = order.client.clone().unwrap_or_default();
        queuing.board.wait_ended(order.kind, &client);
        queuing.board.queue(order)
    });
    let job = queued.await.map_err(|_| Error::Cancelled)??;
    let (turn, comes) = oneshot::channel();
    core.schedule.add(Pending {
        job: job.clone(),
        since_ms: core.clock.now_ms(),
        turn: Turn::LetIn(turn),
    });
    tokio::pin!(gone);
    let came = tokio::select! {
        came = comes => came.map_err(|_| Error::Cancelled),
        () = job.cancel.cancelled() => Err(Error::Cancelled),
        () = &mut gone => Err(Error::Disconnected),
    };
    let prepared = match came {
        Ok(()) => prepare(core, &job, gone).await,
        Err(error) => Err(error),
    };
    let Err(lost) = prepared else { return Ok(job) };
    core.board.fail(&job, &lost);
    Err(lost)
}

/// Lets a backup begin whose turn has come.
pub(super) fn begin(core: &Arc<Core>, job: &Arc<LiveJob>, turn: Turn) {
    job.waits_for(None);
    match turn {
        Turn::Ask(wanted) => {
            let (asking, asked) = (core.clone(), job.clone());
            let ask = move || {
                let prepared = asking.board.prepare(&asked);
                if let Err(error) = prepared.and_then(|()| tell(&asking, &asked, wanted)) {
                    asking.board.fail(&asked, &error);
                }
            };
            match core.board.has_hook_before(job) {
                true => drop(core.runtime.spawn_blocking(ask)),
                false => ask(),
            }
        }
        // One that has lost patience closes its job itself.
        Turn::LetIn(comes) => drop(comes.send(())),
    }
}

/// Runs the hook before a backup that its client has begun. The hook ends with the client's patience, which `gone` tells.
async fn prepare(core: &Arc<Core>, job: &Arc<LiveJob>, gone: impl Future<Output = ()>) -> Result<()> {
    let (preparing, prepared) = (core.clone(), job.clone());
    let mut hook = tokio::task::spawn_blocking(move || preparing.board.prepare(&prepared));
    tokio::select! {
        done = &mut hook => return done.map_err(|_| Error::Cancelled)?,
        () = gone => {}
    }
    job.cancel.cancel();
    // How it ends no longer matters, but that it has: the hook for failure comes next.
    let _ = hook.await;
    Err(Error::Disconnected)
}

fn tell(core: &Arc<Core>, job: &Arc<LiveJob>, wanted: Wanted) -> Result<()> {
    let attachment = core.attached.get(&job.client)?;
    let mode: i32 = match job.mode {
        Some(BackupMode::Full) => WireMode::Full.into(),
        _ => WireMode::Incremental.into(),
    };
    let job_id = job.id.0 as u64;
    attachment.command(match wanted {
        Wanted::Files => Command::StartFileBackup(StartFileBackup { job_id, mode }),
        Wanted::Image(volumes) => Command::StartImageBackup(StartImageBackup {
            job_id,
            mode,
            volumes,
        }),
    })?;
    core.runtime.spawn(give_up_unbegun(core.clone(), job.clone()));
    Ok(())
}

/// Closes a job that its client never begins, for instance since it lost its connection just then. One whose hooks
/// still run says so now and then.
async fn give_up_unbegun(core: Arc<Core>, job: Arc<LiveJob>) {
    let mut watch = job.watch();
    loop {
        if watch.borrow_and_update().done.is_some() {
            return;
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(BEGIN_TIMEOUT) => break,
            () = core.shutdown.cancelled() => return,
        }
    }
    let begun = core.board.has_begun(&job);
    if !begun && core.board.live(job.id.0 as u64).is_some() {
        core.board.fail(
            &job,
            &Error::Client {
                why: "it did not begin the backup".into(),
            },
        );
    }
}
