//! Which ranges of a disk are data, zeros, or the parent's.

use std::ops::Range;

use super::{Place, VirtualDisk};
use crate::Result;

/// A part of a disk of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Where it lies on the disk; never empty.
    pub range: Range<u64>,
    /// What it is.
    pub kind: ExtentKind,
}

/// What a part of a disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtentKind {
    /// It may hold anything.
    Data,
    /// It reads as zeros.
    Zeros,
    /// It is as the parent has it.
    Parent,
}

/// The parts of a range of a disk, in order and without gaps; two of the same kind never follow each other.
///
/// Ends after the first error.
#[derive(Debug)]
pub struct Extents<'a> {
    disk: &'a VirtualDisk,
    left: Range<u64>,
    /// So many files are looked at.
    depth: usize,
    /// Found while looking for the end of the one before it.
    ahead: Option<Extent>,
}

impl<'a> Extents<'a> {
    pub(super) fn of(disk: &'a VirtualDisk, range: Range<u64>, depth: usize) -> Self {
        let end = range.end.min(disk.len_bytes());
        Self {
            disk,
            left: range.start..end,
            depth,
            ahead: None,
        }
    }

    fn step(&mut self) -> Result<Option<Extent>> {
        if self.left.is_empty() {
            return Ok(None);
        }
        let start = self.left.start;
        let (layer, run) = self.disk.locate(start, self.left.end - start, self.depth)?;
        let run = self.disk.layers[layer].image.without_holes(run)?;
        self.left.start = start + run.len_bytes;
        let kind = match run.place {
            Place::File(_) | Place::Compressed(..) => ExtentKind::Data,
            Place::Zeros => ExtentKind::Zeros,
            Place::Parent => ExtentKind::Parent,
        };
        let range = start..self.left.start;
        Ok(Some(Extent { range, kind }))
    }

    fn merged(&mut self) -> Result<Option<Extent>> {
        let first = match self.ahead.take() {
            Some(ahead) => Some(ahead),
            None => self.step()?,
        };
        let Some(mut extent) = first else {
            return Ok(None);
        };
        while let Some(next) = self.step()? {
            if next.kind != extent.kind {
                self.ahead = Some(next);
                break;
            }
            extent.range.end = next.range.end;
        }
        Ok(Some(extent))
    }
}

impl Iterator for Extents<'_> {
    type Item = Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.merged();
        if next.is_err() {
            self.left.start = self.left.end;
            self.ahead = None;
        }
        next.transpose()
    }
}
