//! Hooks: commands of the server's own settings that run around each backup, and after a cleanup.
//!
//! ```text
//! its turn has come ─▶ before ─▶ the client is asked ─▶ … ─▶ committed ─▶ after ─▶ the job ends
//!         └──────────────┴──────────────────┴────────────┴──────────▶ failed ─▶ the job ends
//! ```
//! Once the turn of a backup has come, exactly one of `after` and `failed` follows, and no two hooks of a job run at once. Which commands
//! these are is in what the server is started with: no message names one, and nothing that can be set while it runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalog::{BackupMode, JobEnd, JobKind};
use parking_lot::Mutex;
use shell::{Command, Ended, Watcher, follow, variable};
use wire::v1::{JobDone, LogLine, Problem, job_done, log_line};

use crate::error::{Error, Result};
use crate::jobs::{LiveJob, is_backup};

/// The commands of the server around backups and cleanups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// Around file backups.
    pub file: HookCommands,
    /// Around image backups.
    pub image: HookCommands,
    /// Runs after a cleanup, however it ended.
    pub after_cleanup: Option<String>,
    /// How long each may take.
    pub timeout: Option<Duration>,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            file: HookCommands::default(),
            image: HookCommands::default(),
            after_cleanup: None,
            timeout: Some(Duration::from_secs(3600)),
        }
    }
}

/// The commands around one kind of backup.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookCommands {
    /// Runs before the client is asked; if it fails, there is no backup.
    pub before: Option<String>,
    /// Runs after the backup was committed.
    pub after: Option<String>,
    /// Runs after a backup that was not made.
    pub failed: Option<String>,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// When the turn of a backup has come.
    Before(HookKind),
    /// After it was committed.
    After(HookKind),
    /// After a backup that was not made.
    Failed(HookKind),
    /// After a cleanup.
    AfterCleanup,
}

/// Which backups a hook is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookKind {
    /// File backups.
    File,
    /// Image backups.
    Image,
}

impl HookKind {
    fn of(kind: JobKind) -> Option<Self> {
        match kind {
            JobKind::FileBackup => Some(Self::File),
            JobKind::ImageBackup => Some(Self::Image),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Image => "image",
        }
    }
}

impl fmt::Display for HookEvent {
    /// Writes the name of the setting that holds its command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(kind) => write!(f, "before_{}_backup", kind.as_str()),
            Self::After(kind) => write!(f, "after_{}_backup", kind.as_str()),
            Self::Failed(kind) => write!(f, "failed_{}_backup", kind.as_str()),
            Self::AfterCleanup => f.write_str("after_cleanup"),
        }
    }
}

/// What the hooks of a job need to know of it.
#[derive(Debug, Default)]
pub struct Hooked {
    /// Held while one runs.
    running: Mutex<()>,
    /// Its turn has come, so that a hook at its end follows.
    has_had_turn: AtomicBool,
    /// Where its backup lies, once it is there.
    location: Mutex<Option<PathBuf>>,
}

impl Hooked {
    /// Notes where the backup of the job lies.
    pub fn set_location(&self, location: PathBuf) {
        *self.location.lock() = Some(location);
    }
}

impl HookSettings {
    fn commands(&self, kind: HookKind) -> &HookCommands {
        match kind {
            HookKind::File => &self.file,
            HookKind::Image => &self.image,
        }
    }

    /// Whether a command runs before jobs of this kind.
    pub fn has_before(&self, kind: JobKind) -> bool {
        HookKind::of(kind).is_some_and(|kind| self.commands(kind).before.is_some())
    }

    /// Runs the hook before a backup whose turn has come, blocking. Fails if the hook does, and if the job is over meanwhile.
    pub fn before(&self, job: &LiveJob) -> Result<()> {
        let Some(kind) = HookKind::of(job.kind) else {
            return Ok(());
        };
        let _alone = job.hooked.running.lock();
        // ORDER: first this, then the look whether the job is over; who ends it does it the other way round.
        job.hooked.has_had_turn.store(true, Ordering::SeqCst);
        if job.is_over() {
            return Err(Error::Cancelled);
        }
        match &self.commands(kind).before {
            Some(command) => self.run(job, HookEvent::Before(kind), command, Vec::new()),
            None => Ok(()),
        }
    }

    /// The hook at the end of a job, if there is one.
    pub fn at_end(&self, job: &LiveJob, end: &JobEnd) -> Option<HookEvent> {
        let event = match (HookKind::of(job.kind), end) {
            (Some(kind), JobEnd::Done) => HookEvent::After(kind),
            (Some(kind), _) => {
                HookEvent::Failed(job.hooked.has_had_turn.load(Ordering::SeqCst).then_some(kind)?)
            }
            (None, _) if job.kind == JobKind::Cleanup => HookEvent::AfterCleanup,
            (None, _) => return None,
        };
        self.command(event).map(|_| event)
    }

    fn command(&self, event: HookEvent) -> Option<&str> {
        match event {
            HookEvent::Before(kind) => self.commands(kind).before.as_deref(),
            HookEvent::After(kind) => self.commands(kind).after.as_deref(),
            HookEvent::Failed(kind) => self.commands(kind).failed.as_deref(),
            HookEvent::AfterCleanup => self.after_cleanup.as_deref(),
        }
    }

    /// Runs the hook at the end of a job, blocking. That it fails is a problem of what was done, and takes nothing back.
    pub fn conclude(&self, job: &LiveJob, event: HookEvent, end: &JobEnd, done: &mut JobDone) {
        let Some(command) = self.command(event) else {
            return;
        };
        let _alone = job.hooked.running.lock();
        let Err(error) = self.run(job, event, command, outcome(job, end, done)) else {
            return;
        };
        let message = error.chain();
        say(job, log_line::Level::Warning, &message);
        if *end == JobEnd::Done {
            done.outcome = job_done::Outcome::WithProblems.into();
            done.problems.push(Problem {
                kind: "hook".to_owned(),
                message,
                ..Problem::default()
            });
        }
    }

    fn run(
        &self,
        job: &LiveJob,
        event: HookEvent,
        command: &str,
        mut environment: Vec<(&'static str, String)>,
    ) -> Result<()> {
        environment.extend(facts(job, event));
        let command = Command {
            command: command.to_owned(),
            environment,
            limit: self.timeout,
        };
        let attempt = Attempt {
            job,
            event,
            // One that was cancelled before is not cancelled again: the hook at its end cleans up.
            is_stoppable: !job.cancel.is_cancelled() && !matches!(event, HookEvent::Failed(_)),
        };
        job.waits_for(Some(format!("the hook {event}")));
        say(job, log_line::Level::Info, &format!("{event} begins"));
        let ended = follow(&command, &attempt);
        job.waits_for(None);
        match ended.map_err(|source| Error::io("run", Path::new(shell::PROGRAM), source))? {
            Ended::Done => Ok(()),
            Ended::Failed { end, output } => Err(Error::HookFailed { event, end, output }),
            Ended::Stopped if matches!(event, HookEvent::Before(_)) => Err(Error::Cancelled),
            Ended::Stopped => Err(Error::HookStopped { event }),
        }
    }
}

/// A hook that runs.
struct Attempt<'a> {
    job: &'a LiveJob,
    event: HookEvent,
    is_stoppable: bool,
}

impl Watcher for Attempt<'_> {
    fn is_wanted(&self) -> bool {
        !(self.is_stoppable && self.job.cancel.is_cancelled())
    }

    fn line(&self, text: &str) {
        say(
            self.job,
            log_line::Level::Info,
            &format!("{}: {text}", self.event),
        );
    }
}

/// What every hook is told.
fn facts(job: &LiveJob, event: HookEvent) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("PERENNIAL_EVENT", event.to_string()),
        ("PERENNIAL_JOB", job.id.to_string()),
    ];
    if let Some(kind) = HookKind::of(job.kind) {
        facts.push(("PERENNIAL_KIND", kind.as_str().to_owned()));
        facts.push(("PERENNIAL_CLIENT", variable(&job.client)));
    }
    match job.mode {
        Some(BackupMode::Full) => facts.push(("PERENNIAL_MODE", "full".to_owned())),
        Some(BackupMode::Incremental) => facts.push(("PERENNIAL_MODE", "incremental".to_owned())),
        None => {}
    }
    facts
}

/// What a hook at the end of a job is told besides.
fn outcome(job: &LiveJob, end: &JobEnd, done: &JobDone) -> Vec<(&'static str, String)> {
    let (word, error) = match end {
        JobEnd::Done if done.outcome() == job_done::Outcome::WithProblems => ("with problems", None),
        JobEnd::Done => ("finished", None),
        JobEnd::Failed { error } => ("failed", Some(error.as_str())),
        JobEnd::Interrupted { error } => ("interrupted", Some(error.as_str())),
        JobEnd::Cancelled => ("cancelled", Some("cancelled")),
    };
    let mut facts = vec![("PERENNIAL_OUTCOME", word.to_owned())];
    facts.extend(error.map(|error| ("PERENNIAL_ERROR", variable(error))));
    if let Some(backup) = &done.backup
        && is_backup(job.kind)
    {
        facts.push(("PERENNIAL_BACKUP", backup.name.clone()));
    }
    if let Some(location) = &*job.hooked.location.lock() {
        facts.push(("PERENNIAL_PATH", variable(&location.display().to_string())));
    }
    facts
}

fn say(job: &LiveJob, level: log_line::Level, text: &str) {
    job.log(LogLine {
        level: level.into(),
        text: text.to_owned(),
    });
}
