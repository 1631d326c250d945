//! Running one hook: its output goes to the log, and a cancelled backup ends it.

use std::path::Path;
use std::sync::Arc;

use shell::{Command, Ended, Watcher, follow};

use super::HookEvent;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor, Progress};

/// A hook that is to be run.
pub(super) struct Hook {
    pub(super) event: HookEvent,
    pub(super) command: Command,
    pub(super) monitor: Arc<dyn Monitor>,
    pub(super) stoppable: Stoppable,
}

/// Whether a hook is ended with its backup.
pub(super) enum Stoppable {
    By(Cancel),
    Never,
}

/// Runs a hook to its end.
///
/// Fails with [`Error::HookFailed`] unless it exits with status 0, and with [`Error::Cancelled`] if it was stopped.
pub(super) fn run(hook: &Hook) -> Result<()> {
    hook.monitor.log(Level::Info, &format!("{} begins", hook.event));
    let ended = follow(&hook.command, hook);
    match ended.map_err(|source| Error::io("run", Path::new(shell::PROGRAM), source))? {
        Ended::Done => Ok(()),
        Ended::Failed { end, output } => Err(Error::HookFailed {
            event: hook.event,
            end,
            output,
        }),
        Ended::Stopped => Err(Error::Cancelled),
    }
}

impl Watcher for Hook {
    fn is_wanted(&self) -> bool {
        match &self.stoppable {
            Stoppable::By(cancel) => !cancel.is_cancelled(),
            Stoppable::Never => true,
        }
    }

    fn line(&self, text: &str) {
        self.monitor.log(Level::Info, &format!("{}: {text}", self.event));
    }

    /// Lets the server know that the job is being worked on, which it would give up otherwise.
    fn idle(&self) {
        if !matches!(self.event, HookEvent::After(_)) {
            self.monitor.progress(&Progress::default());
        }
    }
}
