//! Jobs that are queued or running, each with a snapshot of its progress that anybody may watch.
//!
//! ```text
//! queued ─▶ running ─▶ ended (the catalog keeps the record)
//! ```
//! A job whose client lost its connection stays open for a while, so that the client can take it up again.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use catalog::{BackupMode, Catalog, JobEnd, JobId, JobKind, JobLine, JobState, LogLevel, NewJob};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};
use wire::frame::FrameError;
use wire::v1::{JobDone, LogLine, Problem, Progress, job_done, log_line};

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::hooks::{HookEvent, HookSettings, Hooked};
use crate::pace::{Flow, Pace};
use crate::telling::Teller;

/// Log lines kept of a running job for those who begin to watch later.
const KEPT_LOG_LINES: usize = 200;
/// News that a watcher may be behind.
const KEPT_NEWS: usize = 1024;
/// Log lines that the catalog keeps of a job.
const MOST_LOG_LINES: usize = 5_000;

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
    /// What it waits for, while it is queued or paused.
    pub waits_for: Option<String>,
    /// Set when it has ended.
    pub done: Option<JobDone>,
}

/// A job that is wanted.
#[derive(Debug, Clone)]
pub struct Order {
    /// What it does.
    pub kind: JobKind,
    /// The client that it is for; none where it is for the server as a whole.
    pub client: Option<String>,
    /// What it is about: a backup's name.
    pub subject: Option<String>,
    /// Of a backup: what it trusts.
    pub mode: Option<BackupMode>,
    /// Why it is wanted.
    pub reason: Option<String>,
}

impl Order {
    /// A job for a client.
    pub fn of(kind: JobKind, client: &str) -> Self {
        Self {
            kind,
            client: Some(client.to_owned()),
            subject: None,
            mode: None,
            reason: None,
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Clone)]
pub enum Event {
    /// It was queued.
    Queued,
    /// How far it is.
    Progress(Progress),
    /// It said something.
    Log(LogLine),
    /// It has ended.
    Done(Box<JobDone>),
}

/// What happened to which job.
#[derive(Clone)]
pub struct News {
    /// The job.
    pub id: JobId,
    /// The client that it is for.
    pub client: String,
    /// When.
    pub at_ms: i64,
    /// What.
    pub event: Event,
}

/// A job that has not ended.
pub struct LiveJob {
    /// Its number in the catalog.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The client that it is for; empty where it is for the server as a whole.
    pub client: String,
    /// Of a backup: what it trusts.
    pub mode: Option<BackupMode>,
    /// How fast its content may come in.
    pub pace: Pace,
    /// How fast that of all jobs together may.
    total_pace: Arc<Pace>,
    /// Set to stop it.
    pub cancel: CancellationToken,
    /// Set once nothing new can come for it: its client is gone, and it only has to be closed.
    pub ending: CancellationToken,
    snapshot: watch::Sender<Snapshot>,
    has_begun: AtomicBool,
    /// Somebody ends it.
    is_over: AtomicBool,
    /// What its hooks need to know of it.
    pub hooked: Hooked,
    clock: Clock,
    unsaved: Mutex<Unsaved>,
    news: broadcast::Sender<News>,
}

/// Log lines that the catalog does not have yet.
#[derive(Default)]
struct Unsaved {
    lines: Vec<JobLine>,
    written: usize,
}

impl LiveJob {
    /// Watches the job; the last value has `done` set.
    pub fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.subscribe()
    }

    /// Whether it is at work, rather than waiting for its turn.
    pub fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Whether it has ended, or only waits for the hook at its end.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Counts content that has come in over a data connection, and waits, blocking, until more may come.
    pub fn arrived(&self, bytes: u64, is_over: impl Fn() -> bool) {
        self.pace.take(bytes, &is_over);
        self.total_pace.take(bytes, &is_over);
    }

    fn tell(&self, event: Event) {
        // Nobody may be watching.
        let _ = self.news.send(News {
            id: self.id,
            client: self.client.clone(),
            at_ms: self.clock.now_ms(),
            event,
        });
    }

    /// Sets how far it is.
    pub fn progress(&self, progress: Progress) {
        self.tell(Event::Progress(progress.clone()));
        self.snapshot.send_modify(|snapshot| snapshot.progress = progress);
    }

    /// Says what it waits for, or that it does not wait.
    pub fn waits_for(&self, what: Option<String>) {
        self.snapshot.send_if_modified(|snapshot| {
            let changed = snapshot.waits_for != what;
            snapshot.waits_for = what;
            changed
        });
    }

    /// Adds a line to its log.
    pub fn log(&self, line: LogLine) {
        self.keep(&line);
        self.tell(Event::Log(line.clone()));
        self.snapshot.send_modify(|snapshot| {
            if snapshot.log.len() == KEPT_LOG_LINES {
                snapshot.log.remove(0);
            }
            snapshot.log.push(line);
            snapshot.log_written += 1;
        });
    }

    fn keep(&self, line: &LogLine) {
        let mut unsaved = self.unsaved.lock();
        unsaved.written += 1;
        let text = match unsaved.written.cmp(&MOST_LOG_LINES) {
            std::cmp::Ordering::Less => line.text.clone(),
            std::cmp::Ordering::Equal => "there were more lines, which are not kept".to_owned(),
            std::cmp::Ordering::Greater => return,
        };
        unsaved.lines.push(JobLine {
            at_ms: self.clock.now_ms(),
            level: match line.level() {
                log_line::Level::Info => LogLevel::Info,
                log_line::Level::Warning => LogLevel::Warning,
                log_line::Level::Error => LogLevel::Error,
            },
            text,
        });
    }
}

/// How a job ends.
#[derive(Debug, Clone)]
struct Ending {
    end: JobEnd,
    figures: Option<String>,
    done: JobDone,
}

/// All jobs that have not ended.
pub struct Board {
    catalog: Arc<Catalog>,
    clock: Clock,
    live: Mutex<HashMap<i64, Arc<LiveJob>>>,
    /// Told whenever a job ends: another may begin then.
    pub ended: Notify,
    /// How fast content of all jobs together may come in.
    pub pace: Arc<Pace>,
    news: broadcast::Sender<News>,
    teller: Arc<Teller>,
    hooks: HookSettings,
    tally: Mutex<HashMap<(JobKind, JobState), u64>>,
}

impl Board {
    /// Creates an empty board. Jobs that a server before this one left open are closed as interrupted.
    pub fn create(
        catalog: Arc<Catalog>,
        clock: Clock,
        teller: Arc<Teller>,
        hooks: HookSettings,
    ) -> Result<Arc<Self>> {
        let interrupted = catalog.interrupt_jobs(clock.now_ms())?;
        if interrupted > 0 {
            info!(interrupted, "jobs of an earlier run of the server were closed");
        }
        Ok(Arc::new(Self {
            catalog,
            clock,
            live: Mutex::default(),
            ended: Notify::new(),
            pace: Arc::default(),
            news: broadcast::Sender::new(KEPT_NEWS),
            teller,
            hooks,
            tally: Mutex::default(),
        }))
    }

    /// The open job of this number, if a client of this name makes a backup of this kind in it.
    pub fn asked(&self, kind: JobKind, client: &str, job_id: u64) -> Result<Arc<LiveJob>> {
        self.live(job_id)
            .filter(|job| job.client == client && job.kind == kind && !job.is_over())
            .ok_or_else(|| Error::NotFound {
                what: "job",
                name: job_id.to_string(),
            })
    }

    /// Queues a job. A client has one backup of a kind at a time, and the server one cleanup.
    pub fn queue(&self, order: Order) -> Result<Arc<LiveJob>> {
        let client = order.client.clone().unwrap_or_default();
        let mut live = self.live.lock();
        if is_alone(order.kind)
            && let Some(other) = live
                .values()
                .find(|job| job.kind == order.kind && job.client == client)
        {
            let (what, why) = match order.client {
                Some(client) => (
                    format!("client {client}"),
                    format!("job {} is making a {} of it", other.id, order.kind),
                ),
                None => (
                    "the server".to_owned(),
                    format!("job {} is a {}", other.id, order.kind),
                ),
            };
            return Err(Error::Busy { what, why });
        }
        let new = NewJob {
            kind: order.kind,
            client: order.client,
            subject: order.subject,
            mode: order.mode,
            reason: order.reason,
            queued_ms: self.clock.now_ms(),
        };
        let id = self.catalog.queue_job(&new)?;
        let job = Arc::new(LiveJob {
            id,
            kind: order.kind,
            client,
            mode: order.mode,
            pace: Pace::default(),
            total_pace: self.pace.clone(),
            cancel: CancellationToken::new(),
            ending: CancellationToken::new(),
            snapshot: watch::Sender::new(Snapshot::default()),
            has_begun: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            hooked: Hooked::default(),
            clock: self.clock.clone(),
            unsaved: Mutex::default(),
            news: self.news.clone(),
        });
        live.insert(id.0, job.clone());
        job.tell(Event::Queued);
        Ok(job)
    }

    /// Gives the catalog the log lines that it does not have yet.
    pub fn save_logs(&self) {
        let live: Vec<_> = self.live.lock().values().cloned().collect();
        for job in live {
            self.save_log(&job);
        }
    }

    fn save_log(&self, job: &LiveJob) {
        let mut unsaved = job.unsaved.lock();
        if unsaved.lines.is_empty() {
            return;
        }
        match self.catalog.log_job(job.id, &unsaved.lines) {
            Ok(()) => unsaved.lines.clear(),
            Err(error) => error!(job = %job.id, %error, "the log of a job could not be kept"),
        }
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

    /// Whether a hook runs before this job.
    pub fn has_hook_before(&self, job: &LiveJob) -> bool {
        self.hooks.has_before(job.kind)
    }

    /// Runs the hook before a backup whose turn has come, blocking. Fails if the hook does, and if the job is over meanwhile.
    pub fn prepare(&self, job: &LiveJob) -> Result<()> {
        self.hooks.before(job)
    }

    /// Notes that a job has begun. Beginning again after an interruption is no error.
    pub fn begin(&self, job: &LiveJob) -> Result<()> {
        match self.catalog.start_job(job.id, self.clock.now_ms()) {
            Ok(()) => {
                job.has_begun.store(true, Ordering::Relaxed);
                self.teller.job_began(job);
                Ok(())
            }
            Err(catalog::Error::JobState {
                state: JobState::Running,
                ..
            }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Begins a job with its first step; where that fails, so does the job.
    pub fn begin_with<T>(self: &Arc<Self>, job: &LiveJob, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let begun = self.begin(job).and_then(|()| step());
        if let Err(error) = &begun {
            self.fail(job, error);
        }
        begun
    }

    /// Ends a job and tells its watchers.
    pub fn end(self: &Arc<Self>, job: &LiveJob, end: JobEnd, done: JobDone) {
        self.end_with(job, end, None, done);
    }

    /// Ends a job with figures in JSON, and tells its watchers.
    ///
    /// A hook at its end runs on a thread of its own, and the job stays open until it is done.
    pub fn end_with(self: &Arc<Self>, job: &LiveJob, end: JobEnd, figures: Option<&str>, done: JobDone) {
        // Whoever comes first ends it.
        if job.is_over.swap(true, Ordering::SeqCst) {
            return;
        }
        job.pace.set_paused(Flow::Goes);
        let ending = Ending {
            end,
            figures: figures.map(str::to_owned),
            done,
        };
        let live = self.live.lock().get(&job.id.0).cloned();
        match (self.hooks.at_end(job, &ending.end), live) {
            (Some(event), Some(live)) => self.conclude(&live, event, ending),
            _ => self.close(job, &ending),
        }
    }

    /// Runs the hook at the end of a job, then closes it.
    fn conclude(self: &Arc<Self>, job: &Arc<LiveJob>, event: HookEvent, ending: Ending) {
        job.ending.cancel();
        let (board, ended) = (self.clone(), job.clone());
        let mut concluded = ending.clone();
        let work = move || {
            let Ending { end, done, .. } = &mut concluded;
            board.hooks.conclude(&ended, event, end, done);
            board.close(&ended, &concluded);
        };
        if let Err(error) = std::thread::Builder::new().name("hook".into()).spawn(work) {
            error!(job = %job.id, %event, %error, "no thread could be started for a hook");
            self.close(job, &ending);
        }
    }

    /// Records the end of a job and tells its watchers.
    fn close(&self, job: &LiveJob, ending: &Ending) {
        let Ending { end, figures, done } = ending;
        self.live.lock().remove(&job.id.0);
        self.save_log(job);
        if let Err(error) = self
            .catalog
            .finish_job(job.id, end, figures.as_deref(), self.clock.now_ms())
        {
            error!(job = %job.id, %error, "the end of a job could not be recorded");
        }
        *self.tally.lock().entry((job.kind, end.state())).or_default() += 1;
        self.teller.job_ended(job, end, done);
        info!(job = %job.id, kind = %job.kind, client = job.client, outcome = %done.message, "job ended");
        job.tell(Event::Done(Box::new(done.clone())));
        job.snapshot.send_modify(|snapshot| {
            snapshot.waits_for = None;
            snapshot.done = Some(done.clone());
        });
        self.ended.notify_one();
    }

    /// Ends a job that could not do its work.
    pub fn fail(self: &Arc<Self>, job: &LiveJob, error: &Error) {
        let message = error.chain();
        let (end, outcome) = match error {
            Error::Cancelled => (JobEnd::Cancelled, job_done::Outcome::Cancelled),
            // Which of a client's connections is found to be lost first is a matter of chance.
            Error::Disconnected | Error::Frame(FrameError::Io(_)) => (
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

    /// Closes a job that its client will not begin. One that has begun is closed by who makes it.
    pub fn give_up(self: &Arc<Self>, job: &LiveJob, why: &Error) {
        if !self.has_begun(job) {
            self.fail(job, why);
        }
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

    /// Waits, not for ever, until no job of this kind is open for a client.
    pub fn wait_closed(&self, kind: JobKind, client: &str) {
        let begun = Instant::now();
        while self.live_of(kind, client).is_some() && begun.elapsed() < CLOSING_TIMEOUT {
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// Asks every open job that a client works for to stop.
    pub fn cancel_work_of(&self, client: &str) {
        for job in self.live.lock().values() {
            if (is_backup(job.kind) || job.kind == JobKind::Restore) && job.client == client {
                job.cancel.cancel();
            }
        }
    }

    /// Asks every open job to stop. One that has not begun ends at once.
    pub fn cancel_all(self: &Arc<Self>) {
        for job in self.all() {
            job.cancel.cancel();
            if !self.has_begun(&job) {
                self.fail(&job, &Error::Cancelled);
            }
        }
    }

    /// Whether a job is at work.
    pub fn has_begun(&self, job: &LiveJob) -> bool {
        let record = self.catalog.job(job.id);
        record.is_ok_and(|record| record.started_ms.is_some())
    }

    /// What happens to jobs from now on.
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// All open jobs.
    pub fn all(&self) -> Vec<Arc<LiveJob>> {
        self.live.lock().values().cloned().collect()
    }

    /// How many jobs have ended since the server was started, by kind and by how they ended.
    pub fn tally(&self) -> HashMap<(JobKind, JobState), u64> {
        self.tally.lock().clone()
    }

    /// How many jobs are open.
    pub fn len(&self) -> usize {
        self.live.lock().len()
    }
}

/// Whether there is one job of this kind at a time: for a client, or for the server as a whole.
fn is_alone(kind: JobKind) -> bool {
    is_backup(kind)
        || matches!(
            kind,
            JobKind::Cleanup | JobKind::Move | JobKind::Check | JobKind::Publish
        )
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
