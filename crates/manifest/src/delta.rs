//! Operations: how the next manifest differs from its base, as messages carry it.
//!
//! Operations come in manifest order. [`Op::Same`] and [`Op::Drop`] consume base directories; [`Op::Dir`]
//! consumes the base directory of its path, if there is one. Before a `Dir`, all base directories in front
//! of its path have been consumed.
//!
//! The encoding of a batch is that of its operations one after the other; [`OpStream`] takes it in pieces
//! that are cut anywhere.

use std::fmt;

mod apply;
mod codec;

pub use apply::Applied;
pub use codec::{MAX_OP_BYTES, OpStream, Ops, decode_ops, encode_op, encode_ops};

use crate::entry::{Entry, Metadata};

/// Names a file within a session, from its announcement to its completion. Given in rising order, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

impl fmt::Display for FileId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One step from a base manifest to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// The next base directories are taken over as they are.
    Same {
        /// How many; at least 1.
        dirs: u64,
    },
    /// The next base directories are gone.
    Drop {
        /// How many; at least 1.
        dirs: u64,
    },
    /// A directory that is new or has changed.
    Dir(Box<DirDelta>),
}

/// What a [`DirDelta`] starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The base's directory of the same path, some entries of which change.
    Delta,
    /// Nothing: all entries are listed. Whatever is there and is not listed goes.
    Complete,
}

/// An entry that is new or has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upsert {
    /// The entry. Where it is pending, only its size and metadata are meant, and they may change still.
    pub entry: Entry,
    /// Set for a regular file whose content has to be looked at.
    pub pending: Option<FileId>,
}

/// How a directory differs from its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirDelta {
    /// Path within the backup.
    pub path: Box<[u8]>,
    /// The directory's own, as its parent lists it; `None` for the backup's root only.
    pub metadata: Option<Metadata>,
    /// What the lists below start from.
    pub basis: Basis,
    /// Names that are gone, sorted; empty where the basis is complete.
    pub removed: Vec<Box<[u8]>>,
    /// Sorted by name.
    pub upserts: Vec<Upsert>,
}
