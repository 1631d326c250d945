//! exFAT (Microsoft, "exFAT file system specification", 3, 4, 6 and 7.1): a bitmap of clusters that the root directory leads to.
//!
//! ```text
//! offset  size  field of the boot sector       offset  size  field
//! 3       8     "EXFAT   "                     100     4     serial number
//! 72      8     sectors                        106     2     flags: 1 second table, 2 dirty, 4 failures
//! 80      4     first sector of the table      108     1     log2 of the bytes a sector
//! 84      4     sectors of the table           109     1     log2 of the sectors a cluster
//! 88      4     first sector of the clusters   110     1     tables
//! 92      4     clusters                       510     2     55 AA
//! 96      4     first cluster of the root
//! ```
//! Sector 11 has nothing but a checksum of those before it. Directory entries have 32 bytes: 0x81 the bitmap (20 first cluster, 24
//! size), 0x83 the label (1 length, 2 units).

use super::bits;
use super::ranges::Ranges;
use super::reader::{PIECE_BYTES, Reader};
use super::signs::damaged;
use super::{Condition, FileSystem, Volume};
use crate::source::{u16_at, u32_at, u64_at};
use crate::{Error, Result};

const STRUCTURE: &str = "exFAT boot sector";
const ROOT: &str = "exFAT root directory";
const BITMAP: &str = "exFAT bitmap";
/// Directories are no larger than that (7.4).
const MAX_DIRECTORY_BYTES: u64 = 256 << 20;
const CHECKED_SECTORS: u64 = 11;

/// A boot sector whose fields fit each other and the volume.
#[derive(Debug)]
pub struct Boot {
    sector_bytes: u64,
    /// The size of a cluster.
    pub cluster_bytes: u64,
    /// How many there are; the first has number 2.
    pub clusters: u64,
    len_bytes: u64,
    /// Where the table lies.
    pub table_at: u64,
    table_bytes: u64,
    /// Where the first cluster lies.
    pub heap_at: u64,
    /// The first cluster of the root directory.
    pub root: u64,
    is_clean: bool,
}

/// What the root directory says of the volume.
#[derive(Debug, Default)]
struct Root {
    label: String,
    bitmap: Option<(u64, u64)>,
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let serial = u32_at(&bytes, 100);
    let mut volume = Volume {
        file_system: FileSystem::ExFat,
        label: String::new(),
        id: format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff),
        len_bytes: 0,
        block_bytes: 0,
        condition: Condition::Unknown,
    };
    let described = Boot::read(reader, &bytes).and_then(|boot| {
        volume.len_bytes = boot.len_bytes;
        volume.block_bytes = boot.cluster_bytes as u32;
        volume.condition = if boot.is_clean {
            Condition::Clean
        } else {
            Condition::Dirty
        };
        volume.label = boot.root(reader)?.label;
        Ok(())
    });
    if described.is_err() {
        volume.condition = Condition::of(described, Condition::Unknown);
    }
    Ok(Some(volume))
}

fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(0, 512)?;
    Ok(bytes.filter(|bytes| &bytes[3..11] == b"EXFAT   "))
}

impl Boot {
    /// Reads the boot sectors.
    ///
    /// # Errors
    /// [`Error::Damaged`] if they are none, or contradict themselves or the volume.
    pub fn open(reader: &Reader) -> Result<Self> {
        let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, 0, "it is gone"))?;
        Self::read(reader, &bytes)
    }

    fn read(reader: &Reader, bytes: &[u8]) -> Result<Self> {
        let boot = Self::parse(bytes, reader.len_bytes())?;
        boot.check_checksum(reader)?;
        Ok(boot)
    }

    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, 0, reason);
        let (sector_shift, cluster_shift) = (u32::from(bytes[108]), u32::from(bytes[109]));
        if !(9..=12).contains(&sector_shift) || sector_shift + cluster_shift > 25 {
            return fail("the size of its clusters is impossible");
        }
        let flags = u16_at(bytes, 106);
        if bytes[110] != 1 || flags & 1 != 0 {
            return Err(Error::untrusted("exFAT with two tables is not read"));
        }
        let sectors = |at: usize| u64::from(u32_at(bytes, at)) << sector_shift;
        let boot = Self {
            sector_bytes: 1 << sector_shift,
            cluster_bytes: 1 << (sector_shift + cluster_shift),
            clusters: u32_at(bytes, 92).into(),
            len_bytes: u64_at(bytes, 72).saturating_mul(1 << sector_shift),
            table_at: sectors(80),
            table_bytes: sectors(84),
            heap_at: sectors(88),
            root: u32_at(bytes, 96).into(),
            is_clean: flags & 2 == 0,
        };
        if boot.len_bytes > volume_len_bytes {
            return fail("the file system is larger than the volume");
        }
        let has_table = boot.table_at + boot.table_bytes <= boot.heap_at
            && boot.table_at >= boot.sector_bytes * CHECKED_SECTORS
            && boot.table_bytes / 4 >= boot.clusters + 2;
        if !has_table || boot.heap_at + boot.clusters * boot.cluster_bytes > boot.len_bytes {
            return fail("its table or its clusters don't fit");
        }
        Ok(boot)
    }

    /// Each byte but flags and share of used clusters goes into a sum that is rotated before (3.4).
    fn check_checksum(&self, reader: &Reader) -> Result<()> {
        let len_bytes = self.sector_bytes * CHECKED_SECTORS;
        let sectors = reader.read(STRUCTURE, 0, len_bytes + 4)?;
        let (checked, stored) = sectors.split_at(len_bytes as usize);
        let bytes = checked.iter().enumerate();
        let counted = bytes.filter(|(at, _)| !matches!(at, 106 | 107 | 112));
        let sum = counted.fold(0_u32, |sum, (_, byte)| {
            sum.rotate_right(1).wrapping_add(u32::from(*byte))
        });
        if sum != u32_at(stored, 0) {
            return damaged(STRUCTURE, 0, "its checksum is wrong");
        }
        Ok(())
    }

    /// Where a cluster lies, if it is one.
    fn cluster_at(&self, cluster: u64) -> Result<u64> {
        if !(2..self.clusters + 2).contains(&cluster) {
            return damaged("exFAT chain", self.table_at, "it leads beyond the last cluster");
        }
        Ok(self.heap_at + (cluster - 2) * self.cluster_bytes)
    }

    /// The cluster behind another one; `None` behind the last.
    fn next(&self, reader: &Reader, cluster: u64) -> Result<Option<u64>> {
        const END: u32 = u32::MAX;
        let entry = reader.read("exFAT table", self.table_at + cluster * 4, 4)?;
        Ok(Some(u32_at(&entry, 0)).filter(|next| *next != END).map(u64::from))
    }

    fn root(&self, reader: &Reader) -> Result<Root> {
        const END: u8 = 0;
        const BITMAP_ENTRY: u8 = 0x81;
        const LABEL_ENTRY: u8 = 0x83;
        let mut root = Root::default();
        let mut cluster = Some(self.root);
        for _ in 0..self.clusters.min(MAX_DIRECTORY_BYTES / self.cluster_bytes) {
            let Some(this) = cluster else {
                break;
            };
            let at = self.cluster_at(this)?;
            for part in (0..self.cluster_bytes).step_by(PIECE_BYTES as usize) {
                let piece = reader.read(ROOT, at + part, PIECE_BYTES.min(self.cluster_bytes - part))?;
                for entry in piece.chunks_exact(32) {
                    match entry[0] {
                        END => return Ok(root),
                        BITMAP_ENTRY => root.bitmap = Some((u32_at(entry, 20).into(), u64_at(entry, 24))),
                        LABEL_ENTRY => {
                            let units =
                                (0..usize::from(entry[1].min(11))).map(|unit| u16_at(entry, 2 + unit * 2));
                            root.label = String::from_utf16_lossy(&units.collect::<Vec<_>>());
                        }
                        _ => {}
                    }
                }
            }
            cluster = self.next(reader, this)?;
        }
        Ok(root)
    }

    /// Adds what the bitmap says, cluster after cluster of its chain; fails if it takes the root or itself for free.
    fn add_bitmap(&self, reader: &Reader, first: u64, ranges: &mut Ranges) -> Result<()> {
        let len_bytes = self.clusters.div_ceil(8);
        let mut own = vec![self.root];
        let mut missing = 0_u64;
        let mut cluster = Some(first);
        for start in (0..len_bytes).step_by(self.cluster_bytes as usize) {
            let this = cluster.ok_or_else(|| Error::damaged(BITMAP, 0, "its chain is too short"))?;
            let at = self.cluster_at(this)?;
            own.push(this);
            let end = len_bytes.min(start + self.cluster_bytes);
            for from in (start..end).step_by(PIECE_BYTES as usize) {
                let piece = reader.read(BITMAP, at + from - start, PIECE_BYTES.min(end - from))?;
                let first = from * 8;
                bits::each_run(&piece, self.clusters - first, |run| {
                    let at = self.heap_at + (first + run.start) * self.cluster_bytes;
                    ranges.add_len(at, (run.end - run.start) * self.cluster_bytes);
                });
            }
            if end < len_bytes {
                cluster = self.next(reader, this)?;
            }
        }
        for cluster in own {
            let bit = cluster - 2;
            let at = self.cluster_at(first)? + bit / 8;
            // The bitmap of all but huge volumes is in one piece; elsewhere only its first cluster is asked.
            if bit / 8 < self.cluster_bytes {
                let byte = reader.read(BITMAP, at, 1)?;
                missing += u64::from(!bits::is_set(&byte, bit % 8));
            }
        }
        match missing {
            0 => Ok(()),
            _ => damaged(
                BITMAP,
                self.cluster_at(first)?,
                "it takes the file system's own clusters for free",
            ),
        }
    }
}

/// Everything in front of the clusters, those that are in use, and what is behind them.
pub(super) fn used(reader: &Reader) -> Result<Ranges> {
    let boot = Boot::open(reader)?;
    if !boot.is_clean {
        return Err(Error::untrusted("the exFAT is in use or was not unmounted"));
    }
    let root = boot.root(reader)?;
    let bitmap = root
        .bitmap
        .filter(|(_, len_bytes)| *len_bytes >= boot.clusters.div_ceil(8));
    let (first, _) =
        bitmap.ok_or_else(|| Error::damaged(ROOT, 0, "it leads to no bitmap of the right size"))?;
    let mut ranges = Ranges::within(reader.len_bytes());
    ranges.add(0..boot.heap_at);
    ranges.add(boot.heap_at + boot.clusters * boot.cluster_bytes..reader.len_bytes());
    boot.add_bitmap(reader, first, &mut ranges)?;
    Ok(ranges)
}
