//! The block groups: their descriptors, their bitmaps, and what is in use although no bitmap says so.
//!
//! A descriptor (`Documentation/filesystems/ext4/group_descr.rst`); the second column is the high half where it has 64 bytes:
//! ```text
//! low   high  size  field
//! 0x00  0x20  4     block of the block bitmap
//! 0x04  0x24  4     block of the inode bitmap
//! 0x08  0x28  4     first block of the inode table
//! 0x0c  0x2c  2     free clusters
//! 0x12        2     flags: 2 is a block bitmap that was never written
//! 0x18  0x38  2     checksum of the block bitmap
//! 0x1e        2     checksum of the descriptor
//! ```

use crc::{CRC_16_ARC, Crc};

use super::super::bits;
use super::super::checksum::crc32c_from;
use super::super::ranges::Ranges;
use super::super::reader::Reader;
use super::{AT_BYTES, Backups, Checksums, LEN_BYTES, STRUCTURE, Superblock, is_clean, raw};
use crate::source::{u16_at, u32_at};
use crate::{Error, Result};

const DESCRIPTOR: &str = "ext group descriptor";
const BITMAP: &str = "ext block bitmap";
const BLOCK_BITMAP_UNINIT: u16 = 2;
/// The kernel's `crc16()` begins with all bits set.
const CRC16: Crc<u16> = Crc::<u16>::new(&crc::Algorithm {
    init: 0xffff,
    ..CRC_16_ARC
});

pub(super) struct Descriptor {
    block_bitmap: u64,
    inode_bitmap: u64,
    pub(super) inode_table: u64,
    free_clusters: u64,
    has_bitmap: bool,
    bitmap_checksum: u32,
}

/// What the bitmaps say, and where they were never written, what must be there.
pub(in crate::volume) fn used(reader: &Reader) -> Result<Ranges> {
    let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, AT_BYTES, "it is gone"))?;
    let superblock = Superblock::parse(&bytes, reader.len_bytes())?;
    if !is_clean(&bytes) {
        return Err(Error::untrusted("the file system is in use or was not unmounted"));
    }
    let mut ranges = Ranges::within(reader.len_bytes());
    ranges.add(0..AT_BYTES + LEN_BYTES);
    ranges.add(0..(superblock.first_data_block + 1) * superblock.block_bytes);
    ranges.add(superblock.blocks * superblock.block_bytes..reader.len_bytes());
    let mut descriptors = DescriptorBlocks::default();
    for group in 0..superblock.groups() {
        let descriptor = descriptors.descriptor(reader, &superblock, group)?;
        superblock.add_metadata(group, &descriptor, &mut ranges)?;
        if descriptor.has_bitmap {
            superblock.add_bitmap(reader, group, &descriptor, &mut ranges)?;
        }
    }
    Ok(ranges)
}

/// The descriptors of one block after the other.
#[derive(Default)]
pub(super) struct DescriptorBlocks {
    number: Option<u64>,
    bytes: Vec<u8>,
}

impl DescriptorBlocks {
    pub(super) fn descriptor(
        &mut self,
        reader: &Reader,
        superblock: &Superblock,
        group: u64,
    ) -> Result<Descriptor> {
        let per_block = superblock.block_bytes / superblock.descriptor_bytes;
        let number = group / per_block;
        let at = superblock.descriptor_block(number) * superblock.block_bytes;
        if self.number != Some(number) {
            self.bytes = reader.read(DESCRIPTOR, at, superblock.block_bytes)?;
            self.number = Some(number);
        }
        let within = group % per_block * superblock.descriptor_bytes;
        let bytes = &self.bytes[within as usize..][..superblock.descriptor_bytes as usize];
        if !superblock.is_intact(group, bytes) {
            let reason = format!("the checksum of group {group} is wrong");
            return Err(Error::damaged(DESCRIPTOR, at + within, reason));
        }
        Ok(Descriptor::parse(bytes, superblock.checksums))
    }
}

impl Descriptor {
    fn parse(bytes: &[u8], checksums: Checksums) -> Self {
        let is_long = bytes.len() >= 64;
        let block = |low: usize, high: usize| {
            u64::from(u32_at(bytes, low))
                | if is_long {
                    u64::from(u32_at(bytes, high)) << 32
                } else {
                    0
                }
        };
        let half = |low: usize, high: usize| {
            u32::from(u16_at(bytes, low))
                | if is_long {
                    u32::from(u16_at(bytes, high)) << 16
                } else {
                    0
                }
        };
        Self {
            block_bitmap: block(0x00, 0x20),
            inode_bitmap: block(0x04, 0x24),
            inode_table: block(0x08, 0x28),
            free_clusters: half(0x0c, 0x2c).into(),
            // The flag means something only where a checksum guards it.
            has_bitmap: checksums == Checksums::None || u16_at(bytes, 0x12) & BLOCK_BITMAP_UNINIT == 0,
            bitmap_checksum: half(0x18, 0x38),
        }
    }
}

impl Superblock {
    pub(super) fn groups(&self) -> u64 {
        (self.blocks - self.first_data_block).div_ceil(self.blocks_per_group)
    }

    fn group_start(&self, group: u64) -> u64 {
        self.first_data_block + group * self.blocks_per_group
    }

    fn group_blocks(&self, group: u64) -> u64 {
        self.blocks_per_group.min(self.blocks - self.group_start(group))
    }

    /// Where the block of descriptors with a number lies: all in a row behind the superblock, or those of `meta_bg` at the
    /// start of the first group that they describe.
    fn descriptor_block(&self, number: u64) -> u64 {
        let superblock = AT_BYTES / self.block_bytes;
        if self.first_meta_group.is_none_or(|first| number < first) {
            return superblock + 1 + number;
        }
        let group = number * (self.block_bytes / self.descriptor_bytes);
        self.meta_descriptor_block(group)
    }

    /// The first block of a group behind its superblock, if it has one.
    fn meta_descriptor_block(&self, group: u64) -> u64 {
        self.group_start(group) + u64::from(self.has_superblock(group)) + self.boot_blocks(group)
    }

    /// With blocks of 1 KiB that begin to count at the boot block, the first group's superblock is its second.
    fn boot_blocks(&self, group: u64) -> u64 {
        u64::from(group == 0 && self.block_bytes == 1024 && self.first_data_block == 0)
    }

    fn has_superblock(&self, group: u64) -> bool {
        match self.backups {
            _ if group == 0 => true,
            Backups::All => true,
            Backups::Two(groups) => groups.contains(&group),
            Backups::PowersOf357 => group == 1 || [3, 5, 7].iter().any(|base| is_power(group, *base)),
        }
    }

    fn is_intact(&self, group: u64, bytes: &[u8]) -> bool {
        let number = (group as u32).to_le_bytes();
        let stored = u16_at(bytes, 0x1e);
        match self.checksums {
            Checksums::None => true,
            Checksums::Crc16 => {
                let mut digest = CRC16.digest();
                digest.update(&self.uuid);
                digest.update(&number);
                digest.update(&bytes[..0x1e]);
                digest.update(&bytes[0x20..]);
                digest.finalize() == stored
            }
            Checksums::Crc32c { seed } => {
                crc32c_from(seed, &[&number, &bytes[..0x1e], &[0, 0], &bytes[0x20..]]) as u16 == stored
            }
        }
    }

    /// What is in use in or by a group whatever its bitmap says.
    fn add_metadata(&self, group: u64, descriptor: &Descriptor, ranges: &mut Ranges) -> Result<()> {
        let mut add = |block: u64, blocks: u64| {
            if block.checked_add(blocks).is_none_or(|end| end > self.blocks) {
                let reason = format!("group {group} has blocks beyond the end");
                return Err(Error::damaged(DESCRIPTOR, 0, reason));
            }
            ranges.add_len(block * self.block_bytes, blocks * self.block_bytes);
            Ok(())
        };
        add(descriptor.block_bitmap, 1)?;
        add(descriptor.inode_bitmap, 1)?;
        add(descriptor.inode_table, self.inode_table_blocks)?;
        // What does not fit into a last, short group is not there.
        let (start, room) = (self.group_start(group), self.group_blocks(group));
        let per_block = self.block_bytes / self.descriptor_bytes;
        let first_meta_group = self.first_meta_group.map(|first| first.saturating_mul(per_block));
        if first_meta_group.is_some_and(|first| group >= first) {
            if self.has_superblock(group) {
                add(start, 1)?;
            }
            // Each meta group has its descriptors thrice: in its first, second and last group.
            if [0, 1, per_block - 1].contains(&(group % per_block)) {
                let block = self.meta_descriptor_block(group);
                add(block, 1.min((start + room).saturating_sub(block)))?;
            }
        } else if self.has_superblock(group) {
            let in_row = self.groups().div_ceil(per_block);
            let in_row = self.first_meta_group.map_or(in_row, |first| in_row.min(first));
            let blocks = self.boot_blocks(group) + 1 + in_row + self.reserved_descriptor_blocks;
            add(start, blocks.min(room))?;
        }
        Ok(())
    }

    fn add_bitmap(
        &self,
        reader: &Reader,
        group: u64,
        descriptor: &Descriptor,
        ranges: &mut Ranges,
    ) -> Result<()> {
        let at = descriptor.block_bitmap * self.block_bytes;
        let fail = |reason: String| Err(Error::damaged(BITMAP, at, reason));
        let bitmap = reader.read(BITMAP, at, self.clusters_per_group / 8)?;
        if let Checksums::Crc32c { seed } = self.checksums {
            let mask = if self.descriptor_bytes >= 64 { !0 } else { 0xffff };
            if crc32c_from(seed, &[&bitmap]) & mask != descriptor.bitmap_checksum {
                return fail(format!("the checksum of group {group} is wrong"));
            }
        }
        let ratio = self.cluster_bytes / self.block_bytes;
        let clusters = self.group_blocks(group).div_ceil(ratio);
        if bits::clear(&bitmap, clusters) != descriptor.free_clusters {
            return fail(format!("group {group} has not as many free blocks as it says"));
        }
        let start = self.group_start(group) * self.block_bytes;
        bits::each_run(&bitmap, clusters, |run| {
            ranges.add(start + run.start * self.cluster_bytes..start + run.end * self.cluster_bytes);
        });
        Ok(())
    }
}

fn is_power(mut number: u64, base: u64) -> bool {
    while number > 1 && number.is_multiple_of(base) {
        number /= base;
    }
    number == 1
}
