//! A file that is to get its content, and what there is for it to begin with.

use std::sync::Arc;

use manifest::{BLOCK_BYTES, BlockHash, ContentHash, DirRecord, Entry, Kind, join_path};

use super::keep::begun;
use crate::ingest::DirSlot;

/// A file that gets its content.
pub(super) struct Wanted<'a> {
    pub slot: &'a Arc<DirSlot>,
    pub entry: &'a Entry,
    pub path: Box<[u8]>,
    pub size: u64,
    pub hash: ContentHash,
    pub block_hashes: &'a [BlockHash],
    /// The base's entry of the same path, unless the base's file is known to be damaged.
    pub old: Option<&'a Entry>,
}

/// What is known of the content that a file begins with.
pub(super) enum Prior<'a> {
    /// There is none.
    Nothing,
    /// Its block hashes and size, and the file is sound.
    Blocks(&'a [BlockHash], u64),
    /// It has to be looked at.
    Unknown,
}

impl<'a> Wanted<'a> {
    /// A pending file of a directory; `None` for any other entry.
    pub fn new(slot: &'a Arc<DirSlot>, entry: &'a Entry, base: Option<&'a DirRecord>) -> Option<Self> {
        let Kind::File {
            size,
            hash,
            block_hashes,
        } = &entry.kind
        else {
            return None;
        };
        Some(Self {
            slot,
            entry,
            path: join_path(slot.path(), &entry.name),
            size: *size,
            hash: *hash,
            block_hashes,
            old: base.and_then(|base| base.find(&entry.name)),
        })
    }

    /// Whether an entry has the content.
    pub fn is_in(&self, entry: &Entry) -> bool {
        matches!(entry.kind, Kind::File { size, hash, .. } if (size, hash) == (self.size, self.hash))
    }

    /// What is there of the file when so many blocks have been made what they should be, over what it began with.
    pub fn begun_over(&self, known: &[BlockHash], prior_bytes: u64, done: usize) -> Option<Entry> {
        let new_bytes = (done as u64 * BLOCK_BYTES).min(self.size);
        let rest = known.get(done..).unwrap_or_default();
        let blocks: Vec<BlockHash> = self
            .block_hashes
            .get(..done)?
            .iter()
            .chain(rest)
            .copied()
            .collect();
        begun(
            &self.entry.name,
            &self.entry.metadata,
            new_bytes.max(prior_bytes),
            &blocks,
        )
    }

    pub fn has_block_hashes(&self) -> bool {
        !self.block_hashes.is_empty()
    }
}

impl<'a> Prior<'a> {
    pub fn of(entry: &'a Entry) -> Self {
        match &entry.kind {
            Kind::File {
                size, block_hashes, ..
            } if !block_hashes.is_empty() => Self::Blocks(block_hashes, *size),
            _ => Self::Unknown,
        }
    }
}

/// Whether a file is large enough that parts of it are worth keeping.
pub(super) fn is_patchable(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { size, .. } if size >= manifest::BLOCK_HASHES_FROM_BYTES)
}
