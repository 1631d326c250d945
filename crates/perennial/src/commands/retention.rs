//! `retention …`, `trash …`, and `backup archive`, `hold` and their undoing

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use wire::v1::protect_request::Change;
use wire::v1::{
    Archive, BackupRef, CleanupRequest, KeptBackup, ListTrashRequest, Nothing, PlanFreeingRequest,
    PlannedRemoval, ProtectRequest, RetentionPlanReply, RetentionPlanRequest, TrashedBackup,
};

use super::follow::{self, Followed};
use super::{Context, refer};
use crate::channel::Link;
use crate::cli::{ArchiveArgs, HoldArgs, LetGoArgs, RetentionCommand, RetentionPlanArgs, TrashCommand};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json as views};

pub async fn run(context: &Context, command: RetentionCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        RetentionCommand::Plan(args) => plan(context, &link, args).await,
        RetentionCommand::Free {
            size,
            storage,
            output,
        } => free(context, &link, size, storage, output.shape()).await,
        RetentionCommand::Cleanup { detach, output } => cleanup(context, &link, detach, output.shape()).await,
    };
    link.close().await;
    outcome
}

async fn plan(context: &Context, link: &Link, args: RetentionPlanArgs) -> Result<Outcome> {
    let request = RetentionPlanRequest {
        client: args.client.unwrap_or_default(),
        days: args.days.unwrap_or(0),
        with_expected: args.expected,
        with_kept: args.kept,
    };
    let parts = link.planning().retention_plan(request).await;
    let mut parts = parts.context("can't plan")?.into_inner();
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let mut document = PlanDocument::default();
        while let Some(part) = parts.message().await.context("can't plan")? {
            document.add(&part, zone)?;
        }
        console.result(&document.finish())?;
        return Ok(Outcome::Done);
    }
    let mut reply = RetentionPlanReply::default();
    while let Some(part) = parts.message().await.context("can't plan")? {
        reply.removals.extend(part.removals);
        reply.kept.extend(part.kept);
    }
    let mut table = Table::new(&[
        ("GOES", Side::Left),
        ("CLIENT", Side::Left),
        ("BACKUP", Side::Left),
        ("KIND", Side::Left),
        ("MADE", Side::Left),
        ("WHY", Side::Left),
    ]);
    for removal in &reply.removals {
        table.row([
            format::time(removal.at_ms, zone),
            removal.client.clone(),
            if removal.expected {
                "(to come)".into()
            } else {
                removal.name.clone()
            },
            removal.kind.clone(),
            format::time(removal.started_ms, zone),
            removal.reason.clone(),
        ]);
    }
    match (table.is_empty(), args.days) {
        (false, _) => console.result(&table.render())?,
        (true, None) => console.note("A cleanup would remove nothing now."),
        (true, Some(days)) => console.note(&format!(
            "Nothing goes within {}.",
            format::things(u64::from(days), "day", "days")
        )),
    }
    if args.kept {
        show_kept(context, &reply.kept)?;
    }
    Ok(Outcome::Done)
}

/// What would go for so much space.
async fn free(
    context: &Context,
    link: &Link,
    bytes: u64,
    storage: Option<String>,
    shape: Shape,
) -> Result<Outcome> {
    let storage = storage.unwrap_or_default();
    let plan = link
        .planning()
        .plan_freeing(PlanFreeingRequest { storage, bytes })
        .await;
    let plan = plan.context("can't plan")?.into_inner();
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let removals = plan.removals.iter().map(|removal| {
            json!({
                "client": removal.client,
                "backup": removal.name,
                "kind": removal.kind,
                "started": format::rfc3339(removal.started_ms, zone),
                "reason": removal.reason,
            })
        });
        console.json(&json!({
            "removals": removals.collect::<Vec<_>>(),
            "bytes_freed": plan.freed_bytes,
            "is_enough": plan.is_enough,
        }))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CLIENT", Side::Left),
        ("BACKUP", Side::Left),
        ("KIND", Side::Left),
        ("MADE", Side::Left),
        ("WHY", Side::Left),
    ]);
    for removal in &plan.removals {
        table.row([
            removal.client.clone(),
            removal.name.clone(),
            removal.kind.clone(),
            format::time(removal.started_ms, zone),
            removal.reason.clone(),
        ]);
    }
    if !table.is_empty() {
        console.result(&table.render())?;
    }
    let freed = plan
        .freed_bytes
        .map_or_else(|| "nobody knows yet how much".to_owned(), format::size);
    let backups = format::things(plan.removals.len() as u64, "backup", "backups");
    console.note(&match plan.is_enough {
        true => format!("{backups} would free {freed}."),
        false => {
            format!("{backups} may go, which would free {freed}: that is not enough, or not known to be.")
        }
    });
    Ok(Outcome::Done)
}

fn show_kept(context: &Context, kept: &[KeptBackup]) -> Result<()> {
    let console = context.console();
    let zone = console.zone();
    let mut table = Table::new(&[
        ("STAYS", Side::Left),
        ("BACKUP", Side::Left),
        ("KIND", Side::Left),
        ("MADE", Side::Left),
        ("WHY", Side::Left),
    ]);
    for backup in kept {
        table.row([
            backup.client.clone(),
            backup.name.clone(),
            backup.kind.clone(),
            format::time(backup.started_ms, zone),
            backup.reason.clone(),
        ]);
    }
    if !table.is_empty() {
        console.result(&table.render())?;
    }
    Ok(())
}

/// A plan as programs read it. It may be of very many backups, so it is written as it comes.
#[derive(Default)]
struct PlanDocument {
    removals: Items,
    kept: Items,
}

/// Items of an array, a line each.
#[derive(Default)]
struct Items(String);

impl Items {
    fn add(&mut self, item: &impl Serialize) -> Result<()> {
        self.0
            .push_str(if self.0.is_empty() { "\n    " } else { ",\n    " });
        self.0.push_str(&serde_json::to_string(item)?);
        Ok(())
    }

    fn end(&mut self) {
        if !self.0.is_empty() {
            self.0.push_str("\n  ");
        }
    }
}

impl PlanDocument {
    fn add(&mut self, part: &RetentionPlanReply, zone: &TimeZone) -> Result<()> {
        for removal in &part.removals {
            self.removals.add(&RemovalView::of(removal, zone))?;
        }
        for kept in &part.kept {
            self.kept.add(&KeptView::of(kept, zone))?;
        }
        Ok(())
    }

    fn finish(mut self) -> String {
        self.removals.end();
        self.kept.end();
        format!(
            "{{\n  \"removals\": [{}],\n  \"kept\": [{}]\n}}\n",
            self.removals.0, self.kept.0
        )
    }
}

#[derive(Serialize)]
struct RemovalView<'a> {
    client: &'a str,
    expected: bool,
    goes: Option<String>,
    kind: &'a str,
    name: Option<&'a str>,
    reason: &'a str,
    started: Option<String>,
}

#[derive(Serialize)]
struct KeptView<'a> {
    client: &'a str,
    kind: &'a str,
    name: &'a str,
    reason: &'a str,
    started: Option<String>,
}

impl<'a> RemovalView<'a> {
    fn of(removal: &'a PlannedRemoval, zone: &TimeZone) -> Self {
        Self {
            client: &removal.client,
            expected: removal.expected,
            goes: format::rfc3339(removal.at_ms, zone),
            kind: &removal.kind,
            name: (!removal.expected).then_some(&removal.name),
            reason: &removal.reason,
            started: format::rfc3339(removal.started_ms, zone),
        }
    }
}

impl<'a> KeptView<'a> {
    fn of(kept: &'a KeptBackup, zone: &TimeZone) -> Self {
        Self {
            client: &kept.client,
            kind: &kept.kind,
            name: &kept.name,
            reason: &kept.reason,
            started: format::rfc3339(kept.started_ms, zone),
        }
    }
}

async fn cleanup(context: &Context, link: &Link, detach: bool, shape: Shape) -> Result<Outcome> {
    let events = link.planning().cleanup(CleanupRequest { detach }).await;
    let events = events.context("can't clean up")?.into_inner();
    let console = context.console();
    match follow::follow(context, link, events).await? {
        Followed::Queued(job_id) => {
            match shape {
                Shape::Json => console.json(&json!({ "job": job_id }))?,
                Shape::Human => console.result(&format!("Job {job_id} cleans up.\n"))?,
            }
            Ok(Outcome::Done)
        }
        Followed::Ended(done) => {
            match shape {
                Shape::Json => console.json(&views::DoneView::new(&done, console.zone()))?,
                Shape::Human => console.result(&format!("{}\n", format::line(&done.message)))?,
            }
            follow::outcome("the cleanup", &done)
        }
        Followed::Left => Ok(Outcome::Cancelled),
    }
}

/// `trash …`
pub async fn trash(context: &Context, command: TrashCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        TrashCommand::List { client, output } => list_trash(context, &link, client, output.shape()).await,
        TrashCommand::Restore { backups } => {
            for backup in &backups {
                let (wanted, named) = named(backup.to_wire());
                let restored = link.planning().restore_from_trash(wanted).await;
                restored.with_context(|| format!("can't take {named} out of the trash"))?;
                context.console().note(&format!("{named} is there again."));
            }
            Ok(Outcome::Done)
        }
        TrashCommand::Delete { backups } => {
            for backup in &backups {
                let (wanted, named) = named(backup.to_wire());
                let deleted = link.planning().delete_from_trash(wanted).await;
                deleted.with_context(|| format!("can't delete {named}"))?;
                context.console().note(&format!("Deleted {named} for good."));
            }
            Ok(Outcome::Done)
        }
    };
    link.close().await;
    outcome
}

fn named(backup: BackupRef) -> (BackupRef, String) {
    let named = match backup.client.is_empty() {
        true => backup.name.clone(),
        false => format!("{}/{}", backup.client, backup.name),
    };
    (backup, named)
}

async fn list_trash(context: &Context, link: &Link, client: Option<String>, shape: Shape) -> Result<Outcome> {
    let request = ListTrashRequest {
        client: client.unwrap_or_default(),
    };
    let reply = link.planning().list_trash(request).await;
    let trashed = reply.context("can't list the trash")?.into_inner().backups;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        console.json(
            &trashed
                .iter()
                .map(|trashed| trash_view(trashed, zone))
                .collect::<Vec<_>>(),
        )?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CLIENT", Side::Left),
        ("BACKUP", Side::Left),
        ("KIND", Side::Left),
        ("DELETED", Side::Left),
        ("STAYS UNTIL", Side::Left),
    ]);
    for trashed in &trashed {
        let backup = trashed.backup.clone().unwrap_or_default();
        table.row([
            backup.client,
            backup.name,
            backup.kind,
            format::time(trashed.trashed_ms, zone),
            format::time(trashed.until_ms, zone),
        ]);
    }
    if table.is_empty() {
        console.note("The trash is empty.");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

fn trash_view(trashed: &TrashedBackup, zone: &TimeZone) -> Value {
    let backup = trashed.backup.clone().unwrap_or_default();
    json!({
        "client": backup.client,
        "name": backup.name,
        "kind": backup.kind,
        "started": format::rfc3339(backup.started_ms, zone),
        "deleted": format::rfc3339(trashed.trashed_ms, zone),
        "until": format::rfc3339(trashed.until_ms, zone),
    })
}

/// `backup archive`
pub async fn archive(link: &Link, args: &ArchiveArgs) -> Result<Outcome> {
    let until_ms = match args.span {
        None => 0,
        Some(span) => {
            let until = jiff::Timestamp::now().checked_add(span);
            until.unwrap_or(jiff::Timestamp::MAX).as_millisecond()
        }
    };
    let wanted = refer::resolve(link, &args.backup).await?;
    protect(link, wanted, Change::Archive(Archive { until_ms })).await
}

/// `backup hold`
pub async fn hold(link: &Link, args: &HoldArgs) -> Result<Outcome> {
    let wanted = refer::resolve(link, &args.backup).await?;
    protect(link, wanted, Change::Hold(args.reason.clone())).await
}

/// `backup unarchive`
pub async fn unarchive(link: &Link, args: &LetGoArgs) -> Result<Outcome> {
    let wanted = refer::resolve(link, &args.backup).await?;
    protect(link, wanted, Change::Unarchive(Nothing {})).await
}

/// `backup release`
pub async fn release(link: &Link, args: &LetGoArgs) -> Result<Outcome> {
    let wanted = refer::resolve(link, &args.backup).await?;
    protect(link, wanted, Change::Release(Nothing {})).await
}

async fn protect(link: &Link, backup: BackupRef, change: Change) -> Result<Outcome> {
    let (backup, named) = named(backup);
    let request = ProtectRequest {
        backup: Some(backup),
        change: Some(change),
    };
    let changed = link.planning().protect(request).await;
    changed.with_context(|| format!("can't change what protects {named}"))?;
    Ok(Outcome::Done)
}
