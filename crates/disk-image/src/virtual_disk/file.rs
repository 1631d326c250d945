//! A virtual disk's file as its reader sees it: tables by pages, of which a fixed number is kept, and content.

use std::fmt;
use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;

use parking_lot::Mutex;

use crate::source::{self, DiskSource, be_u32_at, be_u64_at, u64_at};
use crate::{Error, Result};

/// What a file's bytes come from.
pub type ImageSource = Box<dyn DiskSource + Send + Sync>;

const PAGE_BYTES: u64 = 16 << 10;
/// So many pages are kept per file: 1 MiB.
const KEPT_PAGES: usize = 64;

/// An open file of a virtual disk.
pub struct ImageFile {
    /// Its path: for messages, and for the resolver of its parent.
    pub path: PathBuf,
    /// Its bytes.
    pub source: ImageSource,
}

impl ImageFile {
    /// A file that was opened for reading.
    pub fn new(path: impl Into<PathBuf>, file: File) -> Self {
        Self {
            path: path.into(),
            source: Box::new(file),
        }
    }
}

impl fmt::Debug for ImageFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageFile")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// A page and its number.
type Page = Option<(u64, Box<[u8]>)>;

/// A file with the pages of its tables that were read last.
pub(super) struct Pages {
    source: ImageSource,
    len_bytes: u64,
    /// Each page has one place, by its number.
    kept: Mutex<Vec<Page>>,
}

impl Pages {
    pub fn open(source: ImageSource) -> Result<Self> {
        let len_bytes = source::len(&*source)?;
        Ok(Self {
            source,
            len_bytes,
            kept: Mutex::new(vec![None; KEPT_PAGES]),
        })
    }

    /// The same, its bytes seen through another source.
    pub fn wrap(self, wrap: impl FnOnce(ImageSource) -> ImageSource) -> Result<Self> {
        Self::open(wrap(self.source))
    }

    /// The file's size.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// The first range within another that may hold anything but zeros.
    pub fn next_data(&self, within: Range<u64>) -> Result<Option<Range<u64>>> {
        let (offset_bytes, len_bytes) = (within.start, within.end.saturating_sub(within.start));
        self.source.next_data(within).map_err(|source| Error::Io {
            action: "find data in",
            offset_bytes,
            len_bytes,
            source,
        })
    }

    /// Whether a range lies within the file.
    pub fn has(&self, at_bytes: u64, len_bytes: u64) -> bool {
        at_bytes
            .checked_add(len_bytes)
            .is_some_and(|end| end <= self.len_bytes)
    }

    /// Reads a structure, which must lie within the file.
    pub fn structure(&self, name: &'static str, at_bytes: u64, len_bytes: usize) -> Result<Vec<u8>> {
        if !self.has(at_bytes, len_bytes as u64) {
            return Err(Error::damaged(
                name,
                at_bytes,
                "it lies beyond the end of the file",
            ));
        }
        source::read(&*self.source, at_bytes, len_bytes)
    }

    /// Fills the buffer with content; what lies beyond the end of the file reads as zeros.
    pub fn read_padded(&self, buffer: &mut [u8], at_bytes: u64) -> Result<()> {
        let there = self.len_bytes.saturating_sub(at_bytes);
        let there = usize::try_from(there).unwrap_or(usize::MAX).min(buffer.len());
        let (there, beyond) = buffer.split_at_mut(there);
        beyond.fill(0);
        if there.is_empty() {
            return Ok(());
        }
        let len_bytes = there.len() as u64;
        self.source
            .read_exact_at(there, at_bytes)
            .map_err(|source| Error::Io {
                action: "read",
                offset_bytes: at_bytes,
                len_bytes,
                source,
            })
    }

    /// Fills the buffer with a part of a table, through the pages that are kept.
    pub fn table(&self, buffer: &mut [u8], at_bytes: u64) -> Result<()> {
        let mut done = 0;
        while done < buffer.len() {
            let at = at_bytes.saturating_add(done as u64);
            let skip = (at % PAGE_BYTES) as usize;
            let len = (PAGE_BYTES as usize - skip).min(buffer.len() - done);
            let number = at / PAGE_BYTES;
            let slot = (number % KEPT_PAGES as u64) as usize;
            let mut kept = self.kept.lock();
            let page = match &mut kept[slot] {
                Some((is, page)) if *is == number => page,
                other => {
                    let mut page = vec![0; PAGE_BYTES as usize].into_boxed_slice();
                    self.read_padded(&mut page, number * PAGE_BYTES)?;
                    &mut other.insert((number, page)).1
                }
            };
            buffer[done..done + len].copy_from_slice(&page[skip..skip + len]);
            done += len;
        }
        Ok(())
    }

    /// An entry of a table, big endian.
    pub fn be_u32(&self, at_bytes: u64) -> Result<u32> {
        let mut entry = [0; 4];
        self.table(&mut entry, at_bytes)?;
        Ok(be_u32_at(&entry, 0))
    }

    /// An entry of a table, big endian.
    pub fn be_u64(&self, at_bytes: u64) -> Result<u64> {
        let mut entry = [0; 8];
        self.table(&mut entry, at_bytes)?;
        Ok(be_u64_at(&entry, 0))
    }

    /// An entry of a table, little endian.
    pub fn le_u64(&self, at_bytes: u64) -> Result<u64> {
        let mut entry = [0; 8];
        self.table(&mut entry, at_bytes)?;
        Ok(u64_at(&entry, 0))
    }
}
