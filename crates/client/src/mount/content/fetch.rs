//! A run of blocks of one file on its way: bytes and holes come in, blocks that are proven go into the cache.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use manifest::{BlockHash, ContentHash, content::hash_block};

use super::blocks::{Blocks, Claim, Lack, ZEROS};

/// By what is known that a block is right.
#[derive(Debug, Clone)]
pub(in crate::mount) enum Proof {
    /// By the hash of the whole content, which is one block.
    Whole,
    /// By the hashes of its blocks.
    Blocks(Arc<[BlockHash]>),
    /// By nothing: the manifest has no block hashes of so large a file.
    None,
}

/// Blocks that follow each other and are on their way. Those that have not come when it is dropped will not come.
pub(super) struct Fetch {
    blocks: Arc<Blocks>,
    content: ContentHash,
    proof: Proof,
    claims: VecDeque<Claim>,
    /// Where the next byte belongs.
    at_bytes: u64,
    filling: Filling,
    lack: Lack,
}

/// A block that is being filled.
#[derive(Default)]
struct Filling {
    len: usize,
    /// Nothing as long as all of it is zeros.
    bytes: Vec<u8>,
}

impl Filling {
    fn data(&mut self, bytes: &[u8]) {
        self.bytes.resize(self.len, 0);
        self.bytes.extend_from_slice(bytes);
        self.len += bytes.len();
    }

    fn zeros(&mut self, len: usize) {
        self.len += len;
        if !self.bytes.is_empty() {
            self.bytes.resize(self.len, 0);
        }
    }

    fn take(&mut self) -> Bytes {
        let Self { len, bytes } = std::mem::take(self);
        match ZEROS.get(..len) {
            Some(zeros) if bytes.is_empty() => Bytes::from_static(zeros),
            None if bytes.is_empty() => vec![0; len].into(),
            _ => bytes.into(),
        }
    }
}

impl Fetch {
    /// Begins with blocks of some content that follow each other.
    pub(super) fn begin(
        blocks: Arc<Blocks>,
        content: ContentHash,
        proof: Proof,
        claims: VecDeque<Claim>,
    ) -> Self {
        let first = claims.front().map_or(0, |claim| claim.key.index);
        Self {
            blocks,
            content,
            proof,
            claims,
            // Where a file is one block, that is the first.
            at_bytes: first * manifest::BLOCK_BYTES,
            filling: Filling::default(),
            lack: Lack::Lost,
        }
    }

    /// The part of the file that is fetched.
    pub(super) fn range(&self) -> std::ops::Range<u64> {
        let missing = self.claims.iter().map(|claim| claim.len as u64).sum::<u64>();
        self.at_bytes..self.at_bytes + missing - self.filling.len as u64
    }

    /// Takes the bytes at an offset, and the hole behind them.
    pub(super) fn take(&mut self, offset_bytes: u64, bytes: &[u8], hole_len_bytes: u64) {
        let end = offset_bytes
            .checked_add(bytes.len() as u64)
            .and_then(|end| end.checked_add(hole_len_bytes));
        let range = self.range();
        // What was not mentioned is a hole.
        let gap = offset_bytes.checked_sub(range.start);
        match (gap, end) {
            (Some(gap), Some(end)) if end <= range.end => {
                self.zeros(gap);
                self.data(bytes);
                self.zeros(hole_len_bytes);
            }
            _ if bytes.is_empty() && hole_len_bytes == 0 => {}
            _ => self.lack = Lack::Corrupt,
        }
    }

    /// Ends it once the server has sent all that it has.
    pub(super) fn finish(mut self) {
        if !self.claims.is_empty() {
            // There is less than was backed up.
            self.lack = Lack::Corrupt;
        }
    }

    /// Ends it where the server can't read the file.
    pub(super) fn give_up(mut self) {
        self.lack = Lack::Unreadable;
    }

    fn data(&mut self, mut bytes: &[u8]) {
        while let Some(room) = self.room()
            && !bytes.is_empty()
        {
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.filling.data(now);
            self.advance(now.len());
            bytes = later;
        }
    }

    fn zeros(&mut self, mut len_bytes: u64) {
        while let Some(room) = self.room()
            && len_bytes > 0
        {
            let now = len_bytes.min(room as u64);
            self.filling.zeros(now as usize);
            self.advance(now as usize);
            len_bytes -= now;
        }
    }

    /// How much of the block that is being filled is missing; `None` when all blocks are complete.
    fn room(&self) -> Option<usize> {
        Some(self.claims.front()?.len - self.filling.len)
    }

    fn advance(&mut self, by: usize) {
        self.at_bytes += by as u64;
        if self.room() == Some(0)
            && let Some(claim) = self.claims.pop_front()
        {
            let block = self.filling.take();
            self.complete(claim, block);
        }
    }

    fn complete(&mut self, claim: Claim, block: Bytes) {
        let index = claim.key.index;
        let is_right = match &self.proof {
            Proof::Whole => ContentHash::of(&block) == self.content,
            Proof::None => true,
            Proof::Blocks(hashes) => {
                let expected = usize::try_from(index).ok().and_then(|index| hashes.get(index));
                expected == Some(&hash_block(index, &block))
            }
        };
        let outcome = if is_right { Ok(block) } else { Err(Lack::Corrupt) };
        self.blocks.end(claim, outcome);
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        for claim in self.claims.drain(..) {
            self.blocks.end(claim, Err(self.lack));
        }
    }
}

#[cfg(test)]
mod tests {
    use manifest::BLOCK_BYTES;
    use manifest::content::BlockHasher;

    use super::*;
    use crate::mount::content::blocks::{Extent, Held};

    const BLOCK: usize = BLOCK_BYTES as usize;

    /// Content with zeros in it, of a few blocks and a bit.
    fn content(len: usize) -> Vec<u8> {
        (0..len)
            .map(|at| if at / 50_000 % 2 == 0 { (at % 251) as u8 } else { 0 })
            .collect()
    }

    struct Case {
        blocks: Arc<Blocks>,
        held: Vec<Held>,
        fetch: Fetch,
    }

    fn begin(content: &[u8], proof: Option<Proof>, range: std::ops::Range<u64>) -> Case {
        let hashed = {
            let mut hasher = BlockHasher::new();
            hasher.update(content);
            hasher.finish()
        };
        let blocks = Arc::new(Blocks::new(64 << 20));
        let extent = Extent {
            content: hashed.hash,
            size: content.len() as u64,
        };
        let (held, claims) = blocks.want(extent, range);
        let proof = proof.unwrap_or(Proof::Blocks(hashed.block_hashes));
        let fetch = Fetch::begin(blocks.clone(), hashed.hash, proof, claims.into());
        Case { blocks, held, fetch }
    }

    fn outcomes(held: &[Held]) -> Vec<Result<Bytes, Lack>> {
        let outcome = |held: &Held| match held {
            Held::There(block) => Ok(block.clone()),
            Held::Coming(slot) => slot
                .wait(std::time::Instant::now())
                .expect("it has come to an end"),
        };
        held.iter().map(outcome).collect()
    }

    #[test]
    fn blocks_are_proven_one_by_one_however_they_come() {
        let all = content(10 * BLOCK + 5);
        let mut case = begin(&all, None, 3..11);
        assert_eq!(case.fetch.range(), 3 * BLOCK_BYTES..all.len() as u64);
        for (number, piece) in all[3 * BLOCK..].chunks(77_777).enumerate() {
            case.fetch.take((3 * BLOCK + number * 77_777) as u64, piece, 0);
        }
        case.fetch.finish();
        let came: Vec<u8> = outcomes(&case.held)
            .into_iter()
            .flat_map(|block| block.unwrap().to_vec())
            .collect();
        assert!(came == all[3 * BLOCK..], "what came is what was sent");
        drop(case.blocks);
    }

    #[test]
    fn a_wrong_block_is_told_and_the_others_are_right() {
        let all = content(10 * BLOCK);
        let mut sent = all.clone();
        sent[4 * BLOCK + 9] ^= 1;
        let mut case = begin(&all, None, 3..6);
        case.fetch.take(3 * BLOCK_BYTES, &sent[3 * BLOCK..6 * BLOCK], 0);
        case.fetch.finish();
        let came = outcomes(&case.held);
        assert_eq!(came[1], Err(Lack::Corrupt));
        assert!(came[0].is_ok() && came[2].is_ok());
    }

    #[test]
    fn holes_are_zeros_that_take_nothing() {
        let mut all = vec![0; 12 * BLOCK];
        all[2 * BLOCK + 1] = 1;
        let mut case = begin(&all, None, 0..12);
        case.fetch.take(0, &[], 2 * BLOCK_BYTES + 1);
        // The hole between is not mentioned.
        case.fetch.take(2 * BLOCK_BYTES + 1, &[1], 0);
        case.fetch.take(5 * BLOCK_BYTES, &[], 7 * BLOCK_BYTES);
        case.fetch.finish();
        let came = outcomes(&case.held);
        assert!(came.iter().all(Result::is_ok));
        let shared = |block: &Result<Bytes, Lack>| block.as_ref().unwrap().as_ptr() == ZEROS.as_ptr();
        assert_eq!(came.iter().filter(|block| shared(block)).count(), 11);
    }

    #[test]
    fn small_content_is_proven_as_a_whole() {
        for all in [content(3 * BLOCK + 1), vec![0; 1000], vec![0; 3 * BLOCK]] {
            let mut case = begin(&all, Some(Proof::Whole), 0..1);
            assert_eq!(case.fetch.range(), 0..all.len() as u64);
            if all.contains(&1) {
                case.fetch.take(0, &all, 0);
            } else {
                case.fetch.take(0, &[], all.len() as u64);
            }
            case.fetch.finish();
            assert!(outcomes(&case.held) == [Ok(all.clone().into())]);

            let mut wrong = all.clone();
            wrong[7] ^= 1;
            let mut case = begin(&all, Some(Proof::Whole), 0..1);
            case.fetch.take(0, &wrong, 0);
            case.fetch.finish();
            assert_eq!(outcomes(&case.held), [Err(Lack::Corrupt)]);
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_out_of_order_is_corrupt() {
        let all = content(4 * BLOCK);
        let send = |pieces: &[(u64, usize)]| {
            let mut case = begin(&all, Some(Proof::Whole), 0..1);
            for &(offset, len) in pieces {
                case.fetch.take(offset, &vec![1; len], 0);
            }
            case.fetch.finish();
            outcomes(&case.held)
        };
        let corrupt = [Err(Lack::Corrupt)];
        assert_eq!(send(&[(0, 100)]), corrupt);
        assert_eq!(send(&[(0, 4 * BLOCK + 1)]), corrupt);
        assert_eq!(send(&[(100, 100), (0, 100)]), corrupt);
        assert_eq!(send(&[(u64::MAX, 100)]), corrupt);
    }

    #[test]
    fn what_never_comes_is_lost() {
        let case = begin(&content(9 * BLOCK), None, 0..2);
        drop(case.fetch);
        assert_eq!(outcomes(&case.held), vec![Err(Lack::Lost); 2]);
        let case = begin(&content(9 * BLOCK), None, 0..2);
        case.fetch.give_up();
        assert_eq!(outcomes(&case.held), vec![Err(Lack::Unreadable); 2]);
    }
}
