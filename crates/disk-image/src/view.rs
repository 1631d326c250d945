//! A whole disk, read out of what its parts lie in.

use std::io;
use std::ops::Range;

use crate::Result;
use crate::description::{DiskDescription, DiskFiles};
use crate::source::DiskSource;

/// A disk that is put together as it is read. What no part has reads as zeros.
#[derive(Debug)]
pub struct DiskView<S> {
    len_bytes: u64,
    /// By their place on the disk, none within another.
    parts: Vec<ViewPart<S>>,
}

#[derive(Debug)]
struct ViewPart<S> {
    range: Range<u64>,
    source: S,
    offset_bytes: u64,
}

impl<S: DiskSource> DiskView<S> {
    /// Puts a disk together. The table may have several places on it, so its source must be one that can be cloned.
    pub fn new(description: &DiskDescription, files: &DiskFiles<S>) -> Self
    where
        S: Clone,
    {
        let places = files.places(description).into_iter();
        let part = |(range, source, offset_bytes): (_, &S, _)| ViewPart {
            range,
            source: source.clone(),
            offset_bytes,
        };
        let mut parts: Vec<ViewPart<S>> = places.map(part).collect();
        parts.sort_by_key(|part| part.range.start);
        Self {
            len_bytes: description.len_bytes,
            parts,
        }
    }

    /// A volume alone.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) where its size can't be found out.
    pub fn of_volume(source: S) -> Result<Self> {
        let len_bytes = crate::source::len(&source)?;
        Ok(Self {
            len_bytes,
            parts: vec![ViewPart {
                range: 0..len_bytes,
                source,
                offset_bytes: 0,
            }],
        })
    }

    /// The parts that lie in a range, or reach into it.
    fn parts_in(&self, range: &Range<u64>) -> impl Iterator<Item = &ViewPart<S>> {
        let first = self.parts.partition_point(|part| part.range.end <= range.start);
        let end = range.end;
        self.parts[first..]
            .iter()
            .take_while(move |part| part.range.start < end)
    }
}

impl<S: DiskSource> DiskSource for DiskView<S> {
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
            part.source.read_exact_at(&mut buffer[into], from)?;
        }
        Ok(())
    }

    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        for part in self.parts_in(&within) {
            let here = part.range.start.max(within.start)..part.range.end.min(within.end);
            let shift = |at: u64| part.offset_bytes + (at - part.range.start);
            let found = part.source.next_data(shift(here.start)..shift(here.end))?;
            if let Some(data) = found {
                let back = |at: u64| part.range.start + (at - part.offset_bytes);
                return Ok(Some(back(data.start)..back(data.end)));
            }
        }
        Ok(None)
    }
}
