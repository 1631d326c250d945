//! The directory that holds a scratch file system's image and mount point, and the sweep of abandoned ones.
//!
//! Its name carries the process's number and start time, so that a later process can tell that nobody uses it any
//! longer: `perennial-scratch-PID-START-N` in the temporary directory.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result, mounts};

const PREFIX: &str = "perennial-scratch-";

static NEXT: AtomicU64 = AtomicU64::new(0);
static SWEEP: Once = Once::new();

/// The directory; it goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

impl Home {
    /// Creates it in `parent`, else in the temporary directory; sweeps the latter first, once per process.
    pub(crate) fn create(parent: Option<&Path>) -> Result<Self> {
        let temp = std::env::temp_dir();
        SWEEP.call_once(|| sweep(&temp));
        let pid = std::process::id();
        let start = start_time(pid).unwrap_or(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let parent = fs::canonicalize(parent.unwrap_or(&temp)).map_err(Error::io(&temp))?;
        let path = parent.join(format!("{PREFIX}{pid}-{start}-{number}"));
        // Others may pass through, for tests that drop their privileges.
        DirBuilder::new()
            .mode(0o755)
            .create(&path)
            .map_err(Error::io(&path))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Unmounts and detaches whatever belongs to the directory and deletes it; keeps silent, since nobody could help.
fn remove(dir: &Path) {
    mounts::unmount_beneath(dir);
    mounts::detach_loops_beneath(dir);
    let _ = fs::remove_dir_all(dir);
}

/// Removes the directories of processes that are dead.
fn sweep(temp: &Path) {
    let Ok(temp) = fs::canonicalize(temp) else { return };
    let Ok(entries) = fs::read_dir(&temp) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        if name.to_str().is_some_and(is_abandoned) {
            remove(&temp.join(&name));
        }
    }
}

fn is_abandoned(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let mut numbers = rest.split('-').map(str::parse::<u64>);
    let (Some(Ok(pid)), Some(Ok(start)), Some(Ok(_)), None) =
        (numbers.next(), numbers.next(), numbers.next(), numbers.next())
    else {
        return false;
    };
    let Ok(pid) = u32::try_from(pid) else { return true };
    match start_time(pid) {
        Ok(present) => present != start,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// When the process was started, in clock ticks since boot: field 22 of `/proc/PID/stat`.
fn start_time(pid: u32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses and may contain anything.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after_name
        .split_whitespace()
        .nth(19)
        .and_then(|field| field.parse().ok())
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_dead_processes_are_abandoned() {
        let pid = std::process::id();
        let start = start_time(pid).expect("this process has a start time");
        assert!(!is_abandoned(&format!("{PREFIX}{pid}-{start}-0")));
        assert!(
            is_abandoned(&format!("{PREFIX}{pid}-{}-0", start + 1)),
            "the number was given to another process"
        );
        assert!(is_abandoned(&format!("{PREFIX}4294967290-5-3")));
        for foreign in [
            "perennial-scratch-",
            "perennial-scratch-1-x-0",
            "other-4294967290-5-3",
        ] {
            assert!(!is_abandoned(foreign), "{foreign}");
        }
    }
}
