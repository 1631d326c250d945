//! Search by name in all backups of a client.

use std::time::Duration;

use axum::extract::{Path, Query};
use maud::{Markup, html};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use wire::v1::{FoundEntry, SearchReply, SearchRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::{backup, backups, file};
use crate::parts::page::{Place, framed};
use crate::parts::paths;
use crate::parts::say::exact_time;
use crate::visitor::User;

/// So many are shown.
const MOST: u32 = 200;
/// For so long is looked.
const WITHIN: Duration = Duration::from_secs(10);

/// What is looked for.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    text: String,
    /// Only in this folder, and beneath; as [`paths::escape`] makes it.
    #[serde(default)]
    beneath: String,
}

/// What was found.
#[derive(Default)]
struct Found {
    entries: Vec<FoundEntry>,
    /// So many backups were looked through, of so many.
    searched: u32,
    backups: u32,
    /// Time was over before all were.
    is_cut: bool,
}

impl Found {
    fn add(&mut self, reply: SearchReply) {
        self.entries.extend(reply.found);
        self.searched = reply.searched;
        self.backups = reply.backups;
    }
}

/// The field that leads here.
pub fn field(user: &User, client: &str, beneath: &[u8], text: &str) -> Markup {
    let label = user.say("search-label");
    html! {
        form.search method="get" role="search" aria-label=(label) action={ "/clients/" (client) "/search" } {
            label.unseen for="text" { (label) }
            input #text type="search" name="text" value=(text) placeholder=(label) size="28" maxlength="255" required;
            @if !beneath.is_empty() { input type="hidden" name="beneath" value=(paths::escape(beneath)); }
            button.quiet { (user.say("list-search")) }
        }
    }
}

pub async fn show(
    user: User,
    Path(client): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Markup, Failure> {
    let beneath = paths::unescape(&asked.beneath);
    let found = match asked.text.as_str() {
        "" => {
            // There is nothing to look for yet, but only for who may look.
            backups::of_client(&user, &client).await?;
            None
        }
        text => Some(search(&user, &client, text, &beneath).await?),
    };
    let title = user.say("search-title");
    let body = html! {
        nav.crumbs aria-label=(user.say("backup-way")) { ol {
            li { a href={ "/clients/" (client) } { (client) } }
            li aria-current="page" { (title) }
        } }
        h1 { (title) }
        div.tools.start { (field(&user, &client, &beneath, &asked.text)) }
        p.hint { (user.say("search-hint")) }
        @if !beneath.is_empty() { (within(&user, &client, &asked, &beneath)) }
        @if let Some(found) = &found { (results(&user, &client, found)) }
    };
    let title = format!("{client} · {title}");
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// Looks until enough is found, all is looked through or time is over.
async fn search(user: &User, client: &str, text: &str, beneath: &[u8]) -> Result<Found, Failure> {
    let until = Instant::now() + WITHIN;
    let request = SearchRequest {
        client: client.to_owned(),
        text: text.to_owned(),
        beneath: beneath.to_vec(),
        most: MOST,
    };
    let mut replies = user.services.contents().search(request).await.or_fail(user)?;
    let mut found = Found::default();
    loop {
        match timeout_at(until, replies.message()).await {
            Ok(Ok(Some(reply))) => found.add(reply),
            Ok(Ok(None)) => break,
            Ok(Err(status)) => return Err(Failure::of(status).for_visitor(user)),
            // The service stops when nobody takes what it finds.
            Err(_) => {
                found.is_cut = true;
                break;
            }
        }
    }
    Ok(found)
}

/// In which folder is looked, and the way to look everywhere.
fn within(user: &User, client: &str, asked: &Asked, beneath: &[u8]) -> Markup {
    let query = serde_urlencoded::to_string([("text", &asked.text)]).unwrap_or_default();
    html! {
        p {
            (user.say("search-beneath")) " " (paths::show(beneath)) " · "
            a href={ "/clients/" (client) "/search?" (query) } { (user.say("search-everywhere")) }
        }
    }
}

fn results(user: &User, client: &str, found: &Found) -> Markup {
    let language = user.language;
    let told = language.say_with(
        "search-told",
        &[
            ("found", language.number(found.entries.len() as u64).into()),
            ("searched", language.number(found.searched.into()).into()),
            ("backups", language.number(found.backups.into()).into()),
        ],
    );
    let is_full = found.entries.len() >= MOST as usize;
    html! {
        p role="status" { (told) }
        @if found.is_cut {
            p.hint { (language.say_with("search-cut", &[("seconds", WITHIN.as_secs().into())])) }
        }
        @if is_full { p.hint { (language.say_with("search-full", &[("count", MOST.into())])) } }
        @if found.entries.is_empty() { p.none { (user.say("search-nothing")) } }
        @else { (table(user, client, &found.entries)) }
    }
}

fn table(user: &User, client: &str, entries: &[FoundEntry]) -> Markup {
    let columns = [
        ("path", ""),
        ("kind", ""),
        ("size", "figure"),
        ("time", ""),
        ("backup", ""),
    ];
    html! {
        div.scroll tabindex="0" role="region" aria-label=(user.say("search-results")) { table {
            thead { tr { @for (head, class) in columns {
                th.(class) scope="col" { (user.say(&format!("search-{head}"))) }
            } } }
            tbody { @for found in entries { (row(user, client, found)) } }
        } }
    }
}

fn row(user: &User, client: &str, found: &FoundEntry) -> Markup {
    let entry = found.entry.clone().unwrap_or_default();
    html! {
        tr {
            th.long scope="row" { a href=(file::entry_address(client, &found.backup, &entry)) { (paths::show(&entry.path)) } }
            td { (file::kind(user, &entry.kind)) }
            td.figure { @if entry.kind == "file" { (user.language.bytes(entry.size)) } }
            td.time { (exact_time(user, entry.mtime_s.saturating_mul(1000))) }
            td.time { a href=(backup::address(client, &found.backup)) { (exact_time(user, found.backup_ms)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_adds_up() {
        let mut found = Found::default();
        found.add(SearchReply {
            found: vec![FoundEntry::default(); 2],
            searched: 0,
            backups: 5,
        });
        found.add(SearchReply {
            found: vec![FoundEntry::default()],
            searched: 3,
            backups: 5,
        });
        let told = (found.entries.len(), found.searched, found.backups);
        assert_eq!(told, (3, 3, 5));
    }
}
