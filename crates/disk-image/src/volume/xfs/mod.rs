//! XFS ("XFS Algorithms & Data Structures", 3rd edition): allocation groups (AG), each with a B+tree of what is free.
//!
//! The superblock, at the volume's start, big endian like all of XFS:
//! ```text
//! offset  size  field                          offset  size  field
//! 0       4     "XFSB"                         102     2     bytes a sector
//! 4       4     bytes a block                  108     12    label
//! 8       8     blocks                         120     1     log2 of the bytes a block
//! 32      16    UUID                           124     1     log2 of the blocks an AG, rounded up
//! 48      8     first block of the log         126     1     not 0 while it is being made
//! 84      4     blocks an AG                   212     4     features, read-only compatible
//! 88      4     AGs                            216     4     features, incompatible
//! 96      4     blocks of the log              224     4     checksum, little endian
//! 100     2     version, low four bits: 4 or 5
//! ```
//! Block numbers within the volume have the AG in their upper bits, above as many as an AG needs.

mod free;
mod log;
mod log_items;

use super::checksum::crc32c;
use super::ranges::Ranges;
use super::reader::{Reader, be16_at, be32_at, be64_at, text, uuid_text};
use super::signs::damaged;
use super::{Condition, FileSystem, Stillness, Volume};
use crate::source::u32_at;
use crate::{Error, Result};
use log::LogState;

const STRUCTURE: &str = "XFS superblock";
const CHECKSUM_AT: usize = 224;
/// Free inodes, reverse mapping, reflinks, counts of inode trees.
const RO_KNOWN: u32 = 0xf;
/// All but what needs a repair and zoned devices, up to the tree of metadata.
const INCOMPAT_KNOWN: u32 = 0x1ef;
const INCOMPAT_NEEDS_REPAIR: u32 = 0x10;

/// Whether structures have checksums and say where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V4,
    V5,
}

/// A superblock whose fields fit each other and the volume.
#[derive(Debug)]
struct Superblock {
    version: Version,
    block_bytes: u64,
    sector_bytes: u64,
    blocks: u64,
    group_blocks: u64,
    groups: u64,
    group_bits: u32,
    log_start: u64,
    log_blocks: u64,
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let mut volume = Volume {
        file_system: FileSystem::Xfs,
        label: text(&bytes[108..120]),
        id: uuid_text(&bytes[32..48]),
        len_bytes: 0,
        block_bytes: 0,
        condition: Condition::Unknown,
    };
    let described = Superblock::read(reader, &bytes).and_then(|superblock| {
        volume.len_bytes = superblock.blocks * superblock.block_bytes;
        volume.block_bytes = superblock.block_bytes as u32;
        volume.condition = match log::state(reader, &superblock)? {
            LogState::Clean => Condition::Clean,
            LogState::Dirty | LogState::Elsewhere => Condition::Dirty,
        };
        Ok(())
    });
    if described.is_err() {
        volume.condition = Condition::of(described, Condition::Unknown);
    }
    Ok(Some(volume))
}

/// Everything but what the groups' trees call free.
pub(super) fn used(reader: &Reader, stillness: Stillness) -> Result<Ranges> {
    let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, 0, "it is gone"))?;
    let superblock = Superblock::read(reader, &bytes)?;
    match log::state(reader, &superblock)? {
        LogState::Clean => {}
        // A freeze leaves a record in the log on purpose, so that files which are open and have no name are removed by the next mount.
        LogState::Dirty if stillness == Stillness::Frozen => {}
        LogState::Dirty => {
            let reason = "the XFS is in use or was not unmounted: its log is to be replayed";
            return Err(Error::untrusted(reason));
        }
        LogState::Elsewhere => {
            let reason = "the log of the XFS lies on another device and can't be read";
            return Err(Error::untrusted(reason));
        }
    }
    let mut ranges = Ranges::within(reader.len_bytes());
    for group in 0..superblock.groups {
        free::add_used(reader, &superblock, group, &mut ranges)?;
    }
    ranges.add(superblock.blocks * superblock.block_bytes..reader.len_bytes());
    Ok(ranges)
}

fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(0, 512)?;
    Ok(bytes.filter(|bytes| &bytes[..4] == b"XFSB"))
}

impl Superblock {
    fn read(reader: &Reader, bytes: &[u8]) -> Result<Self> {
        let superblock = Self::parse(bytes, reader.len_bytes())?;
        if superblock.version == Version::V5 {
            let sector = reader.read(STRUCTURE, 0, superblock.sector_bytes)?;
            if !is_intact(&sector, CHECKSUM_AT) {
                return damaged(STRUCTURE, 0, "its checksum is wrong");
            }
            check_features(bytes)?;
        }
        Ok(superblock)
    }

    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, 0, reason);
        let version = match be16_at(bytes, 100) & 0xf {
            4 => Version::V4,
            5 => Version::V5,
            _ => return fail("its version is not known"),
        };
        let superblock = Self {
            version,
            block_bytes: be32_at(bytes, 4).into(),
            sector_bytes: be16_at(bytes, 102).into(),
            blocks: be64_at(bytes, 8),
            group_blocks: be32_at(bytes, 84).into(),
            groups: be32_at(bytes, 88).into(),
            group_bits: bytes[124].into(),
            log_start: be64_at(bytes, 48),
            log_blocks: be32_at(bytes, 96).into(),
        };
        let is_size = |len: u64, most: u64| len.is_power_of_two() && (512..=most).contains(&len);
        if !is_size(superblock.block_bytes, 64 << 10) || !is_size(superblock.sector_bytes, 32 << 10) {
            return fail("the size of its blocks is impossible");
        }
        if superblock.group_blocks == 0
            || superblock.group_blocks * superblock.block_bytes < superblock.sector_bytes * 4
            || superblock.groups != superblock.blocks.div_ceil(superblock.group_blocks)
            || 1_u64.checked_shl(superblock.group_bits) != Some(superblock.group_blocks.next_power_of_two())
        {
            return fail("its groups make no sense");
        }
        let len_bytes = superblock.blocks.checked_mul(superblock.block_bytes);
        if len_bytes.is_none_or(|len_bytes| len_bytes > volume_len_bytes) {
            return fail("the file system is larger than the volume");
        }
        if bytes[126] != 0 {
            return fail("it was never finished");
        }
        Ok(superblock)
    }

    fn group_start_bytes(&self, group: u64) -> u64 {
        group * self.group_blocks * self.block_bytes
    }

    /// Blocks of a group, the last of which may be smaller.
    fn group_len_blocks(&self, group: u64) -> u64 {
        self.group_blocks.min(self.blocks - group * self.group_blocks)
    }
}

fn check_features(bytes: &[u8]) -> Result<()> {
    let (ro_compat, incompat) = (be32_at(bytes, 212), be32_at(bytes, 216));
    if incompat & INCOMPAT_NEEDS_REPAIR != 0 {
        return Err(Error::untrusted("the XFS is marked to be repaired"));
    }
    if ro_compat & !RO_KNOWN != 0 || incompat & !INCOMPAT_KNOWN != 0 {
        return Err(Error::untrusted("the XFS has features that are not known"));
    }
    Ok(())
}

/// Whether a structure has the checksum that it says, taken with its field zero.
fn is_intact(bytes: &[u8], checksum_at: usize) -> bool {
    let behind = checksum_at + 4;
    crc32c(&[&bytes[..checksum_at], &[0; 4], &bytes[behind..]]) == u32_at(bytes, checksum_at)
}
