//! Where inodes lie: in the table of their group.

use super::groups::DescriptorBlocks;
use super::{AT_BYTES, STRUCTURE, Superblock, raw};
use crate::volume::reader::Reader;
use crate::{Error, Result};

const TABLE: &str = "ext inode table";
const MIN_INODE_BYTES: u64 = 128;

/// Finds inodes; keeps the descriptors that were read last.
#[derive(Default)]
pub struct Inodes {
    descriptors: DescriptorBlocks,
}

impl Superblock {
    /// Reads the superblock. Whether it was left in order is not asked.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is none, or contradicts itself or the volume.
    pub fn read(reader: &Reader) -> Result<Self> {
        let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, AT_BYTES, "it is gone"))?;
        Self::parse(&bytes, reader.len_bytes())
    }
}

impl Inodes {
    /// Reads an inode.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is none of that number, or the way to it is damaged.
    pub fn read(&mut self, reader: &Reader, superblock: &Superblock, number: u64) -> Result<Vec<u8>> {
        let inode_bytes = superblock.inode_bytes;
        let fail = |reason: &str| Err(Error::damaged(TABLE, 0, format!("inode {number}: {reason}")));
        if !inode_bytes.is_power_of_two()
            || !(MIN_INODE_BYTES..=superblock.block_bytes).contains(&inode_bytes)
        {
            return fail("the size of inodes is impossible");
        }
        let place = number.checked_sub(1).filter(|_| superblock.inodes_per_group > 0);
        let Some(place) = place.filter(|place| place / superblock.inodes_per_group < superblock.groups())
        else {
            return fail("there is none of that number");
        };
        let group = place / superblock.inodes_per_group;
        let descriptor = self.descriptors.descriptor(reader, superblock, group)?;
        let within = place % superblock.inodes_per_group * inode_bytes;
        if descriptor.inode_table >= superblock.blocks {
            return fail("its table lies beyond the end");
        }
        reader.read(
            TABLE,
            descriptor.inode_table * superblock.block_bytes + within,
            inode_bytes,
        )
    }
}
