//! A table on a disk of another size.

use super::{PartitionTable, TableKind, TablePiece, gpt, mbr};
use crate::Result;
use crate::source::{self, DiskSource};

/// What changes of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moved {
    /// To be written over what was kept of the table.
    pub pieces: Vec<TablePiece>,
    /// What the table takes behind the last partition.
    pub behind_bytes: u64,
}

/// Whether the last partition becomes larger on a larger disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Growth {
    /// It stays as it was.
    #[default]
    Off,
    /// It takes the rest of the disk; its file system is left as it is.
    LastPartition,
}

/// Fits a table to a disk of `new_len_bytes`: the copy of a GPT moves to the new end, and the entry in the MBR that protects it covers
/// the new size.
///
/// # Errors
/// [`Error::TooSmall`](crate::Error::TooSmall) where not even the table fits, and what reading the table fails with.
pub fn moved<S: DiskSource + ?Sized>(disk: &S, new_len_bytes: u64, growth: Growth) -> Result<Moved> {
    let table = PartitionTable::read(disk)?;
    match table.kind {
        TableKind::None => Ok(Moved::default()),
        TableKind::Mbr { .. } => {
            let mut record = source::read(disk, 0, mbr::SECTOR_BYTES as usize)?;
            if growth == Growth::LastPartition {
                mbr::grow_last(&mut record, new_len_bytes);
            }
            Ok(Moved {
                pieces: vec![TablePiece {
                    offset_bytes: 0,
                    bytes: record,
                }],
                behind_bytes: 0,
            })
        }
        TableKind::Gpt { .. } => {
            let resized = gpt::resized(
                disk,
                table.disk_len_bytes,
                new_len_bytes,
                table.sector_bytes,
                growth,
            )?;
            let mut record = source::read(disk, 0, mbr::SECTOR_BYTES as usize)?;
            mbr::protect(&mut record, new_len_bytes / table.sector_bytes);
            let mut pieces = vec![TablePiece {
                offset_bytes: 0,
                bytes: record,
            }];
            pieces.extend(resized.pieces);
            Ok(Moved {
                pieces,
                behind_bytes: resized.behind_bytes,
            })
        }
    }
}
