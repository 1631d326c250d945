//! VHDX ("[MS-VHDX]: Virtual Hard Disk v2 File Format", sections 2.2 to 2.6). All fields are little endian.
//!
//! ```text
//! 0        "vhdxfile"
//! 64 KiB   header, and its copy at 128 KiB: the one with the higher sequence number counts
//! 192 KiB  region table, and its copy at 256 KiB: where the block table and the metadata are
//! ```
//! An entry of the block table has the state of a block in its lowest three bits and its place in MiB from bit 20 on. After the
//! entries of each chunk (2^23 sectors) comes one for the chunk's bitmap, which tells for blocks that are there in
//! part which of their sectors are.

mod log;
mod metadata;
mod regions;

use crc::{CRC_32_ISCSI, Crc};
use uuid::Uuid;

use super::bits::BitOrder;
use super::file::Pages;
use super::{ParentLink, Place, Run};
use crate::source::{guid_at, u16_at, u32_at, u64_at};
use crate::{Error, Result};
use metadata::Metadata;
use regions::Regions;

pub(super) const FILE_MAGIC: &[u8; 8] = b"vhdxfile";
const FORMAT: &str = "VHDX";
const HEADER: &str = "VHDX header";
const TABLE: &str = "VHDX block table";
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const HEADERS_AT: [u64; 2] = [64 * KIB, 128 * KIB];
const HEADER_BYTES: usize = 4 << 10;
/// Headers and region tables lie in front of that.
const STRUCTURES_END: u64 = MIB;
/// A chunk has so many sectors, so that its bitmap has 1 MiB.
const CHUNK_SECTORS: u64 = 1 << 23;
const BITMAP_BYTES: u64 = MIB;
/// So much of a bitmap is looked at at once.
const BITMAP_STEP_BYTES: u64 = 512;

pub(super) struct Vhdx {
    pages: Pages,
    header: Header,
    regions: Regions,
    metadata: Metadata,
    /// Blocks per chunk.
    chunk_blocks: u64,
}

/// The header that counts.
struct Header {
    sequence: u64,
    data_write_id: Uuid,
    log_id: Uuid,
    log_at: u64,
    log_bytes: u64,
}

/// What the table says of a block.
enum Block {
    Absent,
    Zeros,
    Whole(u64),
    /// With the place of the chunk's bitmap.
    Partial(u64, u64),
}

impl Vhdx {
    pub fn open(pages: Pages) -> Result<Self> {
        let magic = pages.structure("VHDX file identifier", 0, FILE_MAGIC.len())?;
        if magic != FILE_MAGIC {
            return Err(Error::damaged("VHDX file identifier", 0, "it has no signature"));
        }
        let header = Header::read(&pages)?;
        let pages = match header.log_id.is_nil() {
            true => pages,
            false => log::replay(pages, &header)?,
        };
        let regions = Regions::read(&pages, &header)?;
        let metadata = Metadata::read(&pages, regions.metadata.start)?;
        let chunk_blocks = CHUNK_SECTORS * metadata.sector_bytes / metadata.block_bytes;
        let vhdx = Self {
            pages,
            header,
            regions,
            metadata,
            chunk_blocks,
        };
        vhdx.check_table()?;
        Ok(vhdx)
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    pub fn len_bytes(&self) -> u64 {
        self.metadata.len_bytes
    }

    pub fn data_write_id(&self) -> Uuid {
        self.header.data_write_id
    }

    pub fn parent(&self) -> Option<&ParentLink> {
        self.metadata.parent.as_ref()
    }

    pub fn locate(&self, offset_bytes: u64, max_bytes: u64) -> Result<Run> {
        let block_bytes = self.metadata.block_bytes;
        let within = offset_bytes % block_bytes;
        let len_bytes = max_bytes.min(block_bytes - within);
        let place = match self.block(offset_bytes / block_bytes)? {
            Block::Absent => self.elsewhere(),
            Block::Zeros => Place::Zeros,
            Block::Whole(at) => Place::File(at + within),
            Block::Partial(at, bitmap_at) => {
                let (has_it, run_bytes) = self.bitmap_run(bitmap_at, offset_bytes)?;
                let len_bytes = len_bytes.min(run_bytes);
                let place = match has_it {
                    true => Place::File(at + within),
                    false => self.elsewhere(),
                };
                return Ok(Run { place, len_bytes });
            }
        };
        Ok(Run { place, len_bytes })
    }

    fn elsewhere(&self) -> Place {
        match self.metadata.parent {
            Some(_) => Place::Parent,
            None => Place::Zeros,
        }
    }

    /// The table must have an entry for each block, and for each bitmap in front of the last.
    fn check_table(&self) -> Result<()> {
        let blocks = self.metadata.len_bytes.div_ceil(self.metadata.block_bytes);
        let last = match self.metadata.parent {
            None => blocks.saturating_sub(1),
            Some(_) => blocks.div_ceil(self.chunk_blocks) * self.chunk_blocks,
        };
        let entries = last + last / self.chunk_blocks + 1;
        // A differencing disk's last entry is that of a bitmap.
        let entries = entries - u64::from(self.metadata.parent.is_some());
        let table = &self.regions.table;
        if blocks > 0 && entries * 8 > table.end - table.start {
            return Err(Error::damaged(TABLE, table.start, "it is too small for the disk"));
        }
        Ok(())
    }

    fn block(&self, block: u64) -> Result<Block> {
        let entry_at = self.regions.table.start + (block + block / self.chunk_blocks) * 8;
        let entry = self.pages.le_u64(entry_at)?;
        match entry & 7 {
            0 => Ok(Block::Absent),
            1..=3 => Ok(Block::Zeros),
            6 => Ok(Block::Whole(self.place(entry, entry_at, block)?)),
            7 if self.metadata.parent.is_some() => {
                let at = self.place(entry, entry_at, block)?;
                Ok(Block::Partial(at, self.bitmap_at(block)?))
            }
            state => Err(Error::damaged(
                TABLE,
                entry_at,
                format!("block {block} is in the impossible state {state}"),
            )),
        }
    }

    fn bitmap_at(&self, block: u64) -> Result<u64> {
        let chunk = block / self.chunk_blocks;
        let entry_at = self.regions.table.start + (chunk * (self.chunk_blocks + 1) + self.chunk_blocks) * 8;
        let entry = self.pages.le_u64(entry_at)?;
        let at = entry >> 20 << 20;
        let is_there = entry & 7 == 6 && self.pages.has(at, BITMAP_BYTES);
        if !is_there || self.regions.overlap(at, BITMAP_BYTES) {
            let reason = format!("the bitmap of chunk {chunk} is not in the file");
            return Err(Error::damaged(TABLE, entry_at, reason));
        }
        Ok(at)
    }

    /// Where a block's content lies. The last one may end with the disk.
    fn place(&self, entry: u64, entry_at: u64, block: u64) -> Result<u64> {
        let at = entry >> 20 << 20;
        let block_bytes = self.metadata.block_bytes;
        let content = (self.metadata.len_bytes - block * block_bytes).min(block_bytes);
        let reason = if !self.pages.has(at, content) {
            "lies beyond the end of the file"
        } else if self.regions.overlap(at, content) {
            "overlaps the structures of the file"
        } else {
            return Ok(at);
        };
        Err(Error::damaged(TABLE, entry_at, format!("block {block} {reason}")))
    }

    fn bitmap_run(&self, bitmap_at: u64, offset_bytes: u64) -> Result<(bool, u64)> {
        let sector_bytes = self.metadata.sector_bytes;
        let sector = offset_bytes / sector_bytes % CHUNK_SECTORS;
        let from = sector / 8;
        let step = BITMAP_STEP_BYTES.min(BITMAP_BYTES - from);
        let mut bitmap = [0; BITMAP_STEP_BYTES as usize];
        let bitmap = &mut bitmap[..step as usize];
        self.pages.table(bitmap, bitmap_at + from)?;
        let (has_it, sectors) = BitOrder::LowFirst.run(bitmap, (sector % 8) as usize);
        Ok((
            has_it,
            sectors as u64 * sector_bytes - offset_bytes % sector_bytes,
        ))
    }
}

impl Header {
    /// Reads both copies and takes the newer of those that are sound.
    ///
    /// ```text
    /// 0   4   "head"                48  16  log GUID
    /// 4   4   CRC-32C               64  2   log version, 0
    /// 8   8   sequence number       66  2   version, 1
    /// 16  16  file write GUID       68  4   log length
    /// 32  16  data write GUID       72  8   log offset
    /// ```
    fn read(pages: &Pages) -> Result<Self> {
        let [first, second] = HEADERS_AT.map(|at| Self::read_copy(pages, at));
        match (first, second) {
            (Ok(first), Ok(second)) if second.sequence > first.sequence => Ok(second),
            (Ok(header), _) | (_, Ok(header)) => Ok(header),
            (Err(error), Err(_)) => Err(error),
        }
    }

    fn read_copy(pages: &Pages, at: u64) -> Result<Self> {
        let mut bytes = pages.structure(HEADER, at, HEADER_BYTES)?;
        let damaged = |reason: &str| Error::damaged(HEADER, at, reason);
        if bytes[..4] != *b"head" {
            return Err(damaged("it has no signature"));
        }
        if !take_crc(&mut bytes) {
            return Err(damaged("its checksum is wrong"));
        }
        let (version, log_version) = (u16_at(&bytes, 66), u16_at(&bytes, 64));
        let header = Self {
            sequence: u64_at(&bytes, 8),
            data_write_id: guid_at(&bytes, 32),
            log_id: guid_at(&bytes, 48),
            log_at: u64_at(&bytes, 72),
            log_bytes: u64::from(u32_at(&bytes, 68)),
        };
        if version != 1 || (log_version != 0 && !header.log_id.is_nil()) {
            return Err(Error::Unsupported {
                format: FORMAT,
                feature: format!("version {version}, log version {log_version}"),
            });
        }
        Ok(header)
    }
}

/// Whether the CRC-32C at offset 4 of a structure is right; it is 0 from then on.
fn take_crc(bytes: &mut [u8]) -> bool {
    let sum = u32_at(bytes, 4);
    bytes[4..8].fill(0);
    CRC.checksum(bytes) == sum
}
