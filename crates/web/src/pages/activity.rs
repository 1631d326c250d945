//! What the server does: what runs, live; what waits, and for what; what was.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, Query};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt as _};
use wire::v1::watch_event::Event as Told;
use wire::v1::{JobInfo, JobRef, ListJobsRequest, Progress, WatchEvent, WatchRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::form::button;
use crate::parts::page::{Place, framed};
use crate::parts::say::{exact_time, job_state, now_ms, time};
use crate::parts::table::Asked;
use crate::visitor::{User, Visitor};

/// How many jobs are looked at for the history.
const HISTORY: u32 = 1000;
/// How often what runs is drawn anew.
const REDRAWN_EVERY: Duration = Duration::from_millis(700);
/// States that a list can be limited to.
const STATES: [&str; 4] = ["done", "failed", "cancelled", "interrupted"];

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let mut admin = user.services.admin();
    let request = ListJobsRequest {
        limit: HISTORY,
        ..ListJobsRequest::default()
    };
    let jobs = admin.list_jobs(request).await.or_fail(&user)?.jobs;
    let is_active = |job: &JobInfo| matches!(job.state.as_str(), "running" | "paused");
    let (running, rest): (Vec<_>, Vec<_>) = jobs.into_iter().partition(is_active);
    let (queued, past): (Vec<_>, Vec<_>) = rest.into_iter().partition(|job| job.state == "queued");
    let counted = |state: &str| past.iter().filter(|job| job.state == state).count();
    let choices = STATES.map(|state| (state, user.say(&format!("job-{state}")), counted(state)));
    let filters = asked.filters(&user, past.len(), &choices);
    let wanted = past.into_iter().filter(|job| {
        (asked.only.is_empty() || job.state == asked.only)
            && (asked.q.is_empty()
                || [&job.client, &job.kind, &job.subject]
                    .iter()
                    .any(|text| text.contains(&asked.q)))
    });
    let (past, pages) = asked.page(wanted.collect::<Vec<_>>());
    let title = user.say("menu-activity");
    let body = html! {
        h1 { (title) }
        section.card { h2 { (user.say("activity-running")) } (live_list(&user, &running)) }
        @if !queued.is_empty() {
            section.card {
                h2 { (user.say("activity-waiting")) }
                ul.jobs { @for job in &queued { (waiting(&user, job)) } }
            }
        }
        section {
            h2 { (user.say("activity-past")) }
            div.tools { (filters) (asked.search(&user, &user.say("activity-find"))) }
            (history(&user, &past))
            (asked.pager(&user, pages))
        }
    };
    Ok(framed(&user, Place::Activity, &title, &body))
}

/// A job that waits, and for what.
fn waiting(user: &User, job: &JobInfo) -> Markup {
    html! {
        li {
            p { (subject(user, job)) }
            p.hint { @if job.waits_for.is_empty() { (user.say("activity-its-turn")) } @else { (job.waits_for) } }
        }
    }
}

/// What a job is about, with a link to it.
fn subject(visitor: &Visitor, job: &JobInfo) -> Markup {
    html! {
        a href={ "/activity/" (job.id) } { (kind(visitor, job)) }
        @if !job.client.is_empty() { " · " a href={ "/clients/" (job.client) } { (job.client) } }
        @if !job.subject.is_empty() { " · " (job.subject) }
    }
}

/// What kind of job it is.
fn kind(visitor: &Visitor, job: &JobInfo) -> String {
    let key = format!("kind-{}", job.kind.replace(' ', "-"));
    let kind = match visitor.language.has(&key) {
        true => visitor.say(&key),
        false => job.kind.clone(),
    };
    match job.mode.as_str() {
        "full" => format!("{kind} ({})", visitor.say("mode-full")),
        "incremental" => format!("{kind} ({})", visitor.say("mode-incremental")),
        _ => kind,
    }
}

fn history(user: &User, jobs: &[JobInfo]) -> Markup {
    html! {
        @if jobs.is_empty() { p.none { (user.say("activity-nothing")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("activity-past")) { table {
                thead { tr {
                    @for (head, class) in [("what", ""), ("state", ""), ("ended", ""), ("took", "figure")] {
                        th.(class) scope="col" { (user.say(&format!("activity-{head}"))) }
                    }
                } }
                tbody {
                    @for job in jobs {
                        tr {
                            td { (subject(user, job)) }
                            td { (job_state(user.language, &job.state)) }
                            td { (time(user, job.finished_ms)) }
                            td.figure { @if job.started_ms > 0 { (user.language.duration(job.finished_ms - job.started_ms)) } }
                        }
                        @if !job.error.is_empty() { tr.detail { td colspan="4" { (job.error) } } }
                    }
                }
            } }
        }
    }
}

/// What runs, drawn anew as it happens.
pub fn live_list(user: &User, running: &[JobInfo]) -> Markup {
    let jobs: Vec<Running> = running.iter().cloned().map(Running::new).collect();
    html! {
        div hx-ext="sse" sse-connect="/activity/live" sse-swap="jobs" aria-live="off" { (list(user, &jobs)) }
    }
}

fn list(visitor: &Visitor, jobs: &[Running]) -> Markup {
    html! {
        @if jobs.is_empty() { p.none { (visitor.say("activity-nothing-runs")) } }
        @else { ul.jobs { @for job in jobs { li { (progress(visitor, job)) } } } }
    }
}

fn progress(visitor: &Visitor, running: &Running) -> Markup {
    let done = &running.progress;
    let language = visitor.language;
    let path = String::from_utf8_lossy(&done.current_path).into_owned();
    html! {
        p { (subject(visitor, &running.job))
            @if running.job.state != "running" { " " (job_state(language, &running.job.state)) } }
        @if done.bytes_total > 0 {
            progress max=(done.bytes_total) value=(done.bytes_done.min(done.bytes_total)) aria-label=(kind(visitor, &running.job)) {}
        }
        p.hint {
            @if !done.phase.is_empty() { (done.phase) }
            @if done.bytes_done > 0 || done.bytes_total > 0 {
                " · " (language.bytes(done.bytes_done))
                @if done.bytes_total > 0 { " / " (language.bytes(done.bytes_total)) }
            }
            @if let Some(bytes_per_s) = running.bytes_per_s() {
                " · " (language.bytes(bytes_per_s)) "/s"
                @if let Some(rest_ms) = running.rest_ms(bytes_per_s) {
                    " · " (language.say_with("activity-rest", &[("time", language.duration(rest_ms).into())]))
                }
            }
            @if !path.is_empty() { br; span.path { (path) } }
        }
    }
}

/// A job that runs, and how fast.
struct Running {
    job: JobInfo,
    progress: Progress,
    /// When it was first seen to move, and how far it was then.
    first: Option<(i64, u64)>,
    now_ms: i64,
}

impl Running {
    fn new(job: JobInfo) -> Self {
        Self {
            job,
            progress: Progress::default(),
            first: None,
            now_ms: now_ms(),
        }
    }

    fn advance(&mut self, progress: Progress, at_ms: i64) {
        self.first.get_or_insert((at_ms, progress.bytes_done));
        self.now_ms = at_ms;
        self.progress = progress;
    }

    /// The mean since it was first seen.
    fn bytes_per_s(&self) -> Option<u64> {
        let (first_ms, first_bytes) = self.first?;
        let took_ms = u64::try_from(self.now_ms.saturating_sub(first_ms)).ok()?;
        let bytes = self.progress.bytes_done.checked_sub(first_bytes)?;
        (took_ms >= 1000 && bytes > 0).then(|| bytes.saturating_mul(1000) / took_ms)
    }

    fn rest_ms(&self, bytes_per_s: u64) -> Option<i64> {
        let rest = self.progress.bytes_total.checked_sub(self.progress.bytes_done)?;
        (rest > 0 && bytes_per_s > 0)
            .then(|| i64::try_from(rest.saturating_mul(1000) / bytes_per_s).unwrap_or(i64::MAX))
    }
}

/// What runs at the moment, as far as was told.
#[derive(Default)]
struct Board {
    jobs: BTreeMap<u64, Running>,
    is_changed: bool,
}

impl Board {
    fn take(&mut self, event: WatchEvent) {
        let Some(job) = event.job else { return };
        self.is_changed = true;
        match event.event {
            Some(Told::Done(_)) => drop(self.jobs.remove(&job.id)),
            _ if matches!(
                job.state.as_str(),
                "done" | "failed" | "cancelled" | "interrupted" | "queued"
            ) => {}
            told => {
                let running = self
                    .jobs
                    .entry(job.id)
                    .or_insert_with(|| Running::new(job.clone()));
                running.job = job;
                if let Some(Told::Progress(progress)) = told {
                    running.advance(progress, event.at_ms);
                }
            }
        }
    }

    fn draw(&mut self, visitor: &Visitor) -> Event {
        self.is_changed = false;
        let jobs: Vec<Running> = std::mem::take(&mut self.jobs).into_values().collect();
        let drawn = list(visitor, &jobs).into_string();
        self.jobs = jobs.into_iter().map(|job| (job.job.id, job)).collect();
        Event::default().event("jobs").data(drawn)
    }
}

/// What runs, as an event stream of drawn lists.
pub async fn live(user: User) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let events = user.services.admin().watch(WatchRequest::default()).await;
    let mut events = events.or_fail(&user)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let visitor = user.visitor;
    tokio::spawn(async move {
        let mut board = Board {
            is_changed: true,
            ..Board::default()
        };
        let mut tick = tokio::time::interval(REDRAWN_EVERY);
        loop {
            tokio::select! {
                told = events.next() => match told {
                    Some(Ok(event)) => board.take(event),
                    // Who watches is welcome no more, or the server ends: the browser asks again.
                    Some(Err(_)) | None => return,
                },
                _ = tick.tick(), if board.is_changed => {
                    if sender.send(Ok(board.draw(&visitor))).await.is_err() {
                        return;
                    }
                },
                () = sender.closed() => return,
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// One job with its log.
pub async fn job(user: User, Path(id): Path<u64>) -> Result<Markup, Failure> {
    let log = user
        .services
        .admin()
        .job_log(JobRef { job_id: id })
        .await
        .or_fail(&user)?;
    let job = log.job.unwrap_or_default();
    let title = format!("{} {id}", kind(&user, &job));
    let is_over = job.finished_ms > 0;
    let body = html! {
        div.heading {
            h1 { (title) " " (job_state(user.language, &job.state)) }
            @if !is_over { (button(&user, &format!("/activity/{id}/cancel"), &user.say("activity-cancel"), "quiet danger")) }
            @if matches!(job.state.as_str(), "failed" | "cancelled" | "interrupted") {
                (button(&user, &format!("/activity/{id}/retry"), &user.say("activity-retry"), ""))
            }
        }
        @if !job.error.is_empty() { p.problem { (job.error) } }
        section.card {
            dl {
                @if !job.client.is_empty() { dt { (user.say("activity-client")) } dd { a href={ "/clients/" (job.client) } { (job.client) } } }
                @if !job.subject.is_empty() { dt { (user.say("activity-subject")) } dd { (job.subject) } }
                @if !job.reason.is_empty() { dt { (user.say("activity-reason")) } dd { (job.reason) } }
                @if !job.waits_for.is_empty() { dt { (user.say("activity-waits")) } dd { (job.waits_for) } }
                dt { (user.say("activity-began")) } dd { (exact_time(&user, job.started_ms)) }
                @if is_over {
                    dt { (user.say("activity-ended")) } dd { (exact_time(&user, job.finished_ms)) }
                    @if job.started_ms > 0 { dt { (user.say("activity-took")) } dd { (user.language.duration(job.finished_ms - job.started_ms)) } }
                }
            }
        }
        section.card {
            h2 { (user.say("activity-log")) }
            @if log.lines.is_empty() { p.none { (user.say("activity-no-log")) } }
            @else {
                ol.log { @for line in &log.lines {
                    li.(line.level) { (exact_time(&user, line.at_ms)) " " span { (line.text) } }
                } }
            }
        }
    };
    Ok(framed(&user, Place::Activity, &title, &body))
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn cancel(
    Path(id): Path<u64>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let cancelled = visitor.services.admin().cancel_job(JobRef { job_id: id }).await;
    cancelled.or_fail(&visitor)?;
    Ok(Redirect::to(&format!("/activity/{id}")).into_response())
}

pub async fn retry(
    Path(id): Path<u64>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let retried = visitor
        .services
        .admin()
        .retry_job(JobRef { job_id: id })
        .await
        .or_fail(&visitor)?;
    let id = retried.job.map_or(id, |job| job.id);
    Ok(Redirect::to(&format!("/activity/{id}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: u64, state: &str, told: Option<Told>, at_ms: i64) -> WatchEvent {
        WatchEvent {
            job: Some(JobInfo {
                id,
                state: state.to_owned(),
                ..JobInfo::default()
            }),
            at_ms,
            event: told,
        }
    }

    fn progress(bytes_done: u64) -> Option<Told> {
        Some(Told::Progress(Progress {
            bytes_done,
            bytes_total: 10_000,
            ..Progress::default()
        }))
    }

    #[test]
    fn what_runs_comes_and_goes_with_its_speed() {
        let mut board = Board::default();
        board.take(event(1, "running", progress(1000), 0));
        assert_eq!(board.jobs[&1].bytes_per_s(), None, "once is no speed");
        board.take(event(1, "running", progress(5000), 2000));
        assert_eq!(board.jobs[&1].bytes_per_s(), Some(2000));
        assert_eq!(board.jobs[&1].rest_ms(2000), Some(2500));
        board.take(event(2, "queued", None, 0));
        assert_eq!(board.jobs.len(), 1, "what waits does not run");
        board.take(event(
            1,
            "done",
            Some(Told::Done(wire::v1::JobDone::default())),
            3000,
        ));
        assert!(board.jobs.is_empty() && board.is_changed);
    }
}
