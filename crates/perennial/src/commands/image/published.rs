//! `image publish`, `image published` and `image unpublish`

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::v1::{
    JobDone, ListPublishedRequest, PublishDiskRequest, PublishedDisk, UnpublishRequest,
    job_done::Outcome as End,
};

use super::stem;
use crate::channel::Link;
use crate::cli::{ListArgs, PublishArgs, UnpublishArgs};
use crate::commands::follow::{self, Followed};
use crate::commands::{Context, refer};
use crate::failure::{Failure, Outcome};
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn publish(context: &Context, link: &Link, args: &PublishArgs) -> Result<Outcome> {
    let (disk, volume) = of_path(&args.place.path)?;
    let backup = refer::resolve_image(link, &args.place.backup).await?;
    let request = PublishDiskRequest {
        backup: Some(backup.clone()),
        disk,
        volume,
        format: args.format.to_string(),
    };
    let events = link.contents().publish_disk(request.clone()).await;
    let events = events.context("can't publish the disk")?.into_inner();
    match follow::follow(context, link, events).await? {
        Followed::Ended(done) => {
            follow::tell_problems(context, &done.problems, done.problems.len() as u64);
            report(context, link, args, &request, &done).await?;
            follow::outcome("making the disk", &done)
        }
        Followed::Queued(_) | Followed::Left => Ok(Outcome::Cancelled),
    }
}

/// Tells what was made.
async fn report(
    context: &Context,
    link: &Link,
    args: &PublishArgs,
    request: &PublishDiskRequest,
    done: &JobDone,
) -> Result<()> {
    if !matches!(done.outcome(), End::Finished | End::WithProblems) {
        return Ok(());
    }
    let client = request.backup.clone().unwrap_or_default().client;
    let is_it = |disk: &PublishedDisk| {
        (request.disk.is_empty() || disk.disk == request.disk)
            && disk.volume == request.volume
            && disk.format == request.format
    };
    let mut disks = listed(link, client).await?;
    disks.retain(is_it);
    let newest = disks.iter().max_by_key(|disk| disk.made_ms);
    let console = context.console();
    match (newest, args.output.shape()) {
        (Some(disk), Shape::Json) => console.json(&view(disk, console.zone()))?,
        (Some(disk), Shape::Human) => console.result(&text(disk, console.zone()))?,
        // Somebody has removed it at once.
        (None, _) => console.note(&format::line(&done.message)),
    }
    Ok(())
}

fn text(disk: &PublishedDisk, zone: &TimeZone) -> String {
    let place = match disk.location.is_empty() {
        true => "It can be downloaded in the web interface.".to_owned(),
        false => format!(
            "It can be downloaded in the web interface, and lies in {}.",
            disk.location
        ),
    };
    format!(
        "{} ({}) is made: {} are shared with the image, {} were written.\n{place}\nIt stays until {}; \"perennial image \
         unpublish {}\" removes it before.\n",
        format::line(&disk.file),
        disk.id,
        format::size(disk.shared_bytes),
        format::size(disk.copied_bytes),
        format::time(disk.until_ms, zone),
        disk.id
    )
}

pub async fn list(context: &Context, link: &Link, args: ListArgs) -> Result<Outcome> {
    let disks = listed(link, args.client.unwrap_or_default()).await?;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views: Vec<_> = disks.iter().map(|disk| view(disk, zone)).collect();
        console.json(&views)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("ID", Side::Left),
        ("FILE", Side::Left),
        ("FORMAT", Side::Left),
        ("SIZE", Side::Right),
        ("TAKES", Side::Right),
        ("MADE", Side::Left),
        ("STAYS UNTIL", Side::Left),
    ]);
    for disk in &disks {
        table.row([
            disk.id.clone(),
            format::line(&disk.file),
            disk.format.clone(),
            format::size(disk.len_bytes),
            format::size(disk.copied_bytes),
            format::time(disk.made_ms, zone),
            format::time(disk.until_ms, zone),
        ]);
    }
    match table.is_empty() {
        true => console.note("No virtual disk is published; \"perennial image publish\" makes one."),
        false => console.result(&table.render())?,
    }
    Ok(Outcome::Done)
}

pub async fn unpublish(context: &Context, link: &Link, args: UnpublishArgs) -> Result<Outcome> {
    let UnpublishArgs { id, output } = args;
    let removed = link
        .contents()
        .unpublish(UnpublishRequest { id: id.clone() })
        .await;
    removed.with_context(|| format!("can't remove the virtual disk {id}"))?;
    let console = context.console();
    match output.shape() {
        Shape::Json => console.json(&json!({ "id": id }))?,
        Shape::Human => console.note(&format!("Removed the virtual disk {id}.")),
    }
    Ok(Outcome::Done)
}

async fn listed(link: &Link, client: String) -> Result<Vec<PublishedDisk>> {
    let reply = link
        .contents()
        .list_published(ListPublishedRequest { client })
        .await;
    let mut disks = reply.context("can't list the virtual disks")?.into_inner().disks;
    disks.sort_by_key(|disk| disk.made_ms);
    Ok(disks)
}

fn view(disk: &PublishedDisk, zone: &TimeZone) -> Value {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    json!({
        "id": disk.id,
        "client": disk.client,
        "backup": disk.backup,
        "disk": disk.disk,
        "volume": given(&disk.volume),
        "format": disk.format,
        "file": disk.file,
        "bytes": disk.len_bytes,
        "shared_bytes": disk.shared_bytes,
        "copied_bytes": disk.copied_bytes,
        "made": format::rfc3339(disk.made_ms, zone),
        "until": format::rfc3339(disk.until_ms, zone),
        "storage": disk.storage,
        "location": given(&disk.location),
    })
}

/// The disk and the volume that a path in an image names; either may be left out.
fn of_path(path: &[u8]) -> Result<(String, String)> {
    let text = std::str::from_utf8(path).ok();
    let parts: Option<Vec<&str>> = text.map(|text| text.split('/').collect());
    match parts.as_deref() {
        Some([disk]) => Ok(((*disk).to_owned(), String::new())),
        Some([disk, volume]) => Ok(((*disk).to_owned(), stem(volume).to_owned())),
        _ => Err(Failure::Usage("name a disk or a volume: BACKUP:DISK or BACKUP:DISK/VOLUME".into()).into()),
    }
}
