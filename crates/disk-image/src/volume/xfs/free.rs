//! What is free in an allocation group: the B+tree of free extents by block number.
//!
//! ```text
//! AG free space header (second sector)     block of the tree
//! 0    4  "XAGF"                           0   4  "ABTB", with checksums "AB3B"
//! 8    4  number of the AG                 4   2  level; leaves have 0
//! 12   4  its blocks                       6   2  records
//! 16   4  root of the tree                 12  4  right sibling; all bits set: none
//! 28   4  levels of the tree               16  8  own place in sectors of 512 (with checksums)
//! 52   4  free blocks                      48  4  number of the AG (with checksums)
//! 216  4  checksum                         52  4  checksum
//! ```
//! Records are a first block and a count, 4 bytes each. Nodes have as many keys as fit with the pointers behind them. Blocks in the
//! list that the tree itself is fed from are called used.

use super::super::ranges::Ranges;
use super::super::reader::{Reader, be16_at, be32_at, be64_at};
use super::{Superblock, Version, is_intact};
use crate::{Error, Result};

const HEADER: &str = "XFS free space header";
const TREE: &str = "XFS free space tree";
const NONE: u32 = u32::MAX;
const MAX_LEVELS: u32 = 9;
const RECORD_BYTES: usize = 8;
const POINTER_BYTES: usize = 4;

/// A group whose header was checked.
struct Group<'a> {
    superblock: &'a Superblock,
    number: u64,
    start_bytes: u64,
    blocks: u64,
    root: u32,
    levels: u32,
    free_blocks: u64,
}

/// Adds what the tree of a group does not call free.
pub(super) fn add_used(
    reader: &Reader,
    superblock: &Superblock,
    number: u64,
    ranges: &mut Ranges,
) -> Result<()> {
    let group = Group::read(reader, superblock, number)?;
    let at = |block: u64| group.start_bytes + block * superblock.block_bytes;
    let mut free_blocks = 0;
    // Behind the last free extent.
    let mut end = 0;
    let mut leaf = group.first_leaf(reader)?;
    loop {
        for record in leaf.records() {
            let (start, count) = (u64::from(be32_at(record, 0)), u64::from(be32_at(record, 4)));
            if start <= end || count == 0 || start + count > group.blocks {
                return Err(leaf.fail("its extents overlap or lie outside of their group"));
            }
            ranges.add(at(end)..at(start));
            end = start + count;
            free_blocks += count;
        }
        // Every leaf has a record, and they ascend, so that this ends.
        match leaf.right_sibling() {
            NONE => break,
            _ if leaf.count == 0 => return Err(leaf.fail("it has an empty leaf")),
            right => leaf = group.block(reader, right, 0)?,
        }
    }
    ranges.add(at(end)..at(group.blocks));
    if free_blocks != group.free_blocks {
        return Err(leaf.fail("it has not as many free blocks as its group says"));
    }
    Ok(())
}

impl<'a> Group<'a> {
    fn read(reader: &Reader, superblock: &'a Superblock, number: u64) -> Result<Self> {
        let start_bytes = superblock.group_start_bytes(number);
        let at = start_bytes + superblock.sector_bytes;
        let header = reader.read(HEADER, at, superblock.sector_bytes)?;
        let blocks = superblock.group_len_blocks(number);
        let fail = |reason: &str| Err(Error::damaged(HEADER, at, reason));
        if &header[..4] != b"XAGF" || u64::from(be32_at(&header, 8)) != number {
            return fail("it is another's");
        }
        if superblock.version == Version::V5 && !is_intact(&header, 216) {
            return fail("its checksum is wrong");
        }
        let levels = be32_at(&header, 28);
        if u64::from(be32_at(&header, 12)) != blocks || !(1..=MAX_LEVELS).contains(&levels) {
            return fail("its group has another size, or its tree no possible depth");
        }
        Ok(Self {
            superblock,
            number,
            start_bytes,
            blocks,
            root: be32_at(&header, 16),
            levels,
            free_blocks: be32_at(&header, 52).into(),
        })
    }

    fn first_leaf(&self, reader: &Reader) -> Result<Block> {
        let mut block = self.block(reader, self.root, self.levels - 1)?;
        for level in (0..self.levels - 1).rev() {
            let first = block.first_pointer()?;
            block = self.block(reader, first, level)?;
        }
        Ok(block)
    }

    fn block(&self, reader: &Reader, number: u32, level: u32) -> Result<Block> {
        let at = self.start_bytes + u64::from(number) * self.superblock.block_bytes;
        let fail = |reason: &str| Err(Error::damaged(TREE, at, reason));
        if u64::from(number) >= self.blocks {
            return fail("it leads out of its group");
        }
        let bytes = reader.read(TREE, at, self.superblock.block_bytes)?;
        let (magic, header_bytes) = match self.superblock.version {
            Version::V4 => (b"ABTB", 16),
            Version::V5 => (b"AB3B", 56),
        };
        if &bytes[..4] != magic || u32::from(be16_at(&bytes, 4)) != level {
            return fail("it leads to a block of another kind");
        }
        if self.superblock.version == Version::V5 {
            let is_here = be64_at(&bytes, 16) == at / 512 && u64::from(be32_at(&bytes, 48)) == self.number;
            if !is_here || !is_intact(&bytes, 52) {
                return fail("a checksum is wrong, or a block lies elsewhere than it says");
            }
        }
        let count = usize::from(be16_at(&bytes, 6));
        let item_bytes = RECORD_BYTES + if level > 0 { POINTER_BYTES } else { 0 };
        let most = (bytes.len() - header_bytes) / item_bytes;
        if count > most {
            return fail("a block has more records than it can hold");
        }
        Ok(Block {
            bytes,
            at,
            header_bytes,
            count,
            most,
        })
    }
}

/// A block of the tree that was checked.
struct Block {
    bytes: Vec<u8>,
    at: u64,
    header_bytes: usize,
    count: usize,
    most: usize,
}

impl Block {
    fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes[self.header_bytes..]
            .chunks_exact(RECORD_BYTES)
            .take(self.count)
    }

    fn right_sibling(&self) -> u32 {
        be32_at(&self.bytes, 12)
    }

    fn first_pointer(&self) -> Result<u32> {
        match self.count {
            0 => Err(self.fail("it has an empty node")),
            _ => Ok(be32_at(&self.bytes, self.header_bytes + self.most * RECORD_BYTES)),
        }
    }

    fn fail(&self, reason: &str) -> Error {
        Error::damaged(TREE, self.at, reason)
    }
}
