//! Where the chunks of a stream go: those that the last version had stay where they are, new ones take slots that it did not use.
//!
//! What the last version used and this one does not is free for the next one only, since it may still be asked for until the
//! stream has ended. So a file has about twice as many slots as it needs at most. Where one has more, since its stream has become much
//! shorter, what lies beyond moves.

use std::collections::HashMap;

use manifest::ContentHash;

use super::index::{Chunk, Index};

/// So many slots more than twice those in use are no reason to move anything.
const SPARE_SLOTS: usize = 64;

/// Where a chunk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) slot: u32,
    /// Whether this stream has put it there already.
    pub(crate) is_placed: bool,
}

/// The slots of a file while its stream comes.
#[derive(Debug, Default)]
pub(crate) struct Placement {
    /// Where chunks of the last version lie.
    known: HashMap<ContentHash, u32>,
    /// Where chunks of this stream lie.
    placed: HashMap<ContentHash, u32>,
    /// Slots that the last version used.
    was_used: Vec<bool>,
    /// Slots that this stream uses.
    used: Vec<bool>,
    /// Slots that the last version did not use, the first one last.
    free: Vec<u32>,
    /// The first slot behind all that may be in use.
    next: u32,
    chunks: Vec<Chunk>,
}

impl Placement {
    /// Begins where a last version ended; without one, chunks lie in the stream's order.
    pub(crate) fn after(last: Option<&Index>) -> Self {
        let Some(last) = last else {
            return Self::default();
        };
        let mut was_used = vec![false; last.slots as usize];
        for chunk in &last.chunks {
            was_used[chunk.slot as usize] = true;
        }
        let in_use = was_used.iter().filter(|used| **used).count();
        let limit = u32::try_from(2 * in_use + SPARE_SLOTS).unwrap_or(u32::MAX);
        let next = last.slots.min(limit);
        let stays = last.chunks.iter().filter(|chunk| chunk.slot < next);
        Self {
            known: stays.map(|chunk| (chunk.hash, chunk.slot)).collect(),
            free: (0..next).rev().filter(|&slot| !was_used[slot as usize]).collect(),
            placed: HashMap::new(),
            was_used,
            used: Vec::new(),
            next,
            chunks: Vec::new(),
        }
    }

    /// Takes the next chunk of the stream; `None` where there are too many.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> Option<Place> {
        let hash = ContentHash::of(bytes);
        let before = self.placed.get(&hash).copied();
        let slot = match before {
            Some(slot) => slot,
            None => self.own_slot(hash)?,
        };
        self.chunks.push(Chunk {
            slot,
            len_bytes: bytes.len() as u32,
            hash,
        });
        Some(Place {
            slot,
            is_placed: before.is_some(),
        })
    }

    /// Ends the stream, whose hash this is; gives the slots that nothing lies in any more, too.
    pub(crate) fn finish(self, hash: ContentHash) -> (Index, Vec<u32>) {
        let slots = self.used.len() as u32;
        let slot_uses = self.was_used.iter().zip(&self.used);
        let emptied = (0..slots).zip(slot_uses).filter(|(_, (was, is))| **was && !**is);
        let emptied = emptied.map(|(slot, _)| slot).collect();
        let index = Index {
            slots,
            chunks: self.chunks,
            hash,
        };
        (index, emptied)
    }

    /// A slot that no other chunk of this stream has, whatever the last index says.
    fn own_slot(&mut self, hash: ContentHash) -> Option<u32> {
        let known = self.known.get(&hash).copied();
        let is_free = |slot: &u32| self.used.get(*slot as usize) != Some(&true);
        let slot = match known.filter(is_free) {
            Some(slot) => slot,
            None => self.free_slot()?,
        };
        let len = self.used.len().max(slot as usize + 1);
        self.used.resize(len, false);
        self.used[slot as usize] = true;
        self.placed.insert(hash, slot);
        Some(slot)
    }

    fn free_slot(&mut self) -> Option<u32> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.next;
        self.next = slot.checked_add(1)?;
        Some(slot)
    }
}
