//! Chains of clusters, as FAT and exFAT have them: an entry of the table tells the cluster behind another.

use std::ops::Range;

use disk_image::volume::Reader;
use disk_image::{u16_at, u32_at};

use crate::{Error, Result};

const TABLE: &str = "FAT";
/// So much of the table is read at once; entries of any size begin there.
const PIECE_BYTES: u64 = 12 << 10;
/// Runs are handed on in parts no longer than that.
const MAX_RUN_CLUSTERS: u64 = 1 << 16;

/// Where table and clusters lie, within the volume.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) table_at: u64,
    pub(crate) entry_bits: u64,
    /// How many there are; the first has number 2.
    pub(crate) clusters: u64,
    pub(crate) first_at: u64,
    pub(crate) cluster_bytes: u64,
}

/// A file or directory, as its entry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) first: u64,
    /// The size of a file; of a directory 0 where only its chain tells.
    pub(crate) len_bytes: u64,
    /// How much was ever written.
    pub(crate) written_bytes: u64,
    /// Whether its clusters follow each other and the table says nothing of them; exFAT only.
    pub(crate) is_contiguous: bool,
    pub(crate) is_directory: bool,
    pub(crate) is_root: bool,
    pub(crate) is_read_only: bool,
    pub(crate) modified_secs: i64,
}

impl Chain {
    /// The root directory.
    pub(crate) fn root(first: u64) -> Self {
        Self {
            first,
            len_bytes: 0,
            written_bytes: 0,
            is_contiguous: false,
            is_directory: true,
            is_root: true,
            is_read_only: false,
            modified_secs: 0,
        }
    }
}

/// The places of a chain's clusters, those in a row as one; no more clusters than there are.
pub(crate) struct Clusters<'a> {
    reader: &'a Reader<'a>,
    layout: &'a Layout,
    next: Option<u64>,
    /// Of a chain without entries in the table: how many are left.
    contiguous: Option<u64>,
    left: u64,
    piece: Option<(u64, Vec<u8>)>,
}

impl<'a> Clusters<'a> {
    pub(crate) fn new(reader: &'a Reader<'a>, layout: &'a Layout, chain: &Chain) -> Self {
        let contiguous = chain.len_bytes.div_ceil(layout.cluster_bytes);
        Self {
            reader,
            layout,
            // An empty file has no first cluster.
            next: Some(chain.first).filter(|first| *first != 0),
            contiguous: chain.is_contiguous.then_some(contiguous),
            left: layout.clusters,
            piece: None,
        }
    }

    fn run(&mut self, first: u64) -> Result<Range<u64>> {
        let mut count = 0;
        let mut next = Some(first);
        while next == Some(first + count) && count < MAX_RUN_CLUSTERS {
            let this = first + count;
            if !(2..self.layout.clusters + 2).contains(&this) {
                return Err(self.fail("it leads beyond the last cluster"));
            }
            self.left = self
                .left
                .checked_sub(1)
                .ok_or_else(|| self.fail("a chain leads in circles"))?;
            count += 1;
            next = match &mut self.contiguous {
                Some(left) => {
                    *left = left.saturating_sub(1);
                    (*left > 0).then_some(this + 1)
                }
                None => self.follow(this)?,
            };
        }
        self.next = next;
        let at = self.layout.first_at + (first - 2) * self.layout.cluster_bytes;
        Ok(at..at + count * self.layout.cluster_bytes)
    }

    /// The cluster behind another one; `None` behind the last.
    fn follow(&mut self, cluster: u64) -> Result<Option<u64>> {
        let bits = cluster * self.layout.entry_bits;
        let (number, within) = (bits / 8 / PIECE_BYTES, (bits / 8 % PIECE_BYTES) as usize);
        if self.piece.as_ref().is_none_or(|(held, _)| *held != number) {
            let from = number * PIECE_BYTES;
            let table_bytes = ((self.layout.clusters + 2) * self.layout.entry_bits).div_ceil(8);
            let len_bytes = PIECE_BYTES.min(table_bytes.saturating_sub(from));
            let piece = self.reader.read(TABLE, self.layout.table_at + from, len_bytes)?;
            self.piece = Some((number, piece));
        }
        let piece = self.piece.as_ref().map_or(&[][..], |(_, piece)| piece);
        let bytes = piece.get(within..within + self.layout.entry_bits.div_ceil(8) as usize);
        let bytes = bytes.ok_or_else(|| self.fail("it is too short"))?;
        // Above the last cluster's number: bad clusters, and the end.
        let (entry, end) = match self.layout.entry_bits {
            12 if bits.is_multiple_of(8) => (u64::from(u16_at(bytes, 0) & 0xfff), 0xff8),
            12 => (u64::from(u16_at(bytes, 0) >> 4), 0xff8),
            16 => (u64::from(u16_at(bytes, 0)), 0xfff8),
            _ => (u64::from(u32_at(bytes, 0)), 0x0fff_fff8),
        };
        // The upper four bits of FAT32 mean nothing.
        let entry = entry & 0x0fff_ffff;
        Ok((entry < end).then_some(entry))
    }

    fn fail(&self, reason: &str) -> Error {
        Error::damaged(TABLE, self.layout.table_at, reason)
    }
}

impl Iterator for Clusters<'_> {
    type Item = Result<Range<u64>>;

    fn next(&mut self) -> Option<Self::Item> {
        let first = self.next.take()?;
        Some(self.run(first))
    }
}

/// Seconds since 1970 of a date and time of DOS: years from 1980 in 7 bits, month in 4, day in 5; hours in 5, minutes in 6,
/// seconds in 5, by two. What is no date is 1970.
pub(crate) fn dos_time(date: u16, time: u16) -> i64 {
    let (year, month, day) = (
        i64::from(date >> 9) + 1980,
        i64::from(date >> 5 & 15),
        i64::from(date & 31),
    );
    if !(1..=12).contains(&month) || day == 0 {
        return 0;
    }
    // Years that begin in March have the leap day at their end.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let (hours, minutes, seconds) = (
        i64::from(time >> 11),
        i64::from(time >> 5 & 63),
        i64::from(time & 31) * 2,
    );
    days * 86_400 + hours * 3600 + minutes * 60 + seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_from_1970() {
        let date = |year: u16, month: u16, day: u16| (year - 1980) << 9 | month << 5 | day;
        assert_eq!(dos_time(date(1980, 1, 1), 0), 315_532_800);
        assert_eq!(dos_time(date(2000, 2, 29), 12 << 11 | 34 << 5 | 28), 951_827_696);
        assert_eq!(
            dos_time(date(2107, 12, 31), 23 << 11 | 59 << 5 | 29),
            4_354_819_198
        );
        assert_eq!(dos_time(0, 0), 0);
    }
}
