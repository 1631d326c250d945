//! ext2, ext3 and ext4 (Linux, `Documentation/filesystems/ext4/`): bitmaps of clusters, one a block group.
//!
//! The superblock lies at 1024 bytes (`super.rst`):
//! ```text
//! offset  size  field                        offset  size  field
//! 0x04    4     blocks, low                  0x64    4     features, read-only compatible
//! 0x14    4     first data block             0x68    16    UUID
//! 0x18    4     log2(block) - 10             0x78    16    label
//! 0x1c    4     log2(cluster) - 10           0xce    2     reserved blocks for descriptors
//! 0x20    4     blocks a group               0xfe    2     size of a descriptor (64bit)
//! 0x24    4     clusters a group             0x104   4     first group of meta_bg
//! 0x28    4     inodes a group               0x150   4     blocks, high
//! 0x38    2     0xef53                       0x175   1     kind of checksum: 1 is CRC-32C
//! 0x3a    2     state: 1 clean, 2 errors     0x24c   2*4   groups with backups (sparse_super2)
//! 0x4c    4     revision                     0x270   4     seed of checksums
//! 0x58    2     size of an inode             0x3fc   4     checksum
//! 0x5c    4     features, compatible
//! 0x60    4     features, incompatible
//! ```

mod groups;
mod inodes;

pub(super) use groups::used;
pub use inodes::Inodes;

use super::checksum::crc32c_from;
use super::reader::{Reader, text, uuid_text};
use super::signs::damaged;
use super::{Condition, FileSystem, Volume};
use crate::Result;
use crate::source::{u16_at, u32_at};

const STRUCTURE: &str = "ext superblock";
const AT_BYTES: u64 = 1024;
const LEN_BYTES: u64 = 1024;
const MAGIC: u16 = 0xef53;

const COMPAT_JOURNAL: u32 = 0x4;
const COMPAT_SPARSE_SUPER2: u32 = 0x200;
const INCOMPAT_ENTRY_TYPES: u32 = 0x2;
const INCOMPAT_RECOVER: u32 = 0x4;
const INCOMPAT_JOURNAL_DEVICE: u32 = 0x8;
const INCOMPAT_META_BG: u32 = 0x10;
const INCOMPAT_64BIT: u32 = 0x80;
const INCOMPAT_CSUM_SEED: u32 = 0x2000;
/// All that the kernel knows: compression, which ext4 never had, is not among them.
const INCOMPAT_KNOWN: u32 = 0x3_f7de;
/// What ext2 and ext3 have.
const INCOMPAT_OLD: u32 = 0x16;
const RO_SPARSE_SUPER: u32 = 0x1;
const RO_OLD: u32 = 0x7;
const RO_GROUP_CRC16: u32 = 0x10;
const RO_BIGALLOC: u32 = 0x200;
const RO_CHECKSUMS: u32 = 0x400;
/// Snapshots (0x80) and replicas (0x800) never came to be.
const RO_KNOWN: u32 = 0x1_f77f;

/// How descriptors and bitmaps are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checksums {
    None,
    /// Descriptors only (`uninit_bg`).
    Crc16,
    /// Everything.
    Crc32c {
        seed: u32,
    },
}

/// A superblock whose fields fit each other and the volume.
#[derive(Debug)]
pub struct Superblock {
    /// The size of a block.
    pub block_bytes: u64,
    cluster_bytes: u64,
    /// How many there are; all fit into the volume.
    pub blocks: u64,
    first_data_block: u64,
    blocks_per_group: u64,
    clusters_per_group: u64,
    inode_table_blocks: u64,
    inodes_per_group: u64,
    /// The size of an inode.
    pub inode_bytes: u64,
    /// Whether directory entries tell the type of what they lead to.
    pub has_entry_types: bool,
    descriptor_bytes: u64,
    reserved_descriptor_blocks: u64,
    first_meta_group: Option<u64>,
    backups: Backups,
    checksums: Checksums,
    uuid: [u8; 16],
}

/// Which groups have a copy of the superblock.
#[derive(Debug)]
enum Backups {
    All,
    PowersOf357,
    Two([u64; 2]),
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let superblock = Superblock::parse(&bytes, reader.len_bytes());
    let file_system = kind(&bytes);
    let condition = match () {
        () if file_system == FileSystem::ExtJournal => Condition::Unknown,
        () if is_clean(&bytes) => Condition::Clean,
        () => Condition::Dirty,
    };
    let (len_bytes, block_bytes, condition) = match superblock {
        Ok(superblock) => (
            superblock.blocks * superblock.block_bytes,
            superblock.block_bytes as u32,
            condition,
        ),
        Err(_) if file_system == FileSystem::ExtJournal => (0, 0, condition),
        Err(error) => (0, 0, Condition::of(Err(error), condition)),
    };
    Ok(Some(Volume {
        file_system,
        label: text(&bytes[0x78..0x88]),
        id: uuid_text(&bytes[0x68..0x78]),
        len_bytes,
        block_bytes,
        condition,
    }))
}

/// The superblock's bytes, if it is one.
fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(AT_BYTES, LEN_BYTES)?;
    Ok(bytes.filter(|bytes| u16_at(bytes, 0x38) == MAGIC))
}

fn kind(bytes: &[u8]) -> FileSystem {
    let [compat, incompat, ro_compat] = features(bytes);
    if incompat & INCOMPAT_JOURNAL_DEVICE != 0 {
        FileSystem::ExtJournal
    } else if incompat & !INCOMPAT_OLD != 0 || ro_compat & !RO_OLD != 0 {
        FileSystem::Ext4
    } else if compat & COMPAT_JOURNAL != 0 {
        FileSystem::Ext3
    } else {
        FileSystem::Ext2
    }
}

fn features(bytes: &[u8]) -> [u32; 3] {
    match u32_at(bytes, 0x4c) {
        // The first revision had none.
        0 => [0; 3],
        _ => [0x5c, 0x60, 0x64].map(|at| u32_at(bytes, at)),
    }
}

/// Unmounted in order: no errors found, no journal to be replayed, which a freeze sees to as well.
fn is_clean(bytes: &[u8]) -> bool {
    let [_, incompat, _] = features(bytes);
    u16_at(bytes, 0x3a) & 3 == 1 && incompat & INCOMPAT_RECOVER == 0
}

impl Superblock {
    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, AT_BYTES, reason);
        let [compat, incompat, ro_compat] = features(bytes);
        let has = |features: u32, feature: u32| features & feature != 0;
        if has(incompat, !INCOMPAT_KNOWN) || has(ro_compat, !RO_KNOWN) {
            return fail("it has features that are not known");
        }
        let checksums = checksums(bytes, incompat, ro_compat)?;
        let (log_block, log_cluster) = (u32_at(bytes, 0x18), u32_at(bytes, 0x1c));
        if log_block > 6 || (has(ro_compat, RO_BIGALLOC) && !(log_block..=20).contains(&log_cluster)) {
            return fail("the size of its blocks is impossible");
        }
        let block_bytes = 1024 << log_block;
        let is_clustered = has(ro_compat, RO_BIGALLOC);
        let cluster_bytes = if is_clustered {
            1024 << log_cluster
        } else {
            block_bytes
        };
        let blocks_per_group = u64::from(u32_at(bytes, 0x20));
        let clusters_per_group = blocks_per_group / (cluster_bytes / block_bytes);
        let is_large = has(incompat, INCOMPAT_64BIT);
        let superblock = Self {
            block_bytes,
            cluster_bytes,
            blocks: u64::from(u32_at(bytes, 0x04))
                | if is_large {
                    u64::from(u32_at(bytes, 0x150)) << 32
                } else {
                    0
                },
            first_data_block: u64::from(u32_at(bytes, 0x14)),
            blocks_per_group,
            clusters_per_group,
            inode_table_blocks: (u64::from(u32_at(bytes, 0x28)) * inode_bytes(bytes)).div_ceil(block_bytes),
            inodes_per_group: u64::from(u32_at(bytes, 0x28)),
            inode_bytes: inode_bytes(bytes),
            has_entry_types: has(incompat, INCOMPAT_ENTRY_TYPES),
            descriptor_bytes: if is_large {
                u64::from(u16_at(bytes, 0xfe))
            } else {
                32
            },
            reserved_descriptor_blocks: u64::from(u16_at(bytes, 0xce)),
            first_meta_group: has(incompat, INCOMPAT_META_BG).then(|| u64::from(u32_at(bytes, 0x104))),
            backups: match () {
                () if has(compat, COMPAT_SPARSE_SUPER2) => {
                    Backups::Two([0x24c, 0x250].map(|at| u64::from(u32_at(bytes, at))))
                }
                () if has(ro_compat, RO_SPARSE_SUPER) => Backups::PowersOf357,
                () => Backups::All,
            },
            checksums,
            uuid: std::array::from_fn(|at| bytes[0x68 + at]),
        };
        superblock.check(volume_len_bytes)?;
        Ok(superblock)
    }

    fn check(&self, volume_len_bytes: u64) -> Result<()> {
        let fail = |reason: &str| damaged(STRUCTURE, AT_BYTES, reason);
        let ratio = self.cluster_bytes / self.block_bytes;
        let is_whole = self.clusters_per_group * ratio == self.blocks_per_group;
        if self.clusters_per_group == 0
            || !is_whole
            || !self.clusters_per_group.is_multiple_of(8)
            || self.clusters_per_group > self.block_bytes * 8
        {
            return fail("the size of its groups is impossible");
        }
        if !matches!(self.descriptor_bytes, 32 | 64..=1024) || !self.descriptor_bytes.is_power_of_two() {
            return fail("the size of its descriptors is impossible");
        }
        if self.first_data_block > 1 || self.first_data_block >= self.blocks {
            return fail("its first block is impossible");
        }
        if self.inode_table_blocks > self.blocks {
            return fail("its inodes don't fit");
        }
        let len_bytes = self.blocks.checked_mul(self.block_bytes);
        if len_bytes.is_none_or(|len_bytes| len_bytes > volume_len_bytes) {
            return fail("the file system is larger than the volume");
        }
        Ok(())
    }
}

fn inode_bytes(bytes: &[u8]) -> u64 {
    match u32_at(bytes, 0x4c) {
        0 => 128,
        _ => u64::from(u16_at(bytes, 0x58)),
    }
}

/// Finds out how structures are protected, and checks the superblock itself.
fn checksums(bytes: &[u8], incompat: u32, ro_compat: u32) -> Result<Checksums> {
    if ro_compat & RO_CHECKSUMS == 0 {
        let has_crc16 = ro_compat & RO_GROUP_CRC16 != 0;
        return Ok(if has_crc16 {
            Checksums::Crc16
        } else {
            Checksums::None
        });
    }
    if bytes[0x175] != 1 {
        return damaged(STRUCTURE, AT_BYTES, "the kind of its checksums is not known");
    }
    if crc32c_from(!0, &[&bytes[..0x3fc]]) != u32_at(bytes, 0x3fc) {
        return damaged(STRUCTURE, AT_BYTES, "its checksum is wrong");
    }
    let seed = if incompat & INCOMPAT_CSUM_SEED != 0 {
        u32_at(bytes, 0x270)
    } else {
        crc32c_from(!0, &[&bytes[0x68..0x78]])
    };
    Ok(Checksums::Crc32c { seed })
}
