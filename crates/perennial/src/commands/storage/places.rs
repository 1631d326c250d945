//! `storage list`, `add`, `remove`, `rename` and `usage`

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::v1::{
    AddStorageRequest, ListStoragesRequest, RenameStorageRequest, StorageInfo, StorageRef, UsageOfClient,
    UsageRequest,
};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::{AddArgs, UsageArgs};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

/// Lists the storages.
pub async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link.storages().list(ListStoragesRequest {}).await;
    let storages = reply.context("can't list the storages")?.into_inner().storages;
    let console = context.console();
    if shape == Shape::Json {
        console.json(&storages.iter().map(view).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("STORAGE", Side::Left),
        ("BACKEND", Side::Left),
        ("CLIENTS", Side::Right),
        ("BACKUPS", Side::Right),
        ("FREE", Side::Right),
        ("SIZE", Side::Right),
        ("PATH", Side::Left),
        ("REMARK", Side::Left),
    ]);
    for storage in &storages {
        let size = |bytes| match storage.absent.is_empty() {
            true => format::size(bytes),
            false => "-".into(),
        };
        table.row([
            format::line(&storage.name),
            format::or_dash(&storage.backend).to_owned(),
            format::count(storage.clients),
            format::count(storage.backups),
            size(storage.free_bytes),
            size(storage.total_bytes),
            format::line(&storage.path),
            remark(storage),
        ]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

fn remark(storage: &StorageInfo) -> String {
    let mut remarks = Vec::new();
    if storage.is_default {
        remarks.push("the default".to_owned());
    }
    if !storage.absent.is_empty() {
        remarks.push(format!("not there: {}", format::line(&storage.absent)));
    }
    if !storage.arriving.is_empty() {
        let clients = format::things(storage.arriving.len() as u64, "client", "clients");
        remarks.push(format!("{clients} being moved here"));
    }
    remarks.join("; ")
}

fn view(storage: &StorageInfo) -> Value {
    let there = |value: Value| match storage.absent.is_empty() {
        true => value,
        false => Value::Null,
    };
    json!({
        "name": storage.name,
        "path": storage.path,
        "id": storage.identity,
        "default": storage.is_default,
        "absent": (!storage.absent.is_empty()).then_some(&storage.absent),
        "backend": there(json!(storage.backend)),
        "file_system": there(json!(storage.file_system)),
        "total_bytes": there(json!(storage.total_bytes)),
        "free_bytes": there(json!(storage.free_bytes)),
        "clients": storage.clients,
        "backups": storage.backups,
        "arriving": storage.arriving,
    })
}

/// Adds a storage.
pub async fn add(context: &Context, link: &AdminLink, args: &AddArgs) -> Result<Outcome> {
    let path =
        std::path::absolute(&args.path).with_context(|| format!("can't find {}", args.path.display()))?;
    let path = path
        .to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))?;
    let request = AddStorageRequest {
        name: args.name.clone(),
        path: path.to_owned(),
        backend: args.backend.clone().unwrap_or_default(),
    };
    let added = link.storages().add(request).await;
    let added = added
        .with_context(|| format!("can't add the storage {}", args.name))?
        .into_inner();
    let console = context.console();
    if args.output.shape() == Shape::Json {
        console.json(&view(&added))?;
        return Ok(Outcome::Done);
    }
    let found = match added.backups {
        0 => String::new(),
        backups => format!(" with {}", format::things(backups, "backup", "backups")),
    };
    console.note(&format!(
        "Storage {} is {}, {} on {}{found}. Send clients there with: perennial settings set --client NAME storage={}",
        added.name, added.path, added.backend, added.file_system, added.name
    ));
    Ok(Outcome::Done)
}

/// Forgets a storage.
pub async fn remove(context: &Context, link: &AdminLink, name: String) -> Result<Outcome> {
    let removed = link.storages().remove(StorageRef { name: name.clone() }).await;
    let path = removed
        .with_context(|| format!("can't remove the storage {name}"))?
        .into_inner()
        .path;
    context
        .console()
        .note(&format!("The directory {path} stays as it is."));
    Ok(Outcome::Done)
}

/// Gives a storage another name.
pub async fn rename(link: &AdminLink, name: String, new_name: String) -> Result<Outcome> {
    let request = RenameStorageRequest {
        name: name.clone(),
        new_name,
    };
    let renamed = link.storages().rename(request).await;
    renamed.with_context(|| format!("can't rename the storage {name}"))?;
    Ok(Outcome::Done)
}

/// Tells what clients take.
pub async fn usage(context: &Context, link: &AdminLink, args: &UsageArgs) -> Result<Outcome> {
    let console = context.console();
    let since_ms = match args.last {
        None => 0,
        Some(span) => {
            let span_ms = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            let now_ms = jiff::Timestamp::now().as_millisecond();
            // 0 would be now.
            now_ms.saturating_sub(span_ms).max(1)
        }
    };
    let request = UsageRequest {
        client: args.client.clone().unwrap_or_default(),
        since_ms,
        most_times: 0,
    };
    let reply = link.storages().usage(request).await;
    let samples = reply
        .context("can't tell what clients take")?
        .into_inner()
        .samples;
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views = samples.iter().map(|sample| usage_view(sample, zone));
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    if samples.is_empty() {
        console.note(match args.last {
            None => "Nothing is known yet: what backups take is counted after they were made.",
            Some(_) => "Nothing was kept in that time: a sample is taken each night, after the cleanup.",
        });
        return Ok(Outcome::Done);
    }
    console.result(&usage_table(&samples, zone, args.last.is_some()))?;
    Ok(Outcome::Done)
}

fn usage_table(samples: &[UsageOfClient], zone: &TimeZone, has_times: bool) -> String {
    let mut columns = vec![
        ("CLIENT", Side::Left),
        ("STORAGE", Side::Left),
        ("BACKUPS", Side::Right),
        ("SIZE", Side::Right),
        ("FREED IF DELETED", Side::Right),
        ("SHARED", Side::Right),
    ];
    if has_times {
        columns.insert(1, ("WHEN", Side::Left));
    }
    let mut table = Table::new(&columns);
    for sample in samples {
        let mut cells = vec![
            format::line(&sample.client),
            format::line(&sample.storage),
            format::count(sample.backups),
            format::size(sample.bytes_logical),
            format::size(sample.bytes_exclusive),
            format::size(sample.bytes_shared),
        ];
        if has_times {
            cells.insert(1, format::time(sample.at_ms, zone));
        }
        table.row(cells);
    }
    table.render()
}

fn usage_view(sample: &UsageOfClient, zone: &TimeZone) -> Value {
    json!({
        "client": sample.client,
        "storage": sample.storage,
        "at": format::rfc3339(sample.at_ms, zone),
        "backups": sample.backups,
        "bytes": sample.bytes_logical,
        "bytes_exclusive": sample.bytes_exclusive,
        "bytes_shared": sample.bytes_shared,
    })
}
