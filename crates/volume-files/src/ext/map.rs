//! Where an inode's blocks lie: a tree of extents (`ifork.rst`), or the block map of ext2.
//!
//! A node of the tree has a header and entries, each of 12 bytes:
//! ```text
//! header                 entry of a leaf                  entry above
//! 0  2  0xf30a           0  4  first block of the file    0  4  first block of the file
//! 2  2  entries          4  2  blocks; above 32768, as    4  4  block of the node, low
//! 6  2  depth; 0 is             many less, unwritten      8  2  block of the node, high
//!       a leaf           6  2  block, high
//!                        8  4  block, low
//! ```
//! Nodes may not be visited twice, which the order of their blocks tells, and none but the root may be empty. What lies behind the
//! file's end is left out.

use std::collections::HashSet;

use disk_image::volume::Reader;
use disk_image::volume::ext::Superblock;
use disk_image::{u16_at, u32_at};

use super::inode::Inode;
use crate::Result;

const NODE: &str = "ext extent tree";
const MAP: &str = "ext block map";
const MAGIC: u16 = 0xf30a;
const ENTRY_BYTES: usize = 12;
const MAX_DEPTH: u16 = 5;
const MAX_WRITTEN: u16 = 32768;
const DIRECT: u64 = 12;

/// Blocks of a file that lie in a row.
pub(super) struct Extent {
    /// The first in the file.
    pub(super) first: u64,
    /// How many.
    pub(super) blocks: u64,
    /// The first in the volume; those that were never written have none.
    pub(super) start: Option<u64>,
}

/// Takes one extent after the other.
type EachExtent<'a> = &'a mut dyn FnMut(Extent) -> Result<()>;

/// Calls for each extent, in order; what is between them are holes.
pub(super) fn each_extent(
    reader: &Reader,
    superblock: &Superblock,
    inode: &Inode,
    each: EachExtent<'_>,
) -> Result<()> {
    if inode.has_extents() {
        Tree {
            reader,
            superblock,
            inode,
            next: 0,
        }
        .walk(each)
    } else {
        Map {
            reader,
            superblock,
            inode,
            held: [const { None }; 3],
            met: HashSet::new(),
        }
        .walk(each)
    }
}

struct Tree<'a> {
    reader: &'a Reader<'a>,
    superblock: &'a Superblock,
    inode: &'a Inode,
    /// No extent may begin before it.
    next: u64,
}

/// A node on the way down, and which of its entries comes next.
struct Level {
    node: Vec<u8>,
    depth: u16,
    entry: usize,
}

impl Tree<'_> {
    fn walk(&mut self, each: EachExtent<'_>) -> Result<()> {
        let root = self.inode.block_area().to_vec();
        let depth = u16_at(&root, 6);
        if depth > MAX_DEPTH {
            return Err(self.inode.damaged("its tree of extents is too deep"));
        }
        if u16_at(&root, 0) == MAGIC && u16_at(&root, 2) == 0 {
            return Ok(());
        }
        let blocks = self.inode.len_bytes().div_ceil(self.superblock.block_bytes);
        let mut levels = vec![self.level(root, depth)?];
        while let Some(level) = levels.last_mut() {
            level.entry += 1;
            let at = level.entry * ENTRY_BYTES;
            if level.entry > usize::from(u16_at(&level.node, 2)) {
                levels.pop();
            } else if u64::from(u32_at(&level.node, at)) >= blocks {
                return Ok(());
            } else if level.depth == 0 {
                let entry = level.node[at..at + ENTRY_BYTES].to_vec();
                each(self.extent(&entry)?)?;
            } else {
                let block =
                    u64::from(u32_at(&level.node, at + 4)) | u64::from(u16_at(&level.node, at + 8)) << 32;
                let depth = level.depth - 1;
                levels.push(self.child(block, depth)?);
            }
        }
        Ok(())
    }

    fn child(&self, block: u64, depth: u16) -> Result<Level> {
        if block >= self.superblock.blocks {
            return Err(self.inode.damaged("its tree of extents leads beyond the end"));
        }
        let block_bytes = self.superblock.block_bytes;
        self.level(self.reader.read(NODE, block * block_bytes, block_bytes)?, depth)
    }

    fn level(&self, node: Vec<u8>, depth: u16) -> Result<Level> {
        let entries = usize::from(u16_at(&node, 2));
        let is_node = u16_at(&node, 0) == MAGIC && u16_at(&node, 6) == depth;
        if !is_node || entries == 0 || (entries + 1) * ENTRY_BYTES > node.len() {
            return Err(self.inode.damaged("its tree of extents has a node that is none"));
        }
        Ok(Level {
            node,
            depth,
            entry: 0,
        })
    }

    fn extent(&mut self, entry: &[u8]) -> Result<Extent> {
        let first = u64::from(u32_at(entry, 0));
        let len = u16_at(entry, 4);
        let is_written = len <= MAX_WRITTEN;
        let blocks = u64::from(if is_written { len } else { len - MAX_WRITTEN });
        let start = u64::from(u32_at(entry, 8)) | u64::from(u16_at(entry, 6)) << 32;
        if blocks == 0 || first < self.next {
            return Err(self.inode.damaged("its extents are out of order"));
        }
        if start + blocks > self.superblock.blocks {
            return Err(self.inode.damaged("its extents lead beyond the end"));
        }
        self.next = first + blocks;
        Ok(Extent {
            first,
            blocks,
            start: is_written.then_some(start),
        })
    }
}

struct Map<'a> {
    reader: &'a Reader<'a>,
    superblock: &'a Superblock,
    inode: &'a Inode,
    /// The block of pointers that was read last, by level, and the first block of the file beneath it.
    held: [Option<(u64, Vec<u8>)>; 3],
    /// The blocks of pointers that were read: none may be in two places.
    met: HashSet<u64>,
}

impl Map<'_> {
    fn walk(&mut self, each: EachExtent<'_>) -> Result<()> {
        let blocks = self.inode.len_bytes().div_ceil(self.superblock.block_bytes);
        let mut run: Option<Extent> = None;
        let mut at = 0;
        while at < blocks {
            let (start, span) = self.look(at)?;
            let Some(start) = start else {
                at = at.saturating_add(span);
                continue;
            };
            let follows = |run: &Extent| {
                run.first + run.blocks == at && run.start.is_some_and(|first| first + run.blocks == start)
            };
            match &mut run {
                Some(run) if follows(run) => run.blocks += 1,
                _ => {
                    let next = Extent {
                        first: at,
                        blocks: 1,
                        start: Some(start),
                    };
                    if let Some(done) = run.replace(next) {
                        each(done)?;
                    }
                }
            }
            at += 1;
        }
        run.map_or(Ok(()), each)
    }

    /// Where a block of the file lies; or how many from here on are holes.
    fn look(&mut self, block: u64) -> Result<(Option<u64>, u64)> {
        let per_block = self.superblock.block_bytes / 4;
        if block < DIRECT {
            return Ok((
                self.checked(u32_at(self.inode.block_area(), block as usize * 4))?,
                1,
            ));
        }
        let mut within = block - DIRECT;
        let mut span = 1;
        for height in 0..3 {
            let total = span * per_block;
            if within < total {
                return self.descend(height, block, within, span);
            }
            within -= total;
            span = total;
        }
        Err(self.inode.damaged("it is too long for its block map"))
    }

    /// Goes down from one of the three blocks of pointers, each entry of which spans so many blocks, to a block of the file.
    fn descend(
        &mut self,
        height: usize,
        block: u64,
        mut within: u64,
        mut span: u64,
    ) -> Result<(Option<u64>, u64)> {
        let per_block = self.superblock.block_bytes / 4;
        let mut pointer = u32_at(self.inode.block_area(), (DIRECT as usize + height) * 4);
        let mut whole = span * per_block;
        for level in (0..=height).rev() {
            let Some(pointers) = self.checked(pointer)? else {
                return Ok((None, whole - within));
            };
            pointer = self.pointer(level, block - within, pointers, within / span)?;
            within %= span;
            whole = span;
            span = (span / per_block).max(1);
        }
        Ok((self.checked(pointer)?, 1))
    }

    fn checked(&self, pointer: u32) -> Result<Option<u64>> {
        match u64::from(pointer) {
            0 => Ok(None),
            block if block < self.superblock.blocks => Ok(Some(block)),
            _ => Err(self.inode.damaged("its block map leads beyond the end")),
        }
    }

    fn pointer(&mut self, level: usize, first: u64, block: u64, index: u64) -> Result<u32> {
        let held = &mut self.held[level];
        if held.as_ref().is_none_or(|(held, _)| *held != first) {
            if !self.met.insert(block) {
                return Err(self.inode.damaged("its block map has a block twice"));
            }
            let block_bytes = self.superblock.block_bytes;
            *held = Some((first, self.reader.read(MAP, block * block_bytes, block_bytes)?));
        }
        let bytes = held.as_ref().map_or(&[][..], |(_, bytes)| bytes);
        Ok(u32_at(bytes, index as usize * 4))
    }
}
