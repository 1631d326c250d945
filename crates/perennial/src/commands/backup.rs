//! `backup list`, `show`, `freed`, `start`, `verify` and `delete`

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use wire::v1::{
    self, BackupDetail, BackupInfo, BackupMode, DeleteRequest, FreedByRequest, ListRequest, StartRequest,
    VerifyRequest,
};

use super::follow::{self, Followed};
use super::{Context, refer, retention, search};
use crate::channel::Link;
use crate::cli::{BackupCommand, DeleteArgs, FreedArgs, ListArgs, ShowArgs, StartArgs, VerifyArgs};
use crate::failure::{Failure, Outcome};
use crate::output::format::{self, count, size, things};
use crate::output::table::{self, Side, Table};
use crate::output::{Console, Shape, json};

pub async fn run(context: &Context, command: BackupCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        BackupCommand::List(args) => list(context, &link, args).await,
        BackupCommand::Show(args) => show(context, &link, &args).await,
        BackupCommand::Freed(args) => freed(context, &link, &args).await,
        BackupCommand::Start(args) => start(context, &link, args).await,
        BackupCommand::Verify(args) => verify(context, &link, &args).await,
        BackupCommand::Delete(args) => delete(context, &link, &args).await,
        BackupCommand::Archive(args) => retention::archive(&link, &args).await,
        BackupCommand::Unarchive(args) => retention::unarchive(&link, &args).await,
        BackupCommand::Hold(args) => retention::hold(&link, &args).await,
        BackupCommand::Release(args) => retention::release(&link, &args).await,
        BackupCommand::Search(args) => search::search(context, &link, args).await,
        BackupCommand::Versions(args) => search::versions(context, &link, args).await,
        BackupCommand::Browse(_) | BackupCommand::Diff(_) => unreachable!("they have modules of their own"),
    };
    link.close().await;
    outcome
}

async fn list(context: &Context, link: &Link, args: ListArgs) -> Result<Outcome> {
    list_those(context, link, args, |_| true).await
}

/// `image list`
pub async fn list_images(context: &Context, link: &Link, args: ListArgs) -> Result<Outcome> {
    list_those(context, link, args, |backup| backup.kind == refer::IMAGE).await
}

async fn list_those(
    context: &Context,
    link: &Link,
    args: ListArgs,
    wanted: impl Fn(&BackupInfo) -> bool,
) -> Result<Outcome> {
    let request = ListRequest {
        client: args.client.unwrap_or_default(),
    };
    let mut backups = link
        .backups()
        .list(request)
        .await
        .context("can't list the backups")?
        .into_inner()
        .backups;
    backups.retain(wanted);
    backups.sort_by(|a, b| (a.started_ms, &a.client, &a.name).cmp(&(b.started_ms, &b.client, &b.name)));
    let console = context.console();
    if args.output.shape() == Shape::Json {
        let views: Vec<_> = backups
            .iter()
            .map(|backup| json::BackupView::new(backup, console.zone()))
            .collect();
        console.json(&views)?;
    } else if backups.is_empty() {
        console.note("There are no backups yet.");
    } else {
        console.result(&list_table(&backups, console))?;
    }
    Ok(Outcome::Done)
}

fn list_table(backups: &[BackupInfo], console: &Console) -> String {
    let mut table = Table::new(&[
        ("BACKUP", Side::Left),
        ("STARTED", Side::Left),
        ("TOOK", Side::Right),
        ("MODE", Side::Left),
        ("FILES", Side::Right),
        ("SIZE", Side::Right),
        ("SENT", Side::Right),
        ("PROBLEMS", Side::Right),
    ]);
    for backup in backups {
        table.row([
            format!("{}/{}", backup.client, backup.name),
            format::time(backup.started_ms, console.zone()),
            took(backup),
            json::mode_word(backup.mode()).to_owned(),
            count(backup.files),
            size(backup.bytes_logical),
            size(backup.bytes_transferred),
            count(backup.problems),
        ]);
    }
    table.render()
}

/// Tells what deleting backups would free.
async fn freed(context: &Context, link: &Link, args: &FreedArgs) -> Result<Outcome> {
    let mut backups = Vec::new();
    for backup in &args.backups {
        backups.push(refer::resolve(link, backup).await?);
    }
    let reply = link.storages().freed_by(FreedByRequest { backups }).await;
    let bytes = reply
        .context("can't tell what would be freed")?
        .into_inner()
        .bytes;
    let console = context.console();
    match (args.output.shape(), bytes) {
        (Shape::Json, bytes) => console.json(&serde_json::json!({ "bytes_freed": bytes }))?,
        (Shape::Human, Some(bytes)) => console.result(&format!("{}\n", size(bytes)))?,
        (Shape::Human, None) => {
            console.note("Not known yet: what backups take is counted after they were made.")
        }
    }
    Ok(Outcome::Done)
}

/// What a backup takes of the storage.
fn taken(detail: &BackupDetail) -> String {
    match &detail.taken {
        Some(taken) => format!(
            "{} alone, which a deletion frees; {} shared with other backups; {} were new",
            size(taken.exclusive_bytes),
            size(taken.shared_bytes),
            size(taken.stored_new_bytes)
        ),
        None => "not counted yet".into(),
    }
}

fn verified(info: &BackupInfo, zone: &TimeZone) -> String {
    match info.verified.as_str() {
        "" => "never".into(),
        found => format!("{found}, {}", format::time(info.verified_ms, zone)),
    }
}

/// What protects a backup, if anything does.
fn protected(info: &BackupInfo, zone: &TimeZone) -> Option<String> {
    if !info.held_for.is_empty() {
        return Some(format!("held: {}", format::line(&info.held_for)));
    }
    match info.archived_until_ms {
        0 => None,
        i64::MAX => Some(format!("archived for ever, by {}", info.archived_by)),
        until_ms => Some(format!(
            "archived until {}, by {}",
            format::time(until_ms, zone),
            info.archived_by
        )),
    }
}

async fn show(context: &Context, link: &Link, args: &ShowArgs) -> Result<Outcome> {
    let reference = refer::resolve(link, &args.backup).await?;
    let detail = link
        .backups()
        .show(reference)
        .await
        .context("can't show the backup")?
        .into_inner();
    let info = detail.info.clone().unwrap_or_default();
    let console = context.console();
    if args.output.shape() == Shape::Json {
        console.json(&json::DetailView::new(&info, &detail, console.zone()))?;
        return Ok(Outcome::Done);
    }
    console.result(&detail_text(&info, &detail, console))?;
    for problem in &detail.problems {
        let (path, message) = (format::path(&problem.path), format::line(&problem.message));
        console.result(&format!("Problem:  {path}: {message} ({})\n", problem.kind))?;
    }
    Ok(Outcome::Done)
}

fn detail_text(info: &BackupInfo, detail: &BackupDetail, console: &Console) -> String {
    let zone = console.zone();
    let mut rows = vec![
        ("Backup", format!("{}/{}", info.client, info.name)),
        ("Kind", format!("{}, {}", info.kind, json::mode_word(info.mode()))),
        ("Outcome", info.outcome.clone()),
        ("Started", format::time(info.started_ms, zone)),
        (
            "Finished",
            format!("{} (took {})", format::time(info.finished_ms, zone), took(info)),
        ),
        (
            "Files",
            format!(
                "{} in {}",
                count(info.files),
                things(info.directories, "directory", "directories")
            ),
        ),
        (
            "Size",
            format!(
                "{}, of which {} were sent",
                size(info.bytes_logical),
                size(info.bytes_transferred)
            ),
        ),
        ("Takes", taken(detail)),
        ("Problems", count(info.problems)),
        ("Verified", verified(info, zone)),
        ("Digest", format::hex(&info.digest)),
    ];
    if let Some(protected) = protected(info, zone) {
        rows.push(("Protected", protected));
    }
    if !info.base.is_empty() {
        rows.push(("Grown from", info.base.clone()));
    }
    if !detail.location.is_empty() {
        rows.push(("Lies in", detail.location.clone()));
    }
    let held = if info.kind == refer::IMAGE {
        "held still"
    } else {
        "snapshot"
    };
    for source in &detail.sources {
        let (name, path) = (format::path(&source.name), format::path(&source.path));
        rows.push((
            "Source",
            match path.as_str() {
                "" => format!("{name}: {}", source.consistency),
                path => format!("{name}: {path} ({held}: {})", source.consistency),
            },
        ));
    }
    table::pairs(&rows)
}

async fn start(context: &Context, link: &Link, args: StartArgs) -> Result<Outcome> {
    let client = match (args.client, link.client()) {
        (Some(client), _) => client,
        (None, Some(_)) => String::new(),
        (None, None) => {
            return Err(Failure::Usage(
                "on the server, say which client: perennial backup start CLIENT".into(),
            )
            .into());
        }
    };
    let mode = if args.full {
        BackupMode::Full
    } else {
        BackupMode::Incremental
    };
    let request = StartRequest {
        client,
        mode: mode.into(),
        detach: args.detach,
        kind: if args.image.is_some() { "image" } else { "file" }.into(),
        volumes: args.image.unwrap_or_default(),
    };
    let events = link
        .backups()
        .start(request)
        .await
        .context("can't start a backup")?
        .into_inner();
    let done = match follow::follow(context, link, events).await? {
        Followed::Ended(done) => done,
        Followed::Queued(job_id) => {
            match args.output.shape() {
                Shape::Json => context.console().json(&serde_json::json!({ "job": job_id }))?,
                Shape::Human => context.console().note(&format!("Queued as job {job_id}.")),
            }
            return Ok(Outcome::Done);
        }
        Followed::Left => return Ok(Outcome::Cancelled),
    };
    report(context, args.output.shape(), &done)?;
    follow::outcome("the backup", &done)
}

async fn verify(context: &Context, link: &Link, args: &VerifyArgs) -> Result<Outcome> {
    let request = VerifyRequest {
        backup: Some(refer::resolve(link, &args.backup).await?),
        source_percent: args.source.unwrap_or(0.0),
    };
    let events = link
        .backups()
        .verify(request)
        .await
        .context("can't verify the backup")?
        .into_inner();
    match follow::follow(context, link, events).await? {
        Followed::Ended(done) => {
            report(context, args.output.shape(), &done)?;
            follow::outcome("the verification", &done)
        }
        Followed::Queued(_) | Followed::Left => Ok(Outcome::Cancelled),
    }
}

fn report(context: &Context, shape: Shape, done: &v1::JobDone) -> Result<()> {
    let console = context.console();
    if shape == Shape::Json {
        return Ok(console.json(&json::DoneView::new(done, console.zone()))?);
    }
    let problems = done
        .backup
        .as_ref()
        .map_or(0, |backup| backup.problems)
        .max(done.problems.len() as u64);
    follow::tell_problems(context, &done.problems, problems);
    let failed = done.outcome() == v1::job_done::Outcome::Failed;
    // What a backup has to say is in its summary.
    if !done.message.is_empty() && !failed && done.backup.is_none() {
        console.result(&format!("{}\n", format::line(&done.message)))?;
    }
    if let Some(backup) = &done.backup {
        console.result(&format!("{}\n", summary(backup)))?;
    }
    Ok(())
}

/// A backup in one sentence.
pub fn summary(backup: &BackupInfo) -> String {
    let mut text = format!(
        "{}/{}: {}, {} ({} sent) in {}",
        backup.client,
        backup.name,
        things(backup.files, "file", "files"),
        size(backup.bytes_logical),
        size(backup.bytes_transferred),
        took(backup),
    );
    if backup.problems > 0 {
        text.push_str(&format!(", {}", things(backup.problems, "problem", "problems")));
    }
    text
}

async fn delete(context: &Context, link: &Link, args: &DeleteArgs) -> Result<Outcome> {
    let console = context.console();
    for reference in &args.backups {
        let wanted = refer::resolve(link, reference).await?;
        if wanted.name == "latest" {
            return Err(Failure::Usage(
                "name the backup that is to be deleted; \"latest\" may be another by now".into(),
            )
            .into());
        }
        let name = format!("{}/{}", wanted.client, wanted.name);
        let request = DeleteRequest {
            client: wanted.client,
            name: wanted.name,
            now: args.now,
        };
        let deleted = link.backups().delete(request).await;
        let until_ms = deleted
            .with_context(|| format!("can't delete {name}"))?
            .into_inner()
            .until_ms;
        console.note(&match until_ms {
            0 => format!("Deleted {name}."),
            _ => format!(
                "Deleted {name}; it stays in the trash until {} (perennial trash restore {name}).",
                format::time(until_ms, console.zone())
            ),
        });
    }
    Ok(Outcome::Done)
}

fn took(backup: &BackupInfo) -> String {
    let span_ms = u64::try_from(backup.finished_ms - backup.started_ms).unwrap_or(0);
    format::duration(std::time::Duration::from_millis(span_ms))
}
