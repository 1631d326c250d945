//! `backup search` and `backup versions`

use std::os::unix::ffi::OsStringExt;

use anyhow::{Context as _, Result};
use serde::Serialize;
use wire::v1::{ListVersionsRequest, SearchRequest};

use super::Context;
use crate::channel::Link;
use crate::cli::{SearchArgs, VersionsArgs};
use crate::failure::Outcome;
use crate::output::format::{self, size, things};
use crate::output::table::{Side, Table};
use crate::output::{Shape, json};

/// Something that was found, for programs.
#[derive(Serialize)]
struct Found {
    backup: String,
    #[serde(flatten)]
    entry: json::EntryView,
}

/// A version of a file, for programs.
#[derive(Serialize)]
struct Version {
    newest_backup: String,
    oldest_backup: String,
    backups: u32,
    #[serde(flatten)]
    entry: json::EntryView,
}

pub async fn search(context: &Context, link: &Link, args: SearchArgs) -> Result<Outcome> {
    let request = SearchRequest {
        client: args.client,
        text: args.text,
        beneath: args.beneath.map(OsStringExt::into_vec).unwrap_or_default(),
        most: 0,
    };
    let replies = link.contents().search(request).await;
    let mut replies = replies.context("can't search")?.into_inner();
    let console = context.console();
    let mut items = console.json_items();
    let (mut found, mut searched, mut backups) = (0, 0, 0);
    while let Some(reply) = replies.message().await.context("can't search")? {
        (searched, backups) = (reply.searched, reply.backups);
        found += reply.found.len() as u64;
        for found in reply.found {
            let entry = found.entry.unwrap_or_default();
            match args.output.shape() {
                Shape::Json => items.item(&Found {
                    backup: found.backup,
                    entry: json::EntryView::new(&entry, console.zone()),
                })?,
                Shape::Human => console.result(&format!(
                    "{}  {:>9}  {:>9}  {}\n",
                    format::time_exact(entry.mtime_s, console.zone()),
                    size(entry.size),
                    found.backup,
                    format::path(&entry.path)
                ))?,
            }
        }
    }
    match args.output.shape() {
        Shape::Json => items.finish()?,
        Shape::Human if searched < backups => console.note(&format!(
            "{} so far, in {searched} of {}: search for more of the name",
            things(found, "file", "files"),
            things(u64::from(backups), "backup", "backups"),
        )),
        Shape::Human => console.note(&format!(
            "{} in {}",
            things(found, "file", "files"),
            things(u64::from(backups), "backup", "backups"),
        )),
    }
    Ok(Outcome::Done)
}

pub async fn versions(context: &Context, link: &Link, args: VersionsArgs) -> Result<Outcome> {
    let request = ListVersionsRequest {
        client: args.client,
        path: args.path.into_vec(),
    };
    let reply = link.contents().list_versions(request).await;
    let versions = reply.context("can't list the versions")?.into_inner().versions;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let versions = versions.into_iter().map(|version| Version {
            newest_backup: version.newest,
            oldest_backup: version.oldest,
            backups: version.backups,
            entry: json::EntryView::new(&version.entry.unwrap_or_default(), zone),
        });
        console.json(&versions.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CHANGED", Side::Left),
        ("SIZE", Side::Right),
        ("OLDEST BACKUP", Side::Left),
        ("NEWEST BACKUP", Side::Left),
        ("BACKUPS", Side::Right),
    ]);
    for version in &versions {
        let entry = version.entry.clone().unwrap_or_default();
        table.row([
            format::time_exact(entry.mtime_s, zone),
            size(entry.size),
            version.oldest.clone(),
            version.newest.clone(),
            format::count(u64::from(version.backups)),
        ]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}
