//! Whether two files are the same data on the device, so that whoever has read one need not read the other.

use std::os::fd::AsFd;

use rustix::fs::fstat;

use crate::extents::{PhysicalExtent, physical_extents};
use crate::{Error, Operation, Result};

/// What is known of two files without reading them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sameness {
    /// They are one inode, or all of their data lies in the same places of the device.
    SameData,
    /// Some of their data has a place of its own, or nobody can tell.
    Unknown,
}

/// Compares where two files of one file system have their data. What is still in memory is written out first.
///
/// Data that lies within metadata has no place to compare, and counts as unknown; so does everything where the file system has no extent
/// map. Of compressed extents the map does not tell which part is used: both files are taken to use the same part where all else is
/// equal, as is the case with files one of which began as a clone of the other.
pub fn same_data(a: &impl AsFd, b: &impl AsFd) -> Result<Sameness> {
    let failed = |errno| Error::new(Operation::MapExtents, errno);
    let (a_stat, b_stat) = (fstat(a).map_err(failed)?, fstat(b).map_err(failed)?);
    if (a_stat.st_dev, a_stat.st_ino) == (b_stat.st_dev, b_stat.st_ino) {
        return Ok(Sameness::SameData);
    }
    if a_stat.st_size != b_stat.st_size {
        return Ok(Sameness::Unknown);
    }
    let (mut a_runs, mut b_runs) = (Runs::new(a), Runs::new(b));
    loop {
        let (a_run, b_run) = match (a_runs.next(), b_runs.next()) {
            (Err(Error::Unsupported { .. }), _) | (_, Err(Error::Unsupported { .. })) => {
                return Ok(Sameness::Unknown);
            }
            (a_run, b_run) => (a_run?, b_run?),
        };
        match (a_run, b_run) {
            (None, None) => return Ok(Sameness::SameData),
            (Some(a_run), Some(b_run)) if a_run == b_run && a_run.has_place => {}
            _ => return Ok(Sameness::Unknown),
        }
    }
}

/// Extents that follow each other in the file and on the device, which a file system may tell as one or as several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    offset_bytes: u64,
    address_bytes: u64,
    len_bytes: u64,
    has_place: bool,
    is_encoded: bool,
}

impl Run {
    fn of(extent: &PhysicalExtent) -> Self {
        Self {
            offset_bytes: extent.offset_bytes,
            address_bytes: extent.physical_bytes,
            len_bytes: extent.len_bytes,
            has_place: extent.is_placed_data(),
            is_encoded: extent.is_encoded(),
        }
    }

    fn is_continued_by(&self, next: &Self) -> bool {
        let is_plain = |run: &Self| run.has_place && !run.is_encoded;
        is_plain(self)
            && is_plain(next)
            && self.offset_bytes + self.len_bytes == next.offset_bytes
            && self.address_bytes.checked_add(self.len_bytes) == Some(next.address_bytes)
    }
}

struct Runs<'fd> {
    extents: crate::PhysicalExtents<'fd>,
    ahead: Option<Run>,
}

impl<'fd> Runs<'fd> {
    fn new<Fd: AsFd>(fd: &'fd Fd) -> Self {
        Self {
            extents: physical_extents(fd),
            ahead: None,
        }
    }

    fn next(&mut self) -> Result<Option<Run>> {
        let mut run = self.ahead.take();
        loop {
            let Some(next) = self.extents.next().transpose()?.as_ref().map(Run::of) else {
                return Ok(run);
            };
            match &mut run {
                None => run = Some(next),
                Some(run) if run.is_continued_by(&next) => run.len_bytes += next.len_bytes,
                Some(_) => {
                    self.ahead = Some(next);
                    return Ok(run);
                }
            }
        }
    }
}
