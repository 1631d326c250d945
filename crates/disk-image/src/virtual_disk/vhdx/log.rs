//! The log ([MS-VHDX] 2.3): writes that a crash may have kept from reaching their places. They are put in front of the file's
//! bytes in memory; the file stays as it is.
//!
//! ```text
//! entry, in whole sectors of 4 KiB        descriptor of data      descriptor of zeros
//! 0   4   "loge"                          0   4  "desc"           0   4  "zero"
//! 4   4   CRC-32C of the entry            4   4  last 4 bytes     8   8  length
//! 8   4   length                          8   8  first 8 bytes    16  8  where in the file
//! 12  4   where the oldest entry is       16  8  where            24  8  sequence number
//! 16  8   sequence number                 24  8  sequence number
//! 24  4   number of descriptors
//! 32  16  log GUID                        sector of data
//! 48  8   size of the file when written   0     4     "data"
//! 56  8   size that the file must have    4     4     higher half of the sequence number
//! 64      descriptors of 32 bytes         8     4084  bytes 8 to 4092
//! ...     a sector per descr. of data     4092  4     lower half of the sequence number
//! ```
//! The log is a ring. What counts is the run of entries with rising sequence numbers that ends with the highest of them, from
//! the one that the last names as the oldest.

use std::collections::BTreeMap;
use std::io;

use uuid::Uuid;

use super::{Header, MIB, STRUCTURES_END, take_crc};
use crate::source::{DiskSource, guid_at, u32_at, u64_at};
use crate::virtual_disk::file::{ImageSource, Pages};
use crate::{Error, Result};

const LOG: &str = "VHDX log";
const SECTOR: usize = 4 << 10;
const DESCRIPTOR: usize = 32;
const ENTRY_HEADER: usize = 64;
/// Every known program writes 1 MiB.
const MAX_LOG_BYTES: u64 = 64 * MIB;
/// Entries that overlap each other are looked at no further than this many times the log.
const MAX_PASSES: usize = 4;
/// Runs of entries that lead nowhere are followed for so many steps in all.
const MAX_STEPS: usize = 1 << 20;

/// An entry whose checksum is right.
struct Entry {
    /// Where it is in the log.
    at: usize,
    bytes: Vec<u8>,
    tail: usize,
    sequence: u64,
}

/// What a logged write does to a place of the file.
enum Patch {
    Data(Box<[u8]>),
    Zeros(u64),
}

/// Puts the log's writes in front of a file.
pub(super) fn replay(pages: Pages, header: &Header) -> Result<Pages> {
    let damaged = |reason: &str| Error::damaged(LOG, header.log_at, reason);
    let (at, len) = (header.log_at, header.log_bytes);
    let is_placed = at >= STRUCTURES_END && at.is_multiple_of(MIB) && pages.has(at, len);
    if !is_placed || !len.is_multiple_of(MIB) || len == 0 {
        return Err(damaged("it is misplaced or lies beyond the end of the file"));
    }
    if len > MAX_LOG_BYTES {
        let feature = format!("a log of {len} bytes");
        return Err(Error::Unsupported {
            format: super::FORMAT,
            feature,
        });
    }
    let ring = pages.structure(LOG, at, len as usize)?;
    let entries = entries(&ring, header.log_id).ok_or_else(|| damaged("its entries overlap"))?;
    let active = active(&entries).ok_or_else(|| damaged("it has no complete sequence of entries"))?;
    let mut patches = Patches::default();
    for entry in &active {
        let parsed = patches.add(entry);
        parsed.ok_or_else(|| damaged("a descriptor of an entry is wrong"))?;
    }
    let (flushed, last) = active.last().map_or((0, 0), |entry| {
        (u64_at(&entry.bytes, 48), u64_at(&entry.bytes, 56))
    });
    if pages.len_bytes() < flushed {
        return Err(damaged("the file is shorter than it was when it was written"));
    }
    patches.len_bytes = pages.len_bytes().max(last);
    pages.wrap(|inner| Box::new(Replayed { inner, patches }))
}

/// All sound entries, by sequence number; `None` where looking at them all would take too long.
fn entries(ring: &[u8], log_id: Uuid) -> Option<BTreeMap<u64, Entry>> {
    let mut entries = BTreeMap::new();
    let mut budget = ring.len() * MAX_PASSES;
    let mut at = 0;
    while at < ring.len() {
        let sector = &ring[at..at + SECTOR];
        let len = u32_at(sector, 8) as usize;
        let is_entry = sector[..4] == *b"loge" && guid_at(sector, 32) == log_id;
        if !is_entry || len < SECTOR || !len.is_multiple_of(SECTOR) || len > ring.len() {
            at += SECTOR;
            continue;
        }
        budget = budget.checked_sub(len)?;
        let mut bytes = Vec::with_capacity(len);
        let before_end = len.min(ring.len() - at);
        bytes.extend_from_slice(&ring[at..at + before_end]);
        bytes.extend_from_slice(&ring[..len - before_end]);
        if !take_crc(&mut bytes) {
            at += SECTOR;
            continue;
        }
        let (tail, sequence) = (u32_at(&bytes, 12) as usize, u64_at(&bytes, 16));
        let entry = Entry {
            at,
            bytes,
            tail,
            sequence,
        };
        entries.insert(sequence, entry);
        at += len;
    }
    Some(entries)
}

/// The entries that are to be replayed, the oldest first.
fn active(entries: &BTreeMap<u64, Entry>) -> Option<Vec<&Entry>> {
    let mut budget = MAX_STEPS;
    // The newest run whose last entry finds its oldest within the run.
    for last in entries.values().rev() {
        let mut run = vec![last];
        while let Some(first) = run.last() {
            if first.at == last.tail {
                run.reverse();
                return Some(run);
            }
            budget = budget.checked_sub(1)?;
            let before = first
                .sequence
                .checked_sub(1)
                .and_then(|number| entries.get(&number));
            let Some(before) = before else { break };
            run.push(before);
        }
    }
    None
}

/// The file's bytes as they are after all logged writes.
#[derive(Default)]
struct Patches {
    /// By place. None overlaps another.
    by_place: BTreeMap<u64, Patch>,
    len_bytes: u64,
}

impl Patch {
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }
}

impl Patches {
    /// Applies an entry; `None` where it contradicts itself.
    fn add(&mut self, entry: &Entry) -> Option<()> {
        let bytes = &entry.bytes;
        let count = u32_at(bytes, 24) as usize;
        let descriptors =
            bytes.get(ENTRY_HEADER..ENTRY_HEADER.checked_add(count.checked_mul(DESCRIPTOR)?)?)?;
        let data_at = (ENTRY_HEADER + descriptors.len()).next_multiple_of(SECTOR);
        let mut sectors = bytes.get(data_at..)?.chunks_exact(SECTOR);
        for descriptor in descriptors.chunks_exact(DESCRIPTOR) {
            let at = u64_at(descriptor, 16);
            if u64_at(descriptor, 24) != entry.sequence || !at.is_multiple_of(SECTOR as u64) {
                return None;
            }
            let patch = match &descriptor[..4] {
                b"desc" => Patch::Data(data(descriptor, sectors.next()?, entry.sequence)?),
                b"zero" => Patch::Zeros(u64_at(descriptor, 8)),
                _ => return None,
            };
            at.checked_add(patch.len_bytes())?;
            if !patch.len_bytes().is_multiple_of(SECTOR as u64) {
                return None;
            }
            self.put(at, patch);
        }
        Some(())
    }

    /// Puts a patch over all that it overlaps.
    fn put(&mut self, at: u64, patch: Patch) {
        let end = at + patch.len_bytes();
        if end == at {
            return;
        }
        // Data has one sector each, so only zeros can begin before and reach in.
        if let Some((&start, before)) = self.by_place.range_mut(..at).next_back() {
            let before_end = start + before.len_bytes();
            if before_end > at {
                *before = Patch::Zeros(at - start);
            }
            if before_end > end {
                self.by_place.insert(end, Patch::Zeros(before_end - end));
            }
        }
        let over: Vec<u64> = self.by_place.range(at..end).map(|(start, _)| *start).collect();
        for start in over {
            let len = self.by_place.remove(&start).map_or(0, |patch| patch.len_bytes());
            if start + len > end {
                self.by_place.insert(end, Patch::Zeros(start + len - end));
            }
        }
        self.by_place.insert(at, patch);
    }
}

/// A sector of data with those bytes back that the log keeps elsewhere.
fn data(descriptor: &[u8], sector: &[u8], sequence: u64) -> Option<Box<[u8]>> {
    let halves = u64::from(u32_at(sector, 4)) << 32 | u64::from(u32_at(sector, SECTOR - 4));
    if sector[..4] != *b"data" || halves != sequence {
        return None;
    }
    let mut bytes: Box<[u8]> = sector.into();
    bytes[..8].copy_from_slice(&descriptor[8..16]);
    bytes[SECTOR - 4..].copy_from_slice(&descriptor[4..8]);
    Some(bytes)
}

/// A file with its log replayed in front.
struct Replayed {
    inner: ImageSource,
    patches: Patches,
}

impl DiskSource for Replayed {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.patches.len_bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.patches.len_bytes);
        let end = end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let inner_len = self.inner.len_bytes()?;
        let there = inner_len.saturating_sub(offset_bytes).min(buffer.len() as u64) as usize;
        if there > 0 {
            self.inner.read_exact_at(&mut buffer[..there], offset_bytes)?;
        }
        buffer[there..].fill(0);
        let places = &self.patches.by_place;
        let first = places.range(..=offset_bytes).next_back().map_or(0, |(at, _)| *at);
        for (at, patch) in places.range(first..end) {
            let start = (*at).max(offset_bytes);
            let stop = (at + patch.len_bytes()).min(end);
            if start >= stop {
                continue;
            }
            let part = &mut buffer[(start - offset_bytes) as usize..(stop - offset_bytes) as usize];
            match patch {
                Patch::Zeros(_) => part.fill(0),
                Patch::Data(bytes) => {
                    part.copy_from_slice(&bytes[(start - at) as usize..(stop - at) as usize]);
                }
            }
        }
        Ok(())
    }
}
