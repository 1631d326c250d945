//! Which backups will go by the rules of retention, when and why, and what that would free; and the nightly cleanup, begun by hand.

use axum::extract::Query;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use wire::v1::job_event::Event;
use wire::v1::{
    BackupRef, CleanupRequest, FreedByRequest, KeptBackup, ListClientsRequest, PlannedRemoval,
    RetentionPlanRequest,
};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::{backup, freeing};
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::parts::say::exact_time;
use crate::parts::sieve::Sieve;
use crate::parts::table::{Asked, Pages};
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::User;

/// How far ahead one can look, in days; 0 is what a cleanup would do now.
const DAYS: [u32; 4] = [0, 7, 30, 365];
/// So many rows of a plan can be reached.
const MOST_ROWS: usize = 20_000;
/// Of so many backups at most it is asked what they free.
const MOST_FREED: usize = 50_000;
/// What stays is shown instead of what goes.
const STAYS: &str = "stays";

/// What is looked at.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Ahead {
    /// Whose backups; empty for all clients.
    #[serde(default)]
    client: String,
    #[serde(default)]
    days: u32,
    /// "yes" to suppose that backups go on being made.
    #[serde(default)]
    expected: String,
}

impl Ahead {
    fn is_expecting(&self) -> bool {
        !self.expected.is_empty() && self.days > 0
    }

    /// What lists are asked for, with this beside it.
    fn along(&self, asked: Asked) -> Asked {
        let days = if self.days > 0 {
            self.days.to_string()
        } else {
            String::new()
        };
        let beside = [
            ("client", &self.client),
            ("days", &days),
            ("expected", &self.expected),
        ];
        let said = beside.into_iter().filter(|(_, value)| !value.is_empty());
        said.fold(asked, |asked, (name, value)| asked.along(name, value.clone()))
    }
}

/// A plan, as far as a page shows it.
struct Plan {
    removals: (Vec<PlannedRemoval>, Pages),
    /// Those that stay, where they were asked for.
    kept: Option<(Vec<KeptBackup>, Pages)>,
    /// So many of what goes have not been made yet.
    expected: usize,
    /// What those free that are there; nothing where nobody knows.
    freed_bytes: Option<u64>,
}

impl Plan {
    async fn of(user: &User, ahead: &Ahead, asked: &Asked) -> Result<Self, Failure> {
        let is_kept_shown = asked.only == STAYS && ahead.days == 0;
        let request = RetentionPlanRequest {
            client: ahead.client.clone(),
            days: ahead.days,
            with_expected: ahead.is_expecting(),
            with_kept: is_kept_shown,
        };
        let plan = user.services.planning().retention_plan(request).await;
        let mut parts = plan.or_fail(user)?;
        let mut removals = Sieve::new(
            asked,
            MOST_ROWS,
            |one: &PlannedRemoval, other: &PlannedRemoval| {
                let key = |row: &PlannedRemoval| (row.at_ms, row.started_ms, row.expected);
                key(one).cmp(&key(other)).then_with(|| {
                    (&one.client, &one.kind, &one.name).cmp(&(&other.client, &other.kind, &other.name))
                })
            },
        );
        let mut kept = Sieve::new(asked, MOST_ROWS, |one: &KeptBackup, other: &KeptBackup| {
            (&one.client, other.started_ms, &one.name).cmp(&(&other.client, one.started_ms, &other.name))
        });
        let (mut expected, mut existing) = (0, Vec::new());
        while let Some(part) = parts.next().await {
            let part = part.map_err(|status| Failure::of(status).for_visitor(user))?;
            for removal in part.removals {
                match removal.expected {
                    true => expected += 1,
                    false => existing.push(backup::reference(&removal.client, &removal.name)),
                }
                removals.add(removal);
            }
            part.kept.into_iter().for_each(|one| kept.add(one));
        }
        Ok(Self {
            freed_bytes: freed(user, existing).await,
            removals: removals.finish(),
            kept: is_kept_shown.then(|| kept.finish()),
            expected,
        })
    }
}

/// What deleting these would free. A storage that is not there, or a backup that has gone meanwhile, is no reason to show no plan.
async fn freed(user: &User, backups: Vec<BackupRef>) -> Option<u64> {
    if backups.len() > MOST_FREED {
        return None;
    }
    let asked = user
        .services
        .storages()
        .freed_by(FreedByRequest { backups })
        .await;
    asked.ok()?.into_inner().bytes
}

pub async fn show(
    user: User,
    Query(ahead): Query<Ahead>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let asked = ahead.along(asked);
    let plan = Plan::of(&user, &ahead, &asked).await?;
    let clients = clients(&user).await?;
    let title = user.say("retention");
    let body = html! {
        (Tab::Retention.show(&user))
        div.heading {
            h1 { (title) }
            (freeing::link(&user))
            a.button href="/retention/cleanup" { (user.say("retention-cleanup")) }
        }
        (choice(&user, &ahead, &clients))
        (verdict(&user, &ahead, &plan))
        @if ahead.days == 0 { div.tools { (sides(&user, &asked)) } }
        @match &plan.kept {
            Some((rows, pages)) => { (staying(&user, rows)) (asked.pager(&user, *pages)) }
            None => { (leaving(&user, &ahead, &plan.removals.0)) (asked.pager(&user, plan.removals.1)) }
        }
        p.hint { (user.say("retention-besides")) " " a href="/trash" { (user.say("trash")) }
            " · " a href="/settings?section=retention" { (user.say("retention-rules")) } }
    };
    Ok(framed(&user, Place::Storage, &title, &body))
}

async fn clients(user: &User) -> Result<Vec<String>, Failure> {
    let listed = user
        .services
        .admin()
        .list_clients(ListClientsRequest::default())
        .await;
    let clients = listed.or_fail(user)?.clients;
    let mut names: Vec<String> = clients.into_iter().map(|client| client.name).collect();
    names.sort_unstable();
    Ok(names)
}

/// Whose plan, and for when.
fn choice(user: &User, ahead: &Ahead, clients: &[String]) -> Markup {
    html! {
        form.row.card method="get" action="/retention" {
            p.field {
                label for="client" { (user.say("retention-client")) }
                select #client name="client" {
                    option value="" { (user.say("retention-all")) }
                    @for client in clients { option value=(client) selected[*client == ahead.client] { (client) } }
                }
            }
            p.field {
                label for="days" { (user.say("retention-when")) }
                select #days name="days" {
                    @for days in DAYS { option value=(days) selected[days == ahead.days] { (user.say(&format!("retention-days-{days}"))) } }
                }
            }
            p.choice {
                input #expected type="checkbox" name="expected" value="yes" checked[!ahead.expected.is_empty()]
                    aria-describedby="expected-about";
                label for="expected" { (user.say("retention-expected")) }
                span.hint #expected-about { (user.say("retention-expected-about")) }
            }
            button { (user.say("retention-show")) }
        }
    }
}

/// How many go, and what that frees.
fn verdict(user: &User, ahead: &Ahead, plan: &Plan) -> Markup {
    let all = plan.removals.1.count;
    let counted = |key: &str, count: usize| {
        let values = [
            ("count", count.into()),
            ("shown", user.language.number(count as u64).into()),
        ];
        user.language.say_with(key, &values)
    };
    let freed = match plan.freed_bytes {
        Some(bytes) => {
            let values = [("bytes", user.language.bytes(bytes).into())];
            user.language.say_with("retention-frees", &values)
        }
        None => user.say("retention-frees-unknown"),
    };
    html! {
        section.card {
            p { strong { (counted(if ahead.days == 0 { "retention-goes-now" } else { "retention-goes" }, all)) }
                @if plan.expected > 0 { " " (counted("retention-not-made", plan.expected)) } }
            @if all > plan.expected { p { (freed) } }
        }
    }
}

/// The ways to what goes and to what stays.
fn sides(user: &User, asked: &Asked) -> Markup {
    html! {
        nav.filters aria-label=(user.say("list-filter")) {
            @for (only, text) in [("", "retention-leaving"), (STAYS, "retention-staying")] {
                a href=(asked.with(|asked| asked.only = only.to_owned())) aria-current=[(asked.only == only).then_some("true")] { (user.say(text)) }
            }
        }
    }
}

fn heads(user: &User, heads: &[&str]) -> Markup {
    html! { thead { tr { @for head in heads { th scope="col" { (user.say(&format!("retention-head-{head}"))) } } } } }
}

fn leaving(user: &User, ahead: &Ahead, rows: &[PlannedRemoval]) -> Markup {
    let name = user.say("retention-leaving");
    let row = |row: &PlannedRemoval| {
        html! {
            tr {
                th scope="row" {
                    a href={ "/clients/" (row.client) } { (row.client) } " "
                    @if row.expected { span.badge { (user.say("retention-to-come")) } }
                    @else { a href=(backup::address(&row.client, &row.name)) { (row.name) } }
                }
                td { (user.say(&format!("kind-{}-backup", row.kind))) }
                td.time { (exact_time(user, row.started_ms)) }
                @if ahead.days > 0 { td.time { (exact_time(user, row.at_ms)) } }
                td.long { (server_text::show(user.language, &row.reason)) }
            }
        }
    };
    html! {
        @if rows.is_empty() { p.none { (user.say("retention-nothing-goes")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(name) { table {
                @if ahead.days > 0 { (heads(user, &["backup", "kind", "made", "goes", "why"])) }
                @else { (heads(user, &["backup", "kind", "made", "why"])) }
                tbody { @for removal in rows { (row(removal)) } }
            } }
        }
    }
}

fn staying(user: &User, rows: &[KeptBackup]) -> Markup {
    let row = |row: &KeptBackup| {
        html! {
            tr {
                th scope="row" {
                    a href={ "/clients/" (row.client) } { (row.client) } " "
                    a href=(backup::address(&row.client, &row.name)) { (row.name) }
                }
                td { (user.say(&format!("kind-{}-backup", row.kind))) }
                td.time { (exact_time(user, row.started_ms)) }
                td.long { (server_text::show(user.language, &row.reason)) }
            }
        }
    };
    html! {
        @if rows.is_empty() { p.none { (user.say("client-no-backups")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("retention-staying")) { table {
                (heads(user, &["backup", "kind", "made", "stays-why"]))
                tbody { @for kept in rows { (row(kept)) } }
            } }
        }
    }
}

/// Asks whether the cleanup is to be done now.
pub async fn ask_cleanup(user: User) -> Result<Markup, Failure> {
    let plan = Plan::of(&user, &Ahead::default(), &Asked::default()).await?;
    let count = plan.removals.1.count;
    let values = [
        ("count", count.into()),
        ("shown", user.language.number(count as u64).into()),
    ];
    let title = user.say("cleanup-ask");
    let body = Question {
        title: &title,
        subject: &user.language.say_with("retention-goes-now", &values),
        about: &user.say("cleanup-about"),
        problem: None,
        go: ("/retention/cleanup", &user.say("cleanup-go")),
        back: "/retention",
    }
    .show(&user);
    Ok(framed(&user, Place::Storage, &title, &body))
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn clean_up(Posted { visitor, .. }: Posted<Pressed>) -> Result<Response, Failure> {
    let mut planning = visitor.services.planning();
    let begun = planning.cleanup(CleanupRequest { detach: true }).await;
    let mut events = begun.or_fail(&visitor)?;
    // The first event tells the job.
    let page = match events.next().await {
        Some(Ok(event)) => match event.event {
            Some(Event::Queued(queued)) => format!("/activity/{}", queued.job_id),
            _ => "/activity".to_owned(),
        },
        Some(Err(status)) => return Err(Failure::of(status).for_visitor(&visitor)),
        None => "/activity".to_owned(),
    };
    Ok(Redirect::to(&page).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_is_looked_at() {
        let ahead = Ahead {
            client: "laptop".to_owned(),
            days: 30,
            expected: "yes".to_owned(),
        };
        let asked = ahead.along(Asked::default());
        assert_eq!(
            asked.with(|asked| asked.page = 2),
            "?client=laptop&days=30&expected=yes&page=2"
        );
        assert_eq!(Ahead::default().along(Asked::default()).with(|_| ()), "?");
    }

    #[test]
    fn nothing_is_expected_of_now() {
        let mut ahead = Ahead {
            expected: "yes".to_owned(),
            ..Ahead::default()
        };
        assert!(!ahead.is_expecting());
        ahead.days = 7;
        assert!(ahead.is_expecting());
    }
}
