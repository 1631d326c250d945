//! Reads a manifest: in order, from a path on, or a single entry.

use std::fs::File;
use std::sync::Arc;

use crate::content::ContentHash;
use crate::entry::{DirRecord, Entry};
use crate::envelope::{Footer, PREAMBLE_BYTES, Preamble, TRAILER_BYTES, decode_footer, decode_trailer};
use crate::error::{Error, Result};
use crate::frame::{Frame, HEAD_BYTES, Head, Unpacker};
use crate::header::{Conclusion, Header, Totals};
use crate::path::{compare_paths, split_path};
use crate::record::RawRecord;

mod partial;
mod records;
mod source;

pub use partial::{Partial, read_partial};
pub use records::{RawRecords, Records};
pub use source::ReadAt;

use records::{FrameRecords, check_order};

/// A finished manifest. Cheap to clone; can be used by many threads at once.
#[derive(Debug)]
pub struct Reader<S = File> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Reader<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

#[derive(Debug)]
struct Inner<S> {
    source: S,
    header: Header,
    footer: Footer,
}

/// Reads what stands in front of the frames; gives also where the first of them begins.
fn read_header<S: ReadAt>(source: &S, file_bytes: u64) -> Result<(Header, u64)> {
    let mut preamble = [0; PREAMBLE_BYTES];
    if file_bytes < PREAMBLE_BYTES as u64 {
        return Err(Error::NotAManifest);
    }
    source.read_exact_at(&mut preamble, 0)?;
    let preamble = Preamble::decode(&preamble)?;
    let frames_offset = (PREAMBLE_BYTES + preamble.header_bytes) as u64;
    if frames_offset > file_bytes {
        return Err(Error::Unfinished);
    }
    let mut body = vec![0; preamble.header_bytes];
    source.read_exact_at(&mut body, PREAMBLE_BYTES as u64)?;
    Ok((preamble.header(&body)?, frames_offset))
}

/// Reads the frame at an offset, of which no more than `limit_bytes` can be there.
fn read_frame<S: ReadAt>(
    source: &S,
    unpacker: &mut Unpacker,
    offset_bytes: u64,
    limit_bytes: u64,
) -> Result<Frame> {
    let mut head = [0; HEAD_BYTES];
    if limit_bytes < HEAD_BYTES as u64 {
        return Err(Error::malformed("frame", "it ends too early"));
    }
    source.read_exact_at(&mut head, offset_bytes)?;
    let decoded = Head::decode(&head)?;
    let len_bytes = HEAD_BYTES + decoded.packed_bytes as usize;
    if len_bytes as u64 > limit_bytes {
        return Err(Error::malformed("frame", "it ends too early"));
    }
    let mut encoded = vec![0; len_bytes];
    encoded[..HEAD_BYTES].copy_from_slice(&head);
    source.read_exact_at(&mut encoded[HEAD_BYTES..], offset_bytes + HEAD_BYTES as u64)?;
    unpacker.unpack(&decoded, encoded)
}

impl<S: ReadAt> Reader<S> {
    /// Opens a finished manifest: reads its header and its footer.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if there is no trailer; [`Error::NotAManifest`], [`Error::UnsupportedVersion`],
    /// [`Error::Damaged`] and [`Error::Malformed`] as they say.
    pub fn open(source: S) -> Result<Self> {
        let file_bytes = source.len_bytes()?;
        let (header, frames_offset) = read_header(&source, file_bytes)?;
        if file_bytes - frames_offset < TRAILER_BYTES as u64 {
            return Err(Error::Unfinished);
        }
        let mut trailer = [0; TRAILER_BYTES];
        source.read_exact_at(&mut trailer, file_bytes - TRAILER_BYTES as u64)?;
        let (offset_bytes, len_bytes) = decode_trailer(&trailer, file_bytes)?;
        if offset_bytes < frames_offset {
            return Err(Error::Damaged {
                what: "the footer begins within the header",
                offset_bytes,
            });
        }
        let mut footer = vec![0; len_bytes];
        source.read_exact_at(&mut footer, offset_bytes)?;
        let footer = decode_footer(&footer, frames_offset, offset_bytes)?;
        Ok(Self {
            inner: Arc::new(Inner {
                source,
                header,
                footer,
            }),
        })
    }

    /// What was known when the backup began.
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// What was known at its end.
    pub fn conclusion(&self) -> &Conclusion {
        &self.inner.footer.conclusion
    }

    /// Counts of what is listed.
    pub fn totals(&self) -> &Totals {
        &self.inner.footer.totals
    }

    /// BLAKE3 over all records.
    pub fn digest(&self) -> ContentHash {
        self.inner.footer.digest
    }

    /// What the manifest is read from.
    pub fn source(&self) -> &S {
        &self.inner.source
    }

    /// Goes through all directories.
    pub fn records(&self) -> Records<S> {
        Records::new(self.raw_records())
    }

    /// Goes through all directories from the first on that is not before `path`.
    pub fn records_from(&self, path: &[u8]) -> Result<Records<S>> {
        Ok(Records::new(self.raw_records_from(path)?))
    }

    /// Goes through all directories and leaves them encoded.
    pub fn raw_records(&self) -> RawRecords<S> {
        RawRecords::new(self.clone(), 0)
    }

    /// Goes through all directories, encoded, from the first on that is not before `path`.
    pub fn raw_records_from(&self, path: &[u8]) -> Result<RawRecords<S>> {
        let index = &self.inner.footer.index;
        let after = index.partition_point(|frame| compare_paths(&frame.first_path, path).is_le());
        let mut records = RawRecords::new(self.clone(), after.saturating_sub(1));
        records.skip_before(path)?;
        Ok(records)
    }

    /// Finds a directory.
    pub fn directory(&self, path: &[u8]) -> Result<Option<DirRecord>> {
        self.raw_directory(path)?
            .map(|record| record.decode())
            .transpose()
    }

    /// Finds a directory and leaves it encoded.
    pub fn raw_directory(&self, path: &[u8]) -> Result<Option<RawRecord>> {
        let record = self.raw_records_from(path)?.next().transpose()?;
        Ok(record.filter(|record| record.path() == path))
    }

    /// Finds an entry by its path. The root is none.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<Entry>> {
        let Some((parent, name)) = split_path(path) else {
            return Ok(None);
        };
        let Some(record) = self.raw_directory(parent)? else {
            return Ok(None);
        };
        let mut entries = record.entries()?;
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if entry.name == name {
                return Ok(Some(entries.own(&entry)));
            }
        }
        Ok(None)
    }

    /// Reads everything, and checks the digest and the totals.
    ///
    /// What is read in any other way is checked too, but for these two, for which all has to be read.
    pub fn verify(&self) -> Result<()> {
        let (mut hasher, mut counts) = (blake3::Hasher::new(), Totals::default());
        for record in self.raw_records() {
            let record = record?;
            if record.index() == 0 {
                hasher.update(record.frame().body());
            }
            counts.add(&record.tally(|_, _| {})?);
        }
        if *hasher.finalize().as_bytes() != self.digest().0 {
            return Err(Error::Damaged {
                what: "the digest is wrong",
                offset_bytes: 0,
            });
        }
        if counts != *self.totals() {
            return Err(Error::Damaged {
                what: "the totals are wrong",
                offset_bytes: 0,
            });
        }
        Ok(())
    }

    /// The number of entries, and of directories, that precede `path` in whole frames: for an estimate of
    /// progress.
    pub fn ordinal(&self, path: &[u8]) -> (u64, u64) {
        let index = &self.inner.footer.index;
        let after = index.partition_point(|frame| compare_paths(&frame.first_path, path).is_le());
        let before = &index[..after.saturating_sub(1)];
        let entries = before.last().map_or(0, |frame| frame.first_entry + frame.entries);
        (entries, before.iter().map(|frame| frame.records).sum())
    }
}
