//! Chunks: runs of addresses, and where they lie on this device.
//!
//! ```text
//! offset  size  field of a chunk        offset  size  field
//! 0       8     size                    46      2     stripes of a copy (RAID10)
//! 24      8     kind and profile        48      32*n  stripes: device, place, UUID
//! 44      2     stripes
//! ```
//! The superblock has those of the chunk tree itself, each behind its key.

use super::Superblock;
use super::tree::{KEY_BYTES, Key, Nodes, Reach};
use crate::source::{u16_at, u64_at};
use crate::volume::ranges::Ranges;
use crate::volume::reader::Reader;
use crate::{Error, Result};

const STRUCTURE: &str = "btrfs chunk";
const CHUNK_ITEM: u8 = 228;
const HEADER_BYTES: usize = 48;
const STRIPE_BYTES: usize = 32;
/// The most that any profile puts on one device.
const MAX_COPIES: usize = 2;
const RAID0: u64 = 1 << 3;
const RAID10: u64 = 1 << 6;
const RAID5: u64 = 1 << 7;
const RAID6: u64 = 1 << 8;

/// Which part of a chunk each of its stripes has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// All of it.
    Whole,
    /// Pieces here and there.
    Striped,
}

/// A run of addresses.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) logical: u64,
    pub(super) len_bytes: u64,
    pub(super) layout: Layout,
    /// The size that it has on each device.
    pub(super) stripe_len_bytes: u64,
    /// Places on this device: none, one, or two copies.
    pub(super) places: Vec<u64>,
}

/// All chunks, in order.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    list: Vec<Chunk>,
}

impl Chunks {
    /// Reads those in the superblock, and with their help the rest.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where the tree lies on another device.
    pub(super) fn read(reader: &Reader, superblock: &Superblock) -> Result<Self> {
        let mut first = Self::default();
        let mut rest = &superblock.chunks[..];
        let fail = || Error::damaged(STRUCTURE, 0, "those in the superblock make no sense");
        while !rest.is_empty() {
            let key = rest.get(..KEY_BYTES).map(Key::parse).ok_or_else(fail)?;
            let stripes = rest.get(KEY_BYTES..KEY_BYTES + HEADER_BYTES).ok_or_else(fail)?;
            let end = KEY_BYTES + HEADER_BYTES + usize::from(u16_at(stripes, 44)) * STRIPE_BYTES;
            let item = rest.get(KEY_BYTES..end).ok_or_else(fail)?;
            first.list.push(Chunk::parse(superblock, &key, item)?);
            rest = &rest[end..];
        }
        let first = first.ordered()?;
        let mut all = Self::default();
        let reach =
            Nodes::new(reader, superblock, &first).walk(superblock.chunk_root, &mut |key, item| {
                if key.kind == CHUNK_ITEM {
                    all.list.push(Chunk::parse(superblock, key, item)?);
                }
                Ok(())
            })?;
        match reach {
            Reach::All => all.ordered(),
            Reach::Elsewhere => Err(Error::untrusted(
                "the chunk tree of the btrfs lies on another device",
            )),
        }
    }

    fn ordered(mut self) -> Result<Self> {
        self.list.sort_unstable_by_key(|chunk| chunk.logical);
        let overlap = |pair: &[Chunk]| pair[0].logical + pair[0].len_bytes > pair[1].logical;
        if self.list.windows(2).any(overlap) {
            return Err(Error::damaged(STRUCTURE, 0, "two overlap"));
        }
        Ok(self)
    }

    /// The chunk that has all of a run of addresses.
    pub(super) fn of(&self, logical: u64, len_bytes: u64) -> Result<&Chunk> {
        let index = self.list.partition_point(|chunk| chunk.logical <= logical);
        let chunk = index.checked_sub(1).and_then(|index| self.list.get(index));
        let end = logical.checked_add(len_bytes);
        let chunk = chunk.filter(|chunk| end.is_some_and(|end| end <= chunk.logical + chunk.len_bytes));
        chunk.ok_or_else(|| Error::damaged(STRUCTURE, logical, "an address lies in none"))
    }

    /// Adds all that chunks have on this device.
    pub(super) fn add_all(&self, ranges: &mut Ranges) {
        self.list.iter().for_each(|chunk| chunk.add_all(ranges));
    }
}

impl Chunk {
    fn parse(superblock: &Superblock, key: &Key, item: &[u8]) -> Result<Self> {
        let fail = |reason: &str| Err(Error::damaged(STRUCTURE, key.offset, reason));
        let stripes = item.get(44..46).map_or(0, |count| usize::from(u16_at(count, 0)));
        if key.kind != CHUNK_ITEM || stripes == 0 || item.len() != HEADER_BYTES + stripes * STRIPE_BYTES {
            return fail("it has no stripes, or another size");
        }
        let len_bytes = u64_at(item, 0);
        let profile = u64_at(item, 24);
        let copies = u64::from(u16_at(item, 46)).max(1);
        // How many of the stripes have content of their own.
        let stripes_of_data = match stripes as u64 {
            count if profile & RAID0 != 0 => count,
            count if profile & RAID10 != 0 => count / copies,
            count if profile & RAID5 != 0 => count - 1,
            count if profile & RAID6 != 0 => count.saturating_sub(2),
            _ => 1,
        };
        if stripes_of_data == 0 || len_bytes == 0 || key.offset.checked_add(len_bytes).is_none() {
            return fail("its size or number of stripes is impossible");
        }
        let is_whole = profile & (RAID0 | RAID10 | RAID5 | RAID6) == 0 || stripes == 1;
        let stripe_len_bytes = len_bytes.div_ceil(stripes_of_data);
        let here = item[HEADER_BYTES..].chunks_exact(STRIPE_BYTES);
        let here = here.filter(|stripe| u64_at(stripe, 0) == superblock.device);
        let places: Vec<u64> = here.map(|stripe| u64_at(stripe, 8)).collect();
        let fits = |place: &u64| {
            place
                .checked_add(stripe_len_bytes)
                .is_some_and(|end| end <= superblock.len_bytes)
        };
        if places.len() > MAX_COPIES || !places.iter().all(fits) {
            return fail("it lies beyond the end of the device, or there too often");
        }
        Ok(Self {
            logical: key.offset,
            len_bytes,
            layout: if is_whole { Layout::Whole } else { Layout::Striped },
            stripe_len_bytes,
            places,
        })
    }

    fn add_all(&self, ranges: &mut Ranges) {
        for place in &self.places {
            ranges.add_len(*place, self.stripe_len_bytes);
        }
    }

    /// Adds what a run of addresses within it has on this device. Of stripes, all is added.
    pub(super) fn add(&self, logical: u64, len_bytes: u64, ranges: &mut Ranges) {
        match self.layout {
            Layout::Striped => self.add_all(ranges),
            Layout::Whole => {
                for place in &self.places {
                    ranges.add_len(place + (logical - self.logical), len_bytes);
                }
            }
        }
    }
}
