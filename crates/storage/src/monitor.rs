//! What long work in a storage tells, and asks, whoever started it.

use crate::error::Error;
use crate::names::{BackupName, ClientName};

/// A step of background work.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A deleted backup's remains are being removed.
    Removing {
        /// Whose it was.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// A backup is being taken into the content index.
    Indexing {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// An image gets what it needs of one that is being deleted.
    Merging {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// What a backup takes of the storage is being found out.
    Accounting {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// A backup is being copied to another storage.
    Transferring {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// A backup is being looked at for repair.
    Examining {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
}

/// Follows long work, and may end it early. All methods may be called from the thread that works.
pub trait Monitor {
    /// Whether the work should stop at the next point where it is complete in itself.
    fn is_cancelled(&self) -> bool {
        false
    }

    /// A step begins.
    fn step(&self, step: &Step) {
        let _ = step;
    }

    /// So much more content of a file or volume has been read; whoever takes his time here slows the work down.
    fn copied(&self, path: &[u8], len_bytes: u64) {
        let _ = (path, len_bytes);
    }

    /// Something failed that the rest of the work can do without.
    fn problem(&self, error: &Error) {
        let _ = error;
    }
}

/// A monitor that wants to know nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Monitor for Unwatched {}
