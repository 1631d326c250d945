//! The turn of a backup that a client begins by itself: waited for before the client runs its hooks and holds anything still.

use std::sync::Arc;

use catalog::{BackupMode, JobKind};
use tokio::sync::mpsc;
use tonic::Status;
use tracing::warn;
use wire::v1::{QueueReply, WithdrawRequest};

use crate::core::Core;
use crate::error::Error;
use crate::jobs::{LiveJob, is_backup};
use crate::schedule;

/// The longest reason that is kept.
const MAX_REASON_CHARS: usize = 4000;

/// Waits for the turn, tells the client, and stays with it until the job has ended.
pub async fn wait(
    core: Arc<Core>,
    client: String,
    (kind, mode): (JobKind, BackupMode),
    replies: mpsc::Sender<Result<QueueReply, Status>>,
) {
    let job = match schedule::let_in(&core, kind, &client, mode, 0, replies.closed()).await {
        Ok(job) => job,
        Err(error) => {
            warn!(client, why = error.chain(), "a backup had no turn");
            // The client may be gone.
            let _ = replies.send(Err(error.into())).await;
            return;
        }
    };
    let job_id = job.id.0.unsigned_abs();
    let told = replies.send(Ok(QueueReply { job_id })).await;
    if told.is_err() || !stay(&job, &replies).await {
        core.board.give_up(&job, &Error::Disconnected);
    }
}

/// Closes the job of a client that can't make the backup whose turn has come.
pub fn withdraw(core: &Core, client: &str, request: &WithdrawRequest) {
    let job = core.board.live(request.job_id);
    if let Some(job) = job.filter(|job| job.client == client && is_backup(job.kind)) {
        let why = request.reason.chars().take(MAX_REASON_CHARS).collect();
        core.board.give_up(&job, &Error::Client { why });
    }
}

/// Waits for the end of the job. Returns whether the client has waited for it, too.
async fn stay(job: &LiveJob, replies: &mpsc::Sender<Result<QueueReply, Status>>) -> bool {
    let mut watch = job.watch();
    let ended = async move { watch.wait_for(|snapshot| snapshot.done.is_some()).await.is_ok() };
    tokio::select! {
        // ORDER: a job that has not begun ends as soon as it is cancelled, and the client has to hear of that.
        biased;
        () = job.cancel.cancelled() => {
            let _ = replies.send(Err(Error::Cancelled.into())).await;
            true
        }
        () = replies.closed() => false,
        _ = ended => true,
    }
}
