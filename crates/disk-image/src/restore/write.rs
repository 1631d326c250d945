//! Writing what was planned, and reading it again.

use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use rustix::fs::FallocateFlags;

use super::{Content, Place, Plan, Run, Target, read_range};
use crate::{Error, Progress, Result};

/// Written, compared and read again at once.
const CHUNK_BYTES: usize = 1 << 20;

/// What is written of what is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differences {
    /// Everything.
    Ignore,
    /// What differs only: the target is read first.
    Only,
}

/// What was done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restored {
    /// Bytes of content that were written.
    pub written_bytes: u64,
    /// Bytes that were right already.
    pub same_bytes: u64,
    /// Bytes that were zeros and are now, by whatever the target offers for that.
    pub zeroed_bytes: u64,
}

/// Writes table and volumes, and makes them durable. The table comes last: before that the target does not look like the disk.
///
/// # Errors
/// [`Error::Io`] where the target can't be written, [`Error::Misplaced`] where a volume is longer or shorter than its place,
/// [`Error::Cancelled`], and what `content` fails with. What has been written stays.
pub fn restore(
    plan: &Plan,
    content: &mut dyn Content,
    target: &Target,
    differences: Differences,
    progress: &dyn Progress,
) -> Result<Restored> {
    let mut writer = Writer {
        target,
        differences,
        old: vec![0; CHUNK_BYTES],
        done: Restored::default(),
    };
    if !target.is_device() {
        writer.lengthen(plan)?;
    }
    for place in &plan.places {
        writer.volume(place, content, progress)?;
    }
    for piece in &plan.table {
        writer.data(piece.offset_bytes, &piece.bytes)?;
    }
    target
        .file
        .sync_all()
        .map_err(failed("sync", 0, plan.needed_bytes))?;
    Ok(writer.done)
}

/// Reads what was written from the target again and gives it, volume by volume.
///
/// # Errors
/// [`Error::Io`] where it can't be read, [`Error::Cancelled`], and what `each` fails with.
pub fn verify(
    plan: &Plan,
    target: &Target,
    progress: &dyn Progress,
    each: &mut dyn FnMut(&Place, Run<'_>) -> Result<()>,
) -> Result<()> {
    // What the system remembers of it is not what counts.
    let _ = cow_fs::start_writeback(&target.file, 0, 0);
    for place in &plan.places {
        let mut take = |run: Run<'_>| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            each(place, run)?;
            progress.done(run.len_bytes());
            Ok(())
        };
        if target.is_device() {
            read_all(target, &place.range, &mut take)?;
        } else {
            read_range(&target.file, place.range.clone(), &mut take)?;
        }
    }
    for piece in &plan.table {
        let mut found = vec![0; piece.bytes.len()];
        target
            .file
            .read_exact_at(&mut found, piece.offset_bytes)
            .map_err(failed("read", piece.offset_bytes, found.len() as u64))?;
        if found != piece.bytes {
            return Err(Error::damaged(
                "partition table that was written",
                piece.offset_bytes,
                "it reads otherwise",
            ));
        }
    }
    Ok(())
}

/// Gives all of a range of a device, which has no holes.
fn read_all(target: &Target, range: &Range<u64>, each: &mut dyn FnMut(Run<'_>) -> Result<()>) -> Result<()> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut at = range.start;
    while at < range.end {
        let len = usize::try_from(range.end - at).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
        target
            .file
            .read_exact_at(&mut buffer[..len], at)
            .map_err(failed("read", at, len as u64))?;
        each(Run::Data(&buffer[..len]))?;
        at += len as u64;
    }
    Ok(())
}

struct Writer<'a> {
    target: &'a Target,
    differences: Differences,
    old: Vec<u8>,
    done: Restored,
}

impl Writer<'_> {
    fn lengthen(&self, plan: &Plan) -> Result<()> {
        let file = &self.target.file;
        let table_end = plan
            .table
            .iter()
            .map(|piece| piece.offset_bytes + piece.bytes.len() as u64);
        let needed = table_end.max().unwrap_or_default().max(plan.file_len_bytes);
        let len = file.metadata().map_err(failed("look at", 0, 0))?.len();
        if len < needed {
            file.set_len(needed)
                .map_err(failed("set the size of", 0, needed))?;
        }
        Ok(())
    }

    fn volume(&mut self, place: &Place, content: &mut dyn Content, progress: &dyn Progress) -> Result<()> {
        let Range { start, end } = place.range;
        let mut at = start;
        content.read(&place.file, &mut |run| {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let len = run.len_bytes();
            if len > end - at {
                return Err(Error::Misplaced { offset_bytes: at });
            }
            match run {
                Run::Data(bytes) => self.data(at, bytes)?,
                Run::Zeros(len_bytes) => self.zeros(at..at + len_bytes, progress)?,
            }
            at += len;
            progress.done(len);
            Ok(())
        })?;
        if at != end {
            return Err(Error::Misplaced { offset_bytes: at });
        }
        Ok(())
    }

    fn data(&mut self, mut at: u64, bytes: &[u8]) -> Result<()> {
        for chunk in bytes.chunks(CHUNK_BYTES) {
            if self.differences == Differences::Only && self.has(at, chunk)? {
                self.done.same_bytes += chunk.len() as u64;
            } else {
                self.target
                    .file
                    .write_all_at(chunk, at)
                    .map_err(failed("write", at, chunk.len() as u64))?;
                self.done.written_bytes += chunk.len() as u64;
            }
            at += chunk.len() as u64;
        }
        Ok(())
    }

    fn has(&mut self, at: u64, bytes: &[u8]) -> Result<bool> {
        let old = &mut self.old[..bytes.len()];
        self.target
            .file
            .read_exact_at(old, at)
            .map_err(failed("read", at, bytes.len() as u64))?;
        Ok(old == bytes)
    }

    /// Makes a range zeros: freed in a file, by the device's own means on a device, else written.
    fn zeros(&mut self, range: Range<u64>, progress: &dyn Progress) -> Result<()> {
        let len = range.end - range.start;
        if self.differences == Differences::Only && self.target.is_device() {
            return self.differing_zeros(range, progress);
        }
        self.done.zeroed_bytes += len;
        let freed = if self.target.is_device() {
            rustix::fs::fallocate(&self.target.file, FallocateFlags::ZERO_RANGE, range.start, len).is_ok()
        } else {
            cow_fs::punch_hole(&self.target.file, range.start, len).is_ok()
        };
        if freed {
            return Ok(());
        }
        self.each_chunk(range, progress, &mut |writer, at, len| writer.put_zeros(at, len))
    }

    fn differing_zeros(&mut self, range: Range<u64>, progress: &dyn Progress) -> Result<()> {
        self.each_chunk(range, progress, &mut |writer, at, len| {
            let old = &mut writer.old[..len];
            let read = writer.target.file.read_exact_at(old, at);
            read.map_err(failed("read", at, len as u64))?;
            if old.iter().all(|byte| *byte == 0) {
                writer.done.same_bytes += len as u64;
                return Ok(());
            }
            writer.done.zeroed_bytes += len as u64;
            writer.put_zeros(at, len)
        })
    }

    fn each_chunk(
        &mut self,
        range: Range<u64>,
        progress: &dyn Progress,
        act: &mut dyn FnMut(&mut Self, u64, usize) -> Result<()>,
    ) -> Result<()> {
        let mut at = range.start;
        while at < range.end {
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            let len = usize::try_from(range.end - at).map_or(CHUNK_BYTES, |rest| rest.min(CHUNK_BYTES));
            act(self, at, len)?;
            at += len as u64;
        }
        Ok(())
    }

    fn put_zeros(&self, at: u64, len: usize) -> Result<()> {
        static ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];
        self.target
            .file
            .write_all_at(&ZEROS[..len], at)
            .map_err(failed("write", at, len as u64))
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
