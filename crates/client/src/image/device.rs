//! Reading devices: past the page cache, which may hold what lay there before a mounted file system wrote.

use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use disk_image::DiskSource;
use rustix::fs::OFlags;

/// What devices are read in, and what memory for that is aligned to.
const ALIGN_BYTES: u64 = 4096;
/// How often a read is tried.
const TRIES: usize = 3;

/// A block device, or a file that stands for one.
#[derive(Debug)]
pub(super) struct Device {
    file: File,
    len_bytes: u64,
    access: Access,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Direct,
    Buffered,
}

/// Memory that a device can be read into directly.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Buffer {
    pub(super) fn new(len: usize) -> Self {
        let bytes = vec![0; len + ALIGN_BYTES as usize];
        let start = bytes.as_ptr().align_offset(ALIGN_BYTES as usize);
        Self { bytes, start, len }
    }

    pub(super) fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.start + self.len]
    }
}

impl Device {
    /// Opens it for reading.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let is_device = fs::metadata(path)?.file_type().is_block_device();
        let mut options = File::options();
        options.read(true);
        let direct = || {
            let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
            options.clone().custom_flags(flags).open(path).ok()
        };
        let (file, access) = match is_device.then(direct).flatten() {
            Some(file) => (file, Access::Direct),
            None => (options.open(path)?, Access::Buffered),
        };
        let len_bytes = DiskSource::len_bytes(&file)?;
        Ok(Self {
            file,
            len_bytes,
            access,
        })
    }

    /// Its size when it was opened.
    pub(super) fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Where the window of a range begins, and where in it the range does: windows begin with whole pages.
    pub(super) fn window(start: u64) -> (u64, usize) {
        let begin = start / ALIGN_BYTES * ALIGN_BYTES;
        (begin, (start - begin) as usize)
    }

    /// Reads what can be read of a range into its place in a window, which begins at `begin` and has room for the range widened to
    /// whole pages. Gives which parts of the range could not be read, each with the reason; these are zeros.
    pub(super) fn read(
        &self,
        window: &mut [u8],
        begin: u64,
        range: Range<u64>,
    ) -> Vec<(Range<u64>, io::Error)> {
        let wide = range.start / ALIGN_BYTES * ALIGN_BYTES..self.widened(range.end);
        let buffer = &mut window[(wide.start - begin) as usize..(wide.end - begin) as usize];
        for _ in 0..TRIES {
            if FileExt::read_exact_at(&self.file, buffer, wide.start).is_ok() {
                return Vec::new();
            }
        }
        let mut bad = Vec::new();
        let pages = buffer.chunks_mut(ALIGN_BYTES as usize);
        for (page, at) in pages.zip((wide.start..).step_by(ALIGN_BYTES as usize)) {
            if let Err(error) = self.read_page(page, at) {
                page.fill(0);
                let part = at.max(range.start)..(at + page.len() as u64).min(range.end);
                if part.start < part.end {
                    add_bad(&mut bad, part, error);
                }
            }
        }
        bad
    }

    fn read_page(&self, page: &mut [u8], at: u64) -> io::Result<()> {
        let mut result = Ok(());
        for _ in 0..TRIES {
            result = FileExt::read_exact_at(&self.file, page, at);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// The end of a range, widened to what can be read at once.
    fn widened(&self, end: u64) -> u64 {
        let wide = end.next_multiple_of(ALIGN_BYTES);
        // The end of a device need not be one of a page; then it is one of a sector.
        if wide > self.len_bytes {
            self.len_bytes.max(end)
        } else {
            wide
        }
    }
}

fn add_bad(bad: &mut Vec<(Range<u64>, io::Error)>, range: Range<u64>, error: io::Error) {
    match bad.last_mut() {
        Some((last, _)) if last.end == range.start => last.end = range.end,
        _ => bad.push((range, error)),
    }
}

/// Room that [`Device::read`] needs for a range of this length.
pub(super) fn room_bytes(len: usize) -> usize {
    len + 2 * ALIGN_BYTES as usize
}

impl DiskSource for Device {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.len_bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        if self.access == Access::Buffered {
            return FileExt::read_exact_at(&self.file, buffer, offset_bytes);
        }
        let end = offset_bytes.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.len_bytes);
        let range = offset_bytes..end.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut aligned = Buffer::new(room_bytes(buffer.len()));
        let (begin, lead) = Self::window(range.start);
        let bad = self.read(aligned.as_mut(), begin, range);
        if let Some((_, error)) = bad.into_iter().next() {
            return Err(error);
        }
        buffer.copy_from_slice(&aligned.as_mut()[lead..lead + buffer.len()]);
        Ok(())
    }
}

/// A part of a device.
#[derive(Debug)]
pub(super) struct Slice<'a> {
    pub(super) device: &'a Device,
    pub(super) range: Range<u64>,
}

impl Slice<'_> {
    /// Leaves what are holes of a file out of some ranges of it, which need not be read to be known. A device has none.
    pub(super) fn without_holes(&self, ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
        if self.device.access == Access::Direct {
            return ranges;
        }
        let base = self.range.start;
        let data = ranges.iter().flat_map(|range| {
            cow_fs::data_extents_from(&self.device.file, base + range.start, base + range.end)
        });
        let data =
            data.map(|extent| extent.map(|extent| extent.offset_bytes - base..extent.end_bytes() - base));
        // Where that can't be found out all of it is read.
        data.collect::<Result<_, _>>().unwrap_or(ranges)
    }
}

impl DiskSource for Slice<'_> {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.range.end - self.range.start)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        match end {
            Some(end) if end <= self.range.end - self.range.start => {
                self.device.read_exact_at(buffer, self.range.start + offset_bytes)
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
