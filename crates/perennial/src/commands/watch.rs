//! `jobs watch`

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::v1::watch_event::Event;
use wire::v1::{JobInfo, Progress, WatchEvent, WatchRequest, log_line};

use super::Context;
use crate::channel::AdminLink;
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::{Shape, format};

/// Shows what jobs do until the user or the server ends it.
pub async fn watch(
    context: &Context,
    link: &AdminLink,
    client: Option<String>,
    shape: Shape,
) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let request = WatchRequest {
        client: client.unwrap_or_default(),
    };
    let events = link.admin().watch(request).await;
    let mut events = events.context("can't watch the jobs")?.into_inner();
    let console = context.console();
    let mut rates = Rates::default();
    loop {
        let message = tokio::select! {
            message = events.message() => message.context("the server tells no more")?,
            () = interrupt.asked() => return Ok(Outcome::Done),
        };
        let Some(event) = message else {
            return Ok(Outcome::Done);
        };
        let rate = rates.of(&event);
        match shape {
            Shape::Json => console.result(&format!("{}\n", view(&event, rate, console.zone())))?,
            Shape::Human => {
                if let Some(line) = line(&event, rate, console.zone()) {
                    console.result(&format!("{line}\n"))?;
                }
            }
        }
    }
}

/// How fast a job is, and how long it will take at that.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    bytes_per_s: f64,
    rest: Option<Duration>,
}

/// What is known of the jobs' speed: where each was first seen.
#[derive(Default)]
struct Rates {
    first: HashMap<u64, (i64, u64)>,
}

impl Rates {
    fn of(&mut self, event: &WatchEvent) -> Option<Rate> {
        let id = event.job.as_ref()?.id;
        let progress = match event.event.as_ref()? {
            Event::Progress(progress) => progress,
            Event::Done(_) => {
                self.first.remove(&id);
                return None;
            }
            _ => return None,
        };
        let (since_ms, bytes) = *self.first.entry(id).or_insert((event.at_ms, progress.bytes_done));
        let seconds = event.at_ms.saturating_sub(since_ms) as f64 / 1000.0;
        let done = progress.bytes_done.checked_sub(bytes)?;
        if seconds < 1.0 || done == 0 {
            return None;
        }
        let bytes_per_s = done as f64 / seconds;
        let left = progress
            .bytes_total
            .checked_sub(progress.bytes_done)
            .filter(|left| *left > 0);
        Some(Rate {
            bytes_per_s,
            rest: left.map(|left| Duration::from_secs((left as f64 / bytes_per_s) as u64)),
        })
    }
}

fn line(event: &WatchEvent, rate: Option<Rate>, zone: &TimeZone) -> Option<String> {
    let at = format::time_exact(event.at_ms / 1000, zone);
    let Some(job) = &event.job else {
        return match event.event {
            Some(Event::Missed(missed)) => {
                Some(format!("{at}  {} events were missed", format::count(missed)))
            }
            _ => None,
        };
    };
    let text = match event.event.as_ref()? {
        Event::Queued(_) => format!("queued: {}", format::line(&job.reason)),
        Event::Progress(progress) => progressing(job, progress, rate),
        Event::Log(log) => match log.level() {
            log_line::Level::Info => format::line(&log.text),
            level => format!(
                "{}: {}",
                level.as_str_name().to_lowercase(),
                format::line(&log.text)
            ),
        },
        Event::Done(done) => format!(
            "{}: {}",
            done.outcome().as_str_name().to_lowercase().replace('_', " "),
            format::line(&done.message)
        ),
        Event::Missed(_) => return None,
    };
    let client = format::or_dash(&job.client);
    Some(format!("{at}  {client}  {} {}  {text}", job.kind, job.id))
}

fn progressing(job: &JobInfo, progress: &Progress, rate: Option<Rate>) -> String {
    if !job.waits_for.is_empty() {
        return format!("waits: {}", job.waits_for);
    }
    let mut parts = vec![progress.phase.clone()];
    if progress.bytes_total > 0 {
        parts.push(format!(
            "{} of {}",
            format::size(progress.bytes_done),
            format::size(progress.bytes_total)
        ));
    } else if progress.bytes_done > 0 {
        parts.push(format::size(progress.bytes_done));
    }
    if let Some(rate) = rate {
        parts.push(format!("{}/s", format::size(rate.bytes_per_s as u64)));
        parts.extend(rate.rest.map(|rest| format!("{} left", format::duration(rest))));
    }
    if !progress.current_path.is_empty() {
        parts.push(format::path(&progress.current_path));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("  ")
}

fn view(event: &WatchEvent, rate: Option<Rate>, zone: &TimeZone) -> Value {
    let mut view = json!({ "at": format::rfc3339(event.at_ms, zone) });
    if let Some(job) = &event.job {
        view["job"] = json!(crate::output::json::JobView::new(job, zone));
    }
    let (name, what) = match &event.event {
        Some(Event::Queued(_)) => ("queued", json!(true)),
        Some(Event::Progress(progress)) => (
            "progress",
            json!({
                "phase": progress.phase,
                "files_done": progress.files_done,
                "files_total": progress.files_total,
                "bytes_done": progress.bytes_done,
                "bytes_total": progress.bytes_total,
                "bytes_sent": progress.bytes_sent,
                "path": String::from_utf8_lossy(&progress.current_path),
                "bytes_per_s": rate.map(|rate| rate.bytes_per_s as u64),
                "rest_s": rate.and_then(|rate| rate.rest).map(|rest| rest.as_secs()),
            }),
        ),
        Some(Event::Log(log)) => (
            "log",
            json!({ "level": log.level().as_str_name().to_lowercase(), "text": log.text }),
        ),
        Some(Event::Done(done)) => (
            "done",
            json!({
                "outcome": done.outcome().as_str_name().to_lowercase().replace('_', " "),
                "message": done.message,
            }),
        ),
        Some(Event::Missed(missed)) => ("missed", json!(missed)),
        None => return view,
    };
    view[name] = what;
    view
}
