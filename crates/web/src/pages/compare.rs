//! What differs between two backups of a client.

use std::cmp::Ordering;

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BackupInfo, Change, DiffRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::backup::{Named, compare_form, crumbs, detail, others, reference};
use crate::pages::browse::folder_address;
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::say::exact_time;
use crate::parts::sieve::Sieve;
use crate::parts::table::{Asked, Pages};
use crate::text::Language;
use crate::visitor::User;

/// What changes are sorted by if nothing is said: the order in which they come.
const USUAL: &str = "path";
/// So many changes can be reached by going from page to page.
const MOST_ROWS: usize = 50_000;
/// The kinds of changes.
const KINDS: [&str; 4] = ["added", "removed", "content", "metadata"];

/// The backup that is compared with.
#[derive(Deserialize)]
pub struct Earlier {
    #[serde(default)]
    from: String,
}

pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    Query(earlier): Query<Earlier>,
) -> Result<Markup, Failure> {
    let (info, _) = detail(&user, &client, &name).await?;
    let others = others(&user, &info).await?;
    let from = chosen(&info, &others, &earlier.from);
    if from.is_none() && !earlier.from.is_empty() {
        return Err(Failure::not_found().for_visitor(&user));
    }
    let title = user.say("compare");
    let here = html! { li aria-current="page" { (title) } };
    let body = html! {
        (crumbs(&user, &info, Some(&here)))
        h1 { (title) }
        @match from {
            None => { p.none { (user.say("compare-none-other")) } }
            Some(from) => {
                (compare_form(&user, &info, &others, &from.name))
                (differences(&user, from, &info, asked.along("from", from.name.clone())).await?)
            }
        }
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// The backup to compare with: the one that is asked for, or else the base, or else the one before.
fn chosen<'a>(info: &BackupInfo, others: &'a [BackupInfo], asked: &str) -> Option<&'a BackupInfo> {
    let named = |name: &str| others.iter().find(|other| other.name == name);
    if !asked.is_empty() {
        return named(asked);
    }
    let before = || others.iter().find(|other| other.started_ms <= info.started_ms);
    named(&info.base).or_else(before).or(others.first())
}

async fn differences(
    user: &User,
    from: &BackupInfo,
    to: &BackupInfo,
    asked: Asked,
) -> Result<Markup, Failure> {
    let (rows, pages, sums) = read(user, from, to, &asked).await?;
    let choices = KINDS.map(|kind| (kind, user.say(&format!("compare-{kind}")), sums.of_kind(kind)));
    let growth = signed(user.language, sums.growth_bytes);
    let capped = user.language.say_with(
        "compare-capped",
        &[("count", user.language.number(MOST_ROWS as u64).into())],
    );
    Ok(html! {
        section.card { dl {
            dt { (user.say("compare-from")) } dd { (exact_time(user, from.started_ms)) " · " (from.name) }
            dt { (user.say("compare-to")) } dd { (exact_time(user, to.started_ms)) " · " (to.name) }
            @for (_, kind, count) in &choices { dt { (kind) } dd { (user.language.number(*count as u64)) } }
            dt { (user.say("compare-growth")) } dd { (growth) }
        } }
        section {
            div.tools { (asked.filters(user, sums.all, &choices)) (asked.search(user, &user.say("compare-find"))) }
            @if pages.count > MOST_ROWS { p.hint { (capped) } }
            (table(user, &asked, (from, to), &rows))
            (asked.pager(user, pages))
        }
    })
}

/// A change, and which one of all it is.
#[derive(Debug)]
struct Row {
    at: usize,
    change: Change,
}

impl Row {
    fn growth_bytes(&self) -> i128 {
        growth_bytes(&self.change)
    }
}

/// By how much a change lets its file grow.
fn growth_bytes(change: &Change) -> i128 {
    i128::from(change.size_after) - i128::from(change.size_before)
}

/// All changes together.
#[derive(Debug, Default)]
struct Sums {
    all: usize,
    counts: [usize; KINDS.len()],
    growth_bytes: i128,
}

impl Sums {
    fn add(&mut self, change: &Change) {
        self.all += 1;
        if let Some(at) = KINDS.iter().position(|kind| *kind == change.kind) {
            self.counts[at] += 1;
        }
        self.growth_bytes += growth_bytes(change);
    }

    fn of_kind(&self, kind: &str) -> usize {
        let of = KINDS.iter().zip(self.counts);
        of.filter(|(other, _)| **other == kind)
            .map(|(_, count)| count)
            .sum()
    }
}

fn compare(one: &Row, other: &Row, (column, is_reversed): (&str, bool)) -> Ordering {
    let by_column = match column {
        "growth" => one.growth_bytes().cmp(&other.growth_bytes()),
        _ => Ordering::Equal,
    };
    let order = by_column.then(one.at.cmp(&other.at));
    if is_reversed { order.reverse() } else { order }
}

/// Whether a change is among those that are asked for.
fn is_wanted(change: &Change, asked: &Asked, needle: &str) -> bool {
    (asked.only.is_empty() || change.kind == asked.only)
        && (needle.is_empty() || paths::shown(&change.path).to_lowercase().contains(needle))
}

/// Counts all changes, and keeps what the page shows.
async fn read(
    user: &User,
    from: &BackupInfo,
    to: &BackupInfo,
    asked: &Asked,
) -> Result<(Vec<Row>, Pages, Sums), Failure> {
    let request = DiffRequest {
        from: Some(reference(&from.client, &from.name)),
        to: Some(reference(&to.client, &to.name)),
    };
    let mut parts = user.services.backups().diff(request).await.or_fail(user)?;
    let order = asked.order(USUAL);
    let needle = asked.q.to_lowercase();
    let mut sums = Sums::default();
    let mut sieve = Sieve::new(asked, MOST_ROWS, |one: &Row, other: &Row| {
        compare(one, other, order)
    });
    while let Some(part) = parts
        .message()
        .await
        .map_err(|status| Failure::of(status).for_visitor(user))?
    {
        for change in part.changes {
            sums.add(&change);
            if is_wanted(&change, asked, &needle) {
                let at = sums.all;
                sieve.add(Row { at, change });
            }
        }
    }
    let (rows, pages) = sieve.finish();
    Ok((rows, pages, sums))
}

fn table(user: &User, asked: &Asked, (from, to): (&BackupInfo, &BackupInfo), rows: &[Row]) -> Markup {
    let head = |column: &str, class: &str| {
        let text = user.say(&format!("compare-{column}"));
        asked.head(USUAL, (column, class), &text)
    };
    let table = html! {
        table {
            thead { tr {
                (head("path", ""))
                th scope="col" { (user.say("compare-what")) }
                @for column in ["before", "after"] { th.figure scope="col" { (user.say(&format!("compare-{column}"))) } }
                (head("growth", "figure"))
            } }
            tbody { @for row in rows { (line(user, (from, to), row)) } }
        }
    };
    html! {
        @if rows.is_empty() { p.none { (user.say("compare-nothing")) } }
        @else { div.scroll tabindex="0" role="region" aria-label=(user.say("compare")) { (table) } }
    }
}

/// A change; it leads to its folder in the backup that has it.
fn line(user: &User, (from, to): (&BackupInfo, &BackupInfo), row: &Row) -> Markup {
    let change = &row.change;
    let (style, backup) = match change.kind.as_str() {
        "added" => ("fine", to),
        "removed" => ("failing", from),
        "content" => ("late", to),
        _ => ("off", to),
    };
    let key = format!("compare-{}", change.kind);
    let what = match user.language.has(&key) {
        true => user.say(&key),
        // A newer kind of change is told by its word.
        false => change.kind.clone(),
    };
    let folder = folder_address(&backup.client, &backup.name, paths::folder(&change.path));
    let size = |bytes, is_there| html! { td.figure { @if is_there { (user.language.bytes(bytes)) } } };
    html! {
        tr {
            th.long scope="row" { a href=(folder) { (paths::show(&change.path)) } }
            td { span.badge.(style) { (what) } }
            (size(change.size_before, change.kind != "added"))
            (size(change.size_after, change.kind != "removed"))
            td.figure { @if row.growth_bytes() != 0 { (signed(user.language, row.growth_bytes())) } }
        }
    }
}

/// More or less bytes.
fn signed(language: Language, bytes: i128) -> String {
    let sign = match bytes {
        1.. => "+",
        0 => "",
        _ => "\u{2212}",
    };
    let size = u64::try_from(bytes.unsigned_abs()).unwrap_or(u64::MAX);
    format!("{sign}{}", language.bytes(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(kind: &str, path: &str, size_before: u64, size_after: u64) -> Change {
        Change {
            kind: kind.to_owned(),
            path: path.into(),
            size_before,
            size_after,
        }
    }

    fn backup(name: &str, started_ms: i64) -> BackupInfo {
        BackupInfo {
            name: name.to_owned(),
            started_ms,
            ..BackupInfo::default()
        }
    }

    #[test]
    fn all_changes_are_summed() {
        let mut sums = Sums::default();
        sums.add(&change("added", "a", 0, 100));
        sums.add(&change("removed", "b", u64::MAX, 0));
        sums.add(&change("content", "c", 10, 5));
        sums.add(&change("content", "d", 10, 10));
        sums.add(&change("metadata", "e", 7, 7));
        let counts = KINDS.map(|kind| sums.of_kind(kind));
        assert_eq!((counts, sums.all), ([1, 1, 2, 1], 5));
        assert_eq!(sums.growth_bytes, 95 - i128::from(u64::MAX));
    }

    #[test]
    fn changes_are_sorted_by_path_or_growth() {
        let sorted = |order| {
            let changes = [
                change("added", "a", 0, 100),
                change("content", "b", 10, 5),
                change("metadata", "c", 7, 7),
                change("removed", "d", 50, 0),
            ];
            let rows = changes.into_iter().enumerate();
            let mut rows: Vec<Row> = rows.map(|(at, change)| Row { at, change }).collect();
            rows.sort_by(|one, other| compare(one, other, order));
            rows.iter().map(|row| row.at).collect::<Vec<_>>()
        };
        assert_eq!(sorted(("path", false)), [0, 1, 2, 3]);
        assert_eq!(sorted(("path", true)), [3, 2, 1, 0]);
        assert_eq!(sorted(("growth", true)), [0, 2, 1, 3]);
    }

    #[test]
    fn only_what_is_asked_for_is_listed() {
        let added = change("added", "Home/Notes.txt", 0, 1);
        let asked = |only: &str| Asked {
            only: only.to_owned(),
            ..Asked::default()
        };
        assert!(is_wanted(&added, &asked(""), ""));
        assert!(is_wanted(&added, &asked("added"), "notes"));
        assert!(!is_wanted(&added, &asked("removed"), ""));
        assert!(!is_wanted(&added, &asked(""), "music"));
    }

    #[test]
    fn without_a_choice_the_base_is_compared_with() {
        let others = [backup("newer", 300), backup("older", 100), backup("oldest", 50)];
        let mut this = backup("this", 200);
        let chosen = |this: &BackupInfo, asked| Some(super::chosen(this, &others, asked)?.name.clone());
        assert_eq!(chosen(&this, "").as_deref(), Some("older"));
        this.base = "oldest".to_owned();
        assert_eq!(chosen(&this, "").as_deref(), Some("oldest"));
        assert_eq!(chosen(&this, "newer").as_deref(), Some("newer"));
        assert_eq!(chosen(&this, "none"), None);
        assert!(super::chosen(&this, &[], "").is_none());
    }

    #[test]
    fn growth_has_a_sign() {
        assert_eq!(signed(Language::English, 1536), "+1.5 KiB");
        assert_eq!(signed(Language::English, -1024), "\u{2212}1.0 KiB");
        assert_eq!(signed(Language::English, 0), "0 B");
    }
}
