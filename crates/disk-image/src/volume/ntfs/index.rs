//! The index of a directory: a B-tree of names, read without regard to its order.
//!
//! The root lies in the directory's record, the rest in blocks, of which a bitmap tells those in use; the others may hold old
//! entries. Index header, behind 16 bytes in the root and 24 in a block: 0 offset of the entries, 4 their end, both from the
//! header. An entry: 0 record (48 bits) and sequence number, 8 length (u16), 12 flags (u16): 2 ends the list, 16 file name.

use super::mft::Mft;
use super::record::{AttributeKind, Record, undo_fixups};
use crate::source::{u16_at, u32_at, u64_at};
use crate::volume::bits;
use crate::{Error, Result};

const INDEX_NAME: [u16; 4] = [b'$' as u16, b'I' as u16, b'3' as u16, b'0' as u16];
const LAST_ENTRY: u16 = 2;
/// The bitmap of an index of 1 TiB with the smallest blocks.
const MAX_BITMAP_BYTES: u64 = 256 << 20;

/// A name in a directory: what it leads to, and its file name attribute, which has at least its fixed part.
///
/// A file name: 0 directory, 0x40 length in units (u8), 0x41 name space (u8), 0x42 units.
pub struct IndexEntry<'a> {
    /// The record and its sequence number.
    pub reference: u64,
    /// 0 is POSIX, 1 Windows, 2 DOS, 3 both of them.
    pub name_space: u8,
    units: &'a [u8],
}

impl IndexEntry<'_> {
    /// The name.
    pub fn units(&self) -> Vec<u16> {
        self.units.chunks_exact(2).map(|unit| u16_at(unit, 0)).collect()
    }

    fn parse(entry: &[u8]) -> Option<IndexEntry<'_>> {
        let value = &entry[16..];
        let len = usize::from(*value.get(0x40)?);
        Some(IndexEntry {
            reference: u64_at(entry, 0),
            name_space: *value.get(0x41)?,
            units: value.get(0x42..0x42 + len * 2)?,
        })
    }
}

/// Calls for each name in a directory; of a large index only the first bytes are read. Returns how much was read.
///
/// # Errors
/// [`Error::Damaged`] if its parts don't make a whole, or have clusters in common.
pub fn each_name(
    mft: &Mft,
    directory: &Record,
    limit_bytes: u64,
    each: &mut dyn FnMut(&IndexEntry<'_>),
) -> Result<u64> {
    let Some(root) = mft.data(directory, AttributeKind::IndexRoot, &INDEX_NAME)? else {
        return Ok(0);
    };
    let root_bytes = root.written_bytes().min(mft.boot().record_bytes);
    let root = root.read(mft.reader(), mft.boot(), 0, root_bytes)?;
    if root.len() < 32 {
        return Ok(root_bytes);
    }
    each_entry(&root[16..], each);
    let block_bytes = u64::from(u32_at(&root, 8));
    let blocks = mft.data(directory, AttributeKind::IndexAllocation, &INDEX_NAME)?;
    let is_possible = block_bytes.is_power_of_two() && (512..=64 << 10).contains(&block_bytes);
    let Some(blocks) = blocks.filter(|_| is_possible) else {
        return Ok(root_bytes);
    };
    if blocks.has_clusters_twice() {
        return Err(Error::damaged("NTFS index", 0, "it has a cluster twice"));
    }
    let used = used_blocks(mft, directory)?;
    let mut read_bytes = root_bytes;
    let count = blocks.written_bytes().min(limit_bytes) / block_bytes;
    for number in 0..count {
        let is_used = |used: &Vec<u8>| number / 8 < used.len() as u64 && bits::is_set(used, number);
        if used.as_ref().is_some_and(|used| !is_used(used)) {
            continue;
        }
        let at = number * block_bytes;
        read_bytes += block_bytes;
        let mut block = blocks.read(mft.reader(), mft.boot(), at, block_bytes)?;
        // One that was never used has no signature.
        if undo_fixups("NTFS index block", b"INDX", at, &mut block).is_ok() {
            each_entry(&block[24..], each);
        }
    }
    Ok(read_bytes)
}

/// The bitmap of blocks, if there is one.
fn used_blocks(mft: &Mft, directory: &Record) -> Result<Option<Vec<u8>>> {
    let bitmap = mft.data(directory, AttributeKind::Bitmap, &INDEX_NAME)?;
    let most = MAX_BITMAP_BYTES.min(mft.reader().len_bytes());
    bitmap
        .map(|bitmap| bitmap.read(mft.reader(), mft.boot(), 0, bitmap.written_bytes().min(most)))
        .transpose()
}

fn each_entry(header: &[u8], each: &mut dyn FnMut(&IndexEntry<'_>)) {
    let end = (u32_at(header, 4) as usize).min(header.len());
    let mut rest = header.get(u32_at(header, 0) as usize..end).unwrap_or_default();
    while rest.len() >= 16 && u16_at(rest, 12) & LAST_ENTRY == 0 {
        let len = usize::from(u16_at(rest, 8));
        let Some(entry) = rest.get(..len).filter(|entry| entry.len() >= 16) else {
            return;
        };
        if let Some(entry) = IndexEntry::parse(entry) {
            each(&entry);
        }
        rest = &rest[len..];
    }
}
