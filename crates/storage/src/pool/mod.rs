//! Directory pools: unchanged directories of a client that several of its backups link to.
//!
//! Only the hardlink backend has them: elsewhere an unchanged directory costs little or nothing. A pooled directory
//! lies in `.perennial/pool/CLIENT/ID`, where the client's backups have a symbolic link instead. It is never
//! changed, but for damaged files that are [mended](crate::mend), and contains no link to another pooled directory. Which backup links to which is written in the backup's
//! [list](PoolList); what no list names is not needed any more.

mod link;
mod list;
mod pass;
mod unchanged;

pub use link::PoolLink;
pub(crate) use link::{link_text, parse_link};
pub(crate) use list::{PoolList, escape, unescape};

use crate::names::{BackupName, ClientName, PoolId};

/// Directories with more entries than this, all that is beneath them included, are worth a link.
pub(crate) const POOLED_ABOVE_ENTRIES: u64 = 10;

/// A change in what links to a pooled directory, for whoever counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolChange {
    /// Whose pool.
    pub client: ClientName,
    /// Which directory.
    pub pool: PoolId,
    /// The backup that links to it, or no longer does.
    pub backup: BackupName,
    /// What happened.
    pub kind: PoolChangeKind,
}

/// What happened to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolChangeKind {
    /// The backup links to the directory.
    Linked,
    /// It no longer does.
    Unlinked,
}
