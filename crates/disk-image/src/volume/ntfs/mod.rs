//! NTFS (structures as in Windows Internals and in ntfs-3g's `layout.h`): one bitmap of clusters, in a file of its own.
//!
//! The boot sector:
//! ```text
//! offset  size  field
//! 3       8     "NTFS    "
//! 11      2     bytes a sector
//! 13      1     sectors a cluster; above 0x80 the negative of a power of two
//! 40      8     sectors; one more, the last, has a copy of this one
//! 48      8     first cluster of the master file table (MFT)
//! 56      8     first cluster of the copy of its first records
//! 64      1     clusters a record; below zero the negative of a power of two in bytes
//! 72      8     serial number
//! ```
//! Records with fixed numbers: 0 the MFT itself, 2 the log, 3 the volume's label and flags, 5 the root directory, 6 the bitmap.

mod data;
pub mod index;
mod mft;
mod omitted;
mod record;

pub use data::{Data, Run};
pub use mft::{Mft, RECORD_MASK};
pub use record::{AttributeKind, Record};

use super::bits;
use super::ranges::Ranges;
use super::reader::{PIECE_BYTES, Reader};
use super::signs::damaged;
use super::{Choice, Condition, FileSystem, LeaveOut, Volume};
use crate::source::{u16_at, u32_at, u64_at};
use crate::{Error, Result};

const STRUCTURE: &str = "NTFS boot sector";
const BITMAP: &str = "NTFS bitmap";
const BOOT_BYTES: u64 = 8 << 10;
const LOG_RECORD: u64 = 2;
const VOLUME_RECORD: u64 = 3;
const BITMAP_RECORD: u64 = 6;
const IS_DIRTY: u16 = 1;

/// A boot sector whose fields fit each other and the volume.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The size of a cluster.
    pub cluster_bytes: u64,
    clusters: u64,
    len_bytes: u64,
    mft_cluster: u64,
    mirror_cluster: u64,
    /// The size of a record.
    pub record_bytes: u64,
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let mut volume = Volume {
        file_system: FileSystem::Ntfs,
        label: String::new(),
        id: format!("{:016X}", u64_at(&bytes, 72)),
        len_bytes: 0,
        block_bytes: 0,
        condition: Condition::Unknown,
    };
    if let Err(error) = describe(reader, &bytes, &mut volume) {
        volume.condition = Condition::of(Err(error), Condition::Unknown);
    }
    Ok(Some(volume))
}

fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(0, 512)?;
    Ok(bytes.filter(|bytes| &bytes[3..11] == b"NTFS    "))
}

fn describe(reader: &Reader, bytes: &[u8], volume: &mut Volume) -> Result<()> {
    let boot = Boot::parse(bytes, reader.len_bytes())?;
    volume.len_bytes = boot.len_bytes;
    volume.block_bytes = boot.cluster_bytes as u32;
    let mft = Mft::open(reader, &boot)?;
    let record = mft.record(VOLUME_RECORD)?;
    if let Some(name) = record.resident(AttributeKind::VolumeName)? {
        let units: Vec<u16> = name.chunks_exact(2).map(|unit| u16_at(unit, 0)).collect();
        volume.label = String::from_utf16_lossy(&units);
    }
    let is_clean = is_volume_clean(&record)? && is_log_clean(&mft)?;
    volume.condition = if is_clean {
        Condition::Clean
    } else {
        Condition::Dirty
    };
    Ok(())
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

    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, 0, reason);
        let sector_bytes = u64::from(u16_at(bytes, 11));
        let sectors_per_cluster = match bytes[13] {
            count @ 0..=0x80 => u64::from(count),
            power => 1 << (256 - u32::from(power)).min(31),
        };
        let cluster_bytes = sector_bytes * sectors_per_cluster;
        let is_possible = sector_bytes.is_power_of_two() && cluster_bytes.is_power_of_two();
        if !is_possible || !(256..=4096).contains(&sector_bytes) || cluster_bytes > 2 << 20 {
            return fail("the size of its clusters is impossible");
        }
        let record_bytes = match bytes[64] as i8 {
            count @ 0.. => count as u64 * cluster_bytes,
            power => 1 << u32::from(power.unsigned_abs()).min(31),
        };
        if !record_bytes.is_power_of_two() || !(512..=4096).contains(&record_bytes) {
            return fail("the size of its records is impossible");
        }
        let boot = Self {
            cluster_bytes,
            clusters: u64_at(bytes, 40) / sectors_per_cluster,
            len_bytes: u64_at(bytes, 40).saturating_mul(sector_bytes),
            mft_cluster: u64_at(bytes, 48),
            mirror_cluster: u64_at(bytes, 56),
            record_bytes,
        };
        if boot.len_bytes > volume_len_bytes {
            return fail("the file system is larger than the volume");
        }
        if boot.mft_cluster >= boot.clusters || boot.mirror_cluster >= boot.clusters {
            return fail("its tables lie beyond the end");
        }
        Ok(boot)
    }
}

/// The bitmap's clusters, and what a volume can't do without.
pub(super) fn used(reader: &Reader, leave_out: LeaveOut) -> Result<Ranges> {
    let mft = Mft::open(reader, &Boot::read(reader)?)?;
    let boot = mft.boot().clone();
    if !is_volume_clean(&mft.record(VOLUME_RECORD)?)? {
        return Err(Error::untrusted("the NTFS is marked to be checked"));
    }
    if !is_log_clean(&mft)? {
        let reason = "the NTFS is in use, hibernated or was not unmounted: its log is not finished";
        return Err(Error::untrusted(reason));
    }
    let bitmap = mft.data(&mft.record(BITMAP_RECORD)?, AttributeKind::Data, &[])?;
    let bitmap = bitmap.ok_or_else(|| Error::damaged(BITMAP, 0, "it has no content"))?;
    let mut ranges = Ranges::within(reader.len_bytes());
    ranges.add(0..BOOT_BYTES);
    ranges.add_len(boot.mirror_cluster * boot.cluster_bytes, boot.record_bytes * 4);
    // What is no whole cluster, the copy of the boot sector, and what lies behind.
    ranges.add(boot.clusters * boot.cluster_bytes..reader.len_bytes());
    add_bitmap(&mft, &bitmap, &mut ranges)?;
    check_bitmap(&mft, &bitmap)?;
    if leave_out.swap == Choice::Omit || leave_out.hibernation == Choice::Omit {
        ranges.remove(omitted::ranges(&mft, leave_out)?);
    }
    Ok(ranges)
}

fn add_bitmap(mft: &Mft, bitmap: &Data, ranges: &mut Ranges) -> Result<()> {
    let boot = mft.boot();
    let len_bytes = boot.clusters.div_ceil(8);
    if bitmap.written_bytes() < len_bytes {
        return damaged(BITMAP, 0, "it is too short");
    }
    for at in (0..len_bytes).step_by(PIECE_BYTES as usize) {
        let piece = bitmap.read(mft.reader(), boot, at, PIECE_BYTES.min(len_bytes - at))?;
        let first = at * 8;
        bits::each_run(&piece, boot.clusters - first, |run| {
            ranges.add((first + run.start) * boot.cluster_bytes..(first + run.end) * boot.cluster_bytes);
        });
    }
    Ok(())
}

/// A bitmap that takes the file system's own tables for free is none.
fn check_bitmap(mft: &Mft, bitmap: &Data) -> Result<()> {
    let boot = mft.boot();
    let own = mft.clusters().chain(bitmap.clusters()).map(|run| run.start);
    for cluster in own.chain([0, boot.mirror_cluster]) {
        let byte = bitmap.read(mft.reader(), boot, cluster / 8, 1)?;
        if !bits::is_set(&byte, cluster % 8) {
            let reason = format!("it takes cluster {cluster} of the tables for free");
            return damaged(BITMAP, 0, reason);
        }
    }
    Ok(())
}

fn is_volume_clean(record: &Record) -> Result<bool> {
    let information = record.resident(AttributeKind::VolumeInformation)?;
    match information.filter(|information| information.len() >= 12) {
        Some(information) => Ok(u16_at(information, 10) & IS_DIRTY == 0),
        None => damaged("NTFS volume record", 0, "it has no flags"),
    }
}

/// The log is clean when it is empty (all bits set), has no client, or was closed as clean (`logfile.h` of ntfs-3g). A restart
/// page: 0 "RSTR", 16 size of a page (u32), 24 offset of the restart area (u16); in that 0 LSN (u64), 12 first client (u16),
/// 14 flags (u16): 2 is clean. There are two, of which the later counts.
fn is_log_clean(mft: &Mft) -> Result<bool> {
    const NO_CLIENT: u16 = 0xffff;
    const CLOSED_CLEAN: u16 = 2;
    let Some(log) = mft.data(&mft.record(LOG_RECORD)?, AttributeKind::Data, &[])? else {
        return Ok(false);
    };
    let mut at = 0;
    let mut latest: Option<(u64, bool)> = None;
    for _ in 0..2 {
        let page = log.read(mft.reader(), mft.boot(), at, 512)?;
        if at == 0 && page.iter().all(|byte| *byte == 0xff) {
            return Ok(true);
        }
        let area = usize::from(u16_at(&page, 24));
        // Below the last two bytes of the sector, which are kept elsewhere.
        if &page[..4] == b"RSTR" && area + 16 <= 510 {
            let is_clean =
                u16_at(&page, area + 12) == NO_CLIENT || u16_at(&page, area + 14) & CLOSED_CLEAN != 0;
            let this = (u64_at(&page, area), is_clean);
            latest = latest.max(Some(this));
        }
        let page_bytes = u64::from(u32_at(&page, 16));
        if !page_bytes.is_power_of_two() || !(512..=64 << 10).contains(&page_bytes) {
            return Ok(false);
        }
        at = page_bytes;
    }
    Ok(latest.is_some_and(|(_, is_clean)| is_clean))
}
