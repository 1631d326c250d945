//! A volume that is being written: its raw image, or what is new of it, and its block list.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use file_tree::Dir;
use manifest::volume::{GROUP_BLOCKS, ZEROS, hash_volume_block, is_zero};
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, content::block_count, join_path};

use super::block_list::{BlockList, UNKNOWN};
use super::grown::{self, Grown};
use super::{Found, ImageIngest, VolumeFormat, VolumeReader, base, open_or_create};
use crate::error::{Cause, During as _, Error, Result, shown};

/// What is compared within a block that is there already: what file systems share and free.
const PAGE_BYTES: usize = 4096;
/// Zeros within a block that was not there are left out from this length on. Shorter ones would only cut the image into pieces.
const MIN_HOLE_BYTES: usize = 32 << 10;

/// A volume that is being written. Blocks may be written by any number of threads, each by one at a time.
#[derive(Debug)]
pub struct VolumeSink {
    path: Box<[u8]>,
    /// What is written to, and beside it the list.
    grown: Grown,
    growth: Growth,
    size_bytes: u64,
    stored_bytes: AtomicU64,
}

/// What is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// The volume itself.
    Raw,
    /// A file for what is written alone.
    Delta,
}

impl VolumeSink {
    pub(super) fn open(
        ingest: &ImageIngest,
        in_tree: &Dir,
        dir: &[u8],
        name: &[u8],
        size_bytes: u64,
    ) -> Result<Self> {
        let path = join_path(dir, name);
        if !size_bytes.is_multiple_of(512) {
            return Err(Error::invalid_entry(
                &path,
                "its size is no whole number of sectors",
            ));
        }
        super::check_size(ingest.format, &path, size_bytes)?;
        let (grown, growth) = match ingest.format {
            VolumeFormat::Raw => (open_raw(ingest, in_tree, dir, name, size_bytes)?, Growth::Raw),
            _ => (
                grown::open(ingest, in_tree, dir, name, size_bytes)?,
                Growth::Delta,
            ),
        };
        Ok(Self {
            path,
            grown,
            growth,
            size_bytes,
            stored_bytes: AtomicU64::new(0),
        })
    }

    /// What is to become a virtual disk; `None` where there is nothing left to do.
    pub(super) fn to_convert(&self) -> Result<Option<Grown>> {
        match self.growth {
            Growth::Raw => Ok(None),
            Growth::Delta => self.grown.try_clone().map(Some),
        }
    }

    /// Its path in the backup.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Bytes that had to be written so far.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes.load(Ordering::Relaxed)
    }

    /// The groups that may have blocks which are not zero.
    pub fn groups(&self) -> Result<Vec<Range<u64>>> {
        self.grown.list.groups()
    }

    /// The hashes of a group's blocks as they are now; `None` if all are zeros.
    pub fn group(&self, group: u64) -> Result<Option<Vec<BlockHash>>> {
        self.grown.list.group(group)
    }

    /// The hash of all of it.
    pub fn hash(&self) -> Result<ContentHash> {
        self.grown.list.hash()
    }

    /// Writes whole blocks. Of a block that was there only pages that differ are written.
    ///
    /// Fails with [`Error::InvalidEntry`] if the range is not one of whole blocks within the volume.
    pub fn write(&self, offset_bytes: u64, bytes: &[u8]) -> Result<()> {
        let blocks = self.blocks(offset_bytes, bytes.len() as u64)?;
        let known: Vec<BlockHash> = blocks
            .clone()
            .map(|index| self.grown.list.get(index))
            .collect::<Result<_>>()?;
        let mut hashes = Vec::with_capacity(known.len());
        // ORDER: no hash says of a block what it is not, not even while it is written.
        self.grown.list.set(blocks.start, &vec![UNKNOWN; known.len()])?;
        let all = blocks.clone().zip(bytes.chunks(BLOCK_BYTES as usize)).zip(known);
        for ((index, block), known) in all {
            let hash = hash_volume_block(index, block);
            if hash != known {
                let at = index * BLOCK_BYTES;
                let written = match self.growth {
                    _ if known == ZEROS => self.write_new(at, block),
                    Growth::Raw => self.write_differing(at, block),
                    // What is there may be of this block or nothing.
                    Growth::Delta => self.put(at, block),
                };
                written.during("write", shown(&self.path))?;
            }
            hashes.push(hash);
        }
        self.grown.list.set(blocks.start, &hashes)
    }

    /// Makes whole blocks zeros.
    ///
    /// Fails as [`VolumeSink::write`].
    pub fn clear(&self, offset_bytes: u64, len_bytes: u64) -> Result<()> {
        let blocks = self.blocks(offset_bytes, len_bytes)?;
        let mut at = blocks.start;
        // ORDER: as with blocks that are written.
        while at < blocks.end {
            let now = GROUP_BLOCKS.min(blocks.end - at);
            self.grown.list.set(at, &vec![UNKNOWN; now as usize])?;
            at += now;
        }
        self.punch(offset_bytes, len_bytes)
            .during("write", shown(&self.path))?;
        self.grown.list.clear(blocks)
    }

    /// Says of a block that it should be something else than it is.
    pub(super) fn set_hash(&self, index: u64, hash: BlockHash) -> Result<()> {
        self.grown.list.set(index, &[hash])
    }

    fn blocks(&self, offset_bytes: u64, len_bytes: u64) -> Result<Range<u64>> {
        let end = offset_bytes.checked_add(len_bytes);
        let end = end.filter(|&end| {
            let is_whole = end.is_multiple_of(BLOCK_BYTES) || end == self.size_bytes;
            offset_bytes.is_multiple_of(BLOCK_BYTES) && is_whole && end <= self.size_bytes
        });
        match end {
            Some(end) => Ok(offset_bytes / BLOCK_BYTES..end.div_ceil(BLOCK_BYTES)),
            None => Err(Error::invalid_entry(
                &self.path,
                "content that is not made of whole blocks within the volume",
            )),
        }
    }

    /// Writes a block where a hole is.
    fn write_new(&self, offset_bytes: u64, block: &[u8]) -> Result<(), Cause> {
        let mut start = 0;
        let mut at = 0;
        // From one run of data to the next, over zeros that are long enough.
        while at < block.len() {
            let zeros = zeros_from(block, at);
            let is_last = at + zeros == block.len();
            if zeros >= MIN_HOLE_BYTES || (is_last && zeros > 0) {
                self.put(offset_bytes + start as u64, &block[start..at])?;
                at += zeros;
                start = at;
            } else {
                at = (at + zeros + PAGE_BYTES).min(block.len());
            }
        }
        self.put(offset_bytes + start as u64, &block[start..])
    }

    /// Writes what differs of a block that is there.
    fn write_differing(&self, offset_bytes: u64, block: &[u8]) -> Result<(), Cause> {
        let mut old = vec![0; block.len()];
        self.grown.delta.read_exact_at(&mut old, offset_bytes)?;
        let pages = block.chunks(PAGE_BYTES).zip(old.chunks(PAGE_BYTES));
        let changes: Vec<Change> = pages.map(|(new, old)| Change::of(new, old)).collect();
        let mut first = 0;
        for run in changes.chunk_by(|a, b| a == b) {
            let range = first * PAGE_BYTES..((first + run.len()) * PAGE_BYTES).min(block.len());
            let at = offset_bytes + range.start as u64;
            match run[0] {
                Change::Same => {}
                Change::Data => self.put(at, &block[range])?,
                Change::Freed => self.punch(at, range.len() as u64)?,
            }
            first += run.len();
        }
        Ok(())
    }

    fn put(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Cause> {
        if !bytes.is_empty() {
            self.grown.delta.write_all_at(bytes, offset_bytes)?;
            self.stored_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    fn punch(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), Cause> {
        match cow_fs::punch_hole(&self.grown.delta, offset_bytes, len_bytes) {
            Err(error) if error.copy_may_work() => {
                let zeros = vec![0; BLOCK_BYTES as usize];
                let mut at = 0;
                while at < len_bytes {
                    let now = BLOCK_BYTES.min(len_bytes - at);
                    self.grown
                        .delta
                        .write_all_at(&zeros[..now as usize], offset_bytes + at)?;
                    at += now;
                }
                Ok(())
            }
            punched => Ok(punched?),
        }
    }
}

/// What a page of a block has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Same,
    Data,
    Freed,
}

impl Change {
    fn of(new: &[u8], old: &[u8]) -> Self {
        if new == old {
            Self::Same
        } else if is_zero(new) {
            Self::Freed
        } else {
            Self::Data
        }
    }
}

/// How many bytes from here on, in whole pages, are zeros.
fn zeros_from(block: &[u8], at: usize) -> usize {
    let pages = block[at..].chunks(PAGE_BYTES);
    pages.take_while(|page| is_zero(page)).map(<[u8]>::len).sum()
}

/// Opens a raw image in the tree, with its list.
fn open_raw(ingest: &ImageIngest, in_tree: &Dir, dir: &[u8], name: &[u8], size_bytes: u64) -> Result<Grown> {
    let path = join_path(dir, name);
    let (raw, found) = open_or_create(in_tree, name)?;
    let carried = match (found, &ingest.base) {
        (Found::New, Some(base)) => carry(ingest, base.open_volume(dir, name)?.as_ref(), name, &raw)?,
        _ => found,
    };
    let old_bytes = raw.metadata().during("look at", shown(&path))?.len();
    let kept = match found {
        Found::There => BlockList::find(in_tree, name, old_bytes)?,
        Found::New => None,
    };
    let list = match kept {
        Some(list) => list,
        None => BlockList::make(in_tree, name, old_bytes, |list| {
            let is_carried = found == Found::New && carried == Found::There;
            match is_carried
                .then(|| bases_list(ingest, dir, name, old_bytes))
                .transpose()?
                .flatten()
            {
                Some(bases) => list.begin_as(&bases),
                None => list.take_in(&raw),
            }
        })?,
    };
    Ok(Grown {
        list: resize(&raw, list, old_bytes, size_bytes, &path)?,
        delta: raw,
        base: None,
    })
}

/// The base's list of a volume, if it gives the volume's hash.
fn bases_list(ingest: &ImageIngest, dir: &[u8], name: &[u8], size_bytes: u64) -> Result<Option<BlockList>> {
    let known = ingest
        .content
        .lock()
        .base_hashes
        .get(&join_path(dir, name))
        .copied();
    match &ingest.base {
        Some(base) => base.right_list(dir, name, known, size_bytes),
        None => Ok(None),
    }
}

/// Takes the base's version of a volume, if it has one.
fn carry(ingest: &ImageIngest, from: Option<&VolumeReader>, name: &[u8], to: &File) -> Result<Found> {
    let copied = match from {
        None => return Ok(Found::New),
        Some(VolumeReader::Raw(from)) => ingest.shared.backend.copy_content(from, to),
        Some(from) => base::copy(from, to),
    };
    copied.during("copy", shown(name))?;
    Ok(Found::There)
}

/// Brings volume and list to another size: the last block of the shorter, if it is not whole, begins anew.
pub(super) fn resize(
    raw: &File,
    list: BlockList,
    old_bytes: u64,
    new_bytes: u64,
    path: &[u8],
) -> Result<BlockList> {
    if old_bytes == new_bytes {
        return Ok(list);
    }
    let kept = old_bytes.min(new_bytes) / BLOCK_BYTES * BLOCK_BYTES;
    list.clear(kept / BLOCK_BYTES..block_count(old_bytes))?;
    raw.set_len(kept).during("set the size of", shown(path))?;
    raw.set_len(new_bytes).during("set the size of", shown(path))?;
    list.resized(new_bytes)
}
