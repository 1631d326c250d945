//! Comparing the content of a file that is there with what the manifest says.

use std::fs::File;
use std::num::NonZeroUsize;

use file_tree::{Access, Dir, Stat};
use manifest::{BLOCK_BYTES, BlockHash, Entry, Kind};
use wire::v1::Range;

use crate::backup::{Content, hash_content};
use crate::source::{EntryResult, open_beneath};

/// How the content of an existing file compares.
pub(super) enum Comparison {
    /// It is what it should be.
    Same,
    /// It differs, and can't be made right in part.
    Different,
    /// Only these ranges differ, and perhaps the length.
    Ranges(Vec<Range>),
}

/// Compares the file `name`, which is `existing`, with an entry.
pub(super) fn compare(dir: &Dir, name: &[u8], existing: &Stat, entry: &Entry) -> EntryResult<Comparison> {
    let Kind::File {
        size,
        hash,
        block_hashes,
    } = &entry.kind
    else {
        return Ok(Comparison::Different);
    };
    if block_hashes.is_empty() && existing.size != *size {
        return Ok(Comparison::Different);
    }
    let reader = open_beneath(dir, name, existing)?;
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let content = hash_content(&reader, existing, threads, &mut Vec::new())?;
    if content.size == *size && content.hash == *hash {
        return Ok(Comparison::Same);
    }
    if block_hashes.is_empty() {
        return Ok(Comparison::Different);
    }
    Ok(Comparison::Ranges(differing(&content, *size, block_hashes)))
}

/// Opens a file to be made right in part.
pub(super) fn open_for_patch(dir: &Dir, name: &[u8]) -> EntryResult<File> {
    dir.open_file(name, Access::ReadWrite)
}

/// The ranges of `wanted` that differ from what was read, neighbours together.
fn differing(content: &Content, size: u64, wanted: &[BlockHash]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for (index, hash) in wanted.iter().enumerate() {
        if content.block_hashes.get(index) == Some(hash) {
            continue;
        }
        let start = index as u64 * BLOCK_BYTES;
        let len_bytes = BLOCK_BYTES.min(size - start);
        match ranges.last_mut() {
            Some(last) if last.offset_bytes + last.len_bytes == start => last.len_bytes += len_bytes,
            _ => ranges.push(Range {
                offset_bytes: start,
                len_bytes,
            }),
        }
    }
    ranges
}
