//! Whether the log has something to be replayed. It is a ring of sectors of 512 bytes, each of which begins with the number of the round
//! in which it was written; where the round changes is the head. Clean is a log that ends with the record of an unmount, or
//! whose live part has nothing but superblocks: a freeze writes all else out and logs that.
//!
//! A record's header, big endian (`fs/xfs/libxfs/xfs_log_format.h`):
//! ```text
//! offset  size  field                             offset  size  field
//! 0       4     0xfeedbabe                        40      4     operations
//! 4       4     round                             44      4*64  first words of the sectors of data
//! 8       4     version: 2 may have more headers  320     4     size of a record in memory
//! 12      4     bytes of data
//! 24      8     tail: round and sector
//! ```
//! A record in memory of more than 32 KiB has a further header, of a sector, for each 32 KiB more: round, then first words.

use super::super::reader::{PIECE_BYTES, Reader, be32_at};
use super::Superblock;
use super::log_items;
use crate::{Error, Result};

const STRUCTURE: &str = "XFS log";
pub(super) const SECTOR_BYTES: u64 = 512;
const RECORD_MAGIC: u32 = 0xfeed_babe;
const WORDS_PER_HEADER: u64 = 64;
const HEADED_BYTES: u64 = WORDS_PER_HEADER * SECTOR_BYTES;
/// The largest record.
const MAX_RECORD_BYTES: u64 = 256 << 10;
/// Eight records may be under way at once, and arrive in any order.
const MAX_PENDING_SECTORS: u64 = 8 * MAX_RECORD_BYTES / SECTOR_BYTES;
/// What a freeze leaves is far less.
const MAX_LIVE_SECTORS: u64 = 16 << 10;

/// What is to be done with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogState {
    Clean,
    Dirty,
    /// On another device.
    Elsewhere,
}

/// The ring.
struct Log<'a> {
    reader: &'a Reader<'a>,
    at: u64,
    sectors: u64,
}

/// A record, and the sector of its header.
struct Record {
    sector: u64,
    header: Vec<u8>,
    headers: u64,
    data_sectors: u64,
}

/// Tells what is to be done. A log that can't be understood is dirty.
pub(super) fn state(reader: &Reader, superblock: &Superblock) -> Result<LogState> {
    if superblock.log_start == 0 {
        return Ok(LogState::Elsewhere);
    }
    let group = superblock.log_start >> superblock.group_bits;
    let block = superblock.log_start & ((1 << superblock.group_bits) - 1);
    let fits =
        group < superblock.groups && block + superblock.log_blocks <= superblock.group_len_blocks(group);
    if !fits || superblock.log_blocks == 0 {
        return Err(Error::damaged(STRUCTURE, 0, "it does not lie within a group"));
    }
    let log = Log {
        reader,
        at: superblock.group_start_bytes(group) + block * superblock.block_bytes,
        sectors: superblock.log_blocks * superblock.block_bytes / SECTOR_BYTES,
    };
    let is_clean = log.is_clean()?.unwrap_or(false);
    Ok(if is_clean {
        LogState::Clean
    } else {
        LogState::Dirty
    })
}

impl Log<'_> {
    /// `None` where it can't be understood.
    fn is_clean(&self) -> Result<Option<bool>> {
        let Some(head) = self.head()? else {
            return Ok(None);
        };
        let Some(last) = self.last_record(head)? else {
            return Ok(None);
        };
        let data = self.data(&last)?;
        let count = be32_at(&last.header, 40);
        if count == 1 && log_items::is_unmount(&data) {
            return Ok(Some(true));
        }
        let (tail_round, tail) = (be32_at(&last.header, 24), u64::from(be32_at(&last.header, 28)));
        self.has_superblocks_only(tail_round, tail, head)
    }

    fn sector(&self, sector: u64) -> Result<Vec<u8>> {
        self.reader
            .read(STRUCTURE, self.at + sector * SECTOR_BYTES, SECTOR_BYTES)
    }

    /// Sectors that may go on at the ring's start.
    fn read(&self, from: u64, count: u64) -> Result<Vec<u8>> {
        let from = from % self.sectors;
        let before_end = count.min(self.sectors - from);
        let read = |from: u64, count: u64| {
            self.reader
                .read(STRUCTURE, self.at + from * SECTOR_BYTES, count * SECTOR_BYTES)
        };
        let mut bytes = read(from, before_end)?;
        if before_end < count {
            bytes.extend(read(0, count - before_end)?);
        }
        Ok(bytes)
    }

    fn round(&self, sector: u64) -> Result<u32> {
        Ok(round_of(&self.sector(sector)?))
    }

    /// The sector that will be written next; `None` if the rounds make no sense.
    fn head(&self) -> Result<Option<u64>> {
        let (first, last) = (self.round(0)?, self.round(self.sectors - 1)?);
        let is_possible = first == last || last == 0 || first == last.wrapping_add(1);
        if first == 0 || !is_possible {
            return Ok(None);
        }
        let (mut low, mut high) = (0, self.sectors);
        if first != last {
            // The first sector of the earlier round.
            while high - low > 1 {
                let middle = low.midpoint(high);
                if self.round(middle)? == first {
                    low = middle
                } else {
                    high = middle
                }
            }
        }
        // Whatever came to be written beyond a gap is later than the head.
        let pending = MAX_PENDING_SECTORS.min(self.sectors);
        let mut sector = high;
        while sector < high + pending {
            let piece = (high + pending - sector).min(PIECE_BYTES / SECTOR_BYTES);
            for bytes in self.read(sector, piece)?.chunks_exact(SECTOR_BYTES as usize) {
                let expected = if sector < self.sectors { last } else { first };
                if round_of(bytes) != expected {
                    return Ok(None);
                }
                sector += 1;
            }
        }
        Ok(Some(high))
    }

    /// The record that ends at the head.
    fn last_record(&self, head: u64) -> Result<Option<Record>> {
        let most = (MAX_RECORD_BYTES / SECTOR_BYTES + WORDS_PER_HEADER).min(self.sectors);
        for back in 1..=most {
            let sector = (head + self.sectors - back) % self.sectors;
            if let Some(record) = self.record(sector)? {
                let ends = (sector + record.sectors()) % self.sectors == head % self.sectors;
                return Ok(Some(record).filter(|_| ends));
            }
        }
        Ok(None)
    }

    /// The record whose header lies in a sector.
    fn record(&self, sector: u64) -> Result<Option<Record>> {
        let header = self.sector(sector)?;
        if be32_at(&header, 0) != RECORD_MAGIC {
            return Ok(None);
        }
        let data_bytes = u64::from(be32_at(&header, 12));
        let size_bytes = u64::from(be32_at(&header, 320));
        let has_more = be32_at(&header, 8) & 2 != 0 && size_bytes > HEADED_BYTES;
        let headers = if has_more {
            size_bytes.div_ceil(HEADED_BYTES)
        } else {
            1
        };
        let record = Record {
            sector,
            header,
            headers,
            data_sectors: data_bytes.div_ceil(SECTOR_BYTES),
        };
        let fits = data_bytes <= MAX_RECORD_BYTES
            && size_bytes <= MAX_RECORD_BYTES
            && record.data_sectors <= headers * WORDS_PER_HEADER
            && record.sectors() <= self.sectors;
        Ok(Some(record).filter(|_| fits))
    }

    /// The data of a record, with the first word of each sector put back.
    fn data(&self, record: &Record) -> Result<Vec<u8>> {
        let headers = self.read(record.sector, record.headers)?;
        let mut data = self.read(record.sector + record.headers, record.data_sectors)?;
        for (number, sector) in data.chunks_exact_mut(SECTOR_BYTES as usize).enumerate() {
            let (header, word) = (
                number / WORDS_PER_HEADER as usize,
                number % WORDS_PER_HEADER as usize,
            );
            let from = header * SECTOR_BYTES as usize + if header == 0 { 44 } else { 4 } + word * 4;
            sector[..4].copy_from_slice(&headers[from..from + 4]);
        }
        data.truncate(be32_at(&record.header, 12) as usize);
        Ok(data)
    }

    /// Whether replaying from the tail to the head would write superblocks and nothing else.
    fn has_superblocks_only(&self, tail_round: u32, tail: u64, head: u64) -> Result<Option<bool>> {
        if tail >= self.sectors {
            return Ok(None);
        }
        let live = (head + self.sectors - tail) % self.sectors;
        if live == 0 || live > MAX_LIVE_SECTORS || self.round(tail)? != tail_round {
            return Ok(None);
        }
        let mut done = 0;
        while done < live {
            // Each record has a sector at least, so that this ends.
            let Some(record) = self.record((tail + done) % self.sectors)? else {
                return Ok(None);
            };
            let data = self.data(&record)?;
            if !log_items::are_superblocks_only(&data, be32_at(&record.header, 40)) {
                return Ok(Some(false));
            }
            done += record.sectors();
        }
        Ok(Some(done == live))
    }
}

impl Record {
    fn sectors(&self) -> u64 {
        self.headers + self.data_sectors
    }
}

/// A record's header has its number behind its magic.
fn round_of(sector: &[u8]) -> u32 {
    match be32_at(sector, 0) {
        RECORD_MAGIC => be32_at(sector, 4),
        round => round,
    }
}
