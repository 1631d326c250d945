//! Space that is kept for the moment when there is none: deleting something from a full disk begins with a transaction.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, syncfs};

use crate::Error;

const FILE: &str = "catalog.ballast";
/// A transaction is smaller by far. No more than this is let go at once: whatever fills the disk may take it too.
const STEP_BYTES: u64 = 1 << 20;
const BALLAST_BYTES: u64 = 8 * STEP_BYTES;

#[derive(Debug)]
pub(crate) struct Ballast {
    dir: PathBuf,
}

impl Ballast {
    /// The ballast in `dir`, which may have been thrown overboard.
    pub(crate) fn of(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Sets aside what is missing of it. A file system that can't, or is full, has less.
    pub(crate) fn take_in(&self) {
        // Whoever needs it finds out how much there is.
        let _ = self.reserve();
    }

    /// Does something that takes space. Where that fails as it does on a full disk, the ballast goes overboard, step by
    /// step, until it works.
    pub(crate) fn with<T>(&self, mut work: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match work() {
                Err(error) if may_be_full(&error) && self.let_go().is_ok() => {}
                done => return done,
            }
        }
    }

    fn reserve(&self) -> io::Result<()> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.dir.join(FILE))?;
        let mut len_bytes = file.metadata()?.len();
        while len_bytes < BALLAST_BYTES {
            // An extent for each step, as btrfs frees whole extents only.
            fallocate(&file, FallocateFlags::empty(), len_bytes, STEP_BYTES)?;
            len_bytes += STEP_BYTES;
        }
        Ok(())
    }

    /// Frees one step; fails where none is left.
    pub(crate) fn let_go(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.dir.join(FILE))?;
        let Some(rest_bytes) = file.metadata()?.len().checked_sub(STEP_BYTES) else {
            return Err(io::ErrorKind::StorageFull.into());
        };
        file.set_len(rest_bytes)?;
        // Freed blocks can be used once the file system has written that they are free.
        Ok(syncfs(File::open(&self.dir)?)?)
    }
}

/// SQLite says only of some calls that there was no space; that its log could not be created has no reason.
fn may_be_full(error: &Error) -> bool {
    matches!(
        error,
        Error::NoSpace { .. } | Error::Denied { .. } | Error::Database { .. }
    )
}
