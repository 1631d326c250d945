//! All backups of a client: on a calendar, and in a list.

use axum::extract::{Path, Query};
use jiff::civil::Date;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, BackupMode, ListRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::{backup, search};
use crate::parts::calendar::{self, day_of, month_name, month_of_word, month_word, months_until};
use crate::parts::page::{Place, framed};
use crate::parts::say::{exact_time, now_ms};
use crate::parts::table::Asked;
use crate::visitor::User;

/// So many months are shown at once.
const MONTHS: usize = 4;

/// Which backups are shown.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Shown {
    /// Only this kind; empty for both.
    #[serde(default)]
    kind: String,
    /// The newest month of the calendar; empty for this one.
    #[serde(default)]
    until: String,
    /// The list is of this day alone; empty for all.
    #[serde(default)]
    day: String,
}

impl Shown {
    /// What the list is asked for, with these beside it.
    fn along(&self, asked: &Asked) -> Asked {
        let beside = [("kind", &self.kind), ("until", &self.until), ("day", &self.day)];
        let said = beside.into_iter().filter(|(_, value)| !value.is_empty());
        said.fold(asked.clone(), |asked, (name, value)| {
            asked.along(name, value.clone())
        })
    }

    /// The address with something else in it.
    fn with(&self, asked: &Asked, change: impl FnOnce(&mut Self)) -> String {
        let mut other = self.clone();
        change(&mut other);
        other.along(asked).with(|_| ())
    }
}

/// What can be asked of a list beside the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Only {
    Fine,
    Problems,
    Damaged,
    Kept,
}

impl Only {
    const ALL: [Self; 4] = [Self::Fine, Self::Problems, Self::Damaged, Self::Kept];

    fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Problems => "problems",
            Self::Damaged => "damaged",
            Self::Kept => "kept",
        }
    }

    fn holds(self, backup: &BackupInfo) -> bool {
        let is_damaged = backup.verified == "failed";
        match self {
            Self::Fine => backup.problems == 0 && !is_damaged,
            Self::Problems => backup.problems > 0,
            Self::Damaged => is_damaged,
            Self::Kept => backup.archived_until_ms > 0 || !backup.held_for.is_empty(),
        }
    }
}

/// A client's backups, newest first.
pub async fn of_client(user: &User, client: &str) -> Result<Vec<BackupInfo>, Failure> {
    let request = ListRequest {
        client: client.to_owned(),
    };
    let listed = user.services.backups().list(request).await.or_fail(user)?;
    let mut backups = listed.backups;
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.started_ms));
    Ok(backups)
}

pub async fn show(
    user: User,
    Path(client): Path<String>,
    Query(shown): Query<Shown>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let all = of_client(&user, &client).await?;
    let of_kind: Vec<&BackupInfo> = all
        .iter()
        .filter(|backup| shown.kind.is_empty() || backup.kind == shown.kind)
        .collect();
    let wanted = Only::ALL.into_iter().find(|only| only.word() == asked.only);
    let chosen: Vec<&BackupInfo> = of_kind
        .iter()
        .copied()
        .filter(|backup| wanted.is_none_or(|only| only.holds(backup)))
        .collect();
    let title = user.say("client-backups");
    let body = html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href={ "/clients/" (client) } { (client) } }
            li aria-current="page" { (title) }
        } }
        div.heading { h1 { (title) } a.button href={ "/retention?client=" (client) } { (user.say("retention-link")) } }
        div.tools.start { (search::field(&user, &client, b"", "")) }
        div.tools.start { (kinds(&user, &asked, &shown, &all)) (outcomes(&user, &asked, &shown, &of_kind)) }
        (timeline(&user, &asked, &shown, &chosen))
        (list(&user, &asked, &shown, chosen))
    };
    let title = format!("{client} · {title}");
    Ok(framed(&user, Place::Clients, &title, &body))
}

fn kinds(user: &User, asked: &Asked, shown: &Shown, all: &[BackupInfo]) -> Markup {
    let link = |kind: &str, text: String, count: usize| {
        html! {
            a href=(shown.with(asked, |shown| shown.kind = kind.to_owned())) aria-current=[(shown.kind == kind).then_some("true")] {
                (text) " " span.count { (user.language.number(count as u64)) }
            }
        }
    };
    html! {
        nav.filters aria-label=(user.say("backup-kind")) {
            (link("", user.say("list-all"), all.len()))
            @for kind in ["file", "image"] {
                (link(kind, user.say(&format!("kind-{kind}-backup")), all.iter().filter(|backup| backup.kind == kind).count()))
            }
        }
    }
}

fn outcomes(user: &User, asked: &Asked, shown: &Shown, backups: &[&BackupInfo]) -> Markup {
    let choices = Only::ALL.map(|only| {
        let count = backups.iter().filter(|backup| only.holds(backup)).count();
        (only.word(), user.say(&format!("backups-{}", only.word())), count)
    });
    shown.along(asked).filters(user, backups.len(), &choices)
}

/// The calendar, and the ways to other months.
fn timeline(user: &User, asked: &Asked, shown: &Shown, backups: &[&BackupInfo]) -> Markup {
    let today = day_of(now_ms()).first_of_month();
    let newest = month_of_word(&shown.until).unwrap_or(today).min(today);
    let months = months_until(newest, MONTHS);
    let to = |month: Date| {
        shown.with(asked, |shown| {
            shown.until = if month >= today {
                String::new()
            } else {
                month_word(month)
            };
        })
    };
    let span = jiff::Span::new().months(MONTHS as i64);
    let (earlier, later) = (newest.saturating_sub(span), newest.saturating_add(span));
    let ends = backups
        .iter()
        .map(|backup| day_of(backup.started_ms).last_of_year());
    let mut years: Vec<Date> = ends.collect();
    years.dedup();
    let day = |day: Date| format!("{}#list", shown.with(asked, |shown| shown.day = day.to_string()));
    html! {
        section.card #calendar {
            div.tools {
                h2 { (user.say("calendar")) }
                nav.filters aria-label=(user.say("calendar-years")) {
                    @for year in years {
                        a href=(to(year.first_of_month())) aria-current=[(newest.year() == year.year()).then_some("true")] { (year.year()) }
                    }
                }
            }
            (calendar::show(user, &months, backups, day))
            nav.pager aria-label=(user.say("calendar-months")) {
                @if newest < today { a rel="next" href=(to(later)) { (user.say("calendar-later")) } }
                span { (month_name(user, months.last().copied().unwrap_or(newest))) " – " (month_name(user, newest)) }
                a rel="prev" href=(to(earlier)) { (user.say("calendar-earlier")) }
            }
        }
    }
}

fn list(user: &User, asked: &Asked, shown: &Shown, backups: Vec<&BackupInfo>) -> Markup {
    let day: Option<Date> = shown.day.parse().ok();
    let of_day = backups
        .into_iter()
        .filter(|backup| day.is_none_or(|day| day_of(backup.started_ms) == day));
    let asked = shown.along(asked);
    let (rows, pages) = asked.page(of_day.collect::<Vec<_>>());
    html! {
        section #list {
            h2 { (user.say("backups-list")) @if let Some(day) = day { " · " (day) } }
            @if day.is_some() {
                p { a href=(shown.with(&Asked { beside: Vec::new(), ..asked.clone() }, |shown| shown.day.clear())) { (user.say("backups-all-days")) } }
            }
            (table(user, &rows))
            (asked.pager(user, pages))
        }
    }
}

/// Backups in a list.
pub fn table(user: &User, backups: &[&BackupInfo]) -> Markup {
    html! {
        @if backups.is_empty() { p.none { (user.say("client-no-backups")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("client-backups")) { table {
                thead { tr { @for (head, class) in
                    [("made", ""), ("kind", ""), ("files", "figure"), ("size", "figure"), ("sent", "figure"), ("state", "")] {
                    th.(class) scope="col" { (user.say(&format!("backup-{head}"))) }
                } } }
                tbody { @for backup in backups { (row(user, backup)) } }
            } }
        }
    }
}

fn row(user: &User, backup: &BackupInfo) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href=(backup::address(&backup.client, &backup.name)) { (exact_time(user, backup.started_ms)) }
                " " span.hint { (backup.name) }
            }
            td { (user.say(&format!("kind-{}-backup", backup.kind))) " "
                span.hint { (user.say(if backup.mode() == BackupMode::Full { "mode-full" } else { "mode-incremental" })) } }
            td.figure { (user.language.number(backup.files)) }
            td.figure { (user.language.bytes(backup.bytes_logical)) }
            td.figure { (user.language.bytes(backup.bytes_transferred)) }
            td { (backup::badges(user, backup)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_what_was_chosen_beside() {
        let shown = Shown {
            kind: "image".to_owned(),
            until: "2026-11".to_owned(),
            day: String::new(),
        };
        let asked = Asked {
            only: "kept".to_owned(),
            ..Asked::default()
        };
        assert_eq!(
            shown.with(&asked, |shown| shown.day = "2026-11-30".to_owned()),
            "?kind=image&until=2026-11&day=2026-11-30&only=kept"
        );
        assert_eq!(
            shown.with(&asked, |shown| shown.kind.clear()),
            "?until=2026-11&only=kept"
        );
    }

    #[test]
    fn backups_are_told_apart_by_how_they_are() {
        let fine = BackupInfo::default();
        let odd = BackupInfo {
            problems: 2,
            verified: "failed".to_owned(),
            archived_until_ms: i64::MAX,
            ..BackupInfo::default()
        };
        let holds = |backup: &BackupInfo| Only::ALL.map(|only| only.holds(backup));
        assert_eq!(holds(&fine), [true, false, false, false]);
        assert_eq!(holds(&odd), [false, true, true, true]);
    }
}
