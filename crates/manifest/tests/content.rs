//! Block hashes against plain BLAKE3: around every boundary of blocks, and at random.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use manifest::content::{BlockHasher, block_count, hash_block, keeps_block_hashes};
use manifest::{BLOCK_BYTES, BLOCK_HASHES_FROM_BYTES, BlockHash, ContentHash};
use proptest::prelude::*;

fn content(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}

fn check(content: &[u8], piece: usize) {
    let expected = ContentHash(*blake3::hash(content).as_bytes());
    assert_eq!(ContentHash::of(content), expected);
    let mut hasher = BlockHasher::new();
    content.chunks(piece).for_each(|piece| {
        hasher.update(piece);
    });
    let hashed = hasher.finish();
    let size = content.len() as u64;
    assert_eq!(
        (hashed.size, hashed.hash),
        (size, expected),
        "{size} bytes in pieces of {piece}"
    );
    let blocks: Vec<BlockHash> = content
        .chunks(BLOCK_BYTES as usize)
        .enumerate()
        .map(|(index, block)| hash_block(index as u64, block))
        .collect();
    assert_eq!(blocks.len() as u64, block_count(size));
    let kept: &[BlockHash] = if keeps_block_hashes(size) { &blocks } else { &[] };
    assert_eq!(&*hashed.block_hashes, kept);
    let root = ContentHash::from_blocks(size, &blocks);
    assert_eq!(
        root,
        (size > BLOCK_BYTES).then_some(expected),
        "{size} bytes from blocks"
    );
    if !blocks.is_empty() {
        assert_eq!(ContentHash::from_blocks(size, &blocks[1..]), None);
    }
}

#[test]
fn around_boundaries_of_blocks_and_powers_of_two() {
    let content = content(20 * BLOCK_BYTES as usize + 1);
    for blocks in 0..=20 {
        for around in [-1025, -1024, -1, 0, 1, 1023, 1024, 1025] {
            let len = blocks * BLOCK_BYTES as i64 + around;
            if let Some(content) = usize::try_from(len).ok().and_then(|len| content.get(..len)) {
                check(content, 1 << 20);
            }
        }
    }
    for power in 0..=21 {
        for len in [(1 << power) - 1, 1 << power, (1 << power) + 1] {
            check(&content[..len], 30_000);
        }
    }
}

#[test]
fn block_hashes_are_kept_from_one_mebibyte_on() {
    let content = content(BLOCK_HASHES_FROM_BYTES as usize);
    let mut hasher = BlockHasher::new();
    hasher.update(&content);
    assert_eq!(hasher.finish().block_hashes.len(), 8);
    let mut hasher = BlockHasher::new();
    hasher.update(&content[1..]);
    assert!(hasher.finish().block_hashes.is_empty());
}

#[test]
fn a_changed_block_changes_the_whole_as_hashing_anew_does() {
    let mut content = content(3 << 20);
    let mut hasher = BlockHasher::new();
    hasher.update(&content);
    let mut blocks = hasher.finish().block_hashes.to_vec();
    let start = 7 * BLOCK_BYTES as usize;
    content[start + 99] ^= 1;
    blocks[7] = hash_block(7, &content[start..start + BLOCK_BYTES as usize]);
    assert_eq!(
        ContentHash::from_blocks(content.len() as u64, &blocks),
        Some(ContentHash::of(&content))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_size_in_any_pieces(len in 0usize..3_000_000, piece in 1usize..400_000) {
        check(&content(len), piece.max(500));
    }
}
