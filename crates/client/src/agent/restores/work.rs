//! Restores that may begin, one after the other, each at the server's side a restore like any other.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use wire::v1::{BackupRef, Existing, RestoreItem, Restored, StartRestore};

use super::super::Agent;
use super::super::backoff::Backoff;
use super::super::job::{JobMonitor, Updates};
use super::told;
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result, explain};
use crate::monitor::{Level, Monitor, Problem, Progress};
use crate::restore::{Compare, Extra, Links, OnConflict, OwnerMapping, Restore};

/// How often a restore whose connection was lost goes on.
const TRIES: usize = 8;
/// Problems that are told one by one.
const PROBLEMS_TOLD: usize = 1000;

/// Does what is confirmed, until the agent ends.
pub async fn run(agent: Agent, updates: Updates) {
    loop {
        let (request, cancel) = tokio::select! {
            () = agent.cancel.cancelled() => return,
            next = agent.restores.next() => next,
        };
        let job_id = request.job_id;
        let running = restore(&agent, &request, &updates, cancel.clone());
        tokio::pin!(running);
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = agent.cancel.cancelled() => {
                cancel.cancel();
                running.await
            }
        };
        let (level, text) = match &outcome {
            Ok(restored) => (
                Level::Info,
                format!("restore {job_id} is done: {}", told(restored)),
            ),
            Err(error) => (
                Level::Error,
                format!("restore {job_id} failed: {}", explain(error)),
            ),
        };
        agent.monitor.log(level, &text);
        agent
            .restores
            .end(job_id, outcome.map_err(|error| explain(&error)), &updates);
    }
}

/// Restores all that is asked for.
async fn restore(
    agent: &Agent,
    request: &StartRestore,
    updates: &Updates,
    cancel: Cancel,
) -> Result<Restored> {
    let monitor = Arc::new(RestoreMonitor {
        inner: JobMonitor::new(agent, request.job_id, updates),
        told: Mutex::default(),
    });
    monitor.progress(&Progress::default());
    let mut total = Restored::default();
    for item in &request.items {
        let restore = Restore {
            backup: BackupRef {
                client: String::new(),
                name: request.backup.clone(),
            },
            path: item.path.clone(),
            target: target_of(item),
            links: Links::Trusted,
            on_conflict: match request.existing() {
                Existing::Overwrite => OnConflict::Overwrite,
                Existing::Both => OnConflict::KeepBoth,
                Existing::Keep | Existing::Unspecified => OnConflict::Skip,
            },
            extra: Extra::Keep,
            compare: Compare::SizeAndTime,
            owners: OwnerMapping::ByName,
            cache: Arc::clone(&agent.cache),
            monitor: Arc::clone(&monitor) as Arc<dyn Monitor>,
            cancel: cancel.clone(),
        };
        let done = try_until_done(agent, &restore, &*monitor).await?;
        total.files_written += done.files_written;
        total.files_kept += done.files_kept;
        total.skipped += done.skipped;
        total.bytes_fetched += done.bytes_fetched;
        total.problem_count += done.problems;
        monitor.next_item();
    }
    total.problems = std::mem::take(&mut monitor.told.lock().problems);
    Ok(total)
}

/// Restores one item; goes on after a lost connection.
async fn try_until_done(
    agent: &Agent,
    restore: &Restore,
    monitor: &dyn Monitor,
) -> Result<crate::restore::Restored> {
    let mut backoff = Backoff::new();
    let mut tries = TRIES;
    loop {
        let outcome = match Connection::open(Arc::clone(&agent.identity)).await {
            Ok(connection) => restore.run(&connection).await,
            Err(error) => Err(error),
        };
        let error = match outcome {
            Ok(restored) => return Ok(restored),
            Err(error) => error,
        };
        tries -= 1;
        let is_lost = matches!(error, Error::Interrupted { .. } | Error::Unreachable { .. });
        if restore.cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        if !is_lost || tries == 0 {
            return Err(error);
        }
        backoff.go_on(&error, monitor, &restore.cancel).await?;
    }
}

fn target_of(item: &RestoreItem) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(&item.target))
}

/// Tells of several restores as of one.
struct RestoreMonitor {
    inner: JobMonitor,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// What the items before have done.
    before: Progress,
    /// The state of the one that runs.
    current: Progress,
    problems: Vec<wire::v1::Problem>,
}

impl RestoreMonitor {
    fn next_item(&self) {
        let mut told = self.told.lock();
        told.before = sum(&told.before, &told.current);
        told.current = Progress::default();
    }
}

impl Monitor for RestoreMonitor {
    fn progress(&self, progress: &Progress) {
        let all = {
            let mut told = self.told.lock();
            told.current = progress.clone();
            sum(&told.before, progress)
        };
        self.inner.progress(&all);
    }

    fn problem(&self, problem: &Problem) {
        self.inner.problem(problem);
        let mut told = self.told.lock();
        if told.problems.len() < PROBLEMS_TOLD {
            told.problems.push(wire::v1::Problem {
                path: problem.path.clone(),
                kind: problem.kind.as_str().to_owned(),
                message: problem.message.clone(),
            });
        }
    }

    fn log(&self, level: Level, text: &str) {
        self.inner.log(level, text);
    }
}

fn sum(before: &Progress, current: &Progress) -> Progress {
    Progress {
        phase: current.phase,
        files_done: before.files_done + current.files_done,
        files_total: before.files_total + current.files_total,
        bytes_done: before.bytes_done + current.bytes_done,
        bytes_total: before.bytes_total + current.bytes_total,
        bytes_sent: before.bytes_sent + current.bytes_sent,
        current_path: current.current_path.clone(),
    }
}
