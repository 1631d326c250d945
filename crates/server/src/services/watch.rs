//! Lets a caller watch what all jobs do, as it happens.

use std::sync::Arc;

use catalog::JobId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tonic::Status;
use wire::v1::{JobInfo, JobQueued, WatchEvent, watch_event};

use crate::core::Core;
use crate::jobs::{Event, News};
use crate::services::views;

/// Sends what jobs do, of one client or of all (empty), until the caller goes or the server ends. First comes what runs already.
pub async fn watch(core: Arc<Core>, client: String, sender: mpsc::Sender<Result<WatchEvent, Status>>) {
    let is_wanted = |of: &str| client.is_empty() || of == client;
    let mut news = core.board.news();
    for job in core.board.all() {
        if is_wanted(&job.client) {
            let progress = job.watch().borrow().progress.clone();
            let event = of_job(
                &core,
                job.id,
                core.clock.now_ms(),
                watch_event::Event::Progress(progress),
            );
            if sender.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
    loop {
        let received = tokio::select! {
            received = news.recv() => received,
            () = sender.closed() => return,
            () = core.shutdown.cancelled() => return,
        };
        let event = match received {
            Ok(news) if !is_wanted(&news.client) => continue,
            Ok(news) => told(&core, news),
            Err(RecvError::Lagged(missed)) => WatchEvent {
                job: None,
                at_ms: core.clock.now_ms(),
                event: Some(watch_event::Event::Missed(missed)),
            },
            Err(RecvError::Closed) => return,
        };
        if sender.send(Ok(event)).await.is_err() {
            return;
        }
    }
}

fn told(core: &Core, news: News) -> WatchEvent {
    let event = match news.event {
        Event::Queued => watch_event::Event::Queued(JobQueued {
            job_id: news.id.0 as u64,
        }),
        Event::Progress(progress) => watch_event::Event::Progress(progress),
        Event::Log(line) => watch_event::Event::Log(line),
        Event::Done(done) => watch_event::Event::Done(*done),
    };
    of_job(core, news.id, news.at_ms, event)
}

fn of_job(core: &Core, id: JobId, at_ms: i64, event: watch_event::Event) -> WatchEvent {
    let record = core.catalog.job(id);
    let job = record
        .map(|job| views::job_info(core, job))
        .unwrap_or_else(|_| JobInfo {
            id: id.0 as u64,
            ..JobInfo::default()
        });
    WatchEvent {
        job: Some(job),
        at_ms,
        event: Some(event),
    }
}
