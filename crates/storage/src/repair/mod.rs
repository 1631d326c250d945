//! Finding what is not as it should be in a storage, and putting it right: first shown, then done.
//!
//! For storages that were moved, renamed, copied or tidied by hand. Content is not read (that is `verify`); what is compared
//! are manifests, trees' places, links into the pool and their lists. Nothing is removed that could be a backup: whatever is not
//! known moves to the trash only if no backup is missed.

mod apply;
mod plan;
mod pool_links;

use std::fmt;

use crate::error::Error;
use crate::names::{BackupName, ClientName, PoolId};

/// Something that is not as it should be. Display says it in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A client's directory has another name than its manifests.
    RenamedClient {
        /// Whose it is.
        client: ClientName,
        /// Its name.
        found: String,
    },
    /// A backup has a manifest and no tree.
    MissingTree {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// A directory where backups are has no manifest.
    UnknownTree {
        /// In whose directory it is.
        client: ClientName,
        /// Its name.
        name: String,
    },
    /// The storage's own directory has something that is no client's.
    UnknownEntry {
        /// Its name.
        name: String,
    },
    /// A manifest can't be read.
    DamagedManifest {
        /// Whose it is.
        client: ClientName,
        /// Of which backup.
        backup: BackupName,
        /// What is wrong with it.
        reason: String,
    },
    /// A list of links into the pool can't be read.
    DamagedPoolList {
        /// Whose it is.
        client: ClientName,
        /// Of which backup.
        backup: BackupName,
    },
    /// A btrfs subvolume of a committed backup can be changed.
    Writable {
        /// Whose it is.
        client: ClientName,
        /// Which.
        backup: BackupName,
    },
    /// A link into the pool does not lead there.
    WrongPoolLink {
        /// Whose it is.
        client: ClientName,
        /// In which backup.
        backup: BackupName,
        /// Path of the directory that it stands for.
        path: Box<[u8]>,
        /// Where it should lead to.
        pool: PoolId,
    },
    /// A link into the pool is not in the backup's list.
    UnlistedPoolLink {
        /// Whose it is.
        client: ClientName,
        /// In which backup.
        backup: BackupName,
        /// Path of the directory that it stands for.
        path: Box<[u8]>,
        /// Where it leads to.
        pool: PoolId,
    },
    /// The backup's list names a link where the tree has a directory of its own.
    NeedlessPoolEntry {
        /// Whose it is.
        client: ClientName,
        /// In which backup.
        backup: BackupName,
        /// Path of the directory.
        path: Box<[u8]>,
    },
    /// A pooled directory that a backup links to is not there: that part of the backup is lost.
    MissingPooled {
        /// Whose it is.
        client: ClientName,
        /// In which backup.
        backup: BackupName,
        /// Path of the directory.
        path: Box<[u8]>,
    },
    /// Nothing links to a pooled directory.
    UnusedPooled {
        /// Whose it is.
        client: ClientName,
        /// Which.
        pool: PoolId,
    },
}

/// What applying a plan does about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The directory gets its old name back.
    RenameBack,
    /// It moves to the trash.
    Trash,
    /// The link is made anew.
    Relink,
    /// The list is corrected.
    CorrectList,
    /// The list is written anew from the links that are there.
    RewriteList,
    /// The subvolume becomes read-only.
    Protect,
    /// Nothing: somebody has to look at it.
    None,
}

/// What was found, with what would be done about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairPlan {
    /// In the order in which it would be done.
    pub steps: Vec<(Finding, Remedy)>,
}

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Repaired {
    /// What was put right.
    pub done: Vec<Finding>,
    /// What could not be.
    pub failed: Vec<(Finding, Error)>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RenamedClient { client, found } => write!(f, "the backups of {client} are in {found}"),
            Self::MissingTree { client, backup } => write!(f, "{client} {backup} has a manifest and no tree"),
            Self::UnknownTree { client, name } => write!(f, "{client}/{name} belongs to no known backup"),
            Self::UnknownEntry { name } => write!(f, "{name} belongs to no known client"),
            Self::DamagedManifest {
                client,
                backup,
                reason,
            } => {
                write!(f, "the manifest of {client} {backup} can't be read: {reason}")
            }
            Self::DamagedPoolList { client, backup } => {
                write!(f, "the list of pool links of {client} {backup} can't be read")
            }
            Self::Writable { client, backup } => write!(f, "{client} {backup} is not read-only"),
            Self::WrongPoolLink {
                client, backup, path, ..
            } => {
                write!(
                    f,
                    "{client} {backup}: {} does not lead to its pooled directory",
                    path.escape_ascii()
                )
            }
            Self::UnlistedPoolLink {
                client, backup, path, ..
            } => {
                write!(
                    f,
                    "{client} {backup}: {} is a pool link that no list names",
                    path.escape_ascii()
                )
            }
            Self::NeedlessPoolEntry { client, backup, path } => {
                write!(
                    f,
                    "{client} {backup}: {} is listed as a pool link and is none",
                    path.escape_ascii()
                )
            }
            Self::MissingPooled { client, backup, path } => {
                write!(
                    f,
                    "{client} {backup}: the pooled directory of {} is missing",
                    path.escape_ascii()
                )
            }
            Self::UnusedPooled { client, pool } => {
                write!(f, "pooled directory {pool} of {client} is linked from nowhere")
            }
        }
    }
}
