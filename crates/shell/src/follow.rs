//! Running one command to its end: what it prints is passed on line by line, its time is limited, and it ends when it is no longer
//! wanted.

use std::io;
use std::time::{Duration, Instant};

use crate::{CommandEnd, Outputs, Said, Shell, Step, shown};

/// Lines of a command's output that are passed on.
const SHOWN_LINES: usize = 40;
/// What is read at once.
const READ_BYTES: usize = 64 << 10;
/// What is still read after the command has exited: a service that it has started may print for ever.
const REST_BYTES: usize = 1 << 20;

/// A command that is to be followed.
#[derive(Debug, Clone)]
pub struct Command {
    /// What `/bin/sh -c` runs.
    pub command: String,
    /// Variables besides those of this process.
    pub environment: Vec<(&'static str, String)>,
    /// How long it may take.
    pub limit: Option<Duration>,
}

/// Who follows a command.
pub trait Watcher {
    /// Whether the command may go on.
    fn is_wanted(&self) -> bool;
    /// Takes a line of what it prints.
    fn line(&self, text: &str);
    /// Hears now and then that it runs and prints nothing.
    fn idle(&self) {}
}

/// How a command that was followed has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With status 0.
    Done,
    /// In any other way by itself, or since its time was over.
    Failed {
        /// How.
        end: CommandEnd,
        /// The last lines of what it printed.
        output: Vec<String>,
    },
    /// It was no longer wanted.
    Stopped,
}

/// Runs a command to its end, blocking. Fails if it can't be started or heard.
pub fn follow(command: &Command, watcher: &dyn Watcher) -> io::Result<Ended> {
    let begun = Instant::now();
    let shell = Shell::start(&command.command, &command.environment, Outputs::Merged)?;
    let mut passed = Passed {
        watcher,
        said: Said::default(),
        lines: 0,
    };
    let end = read(shell, command.limit, begun, &mut passed)?;
    let output = passed.finish();
    Ok(match end {
        End::Exited(None) => Ended::Done,
        End::Exited(Some(end)) => Ended::Failed { end, output },
        End::Stopped => Ended::Stopped,
    })
}

enum End {
    Exited(Option<CommandEnd>),
    Stopped,
}

fn read(
    mut shell: Shell,
    limit: Option<Duration>,
    begun: Instant,
    passed: &mut Passed<'_>,
) -> io::Result<End> {
    let mut buffer = vec![0; READ_BYTES];
    let mut rest_bytes = 0;
    loop {
        if !passed.watcher.is_wanted() {
            shell.stop(&mut |bytes| passed.add(bytes));
            return Ok(End::Stopped);
        }
        if let Some(limit) = limit
            && begun.elapsed() >= limit
        {
            shell.stop(&mut |bytes| passed.add(bytes));
            return Ok(End::Exited(Some(CommandEnd::TimedOut(limit))));
        }
        match shell.step(&mut buffer)? {
            Step::Bytes(_, len_bytes) => {
                passed.add(&buffer[..len_bytes]);
                if shell.has_exited() {
                    rest_bytes += len_bytes;
                }
            }
            Step::Idle => passed.watcher.idle(),
            Step::Exited => rest_bytes = REST_BYTES,
        }
        if rest_bytes >= REST_BYTES {
            return Ok(End::Exited(CommandEnd::of(shell.finish()?)));
        }
    }
}

/// What is passed on of a command's output.
struct Passed<'a> {
    watcher: &'a dyn Watcher,
    said: Said,
    lines: usize,
}

impl Passed<'_> {
    fn add(&mut self, bytes: &[u8]) {
        let (watcher, lines) = (self.watcher, &mut self.lines);
        self.said.add(bytes, &mut |line| pass(watcher, lines, line));
    }

    /// Gives the last lines.
    fn finish(self) -> Vec<String> {
        let Self {
            watcher,
            said,
            mut lines,
        } = self;
        let last = said.finish(&mut |line| pass(watcher, &mut lines, line));
        if lines > SHOWN_LINES {
            watcher.line(&format!("{} more lines", lines - SHOWN_LINES));
        }
        last
    }
}

fn pass(watcher: &dyn Watcher, lines: &mut usize, line: &[u8]) {
    *lines += 1;
    if *lines <= SHOWN_LINES {
        watcher.line(&shown(line));
    }
}
