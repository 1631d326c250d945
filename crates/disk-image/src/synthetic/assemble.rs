//! Makes a file from a plan: structures are written, content is shared where it can be and copied where not.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use super::{ALIGN_BYTES, PieceContent, Plan};
use crate::{DiskSource, Error, Progress, Result, Unwatched};

/// Copied at once, so that it can be told how far it is.
const COPY_BYTES: u64 = 64 << 20;
/// Read at once from what is no file.
const READ_BYTES: u64 = 1 << 20;
/// Structures are written in pages, of which those without anything stay holes.
const PAGE_BYTES: usize = ALIGN_BYTES as usize;

/// Where a part of a disk comes from.
pub enum Content<'a> {
    /// Bytes in memory: a partition table.
    Bytes(&'a [u8]),
    /// A file, from an offset on: a volume's raw image.
    File {
        /// The file.
        file: &'a File,
        /// Where in it the part begins.
        offset_bytes: u64,
    },
    /// Whatever else can be read: a volume that is kept in a virtual disk. It is copied.
    Source {
        /// What is read.
        source: &'a dyn DiskSource,
        /// Where in it the part begins.
        offset_bytes: u64,
    },
}

impl<'a> Content<'a> {
    /// What a source has from an offset on; shared where it is a file.
    pub fn of(source: &'a impl DiskSource, offset_bytes: u64) -> Self {
        match source.file() {
            Some(file) => Self::File { file, offset_bytes },
            None => Self::Source { source, offset_bytes },
        }
    }
}

/// A part of a disk.
pub struct Part<'a> {
    /// Its place on the disk.
    pub range: Range<u64>,
    /// Where it comes from.
    pub content: Content<'a>,
}

/// How a file was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Assembled {
    /// Bytes of content that are shared with where they came from, holes included.
    pub shared_bytes: u64,
    /// Bytes of content that had to be copied.
    pub copied_bytes: u64,
    /// Bytes of the format's own structures that were written.
    pub structure_bytes: u64,
}

/// Fills a new, empty file, which is open for reading too. What lies in no part of the disk reads as zeros.
///
/// Parts may be given in any order and must not overlap. Whatever fails, the file is of no use then.
pub fn assemble(plan: &Plan, parts: &[Part<'_>], out: &File) -> Result<Assembled> {
    assemble_watched(plan, parts, out, &Unwatched)
}

/// The same, telling how far it is.
pub fn assemble_watched(
    plan: &Plan,
    parts: &[Part<'_>],
    out: &File,
    progress: &dyn Progress,
) -> Result<Assembled> {
    let mut assembling = Assembling {
        out,
        progress,
        done: Assembled::default(),
        can_share: true,
    };
    let mut parts: Vec<&Part<'_>> = parts.iter().collect();
    parts.sort_by_key(|part| part.range.start);
    for pair in parts.windows(2) {
        if pair[0].range.end > pair[1].range.start {
            return Err(Error::Misplaced {
                offset_bytes: pair[1].range.start,
            });
        }
    }
    out.set_len(plan.len_bytes)
        .map_err(failed("set the size of", 0, plan.len_bytes))?;
    for piece in &plan.pieces {
        match &piece.content {
            PieceContent::Structure(bytes) => {
                assembling.done.structure_bytes += assembling.write_sparse(bytes, piece.at_bytes)?;
            }
            PieceContent::SamePage(from) => assembling.same_page(*from, piece.at_bytes)?,
            PieceContent::Disk(range) => assembling.disk(range, piece.at_bytes, &parts)?,
        }
    }
    Ok(assembling.done)
}

struct Assembling<'a> {
    out: &'a File,
    progress: &'a dyn Progress,
    done: Assembled,
    /// Whether sharing has not been refused so far.
    can_share: bool,
}

impl Assembling<'_> {
    /// Brings a range of the disk to its place in the file.
    fn disk(&mut self, range: &Range<u64>, at_bytes: u64, parts: &[&Part<'_>]) -> Result<()> {
        let first = parts.partition_point(|part| part.range.end <= range.start);
        for part in &parts[first..] {
            if part.range.start >= range.end {
                break;
            }
            let here = part.range.start.max(range.start)..part.range.end.min(range.end);
            let at = at_bytes + (here.start - range.start);
            let into_part = here.start - part.range.start;
            let len = here.end - here.start;
            match part.content {
                Content::Bytes(bytes) => {
                    let bytes = &bytes[into_part as usize..(into_part + len) as usize];
                    self.done.copied_bytes += self.write_sparse(bytes, at)?;
                }
                Content::File { file, offset_bytes } => {
                    self.share(file, offset_bytes + into_part, len, at)?
                }
                Content::Source { source, offset_bytes } => {
                    self.read(source, offset_bytes + into_part, len, at)?
                }
            }
        }
        Ok(())
    }

    /// Shares what lies on whole pages in both files, and copies the rest.
    fn share(&mut self, file: &File, from: u64, len: u64, to: u64) -> Result<()> {
        let lead = (from.next_multiple_of(ALIGN_BYTES) - from).min(len);
        let whole = (len - lead) / ALIGN_BYTES * ALIGN_BYTES;
        let fits = self.can_share && (to + lead).is_multiple_of(ALIGN_BYTES) && whole > 0;
        if !fits {
            return self.copy(file, from, len, to);
        }
        self.copy(file, from, lead, to)?;
        match cow_fs::clone_range(file, from + lead, whole, self.out, to + lead) {
            Ok(()) => {
                self.done.shared_bytes += whole;
                self.progress.done(whole);
            }
            Err(error) if error.copy_may_work() => {
                self.can_share = false;
                self.copy(file, from + lead, whole, to + lead)?;
            }
            Err(error) => return Err(Error::Share(error)),
        }
        self.copy(file, from + lead + whole, len - lead - whole, to + lead + whole)
    }

    /// Lets a page of the file be the same as one before it.
    fn same_page(&mut self, from: u64, to: u64) -> Result<()> {
        if self.can_share {
            match cow_fs::clone_range(self.out, from, ALIGN_BYTES, self.out, to) {
                Ok(()) => return Ok(()),
                Err(error) if error.copy_may_work() => self.can_share = false,
                Err(error) => return Err(Error::Share(error)),
            }
        }
        let mut page = [0; PAGE_BYTES];
        FileExt::read_exact_at(self.out, &mut page, from).map_err(failed("read", from, ALIGN_BYTES))?;
        self.done.structure_bytes += self.write_sparse(&page, to)?;
        Ok(())
    }

    /// Copies what is data; the file's holes stay holes.
    fn copy(&mut self, file: &File, from: u64, len: u64, to: u64) -> Result<()> {
        if len == 0 {
            return Ok(());
        }
        let end = from + len;
        let file_len = file.metadata().map_err(failed("look at", from, len))?.len();
        for extent in cow_fs::data_extents_from(file, from, file_len.min(end)) {
            let extent = extent.map_err(Error::Share)?;
            let data = extent.offset_bytes..extent.end_bytes();
            let at = to + (data.start - from);
            self.copy_data(file, data, at)?;
        }
        self.progress.done(len);
        Ok(())
    }

    /// Copies what is data out of what is no file.
    fn read(&mut self, source: &dyn DiskSource, from: u64, len: u64, to: u64) -> Result<()> {
        let end = from + len;
        let mut at = from;
        let mut buffer = Vec::new();
        while at < end {
            let next = source.next_data(at..end).map_err(failed("read", at, end - at))?;
            let data = next.unwrap_or(end..end);
            self.progress.done(data.start - at);
            at = data.start;
            while at < data.end {
                if self.progress.is_cancelled() {
                    return Err(Error::Cancelled);
                }
                let wanted = (data.end - at).min(READ_BYTES);
                buffer.resize(wanted as usize, 0);
                source
                    .read_exact_at(&mut buffer, at)
                    .map_err(failed("read", at, wanted))?;
                self.done.copied_bytes += self.write_sparse(&buffer, to + (at - from))?;
                self.progress.done(wanted);
                at += wanted;
            }
        }
        Ok(())
    }

    fn copy_data(&mut self, file: &File, data: Range<u64>, to: u64) -> Result<()> {
        let mut at = data.start;
        while at < data.end {
            if self.progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let wanted = (data.end - at).min(COPY_BYTES);
            let copied = cow_fs::copy_range(file, at, wanted, self.out, to + (at - data.start))
                .map_err(Error::Share)?;
            if copied != wanted {
                let source = io::ErrorKind::UnexpectedEof.into();
                return Err(failed("read", at, wanted)(source));
            }
            self.done.copied_bytes += wanted;
            at += wanted;
        }
        Ok(())
    }

    /// Writes bytes but for pages of zeros, which the empty file has already. Returns how many were written.
    fn write_sparse(&self, bytes: &[u8], at_bytes: u64) -> Result<u64> {
        let mut written = 0;
        let mut at = at_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            let in_page = PAGE_BYTES - (at % ALIGN_BYTES) as usize;
            let (page, later) = rest.split_at(in_page.min(rest.len()));
            if page.iter().any(|byte| *byte != 0) {
                self.out
                    .write_all_at(page, at)
                    .map_err(failed("write", at, page.len() as u64))?;
                written += page.len() as u64;
            }
            at += page.len() as u64;
            rest = later;
        }
        Ok(written)
    }
}

fn failed(action: &'static str, offset_bytes: u64, len_bytes: u64) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        action,
        offset_bytes,
        len_bytes,
        source,
    }
}
