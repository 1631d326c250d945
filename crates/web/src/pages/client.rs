//! One client: how it is doing, what comes next and why, its backups.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use wire::v1::job_event::Event;
use wire::v1::{BackupInfo, BackupMode, ClientInfo, KindOutlook, OutlookRequest, PauseRequest, StartRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::settings::Owner;
use crate::pages::sizes::AskedPeriod;
use crate::pages::{backups, barring, naming, search, sizes};
use crate::parts::calendar;
use crate::parts::form::key;
use crate::parts::page::{Place, framed};
use crate::parts::say::{Condition, exact_time, now_ms, time};
use crate::server_text;
use crate::visitor::User;

/// So many of the newest backups are listed.
const NEWEST: usize = 5;
/// So many months of them are on the calendar.
const MONTHS: usize = 2;

pub async fn show(
    user: User,
    Path(name): Path<String>,
    Query(asked): Query<AskedPeriod>,
) -> Result<Markup, Failure> {
    let client = barring::client_named(&user, &name).await?;
    let outlook = user
        .services
        .planning()
        .outlook(OutlookRequest { client: name.clone() })
        .await;
    let outlook = outlook.or_fail(&user)?.kinds;
    let backups = backups::of_client(&user, &name).await?;
    let sizes = sizes::of_client(&user, &name, asked.period(), &backups).await?;
    let condition = Condition::of(&client, now_ms());
    let body = html! {
        div.heading {
            h1 { (naming::called(&client)) " " (condition.badge(user.language)) }
            @if !condition.is_barred() { (actions(&user, &client)) }
            a.button href=(Owner::Client(name.clone()).address()) { (user.say("client-settings")) }
        }
        (barring::notice(&user, &client))
        @for standing in client.standings.iter().filter(|standing| matches!(standing.standing.as_str(), "failing" | "late" | "never")) {
            p.problem { (user.say(&format!("kind-{}-backup", standing.kind))) ": " (server_text::show(user.language, &standing.reason)) }
        }
        (facts(&user, &client))
        (next(&user, &outlook))
        (newest(&user, &name, &backups))
        (sizes)
        (barring::actions(&user, &client))
    };
    Ok(framed(&user, Place::Clients, &name, &body))
}

fn facts(user: &User, client: &ClientInfo) -> Markup {
    html! {
        section.card {
            dl {
                dt { (user.say("clients-seen")) }
                dd { @if client.connected { span.online { (user.say("clients-online")) } } @else { (time(user, client.last_seen_ms)) } }
                dt { (user.say("client-system")) } dd { (client.operating_system) }
                dt { (user.say("client-version")) } dd { (client.version) }
                @if !client.group.is_empty() { dt { (user.say("client-group")) } dd { (client.group) } }
                dt { (user.say("client-enrolled")) } dd { (exact_time(user, client.enrolled_ms)) }
            }
        }
    }
}

fn actions(user: &User, client: &ClientInfo) -> Markup {
    let address = format!("/clients/{}", client.name);
    let is_paused = client.paused_until_ms > now_ms();
    html! {
        form.inline method="post" action={ (address) "/start" } {
            (key(user))
            label.unseen for="what" { (user.say("client-what")) }
            select id="what" name="what" {
                @for what in What::ALL { option value=(what.word()) { (user.say(&format!("start-{}", what.word()))) } }
            }
            button.main disabled[!client.connected] title=[(!client.connected).then(|| user.say("client-not-there"))] {
                (user.say("client-start"))
            }
        }
        form.inline method="post" action={ (address) "/pause" } {
            (key(user))
            input type="hidden" name="hours" value=(if is_paused { 0 } else { 24 });
            button.quiet { (user.say(if is_paused { "client-resume" } else { "client-pause" })) }
        }
    }
}

/// When which kind is next, and why not sooner.
fn next(user: &User, outlook: &[KindOutlook]) -> Markup {
    html! {
        section.card {
            h2 { (user.say("client-next")) }
            div.scroll tabindex="0" role="region" aria-label=(user.say("client-next")) { table {
                thead { tr { @for head in ["kind", "last", "begins", "why"] { th scope="col" { (user.say(&format!("next-{head}"))) } } } }
                tbody { @for kind in outlook { tr {
                    th scope="row" {
                        (user.say(&format!("kind-{}-backup", kind.kind))) " "
                        span.hint { (user.say(if kind.mode() == BackupMode::Full { "mode-full" } else { "mode-incremental" })) }
                    }
                    td { (time(user, kind.last_ms)) }
                    td {
                        @if kind.running_job > 0 { a href={ "/activity/" (kind.running_job) } { (user.say("job-running")) } }
                        @else { (time(user, kind.begins_ms.unwrap_or_default())) }
                    }
                    td.long {
                        (server_text::show(user.language, &kind.reason))
                        @for hindrance in &kind.hindrances { p.hint { (server_text::show(user.language, hindrance)) } }
                    }
                } } }
            } }
        }
    }
}

/// The newest backups, and those of the last months on a calendar.
fn newest(user: &User, name: &str, backups: &[BackupInfo]) -> Markup {
    let all: Vec<&BackupInfo> = backups.iter().collect();
    let months = calendar::months_until(calendar::day_of(now_ms()), MONTHS);
    let page = format!("/clients/{name}/backups");
    let count = user.language.number(backups.len() as u64);
    html! {
        section.card #backups {
            div.heading {
                h2 { (user.say("client-backups")) }
                @if !backups.is_empty() {
                    a href=(page) { (user.language.say_with("client-all-backups", &[("count", count.into())])) }
                    a href={ "/retention?client=" (name) } { (user.say("retention-link")) }
                }
            }
            @if !backups.is_empty() { div.tools.start { (search::field(user, name, b"", "")) } }
            (backups::table(user, &all[..all.len().min(NEWEST)]))
            @if !backups.is_empty() { (calendar::show(user, &months, &all, |day| format!("{page}?day={day}#list"))) }
        }
    }
}

/// What can be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Files,
    FilesFull,
    Image,
    ImageFull,
}

impl What {
    const ALL: [Self; 4] = [Self::Files, Self::FilesFull, Self::Image, Self::ImageFull];

    fn word(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::FilesFull => "files-full",
            Self::Image => "image",
            Self::ImageFull => "image-full",
        }
    }
}

/// What is to be started.
#[derive(Deserialize)]
pub struct Start {
    what: String,
}

pub async fn start(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Start>,
) -> Result<Response, Failure> {
    let Some(what) = What::ALL.into_iter().find(|what| what.word() == form.what) else {
        return Err(Failure::invalid("there is no such kind of backup").for_visitor(&visitor));
    };
    let request = StartRequest {
        client: name.clone(),
        mode: match what {
            What::Files | What::Image => BackupMode::Incremental,
            What::FilesFull | What::ImageFull => BackupMode::Full,
        }
        .into(),
        detach: true,
        kind: match what {
            What::Files | What::FilesFull => "file",
            What::Image | What::ImageFull => "image",
        }
        .to_owned(),
        volumes: Vec::new(),
    };
    let mut events = visitor
        .services
        .backups()
        .start(request)
        .await
        .or_fail(&visitor)?;
    let queued = match events.next().await {
        Some(Ok(event)) => match event.event {
            Some(Event::Queued(queued)) => Some(queued.job_id),
            _ => None,
        },
        Some(Err(status)) => return Err(Failure::of(status).for_visitor(&visitor)),
        None => None,
    };
    Ok(match queued {
        Some(job) => Redirect::to(&format!("/activity/{job}")).into_response(),
        None => Redirect::to(&format!("/clients/{name}")).into_response(),
    })
}

/// For how long backups are to rest; 0 to go on.
#[derive(Deserialize)]
pub struct Pause {
    hours: u32,
}

pub async fn pause(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Pause>,
) -> Result<Response, Failure> {
    let request = PauseRequest {
        client: name.clone(),
        until_ms: match form.hours {
            0 => 0,
            hours => now_ms() + i64::from(hours) * 3_600_000,
        },
    };
    visitor
        .services
        .planning()
        .pause(request)
        .await
        .or_fail(&visitor)?;
    Ok(Redirect::to(&format!("/clients/{name}")).into_response())
}
