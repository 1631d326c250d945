//! A record that stays encoded.

use std::ops::Range;
use std::sync::Arc;

use super::{Entries, KindRef, check_record_len, decode_record};
use crate::entry::{DirRecord, Kind};
use crate::error::Result;
use crate::frame::Frame;
use crate::header::Totals;

/// A record as it lies in its frame, which it keeps in memory. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RawRecord {
    frame: Arc<Frame>,
    /// Place of the record's bytes in the frame's body.
    range: Range<usize>,
    path: Range<usize>,
    /// How many records of the frame precede it.
    index: usize,
}

impl RawRecord {
    /// Takes a record by itself. Only its path is checked; the rest when it is decoded or written.
    pub fn new(bytes: Vec<u8>) -> Result<Self> {
        check_record_len(bytes.len())?;
        let range = 0..bytes.len();
        Self::within(Arc::new(Frame::unpacked(bytes)), range, 0)
    }

    pub(crate) fn within(frame: Arc<Frame>, range: Range<usize>, index: usize) -> Result<Self> {
        let bytes = &frame.body()[range.clone()];
        let path_len = Entries::new(bytes)?.path().len();
        // The path is the first thing in a record, behind its length.
        let start = range.start + varint_len(path_len);
        Ok(Self {
            path: start..start + path_len,
            frame,
            range,
            index,
        })
    }

    /// The directory's path.
    pub fn path(&self) -> &[u8] {
        &self.frame.body()[self.path.clone()]
    }

    /// The encoded record.
    pub fn bytes(&self) -> &[u8] {
        &self.frame.body()[self.range.clone()]
    }

    /// Goes through its entries without allocating for them.
    pub fn entries(&self) -> Result<Entries<'_>> {
        Entries::new(self.bytes())
    }

    /// Decodes it.
    pub fn decode(&self) -> Result<DirRecord> {
        decode_record(self.bytes())
    }

    pub(crate) fn frame(&self) -> &Arc<Frame> {
        &self.frame
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Checks all of its entries and counts them.
    pub(crate) fn tally(&self, each: impl FnMut(&[u8], &KindRef<'_>)) -> Result<Tally> {
        Tally::of_entries(self.entries()?, each)
    }
}

fn varint_len(value: usize) -> usize {
    ((usize::BITS - value.leading_zeros()).max(1) as usize).div_ceil(7)
}

/// Counts of what one record lists.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    /// The record itself included.
    pub(crate) totals: Totals,
    pub(crate) entries: u64,
}

impl Tally {
    pub(crate) fn of(record: &DirRecord) -> Self {
        let mut tally = Self::one();
        for entry in &record.entries {
            tally.count(match &entry.kind {
                Kind::File { size, .. } | Kind::Volume { size, .. } => Class::File(*size),
                Kind::Directory => Class::Directory,
                Kind::Symlink { .. } => Class::Symlink,
                Kind::HardLink { .. } => Class::HardLink,
                Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => Class::Special,
            });
        }
        tally
    }

    /// Checks all entries of a record and counts them.
    pub(crate) fn of_entries(
        entries: Entries<'_>,
        mut each: impl FnMut(&[u8], &KindRef<'_>),
    ) -> Result<Self> {
        let mut tally = Self::one();
        for entry in entries {
            let entry = entry?;
            tally.count(match &entry.kind {
                KindRef::File { size, .. } | KindRef::Volume { size, .. } => Class::File(*size),
                KindRef::Directory => Class::Directory,
                KindRef::Symlink { .. } => Class::Symlink,
                KindRef::HardLink { .. } => Class::HardLink,
                KindRef::Fifo | KindRef::CharDevice { .. } | KindRef::BlockDevice { .. } => Class::Special,
            });
            each(entry.name, &entry.kind);
        }
        Ok(tally)
    }

    fn one() -> Self {
        Self {
            totals: Totals {
                directories: 1,
                ..Totals::default()
            },
            entries: 0,
        }
    }

    fn count(&mut self, class: Class) {
        self.entries += 1;
        let totals = &mut self.totals;
        match class {
            Class::File(size) => {
                totals.files += 1;
                totals.bytes = totals.bytes.saturating_add(size);
            }
            // Counted with its record.
            Class::Directory => {}
            Class::Symlink => totals.symlinks += 1,
            Class::HardLink => totals.hard_links += 1,
            Class::Special => totals.special += 1,
        }
    }
}

/// What entries are counted by.
enum Class {
    File(u64),
    Directory,
    Symlink,
    HardLink,
    Special,
}

impl Totals {
    pub(crate) fn add(&mut self, tally: &Tally) {
        let more = &tally.totals;
        self.directories += more.directories;
        self.files += more.files;
        self.symlinks += more.symlinks;
        self.hard_links += more.hard_links;
        self.special += more.special;
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}
