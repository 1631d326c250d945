//! Partition tables: MBR with logical partitions, GPT with both of its copies.
//!
//! A table is kept twice: as a description, and as the very bytes that it takes on the disk ([`PartitionTable::pieces`]), which
//! a restored disk gets back as they were, boot code and gaps included.

mod gpt;
mod mbr;
mod moved;

use std::ops::Range;

use uuid::Uuid;

pub use moved::{Growth, Moved, moved};

use crate::source::{self, DiskSource};
use crate::{Error, Result};

/// What of the front of a disk is kept at most where the first partition begins later than that.
const MAX_FRONT_BYTES: u64 = 16 << 20;

/// A disk's partition table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionTable {
    /// Its kind.
    pub kind: TableKind,
    /// Size of the disk.
    pub disk_len_bytes: u64,
    /// Size of a logical sector, as the table uses it.
    pub sector_bytes: u64,
    /// By their place on the disk, none within another. The partition that holds the logical ones is not among them.
    pub partitions: Vec<Partition>,
    /// The bytes of the disk that belong to no partition and have a meaning: boot code, tables, gaps.
    pub pieces: Vec<TablePiece>,
    /// What is wrong with it, in words, where it could be read all the same.
    pub warnings: Vec<String>,
}

/// The kind of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// None: what there is on the disk begins at its start.
    None,
    /// A master boot record.
    Mbr {
        /// The disk's signature; 0 where it has none.
        signature: u32,
    },
    /// A GUID partition table.
    Gpt {
        /// The disk's GUID.
        disk: Uuid,
        /// Whether the MBR in front of it lists partitions too.
        is_hybrid: bool,
    },
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Its number, as Linux counts: logical ones from 5.
    pub number: u32,
    /// What it is for.
    pub kind: PartitionKind,
    /// Where it begins.
    pub start_bytes: u64,
    /// Its size.
    pub len_bytes: u64,
}

/// What a table says that a partition is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionKind {
    /// An entry of an MBR.
    Mbr {
        /// The type's byte.
        code: u8,
        /// Whether the boot code starts it.
        is_active: bool,
    },
    /// An entry of a GPT.
    Gpt {
        /// The type's GUID.
        code: Uuid,
        /// The partition's own GUID.
        id: Uuid,
        /// Attribute bits.
        attributes: u64,
        /// Its label.
        label: String,
    },
}

/// Bytes of the disk that a table takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TablePiece {
    /// Where they lie.
    pub offset_bytes: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Partition {
    /// Its place on the disk.
    pub fn range(&self) -> Range<u64> {
        self.start_bytes..self.start_bytes + self.len_bytes
    }
}

impl PartitionTable {
    /// Reads the table of a disk. One that has none has no partitions.
    ///
    /// # Errors
    /// [`Error::Damaged`] where neither copy of a GPT is good, or an MBR leads in a circle, overlaps or leaves the disk.
    pub fn read<S: DiskSource + ?Sized>(disk: &S) -> Result<Self> {
        let disk_len_bytes = source::len(disk)?;
        let mut table = match gpt::read(disk, disk_len_bytes)? {
            Some(table) => table,
            None => mbr::read(disk, disk_len_bytes)?,
        };
        table.partitions.sort_by_key(|partition| partition.start_bytes);
        table.check()?;
        let front = table.front_bytes();
        let front = source::read(disk, 0, usize::try_from(front).unwrap_or_default())?;
        table.pieces.insert(
            0,
            TablePiece {
                offset_bytes: 0,
                bytes: front,
            },
        );
        table.pieces.sort_by_key(|piece| piece.offset_bytes);
        table.pieces.dedup_by_key(|piece| piece.offset_bytes);
        Ok(table)
    }

    /// Up to here the disk belongs to no partition.
    fn front_bytes(&self) -> u64 {
        let first = self.partitions.first().map(|partition| partition.start_bytes);
        let end = first.unwrap_or(match self.kind {
            TableKind::None => 0,
            TableKind::Mbr { .. } | TableKind::Gpt { .. } => 1 << 20,
        });
        end.min(MAX_FRONT_BYTES).min(self.disk_len_bytes)
    }

    fn check(&self) -> Result<()> {
        let mut end = 0;
        for partition in &self.partitions {
            let after = partition.start_bytes.checked_add(partition.len_bytes);
            let fits = after.is_some_and(|after| after <= self.disk_len_bytes);
            if partition.start_bytes < end || !fits || partition.len_bytes == 0 {
                return Err(Error::Misplaced {
                    offset_bytes: partition.start_bytes,
                });
            }
            end = partition.start_bytes + partition.len_bytes;
        }
        Ok(())
    }
}
