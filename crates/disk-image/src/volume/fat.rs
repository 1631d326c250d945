//! FAT12, FAT16 and FAT32 (Microsoft, "FAT: General Overview of On-Disk Format", and ECMA-107): a table with an entry a cluster.
//!
//! ```text
//! offset  size  field of the boot sector       offset    size  field
//! 11      2     bytes a sector                 36        4     sectors a table, FAT32
//! 13      1     sectors a cluster              40        2     flags, FAT32
//! 14      2     reserved sectors               44        4     first cluster of the root, FAT32
//! 16      1     tables                         37 | 65   1     state: 1 is dirty
//! 17      2     entries of the root, FAT12/16  39 | 67   4     serial number
//! 19      2     sectors, if they are few       510       2     55 AA
//! 21      1     media
//! 22      2     sectors a table, FAT12/16
//! 32      4     sectors
//! ```
//! The higher offsets are those of FAT32. The second entry of the table has bits that are set when all is in order. A cluster is in use
//! if any of the tables says so; FSInfo has only counts and is not asked.

use super::ranges::Ranges;
use super::reader::{PIECE_BYTES, Reader};
use super::signs::damaged;
use super::{Condition, FileSystem, Volume};
use crate::source::{u16_at, u32_at};
use crate::{Error, Result};

const STRUCTURE: &str = "FAT boot sector";
const TABLE: &str = "FAT";
const DIRECTORY_ENTRY_BYTES: u64 = 32;
/// Below this many clusters it is FAT12, and below that FAT16, unless the fields are those of FAT32.
const MIN_FAT16_CLUSTERS: u64 = 4085;
/// A multiple of the sizes of all entries: pieces of a table begin with an entry.
const TABLE_PIECE_BYTES: u64 = PIECE_BYTES / 3 / 4 * 3 * 4;

/// A boot sector whose fields fit each other and the volume.
#[derive(Debug)]
pub struct Boot {
    /// Which of the three.
    pub kind: FileSystem,
    /// The size of a cluster.
    pub cluster_bytes: u64,
    /// How many there are; the first has number 2.
    pub clusters: u64,
    len_bytes: u64,
    tables: u64,
    /// Where the first table lies.
    pub tables_at: u64,
    table_bytes: u64,
    /// Where the root directory lies; of a FAT32 its first cluster.
    pub root_at: u64,
    /// How much of it lies there.
    pub root_bytes: u64,
    /// The first cluster of a FAT32's root directory; 0 of the others.
    pub root_cluster: u64,
    data_at: u64,
    is_dirty: bool,
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let boot = Boot::parse(&bytes, reader.len_bytes());
    let is_fat32 = u16_at(&bytes, 22) == 0;
    let serial = u32_at(&bytes, if is_fat32 { 67 } else { 39 });
    let mut volume = Volume {
        file_system: if is_fat32 {
            FileSystem::Fat32
        } else {
            FileSystem::Fat16
        },
        label: String::new(),
        id: format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff),
        len_bytes: 0,
        block_bytes: 0,
        condition: Condition::Unknown,
    };
    match boot.and_then(|boot| boot.describe(reader, &mut volume)) {
        Ok(()) => {}
        error => volume.condition = Condition::of(error, Condition::Unknown),
    }
    Ok(Some(volume))
}

/// The boot sector's bytes, if its fields are such as only a FAT has.
fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(0, 512)?;
    Ok(bytes.filter(|bytes| {
        let sector_bytes = u16_at(bytes, 11);
        let has_tables = matches!(bytes[16], 1..=4) && (u16_at(bytes, 22) != 0 || u32_at(bytes, 36) != 0);
        let has_sectors = u16_at(bytes, 19) != 0 || u32_at(bytes, 32) != 0;
        matches!(bytes[0], 0xeb | 0xe9 | 0x49)
            && u16_at(bytes, 510) == 0xaa55
            && sector_bytes.is_power_of_two()
            && (512..=4096).contains(&sector_bytes)
            && bytes[13].is_power_of_two()
            && u16_at(bytes, 14) != 0
            && matches!(bytes[21], 0xf0 | 0xf8..)
            && has_tables
            && has_sectors
    }))
}

impl Boot {
    /// Reads the boot sector.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is none, or contradicts itself or the volume.
    pub fn read(reader: &Reader) -> Result<Self> {
        let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, 0, "it is gone"))?;
        Self::parse(&bytes, reader.len_bytes())
    }

    /// Parses bytes that look like a boot sector.
    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, 0, reason);
        let of = |few: u16, many: u32| if few == 0 { u64::from(many) } else { u64::from(few) };
        let is_fat32 = u16_at(bytes, 22) == 0;
        let sector_bytes = u64::from(u16_at(bytes, 11));
        let cluster_bytes = sector_bytes * u64::from(bytes[13]);
        let len_bytes = of(u16_at(bytes, 19), u32_at(bytes, 32)) * sector_bytes;
        let tables_at = u64::from(u16_at(bytes, 14)) * sector_bytes;
        let table_bytes = of(u16_at(bytes, 22), u32_at(bytes, 36)) * sector_bytes;
        let tables = u64::from(bytes[16]);
        let root_at = tables_at + tables * table_bytes;
        let root_bytes = u64::from(u16_at(bytes, 17)) * DIRECTORY_ENTRY_BYTES;
        let data_at = root_at + root_bytes.next_multiple_of(sector_bytes);
        if len_bytes > volume_len_bytes {
            return fail("the file system is larger than the volume");
        }
        if data_at >= len_bytes {
            return fail("its tables don't fit");
        }
        let clusters = (len_bytes - data_at) / cluster_bytes;
        let kind = match clusters {
            _ if is_fat32 => FileSystem::Fat32,
            ..MIN_FAT16_CLUSTERS => FileSystem::Fat12,
            _ => FileSystem::Fat16,
        };
        let entries = table_bytes * 8 / entry_bits(kind);
        let mut boot = Self {
            kind,
            cluster_bytes,
            // Clusters without an entry can't be used.
            clusters: clusters.min(entries.saturating_sub(2)),
            len_bytes,
            tables,
            tables_at,
            table_bytes,
            root_at,
            root_bytes,
            root_cluster: 0,
            data_at,
            is_dirty: bytes[if is_fat32 { 65 } else { 37 }] & 1 != 0,
        };
        if is_fat32 {
            let root = u64::from(u32_at(bytes, 44));
            if !(2..boot.clusters + 2).contains(&root) {
                return fail("its root directory lies beyond the end");
            }
            boot.root_cluster = root;
            (boot.root_at, boot.root_bytes) = (boot.cluster_at(root), cluster_bytes);
        }
        Ok(boot)
    }

    fn describe(&self, reader: &Reader, volume: &mut Volume) -> Result<()> {
        volume.file_system = self.kind;
        volume.len_bytes = self.len_bytes;
        volume.block_bytes = self.cluster_bytes as u32;
        volume.label = self.label(reader)?;
        let is_clean = self.is_clean(reader)?;
        volume.condition = if is_clean {
            Condition::Clean
        } else {
            Condition::Dirty
        };
        Ok(())
    }

    /// Where a cluster lies that is one.
    pub fn cluster_at(&self, cluster: u64) -> u64 {
        self.data_at + (cluster - 2) * self.cluster_bytes
    }

    /// The label is an entry of the root directory. A FAT32's is sought in the first cluster.
    fn label(&self, reader: &Reader) -> Result<String> {
        const LABEL: u8 = 0x08;
        const LABEL_OR_DIRECTORY: u8 = 0x18;
        const LONG_NAME: u8 = 0x0f;
        const DELETED: u8 = 0xe5;
        let directory = reader.read("FAT root directory", self.root_at, self.root_bytes)?;
        let entries = directory.chunks_exact(DIRECTORY_ENTRY_BYTES as usize);
        let label = entries.take_while(|entry| entry[0] != 0).find(|entry| {
            entry[0] != DELETED && entry[11] & 0x3f != LONG_NAME && entry[11] & LABEL_OR_DIRECTORY == LABEL
        });
        Ok(label
            .map(|entry| super::reader::text(&entry[..11]))
            .unwrap_or_default())
    }

    /// As the boot sector and the second entry of the first table say.
    fn is_clean(&self, reader: &Reader) -> Result<bool> {
        let (clean_and_sound, entry_at) = match self.kind {
            FileSystem::Fat32 => (0x0c00_0000, 4),
            FileSystem::Fat16 => (0xc000, 2),
            _ => return Ok(!self.is_dirty),
        };
        let start = reader.read(TABLE, self.tables_at, 8)?;
        Ok(!self.is_dirty && u32_at(&start, entry_at) & clean_and_sound == clean_and_sound)
    }

    /// Tells whether an entry of a piece of the table says that its cluster has content. Bad clusters have none.
    fn has_content(&self, piece: &[u8], entry: u64) -> bool {
        let entry = entry as usize;
        match self.kind {
            FileSystem::Fat32 => !matches!(u32_at(piece, entry * 4) & 0x0fff_ffff, 0 | 0x0fff_fff7),
            FileSystem::Fat16 => !matches!(u16_at(piece, entry * 2), 0 | 0xfff7),
            _ => {
                let both = u16_at(piece, entry * 3 / 2);
                let half = if entry.is_multiple_of(2) {
                    both & 0xfff
                } else {
                    both >> 4
                };
                !matches!(half, 0 | 0xff7)
            }
        }
    }

    fn add_clusters(&self, reader: &Reader, ranges: &mut Ranges) -> Result<()> {
        let bits = entry_bits(self.kind);
        let entries = self.clusters + 2;
        let per_piece = TABLE_PIECE_BYTES * 8 / bits;
        for first in (0..entries).step_by(per_piece as usize) {
            let count = per_piece.min(entries - first);
            let from = first * bits / 8;
            let len = (count * bits).div_ceil(8);
            let mut pieces = Vec::new();
            for table in 0..self.tables {
                let at = self.tables_at + table * self.table_bytes + from;
                pieces.push(reader.read(TABLE, at, len)?);
            }
            // The first two entries have no cluster.
            for entry in 2_u64.saturating_sub(first)..count {
                if pieces.iter().any(|piece| self.has_content(piece, entry)) {
                    ranges.add_len(self.cluster_at(first + entry), self.cluster_bytes);
                }
            }
        }
        Ok(())
    }
}

/// The size of an entry of the table.
pub fn entry_bits(kind: FileSystem) -> u64 {
    match kind {
        FileSystem::Fat32 => 32,
        FileSystem::Fat16 => 16,
        _ => 12,
    }
}

/// Everything in front of the clusters, those that are in use, and what is behind them.
pub(super) fn used(reader: &Reader) -> Result<Ranges> {
    let boot = Boot::read(reader)?;
    if !boot.is_clean(reader)? {
        return Err(Error::untrusted("the FAT is in use or was not unmounted"));
    }
    let mut ranges = Ranges::within(reader.len_bytes());
    ranges.add(0..boot.data_at);
    ranges.add_len(boot.root_at, boot.root_bytes);
    ranges.add(boot.cluster_at(boot.clusters + 2)..reader.len_bytes());
    boot.add_clusters(reader, &mut ranges)?;
    Ok(ranges)
}
