//! `schedule explain`

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::v1::{KindOutlook, OutlookRequest};

use super::Context;
use crate::channel::Link;
use crate::cli::ScheduleCommand;
use crate::failure::Outcome;
use crate::output::json::mode_word;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: ScheduleCommand) -> Result<Outcome> {
    let ScheduleCommand::Explain { client, output } = command;
    let link = Link::open(context).await?;
    let request = OutlookRequest {
        client: client.unwrap_or_default(),
    };
    let reply = link.planning().outlook(request).await;
    link.close().await;
    let kinds = reply.context("can't tell the schedule")?.into_inner().kinds;
    let console = context.console();
    let zone = console.zone();
    if output.shape() == Shape::Json {
        console.json(&kinds.iter().map(|kind| view(kind, zone)).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("BACKUP", Side::Left),
        ("LAST", Side::Left),
        ("DUE", Side::Left),
        ("BEGINS", Side::Left),
        ("WHY", Side::Left),
    ]);
    for kind in &kinds {
        table.row([
            format!("{} {}", mode_word(kind.mode()), kind.kind),
            format::time(kind.last_ms, zone),
            kind.due_ms
                .map_or_else(|| "never".into(), |at_ms| format::time(at_ms, zone)),
            begins(kind, zone),
            why(kind),
        ]);
    }
    console.result(&table.render())?;
    for line in remarks(&kinds, zone) {
        console.result(&format!("{line}\n"))?;
    }
    Ok(Outcome::Done)
}

fn begins(kind: &KindOutlook, zone: &TimeZone) -> String {
    match (kind.running_job, kind.due_ms, kind.begins_ms) {
        (0, None, _) => "-".into(),
        (0, Some(_), None) => "nobody knows".into(),
        (0, Some(_), Some(at_ms)) => format::time(at_ms, zone),
        (job, _, _) => format!("job {job} runs"),
    }
}

fn why(kind: &KindOutlook) -> String {
    if kind.standing == "off" {
        return "switched off".into();
    }
    let hindrances = kind.hindrances.join("; ");
    match (kind.reason.is_empty(), hindrances.is_empty()) {
        (false, _) => kind.reason.clone(),
        (true, false) => hindrances,
        (true, true) => String::new(),
    }
}

/// How the client stands, and what its backups waited for last.
fn remarks(kinds: &[KindOutlook], zone: &TimeZone) -> Vec<String> {
    let mut lines = vec![String::new()];
    for of_target in kinds.chunk_by(|one, next| one.kind == next.kind) {
        let kind = &of_target[0];
        if kind.standing != "off" {
            lines.push(format!(
                "{} backups: {}, {}",
                kind.kind, kind.standing, kind.standing_reason
            ));
        }
    }
    for kind in kinds {
        let Some(wait) = &kind.last_wait else { continue };
        let until = match wait.until_ms {
            0 => "now".to_owned(),
            until_ms => format::time(until_ms, zone),
        };
        lines.push(format!(
            "the {} {} backup waited from {} until {until}: {}",
            mode_word(kind.mode()),
            kind.kind,
            format::time(wait.from_ms, zone),
            wait.reason
        ));
    }
    lines
}

fn view(kind: &KindOutlook, zone: &TimeZone) -> Value {
    let time = |at_ms: Option<i64>| at_ms.and_then(|at_ms| format::rfc3339(at_ms, zone));
    json!({
        "kind": kind.kind,
        "mode": mode_word(kind.mode()),
        "last": format::rfc3339(kind.last_ms, zone),
        "due": time(kind.due_ms),
        "begins": time(kind.begins_ms),
        "reason": kind.reason,
        "hindrances": kind.hindrances,
        "last_wait": kind.last_wait.as_ref().map(|wait| json!({
            "reason": wait.reason,
            "from": format::rfc3339(wait.from_ms, zone),
            "until": format::rfc3339(wait.until_ms, zone),
        })),
        "running_job": (kind.running_job != 0).then_some(kind.running_job),
        "standing": kind.standing,
        "standing_reason": kind.standing_reason,
    })
}
