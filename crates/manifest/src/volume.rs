//! Hashes of volumes: of what is not zero, so that a large and mostly empty volume costs what it holds.
//!
//! A volume is cut into blocks of [`BLOCK_BYTES`]. The hash of a block is that of [`content`](crate::content), or
//! [`ZEROS`] if all of its bytes are zero. [`GROUP_BLOCKS`] blocks, the last group perhaps fewer, are a group; its hash is
//! BLAKE3 of its blocks' hashes one after the other, and a group of zero blocks has none. The volume hash is BLAKE3 in its
//! mode for deriving keys, with the context [`CONTEXT`], over the volume's size (u64) and then, for each group that has a hash
//! and in order, the group's number (u64) and that hash; little endian.
//!
//! **Block lists** are the hashes of all blocks of a volume, 32 bytes each, in order; as files they have holes where the
//! volume has none.

use blake3::Hasher;

use crate::content::{BLOCK_BYTES, BlockHash, ContentHash, block_count, hash_block};

/// What tells volume hashes from all other hashes.
pub const CONTEXT: &str = "Perennial 2026-11 volume hash 1";
/// Blocks of a group.
pub const GROUP_BLOCKS: u64 = 1024;
/// Bytes of a group.
pub const GROUP_BYTES: u64 = GROUP_BLOCKS * BLOCK_BYTES;
/// The hash of a block without anything but zeros.
pub const ZEROS: BlockHash = BlockHash([0; 32]);
/// Length of a block hash in a block list.
pub const HASH_BYTES: u64 = 32;

/// Hashes the block `index` of a volume; [`ZEROS`] if it is all zeros.
///
/// # Panics
/// As [`hash_block`].
pub fn hash_volume_block(index: u64, bytes: &[u8]) -> BlockHash {
    if is_zero(bytes) {
        ZEROS
    } else {
        hash_block(index, bytes)
    }
}

/// Whether all bytes are zero.
pub fn is_zero(bytes: &[u8]) -> bool {
    // Most blocks that are not zero show it at once; the comparison with itself, shifted, is as fast as memory.
    match bytes.first() {
        None => true,
        Some(0) => bytes[..bytes.len() - 1] == bytes[1..],
        Some(_) => false,
    }
}

/// The number of groups of a volume of this size.
pub fn group_count(size: u64) -> u64 {
    block_count(size).div_ceil(GROUP_BLOCKS)
}

/// The blocks of a group.
pub fn blocks_of_group(size: u64, group: u64) -> std::ops::Range<u64> {
    let start = group.saturating_mul(GROUP_BLOCKS);
    let count = block_count(size);
    start.min(count)..start.saturating_add(GROUP_BLOCKS).min(count)
}

/// The hash of a group from those of all its blocks; `None` if all are [`ZEROS`].
pub fn hash_group(blocks: &[BlockHash]) -> Option<[u8; 32]> {
    if blocks.iter().all(|block| *block == ZEROS) {
        return None;
    }
    let mut hasher = Hasher::new();
    blocks.iter().for_each(|block| {
        hasher.update(&block.0);
    });
    Some(*hasher.finalize().as_bytes())
}

/// Puts the hashes of groups together.
#[derive(Debug)]
pub struct VolumeHasher {
    hasher: Hasher,
    next_group: u64,
}

impl VolumeHasher {
    /// Begins a volume of this size.
    pub fn new(size: u64) -> Self {
        let mut hasher = Hasher::new_derive_key(CONTEXT);
        hasher.update(&size.to_le_bytes());
        Self {
            hasher,
            next_group: 0,
        }
    }

    /// Adds a group that is not all zeros.
    ///
    /// # Panics
    /// If it does not follow the one before.
    pub fn add(&mut self, group: u64, hash: &[u8; 32]) {
        assert!(group >= self.next_group, "groups are added in order");
        self.next_group = group + 1;
        self.hasher.update(&group.to_le_bytes());
        self.hasher.update(hash);
    }

    /// The volume's hash.
    pub fn finish(self) -> ContentHash {
        ContentHash(*self.hasher.finalize().as_bytes())
    }
}

/// The hash of a volume from the hashes of all its blocks.
pub fn hash_volume(size: u64, blocks: &[BlockHash]) -> ContentHash {
    let mut hasher = VolumeHasher::new(size);
    for (group, blocks) in (0..).zip(blocks.chunks(GROUP_BLOCKS as usize)) {
        if let Some(hash) = hash_group(blocks) {
            hasher.add(group, &hash);
        }
    }
    hasher.finish()
}

/// Hashes a volume that comes from its begin to its end; what is known to be zero costs nothing.
#[derive(Debug)]
pub struct StreamHasher {
    /// The block that is being filled.
    block: Vec<u8>,
    /// The hashes of the group's blocks so far.
    group: Vec<BlockHash>,
    /// Groups that are done.
    groups: Vec<(u64, [u8; 32])>,
    /// Blocks that are done.
    blocks: u64,
}

impl Default for StreamHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl StreamHasher {
    /// Creates a hasher that has seen nothing.
    pub fn new() -> Self {
        Self {
            block: Vec::new(),
            group: Vec::new(),
            groups: Vec::new(),
            blocks: 0,
        }
    }

    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.blocks * BLOCK_BYTES + self.block.len() as u64
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        const BLOCK: usize = BLOCK_BYTES as usize;
        while !bytes.is_empty() {
            if self.block.is_empty() && bytes.len() >= BLOCK {
                let (now, later) = bytes.split_at(BLOCK);
                self.close(hash_volume_block(self.blocks, now));
                bytes = later;
                continue;
            }
            let (now, later) = bytes.split_at((BLOCK - self.block.len()).min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == BLOCK {
                self.close_block();
            }
        }
    }

    /// Takes so many zeros.
    pub fn zeros(&mut self, len_bytes: u64) {
        let mut rest = len_bytes;
        if !self.block.is_empty() {
            let now = (BLOCK_BYTES - self.block.len() as u64).min(rest);
            self.block.resize(self.block.len() + now as usize, 0);
            rest -= now;
            if self.block.len() as u64 == BLOCK_BYTES {
                self.close_block();
            }
        }
        while rest >= BLOCK_BYTES {
            let whole = rest / BLOCK_BYTES / GROUP_BLOCKS * GROUP_BLOCKS;
            if self.group.is_empty() && whole > 0 {
                self.blocks += whole;
                rest -= whole * BLOCK_BYTES;
            } else {
                self.close(ZEROS);
                rest -= BLOCK_BYTES;
            }
        }
        self.block.resize(self.block.len() + rest as usize, 0);
    }

    /// Ends the volume: its size and hash.
    pub fn finish(mut self) -> (u64, ContentHash) {
        let size = self.size();
        if !self.block.is_empty() {
            self.close_block();
        }
        self.close_group();
        let mut hasher = VolumeHasher::new(size);
        for (group, hash) in &self.groups {
            hasher.add(*group, hash);
        }
        (size, hasher.finish())
    }

    fn close_block(&mut self) {
        let hash = hash_volume_block(self.blocks, &self.block);
        self.block.clear();
        self.close(hash);
    }

    fn close(&mut self, hash: BlockHash) {
        self.group.push(hash);
        self.blocks += 1;
        if self.group.len() as u64 == GROUP_BLOCKS {
            self.close_group();
        }
    }

    fn close_group(&mut self) {
        if let Some(hash) = hash_group(&self.group) {
            let group = (self.blocks - self.group.len() as u64) / GROUP_BLOCKS;
            self.groups.push((group, hash));
        }
        self.group.clear();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::*;

    #[test]
    fn zeros_cost_nothing_and_places_count() {
        let block = vec![7; BLOCK_BYTES as usize];
        assert_eq!(hash_volume_block(3, &vec![0; BLOCK_BYTES as usize]), ZEROS);
        assert_ne!(hash_volume_block(0, &block), hash_volume_block(1, &block));
        let mut almost = vec![0; BLOCK_BYTES as usize];
        *almost.last_mut().unwrap() = 1;
        assert!(!is_zero(&almost) && is_zero(&[]) && is_zero(&[0]) && !is_zero(&[1]));
        let size = GROUP_BYTES * 2;
        let mut blocks = vec![ZEROS; 2 * GROUP_BLOCKS as usize];
        let empty = hash_volume(size, &blocks);
        blocks[1500] = hash_volume_block(1500, &block);
        let mut by_group = VolumeHasher::new(size);
        by_group.add(1, &hash_group(&blocks[1024..]).unwrap());
        assert_eq!(hash_volume(size, &blocks), by_group.finish());
        assert_ne!(hash_volume(size, &blocks), empty);
        assert_ne!(hash_volume(size + 512, &blocks), hash_volume(size, &blocks));
    }

    #[test]
    fn the_last_group_may_be_short() {
        let size = GROUP_BYTES + BLOCK_BYTES + 512;
        assert_eq!(group_count(size), 2);
        assert_eq!(blocks_of_group(size, 0), 0..1024);
        assert_eq!(blocks_of_group(size, 1), 1024..1026);
        assert!(blocks_of_group(size, 7).is_empty());
    }

    #[test]
    fn a_stream_gives_the_same_however_it_is_cut() {
        let size = GROUP_BYTES * 3 + 5 * BLOCK_BYTES + 700;
        let mut data = vec![0u8; 3 * BLOCK_BYTES as usize];
        data.iter_mut().step_by(997).for_each(|byte| *byte = 5);
        let places = [
            0,
            BLOCK_BYTES - 100,
            2 * GROUP_BYTES - BLOCK_BYTES + 1,
            size - data.len() as u64,
        ];
        for at in places {
            let mut blocks = vec![ZEROS; block_count(size) as usize];
            for index in at / BLOCK_BYTES..(at + data.len() as u64).div_ceil(BLOCK_BYTES) {
                let start = index * BLOCK_BYTES;
                let bytes: Vec<u8> = (start..(start + BLOCK_BYTES).min(size))
                    .map(|byte| {
                        byte.checked_sub(at)
                            .and_then(|byte| data.get(byte as usize))
                            .copied()
                    })
                    .map(Option::unwrap_or_default)
                    .collect();
                blocks[index as usize] = hash_volume_block(index, &bytes);
            }
            for cut in [7000, BLOCK_BYTES as usize, data.len()] {
                let mut stream = StreamHasher::new();
                stream.zeros(at);
                data.chunks(cut).for_each(|bytes| stream.update(bytes));
                stream.zeros(size - at - data.len() as u64);
                assert_eq!(stream.finish(), (size, hash_volume(size, &blocks)), "{at} {cut}");
            }
        }
    }

    #[test]
    fn the_hash_of_a_volume_is_frozen() {
        let block = vec![7; BLOCK_BYTES as usize];
        let hash = hash_volume(2 * BLOCK_BYTES, &[ZEROS, hash_volume_block(1, &block)]);
        assert_eq!(
            hash.to_string(),
            "ddc09b17fa70ac1e15a715d0de69a2b29cad84f41da14995fc34e1c30a1053f2"
        );
    }
}
