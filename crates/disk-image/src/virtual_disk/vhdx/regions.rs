//! The region table ([MS-VHDX] 2.2.3): where the block table and the metadata lie.
//!
//! ```text
//! 0   4   "regi"                 each entry:
//! 4   4   CRC-32C of 64 KiB      0   16  GUID
//! 8   4   number of entries      16  8   where
//! 16      entries of 32 bytes    24  4   length
//!                                28  4   whether it must be understood
//! ```

use std::ops::Range;

use uuid::{Uuid, uuid};

use super::{Header, KIB, MIB, STRUCTURES_END, take_crc};
use crate::source::{guid_at, u32_at, u64_at};
use crate::virtual_disk::file::Pages;
use crate::{Error, Result};

const REGIONS: &str = "VHDX region table";
const AT: [u64; 2] = [192 * KIB, 256 * KIB];
const LEN_BYTES: usize = 64 << 10;
const MAX_ENTRIES: usize = 2047;
const TABLE: Uuid = uuid!("2dc27766-f623-4200-9d64-115e9bfd4a08");
const METADATA: Uuid = uuid!("8b7ca206-4790-4b9a-b8fe-575f050f886e");

/// The regions of a file, none within another.
pub(super) struct Regions {
    pub table: Range<u64>,
    pub metadata: Range<u64>,
    log: Range<u64>,
}

impl Regions {
    pub fn read(pages: &Pages, header: &Header) -> Result<Self> {
        let [first, second] = AT.map(|at| Self::read_copy(pages, header, at));
        first.or_else(|error| second.map_err(|_| error))
    }

    fn read_copy(pages: &Pages, header: &Header, at: u64) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(REGIONS, at, reason);
        let mut bytes = pages.structure(REGIONS, at, LEN_BYTES)?;
        if bytes[..4] != *b"regi" {
            return Err(damaged("it has no signature"));
        }
        if !take_crc(&mut bytes) {
            return Err(damaged("its checksum is wrong"));
        }
        let entries = u32_at(&bytes, 8) as usize;
        if entries > MAX_ENTRIES {
            return Err(damaged("it has too many entries"));
        }
        let (mut table, mut metadata) = (None, None);
        for entry in bytes[16..].chunks_exact(32).take(entries) {
            let (id, start, len) = (guid_at(entry, 0), u64_at(entry, 16), u64::from(u32_at(entry, 24)));
            let is_aligned = start.is_multiple_of(MIB) && len.is_multiple_of(MIB);
            if !is_aligned || start < STRUCTURES_END || !pages.has(start, len) {
                return Err(damaged(
                    "a region is misplaced or lies beyond the end of the file",
                ));
            }
            let slot = match id {
                TABLE => &mut table,
                METADATA => &mut metadata,
                _ if u32_at(entry, 28) & 1 == 0 => continue,
                _ => {
                    let feature = format!("the region {id}");
                    return Err(Error::Unsupported {
                        format: super::FORMAT,
                        feature,
                    });
                }
            };
            if slot.replace(start..start + len).is_some() {
                return Err(damaged("a region is there twice"));
            }
        }
        let log_end = header.log_at.saturating_add(header.log_bytes);
        let regions = Self {
            table: table.ok_or_else(|| damaged("it names no block table"))?,
            metadata: metadata.ok_or_else(|| damaged("it names no metadata"))?,
            log: header.log_at..log_end,
        };
        let [table, metadata, log] = regions.all();
        if overlap(table, metadata) || overlap(table, log) || overlap(metadata, log) {
            return Err(damaged("its regions overlap"));
        }
        Ok(regions)
    }

    fn all(&self) -> [&Range<u64>; 3] {
        [&self.table, &self.metadata, &self.log]
    }

    /// Whether a range, which lies within the file, touches any structure.
    pub fn overlap(&self, at: u64, len: u64) -> bool {
        at < STRUCTURES_END || self.all().iter().any(|region| overlap(region, &(at..at + len)))
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}
