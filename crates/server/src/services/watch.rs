//! Lets a caller watch what all jobs do, as it happens.

use std::sync::Arc;

use catalog::JobId;
use policy::access::{Right, Subject};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use wire::v1::{JobInfo, JobQueued, WatchEvent, watch_event};

use crate::caller::Caller;
use crate::core::Core;
use crate::jobs::{Event, News};
use crate::services::reply::Sender;
use crate::services::views;

/// Sends what jobs do, of one client or of all (empty), until the caller goes or the server ends. First comes what runs already.
/// A caller gets nothing of clients that he does not see, and no logs where he may not read them. Who he is is asked anew each time.
pub async fn watch(core: Arc<Core>, mut caller: Caller, client: String, sender: Sender<WatchEvent>) {
    let mut news = core.board.news();
    for job in core.board.all() {
        if !is_wanted(&core, &caller, &client, &job.client) {
            continue;
        }
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
    while let Some(received) = next(&core, &mut caller, &mut news, &sender).await {
        let event = match received {
            Ok(news) if !may_hear(&core, &caller, &client, &news) => continue,
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

/// What comes next, for a caller who is still welcome; `None` when he goes, is welcome no more, or the server ends.
pub async fn next<N: Clone, T>(
    core: &Core,
    caller: &mut Caller,
    news: &mut broadcast::Receiver<N>,
    sender: &Sender<T>,
) -> Option<Result<N, RecvError>> {
    let received = tokio::select! {
        received = news.recv() => received,
        () = sender.closed() => return None,
        () = core.shutdown.cancelled() => return None,
    };
    if let Err(error) = caller.renew(core) {
        // The caller may be gone as well.
        let _ = sender.send(Err(error.into())).await;
        return None;
    }
    Some(received)
}

/// Whether jobs of a client are asked for, and the caller sees them.
fn is_wanted(core: &Core, caller: &Caller, asked: &str, client: &str) -> bool {
    (asked.is_empty() || asked == client) && may_watch(core, caller, Right::See, client)
}

fn may_hear(core: &Core, caller: &Caller, asked: &str, news: &News) -> bool {
    let may_read = || match news.event {
        Event::Log(_) => may_watch(core, caller, Right::Logs, &news.client),
        _ => true,
    };
    is_wanted(core, caller, asked, &news.client) && may_read()
}

/// Whether a caller may know this of a client's jobs, or of the server's (empty).
fn may_watch(core: &Core, caller: &Caller, right: Right, client: &str) -> bool {
    match client {
        "" => caller.can_to(core, right, Subject::Server),
        client => caller.can(core, right, client),
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
