//! Hashes of content: BLAKE3, and the chaining values of its blocks.
//!
//! BLAKE3 is a tree over chunks of 1 KiB. A block of [`BLOCK_BYTES`] at a multiple of that is one of its
//! subtrees, so that the chaining values of all blocks give the hash of the whole (BLAKE3 specification,
//! section 2.4, and `blake3::hazmat`). A [`BlockHash`] is *always* the chaining value that the block has
//! inside of a larger file. Content of at most one block has no such tree: its [`ContentHash`] is the root
//! itself, which can't be had from a block hash, and it has no block hashes.

use std::fmt;
use std::sync::Arc;

use blake3::Hasher;
use blake3::hazmat::{HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// The unit of difference: a block of a file or volume.
pub const BLOCK_BYTES: u64 = 128 * 1024;
/// Files from this size on carry block hashes in the manifest.
pub const BLOCK_HASHES_FROM_BYTES: u64 = 1 << 20;
/// Files beyond this size carry none: their list would be longer than 64 MiB.
pub const BLOCK_HASHES_UP_TO_BYTES: u64 = 1 << 38;

/// BLAKE3 of a file's whole content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContentHash(pub [u8; 32]);

/// The chaining value of a block at its place in a file of more than one block.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlockHash(pub [u8; 32]);

fn write_hex(bytes: &[u8; 32], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

impl fmt::Display for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, out)
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, out)
    }
}

impl fmt::Display for BlockHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, out)
    }
}

impl fmt::Debug for BlockHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, out)
    }
}

/// The number of blocks of content of this size, the last of them perhaps partial.
pub fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_BYTES)
}

/// Whether the manifest keeps the block hashes of files of this size.
pub fn keeps_block_hashes(size: u64) -> bool {
    (BLOCK_HASHES_FROM_BYTES..=BLOCK_HASHES_UP_TO_BYTES).contains(&size)
}

impl ContentHash {
    /// Stands where a file's content has still to be looked at.
    pub const PENDING: Self = Self([0; 32]);

    /// Hashes content that is in memory.
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// Hashes content of `size` bytes from the hashes of all its blocks.
    ///
    /// `None` where that can't be: there are not as many block hashes as blocks, or there is one block at
    /// most.
    pub fn from_blocks(size: u64, blocks: &[BlockHash]) -> Option<Self> {
        if size <= BLOCK_BYTES || block_count(size) != blocks.len() as u64 {
            return None;
        }
        let mut tree = Tree::default();
        let (last, others) = blocks.split_last()?;
        others.iter().for_each(|block| tree.push(*block));
        Some(tree.root(*last))
    }
}

/// Hashes the block `index` of a file that has more than one.
///
/// # Panics
/// If `bytes` is empty or longer than a block, or the block lies beyond 2^64 bytes.
pub fn hash_block(index: u64, bytes: &[u8]) -> BlockHash {
    assert!(
        !bytes.is_empty() && bytes.len() as u64 <= BLOCK_BYTES,
        "a block has 1 to {BLOCK_BYTES} bytes"
    );
    let mut hasher = block_hasher(index);
    hasher.update(bytes);
    BlockHash(hasher.finalize_non_root())
}

fn block_hasher(index: u64) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(
        index
            .checked_mul(BLOCK_BYTES)
            .expect("blocks lie within 2^64 bytes"),
    );
    hasher
}

/// The subtrees left of the last block, largest first: at most 47.
#[derive(Debug, Default)]
struct Tree {
    subtrees: Vec<[u8; 32]>,
    blocks: u64,
}

impl Tree {
    /// Adds a block that is not the last one.
    fn push(&mut self, block: BlockHash) {
        self.blocks += 1;
        let mut value = block.0;
        // As many subtrees become complete as the count has trailing zeros. None of the merged is the root,
        // since another block follows.
        for _ in 0..self.blocks.trailing_zeros() {
            let left = self.subtrees.pop().expect("a subtree per set bit of the count");
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.subtrees.push(value);
    }

    /// Adds the last block, of which there must be one before.
    fn root(mut self, last: BlockHash) -> ContentHash {
        let mut value = last.0;
        while self.subtrees.len() > 1 {
            let left = self.subtrees.pop().expect("more than one is left");
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        let root = merge_subtrees_root(&self.subtrees[0], &value, Mode::Hash);
        ContentHash(*root.as_bytes())
    }
}

/// What one pass over content gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Bytes hashed.
    pub size: u64,
    /// BLAKE3 of them all.
    pub hash: ContentHash,
    /// As the manifest keeps them: empty unless [`keeps_block_hashes`] of the size.
    pub block_hashes: Arc<[BlockHash]>,
}

/// Hashes content that comes piece by piece, from its begin to its end.
#[derive(Debug)]
pub struct BlockHasher {
    /// Of the block that is being filled; a full one is closed when a byte follows.
    hasher: Hasher,
    filled_bytes: u64,
    tree: Tree,
    blocks: Vec<BlockHash>,
}

impl Default for BlockHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl BlockHasher {
    /// Creates a hasher that has seen nothing.
    pub fn new() -> Self {
        Self {
            hasher: Hasher::new(),
            filled_bytes: 0,
            tree: Tree::default(),
            blocks: Vec::new(),
        }
    }

    /// Takes the next bytes. Pieces of 16 KiB and more are hashed at full speed.
    pub fn update(&mut self, mut bytes: &[u8]) -> &mut Self {
        while !bytes.is_empty() {
            if self.filled_bytes == BLOCK_BYTES {
                self.close_block();
            }
            let room = (BLOCK_BYTES - self.filled_bytes) as usize;
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.hasher.update(now);
            self.filled_bytes += now.len() as u64;
            bytes = later;
        }
        self
    }

    fn close_block(&mut self) {
        let block = BlockHash(self.hasher.finalize_non_root());
        self.tree.push(block);
        if self.tree.blocks < BLOCK_HASHES_UP_TO_BYTES / BLOCK_BYTES {
            self.blocks.push(block);
        } else {
            self.blocks = Vec::new();
        }
        self.hasher = block_hasher(self.tree.blocks);
        self.filled_bytes = 0;
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.tree.blocks * BLOCK_BYTES + self.filled_bytes
    }

    /// The hashes of the blocks that are full, of which another byte follows for each; empty once there are more
    /// than the manifest keeps.
    pub fn full_blocks(&self) -> &[BlockHash] {
        &self.blocks
    }

    /// Ends the content.
    pub fn finish(mut self) -> Hashed {
        let size = self.size();
        if self.tree.blocks == 0 {
            let hash = ContentHash(*self.hasher.finalize().as_bytes());
            return Hashed {
                size,
                hash,
                block_hashes: Arc::default(),
            };
        }
        let last = BlockHash(self.hasher.finalize_non_root());
        let block_hashes = if keeps_block_hashes(size) {
            self.blocks.push(last);
            self.blocks.into()
        } else {
            Arc::default()
        };
        Hashed {
            size,
            hash: self.tree.root(last),
            block_hashes,
        }
    }
}
