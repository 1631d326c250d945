//! Backups on a calendar: months, a day in each cell, and a mark for each backup that leads to it.
//!
//! A mark tells the kind by its shape and how the backup is by its colour and a sign in it; its title says it all in words.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use wire::v1::{BackupInfo, BackupMode};

use crate::parts::say::now_ms;
use crate::visitor::Visitor;

/// So many marks fit into a day. Where there are more, a link to the rest takes the place of one.
const MOST_MARKS: usize = 4;

/// The day on which something was, in the server's zone.
pub fn day_of(at_ms: i64) -> Date {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::system()).date()
}

/// A month by its first day, as addresses have it: `2026-11`.
pub fn month_word(month: Date) -> String {
    format!("{:04}-{:02}", month.year(), month.month())
}

/// The month that an address asks for.
pub fn month_of_word(word: &str) -> Option<Date> {
    format!("{word}-01").parse().ok()
}

/// A month in words.
pub fn month_name(visitor: &Visitor, month: Date) -> String {
    let name = visitor.say(&format!("month-{}", month.month()));
    format!("{name} {}", month.year())
}

/// So many months up to one, that first.
pub fn months_until(newest: Date, count: usize) -> Vec<Date> {
    let before = |month: &Date| month.checked_sub(jiff::Span::new().months(1)).ok();
    std::iter::successors(Some(newest.first_of_month()), before)
        .take(count)
        .collect()
}

/// How a backup is, as its mark shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Fine,
    Problems,
    Damaged,
}

impl State {
    const ALL: [Self; 3] = [Self::Fine, Self::Problems, Self::Damaged];

    fn of(backup: &BackupInfo) -> Self {
        match (backup.verified.as_str(), backup.problems) {
            ("failed", _) => Self::Damaged,
            (_, 0) => Self::Fine,
            _ => Self::Problems,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Problems => "problems",
            Self::Damaged => "damaged",
        }
    }
}

/// What keeps a backup whatever the rules say.
fn kept_by(backup: &BackupInfo) -> Option<&'static str> {
    match (backup.held_for.is_empty(), backup.archived_until_ms) {
        (false, _) => Some("held"),
        (true, 0) => None,
        (true, _) => Some("archived"),
    }
}

/// The months with the backups that were made in them. `day_address` is where all backups of a day are listed.
pub fn show(
    visitor: &Visitor,
    months: &[Date],
    backups: &[&BackupInfo],
    day_address: impl Fn(Date) -> String,
) -> Markup {
    let mut of_days: BTreeMap<Date, Vec<&BackupInfo>> = BTreeMap::new();
    for backup in backups {
        let day = day_of(backup.started_ms);
        if months.contains(&day.first_of_month()) {
            of_days.entry(day).or_default().push(backup);
        }
    }
    let cell = |day: Date| {
        let backups = of_days.get(&day).cloned().unwrap_or_default();
        html! { (cell(visitor, day, backups, &day_address)) }
    };
    html! {
        (signs())
        div.months { @for first in months { (month(visitor, *first, cell)) } }
        (legend(visitor))
    }
}

fn month(visitor: &Visitor, first: Date, cell: impl Fn(Date) -> Markup) -> Markup {
    let before = usize::try_from(first.weekday().to_monday_zero_offset()).unwrap_or_default();
    let days: Vec<Date> = first
        .series(jiff::Span::new().days(1))
        .take(first.days_in_month() as usize)
        .collect();
    let after = (7 - (before + days.len()) % 7) % 7;
    let nothing = std::iter::repeat_n(None, before);
    let cells: Vec<Option<Date>> = nothing
        .chain(days.into_iter().map(Some))
        .chain(std::iter::repeat_n(None, after))
        .collect();
    html! {
        table.month {
            caption { (month_name(visitor, first)) }
            thead { tr { @for day in 1..=7 {
                th scope="col" abbr=(visitor.say(&format!("weekday-{day}"))) { (visitor.say(&format!("weekday-short-{day}"))) }
            } } }
            tbody { @for week in cells.chunks(7) { tr {
                @for day in week { @match day { Some(day) => (cell(*day)), None => { td {} } } }
            } } }
        }
    }
}

fn cell(
    visitor: &Visitor,
    day: Date,
    backups: Vec<&BackupInfo>,
    day_address: &impl Fn(Date) -> String,
) -> Markup {
    let is_today = day == day_of(now_ms());
    let (shown, hidden) = chosen(backups);
    let more = || {
        let text = [
            ("count", hidden.into()),
            ("day", visitor.language.date(noon_ms(day)).into()),
        ];
        visitor.language.say_with("calendar-more", &text)
    };
    html! {
        td aria-current=[is_today.then_some("date")] {
            span.day { (day.day()) }
            @if !shown.is_empty() {
                div.marks {
                    @for backup in shown { (mark(visitor, backup)) }
                    @if hidden > 0 { a.mark.more href=(day_address(day)) title=(more()) { "+" (hidden) } }
                }
            }
        }
    }
}

fn noon_ms(day: Date) -> i64 {
    let noon = day.at(12, 0, 0, 0).to_zoned(TimeZone::system());
    noon.map_or(0, |noon| noon.timestamp().as_millisecond())
}

/// Those of a day that are shown, oldest first, and how many are not. What is special about one shows in any case.
fn chosen(mut backups: Vec<&BackupInfo>) -> (Vec<&BackupInfo>, usize) {
    let count = backups.len();
    if count > MOST_MARKS {
        let is_plain = |backup: &BackupInfo| kept_by(backup).is_none() && backup.kind == "file";
        backups.sort_by_key(|backup| {
            let newest_first = std::cmp::Reverse(backup.started_ms);
            (
                std::cmp::Reverse(State::of(backup)),
                is_plain(backup),
                newest_first,
            )
        });
        backups.truncate(MOST_MARKS - 1);
    }
    backups.sort_by_key(|backup| backup.started_ms);
    let hidden = count - backups.len();
    (backups, hidden)
}

fn mark(visitor: &Visitor, backup: &BackupInfo) -> Markup {
    let state = State::of(backup);
    html! {
        a.mark.(state.word()) href={ "/clients/" (backup.client) "/backups/" (backup.name) } title=(told(visitor, backup)) {
            (drawn(&backup.kind, state, kept_by(backup)))
        }
    }
}

/// All that a mark shows, in words.
fn told(visitor: &Visitor, backup: &BackupInfo) -> String {
    let mode = match backup.mode() {
        BackupMode::Full => "mode-full",
        _ => "mode-incremental",
    };
    let kind = visitor.say(&format!("kind-{}-backup", backup.kind));
    let mut told = format!(
        "{} · {kind} ({})",
        visitor.language.time(backup.started_ms),
        visitor.say(mode)
    );
    let damaged = (backup.verified == "failed").then(|| visitor.say("backup-damaged"));
    let problems = (backup.problems > 0).then(|| {
        let count = [("count", backup.problems.into())];
        visitor.language.say_with("backup-problems", &count)
    });
    let kept = kept_by(backup).map(|kept| visitor.say(&format!("backup-{kept}")));
    for more in [damaged, problems, kept].into_iter().flatten() {
        told.push_str(" · ");
        told.push_str(&more);
    }
    told
}

fn drawn(kind: &str, state: State, kept: Option<&str>) -> Markup {
    let shape = if kind == "image" { "image" } else { "file" };
    html! {
        svg aria-hidden="true" {
            use href={ "#mark-" (shape) } {}
            @if state != State::Fine { use href={ "#mark-" (state.word()) } {} }
            @if let Some(kept) = kept { use href={ "#mark-" (kept) } {} }
        }
    }
}

/// The pieces that marks are made of, once on a page.
fn signs() -> Markup {
    html! {
        svg.unseen aria-hidden="true" {
            symbol #mark-file viewBox="0 0 20 20" { circle cx="10" cy="10" r="6.5" {} }
            symbol #mark-image viewBox="0 0 20 20" { path d="M3.5 3.5h13v13h-13z" {} }
            symbol #mark-problems viewBox="0 0 20 20" { path.sign d="M10 6v4.6m0 2.4v1.2" {} }
            symbol #mark-damaged viewBox="0 0 20 20" { path.sign d="M7.2 7.2l5.6 5.6m0-5.6l-5.6 5.6" {} }
            symbol #mark-archived viewBox="0 0 20 20" { path.kept d="M2 18.6h16" {} }
            symbol #mark-held viewBox="0 0 20 20" { path.kept d="M2 18.6h16M2 1.4h16" {} }
        }
    }
}

fn legend(visitor: &Visitor) -> Markup {
    let sign = |state: State, drawn: Markup, text: String| html! { li { span.mark.(state.word()) { (drawn) } (text) } };
    html! {
        ul.legend {
            @for kind in ["file", "image"] {
                (sign(State::Fine, drawn(kind, State::Fine, None), visitor.say(&format!("kind-{kind}-backup"))))
            }
            @for state in &State::ALL[1..] {
                (sign(*state, drawn("file", *state, None), visitor.say(&format!("calendar-{}", state.word()))))
            }
            @for kept in ["archived", "held"] {
                (sign(State::Fine, drawn("file", State::Fine, Some(kept)), visitor.say(&format!("backup-{kept}"))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(started_ms: i64) -> BackupInfo {
        BackupInfo {
            kind: "file".to_owned(),
            started_ms,
            ..BackupInfo::default()
        }
    }

    #[test]
    fn what_is_special_is_shown_of_a_full_day() {
        let mut all: Vec<BackupInfo> = (0..24).map(backup).collect();
        let (shown, hidden) = chosen(all.iter().take(MOST_MARKS).collect());
        assert_eq!((shown.len(), hidden), (MOST_MARKS, 0));
        all[3].problems = 1;
        all[5].verified = "failed".to_owned();
        all[9].held_for = "lawsuit".to_owned();
        let (shown, hidden) = chosen(all.iter().collect());
        let shown: Vec<i64> = shown.iter().map(|backup| backup.started_ms).collect();
        assert_eq!((shown.as_slice(), hidden), ([3, 5, 9].as_slice(), 21));
    }

    #[test]
    fn months_go_back_over_a_year() {
        let newest: Date = "2027-02-17".parse().expect("it is a day");
        let words: Vec<String> = months_until(newest, 4).into_iter().map(month_word).collect();
        assert_eq!(words, ["2027-02", "2027-01", "2026-12", "2026-11"]);
        assert_eq!(
            month_of_word("2026-12").map(month_word).as_deref(),
            Some("2026-12")
        );
        for word in ["", "2026", "2026-13", "x"] {
            assert_eq!(month_of_word(word), None, "{word}");
        }
        assert_eq!(months_until(Date::MIN, 3).len(), 1, "time ends there");
    }
}
