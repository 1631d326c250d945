//! Space that is kept for the moment when there is none: to delete something from a full disk, a few blocks are needed first.

use file_tree::Dir;
use rustix::fs::{FallocateFlags, fallocate};

use crate::durable;
use crate::error::{During as _, Error, Result};

const FILE: &str = "ballast";
const BALLAST_BYTES: u64 = 8 << 20;

/// Sets the space aside if it isn't. A file system that can't, or is full, has none.
pub(crate) fn take_in(state: &Dir) {
    let is_there = state
        .stat(FILE.as_bytes())
        .is_ok_and(|stat| stat.size == BALLAST_BYTES);
    if is_there {
        return;
    }
    let taken = durable::remove(state, FILE.as_bytes()).and_then(|()| {
        let file = state.create_file(FILE.as_bytes(), 0o600).during("create", FILE)?;
        fallocate(&file, FallocateFlags::empty(), 0, BALLAST_BYTES).during("reserve", FILE)
    });
    if let Err(error) = taken {
        tracing::debug!(%error, "setting space aside");
        // A part of it would pass for the whole.
        let _ = durable::remove(state, FILE.as_bytes());
    }
}

/// Does something that frees space; if the disk is too full even for that, the ballast goes overboard first.
pub(crate) fn with_ballast<T>(state: &Dir, free: impl Fn() -> Result<T>) -> Result<T> {
    match free() {
        Err(Error::Full { .. }) => {
            let_go(state)?;
            free()
        }
        done => done,
    }
}

/// Throws the ballast overboard.
pub(crate) fn let_go(state: &Dir) -> Result<()> {
    durable::remove(state, FILE.as_bytes())?;
    // Freed blocks can be used once the file system has written that they are free.
    cow_fs::sync_file_system(state).during("sync", FILE)
}
