//! Is everything all right? What needs a person, what runs, how much room there is.

use std::collections::BTreeMap;

use maud::{Markup, html};
use tonic::Code;
use wire::v1::{
    ClientInfo, JobInfo, ListClientsRequest, ListJobsRequest, ListStoragesRequest, ListTroublesRequest,
    StorageInfo, Trouble,
};

use crate::failure::{Failure, OrFail as _};
use crate::pages::activity;
use crate::parts::page::{Place, framed};
use crate::parts::say::{Condition, now_ms, time};
use crate::server_text;
use crate::visitor::User;

/// So many troubles are shown before one is sent to the list.
const MOST_TROUBLES: usize = 12;
/// Jobs that verify.
const VERIFYING: [&str; 2] = ["verify", "check"];

pub async fn show(user: User) -> Result<Markup, Failure> {
    let (mut of_clients, mut of_troubles) = (user.services.admin(), user.services.admin());
    let (mut of_jobs, mut storages) = (user.services.admin(), user.services.storages());
    let running = ListJobsRequest {
        state: "running".to_owned(),
        limit: 100,
        ..ListJobsRequest::default()
    };
    // Side by side: each of them looks at all clients.
    let (listed, troubles, running, verified, places) = tokio::join!(
        of_clients.list_clients(ListClientsRequest::default()),
        of_troubles.list_troubles(ListTroublesRequest {}),
        of_jobs.list_jobs(running),
        last_verification(&user),
        storages.list(ListStoragesRequest {}),
    );
    let mut clients = listed.or_fail(&user)?.clients;
    // Those that are about to go count no more.
    clients.retain(|client| client.removed_ms == 0);
    let troubles = troubles.or_fail(&user)?.troubles;
    let running = running.or_fail(&user)?.jobs;
    let verified = verified?;
    let places = match places {
        Ok(places) => places.into_inner().storages,
        // Not everybody is to know where backups lie.
        Err(status) if status.code() == Code::PermissionDenied => Vec::new(),
        Err(status) => return Err(Failure::of(status).for_visitor(&user)),
    };
    let body = html! {
        (verdict(&user, &troubles, &clients))
        (conditions(&user, &clients))
        @if !troubles.is_empty() { (needs(&user, &troubles)) }
        section.card {
            div.heading {
                h2 { (user.say("overview-running")) }
                a href="/activity" { (user.say("overview-all-activity")) }
            }
            (activity::live_list(&user, &running))
        }
        @if !places.is_empty() { (room(&user, &places)) }
        (verification(&user, verified.as_ref()))
    };
    Ok(framed(&user, Place::Overview, &user.say("menu-overview"), &body))
}

/// One sentence for all of it.
fn verdict(user: &User, troubles: &[Trouble], clients: &[ClientInfo]) -> Markup {
    let (style, text) = match (troubles.len(), clients.is_empty()) {
        (_, true) => ("none", user.say("overview-no-clients")),
        (0, false) => ("fine", user.say("overview-fine")),
        (count, false) => (
            "wrong",
            user.language
                .say_with("overview-wrong", &[("count", count.into())]),
        ),
    };
    html! {
        div.verdict.(style) {
            h1 { (text) }
            @if clients.is_empty() { p { a.button.main href="/new-client" { (user.say("clients-add")) } } }
        }
    }
}

fn conditions(user: &User, clients: &[ClientInfo]) -> Markup {
    let now_ms = now_ms();
    let mut counts: BTreeMap<Condition, usize> = BTreeMap::new();
    for client in clients {
        *counts.entry(Condition::of(client, now_ms)).or_default() += 1;
    }
    html! {
        @if !clients.is_empty() {
            ul.tiles aria-label=(user.say("overview-conditions")) {
                @for (condition, count) in counts {
                    li.tile.(condition.word()) {
                        a href={ "/clients?only=" (condition.word()) } {
                            strong { (user.language.number(count as u64)) }
                            span { (condition.name(user.language)) }
                        }
                    }
                }
            }
        }
    }
}

/// What needs a person, the clients' before the server's.
fn needs(user: &User, troubles: &[Trouble]) -> Markup {
    html! {
        section.card {
            h2 { (user.say("overview-needs")) }
            ul.troubles {
                @for trouble in troubles.iter().take(MOST_TROUBLES) { (need(user, trouble)) }
            }
            @if troubles.len() > MOST_TROUBLES {
                p { a href="/clients" { (user.language.say_with("overview-more",
                    &[("count", (troubles.len() - MOST_TROUBLES).into())])) } }
            }
        }
    }
}

fn need(user: &User, trouble: &Trouble) -> Markup {
    let key = format!("trouble-{}", trouble.what);
    let what = match user.language.has(&key) {
        true => user.say(&key),
        // A newer kind of trouble is told by its word.
        false => trouble.what.clone(),
    };
    let subject = match trouble.subject.as_str() {
        // They are kinds of jobs; everything else is a name.
        "file backup" => user.say("kind-file-backup"),
        "image backup" => user.say("kind-image-backup"),
        name => name.to_owned(),
    };
    html! {
        li {
            @if trouble.client.is_empty() { strong { (user.say("overview-server")) } }
            @else { a href={ "/clients/" (trouble.client) } { strong { (trouble.client) } } }
            " " span { (what) @if !subject.is_empty() { " (" (subject) ")" } }
            @if !trouble.reason.is_empty() { p.hint.lines { (server_text::show(user.language, &trouble.reason)) } }
        }
    }
}

/// The newest verification or check that came to its end, among the jobs of the last time.
async fn last_verification(user: &User) -> Result<Option<JobInfo>, Failure> {
    let mut last: Option<JobInfo> = None;
    for kind in VERIFYING {
        let newest = ListJobsRequest {
            kind: kind.to_owned(),
            state: "done".to_owned(),
            limit: 1,
            ..ListJobsRequest::default()
        };
        let jobs = user.services.admin().list_jobs(newest).await.or_fail(user)?.jobs;
        last = last.into_iter().chain(jobs).max_by_key(|job| job.finished_ms);
    }
    Ok(last)
}

fn verification(user: &User, job: Option<&JobInfo>) -> Markup {
    html! {
        section.card {
            h2 { (user.say("overview-verified")) }
            @match job {
                Some(job) => p {
                    a href={ "/activity/" (job.id) } { (user.say(&format!("kind-{}", job.kind))) } " " (time(user, job.finished_ms))
                    @if !job.client.is_empty() { " · " a href={ "/clients/" (job.client) } { (job.client) } }
                    @if !job.subject.is_empty() { " · " (server_text::subject(user.language, &job.subject)) }
                },
                None => p.none { (user.say("overview-none-verified")) },
            }
        }
    }
}

fn room(user: &User, places: &[StorageInfo]) -> Markup {
    html! {
        section.card {
            div.heading { h2 { (user.say("overview-room")) } a href="/storage" { (user.say("overview-all-storage")) } }
            @for place in places { (super::storage::gauge(user, place)) }
        }
    }
}
