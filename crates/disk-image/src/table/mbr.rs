//! The master boot record: four entries, one of which may lead to a chain of logical partitions.
//!
//! ```text
//! offset  size  field
//! 0       440   boot code
//! 440     4     disk signature
//! 446     16*4  entries: 0 status (0x80 active), 4 type, 8 first sector (u32), 12 sectors (u32)
//! 510     2     55 AA
//! ```
//! A logical partition's record has the same form: its first entry is relative to itself, its second leads to the next record,
//! relative to the extended partition.

use crate::source::{self, DiskSource, u16_at, u32_at};
use crate::table::{Partition, PartitionKind, PartitionTable, TableKind, TablePiece};
use crate::{Error, Result};

pub(super) const SECTOR_BYTES: u64 = 512;
const SIGNATURE: u16 = 0xaa55;
const ENTRIES_AT: usize = 446;
const ENTRY_BYTES: usize = 16;
pub(super) const PROTECTIVE: u8 = 0xee;
const EXTENDED: [u8; 3] = [0x05, 0x0f, 0x85];
/// Linux names no more than that.
const MAX_LOGICAL: u32 = 60;

/// An entry that is not empty.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub number: u32,
    pub code: u8,
    is_active: bool,
    first_sector: u32,
    sectors: u32,
}

/// The entries of a record; `None` where the sector is none.
pub(super) fn entries(record: &[u8]) -> Option<Vec<Entry>> {
    if u16_at(record, 510) != SIGNATURE {
        return None;
    }
    let mut entries = Vec::new();
    for index in 0..4 {
        let entry = &record[ENTRIES_AT + index * ENTRY_BYTES..][..ENTRY_BYTES];
        // A boot sector of a file system has code here.
        if entry[0] & 0x7f != 0 {
            return None;
        }
        let (code, sectors) = (entry[4], u32_at(entry, 12));
        if code != 0 && sectors != 0 {
            entries.push(Entry {
                number: index as u32 + 1,
                code,
                is_active: entry[0] == 0x80,
                first_sector: u32_at(entry, 8),
                sectors,
            });
        }
    }
    Some(entries)
}

/// Reads the table of a disk that has no GPT.
pub(super) fn read<S: DiskSource + ?Sized>(disk: &S, disk_len_bytes: u64) -> Result<PartitionTable> {
    let mut table = PartitionTable {
        kind: TableKind::None,
        disk_len_bytes,
        sector_bytes: SECTOR_BYTES,
        partitions: Vec::new(),
        pieces: Vec::new(),
        warnings: Vec::new(),
    };
    if disk_len_bytes < SECTOR_BYTES {
        return Ok(table);
    }
    let record = source::read(disk, 0, SECTOR_BYTES as usize)?;
    let Some(found) = entries(&record).filter(|found| !found.is_empty()) else {
        return Ok(table);
    };
    table.kind = TableKind::Mbr {
        signature: u32_at(&record, 440),
    };
    for entry in found {
        if EXTENDED.contains(&entry.code) {
            logical(disk, &mut table, entry)?;
        } else {
            table.partitions.push(entry.partition(entry.number, 0));
        }
    }
    Ok(table)
}

/// Lets the partition that ends last, if it is a primary one, end with the disk, down to a whole MiB.
pub(super) fn grow_last(record: &mut [u8], disk_len_bytes: u64) {
    let Some(found) = entries(record) else { return };
    let end_of = |entry: &Entry| u64::from(entry.first_sector) + u64::from(entry.sectors);
    let Some(last) = found.iter().max_by_key(|entry| end_of(entry)) else {
        return;
    };
    let aligned = (1 << 20) / SECTOR_BYTES;
    let end = (disk_len_bytes / SECTOR_BYTES / aligned * aligned).min(u64::from(u32::MAX));
    let len = end.saturating_sub(u64::from(last.first_sector));
    if !EXTENDED.contains(&last.code) && len > u64::from(last.sectors) {
        set_sectors(record, last.number, len as u32);
    }
}

/// Lets the entry that protects a GPT cover a disk of so many sectors, or as many as it can name.
pub(super) fn protect(record: &mut [u8], disk_sectors: u64) {
    let found = entries(record).unwrap_or_default();
    // In a hybrid MBR it covers what it was made to cover.
    if let [only] = &found[..]
        && only.code == PROTECTIVE
    {
        let sectors = disk_sectors.saturating_sub(1);
        set_sectors(record, only.number, u32::try_from(sectors).unwrap_or(u32::MAX));
    }
}

fn set_sectors(record: &mut [u8], number: u32, sectors: u32) {
    let at = ENTRIES_AT + (number as usize - 1) * ENTRY_BYTES + 12;
    record[at..at + 4].copy_from_slice(&sectors.to_le_bytes());
}

impl Entry {
    fn partition(self, number: u32, relative_to_sector: u64) -> Partition {
        Partition {
            number,
            kind: PartitionKind::Mbr {
                code: self.code,
                is_active: self.is_active,
            },
            start_bytes: (relative_to_sector + u64::from(self.first_sector)) * SECTOR_BYTES,
            len_bytes: u64::from(self.sectors) * SECTOR_BYTES,
        }
    }
}

/// Follows the chain of logical partitions.
fn logical<S: DiskSource + ?Sized>(disk: &S, table: &mut PartitionTable, extended: Entry) -> Result<()> {
    let base = u64::from(extended.first_sector);
    let end = base + u64::from(extended.sectors);
    let (mut at, mut number) = (base, 5);
    loop {
        let offset_bytes = at * SECTOR_BYTES;
        let damaged = |reason: &str| Error::damaged("extended boot record", offset_bytes, reason);
        if offset_bytes + SECTOR_BYTES > table.disk_len_bytes {
            return Err(damaged("it lies beyond the end of the disk"));
        }
        let record = source::read(disk, offset_bytes, SECTOR_BYTES as usize)?;
        let found = entries(&record).ok_or_else(|| damaged("it has no signature"))?;
        table.pieces.push(TablePiece {
            offset_bytes,
            bytes: record,
        });
        let mut next = None;
        for entry in found {
            if EXTENDED.contains(&entry.code) {
                next = Some(base + u64::from(entry.first_sector));
            } else {
                table.partitions.push(entry.partition(number, at));
                number += 1;
            }
        }
        match next {
            None => return Ok(()),
            // Records may come in any order, so a circle shows by their number only.
            Some(_) if number > MAX_LOGICAL || table.pieces.len() > MAX_LOGICAL as usize => {
                return Err(damaged("the chain of logical partitions does not end"));
            }
            Some(next) if (base..end).contains(&next) => at = next,
            Some(_) => return Err(damaged("it leads out of the extended partition")),
        }
    }
}
