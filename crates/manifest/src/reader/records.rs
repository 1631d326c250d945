//! The directories of a manifest, one by one.

use std::fs::File;
use std::sync::Arc;

use super::{ReadAt, Reader, read_frame};
use crate::entry::DirRecord;
use crate::envelope::FrameInfo;
use crate::error::{Error, Result};
use crate::frame::{Frame, Unpacker};
use crate::path::compare_paths;
use crate::record::RawRecord;

/// The directories of a manifest in order; ends at the first error.
#[derive(Debug)]
pub struct Records<S = File> {
    raw: RawRecords<S>,
}

impl<S> Records<S> {
    pub(super) fn new(raw: RawRecords<S>) -> Self {
        Self { raw }
    }
}

impl<S: ReadAt> Iterator for Records<S> {
    type Item = Result<DirRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        let decoded = self.raw.next()?.and_then(|record| record.decode());
        if decoded.is_err() {
            self.raw.end();
        }
        Some(decoded)
    }
}

/// The directories of a manifest in order, encoded; ends at the first error.
#[derive(Debug)]
pub struct RawRecords<S = File> {
    reader: Reader<S>,
    unpacker: Option<Unpacker>,
    next_frame: usize,
    frame: Option<FrameRecords>,
    previous: Option<RawRecord>,
    peeked: Option<RawRecord>,
}

/// The records of one frame that are still to come.
#[derive(Debug)]
pub(super) struct FrameRecords {
    pub(super) frame: Arc<Frame>,
    pub(super) at: usize,
    pub(super) index: usize,
}

impl FrameRecords {
    pub(super) fn new(frame: Frame) -> Self {
        Self {
            frame: Arc::new(frame),
            at: 0,
            index: 0,
        }
    }

    pub(super) fn next(&mut self) -> Option<Result<RawRecord>> {
        if self.index == self.frame.records() {
            return None;
        }
        let record = self.frame.record(self.at, self.index);
        Some(record.map(|(record, next)| {
            (self.at, self.index) = (next, self.index + 1);
            record
        }))
    }
}

/// Checks that a record follows another in manifest order.
pub(super) fn check_order(previous: Option<&RawRecord>, record: &RawRecord) -> Result<()> {
    match previous {
        Some(previous) if compare_paths(previous.path(), record.path()).is_ge() => {
            Err(Error::DirectoryOrder {
                previous: previous.path().into(),
                path: record.path().into(),
            })
        }
        _ => Ok(()),
    }
}

impl<S: ReadAt> RawRecords<S> {
    pub(super) fn new(reader: Reader<S>, next_frame: usize) -> Self {
        Self {
            reader,
            unpacker: None,
            next_frame,
            frame: None,
            previous: None,
            peeked: None,
        }
    }

    fn end(&mut self) {
        (self.frame, self.peeked, self.next_frame) = (None, None, usize::MAX);
    }

    /// Skips directories that are before a path; the next is the first that is not.
    pub(super) fn skip_before(&mut self, path: &[u8]) -> Result<()> {
        while let Some(record) = self.next().transpose()? {
            if compare_paths(record.path(), path).is_ge() {
                self.peeked = Some(record);
                break;
            }
        }
        Ok(())
    }

    fn read_next(&mut self) -> Result<Option<RawRecord>> {
        loop {
            if let Some(record) = self.frame.as_mut().and_then(FrameRecords::next).transpose()? {
                check_order(self.previous.as_ref(), &record)?;
                self.previous = Some(record.clone());
                return Ok(Some(record));
            }
            let inner = Arc::clone(&self.reader.inner);
            let Some(info) = inner.footer.index.get(self.next_frame) else {
                return Ok(None);
            };
            self.frame = Some(self.open_frame(&inner.source, info)?);
            self.next_frame += 1;
        }
    }

    fn open_frame(&mut self, source: &S, info: &FrameInfo) -> Result<FrameRecords> {
        let unpacker = match &mut self.unpacker {
            Some(unpacker) => unpacker,
            none => none.insert(Unpacker::new()?),
        };
        let frame =
            read_frame(source, unpacker, info.offset_bytes, info.len_bytes).map_err(|error| match error {
                Error::Malformed { what, .. } => Error::Damaged {
                    what,
                    offset_bytes: info.offset_bytes,
                },
                other => other,
            })?;
        if frame.encoded().len() as u64 != info.len_bytes || frame.records() as u64 != info.records {
            return Err(Error::Damaged {
                what: "the frame is not as its index says",
                offset_bytes: info.offset_bytes,
            });
        }
        let records = FrameRecords::new(frame);
        let (first, _) = records.frame.record(0, 0)?;
        if first.path() != &*info.first_path {
            return Err(Error::Damaged {
                what: "the frame is not as its index says",
                offset_bytes: info.offset_bytes,
            });
        }
        Ok(records)
    }
}

impl<S: ReadAt> Iterator for RawRecords<S> {
    type Item = Result<RawRecord>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.peeked.take() {
            return Some(Ok(record));
        }
        let record = self.read_next().transpose();
        if let Some(Err(_)) = record {
            self.end();
        }
        record
    }
}
