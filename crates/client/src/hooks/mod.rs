//! Hooks: commands of this client's own settings that run before, in and after each try of a backup.
//!
//! ```text
//! before ─▶ sources are held ─▶ after_snapshot ─▶ … sources are let go ─▶ committed ─▶ after
//!    └──────────────┴──────────────────┴─────────────────┴────────────────────┴──────▶ failed
//! ```
//! Once `before` has been started, exactly one of `after` and `failed` follows, whatever the try ends by. Only the end of this
//! process by force skips it. The server has no say in which commands these are.

mod run;

use std::fmt;
use std::sync::Arc;

use manifest::Source;
use shell::{Command, variable};
use wire::v1::Committed;

use crate::backup::{Job, Mode};
use crate::cancel::Cancel;
use crate::error::{Error, Result, explain};
use crate::monitor::{Level, Monitor};
use crate::settings::{HookCommands, HookSettings};
use crate::source::NOT_HELD;

use run::{Stoppable, run};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookEvent {
    /// Before anything is read or held still.
    Before(HookKind),
    /// As soon as the sources are held still.
    AfterSnapshot,
    /// After the backup was committed.
    After(HookKind),
    /// After a try that led to no backup.
    Failed(HookKind),
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
            Self::AfterSnapshot => f.write_str("after_snapshot"),
            Self::After(kind) => write!(f, "after_{}_backup", kind.as_str()),
            Self::Failed(kind) => write!(f, "failed_{}_backup", kind.as_str()),
        }
    }
}

/// How the sources of a backup are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    /// All by snapshots: what is written now does not matter.
    Snapshot,
    /// At least one is not held still.
    Partial,
    /// By freezing: whoever writes to them waits until they are let go.
    Frozen,
}

impl Hold {
    /// How these sources are held.
    pub(crate) fn of(sources: &[Source]) -> Self {
        if sources.iter().any(|source| source.consistency == NOT_HELD) {
            Self::Partial
        } else {
            Self::Snapshot
        }
    }
}

/// One try of a backup, with the hooks around it.
pub(crate) struct Attempt {
    settings: HookSettings,
    kind: HookKind,
    job: Job,
    client: String,
    monitor: Arc<dyn Monitor>,
    cancel: Cancel,
    hold: Option<Hold>,
}

/// What an attempt belongs to.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a HookSettings,
    pub(crate) client: &'a str,
    pub(crate) monitor: &'a Arc<dyn Monitor>,
    pub(crate) cancel: &'a Cancel,
}

impl Attempt {
    pub(crate) fn new(around: &Surroundings<'_>, kind: HookKind, job: Job) -> Self {
        Self {
            settings: around.settings.clone(),
            kind,
            job,
            client: around.client.to_owned(),
            monitor: Arc::clone(around.monitor),
            cancel: around.cancel.clone(),
            hold: None,
        }
    }

    /// Runs the hook before the backup.
    pub(crate) async fn begin(&self) -> Result<()> {
        let command = self.commands().before.as_deref();
        self.run(HookEvent::Before(self.kind), command, Vec::new()).await
    }

    /// Runs the hook for held sources. Frozen ones would make it wait for what waits for it, so then there is none.
    pub(crate) async fn held(&mut self, hold: Hold) -> Result<()> {
        self.hold = Some(hold);
        let command = self.settings.after_snapshot.as_deref();
        if hold == Hold::Frozen {
            if command.is_some() {
                let text = format!("{} is not run: file systems are frozen", HookEvent::AfterSnapshot);
                self.monitor.log(Level::Info, &text);
            }
            return Ok(());
        }
        self.run(HookEvent::AfterSnapshot, command, Vec::new()).await
    }

    /// Runs the hook for what came of the backup. That a hook fails here is a problem, but takes no backup back.
    pub(crate) async fn conclude(self, outcome: Result<Committed>) -> Result<Committed> {
        match outcome {
            Ok(mut committed) => {
                let facts = vec![
                    ("PERENNIAL_BACKUP", committed.name.clone()),
                    ("PERENNIAL_OUTCOME", finished_word(&committed).to_owned()),
                ];
                let command = self.commands().after.as_deref();
                let ended = self.run(HookEvent::After(self.kind), command, facts).await;
                if let Err(error) = ended {
                    self.monitor.log(Level::Warning, &explain(&error));
                    committed.with_problems = true;
                }
                Ok(committed)
            }
            Err(error) => {
                self.failed(&error).await;
                Err(error)
            }
        }
    }

    /// Runs the hook for a backup that failed.
    pub(crate) async fn failed(&self, error: &Error) {
        let facts = vec![
            ("PERENNIAL_OUTCOME", failed_word(error).to_owned()),
            ("PERENNIAL_ERROR", variable(&explain(error))),
        ];
        let command = self.commands().failed.as_deref();
        let ended = self.run(HookEvent::Failed(self.kind), command, facts).await;
        if let Err(error) = ended {
            self.monitor.log(Level::Warning, &explain(&error));
        }
    }

    fn commands(&self) -> &HookCommands {
        match self.kind {
            HookKind::File => &self.settings.file,
            HookKind::Image => &self.settings.image,
        }
    }

    async fn run(
        &self,
        event: HookEvent,
        command: Option<&str>,
        mut facts: Vec<(&'static str, String)>,
    ) -> Result<()> {
        let Some(command) = command else { return Ok(()) };
        facts.extend(self.facts(event));
        let hook = run::Hook {
            event,
            command: Command {
                command: command.to_owned(),
                environment: facts,
                limit: self.settings.timeout,
            },
            monitor: Arc::clone(&self.monitor),
            stoppable: match event {
                HookEvent::Before(_) | HookEvent::AfterSnapshot => Stoppable::By(self.cancel.clone()),
                // What is cancelled is the backup. These clean up after it.
                HookEvent::After(_) | HookEvent::Failed(_) => Stoppable::Never,
            },
        };
        let ended = tokio::task::spawn_blocking(move || run(&hook)).await;
        ended.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        })?
    }

    /// What every hook is told.
    fn facts(&self, event: HookEvent) -> Vec<(&'static str, String)> {
        let mode = match self.job.mode {
            Mode::Full => "full",
            Mode::Incremental => "incremental",
        };
        let mut facts = vec![
            ("PERENNIAL_EVENT", event.to_string()),
            ("PERENNIAL_KIND", self.kind.as_str().to_owned()),
            ("PERENNIAL_MODE", mode.to_owned()),
            ("PERENNIAL_CLIENT", variable(&self.client)),
        ];
        if self.job.id != 0 {
            facts.push(("PERENNIAL_JOB", self.job.id.to_string()));
        }
        if self.hold == Some(Hold::Snapshot) {
            facts.push(("PERENNIAL_SNAPSHOT", "1".to_owned()));
        }
        facts
    }
}

fn finished_word(committed: &Committed) -> &'static str {
    if committed.with_problems {
        "with problems"
    } else {
        "finished"
    }
}

fn failed_word(error: &Error) -> &'static str {
    match error {
        Error::Cancelled => "cancelled",
        Error::Interrupted { .. } => "interrupted",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests;
