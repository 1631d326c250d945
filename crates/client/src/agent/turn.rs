//! The turn of a backup that the client begins by itself. It is waited for before any hook runs and anything is held still.

use tonic::Streaming;
use wire::v1::{BackupMode, QueueReply, QueueRequest, WithdrawRequest};

use super::What;
use crate::backup::{Job, Mode};
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result, explain};
use crate::monitor::{Level, Monitor};

/// How long the turn may take to come before the user is told that it is waited for.
const TELL_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

/// A turn that has come. Dropping it before the backup has begun gives it away.
pub(super) struct Turn {
    job_id: u64,
    watched: Option<tokio::task::JoinHandle<()>>,
}

impl Turn {
    /// Waits for the turn of a backup. A server that doesn't know of turns lets the beginning of the backup wait instead.
    pub(super) async fn wait(
        connection: &Connection,
        job: Job,
        what: &What,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<Self> {
        if job.id != 0 {
            return Ok(Self::of(job.id));
        }
        let waiting = queue(connection, job.mode, what);
        tokio::pin!(waiting);
        let queued = tokio::select! {
            () = cancel.cancelled() => return Err(Error::Cancelled),
            queued = &mut waiting => queued,
            () = tokio::time::sleep(TELL_AFTER) => {
                monitor.log(Level::Info, "waiting for its turn at the server");
                tokio::select! {
                    () = cancel.cancelled() => return Err(Error::Cancelled),
                    queued = waiting => queued,
                }
            }
        };
        match queued {
            Ok((job_id, replies)) => Ok(Self {
                job_id,
                watched: Some(tokio::spawn(watch(replies, cancel.clone()))),
            }),
            Err(status) if status.code() == tonic::Code::Unimplemented => Ok(Self::of(0)),
            Err(status) => Err(Error::from_status(&status)),
        }
    }

    fn of(job_id: u64) -> Self {
        Self {
            job_id,
            watched: None,
        }
    }

    /// Tells the server why the backup can't be made, so that its job ends with that. One that has begun has told it itself.
    pub(super) async fn give_up(&self, connection: &Connection, error: &Error) {
        if self.watched.is_some() && !matches!(error, Error::Cancelled | Error::Interrupted { .. }) {
            let request = WithdrawRequest {
                job_id: self.job_id,
                reason: explain(error),
            };
            // The end of the stream tells it as well, without the reason.
            let _ = connection.backups().withdraw(request).await;
        }
    }

    /// The job whose turn it is; 0 where the server has none yet.
    pub(super) fn job_id(&self) -> u64 {
        self.job_id
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(watched) = &self.watched {
            watched.abort();
        }
    }
}

async fn queue(
    connection: &Connection,
    mode: Mode,
    what: &What,
) -> Result<(u64, Streaming<QueueReply>), tonic::Status> {
    let kind = match what {
        What::Files => "file",
        What::Image(_) => "image",
    };
    let mode = match mode {
        Mode::Full => BackupMode::Full,
        Mode::Incremental => BackupMode::Incremental,
    };
    let request = QueueRequest {
        kind: kind.to_owned(),
        mode: mode.into(),
    };
    let mut replies = connection.backups().queue(request).await?.into_inner();
    let ended = || tonic::Status::unavailable("the server ended the wait without a reason");
    let reply = replies.message().await?.ok_or_else(ended)?;
    Ok((reply.job_id, replies))
}

/// Stops the backup if the server cancels its job.
async fn watch(mut replies: Streaming<QueueReply>, cancel: Cancel) {
    loop {
        match replies.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(status) => {
                if matches!(Error::from_status(&status), Error::Cancelled) {
                    cancel.cancel();
                }
                return;
            }
        }
    }
}
