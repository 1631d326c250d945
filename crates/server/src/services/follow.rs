//! Lets a caller follow a job to its end.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::Status;
use wire::v1::{JobEvent, JobQueued, job_event::Event};

use crate::jobs::LiveJob;

/// Sends a job's events until it ends or the caller goes; the job does not mind.
pub async fn follow(job: Arc<LiveJob>, detach: bool, sender: mpsc::Sender<Result<JobEvent, Status>>) {
    let mut watch = job.watch();
    let send = async |event| sender.send(Ok(JobEvent { event: Some(event) })).await.is_ok();
    if !send(Event::Queued(JobQueued {
        job_id: job.id.0 as u64,
    }))
    .await
        || detach
    {
        return;
    }
    let mut lines_seen = 0;
    loop {
        let snapshot = watch.borrow_and_update().clone();
        let new = (snapshot.log_written - lines_seen).min(snapshot.log.len());
        lines_seen = snapshot.log_written;
        for line in &snapshot.log[snapshot.log.len() - new..] {
            if !send(Event::Log(line.clone())).await {
                return;
            }
        }
        if let Some(done) = snapshot.done {
            send(Event::Done(done)).await;
            return;
        }
        if !send(Event::Progress(snapshot.progress)).await {
            return;
        }
        tokio::select! {
            changed = watch.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
        }
    }
}
