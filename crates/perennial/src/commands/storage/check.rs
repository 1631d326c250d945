//! `storage check` and `storage damage`

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;
use wire::v1::{CheckStorageRequest, DamagedFile, ListDamageRequest};

use crate::channel::AdminLink;
use crate::cli::{CheckArgs, DamageArgs};
use crate::commands::Context;
use crate::commands::follow::{self, Followed};
use crate::failure::Outcome;
use crate::output::json::PathView;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

/// Has backups checked.
pub async fn check(context: &Context, link: &AdminLink, args: &CheckArgs) -> Result<Outcome> {
    let request = CheckStorageRequest {
        client: args.client.clone().unwrap_or_default(),
        storage: args.storage.clone().unwrap_or_default(),
        everything: args.everything,
    };
    let begun = link.storages().check(request).await;
    let job_id = begun.context("can't check the backups")?.into_inner().job_id;
    let console = context.console();
    if args.detach {
        match args.output.shape() {
            Shape::Json => console.json(&json!({ "job": job_id }))?,
            Shape::Human => console.note(&format!("The check is job {job_id}.")),
        }
        return Ok(Outcome::Done);
    }
    let Followed::Ended(done) = follow::follow_job(context, link, job_id).await? else {
        return Ok(Outcome::Done);
    };
    let outcome = follow::outcome("the check", &done)?;
    let damaged = list(link, args.client.clone()).await?;
    match args.output.shape() {
        Shape::Json => {
            let zone = console.zone();
            let damage = damaged.iter().map(|file| view(file, zone)).collect::<Vec<_>>();
            console.json(&json!({ "job": job_id, "message": done.message, "damage": damage }))?;
        }
        Shape::Human => {
            console.note(&format!("{}.", format::line(&done.message)));
            if !damaged.is_empty() {
                console.result(&table(&damaged, console.zone()))?;
            }
        }
    }
    Ok(match (outcome, damaged.is_empty()) {
        (Outcome::Done, false) => Outcome::WithProblems,
        (outcome, _) => outcome,
    })
}

/// Lists what is damaged.
pub async fn damage(context: &Context, link: &AdminLink, args: &DamageArgs) -> Result<Outcome> {
    let damaged = list(link, args.client.clone()).await?;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        console.json(&damaged.iter().map(|file| view(file, zone)).collect::<Vec<_>>())?;
    } else if damaged.is_empty() {
        console.note("Nothing is known to be damaged.");
    } else {
        console.result(&table(&damaged, zone))?;
    }
    Ok(Outcome::Done)
}

async fn list(link: &AdminLink, client: Option<String>) -> Result<Vec<DamagedFile>> {
    let request = ListDamageRequest {
        client: client.unwrap_or_default(),
    };
    let reply = link.storages().list_damage(request).await;
    Ok(reply.context("can't list the damage")?.into_inner().files)
}

fn table(damaged: &[DamagedFile], zone: &TimeZone) -> String {
    let mut table = Table::new(&[
        ("BACKUP", Side::Left),
        ("FOUND", Side::Left),
        ("PATH", Side::Left),
        ("WHAT", Side::Left),
    ]);
    for file in damaged {
        table.row([
            format!("{}/{}", format::line(&file.client), format::line(&file.backup)),
            format::time(file.found_ms, zone),
            format::path(&file.path),
            format::line(&file.message),
        ]);
    }
    table.render()
}

/// A damaged file.
#[derive(Debug, Serialize)]
struct DamageView<'a> {
    client: &'a str,
    backup: &'a str,
    #[serde(flatten)]
    path: PathView,
    kind: &'a str,
    message: &'a str,
    found: Option<String>,
}

fn view<'a>(file: &'a DamagedFile, zone: &TimeZone) -> DamageView<'a> {
    DamageView {
        client: &file.client,
        backup: &file.backup,
        path: PathView::new(&file.path),
        kind: &file.kind,
        message: &file.message,
        found: format::rfc3339(file.found_ms, zone),
    }
}
