//! Jobs that are queued or running, each with a snapshot of its progress that anybody may watch.
//!
//! ```text
//! queued ─▶ running ─▶ ended (the catalog keeps the record)
//! ```
//! A job whose client lost its connection stays open for a while, so that the client can take it up again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Catalog, JobEnd, JobId, JobKind, NewJob};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use wire::v1::{JobDone, LogLine, Problem, Progress, job_done};

use crate::clock::Clock;
use crate::error::{Error, Result};

/// Log lines kept of a running job for those who begin to watch later.
const KEPT_LOG_LINES: usize = 200;

/// How long the connection of a client that is gone may take to be noticed.
const NOTICING_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a job may take to be closed when its client is gone: what has arrived is made durable.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What there is to see of a job.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// How far it is.
    pub progress: Progress,
    /// Its newest log lines.
    pub log: Vec<LogLine>,
    /// Log lines ever written, so that a watcher knows which of `log` are new.
    pub log_written: usize,
    /// Set when it has ended.
    pub done: Option<JobDone>,
}

/// A job that has not ended.
pub struct LiveJob {
    /// Its number in the catalog.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The client that it is for.
    pub client: String,
    /// Set to stop it.
    pub cancel: CancellationToken,
    /// Set once nothing new can come for it: its client is gone, and it only has to be closed.
    pub ending: CancellationToken,
    snapshot: watch::Sender<Snapshot>,
}

impl LiveJob {
    /// Watches the job; the last value has `done` set.
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Sets how far it is.
    pub fn progress(&self, progress: Progress) {
        self.snapshot.send_modify(|snapshot| snapshot.progress = progress);
    }

    /// Adds a line to its log.
    pub fn log(&self, line: LogLine) {
        self.snapshot.send_modify(|snapshot| {
            if snapshot.log.len() == KEPT_LOG_LINES {
                snapshot.log.remove(0);
            }
            snapshot.log.push(line);
            snapshot.log_written += 1;
        });
    }
}

/// All jobs that have not ended.
pub struct Board {
    catalog: Arc<Catalog>,
    clock: Clock,
    live: Mutex<HashMap<i64, Arc<LiveJob>>>,
}

impl Board {
    /// Creates an empty board. Jobs that a server before this one left open are closed as interrupted.
    pub fn create(catalog: Arc<Catalog>, clock: Clock) -> Result<Self> {
        let interrupted = catalog.interrupt_jobs(clock.now_ms())?;
        if interrupted > 0 {
            info!(interrupted, "jobs of an earlier run of the server were closed");
        }
        Ok(Self {
            catalog,
            clock,
            live: Mutex::default(),
        })
    }

    /// The job that a client works for: the one that it was asked to do, or a new one (0) where it begins by itself.
    pub fn take_up(&self, kind: JobKind, client: &str, job_id: u64) -> Result<Arc<LiveJob>> {
        if job_id == 0 {
            self.wait_ended(kind, client);
            return self.queue(kind, client, None);
        }
        let job = self.live(job_id);
        job.filter(|job| job.client == client && job.kind == kind)
            .ok_or_else(|| Error::NotFound {
                what: "job",
                name: job_id.to_string(),
            })
    }

    /// Queues a job. A client has one backup of a kind at a time.
    pub fn queue(&self, kind: JobKind, client: &str, subject: Option<String>) -> Result<Arc<LiveJob>> {
        let mut live = self.live.lock();
        if is_backup(kind)
            && let Some(other) = live.values().find(|job| job.kind == kind && job.client == client)
        {
            let why = format!("job {} is making a {kind} of it", other.id);
            return Err(Error::Busy {
                what: format!("client {client}"),
                why,
            });
        }
        let new = NewJob {
            kind,
            client: Some(client.to_owned()),
            subject,
            queued_ms: self.clock.now_ms(),
        };
        let id = self.catalog.queue_job(&new)?;
        let job = Arc::new(LiveJob {
            id,
            kind,
            client: client.to_owned(),
            cancel: CancellationToken::new(),
            ending: CancellationToken::new(),
            snapshot: watch::Sender::new(Snapshot::default()),
        });
        live.insert(id.0, job.clone());
        Ok(job)
    }

    /// Waits for a job of the same kind whose client has gone to be closed. A client that was cut off comes again before
    /// the server has put away what it had; one that is still at work is left alone.
    pub fn wait_ended(&self, kind: JobKind, client: &str) {
        let begun = Instant::now();
        while let Some(job) = self.live_of(kind, client) {
            let patience = if job.ending.is_cancelled() {
                CLOSING_TIMEOUT
            } else {
                NOTICING_TIMEOUT
            };
            if begun.elapsed() > patience {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Notes that a job has begun. Beginning again after an interruption is no error.
    pub fn begin(&self, job: &LiveJob) -> Result<()> {
        match self.catalog.start_job(job.id, self.clock.now_ms()) {
            Ok(())
            | Err(catalog::Error::JobState {
                state: catalog::JobState::Running,
                ..
            }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends a job and tells its watchers.
    pub fn end(&self, job: &LiveJob, end: JobEnd, done: JobDone) {
        self.live.lock().remove(&job.id.0);
        if let Err(error) = self.catalog.finish_job(job.id, &end, None, self.clock.now_ms()) {
            error!(job = %job.id, %error, "the end of a job could not be recorded");
        }
        info!(job = %job.id, kind = %job.kind, client = job.client, outcome = %done.message, "job ended");
        job.snapshot.send_modify(|snapshot| snapshot.done = Some(done));
    }

    /// Ends a job that could not do its work.
    pub fn fail(&self, job: &LiveJob, error: &Error) {
        let message = error.chain();
        let (end, outcome) = match error {
            Error::Cancelled => (JobEnd::Cancelled, job_done::Outcome::Cancelled),
            Error::Disconnected => (
                JobEnd::Interrupted {
                    error: message.clone(),
                },
                job_done::Outcome::Failed,
            ),
            _ => (
                JobEnd::Failed {
                    error: message.clone(),
                },
                job_done::Outcome::Failed,
            ),
        };
        self.end(
            job,
            end,
            JobDone {
                outcome: outcome.into(),
                message,
                ..JobDone::default()
            },
        );
    }

    /// The open job of this number.
    pub fn live(&self, id: u64) -> Option<Arc<LiveJob>> {
        self.live.lock().get(&i64::try_from(id).ok()?).cloned()
    }

    /// The open job of this kind for a client.
    pub fn live_of(&self, kind: JobKind, client: &str) -> Option<Arc<LiveJob>> {
        self.live
            .lock()
            .values()
            .find(|job| job.kind == kind && job.client == client)
            .cloned()
    }

    /// Asks every open job that makes a backup of a client to stop.
    pub fn cancel_backups(&self, client: &str) {
        for job in self.live.lock().values() {
            if is_backup(job.kind) && job.client == client {
                job.cancel.cancel();
            }
        }
    }

    /// Asks every open job to stop.
    pub fn cancel_all(&self) {
        for job in self.live.lock().values() {
            job.cancel.cancel();
        }
    }

    /// How many jobs are open.
    pub fn len(&self) -> usize {
        self.live.lock().len()
    }
}

/// Whether a job of this kind makes a backup.
pub fn is_backup(kind: JobKind) -> bool {
    matches!(kind, JobKind::FileBackup | JobKind::ImageBackup)
}

/// The end of a job that finished, with or without problems.
pub fn finished(message: String, problems: Vec<Problem>) -> JobDone {
    let outcome = if problems.is_empty() {
        job_done::Outcome::Finished
    } else {
        job_done::Outcome::WithProblems
    };
    JobDone {
        outcome: outcome.into(),
        message,
        problems,
        ..JobDone::default()
    }
}
