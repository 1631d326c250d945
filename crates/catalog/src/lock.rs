//! The lock file that keeps two servers off one catalog.
//!
//! The lock is the kernel's (`flock`), so it goes with its process however that ends; the number in the file
//! only names the owner to whoever is refused.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::Error;

const LOCK_FILE: &str = "catalog.lock";

/// Held as long as the catalog is open. Closing the file releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock in `dir`, or fails with [`Error::Busy`] at once.
    pub(crate) fn take(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(LOCK_FILE);
        let io = |action| {
            let path = path.clone();
            move |source| Error::Io { action, path, source }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io("opening"))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::Busy {
                    dir: dir.to_owned(),
                    pid: owner(&mut file),
                });
            }
            Err(errno) => return Err(io("locking")(errno.into())),
        }
        // The number only makes for a better message: a full disk, say, is no reason to go without the lock.
        let _ = note_owner(&mut file);
        Ok(Self { _file: file })
    }
}

fn note_owner(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn owner(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
