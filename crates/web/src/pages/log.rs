//! What the server writes into its log: the newest of it, and what comes while one looks.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::Query;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use maud::{Markup, html};
use serde::Deserialize;
use tokio_stream::{Stream, StreamExt as _};
use wire::v1::{ListClientsRequest, LogRecord, WatchLogRequest};

use crate::failure::{Failure, OrFail as _};
use crate::parts::page::{Place, framed};
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::{User, Visitor};

/// So many lines of before are shown.
const PAST: u32 = 200;
/// So many are in the page at most; older ones make room.
const MOST_LINES: usize = 1000;
/// How often what came is added.
const ADDED_EVERY: Duration = Duration::from_millis(500);
/// How bad it is, worst first: each comes with all that is worse.
const LEVELS: [&str; 4] = ["error", "warning", "info", "debug"];
/// What is shown if nothing is said.
const USUAL: &str = "info";

/// Which lines are wanted.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    level: String,
    /// About whom; empty for all.
    #[serde(default)]
    client: String,
    /// What was written until then is there already.
    #[serde(default)]
    since_ms: i64,
}

impl Wanted {
    fn level(&self) -> &'static str {
        let known = LEVELS.into_iter().find(|level| *level == self.level);
        known.unwrap_or(USUAL)
    }

    /// What addresses say of it.
    fn query(&self) -> String {
        let since_ms = match self.since_ms {
            0 => String::new(),
            since_ms => since_ms.to_string(),
        };
        let mut said = vec![
            ("level", &self.level),
            ("client", &self.client),
            ("since_ms", &since_ms),
        ];
        said.retain(|(_, value)| !value.is_empty());
        serde_urlencoded::to_string(said).unwrap_or_default()
    }

    fn request(&self, only_past: bool) -> WatchLogRequest {
        WatchLogRequest {
            level: self.level().to_owned(),
            client: self.client.clone(),
            past: PAST,
            only_past,
        }
    }
}

pub async fn show(user: User, Query(wanted): Query<Wanted>) -> Result<Markup, Failure> {
    let records = past(&user, &wanted).await?;
    let clients = user
        .services
        .admin()
        .list_clients(ListClientsRequest::default())
        .await;
    let mut clients: Vec<String> = clients
        .or_fail(&user)?
        .clients
        .into_iter()
        .map(|client| client.name)
        .collect();
    clients.sort_unstable();
    let title = user.say("log");
    // What is written until the browser follows comes then.
    let live = Wanted {
        since_ms: records.last().map_or(0, |record| record.at_ms),
        ..wanted.clone()
    };
    let body = html! {
        (Tab::Log.show(&user))
        div.heading {
            h1 { (title) }
            button type="button" data-pauses="log" aria-pressed="false" hidden { (user.say("log-pause")) }
        }
        div.tools { (levels(&user, &wanted)) (of_client(&user, &wanted, &clients)) }
        @if records.is_empty() { p.none { (user.say("log-none")) } }
        div.log-frame tabindex="0" role="region" aria-label=(title) {
            ol.log #log hx-ext="sse" sse-connect={ "/log/live?" (live.query()) } sse-swap="lines" hx-swap="beforeend"
                data-most=(MOST_LINES) aria-live="off" {
                (lines(&user, &records))
            }
        }
        p.hint { (user.say("log-about")) }
    };
    Ok(framed(&user, Place::Changes, &title, &body))
}

async fn past(user: &User, wanted: &Wanted) -> Result<Vec<LogRecord>, Failure> {
    let watched = user.services.admin().watch_log(wanted.request(true)).await;
    let mut stream = watched.or_fail(user)?;
    let mut records = Vec::new();
    while let Some(record) = stream.next().await {
        records.push(record.map_err(|status| Failure::of(status).for_visitor(user))?);
    }
    Ok(records)
}

fn levels(user: &User, wanted: &Wanted) -> Markup {
    html! {
        nav.filters aria-label=(user.say("log-level")) {
            @for level in LEVELS {
                @let other = Wanted { level: level.to_owned(), client: wanted.client.clone(), since_ms: 0 };
                a href={ "/log?" (other.query()) } aria-current=[(level == wanted.level()).then_some("true")] {
                    (user.say(&format!("log-{level}")))
                }
            }
        }
    }
}

fn of_client(user: &User, wanted: &Wanted, clients: &[String]) -> Markup {
    html! {
        form.search method="get" action="/log" {
            input type="hidden" name="level" value=(wanted.level());
            label.unseen for="client" { (user.say("retention-client")) }
            select #client name="client" {
                option value="" { (user.say("log-all")) }
                @for client in clients { option value=(client) selected[*client == wanted.client] { (client) } }
            }
            button.quiet { (user.say("retention-show")) }
        }
    }
}

fn lines(visitor: &Visitor, records: &[LogRecord]) -> Markup {
    html! {
        @for record in records {
            li.(level_of(record)) {
                (when(visitor, record.at_ms))
                span {
                    @if matches!(level_of(record), "error" | "warning") {
                        strong { (visitor.say(&format!("log-one-{}", level_of(record)))) } " "
                    }
                    span lang=[server_text::english(visitor.language)] { (shown(&record.text)) }
                    " " span.hint {
                        @if !record.client.is_empty() { (record.client) " · " }
                        (record.part)
                    }
                }
            }
        }
    }
}

fn when(visitor: &Visitor, at_ms: i64) -> Markup {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    html! { time datetime=(at.to_string()) { (visitor.language.second(at_ms)) } }
}

fn level_of(record: &LogRecord) -> &'static str {
    let known = LEVELS.into_iter().find(|level| *level == record.level);
    known.unwrap_or(USUAL)
}

/// A line as one line: names that clients chose may be in it.
fn shown(text: &str) -> String {
    let one_line = |character: char| match character {
        '\n' | '\t' => ' ',
        other if other.is_control() => '\u{fffd}',
        other => other,
    };
    text.chars().map(one_line).collect()
}

/// What is written from now on, as an event stream of drawn lines. A browser that lost the connection says up to when it has them.
pub async fn live(
    user: User,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let known = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let known_ms = known.and_then(|id| id.parse().ok()).unwrap_or(wanted.since_ms);
    let watched = user.services.admin().watch_log(wanted.request(false)).await;
    let mut records = watched.or_fail(&user)?;
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    let visitor = user.visitor;
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        let mut tick = tokio::time::interval(ADDED_EVERY);
        loop {
            tokio::select! {
                told = records.next() => match told {
                    Some(Ok(record)) if record.at_ms > known_ms => keep(&mut waiting, record),
                    Some(Ok(_)) => {}
                    // Who watches is welcome no more, or the server ends: the browser asks again.
                    Some(Err(_)) | None => return,
                },
                _ = tick.tick(), if !waiting.is_empty() => {
                    if sender.send(Ok(drawn(&visitor, &std::mem::take(&mut waiting)))).await.is_err() {
                        return;
                    }
                },
                () = sender.closed() => return,
            }
        }
    });
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()))
}

/// Adds a record to those that wait to be sent, the newest of which are kept: a page has room for no more.
fn keep(waiting: &mut Vec<LogRecord>, record: LogRecord) {
    if waiting.len() >= 2 * MOST_LINES {
        waiting.drain(..MOST_LINES);
    }
    waiting.push(record);
}

fn drawn(visitor: &Visitor, records: &[LogRecord]) -> Event {
    let newest = &records[records.len().saturating_sub(MOST_LINES)..];
    let until_ms = newest.last().map_or(0, |record| record.at_ms);
    Event::default()
        .event("lines")
        .id(until_ms.to_string())
        .data(lines(visitor, newest).into_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at_ms: i64) -> LogRecord {
        LogRecord {
            at_ms,
            ..LogRecord::default()
        }
    }

    #[test]
    fn an_address_says_what_is_wanted() {
        let wanted = Wanted {
            level: "warning".to_owned(),
            client: "a b".to_owned(),
            since_ms: 7,
        };
        assert_eq!(wanted.query(), "level=warning&client=a+b&since_ms=7");
        assert_eq!(Wanted::default().query(), "");
        assert_eq!(Wanted::default().level(), USUAL);
    }

    #[test]
    fn a_line_stays_one() {
        assert_eq!(shown("a\r\nb\tc\u{1b}[2J"), "a\u{fffd} b c\u{fffd}[2J");
    }

    #[test]
    fn whoever_is_slow_gets_the_newest() {
        let mut waiting = Vec::new();
        for at_ms in 0..10_000 {
            keep(&mut waiting, record(at_ms));
            assert!(waiting.len() <= 2 * MOST_LINES);
        }
        assert!(waiting.len() >= MOST_LINES);
        let times: Vec<i64> = waiting.iter().map(|record| record.at_ms).collect();
        assert!(times.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        assert_eq!(times.last(), Some(&9999));
    }
}
