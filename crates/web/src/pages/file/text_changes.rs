//! What has changed in a text from one backup to another, line by line.

use std::time::Duration;

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use similar::{ChangeTag, TextDiff};
use tonic::Code;
use wire::v1::BackupInfo;

use super::preview::{as_text, source, start};
use super::{Asked, file_address};
use crate::failure::Failure;
use crate::pages::backup::{Named, crumbs, detail};
use crate::pages::browse;
use crate::parts::address::segment;
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::say::exact_time;
use crate::visitor::User;

/// Longer files are not compared.
pub const MOST_BYTES: u64 = 256 * 1024;
/// So many lines are shown.
const MOST_LINES: usize = 5000;
/// Lines around those that have changed.
const AROUND: usize = 3;
/// After so long what is left is told as it is found, not as shortly as it could be.
const WITHIN: Duration = Duration::from_secs(1);

/// With which backup.
#[derive(Deserialize)]
pub struct Before {
    #[serde(default)]
    from: String,
}

/// Where it is shown what has changed in a file since another backup.
pub fn address(client: &str, name: &str, path: &[u8], from: &str) -> String {
    let file = file_address(client, name, "file/changes", path);
    format!("{file}&from={}", segment(from))
}

pub async fn show(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    Query(Before { from }): Query<Before>,
) -> Result<Markup, Failure> {
    let path = asked.path();
    let (info, _) = detail(&user, &client, &name).await?;
    let (before, _) = detail(&user, &client, &from).await?;
    let (new, old) = (
        text(&user, &info, &path).await?,
        text(&user, &before, &path).await?,
    );
    let title = paths::shown(paths::name(&path));
    let changes = match (old, new) {
        (Some(old), Some(new)) => {
            let found = tokio::task::spawn_blocking(move || changes(&old, &new)).await;
            let found = found.map_err(|_| Failure::internal("a comparison failed").for_visitor(&user))?;
            found_changes(&user, &found)
        }
        _ => html! { p.none { (user.say("file-no-comparison")) } },
    };
    let body = html! {
        (crumbs(&user, &info, Some(&browse::way(&user, &info, &path))))
        div.heading {
            h1 { bdi { (title) } }
            a.button href=(file_address(&info.client, &info.name, "file", &path)) { (user.say("file-back")) }
        }
        section.card {
            p { (user.say("compare-from")) " " (exact_time(&user, before.started_ms)) " · "
                (user.say("compare-to")) " " (exact_time(&user, info.started_ms)) }
            (changes)
        }
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// The text of a file in a backup, if it is one and not too long.
async fn text(user: &User, info: &BackupInfo, path: &[u8]) -> Result<Option<String>, Failure> {
    let read = start(user, source(info, path), MOST_BYTES).await;
    let (head, data) = read.map_err(|status| match status.code() {
        Code::DataLoss => Failure::invalid(status.message()).for_visitor(user),
        _ => Failure::of(status).for_visitor(user),
    })?;
    let is_whole = head.size_bytes == data.len() as u64;
    Ok(is_whole.then(|| as_text(&data, false)).flatten())
}

/// A line, as it is shown.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Lines were left out, and what follows is from there on.
    From(usize),
    Same(String),
    Gone(String),
    New(String),
}

/// What has changed, with some lines around it.
fn changes(old: &str, new: &str) -> Vec<Line> {
    let mut comparison = TextDiff::configure();
    comparison.timeout(WITHIN);
    let comparison = comparison.diff_lines(old, new);
    let mut lines = Vec::new();
    for group in comparison.grouped_ops(AROUND) {
        let first = group.first().map_or(0, |operation| operation.new_range().start);
        lines.push(Line::From(first + 1));
        for change in group
            .iter()
            .flat_map(|operation| comparison.iter_changes(operation))
        {
            let text = change.value().trim_end_matches(['\r', '\n']).to_owned();
            lines.push(match change.tag() {
                ChangeTag::Equal => Line::Same(text),
                ChangeTag::Delete => Line::Gone(text),
                ChangeTag::Insert => Line::New(text),
            });
        }
        if lines.len() > MOST_LINES {
            break;
        }
    }
    lines
}

fn found_changes(user: &User, lines: &[Line]) -> Markup {
    let most = user.language.number(MOST_LINES as u64);
    html! {
        @if lines.is_empty() { p.none { (user.say("compare-nothing")) } }
        @else {
            pre.preview.changes tabindex="0" { code { @for line in lines.iter().take(MOST_LINES) { (shown(user, line)) "\n" } } }
        }
        @if lines.len() > MOST_LINES {
            p.hint { (user.language.say_with("file-lines-cut", &[("count", most.into())])) }
        }
    }
}

fn shown(user: &User, line: &Line) -> Markup {
    html! {
        @match line {
            Line::From(number) => {
                span.from { (user.language.say_with("file-line", &[("number", (*number).into())])) }
            }
            Line::Same(text) => { "  " (text) }
            Line::Gone(text) => { del { "− " (text) } }
            Line::New(text) => { ins { "+ " (text) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(old: &str, new: &str) -> Vec<String> {
        let line = |line: &Line| match line {
            Line::From(number) => format!("@{number}"),
            Line::Same(text) => format!(" {text}"),
            Line::Gone(text) => format!("-{text}"),
            Line::New(text) => format!("+{text}"),
        };
        changes(old, new).iter().map(line).collect()
    }

    #[test]
    fn changes_are_told_line_by_line() {
        assert_eq!(
            told("a\nb\nc\n", "a\nB\nc\nd"),
            ["@1", " a", "-b", "+B", " c", "+d"]
        );
        assert!(told("same\n", "same\n").is_empty());
        assert_eq!(told("", "new\r\n"), ["@1", "+new"]);
    }

    #[test]
    fn what_is_far_from_changes_is_left_out() {
        let old: String = (1..=20).map(|number| format!("{number}\n")).collect();
        let new = old.replace("10\n", "ten\n");
        let expected = ["@7", " 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13"];
        assert_eq!(told(&old, &new), expected);
    }

    #[test]
    fn texts_that_have_nothing_in_common_come_to_an_end() {
        let lines =
            |from: usize| -> String { (0..30_000).map(|line| format!("{}\n", from + 7 * line)).collect() };
        assert!(changes(&lines(0), &lines(3)).len() > MOST_LINES);
    }

    #[test]
    fn an_address_says_both_backups() {
        assert_eq!(
            address("laptop", "two", b"a b", "one"),
            "/clients/laptop/backups/two/file/changes?path=a+b&from=one"
        );
    }
}
