//! The nightly cleanup: what the rules no longer keep goes, then what is over the quota, then what the catalog need not
//! remember. At last the catalog is checked and copied into the storage.

use std::sync::Arc;

use catalog::{Backup, JobEnd, JobFilter, JobKind, JobState};
use policy::Span;
use policy::cleanup::{Due, due};
use policy::retention::trash::{self, Trashed};
use policy::retention::{Fate, Series, plan};
use serde_json::json;
use storage::{CopyName, Space};
use tracing::error;
use wire::v1::{LogLine, log_line};

use super::candidates::{Belongings, belongings, owners};
use super::clients;
use super::quota;
use super::space::{Wanted, give_up_until};
use super::trash::{delete, delete_for_good};
use super::usage;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order, finished};
use crate::publishing;
use crate::safety::{self, Check};

/// Begins the cleanup if it is due.
pub fn look(core: &Arc<Core>) -> Result<()> {
    let rules = core.policies.server();
    let last_ms = last_began_ms(core)?.unwrap_or(core.started_ms);
    match due(
        &rules.cleanup_window,
        last_ms,
        &core.clock.zone(),
        core.clock.now_ms(),
    ) {
        Due::Now(reason) => match start(core, &reason.to_string()) {
            // It runs already.
            Err(Error::Busy { .. }) => Ok(()),
            started => started.map(drop),
        },
        Due::Later { .. } | Due::Never => Ok(()),
    }
}

/// When the last cleanup began that was not cut short.
fn last_began_ms(core: &Core) -> Result<Option<i64>> {
    let filter = JobFilter {
        kind: Some(JobKind::Cleanup),
        state: Some(JobState::Done),
        limit: Some(1),
        ..JobFilter::default()
    };
    let last = core.catalog.jobs(&filter)?;
    Ok(last.first().and_then(|job| job.started_ms))
}

/// Begins a cleanup, as a job on a thread of its own.
pub fn start(core: &Arc<Core>, reason: &str) -> Result<Arc<LiveJob>> {
    let job = core.board.queue(Order {
        kind: JobKind::Cleanup,
        client: None,
        subject: None,
        mode: None,
        reason: Some(reason.to_owned()),
    })?;
    let (cleaned, cleaning) = (core.clone(), job.clone());
    let work = move || run(&cleaned, &cleaning);
    let spawned = std::thread::Builder::new().name("cleanup".into()).spawn(work);
    if let Err(source) = spawned {
        let error = Error::Io {
            action: "start a thread for",
            path: "a cleanup".into(),
            source,
        };
        core.board.fail(&job, &error);
        return Err(error);
    }
    Ok(job)
}

/// What a cleanup has done.
#[derive(Debug, Default)]
struct Tally {
    removed: u64,
    emptied: u64,
    failed: u64,
    copy: Copied,
}

/// What became of the copy of the catalog.
#[derive(Debug, Default)]
struct Copied {
    name: Option<CopyName>,
    error: Option<String>,
}

fn run(core: &Arc<Core>, job: &Arc<LiveJob>) {
    let done = core.board.begin(job).and_then(|()| {
        let cleaned = clean_up(core, job);
        // A cleanup that failed is no reason to go without a copy.
        let copy = copy_catalog(core, job);
        cleaned.map(|tally| Tally { copy, ..tally })
    });
    match done {
        Ok(tally) => {
            let figures = json!({
                "backups_removed": tally.removed,
                "backups_deleted_for_good": tally.emptied,
                "backups_not_removed": tally.failed,
                "catalog_copy": tally.copy.name.as_ref().map(CopyName::as_str),
                (safety::COPY_ERROR): tally.copy.error,
            });
            let message = format!(
                "{} backups removed, {} deleted for good",
                tally.removed, tally.emptied
            );
            let ended = finished(message, Vec::new());
            core.board
                .end_with(job, JobEnd::Done, Some(&figures.to_string()), ended);
        }
        Err(error) => core.board.fail(job, &error),
    }
}

fn clean_up(core: &Arc<Core>, job: &LiveJob) -> Result<Tally> {
    let mut tally = Tally::default();
    for client in owners(core, None)? {
        let Belongings { trash, series, .. } = belongings(core, &client)?;
        empty_trash(core, job, trash, &mut tally)?;
        apply_rules(core, job, series, &mut tally)?;
    }
    let_clients_go(core, job, &mut tally)?;
    remove_published(core, job)?;
    let rules = core.policies.server();
    let quota = rules.total_quota;
    let is_over = move |space: Space| match quota.limit_bytes(space.total_bytes) {
        Some(limit_bytes) => space.total_bytes.saturating_sub(space.free_bytes) > limit_bytes,
        None => false,
    };
    let warn = |text: &str| tell(job, log_line::Level::Warning, text);
    let is_cancelled = || job.cancel.is_cancelled();
    for storage in core.storages.all() {
        tally.emptied += quota::keep_to(core, &storage, &is_cancelled, warn)?;
        let wanted = Wanted {
            storage: &storage,
            why: &format!("the storage {} is over its quota of {quota}", storage.name()),
            is_lacking: &is_over,
            is_over: &is_cancelled,
        };
        tally.emptied += give_up_until(core, &wanted, warn)?;
    }
    usage::take_sample(core)?;
    prune(core)?;
    Ok(tally)
}

/// What belongs to clients that were removed long enough ago goes.
fn let_clients_go(core: &Arc<Core>, job: &LiveJob, tally: &mut Tally) -> Result<()> {
    for (backup, outcome) in clients::let_go(core)? {
        let text = format!("{} goes for good with its client", named(&backup));
        if attempt(job, &text, outcome)? {
            tally.emptied += 1;
        } else {
            tally.failed += 1;
        }
    }
    Ok(())
}

/// Disks that were published long enough ago go.
fn remove_published(core: &Core, job: &LiveJob) -> Result<()> {
    for (disk, outcome) in publishing::expire(core)? {
        attempt(
            job,
            &format!("the published disk {} goes: its time is over", disk.file),
            outcome,
        )?;
    }
    Ok(())
}

/// Checks the catalog and copies it into the storage. A failure is noted, and no failure of the cleanup.
fn copy_catalog(core: &Core, job: &LiveJob) -> Copied {
    if job.cancel.is_cancelled() {
        return Copied::default();
    }
    match safety::copy_catalog(core, Check::Whole) {
        Ok(name) => {
            if let Some(name) = &name {
                tell(
                    job,
                    log_line::Level::Info,
                    &format!("the catalog is whole and was copied into the storage as {name}"),
                );
            }
            Copied { name, error: None }
        }
        Err(error) => {
            let why = error.chain();
            error!(error = why, "the catalog could not be copied into the storage");
            let text = format!("the catalog could not be copied into the storage: {why}");
            tell(job, log_line::Level::Error, &text);
            Copied {
                name: None,
                error: Some(why),
            }
        }
    }
}

/// What has been in the trash for long enough goes.
fn empty_trash(
    core: &Arc<Core>,
    job: &LiveJob,
    trashed: Vec<Trashed<Backup>>,
    tally: &mut Tally,
) -> Result<()> {
    for verdict in trash::plan(trashed, core.clock.now_ms(), 0) {
        if verdict.fate == Fate::Keep {
            continue;
        }
        let text = format!("{} goes for good: {}", named(&verdict.key), verdict.reason);
        if attempt(job, &text, delete_for_good(core, &verdict.key))? {
            tally.emptied += 1;
        } else {
            tally.failed += 1;
        }
    }
    Ok(())
}

/// What the rules no longer keep goes, the oldest first.
fn apply_rules(
    core: &Arc<Core>,
    job: &LiveJob,
    series: Vec<Series<Backup>>,
    tally: &mut Tally,
) -> Result<()> {
    let (zone, now_ms) = (core.clock.zone(), core.clock.now_ms());
    for series in series {
        let verdicts = plan(series.backups, &series.rules, &zone, now_ms);
        for verdict in verdicts.into_iter().rev() {
            if verdict.fate == Fate::Keep {
                continue;
            }
            let text = format!("{} goes: {}", named(&verdict.key), verdict.reason);
            if attempt(job, &text, delete(core, &verdict.key))? {
                tally.removed += 1;
            } else {
                tally.failed += 1;
            }
        }
    }
    Ok(())
}

/// Notes what became of a deletion; one that fails does not stop the others. Fails where the job was cancelled.
fn attempt<T>(job: &LiveJob, text: &str, outcome: Result<T>) -> Result<bool> {
    match &outcome {
        Ok(_) => tell(job, log_line::Level::Info, text),
        Err(error) => tell(
            job,
            log_line::Level::Warning,
            &format!("{text}; it can't be deleted now: {}", error.chain()),
        ),
    }
    if job.cancel.is_cancelled() {
        return Err(Error::Cancelled);
    }
    Ok(outcome.is_ok())
}

fn tell(job: &LiveJob, level: log_line::Level, text: &str) {
    job.log(LogLine {
        level: level.into(),
        text: text.to_owned(),
    });
}

fn named(backup: &Backup) -> String {
    format!("{}/{}", backup.client, backup.name)
}

/// Lets the catalog forget what is too old.
fn prune(core: &Core) -> Result<()> {
    let rules = core.policies.server();
    let before = |keep: Option<Span>| {
        let len_ms = keep.map_or(u64::MAX, |keep| keep.len_ms);
        core.clock.now_ms().saturating_sub_unsigned(len_ms)
    };
    core.catalog.prune_jobs(before(rules.keep_jobs))?;
    core.catalog.prune_changes(before(rules.keep_changes))?;
    core.catalog.prune_tokens(before(rules.keep_changes))?;
    core.accounts.prune(&rules)?;
    core.catalog.prune_messages(before(rules.keep_messages))?;
    core.catalog.prune_usage(before(rules.keep_usage))?;
    Ok(())
}
