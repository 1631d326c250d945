//! Running one hook: its output goes to the log, its time is limited, and a cancelled backup ends it.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::HookEvent;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor, Progress};
use crate::shell::{self, CommandEnd, Outputs, Said, Shell, Step};

/// Lines of a hook's output that go to the log.
const LOGGED_LINES: usize = 40;
/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// What is still read after the hook has exited: a service that it has started may print for ever.
const REST_BYTES: usize = 1 << 20;

/// A hook that is to be run.
pub(super) struct Hook {
    pub(super) event: HookEvent,
    pub(super) command: String,
    pub(super) environment: Vec<(&'static str, String)>,
    pub(super) limit: Option<Duration>,
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
    let begun = Instant::now();
    let shell = Shell::start(&hook.command, &hook.environment, Outputs::Merged).map_err(cannot_run)?;
    let mut log = Log::new(hook);
    let end = follow(hook, shell, begun, &mut log)?;
    let output = log.finish();
    match end {
        End::Exited(None) => Ok(()),
        End::Exited(Some(end)) => Err(Error::HookFailed {
            event: hook.event,
            end,
            output,
        }),
        End::Stopped => Err(Error::Cancelled),
    }
}

/// How it ended.
enum End {
    Exited(Option<CommandEnd>),
    Stopped,
}

fn follow(hook: &Hook, mut shell: Shell, begun: Instant, log: &mut Log<'_>) -> Result<End> {
    let mut buffer = vec![0; READ_BYTES];
    let mut rest_bytes = 0;
    loop {
        if let Stoppable::By(cancel) = &hook.stoppable
            && cancel.is_cancelled()
        {
            shell.stop(&mut |bytes| log.add(bytes));
            return Ok(End::Stopped);
        }
        if let Some(limit) = hook.limit
            && begun.elapsed() >= limit
        {
            shell.stop(&mut |bytes| log.add(bytes));
            return Ok(End::Exited(Some(CommandEnd::TimedOut(limit))));
        }
        match shell.step(&mut buffer).map_err(cannot_run)? {
            Step::Bytes(_, len_bytes) => {
                log.add(&buffer[..len_bytes]);
                if shell.has_exited() {
                    rest_bytes += len_bytes;
                }
            }
            Step::Idle => log.tell_alive(),
            Step::Exited => rest_bytes = REST_BYTES,
        }
        if rest_bytes >= REST_BYTES {
            let status = shell.finish().map_err(cannot_run)?;
            return Ok(End::Exited(CommandEnd::of(status)));
        }
    }
}

fn cannot_run(source: io::Error) -> Error {
    Error::io("run", Path::new(shell::PROGRAM), source)
}

/// Takes what a hook prints to the log.
struct Log<'a> {
    hook: &'a Hook,
    said: Said,
    lines: usize,
}

impl<'a> Log<'a> {
    fn new(hook: &'a Hook) -> Self {
        let text = format!("{} begins", hook.event);
        hook.monitor.log(Level::Info, &text);
        Self {
            hook,
            said: Said::default(),
            lines: 0,
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let (hook, lines) = (self.hook, &mut self.lines);
        self.said.add(bytes, &mut |line| show(hook, lines, line));
    }

    /// Lets the server know that the job is being worked on, which it would give up otherwise.
    fn tell_alive(&self) {
        if !matches!(self.hook.event, HookEvent::After(_)) {
            self.hook.monitor.progress(&Progress::default());
        }
    }

    /// Gives the last lines.
    fn finish(self) -> Vec<String> {
        let Self {
            hook,
            said,
            mut lines,
        } = self;
        let last = said.finish(&mut |line| show(hook, &mut lines, line));
        if lines > LOGGED_LINES {
            let text = format!("{}: {} more lines", hook.event, lines - LOGGED_LINES);
            hook.monitor.log(Level::Info, &text);
        }
        last
    }
}

fn show(hook: &Hook, lines: &mut usize, line: &[u8]) {
    *lines += 1;
    if *lines <= LOGGED_LINES {
        let text = format!("{}: {}", hook.event, shell::shown(line));
        hook.monitor.log(Level::Info, &text);
    }
}
