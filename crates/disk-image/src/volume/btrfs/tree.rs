//! Nodes of trees, and walking them.
//!
//! ```text
//! offset  size  field of a node            offset  size  field
//! 0x00    32    checksum                   0x60    4     items
//! 0x20    16    UUID                       0x64    1     level; leaves have 0
//! 0x30    8     own address                0x65          leaf: items of key, 17 offset, 21 size; their data at the end
//! 0x50    8     generation                               else: pointers of key, 17 address, 25 generation
//! ```
//! A key: 0 object, 8 type (u8), 9 offset.

use super::Superblock;
use super::chunks::{Chunks, Layout};
use crate::source::{u32_at, u64_at};
use crate::volume::reader::Reader;
use crate::{Error, Result};

const STRUCTURE: &str = "btrfs tree";
const HEADER_BYTES: usize = 0x65;
pub(super) const KEY_BYTES: usize = 17;
const ITEM_BYTES: usize = 25;
const POINTER_BYTES: usize = 33;
const MAX_LEVEL: u8 = 7;

/// Where a tree begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    pub(super) logical: u64,
    pub(super) generation: u64,
    pub(super) level: u8,
}

/// What an item is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) object: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

/// How far a walk came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    All,
    /// A node lies on another device.
    Elsewhere,
}

/// Called with each item of a tree.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Key, &[u8]) -> Result<()>;

/// The nodes on this device.
pub(super) struct Nodes<'a> {
    reader: &'a Reader<'a>,
    superblock: &'a Superblock,
    chunks: &'a Chunks,
}

/// A node that was checked.
struct Node {
    logical: u64,
    bytes: Vec<u8>,
    level: u8,
    count: usize,
}

impl Key {
    /// Parses the first bytes of a slice that has as many.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        Self {
            object: u64_at(bytes, 0),
            kind: bytes[8],
            offset: u64_at(bytes, 9),
        }
    }
}

impl<'a> Nodes<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, superblock: &'a Superblock, chunks: &'a Chunks) -> Self {
        Self {
            reader,
            superblock,
            chunks,
        }
    }

    /// Visits all items of a tree, in order.
    pub(super) fn walk(&self, root: Root, visit: Visit) -> Result<Reach> {
        // As keys must ascend, no leaf is met twice; nor are there more nodes than fit.
        let mut left = self.reader.len_bytes() / self.superblock.node_bytes;
        let mut latest = None;
        let Some(root) = self.node(root)? else {
            return Ok(Reach::Elsewhere);
        };
        let mut path = vec![(root, 0)];
        while let Some((node, next)) = path.last_mut() {
            if node.level == 0 {
                node.visit(&mut latest, visit)?;
                path.pop();
            } else if *next == node.count {
                path.pop();
            } else {
                let (key, child) = node.pointer(*next);
                *next += 1;
                left = left
                    .checked_sub(1)
                    .ok_or_else(|| node.fail("it has too many nodes"))?;
                let Some(child) = self.node(child)? else {
                    return Ok(Reach::Elsewhere);
                };
                if child.first_key() != Some(key) {
                    return Err(child.fail("a node has another key than the pointer to it"));
                }
                path.push((child, 0));
            }
        }
        Ok(Reach::All)
    }

    /// The data of the item with a key. The outer `None` is that it is on another device.
    pub(super) fn find(&self, root: Root, wanted: &Key) -> Result<Option<Option<Vec<u8>>>> {
        let mut at = root;
        loop {
            let Some(node) = self.node(at)? else {
                return Ok(None);
            };
            if node.level == 0 {
                let mut found = None;
                node.visit(&mut None, &mut |key, data| {
                    if key == wanted {
                        found = Some(data.to_vec());
                    }
                    Ok(())
                })?;
                return Ok(Some(found));
            }
            let keys = (0..node.count).take_while(|index| node.pointer(*index).0 <= *wanted);
            let Some(index) = keys.last() else {
                return Ok(Some(None));
            };
            // Levels fall, so that this ends.
            at = node.pointer(index).1;
        }
    }

    /// Reads a node from any place on this device where it is intact.
    fn node(&self, root: Root) -> Result<Option<Node>> {
        let len_bytes = self.superblock.node_bytes;
        let chunk = self.chunks.of(root.logical, len_bytes)?;
        let mut outcome = Ok(None);
        if root.level > MAX_LEVEL {
            return Err(Error::damaged(STRUCTURE, root.logical, "it is too deep"));
        }
        if chunk.layout == Layout::Striped {
            return outcome;
        }
        for place in &chunk.places {
            let bytes = self
                .reader
                .read(STRUCTURE, place + (root.logical - chunk.logical), len_bytes);
            outcome = bytes.and_then(|bytes| Node::parse(self.superblock, root, bytes).map(Some));
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }
}

impl Node {
    fn parse(superblock: &Superblock, root: Root, bytes: Vec<u8>) -> Result<Self> {
        let fail = |reason: &str| Err(Error::damaged(STRUCTURE, root.logical, reason));
        if !superblock.checksums.are_right(&bytes) {
            return fail("the checksum of a node is wrong");
        }
        let is_the_one = bytes[0x20..0x30] == superblock.node_uuid
            && u64_at(&bytes, 0x30) == root.logical
            && u64_at(&bytes, 0x50) == root.generation
            && bytes[0x64] == root.level;
        if !is_the_one {
            return fail("it leads to another node than it says");
        }
        let item_bytes = if root.level == 0 {
            ITEM_BYTES
        } else {
            POINTER_BYTES
        };
        let count = u32_at(&bytes, 0x60) as usize;
        if count > (bytes.len() - HEADER_BYTES) / item_bytes {
            return fail("a node has more items than it can hold");
        }
        Ok(Self {
            logical: root.logical,
            bytes,
            level: root.level,
            count,
        })
    }

    fn first_key(&self) -> Option<Key> {
        (self.count > 0).then(|| Key::parse(&self.bytes[HEADER_BYTES..]))
    }

    fn pointer(&self, index: usize) -> (Key, Root) {
        let bytes = &self.bytes[HEADER_BYTES + index * POINTER_BYTES..];
        let child = Root {
            logical: u64_at(bytes, 17),
            generation: u64_at(bytes, 25),
            // Only nodes above leaves have pointers.
            level: self.level - 1,
        };
        (Key::parse(bytes), child)
    }

    fn visit(&self, latest: &mut Option<Key>, visit: Visit) -> Result<()> {
        let data = &self.bytes[HEADER_BYTES..];
        for item in data.chunks_exact(ITEM_BYTES).take(self.count) {
            let key = Key::parse(item);
            let (from, len) = (u32_at(item, 17) as usize, u32_at(item, 21) as usize);
            let value = from.checked_add(len).and_then(|end| data.get(from..end));
            let value = value.ok_or_else(|| self.fail("an item does not fit into its leaf"))?;
            if latest.is_some_and(|latest| latest >= key) {
                return Err(self.fail("its keys are out of order"));
            }
            *latest = Some(key);
            visit(&key, value)?;
        }
        Ok(())
    }

    fn fail(&self, reason: &str) -> Error {
        Error::damaged(STRUCTURE, self.logical, reason)
    }
}
