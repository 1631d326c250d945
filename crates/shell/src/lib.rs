//! Commands of somebody's own settings: run by `/bin/sh -c` with the rights of this process, in a process group of their own, and with
//! nothing to read. Where a command comes from is for the caller to answer: it must never come over the network.
//!
//! What a command prints comes through pipes that are never waited for longer than [`TICK`], so whoever runs one can look
//! whether it is still wanted. What becomes of the processes that it has started:
//!
//! | the command | its process group |
//! |---|---|
//! | exits ([`Shell::finish`]) | stays: a service that it has started goes on |
//! | is stopped ([`Shell::stop`], or dropped) | TERM, and KILL after [`GRACE`] |

mod follow;
mod said;

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, PipeReader, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{self, Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

pub use follow::{Command, Ended, Watcher, follow};
pub use said::{Said, quoted, shown, variable};

/// The longest that a step waits.
pub const TICK: Duration = Duration::from_millis(100);
/// How long a command that is stopped has to end by itself.
const GRACE: Duration = Duration::from_secs(5);
/// How long the kernel has to end what was killed: more, and it hangs in a system call.
const KILL_GRACE: Duration = Duration::from_secs(5);

/// The program that runs commands.
pub const PROGRAM: &str = "/bin/sh";

/// How a command ended, where it did not do what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandEnd {
    /// By itself, with this exit status.
    Status(i32),
    /// By a signal of somebody else's.
    Signal(i32),
    /// By this program, after so much time.
    TimedOut(Duration),
}

impl CommandEnd {
    /// The end that an exit status tells of; `None` where it tells of success.
    pub fn of(status: ExitStatus) -> Option<Self> {
        match (status.code(), status.signal()) {
            (Some(0), _) => None,
            (Some(code), _) => Some(Self::Status(code)),
            (None, signal) => Some(Self::Signal(signal.unwrap_or_default())),
        }
    }
}

impl fmt::Display for CommandEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "exited with status {code}"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::TimedOut(limit) => write!(f, "was ended after {} s", limit.as_secs_f32()),
        }
    }
}

/// Where the output of a command goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outputs {
    /// Both outputs come through the first pipe.
    Merged,
    /// The standard output comes through the first pipe, the error output through the second.
    Apart,
}

/// What there is of a running command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// So many bytes of the pipe with this number.
    Bytes(usize, usize),
    /// Nothing for now.
    Idle,
    /// It has exited, and nothing of its output is left in the pipes.
    Exited,
}

/// A running command.
#[derive(Debug)]
pub struct Shell {
    /// Taken out when it has been waited for.
    child: Option<Child>,
    /// Readable once the shell has exited.
    exit: OwnedFd,
    has_exited: bool,
    pipes: [Option<PipeReader>; 2],
}

impl Shell {
    /// Starts a command with these variables added to the environment.
    pub fn start<V: AsRef<OsStr>>(
        command: &str,
        environment: &[(&str, V)],
        outputs: Outputs,
    ) -> io::Result<Self> {
        let (out, out_writer) = pipe()?;
        let (errors, error_writer) = match outputs {
            Outputs::Merged => (None, out_writer.try_clone()?),
            Outputs::Apart => pipe().map(|(reader, writer)| (Some(reader), writer))?,
        };
        let variables = environment.iter().map(|(name, value)| (name, value.as_ref()));
        let mut child = process::Command::new(PROGRAM)
            .arg("-c")
            .arg(command)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(out_writer)
            .stderr(error_writer)
            .process_group(0)
            .spawn()?;
        let exit = match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
            Ok(exit) => exit,
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error.into());
            }
        };
        Ok(Self {
            child: Some(child),
            exit,
            has_exited: false,
            pipes: [Some(out), errors],
        })
    }

    /// Waits up to [`TICK`] for output, which comes first, or for the end. After the end it waits for what others print.
    pub fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        while !(self.has_exited && self.is_silent()) {
            let Some(number) = self.poll()? else {
                return Ok(if self.has_exited { Step::Exited } else { Step::Idle });
            };
            let pipe = self.pipes[number].as_mut();
            match pipe.map_or(Ok(0), |pipe| pipe.read(buffer)) {
                Ok(0) => self.pipes[number] = None,
                Ok(len_bytes) => return Ok(Step::Bytes(number, len_bytes)),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Step::Exited)
    }

    /// Whether the shell itself was seen to have exited.
    pub fn has_exited(&self) -> bool {
        self.has_exited
    }

    /// Whether somebody can still print into a pipe.
    pub fn is_open(&self, number: usize) -> bool {
        self.pipes[number].is_some()
    }

    /// Whether nobody can print anything any more.
    fn is_silent(&self) -> bool {
        self.pipes.iter().all(Option::is_none)
    }

    /// Waits for the shell's end and tells how it was.
    pub fn finish(mut self) -> io::Result<ExitStatus> {
        match self.child.take() {
            Some(mut child) => child.wait(),
            None => unreachable!("the child is there until the shell is finished or dropped"),
        }
    }

    /// Ends the command with all that it has started; gives what it prints meanwhile.
    pub fn stop(mut self, each: &mut dyn FnMut(&[u8])) {
        self.signal(Signal::TERM);
        self.read_until_gone(GRACE, each);
    }

    /// Reads until the shell has exited and nobody holds its pipes, for so long at most.
    fn read_until_gone(&mut self, patience: Duration, each: &mut dyn FnMut(&[u8])) {
        let begun = Instant::now();
        let mut buffer = vec![0; 16 << 10];
        while begun.elapsed() < patience {
            match self.step(&mut buffer) {
                Ok(Step::Bytes(_, len_bytes)) => each(&buffer[..len_bytes]),
                Ok(Step::Exited) if self.is_silent() => return,
                // Others still hold the pipes.
                Ok(Step::Exited | Step::Idle) => {}
                Err(_) => return,
            }
        }
    }

    /// Sends a signal to the process group, whose number nobody else can get while the shell has not been waited for.
    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            // It fails where nobody is left.
            let _ = kill_process_group(Pid::from_child(child), signal);
        }
    }

    /// Waits for a pipe that can be read, or for the shell to exit, which is noted.
    fn poll(&mut self) -> io::Result<Option<usize>> {
        let (numbers, pipes): (Vec<usize>, Vec<&PipeReader>) = (0..)
            .zip(&self.pipes)
            .filter_map(|(number, pipe)| Some((number, pipe.as_ref()?)))
            .unzip();
        let mut polled: Vec<_> = pipes
            .iter()
            .map(|pipe| PollFd::new(pipe, PollFlags::IN))
            .collect();
        if !self.has_exited {
            polled.push(PollFd::new(&self.exit, PollFlags::IN));
        }
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(TICK.subsec_nanos()),
        };
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = polled.iter().map(|polled| !polled.revents().is_empty()).collect();
        self.has_exited |= ready.get(numbers.len()) == Some(&true);
        Ok(numbers
            .into_iter()
            .zip(ready)
            .find_map(|(number, is_ready)| is_ready.then_some(number)))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let Some(mut child) = self.child.take() else {
            return;
        };
        let mut exit = [PollFd::new(&self.exit, PollFlags::IN)];
        let patience = Timespec {
            tv_sec: KILL_GRACE.as_secs() as i64,
            tv_nsec: 0,
        };
        if matches!(poll(&mut exit, Some(&patience)), Ok(1)) {
            let _ = child.wait();
        } else {
            tracing::warn!(pid = child.id(), "a command that was killed does not end");
            std::thread::spawn(move || child.wait());
        }
    }
}

/// A pipe whose reader never waits.
fn pipe() -> io::Result<(PipeReader, io::PipeWriter)> {
    let (reader, writer) = io::pipe()?;
    let flags = rustix::fs::fcntl_getfl(&reader)?;
    rustix::fs::fcntl_setfl(&reader, flags | OFlags::NONBLOCK)?;
    Ok((reader, writer))
}

fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests;
