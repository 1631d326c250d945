//! Whether what the storages hold is as it was written: what is known to be damaged, and what the last checks found.

use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{CheckStorageRequest, DamagedFile, JobInfo, ListDamageRequest, ListJobsRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::backup::address;
use crate::parts::form::key;
use crate::parts::paths;
use crate::parts::say::{job_state, time};
use crate::server_text;
use crate::visitor::User;

/// So many checks are told.
const CHECKS: u32 = 3;
/// So many damaged files are told.
const MOST_DAMAGED: usize = 20;

/// What a check has found, as far as it is told here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Found {
    backups: u64,
    backups_damaged: u64,
    files_mended: u64,
    bytes_read: u64,
}

/// The section about it.
pub async fn section(user: &User) -> Result<Markup, Failure> {
    let damage = user
        .services
        .storages()
        .list_damage(ListDamageRequest::default())
        .await
        .or_fail(user)?
        .files;
    let request = ListJobsRequest {
        kind: "check".to_owned(),
        limit: CHECKS,
        ..ListJobsRequest::default()
    };
    let checks = user.services.admin().list_jobs(request).await.or_fail(user)?.jobs;
    Ok(html! {
        section.card #health {
            h2 { (user.say("health")) }
            (damaged(user, &damage))
            (done(user, &checks))
            @if user.may_on_server("storage") { (begin(user)) }
        }
    })
}

fn damaged(user: &User, files: &[DamagedFile]) -> Markup {
    html! {
        @if files.is_empty() { p { span.badge.fine { (user.say("health-sound")) } " " (user.say("health-nothing-damaged")) } }
        @else {
            p { span.badge.failing { (user.say("health-damaged")) } " "
                (user.language.say_with("health-damaged-files", &[("count", files.len().into()), ("shown", user.language.number(files.len() as u64).into())])) }
            div.scroll tabindex="0" role="region" aria-label=(user.say("health-damaged")) { table {
                thead { tr { @for head in ["backup", "file", "found"] { th scope="col" { (user.say(&format!("health-{head}"))) } } } }
                tbody { @for file in files.iter().take(MOST_DAMAGED) { tr {
                    th scope="row" { a href=(address(&file.client, &file.backup)) { (file.client) "/" (file.backup) } }
                    td.long { (paths::show(&file.path)) p.hint { (server_text::show(user.language, &file.message)) } }
                    td { (time(user, file.found_ms)) }
                } } }
            } }
            @if files.len() > MOST_DAMAGED {
                p.hint { (user.language.say_with("health-more", &[("count", (files.len() - MOST_DAMAGED).into())])) }
            }
            p.hint { (user.say("health-mends")) }
        }
    }
}

fn done(user: &User, checks: &[JobInfo]) -> Markup {
    html! {
        h3 { (user.say("health-checks")) }
        @if checks.is_empty() { p.none { (user.say("health-no-checks")) } }
        @else { ul.plain { @for job in checks { li {
            a href={ "/activity/" (job.id) } { (time(user, if job.finished_ms > 0 { job.finished_ms } else { job.queued_ms })) }
            " " (job_state(user.language, &job.state))
            @if let Some(found) = found(job) { " " span.hint { (told(user, &found)) } }
        } } } }
    }
}

fn found(job: &JobInfo) -> Option<Found> {
    serde_json::from_str(&job.figures).ok()
}

fn told(user: &User, found: &Found) -> String {
    let values = [
        ("backups", found.backups.into()),
        ("shown", user.language.number(found.backups).into()),
        ("read", user.language.bytes(found.bytes_read).into()),
    ];
    let mut text = user.language.say_with("health-checked", &values);
    for (key, count) in [
        ("health-found-damaged", found.backups_damaged),
        ("health-mended", found.files_mended),
    ] {
        if count > 0 {
            text += " · ";
            text += &user.language.say_with(key, &[("count", count.into())]);
        }
    }
    text
}

fn begin(user: &User) -> Markup {
    html! {
        form.row method="post" action="/storage/check" {
            (key(user))
            button name="extent" value="due" { (user.say("health-check-due")) }
            button.quiet name="extent" value="everything" { (user.say("health-check-everything")) }
        }
    }
}

/// Which backups are checked.
#[derive(Deserialize)]
pub struct Pressed {
    extent: String,
}

pub async fn check(Posted { visitor, form }: Posted<Pressed>) -> Result<Response, Failure> {
    let request = CheckStorageRequest {
        everything: form.extent == "everything",
        ..CheckStorageRequest::default()
    };
    let begun = visitor.services.storages().check(request).await;
    let job = begun.or_fail(&visitor)?.job_id;
    Ok(Redirect::to(&format!("/activity/{job}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_check_has_found_is_read_as_far_as_it_is_told() {
        let job = |figures: &str| JobInfo {
            figures: figures.to_owned(),
            ..JobInfo::default()
        };
        let read = found(&job(r#"{"backups": 3, "bytes_read": 17, "files": 9}"#)).expect("it is read");
        assert_eq!((read.backups, read.bytes_read, read.backups_damaged), (3, 17, 0));
        assert!(found(&job("")).is_none(), "one that runs has found nothing yet");
    }
}
