//! One backup: what it holds and takes, how it came to be, how long it stays; and what can be done with it.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use jiff::{ToSpan as _, Zoned};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use wire::v1::job_event::Event;
use wire::v1::protect_request::Change;
use wire::v1::{
    Archive, BackupDetail, BackupInfo, BackupMode, BackupRef, DamagedFile, DeleteRequest, FreedByRequest,
    ListDamageRequest, ListRequest, Nothing, Problem, ProtectRequest, SourceInfo, VerifyRequest,
};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::image;
use crate::parts::form::{Field, button, key};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::say::{exact_time, now_ms};
use crate::parts::table::Asked;
use crate::server_text;
use crate::visitor::User;

/// So many damaged files are named.
const MOST_DAMAGE: usize = 100;

/// A backup of a client, as pages are asked for it.
pub type Named = Path<(String, String)>;

/// Where a backup's page is.
pub fn address(client: &str, name: &str) -> String {
    format!("/clients/{client}/backups/{name}")
}

/// A backup in all detail.
pub async fn detail(user: &User, client: &str, name: &str) -> Result<(BackupInfo, BackupDetail), Failure> {
    let mut backups = user.services.backups();
    let mut detail = backups.show(reference(client, name)).await.or_fail(user)?;
    match detail.info.take() {
        Some(info) => Ok((info, detail)),
        None => Err(Failure::not_found().for_visitor(user)),
    }
}

/// The other backups of its client with which a backup can be compared, the newest first.
pub async fn others(user: &User, info: &BackupInfo) -> Result<Vec<BackupInfo>, Failure> {
    let request = ListRequest {
        client: info.client.clone(),
    };
    let listed = user.services.backups().list(request).await.or_fail(user)?;
    let mut others = listed.backups;
    others.retain(|other| other.kind == info.kind && other.name != info.name);
    others.sort_by_key(|other| std::cmp::Reverse(other.started_ms));
    Ok(others)
}

/// A backup by its names.
pub fn reference(client: &str, name: &str) -> BackupRef {
    BackupRef {
        client: client.to_owned(),
        name: name.to_owned(),
    }
}

pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let (info, detail) = detail(&user, &client, &name).await?;
    let others = others(&user, &info).await?;
    let damage = damage(&user, &info).await?;
    let disks = match info.kind.as_str() {
        image::KIND => image::disks(&user, &info).await?,
        _ => html! {},
    };
    let body = html! {
        (crumbs(&user, &info, None))
        div.heading {
            h1 { (info.name) " " (badges(&user, &info)) }
            (actions(&user, &info))
        }
        (facts(&user, &info, &detail, &others))
        (disks)
        (keeping(&user, &info))
        (compare_form(&user, &info, &others, &info.base))
        (sources(&user, &detail.sources))
        (damaged(&user, &damage))
        (problems(&user, &asked, &info, detail.problems))
    };
    Ok(framed(&user, Place::Clients, &info.name, &body))
}

/// The way to a page about a backup; `here` is what comes behind the backup itself.
pub fn crumbs(user: &User, info: &BackupInfo, here: Option<&Markup>) -> Markup {
    html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href={ "/clients/" (info.client) } { (info.client) } }
            @match here {
                None => { li aria-current="page" { (info.name) } }
                Some(here) => { li { a href=(address(&info.client, &info.name)) { (info.name) } } (here) }
            }
        } }
    }
}

/// What is special about a backup.
pub fn badges(user: &User, backup: &BackupInfo) -> Markup {
    html! {
        @if backup.problems > 0 { span.badge.late { (user.language.say_with("backup-problems", &[("count", backup.problems.into())])) } " " }
        @if backup.archived_until_ms > 0 { span.badge { (user.say("backup-archived")) } " " }
        @if !backup.held_for.is_empty() { span.badge title=(backup.held_for) { (user.say("backup-held")) } " " }
        @match backup.verified.as_str() {
            "passed" => { span.badge.fine { (user.say("backup-verified")) } }
            "failed" => { span.badge.failing { (user.say("backup-damaged")) } }
            _ => {}
        }
    }
}

fn actions(user: &User, info: &BackupInfo) -> Markup {
    let address = address(&info.client, &info.name);
    html! {
        @if info.kind != image::KIND { a.button.main href={ (address) "/files" } { (user.say("backup-look")) } }
        (button(user, &format!("{address}/verify"), &user.say("backup-verify"), ""))
        a.button.danger href={ (address) "/delete" } { (user.say("backup-delete")) }
    }
}

fn facts(user: &User, info: &BackupInfo, detail: &BackupDetail, others: &[BackupInfo]) -> Markup {
    let language = user.language;
    let mode = match info.mode() {
        BackupMode::Full => "mode-full",
        _ => "mode-incremental",
    };
    let fact =
        |name: &str, value: &str| html! { dt { (user.say(&format!("backup-{name}"))) } dd { (value) } };
    html! {
        section.card { dl {
            (fact("kind", &format!("{} · {}", user.say(&format!("kind-{}-backup", info.kind)), user.say(mode))))
            dt { (user.say("backup-started")) } dd { (exact_time(user, info.started_ms)) }
            dt { (user.say("backup-ended")) } dd { (exact_time(user, info.finished_ms)) }
            (fact("took", &language.duration(info.finished_ms.saturating_sub(info.started_ms))))
            @if !info.base.is_empty() {
                dt { (user.say("backup-base")) }
                dd { @match others.iter().any(|other| other.name == info.base) {
                    true => { a href=(address(&info.client, &info.base)) { (info.base) } }
                    false => { (info.base) }
                } }
            }
            (fact("files", &language.number(info.files)))
            (fact("directories", &language.number(info.directories)))
            (fact("size", &language.bytes(info.bytes_logical)))
            (fact("sent", &language.bytes(info.bytes_transferred)))
            @match &detail.taken {
                Some(taken) => {
                    (fact("new", &language.bytes(taken.stored_new_bytes)))
                    (fact("freed", &language.bytes(taken.exclusive_bytes)))
                    (fact("shared", &language.bytes(taken.shared_bytes)))
                }
                None => { (fact("freed", &user.say("backup-uncounted"))) }
            }
            (verification(user, info))
        } }
    }
}

fn verification(user: &User, info: &BackupInfo) -> Markup {
    let found = match info.verified.as_str() {
        "passed" => "backup-verified",
        "failed" => "backup-damaged",
        _ => "backup-never-verified",
    };
    html! {
        dt { (user.say("backup-verification")) }
        dd { (user.say(found)) @if info.verified_ms > 0 { " · " (exact_time(user, info.verified_ms)) } }
    }
}

/// Why a backup stays, and what can be done about that.
fn keeping(user: &User, info: &BackupInfo) -> Markup {
    let protect = format!("{}/protect", address(&info.client, &info.name));
    let (is_archived, is_held) = (info.archived_until_ms > 0, !info.held_for.is_empty());
    let choice = |change: Wish| html! { button name="change" value=(change.word()) { (user.say(&format!("backup-{}", change.word()))) } };
    html! {
        section.card {
            h2 { (user.say("backup-keeping")) }
            (stays(user, info))
            form.row method="post" action=(protect) {
                (key(user))
                @for change in [Wish::ArchiveMonth, Wish::ArchiveYear, Wish::ArchiveForEver] { (choice(change)) }
                @if is_archived { (choice(Wish::Unarchive)) }
                @if is_held { (choice(Wish::Release)) }
            }
            @if !is_held {
                form.row.below method="post" action=(protect) {
                    (key(user))
                    (Field { name: "reason", label: &user.say("backup-hold-reason"), kind: "text", value: "", autocomplete: "off",
                        is_required: true }.show())
                    (choice(Wish::Hold))
                }
            }
        }
    }
}

/// What keeps a backup, in words.
fn stays(user: &User, info: &BackupInfo) -> Markup {
    let language = user.language;
    let who = server_text::subject(language, &info.archived_by);
    let archived = match info.archived_until_ms {
        0 => None,
        i64::MAX => Some(language.say_with("backup-archived-for-ever", &[("who", who.into())])),
        until_ms => {
            let values = [("who", who.into()), ("until", language.time(until_ms).into())];
            Some(language.say_with("backup-archived-until", &values))
        }
    };
    html! {
        @if !info.held_for.is_empty() {
            p { (language.say_with("backup-held-for", &[("reason", info.held_for.as_str().into())])) }
        }
        @match archived {
            Some(archived) => { p { (archived) } }
            None => { @if info.held_for.is_empty() { p { (user.say("backup-by-rules")) } } }
        }
    }
}

/// The choice of what a backup is to be compared with.
pub fn compare_form(user: &User, info: &BackupInfo, others: &[BackupInfo], chosen: &str) -> Markup {
    html! {
        @if !others.is_empty() {
            section.card {
                h2 { (user.say("compare")) }
                form.row method="get" action={ (address(&info.client, &info.name)) "/changes" } {
                    p.field {
                        label for="from" { (user.say("compare-from")) }
                        select id="from" name="from" {
                            @for other in others {
                                option value=(other.name) selected[other.name == chosen] {
                                    (user.language.time(other.started_ms)) " · " (other.name)
                                }
                            }
                        }
                    }
                    button { (user.say("compare-go")) }
                }
            }
        }
    }
}

fn sources(user: &User, sources: &[SourceInfo]) -> Markup {
    let table = html! {
        table {
            thead { tr { @for head in ["name", "path", "still"] { th scope="col" { (user.say(&format!("backup-source-{head}"))) } } } }
            tbody { @for source in sources { tr {
                th scope="row" { (paths::show(&source.name)) }
                td.long { (paths::show(&source.path)) }
                td { @if source.consistency == "none" { (user.say("backup-source-none")) } @else { (server_text::show(user.language, &source.consistency)) } }
            } } }
        }
    };
    html! {
        @if !sources.is_empty() {
            section.card { h2 { (user.say("backup-sources")) } div.scroll tabindex="0" role="region" aria-label=(user.say("backup-sources")) { (table) } }
        }
    }
}

/// What is known to be damaged in a backup.
async fn damage(user: &User, info: &BackupInfo) -> Result<Vec<DamagedFile>, Failure> {
    let request = ListDamageRequest {
        client: info.client.clone(),
    };
    let known = user
        .services
        .storages()
        .list_damage(request)
        .await
        .or_fail(user)?;
    let mut files = known.files;
    files.retain(|file| file.backup == info.name);
    Ok(files)
}

fn damaged(user: &User, damage: &[DamagedFile]) -> Markup {
    let more = damage.len().saturating_sub(MOST_DAMAGE);
    html! {
        @if !damage.is_empty() {
            section.card {
                h2 { (user.say("backup-damage")) }
                ul.plain { @for file in damage.iter().take(MOST_DAMAGE) {
                    li { (paths::show(&file.path)) p.hint { (server_text::show(user.language, &file.message)) } }
                } }
                @if more > 0 { p { (user.language.say_with("overview-more", &[("count", more.into())])) } }
            }
        }
    }
}

fn problems(user: &User, asked: &Asked, info: &BackupInfo, problems: Vec<Problem>) -> Markup {
    let is_hidden = problems.is_empty();
    let (rows, pages) = asked.page(problems);
    let table = html! {
        table {
            thead { tr { @for head in ["path", "kind", "message"] { th scope="col" { (user.say(&format!("backup-problem-{head}"))) } } } }
            tbody { @for problem in &rows { tr {
                td.long { (paths::show(&problem.path)) }
                td { (server_text::show(user.language, &problem.kind)) }
                td.long { (server_text::show(user.language, &problem.message)) }
            } } }
        }
    };
    html! {
        @if info.problems > 0 {
            section {
                h2 { (user.say("backup-problem-list")) }
                @if is_hidden { p.none { (user.say("backup-problems-hidden")) } }
                @else { div.scroll tabindex="0" role="region" aria-label=(user.say("backup-problem-list")) { (table) } }
                (asked.pager(user, pages))
            }
        }
    }
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn verify(
    Path((client, name)): Named,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = VerifyRequest {
        backup: Some(reference(&client, &name)),
        source_percent: 0.0,
    };
    let mut backups = visitor.services.backups();
    let mut events = backups.verify(request).await.or_fail(&visitor)?;
    // The first event tells the job. It goes on when nobody follows it.
    let page = match events.next().await {
        Some(Ok(event)) => match event.event {
            Some(Event::Queued(queued)) => format!("/activity/{}", queued.job_id),
            _ => address(&client, &name),
        },
        Some(Err(status)) => return Err(Failure::of(status).for_visitor(&visitor)),
        None => address(&client, &name),
    };
    Ok(Redirect::to(&page).into_response())
}

/// What can be changed about how long a backup stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    ArchiveMonth,
    ArchiveYear,
    ArchiveForEver,
    Unarchive,
    Hold,
    Release,
}

impl Wish {
    const ALL: [Self; 6] = [
        Self::ArchiveMonth,
        Self::ArchiveYear,
        Self::ArchiveForEver,
        Self::Unarchive,
        Self::Hold,
        Self::Release,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::ArchiveMonth => "archive-month",
            Self::ArchiveYear => "archive-year",
            Self::ArchiveForEver => "archive-for-ever",
            Self::Unarchive => "unarchive",
            Self::Hold => "hold",
            Self::Release => "release",
        }
    }

    /// The change that it asks for.
    fn change(self, reason: String, now: &Zoned) -> Change {
        let until = |span: jiff::Span| {
            let until_ms = now
                .checked_add(span)
                .map_or(0, |until| until.timestamp().as_millisecond());
            Change::Archive(Archive { until_ms })
        };
        match self {
            Self::ArchiveMonth => until(1.month()),
            Self::ArchiveYear => until(1.year()),
            Self::ArchiveForEver => Change::Archive(Archive { until_ms: 0 }),
            Self::Unarchive => Change::Unarchive(Nothing {}),
            Self::Hold => Change::Hold(reason),
            Self::Release => Change::Release(Nothing {}),
        }
    }
}

/// How long a backup is to stay.
#[derive(Deserialize)]
pub struct Protection {
    change: String,
    #[serde(default)]
    reason: String,
}

pub async fn protect(
    Path((client, name)): Named,
    Posted { visitor, form }: Posted<Protection>,
) -> Result<Response, Failure> {
    let Some(wish) = Wish::ALL.into_iter().find(|wish| wish.word() == form.change) else {
        return Err(Failure::invalid("there is no such change").for_visitor(&visitor));
    };
    let request = ProtectRequest {
        backup: Some(reference(&client, &name)),
        change: Some(wish.change(form.reason, &Zoned::now())),
    };
    let mut planning = visitor.services.planning();
    planning.protect(request).await.or_fail(&visitor)?;
    Ok(Redirect::to(&address(&client, &name)).into_response())
}

/// Asks whether a backup is really to be deleted.
pub async fn ask_delete(user: User, Path((client, name)): Named) -> Result<Markup, Failure> {
    let (info, _) = detail(&user, &client, &name).await?;
    let request = FreedByRequest {
        backups: vec![reference(&info.client, &info.name)],
    };
    let freed = user.services.storages().freed_by(request).await.or_fail(&user)?;
    let frees = match freed.bytes {
        Some(bytes) => user.language.say_with(
            "backup-delete-frees",
            &[("bytes", user.language.bytes(bytes).into())],
        ),
        None => user.say("backup-delete-unknown"),
    };
    let is_kept = !info.held_for.is_empty() || info.archived_until_ms > now_ms();
    let page = address(&info.client, &info.name);
    let title = user.say("backup-delete-ask");
    let here = html! { li aria-current="page" { (user.say("backup-delete")) } };
    let body = html! {
        (crumbs(&user, &info, Some(&here)))
        h1 { (title) }
        section.card {
            p { strong { (info.client) " / " (info.name) } " " (badges(&user, &info)) }
            p { (user.say(&format!("kind-{}-backup", info.kind))) " · " (exact_time(&user, info.started_ms)) " · " (user.language.bytes(info.bytes_logical)) }
            @if is_kept { p.problem { (user.say("backup-delete-kept")) } }
            @else {
                p { (frees) }
                p { (user.say("backup-delete-trash")) }
            }
            div.row {
                @if !is_kept { (button(&user, &format!("{page}/delete"), &user.say("backup-delete-go"), "danger")) }
                a.button href=(page) { (user.say("backup-delete-no")) }
            }
        }
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

pub async fn delete(
    Path((client, name)): Named,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let page = format!("/clients/{client}");
    let request = DeleteRequest {
        client,
        name,
        now: false,
    };
    let mut backups = visitor.services.backups();
    backups.delete(request).await.or_fail(&visitor)?;
    Ok(Redirect::to(&page).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_and_a_year_are_those_of_the_calendar() {
        let now: Zoned = "2027-01-31T12:00[UTC]".parse().expect("it is a time");
        let until = |wish: Wish| match wish.change(String::new(), &now) {
            Change::Archive(Archive { until_ms }) => jiff::Timestamp::from_millisecond(until_ms)
                .expect("it is a time")
                .to_string(),
            change => panic!("{change:?}"),
        };
        assert_eq!(until(Wish::ArchiveMonth), "2027-02-28T12:00:00Z");
        assert_eq!(until(Wish::ArchiveYear), "2028-01-31T12:00:00Z");
        let for_ever = Wish::ArchiveForEver.change(String::new(), &now);
        assert_eq!(for_ever, Change::Archive(Archive { until_ms: 0 }));
    }

    #[test]
    fn every_change_has_its_word() {
        for wish in Wish::ALL {
            for language in crate::text::Language::ALL {
                assert!(language.has(&format!("backup-{}", wish.word())), "{wish:?}");
            }
        }
    }
}
