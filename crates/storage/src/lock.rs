//! The lock file that keeps two processes off one storage.
//!
//! The lock is the kernel's (`flock`), so it goes with its process however that ends; the number in the file
//! only names the owner to whoever is refused.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;

use file_tree::{Access, Dir};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use crate::error::{During as _, Error, Result};

const LOCK_FILE: &[u8] = b"lock";

/// Held as long as the storage is open; closing the file releases it.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock in `.perennial`, or fails with [`Error::Locked`] at once.
    pub fn take(state: &Dir, storage: &Path) -> Result<Self> {
        let opened = match state.open_file(LOCK_FILE, Access::ReadWrite) {
            Err(error) if error.is_not_found() => state.create_file(LOCK_FILE, 0o600),
            opened => opened,
        };
        let mut file = match opened {
            // Another process has created it in between.
            Err(file_tree::Error::Exists { .. }) => state.open_file(LOCK_FILE, Access::ReadWrite),
            opened => opened,
        }
        .during("lock", storage)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Error::Locked {
                    path: storage.to_owned(),
                    pid: holder(&mut file),
                });
            }
            Err(errno) => return Err(Error::new("lock", storage, errno)),
        }
        // The number only makes for a better message; a full disk, say, is no reason to go without the lock.
        if let Err(error) = note_holder(&mut file) {
            tracing::debug!(%error, "noting who holds the lock");
        }
        Ok(Self { _file: file })
    }
}

fn note_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
