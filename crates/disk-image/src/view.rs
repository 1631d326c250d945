//! A whole disk, read out of the files that its parts lie in.

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::description::{DiskDescription, DiskFiles};
use crate::source::DiskSource;
use crate::synthetic::Content;
use crate::{Error, Result};

/// A disk that is put together as it is read. What no part has reads as zeros.
#[derive(Debug)]
pub struct DiskView {
    len_bytes: u64,
    /// By their place on the disk, none within another.
    parts: Vec<ViewPart>,
}

#[derive(Debug)]
struct ViewPart {
    range: Range<u64>,
    file: File,
    offset_bytes: u64,
}

impl DiskView {
    /// Puts a disk together.
    ///
    /// # Errors
    /// [`Error::Io`] where a file can't be opened once more.
    pub fn new(description: &DiskDescription, files: &DiskFiles) -> Result<Self> {
        let mut parts = Vec::new();
        for part in files.parts(description) {
            if let Content::File { file, offset_bytes } = part.content {
                parts.push(ViewPart {
                    file: again(file)?,
                    offset_bytes,
                    range: part.range,
                });
            }
        }
        parts.sort_by_key(|part| part.range.start);
        Ok(Self {
            len_bytes: description.len_bytes,
            parts,
        })
    }

    /// A volume alone.
    ///
    /// # Errors
    /// [`Error::Io`] where the file can't be looked at.
    pub fn of_volume(file: File) -> Result<Self> {
        let len_bytes = crate::source::len(&file)?;
        Ok(Self {
            len_bytes,
            parts: vec![ViewPart {
                range: 0..len_bytes,
                file,
                offset_bytes: 0,
            }],
        })
    }

    /// The parts that lie in a range, or reach into it.
    fn parts_in(&self, range: &Range<u64>) -> impl Iterator<Item = &ViewPart> {
        let first = self.parts.partition_point(|part| part.range.end <= range.start);
        let end = range.end;
        self.parts[first..]
            .iter()
            .take_while(move |part| part.range.start < end)
    }
}

fn again(file: &File) -> Result<File> {
    file.try_clone().map_err(|source| Error::Io {
        action: "open",
        offset_bytes: 0,
        len_bytes: 0,
        source,
    })
}

impl DiskSource for DiskView {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.len_bytes)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let end = offset_bytes.checked_add(buffer.len() as u64);
        let end = end.filter(|end| *end <= self.len_bytes);
        let wanted = offset_bytes..end.ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.fill(0);
        for part in self.parts_in(&wanted) {
            let here = part.range.start.max(wanted.start)..part.range.end.min(wanted.end);
            let into = (here.start - wanted.start) as usize..(here.end - wanted.start) as usize;
            let from = part.offset_bytes + (here.start - part.range.start);
            DiskSource::read_exact_at(&part.file, &mut buffer[into], from)?;
        }
        Ok(())
    }

    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        for part in self.parts_in(&within) {
            let here = part.range.start.max(within.start)..part.range.end.min(within.end);
            let shift = |at: u64| part.offset_bytes + (at - part.range.start);
            let found = part.file.next_data(shift(here.start)..shift(here.end))?;
            if let Some(data) = found {
                let back = |at: u64| part.range.start + (at - part.offset_bytes);
                return Ok(Some(back(data.start)..back(data.end)));
            }
        }
        Ok(None)
    }
}
