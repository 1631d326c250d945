//! The cache of blocks: those that are there and those that are on their way, each of which is fetched once; together up to a limit.
//!
//! A block is known by the content that it belongs to, so a file that did not change is there once for all backups. Small content is
//! one block, since it can be proven as a whole only.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use manifest::{BLOCK_BYTES, BLOCK_HASHES_FROM_BYTES, ContentHash};
use parking_lot::{Condvar, Mutex};

use crate::mount::weighted::Weighted;

/// What keeping a block takes besides its bytes.
const OVERHEAD_BYTES: u64 = 128;
/// Zeros, which all blocks of nothing else share.
pub(super) static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

/// A block, by the hash of the whole content and its number in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) content: ContentHash,
    pub(super) index: u64,
}

/// Why a block did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The connection was lost, or nobody asked in the end.
    Lost,
    /// What came is not what was backed up.
    Corrupt,
    /// The server can't read it.
    Unreadable,
}

/// A block that is on its way.
#[derive(Debug, Default)]
pub(super) struct Slot {
    outcome: Mutex<Option<Result<Bytes, Lack>>>,
    there: Condvar,
}

impl Slot {
    /// Waits for it; `None` where it has not come by then.
    pub(super) fn wait(&self, until: Instant) -> Option<Result<Bytes, Lack>> {
        let mut outcome = self.outcome.lock();
        while outcome.is_none() {
            if self.there.wait_until(&mut outcome, until).timed_out() {
                break;
            }
        }
        outcome.clone()
    }

    fn put(&self, outcome: Result<Bytes, Lack>) {
        *self.outcome.lock() = Some(outcome);
        self.there.notify_all();
    }
}

/// A block that somebody wants.
#[derive(Debug, Clone)]
pub(super) enum Held {
    /// It is there.
    There(Bytes),
    /// It is on its way.
    Coming(Arc<Slot>),
}

/// A block that whoever has this must fetch.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) key: Key,
    slot: Arc<Slot>,
    /// Its length.
    pub(super) len: usize,
}

/// The blocks that are there or on their way.
#[derive(Debug)]
pub(super) struct Blocks {
    state: Mutex<State>,
    limit_bytes: u64,
}

#[derive(Debug)]
struct State {
    there: Weighted<Key, Bytes>,
    coming: HashMap<Key, Arc<Slot>>,
    coming_bytes: u64,
    /// For both together.
    limit_bytes: u64,
}

/// Content of which blocks are wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) content: ContentHash,
    pub(super) size: u64,
}

impl Extent {
    /// Whether it is one block as a whole.
    pub(super) fn is_small(&self) -> bool {
        self.size < BLOCK_HASHES_FROM_BYTES
    }

    /// The length of its blocks, the last of which may be shorter.
    pub(super) fn block_bytes(&self) -> u64 {
        if self.is_small() {
            BLOCK_HASHES_FROM_BYTES
        } else {
            BLOCK_BYTES
        }
    }

    /// The blocks in which a part of it lies.
    pub(super) fn blocks_of(&self, part: &Range<u64>) -> Range<u64> {
        part.start / self.block_bytes()..part.end.div_ceil(self.block_bytes())
    }

    fn len_of(&self, index: u64) -> usize {
        let begin = index.saturating_mul(self.block_bytes());
        self.size.saturating_sub(begin).min(self.block_bytes()) as usize
    }
}

impl Blocks {
    /// Creates an empty cache. Half of it may be taken by what is on its way in advance.
    pub(super) fn new(limit_bytes: u64) -> Self {
        let state = State {
            there: Weighted::new(limit_bytes),
            coming: HashMap::new(),
            coming_bytes: 0,
            limit_bytes,
        };
        Self {
            state: Mutex::new(state),
            limit_bytes,
        }
    }

    /// How many blocks one reader may have fetched in advance.
    pub(super) fn ahead_blocks(&self) -> u64 {
        self.limit_bytes / 4 / BLOCK_BYTES
    }

    /// Gives blocks of some content, and those of them that are to be fetched.
    pub(super) fn want(&self, extent: Extent, blocks: Range<u64>) -> (Vec<Held>, Vec<Claim>) {
        let mut state = self.state.lock();
        let (mut held, mut claims) = (Vec::new(), Vec::new());
        for index in blocks {
            let key = Key {
                content: extent.content,
                index,
            };
            held.push(match state.find(&key) {
                Some(found) => found,
                None => {
                    let claim = state.claim(key, extent.len_of(index));
                    let slot = claim.slot.clone();
                    claims.push(claim);
                    Held::Coming(slot)
                }
            });
        }
        (held, claims)
    }

    /// Gives those blocks that are to be fetched in advance: none that is there or on its way, and none for which there is no room.
    pub(super) fn want_later(&self, extent: Extent, blocks: Range<u64>) -> Vec<Claim> {
        let mut state = self.state.lock();
        let mut claims = Vec::new();
        for index in blocks {
            let (key, len) = (
                Key {
                    content: extent.content,
                    index,
                },
                extent.len_of(index),
            );
            if state.coming_bytes + len as u64 > self.limit_bytes / 2 {
                break;
            }
            if state.find(&key).is_none() {
                claims.push(state.claim(key, len));
            }
        }
        claims
    }

    /// Ends the way of a block: it is there, or will not come.
    pub(super) fn end(&self, claim: Claim, outcome: Result<Bytes, Lack>) {
        let mut state = self.state.lock();
        state.coming.remove(&claim.key);
        state.coming_bytes -= claim.len as u64;
        state.share_limit();
        if let Ok(block) = &outcome {
            let is_shared = std::ptr::eq(block.as_ptr(), ZEROS.as_ptr());
            let len = if is_shared { 0 } else { block.len() as u64 };
            state.there.insert(claim.key, block.clone(), len + OVERHEAD_BYTES);
        }
        drop(state);
        claim.slot.put(outcome);
    }
}

impl State {
    /// Leaves to what is there what is not on its way.
    fn share_limit(&mut self) {
        self.there
            .limit(self.limit_bytes.saturating_sub(self.coming_bytes));
    }

    fn find(&mut self, key: &Key) -> Option<Held> {
        if let Some(block) = self.there.get(key) {
            return Some(Held::There(block.clone()));
        }
        self.coming.get(key).cloned().map(Held::Coming)
    }

    fn claim(&mut self, key: Key, len: usize) -> Claim {
        let slot = Arc::new(Slot::default());
        self.coming.insert(key, slot.clone());
        self.coming_bytes += len as u64;
        self.share_limit();
        Claim { key, slot, len }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 10 * BLOCK_BYTES - 7;

    fn extent() -> Extent {
        Extent {
            content: ContentHash::of(b"content"),
            size: SIZE,
        }
    }

    fn block(byte: u8) -> Bytes {
        vec![byte; BLOCK_BYTES as usize].into()
    }

    #[test]
    fn a_block_is_fetched_once_and_given_to_all_who_wait() {
        let blocks = Blocks::new(1 << 20);
        let (held, claims) = blocks.want(extent(), 8..10);
        assert_eq!(
            claims.iter().map(|claim| claim.len).collect::<Vec<_>>(),
            [131_072, 131_065]
        );
        let (again, none) = blocks.want(extent(), 8..9);
        assert!(none.is_empty());
        let waiting = std::thread::spawn(move || {
            let Held::Coming(slot) = &again[0] else {
                panic!("it is not there yet")
            };
            slot.wait(Instant::now() + std::time::Duration::from_secs(60))
        });
        for claim in claims {
            blocks.end(claim, Ok(block(1)));
        }
        assert_eq!(waiting.join().unwrap(), Some(Ok(block(1))));
        let Held::Coming(slot) = &held[1] else {
            panic!("it was on its way")
        };
        assert_eq!(slot.wait(Instant::now()), Some(Ok(block(1))));
        assert!(matches!(blocks.want(extent(), 8..9).0[0], Held::There(_)));
    }

    #[test]
    fn what_did_not_come_is_fetched_again() {
        let blocks = Blocks::new(1 << 20);
        let (held, mut claims) = blocks.want(extent(), 0..1);
        let Held::Coming(slot) = &held[0] else {
            panic!("it is not there yet")
        };
        assert_eq!(slot.wait(Instant::now()), None);
        blocks.end(claims.remove(0), Err(Lack::Corrupt));
        assert_eq!(slot.wait(Instant::now()), Some(Err(Lack::Corrupt)));
        assert_eq!(blocks.want(extent(), 0..1).1.len(), 1);
    }

    #[test]
    fn the_limit_holds_for_what_is_there_and_for_what_comes_in_advance() {
        let limit = 4 * (BLOCK_BYTES + OVERHEAD_BYTES);
        let blocks = Blocks::new(limit);
        let ahead = blocks.want_later(extent(), 0..10);
        assert_eq!(ahead.len(), 2, "half of the limit");
        assert_eq!(blocks.want_later(extent(), 2..10).len(), 0);
        for claim in ahead {
            blocks.end(claim, Ok(block(0)));
        }
        for index in 2..10 {
            for claim in blocks.want(extent(), index..index + 1).1 {
                blocks.end(claim, Ok(block(0)));
            }
        }
        let state = blocks.state.lock();
        assert_eq!((state.there.weight(), state.coming_bytes), (limit, 0));
    }

    #[test]
    fn small_content_is_one_block() {
        let small = Extent {
            size: BLOCK_HASHES_FROM_BYTES - 1,
            ..extent()
        };
        assert_eq!(small.blocks_of(&(900_000..900_001)), 0..1);
        let claims = Blocks::new(4 << 20).want(small, 0..1).1;
        assert_eq!(claims[0].len as u64, small.size);
        let large = Extent {
            size: BLOCK_HASHES_FROM_BYTES,
            ..extent()
        };
        assert_eq!(large.blocks_of(&(BLOCK_BYTES - 1..3 * BLOCK_BYTES + 1)), 0..4);
    }

    #[test]
    fn blocks_of_zeros_share_their_bytes() {
        let blocks = Blocks::new(1 << 20);
        for claim in blocks.want(extent(), 0..9).1 {
            blocks.end(claim, Ok(Bytes::from_static(&ZEROS)));
        }
        assert_eq!(blocks.state.lock().there.weight(), 9 * OVERHEAD_BYTES);
    }
}
