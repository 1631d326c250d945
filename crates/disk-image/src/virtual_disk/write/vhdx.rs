//! Dynamic and differencing VHDX: each block is appended when something of it is first written. Blocks of a differencing disk
//! that are not written as a whole have their sectors in the bitmap of their chunk.
//!
//! The bitmaps of all chunks lie in front of the blocks, also those that no block needs: libvhdi takes the file's first MiB for
//! one that is not there. They are holes of the file, 1 MiB for each 4 GiB of the disk.

use super::{Change, Out, Parent, check_parent, windows_name};
use crate::Result;
use crate::source::u64_at;
use crate::synthetic::vhdx::{
    FULLY_PRESENT, HEADERS_AT, LIMIT_BYTES, MIB, REGIONS_AT, TABLE_AT, block_bytes, header, identifier,
    metadata, regions,
};
use crate::synthetic::{Disk, Piece, PieceContent, SECTOR_BYTES, check_limit, put};
use crate::virtual_disk::FileFormat;
use crate::virtual_disk::bits::BitOrder;
use uuid::{Uuid, uuid};

const STATE: u64 = 7;
const ABSENT: u64 = 0;
const PARTLY_PRESENT: u64 = 7;
const PLACE: u64 = !(MIB - 1);
const CHUNK_BYTES: u64 = SECTOR_BYTES << 23;
const BITMAP_BYTES: u64 = MIB;
const LOCATOR_TYPE: Uuid = uuid!("b04aefb7-d19e-4a81-b789-25b8e9445913");

#[derive(Debug)]
pub(super) struct Writing {
    out: Out,
    block_bytes: u64,
    has_parent: bool,
    /// That of the first chunk; the others follow.
    bitmaps_at: u64,
    /// Where the file ends so far.
    end: u64,
    len_bytes: u64,
}

impl Writing {
    pub fn create(out: Out, disk: &Disk, parent: Option<Parent>) -> Result<Self> {
        check_limit("VHDX", disk, LIMIT_BYTES)?;
        let block_bytes = block_bytes(disk.len_bytes);
        let chunks = disk.len_bytes.div_ceil(CHUNK_BYTES);
        let table_bytes = (chunks * (CHUNK_BYTES / block_bytes + 1) * 8)
            .next_multiple_of(MIB)
            .max(MIB);
        let locator = parent.as_ref().map(locator).transpose()?;
        let has_parent = locator.is_some();
        let mut pieces = vec![Piece::structure(0, identifier())];
        pieces.extend(HEADERS_AT.into_iter().zip(1..).map(|(at, sequence)| Piece {
            at_bytes: at,
            content: PieceContent::Structure(header(disk, sequence)),
        }));
        pieces.extend(REGIONS_AT.map(|at| Piece::structure(at, regions(table_bytes))));
        pieces.extend(metadata(disk, block_bytes, locator));
        for piece in pieces {
            if let PieceContent::Structure(bytes) = piece.content {
                out.write(&bytes, piece.at_bytes)?;
            }
        }
        let mut writing = Self {
            out,
            block_bytes,
            has_parent,
            bitmaps_at: TABLE_AT + table_bytes,
            end: TABLE_AT + table_bytes,
            len_bytes: disk.len_bytes,
        };
        if has_parent {
            writing.place_bitmaps(chunks)?;
        }
        Ok(writing)
    }

    fn place_bitmaps(&mut self, chunks: u64) -> Result<()> {
        let per_chunk = CHUNK_BYTES / self.block_bytes;
        for chunk in 0..chunks {
            let entry_at = TABLE_AT + (chunk * (per_chunk + 1) + per_chunk) * 8;
            let entry = self.append(BITMAP_BYTES) | FULLY_PRESENT;
            self.out.write(&entry.to_le_bytes(), entry_at)?;
        }
        Ok(())
    }

    pub fn block_bytes(&self) -> u64 {
        self.block_bytes
    }

    /// Takes a change within one block.
    pub fn change(&mut self, change: Change<'_>, at: u64) -> Result<()> {
        let block = at / self.block_bytes;
        let within = at % self.block_bytes;
        let per_chunk = CHUNK_BYTES / self.block_bytes;
        let entry_at = TABLE_AT + (block + block / per_chunk) * 8;
        let entry = u64_at(&self.out.entry::<8>(entry_at)?, 0);
        let block_len = self.block_bytes.min(self.len_bytes - block * self.block_bytes);
        let is_whole = change.len_bytes() == block_len;
        let state = match (entry & STATE, change) {
            (ABSENT, Change::Zeros(_)) if !self.has_parent => return Ok(()),
            (ABSENT, _) if self.has_parent && !is_whole => PARTLY_PRESENT,
            // Also where all of it is zeros, though there is a state for that: libvhdi reads the parent then. The file has a hole.
            (ABSENT, _) => FULLY_PRESENT,
            (state, _) => state,
        };
        let is_new = entry & PLACE == 0;
        let content_at = if is_new {
            self.append(self.block_bytes)
        } else {
            entry & PLACE
        };
        let mut is_written = !is_new;
        if state == PARTLY_PRESENT {
            let bitmap_at = self.bitmaps_at + block / per_chunk * BITMAP_BYTES;
            let first = at % CHUNK_BYTES / SECTOR_BYTES;
            let sectors = first..first + change.len_bytes() / SECTOR_BYTES;
            is_written = self.out.set_bits(bitmap_at, sectors, BitOrder::LowFirst)?;
        }
        match is_written {
            true => self.out.overwrite(change, content_at + within)?,
            false => self.out.fill(change, content_at + within)?,
        }
        self.out.write(&(content_at | state).to_le_bytes(), entry_at)
    }

    fn append(&mut self, len_bytes: u64) -> u64 {
        let at = self.end;
        self.end += len_bytes;
        at
    }

    pub fn finish(self) -> Result<()> {
        self.out.set_len(self.end)?;
        self.out.sync()
    }
}

/// The parent locator ([MS-VHDX] 2.6.2.6): a type, then pairs of texts.
fn locator(parent: &Parent) -> Result<Vec<u8>> {
    let id = check_parent("VHDX", parent, FileFormat::Vhdx)?;
    let name = windows_name(&parent.link);
    let pairs = [
        ("parent_linkage", format!("{{{id}}}")),
        ("relative_path", name.clone()),
        // libvhdi knows no other name, and takes the last part of it.
        ("absolute_win32_path", name),
    ];
    let utf16 = |text: &str| {
        text.encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect::<Vec<u8>>()
    };
    let mut locator = vec![0; 20 + pairs.len() * 12];
    put(&mut locator, 0, &LOCATOR_TYPE.to_bytes_le());
    put(&mut locator, 18, &(pairs.len() as u16).to_le_bytes());
    for (index, (key, value)) in pairs.iter().enumerate() {
        let (key, value) = (utf16(key), utf16(value));
        let key_at = locator.len() as u32;
        let value_at = key_at + key.len() as u32;
        let entry = 20 + index * 12;
        put(&mut locator, entry, &key_at.to_le_bytes());
        put(&mut locator, entry + 4, &value_at.to_le_bytes());
        put(&mut locator, entry + 8, &(key.len() as u16).to_le_bytes());
        put(&mut locator, entry + 10, &(value.len() as u16).to_le_bytes());
        locator.extend(key);
        locator.extend(value);
    }
    Ok(locator)
}
