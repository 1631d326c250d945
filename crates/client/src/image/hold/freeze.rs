//! Freezing a file system, by a process of its own: whatever happens to this one, that one thaws it.
//!
//! The helper freezes, says [`HELD`] on its standard output, and thaws when its standard input ends or the time is over. It says
//! anything else where it can't freeze.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::settings::FreezeSetting;

/// What the helper says once the file system is frozen.
pub const HELD: &str = "held";

/// A frozen file system.
#[derive(Debug)]
pub(super) struct Freeze {
    mounted_at: PathBuf,
    limit: Duration,
    helper: Child,
}

impl Freeze {
    /// Freezes what is mounted at a path; says why it can't.
    pub(super) fn begin(setting: &FreezeSetting, mounted_at: &Path) -> Result<Self, String> {
        let mut command = Command::new(&setting.program);
        command
            .args(&setting.arguments)
            .arg(setting.limit.as_secs().max(1).to_string())
            .arg(mounted_at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What the terminal sends to this process must not thaw it before this one has stopped reading.
            .process_group(0);
        let mut helper = command
            .spawn()
            .map_err(|error| format!("{} can't be started: {error}", setting.program.display()))?;
        let mut answer = String::new();
        if let Some(output) = helper.stdout.take() {
            // A helper that says nothing has ended.
            let _ = BufReader::new(output).read_line(&mut answer);
        }
        let freeze = Self {
            mounted_at: mounted_at.to_owned(),
            limit: setting.limit,
            helper,
        };
        match answer.trim() {
            HELD => Ok(freeze),
            "" => Err("the process that was to do it ended".to_owned()),
            reason => Err(reason.to_owned()),
        }
    }

    /// Fails if the file system is not frozen any more.
    pub(super) fn check(&mut self) -> Result<()> {
        match self.helper.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(self.ended_early()),
        }
    }

    /// Thaws it; fails if that had happened before.
    pub(super) fn end(mut self) -> Result<()> {
        match self.thaw() {
            Some(status) if status.success() => Ok(()),
            _ => Err(self.ended_early()),
        }
    }

    fn thaw(&mut self) -> Option<std::process::ExitStatus> {
        drop(self.helper.stdin.take());
        self.helper.wait().ok()
    }

    fn ended_early(&self) -> Error {
        Error::ThawedEarly {
            path: self.mounted_at.clone(),
            limit: self.limit,
        }
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        self.thaw();
    }
}
