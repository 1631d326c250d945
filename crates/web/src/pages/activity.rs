//! What the server does: what runs, live; what waits, and for what; what was.

mod running;

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{JobInfo, JobRef, ListJobsRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::form::button;
use crate::parts::page::{Place, framed};
use crate::parts::say::{exact_time, job_state, time};
use crate::parts::table::{Asked, ONE_MORE};
use crate::server_text;
use crate::visitor::{User, Visitor};

pub use self::running::{live, live_list};

/// So many jobs are shown at most of those that run, and of those that wait.
const MOST_OPEN: u32 = 500;
/// Of whatever has ended.
const EVER: i64 = 1;
/// States that a list can be limited to.
const STATES: [&str; 4] = ["done", "failed", "cancelled", "interrupted"];

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let in_state = |state: &str| ListJobsRequest {
        state: state.to_owned(),
        limit: MOST_OPEN,
        ..ListJobsRequest::default()
    };
    // An address may say anything.
    let only = STATES.into_iter().find(|state| *state == asked.only);
    let ended = ListJobsRequest {
        state: only.unwrap_or_default().to_owned(),
        limit: ONE_MORE,
        before: asked.before,
        ended_since_ms: EVER,
        text: asked.q.clone(),
        ..ListJobsRequest::default()
    };
    let [mut of_running, mut of_queued, mut of_past] = [(); 3].map(|()| user.services.admin());
    let (running, queued, past) = tokio::join!(
        of_running.list_jobs(in_state("running")),
        of_queued.list_jobs(in_state("queued")),
        of_past.list_jobs(ended),
    );
    let running = running.or_fail(&user)?.jobs;
    let queued = queued.or_fail(&user)?.jobs;
    let (past, links) = asked.back(&user, past.or_fail(&user)?.jobs, |job| job.id);
    let choices = STATES.map(|state| (state, user.say(&format!("job-{state}"))));
    let filters = asked.uncounted_filters(&user, &choices);
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
            (links)
        }
    };
    Ok(framed(&user, Place::Activity, &title, &body))
}

/// A job that waits, and for what.
fn waiting(user: &User, job: &JobInfo) -> Markup {
    html! {
        li {
            p { (subject(user, job)) }
            p.hint { @if job.waits_for.is_empty() { (user.say("activity-its-turn")) } @else { (server_text::show(user.language, &job.waits_for)) } }
        }
    }
}

/// What a job is about, with a link to it.
fn subject(visitor: &Visitor, job: &JobInfo) -> Markup {
    html! {
        a href={ "/activity/" (job.id) } { (kind(visitor, job)) }
        @if !job.client.is_empty() { " · " a href={ "/clients/" (job.client) } { (job.client) } }
        @if !job.subject.is_empty() { " · " (server_text::subject(visitor.language, &job.subject)) }
    }
}

/// Whether somebody lets it rest.
fn is_paused(job: &JobInfo) -> bool {
    job.waits_for == "paused"
}

/// Whether it can be let rest: only backups can.
fn is_backup(job: &JobInfo) -> bool {
    job.kind.ends_with("backup")
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
                        @if !job.error.is_empty() { tr.detail { td colspan="4" { (server_text::show(user.language, &job.error)) } } }
                    }
                }
            } }
        }
    }
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
            @if !is_over {
                @if is_paused(&job) { (button(&user, &format!("/activity/{id}/resume"), &user.say("activity-resume"), "")) }
                @else if is_backup(&job) { (button(&user, &format!("/activity/{id}/pause"), &user.say("activity-pause"), "quiet")) }
                (button(&user, &format!("/activity/{id}/cancel"), &user.say("activity-cancel"), "quiet danger"))
            }
            @if matches!(job.state.as_str(), "failed" | "cancelled" | "interrupted") {
                (button(&user, &format!("/activity/{id}/retry"), &user.say("activity-retry"), ""))
            }
        }
        @if !job.error.is_empty() { p.problem { (server_text::show(user.language, &job.error)) } }
        section.card {
            dl {
                @if !job.client.is_empty() { dt { (user.say("activity-client")) } dd { a href={ "/clients/" (job.client) } { (job.client) } } }
                @if !job.subject.is_empty() { dt { (user.say("activity-subject")) } dd { (server_text::subject(user.language, &job.subject)) } }
                @if !job.reason.is_empty() { dt { (user.say("activity-reason")) } dd { (server_text::show(user.language, &job.reason)) } }
                @if !job.waits_for.is_empty() { dt { (user.say("activity-waits")) } dd { (server_text::show(user.language, &job.waits_for)) } }
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
                    li.(line.level) { (exact_time(&user, line.at_ms)) " " span { (server_text::show(user.language, &line.text)) } }
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

pub async fn pause(
    Path(id): Path<u64>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let paused = visitor.services.admin().pause_job(JobRef { job_id: id }).await;
    paused.or_fail(&visitor)?;
    Ok(Redirect::to(&format!("/activity/{id}")).into_response())
}

pub async fn resume(
    Path(id): Path<u64>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let resumed = visitor.services.admin().resume_job(JobRef { job_id: id }).await;
    resumed.or_fail(&visitor)?;
    Ok(Redirect::to(&format!("/activity/{id}")).into_response())
}
