//! The GUID partition table (UEFI 2.10, chapter 5): a header and entries behind the protective MBR, and a copy of both at the
//! disk's end.
//!
//! ```text
//! offset  size  field of the header
//! 0       8     "EFI PART"
//! 8       4     revision 1.0
//! 12      4     size of the header: 92 to a sector
//! 16      4     CRC-32 of the header with this field 0
//! 24      8     own sector
//! 32      8     sector of the copy
//! 40      8     first usable sector
//! 48      8     last usable sector
//! 56      16    GUID of the disk
//! 72      8     first sector of the entries
//! 80      4     number of entries
//! 84      4     size of an entry: 128 times a power of two
//! 88      4     CRC-32 of the entries
//! ```

use crc::{CRC_32_ISO_HDLC, Crc};
use uuid::Uuid;

use super::mbr;
use super::{Growth, Partition, PartitionKind, PartitionTable, TableKind, TablePiece};
use crate::source::{self, DiskSource, guid_at, u16_at, u32_at, u64_at};
use crate::{Error, Result};

const STRUCTURE: &str = "GUID partition table";
const MAGIC: &[u8; 8] = b"EFI PART";
const HEADER_BYTES: usize = 92;
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// Disks with logical sectors of 4 KiB have their header there.
const SECTORS_BYTES: [u64; 2] = [512, 4096];
/// More than any tool makes, few enough to be read at once.
const MAX_ENTRIES_BYTES: u64 = 1 << 20;

/// A header whose checksum is right.
#[derive(Debug, Clone)]
struct Header {
    sector_bytes: u64,
    own_sector: u64,
    other_sector: u64,
    usable: std::ops::RangeInclusive<u64>,
    disk: Uuid,
    entries_sector: u64,
    entries: u32,
    entry_bytes: u32,
    entries_crc: u32,
}

/// Reads the table; `None` where the disk has none.
pub(super) fn read<S: DiskSource + ?Sized>(disk: &S, disk_len_bytes: u64) -> Result<Option<PartitionTable>> {
    let Some(is_hybrid) = is_protected(disk, disk_len_bytes)? else {
        return Ok(None);
    };
    let mut failure = Error::damaged(STRUCTURE, SECTORS_BYTES[0], "neither copy can be found");
    for sector_bytes in SECTORS_BYTES {
        let last = (disk_len_bytes / sector_bytes).saturating_sub(1);
        let primary = read_copy(disk, disk_len_bytes, sector_bytes, 1);
        let backup_at = primary.as_ref().map_or(last, |(header, _)| header.other_sector);
        let backup = read_copy(disk, disk_len_bytes, sector_bytes, backup_at);
        let warnings = match (&primary, &backup) {
            (Ok(_), Err(error)) => vec![format!("the copy at the disk's end can't be used: {error}")],
            (Err(error), Ok(_)) => vec![format!("the table in front can't be used: {error}")],
            _ => Vec::new(),
        };
        let pieces = [&primary, &backup]
            .into_iter()
            .filter_map(|copy| copy.as_ref().ok())
            .flat_map(|(header, entries)| kept(disk, header, entries));
        let pieces = pieces.collect::<Result<Vec<_>>>()?;
        match primary.or(backup) {
            Ok((header, entries)) => {
                return Ok(Some(PartitionTable {
                    kind: TableKind::Gpt {
                        disk: header.disk,
                        is_hybrid,
                    },
                    disk_len_bytes,
                    sector_bytes,
                    partitions: partitions(&header, &entries)?,
                    pieces,
                    warnings,
                }));
            }
            Err(error) if sector_bytes == SECTORS_BYTES[0] => failure = error,
            Err(_) => {}
        }
    }
    Err(failure)
}

/// Whether the MBR says that there is a GPT, and if so whether it lists partitions besides.
fn is_protected<S: DiskSource + ?Sized>(disk: &S, disk_len_bytes: u64) -> Result<Option<bool>> {
    if disk_len_bytes < mbr::SECTOR_BYTES * 3 {
        return Ok(None);
    }
    let record = source::read(disk, 0, mbr::SECTOR_BYTES as usize)?;
    let entries = mbr::entries(&record).unwrap_or_default();
    let is_protective = |entry: &mbr::Entry| entry.code == mbr::PROTECTIVE;
    Ok(entries
        .iter()
        .any(is_protective)
        .then(|| !entries.iter().all(is_protective)))
}

/// The bytes of one copy on the disk: its header's sector and its entries.
fn kept<S: DiskSource + ?Sized>(disk: &S, header: &Header, entries: &[u8]) -> [Result<TablePiece>; 2] {
    let offset_bytes = header.own_sector * header.sector_bytes;
    let own = source::read(disk, offset_bytes, header.sector_bytes as usize);
    [
        own.map(|bytes| TablePiece { offset_bytes, bytes }),
        Ok(TablePiece {
            offset_bytes: header.entries_sector * header.sector_bytes,
            bytes: entries.to_vec(),
        }),
    ]
}

/// Reads a header and its entries, and checks both.
fn read_copy<S: DiskSource + ?Sized>(
    disk: &S,
    disk_len_bytes: u64,
    sector_bytes: u64,
    sector: u64,
) -> Result<(Header, Vec<u8>)> {
    let offset_bytes = sector.saturating_mul(sector_bytes);
    let damaged = |reason: &str| Error::damaged(STRUCTURE, offset_bytes, reason);
    let fits = |at: u64, len: u64| at.checked_add(len).is_some_and(|end| end <= disk_len_bytes);
    if !fits(offset_bytes, sector_bytes) {
        return Err(damaged("it lies beyond the end of the disk"));
    }
    let bytes = source::read(disk, offset_bytes, sector_bytes as usize)?;
    let header = Header::parse(&bytes, sector_bytes).map_err(damaged)?;
    if header.own_sector != sector {
        return Err(damaged("it says that it lies elsewhere"));
    }
    let entries_at = header.entries_sector.saturating_mul(sector_bytes);
    let entries_bytes = u64::from(header.entries) * u64::from(header.entry_bytes);
    if entries_bytes > MAX_ENTRIES_BYTES || !fits(entries_at, entries_bytes) {
        return Err(damaged(
            "its entries lie beyond the end of the disk, or are too many",
        ));
    }
    // At most 1 MiB, as was just checked.
    let entries = source::read(disk, entries_at, entries_bytes as usize)?;
    if CRC.checksum(&entries) != header.entries_crc {
        return Err(damaged("the checksum of its entries is wrong"));
    }
    Ok((header, entries))
}

impl Header {
    fn parse(bytes: &[u8], sector_bytes: u64) -> Result<Self, &'static str> {
        if bytes[..8] != MAGIC[..] {
            return Err("it has no signature");
        }
        let size = u32_at(bytes, 12) as usize;
        if !(HEADER_BYTES..=bytes.len()).contains(&size) {
            return Err("its size is impossible");
        }
        let mut header = bytes[..size].to_vec();
        header[16..20].fill(0);
        if CRC.checksum(&header) != u32_at(bytes, 16) {
            return Err("its checksum is wrong");
        }
        let entry_bytes = u32_at(bytes, 84);
        if entry_bytes < 128 || !entry_bytes.is_power_of_two() {
            return Err("the size of its entries is impossible");
        }
        Ok(Self {
            sector_bytes,
            own_sector: u64_at(bytes, 24),
            other_sector: u64_at(bytes, 32),
            usable: u64_at(bytes, 40)..=u64_at(bytes, 48),
            disk: guid_at(bytes, 56),
            entries_sector: u64_at(bytes, 72),
            entries: u32_at(bytes, 80),
            entry_bytes,
            entries_crc: u32_at(bytes, 88),
        })
    }
}

/// A table for a disk of another size: its copy at the end is at the new end.
pub(super) struct Resized {
    /// Headers and entries, to be written over what was kept.
    pub pieces: Vec<TablePiece>,
    /// What of the disk's end the copy takes.
    pub behind_bytes: u64,
}

/// Makes the table fit another size of the disk.
pub(super) fn resized<S: DiskSource + ?Sized>(
    disk: &S,
    disk_len_bytes: u64,
    new_len_bytes: u64,
    sector_bytes: u64,
    growth: Growth,
) -> Result<Resized> {
    let primary = read_copy(disk, disk_len_bytes, sector_bytes, 1);
    let last = (disk_len_bytes / sector_bytes).saturating_sub(1);
    let (header, mut entries) = primary.or_else(|_| read_copy(disk, disk_len_bytes, sector_bytes, last))?;
    let kept = source::read(disk, header.own_sector * sector_bytes, sector_bytes as usize)?;
    let entries_sectors = (entries.len() as u64).div_ceil(sector_bytes);
    let behind_sectors = entries_sectors + 1;
    let new_last = (new_len_bytes / sector_bytes)
        .checked_sub(1)
        .filter(|last| *last > header.usable.start().saturating_add(behind_sectors))
        .ok_or(Error::TooSmall {
            len_bytes: new_len_bytes,
            needed_bytes: (header.usable.start().saturating_add(behind_sectors + 2))
                .saturating_mul(sector_bytes),
        })?;
    let last_usable = new_last - behind_sectors;
    if growth == Growth::LastPartition {
        grow_last(
            &mut entries,
            header.entry_bytes as usize,
            last_usable,
            sector_bytes,
        );
    }
    // The front copy's entries are where they always are, behind the header, unless the kept header is the front's own.
    let front_entries = if header.own_sector == 1 {
        header.entries_sector
    } else {
        2
    };
    let describe = |own: u64, other: u64, entries_sector: u64| {
        let mut bytes = kept.clone();
        let size = (u32_at(&bytes, 12) as usize).min(bytes.len());
        bytes[24..32].copy_from_slice(&own.to_le_bytes());
        bytes[32..40].copy_from_slice(&other.to_le_bytes());
        bytes[48..56].copy_from_slice(&last_usable.to_le_bytes());
        bytes[72..80].copy_from_slice(&entries_sector.to_le_bytes());
        bytes[88..92].copy_from_slice(&CRC.checksum(&entries).to_le_bytes());
        bytes[16..20].fill(0);
        let sum = CRC.checksum(&bytes[..size]);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        bytes
    };
    let piece = |sector: u64, bytes: Vec<u8>| TablePiece {
        offset_bytes: sector * sector_bytes,
        bytes,
    };
    let back_entries = new_last - entries_sectors;
    Ok(Resized {
        pieces: vec![
            piece(1, describe(1, new_last, front_entries)),
            piece(front_entries, entries.clone()),
            piece(back_entries, entries.clone()),
            piece(new_last, describe(new_last, 1, back_entries)),
        ],
        behind_bytes: behind_sectors * sector_bytes,
    })
}

/// Lets the partition that ends last end with the last usable sector, down to a whole MiB.
fn grow_last(entries: &mut [u8], entry_bytes: usize, last_usable: u64, sector_bytes: u64) {
    let aligned = (1 << 20) / sector_bytes;
    let end = (last_usable + 1) / aligned * aligned;
    let used = entries
        .chunks_exact_mut(entry_bytes)
        .filter(|entry| !guid_at(entry, 0).is_nil());
    if let Some(entry) = used.max_by_key(|entry| u64_at(entry, 40))
        && end > u64_at(entry, 40) + 1
    {
        entry[40..48].copy_from_slice(&(end - 1).to_le_bytes());
    }
}

fn partitions(header: &Header, entries: &[u8]) -> Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for (index, entry) in entries.chunks_exact(header.entry_bytes as usize).enumerate() {
        let code = guid_at(entry, 0);
        if code.is_nil() {
            continue;
        }
        let (first, last) = (u64_at(entry, 32), u64_at(entry, 40));
        if first > last || !header.usable.contains(&first) || !header.usable.contains(&last) {
            return Err(Error::damaged(
                STRUCTURE,
                header.own_sector * header.sector_bytes,
                format!("partition {} lies outside of the usable sectors", index + 1),
            ));
        }
        let bytes = |sectors: u64| {
            sectors.checked_mul(header.sector_bytes).ok_or(Error::Misplaced {
                offset_bytes: u64::MAX,
            })
        };
        partitions.push(Partition {
            number: index as u32 + 1,
            kind: PartitionKind::Gpt {
                code,
                id: guid_at(entry, 16),
                attributes: u64_at(entry, 48),
                label: label(&entry[56..128]),
            },
            start_bytes: bytes(first)?,
            len_bytes: bytes(last - first + 1)?,
        });
    }
    Ok(partitions)
}

fn label(bytes: &[u8]) -> String {
    let units = (0..bytes.len() / 2).map(|at| u16_at(bytes, at * 2));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}
