//! qcow2, versions 2 and 3 (QEMU, docs/interop/qcow2.rst). All fields are big endian.
//!
//! The level-1 table has the places of level-2 tables, those the places of clusters:
//!
//! ```text
//! level 1   bits 9-55 place of the level-2 table
//! level 2   bit 62 compressed; else bits 9-55 place of the cluster, bit 0 reads as zeros (version 3)
//! ```
//! In a compressed entry, the lowest `62 - (cluster bits - 8)` bits are a place in bytes, the others up to bit 61 the number of
//! further sectors of 512 bytes that the compressed cluster touches. Counts of references and snapshots are not looked at.

mod compressed;
mod header;

use super::file::Pages;
use super::{ParentLink, Place, Run};
use crate::{Error, Result};
pub(super) use compressed::Compressed;
use compressed::Decompressed;
use header::Header;
pub(super) use header::MAGIC;

const FORMAT: &str = "qcow2";
const TABLE: &str = "qcow2 table";
const PLACE: u64 = 0x00ff_ffff_ffff_fe00;
const IS_COMPRESSED: u64 = 1 << 62;
const IS_ZEROS: u64 = 1;

pub(super) struct Qcow2 {
    pages: Pages,
    header: Header,
    decompressed: Decompressed,
}

impl Qcow2 {
    pub fn open(pages: Pages) -> Result<Self> {
        let header = Header::read(&pages)?;
        Ok(Self {
            pages,
            decompressed: Decompressed::new(header.compression, header.cluster_bits),
            header,
        })
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    pub fn len_bytes(&self) -> u64 {
        self.header.len_bytes
    }

    pub fn parent(&self) -> Option<&ParentLink> {
        self.header.parent.as_ref()
    }

    pub fn locate(&self, offset_bytes: u64, max_bytes: u64) -> Result<Run> {
        let header = &self.header;
        let cluster_bytes = 1 << header.cluster_bits;
        let table_bits = header.cluster_bits + header.cluster_bits - 3;
        // The header's check has made sure that the level-1 table reaches so far.
        let first_at = header.first_level_at + (offset_bytes >> table_bits) * 8;
        let table_at = self.pages.be_u64(first_at)? & PLACE;
        if table_at == 0 {
            let table_covers = 1 << table_bits;
            let len_bytes = max_bytes.min(table_covers - offset_bytes % table_covers);
            let place = self.elsewhere();
            return Ok(Run { place, len_bytes });
        }
        self.check_cluster(table_at, first_at, cluster_bytes)?;
        let index = (offset_bytes >> header.cluster_bits) % (cluster_bytes / 8);
        let entry_at = table_at + index * 8;
        let within = offset_bytes % cluster_bytes;
        let len_bytes = max_bytes.min(cluster_bytes - within);
        let place = self.place(self.pages.be_u64(entry_at)?, entry_at, within)?;
        Ok(Run { place, len_bytes })
    }

    fn place(&self, entry: u64, entry_at: u64, within: u64) -> Result<Place> {
        if entry & IS_COMPRESSED != 0 {
            let compressed = Compressed::parse(entry, self.header.cluster_bits);
            let is_there = compressed.at_bytes < self.pages.len_bytes();
            if !is_there || self.header.overlaps(compressed.at_bytes, 1) {
                return Err(misplaced(entry_at));
            }
            return Ok(Place::Compressed(compressed, within));
        }
        let at = entry & PLACE;
        if self.header.version >= 3 && entry & IS_ZEROS != 0 {
            return Ok(Place::Zeros);
        }
        if at == 0 {
            return Ok(self.elsewhere());
        }
        // The file's last cluster may be cut off where only zeros follow.
        self.check_cluster(at, entry_at, 1)?;
        Ok(Place::File(at + within))
    }

    /// Fails unless a cluster is where one can be, and a part of it within the file.
    fn check_cluster(&self, at: u64, entry_at: u64, min_bytes: u64) -> Result<()> {
        let cluster_bytes = 1 << self.header.cluster_bits;
        let is_placed = at.is_multiple_of(cluster_bytes) && self.pages.has(at, min_bytes);
        if !is_placed || self.header.overlaps(at, cluster_bytes) {
            return Err(misplaced(entry_at));
        }
        Ok(())
    }

    pub fn read_compressed(&self, cluster: Compressed, skip_bytes: u64, buffer: &mut [u8]) -> Result<()> {
        let cluster = self.decompressed.get(cluster, &self.pages)?;
        // Both are within the cluster: see `locate`.
        let from = skip_bytes as usize;
        buffer.copy_from_slice(&cluster[from..from + buffer.len()]);
        Ok(())
    }

    fn elsewhere(&self) -> Place {
        match self.header.parent {
            Some(_) => Place::Parent,
            None => Place::Zeros,
        }
    }
}

fn misplaced(entry_at: u64) -> Error {
    Error::damaged(
        TABLE,
        entry_at,
        "an entry leads beyond the end of the file, or to no cluster",
    )
}
