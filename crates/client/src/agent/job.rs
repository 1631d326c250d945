//! One backup at the server's command: run, told about, taken up again after a lost connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use wire::v1::client_event::Event;
use wire::v1::job_update::Update;
use wire::v1::log_line;
use wire::v1::{ClientEvent, Committed, JobUpdate, LogLine};

use super::backoff::Backoff;
use super::turn::Turn;
use super::{Agent, What};
use crate::backup::Job;
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result, explain};
use crate::hooks::{Attempt, Hold, HookKind, Surroundings};
use crate::monitor::{Level, Monitor, Problem, Progress};

/// How often a job whose connection was lost is taken up again.
const TRIES: usize = 8;
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Where a job's updates go: the events of the standing connection, while there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Updates {
    events: Arc<Mutex<Option<mpsc::Sender<ClientEvent>>>>,
}

impl Updates {
    /// Sends updates to another connection from now on.
    pub(super) fn attach(&self, events: mpsc::Sender<ClientEvent>) {
        *self.events.lock() = Some(events);
    }

    /// Sends an update, unless there is no connection or too much waits on it.
    pub(super) fn send(&self, job_id: u64, update: Update) {
        let event = Event::Update(JobUpdate {
            job_id,
            update: Some(update),
        });
        if let Some(events) = &*self.events.lock() {
            // The job itself does not depend on it.
            let _ = events.try_send(ClientEvent { event: Some(event) });
        }
    }
}

/// The job that is running, if there is one.
#[derive(Debug, Default)]
pub(super) struct Running {
    pub(super) updates: Updates,
    job: Option<(u64, Cancel, JoinHandle<()>)>,
}

impl Running {
    /// Starts a job; fails with [`Error::Busy`] while another is running.
    pub(super) fn start(&mut self, agent: &Agent, job: Job, what: What) -> Result<()> {
        if self.job.as_ref().is_some_and(|(_, _, task)| !task.is_finished()) {
            return Err(Error::Busy);
        }
        let cancel = Cancel::new();
        let updates = self.updates.clone();
        let task = tokio::spawn(run_and_tell(agent.clone(), job, what, updates, cancel.clone()));
        self.job = Some((job.id, cancel, task));
        Ok(())
    }

    /// Cancels a job, if it is the one that is running.
    pub(super) fn cancel(&self, job_id: u64) {
        if let Some((id, cancel, _)) = &self.job
            && *id == job_id
        {
            cancel.cancel();
        }
    }

    /// Cancels whatever is running and waits until it has let go.
    pub(super) async fn end(&mut self) {
        if let Some((_, cancel, task)) = self.job.take() {
            cancel.cancel();
            // A panic in it has been told on the way.
            let _ = task.await;
        }
    }
}

async fn run_and_tell(agent: Agent, job: Job, what: What, updates: Updates, cancel: Cancel) {
    let monitor = Arc::new(JobMonitor::new(&agent, job.id, &updates));
    match run(&agent, job, &what, monitor, cancel).await {
        Ok(committed) => {
            let text = format!("backup {} is committed", committed.name);
            agent.monitor.log(Level::Info, &text);
        }
        Err(error) => {
            let text = explain(&error);
            agent
                .monitor
                .log(Level::Error, &format!("the backup failed: {text}"));
            updates.send(job.id, Update::Failed(text));
        }
    }
}

/// Makes a backup; goes on after a lost connection, and once after a damaged base.
pub(super) async fn run(
    agent: &Agent,
    job: Job,
    what: &What,
    monitor: Arc<dyn Monitor>,
    cancel: Cancel,
) -> Result<Committed> {
    let work = Work {
        agent,
        what,
        monitor: &monitor,
        cancel: &cancel,
    };
    let mut has_begun = false;
    let outcome = work.try_until_done(job, &mut has_begun).await;
    if let Err(error) = &outcome
        && !has_begun
    {
        work.attempt(job).failed(error).await;
    }
    outcome
}

/// A backup that is to be made.
struct Work<'a> {
    agent: &'a Agent,
    what: &'a What,
    monitor: &'a Arc<dyn Monitor>,
    cancel: &'a Cancel,
}

impl Work<'_> {
    /// Tries until the backup is committed or trying again is of no use; says whether a try has begun.
    async fn try_until_done(&self, mut job: Job, has_begun: &mut bool) -> Result<Committed> {
        let mut backoff = Backoff::new();
        let mut tries = TRIES;
        loop {
            let outcome = match Connection::open(Arc::clone(&self.agent.identity)).await {
                Ok(connection) => self.try_once(&connection, job, has_begun).await,
                Err(error) => Err(error),
            };
            let error = match outcome {
                Ok(committed) => return Ok(committed),
                Err(error) => error,
            };
            let retry = match &error {
                Error::Interrupted { .. } | Error::Unreachable { .. } => tries > 1,
                // The damaged base has been removed from the cache: the server sends it again.
                Error::Manifest(_) => tries == TRIES,
                // The server has given the job up meanwhile; what arrived of it is there still.
                Error::NotFound { .. } if tries < TRIES && job.id != 0 => {
                    job.id = 0;
                    true
                }
                _ => false,
            };
            if !retry || self.cancel.is_cancelled() {
                return Err(error);
            }
            tries -= 1;
            backoff.go_on(&error, &**self.monitor, self.cancel).await?;
        }
    }

    /// Waits for the turn of one try, then makes it, with the hooks around it.
    async fn try_once(&self, connection: &Connection, job: Job, has_begun: &mut bool) -> Result<Committed> {
        let monitor = &**self.monitor;
        let turn = Turn::wait(connection, job, self.what, monitor, self.cancel).await?;
        *has_begun = true;
        let job = Job {
            id: turn.job_id(),
            ..job
        };
        let mut attempt = self.attempt(job);
        let outcome = self.back_up(connection, job, &mut attempt).await;
        if let Err(error) = &outcome {
            turn.give_up(connection, error).await;
        }
        attempt.conclude(outcome).await
    }

    async fn back_up(&self, connection: &Connection, job: Job, attempt: &mut Attempt) -> Result<Committed> {
        attempt.begin().await?;
        let (monitor, cancel) = (Arc::clone(self.monitor), self.cancel.clone());
        match self.what {
            What::Files => {
                let files = self.agent.file_backup(monitor, cancel);
                let held = files.hold().await?;
                attempt.held(Hold::of(held.sources())).await?;
                files.run(connection, job, held).await
            }
            What::Image(volumes) => {
                let image = self.agent.image_backup(monitor, cancel);
                let held = image.hold(volumes).await?;
                attempt.held(held.hold()).await?;
                image.run(connection, job, held).await
            }
        }
    }

    fn attempt(&self, job: Job) -> Attempt {
        let kind = match self.what {
            What::Files => HookKind::File,
            What::Image(_) => HookKind::Image,
        };
        let around = Surroundings {
            settings: &self.agent.hooks,
            client: self.agent.identity.name(),
            monitor: self.monitor,
            cancel: self.cancel,
        };
        Attempt::new(&around, kind, job)
    }
}

/// Tells the server, too, what happens in a job.
pub(super) struct JobMonitor {
    inner: Arc<dyn Monitor>,
    job_id: u64,
    updates: Updates,
    told: Mutex<Option<Instant>>,
}

impl JobMonitor {
    pub(super) fn new(agent: &Agent, job_id: u64, updates: &Updates) -> Self {
        Self {
            inner: Arc::clone(&agent.monitor),
            job_id,
            updates: updates.clone(),
            told: Mutex::new(None),
        }
    }
}

impl Monitor for JobMonitor {
    fn progress(&self, progress: &Progress) {
        self.inner.progress(progress);
        let mut told = self.told.lock();
        if told.is_some_and(|told| told.elapsed() < PROGRESS_INTERVAL) {
            return;
        }
        *told = Some(Instant::now());
        drop(told);
        self.updates
            .send(self.job_id, Update::Progress(progress.to_wire()));
    }

    fn problem(&self, problem: &Problem) {
        // The session itself tells it to the server.
        self.inner.problem(problem);
    }

    fn log(&self, level: Level, text: &str) {
        self.inner.log(level, text);
        let level = match level {
            Level::Info => log_line::Level::Info,
            Level::Warning => log_line::Level::Warning,
            Level::Error => log_line::Level::Error,
        };
        let line = LogLine {
            level: level.into(),
            text: text.to_owned(),
        };
        self.updates.send(self.job_id, Update::Log(line));
    }
}
