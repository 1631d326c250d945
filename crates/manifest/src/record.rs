//! The record of a directory as bytes.
//!
//! ```text
//! path      bytes behind their length
//! count     varint
//! entries   sorted by name
//! ```
//!
//! A record stands for itself: nothing in it refers to another one. Therefore it can be copied from one
//! manifest to the next without being decoded, and the digest over all records doesn't depend on how they
//! are cut into frames. What repeats from record to record is left to the compression.

mod decode;
mod encode;
mod entries;
mod owners;
mod raw;
mod view;

pub use entries::Entries;
pub use raw::RawRecord;
pub use view::{EntryRef, KindRef};

pub(crate) use decode::EntryDecoder;
pub(crate) use encode::EntryEncoder;
pub(crate) use raw::Tally;

use crate::codec::{Input, put_bytes, put_varint};
use crate::entry::{DirRecord, Entry};
use crate::error::{Error, Result};
use crate::path::check_path;

/// Longest record: a directory of some two million entries.
pub const MAX_RECORD_BYTES: usize = 256 << 20;

/// The least that an entry takes: name (2), tag, mode, owner, mtime (2), ctime (2), inode, and its kind.
const MIN_ENTRY_BYTES: usize = 10;

/// What the first byte behind an entry's name tells.
mod tag {
    pub(super) const KIND: u8 = 0x07;
    pub(super) const FILE: u8 = 0;
    pub(super) const DIRECTORY: u8 = 1;
    pub(super) const SYMLINK: u8 = 2;
    pub(super) const HARD_LINK: u8 = 3;
    pub(super) const FIFO: u8 = 4;
    pub(super) const CHAR_DEVICE: u8 = 5;
    pub(super) const BLOCK_DEVICE: u8 = 6;
    pub(super) const VOLUME: u8 = 7;
    pub(super) const XATTRS: u8 = 0x08;
    pub(super) const FLAGS: u8 = 0x10;
    pub(super) const OPAQUE: u8 = 0x20;
    pub(super) const BLOCK_HASHES: u8 = 0x40;
    pub(super) const PENDING: u8 = 0x80;
}

const MAX_MODE: u32 = 0o7777;
const MAX_NANOS: u32 = 999_999_999;
const MAX_OWNER_NAME_BYTES: usize = 1024;

/// Whether bytes can be where a symbolic link points to.
fn is_link_target(target: &[u8]) -> bool {
    !target.is_empty() && !target.contains(&0)
}

/// Whether bytes can be the path of a file in a backup.
fn is_file_path(path: &[u8]) -> bool {
    !path.is_empty() && check_path(path).is_ok()
}

fn is_xattr_name(name: &[u8]) -> bool {
    (1..=255).contains(&name.len()) && !name.contains(&0)
}

/// Appends the encoding of a record.
///
/// # Errors
/// If the record breaks a rule of the format; `out` then holds a part of it.
pub fn encode_record(record: &DirRecord, out: &mut Vec<u8>) -> Result<()> {
    check_path(&record.path)?;
    let start = out.len();
    put_bytes(out, &record.path);
    put_varint(out, record.entries.len() as u64);
    let mut encoder = EntryEncoder::default();
    let mut previous: &[u8] = b"";
    for entry in &record.entries {
        if *entry.name <= *previous {
            return Err(Error::EntryOrder {
                path: record.path.clone(),
                name: entry.name.clone(),
            });
        }
        previous = &entry.name;
        encoder.entry(entry, out)?;
        check_record_len(out.len() - start)?;
    }
    Ok(())
}

/// Decodes a record, of which nothing may be left over.
pub fn decode_record(bytes: &[u8]) -> Result<DirRecord> {
    let mut entries = Entries::new(bytes)?;
    let path = entries.path().into();
    let mut decoded = Vec::with_capacity(entries.len());
    while let Some(entry) = entries.next() {
        let entry = entry?;
        decoded.push(entries.own(&entry));
    }
    Ok(DirRecord {
        path,
        entries: decoded,
    })
}

/// Appends the encoding of an entry by itself, as messages carry it.
///
/// # Errors
/// If the entry breaks a rule of the format.
pub fn encode_entry(entry: &Entry, out: &mut Vec<u8>) -> Result<()> {
    EntryEncoder::default().entry(entry, out)
}

/// Decodes an entry by itself, of which nothing may be left over.
pub fn decode_entry(bytes: &[u8]) -> Result<Entry> {
    let mut input = Input::new(bytes, "entry");
    let mut decoder = EntryDecoder::default();
    let entry = decoder.entry(&mut input)?;
    input.end()?;
    Ok(decoder.own(&entry))
}

fn check_record_len(len_bytes: usize) -> Result<()> {
    if len_bytes > MAX_RECORD_BYTES {
        return Err(Error::TooLong {
            part: "record",
            len_bytes: len_bytes as u64,
            limit_bytes: MAX_RECORD_BYTES as u64,
        });
    }
    Ok(())
}
