//! What can be read of a manifest that was never finished.

use std::fs::File;

use super::{FrameRecords, ReadAt, check_order, read_frame, read_header};
use crate::error::Result;
use crate::frame::Unpacker;
use crate::header::Header;
use crate::record::RawRecord;

/// The records of an unfinished manifest, up to the first frame that is not whole.
#[derive(Debug)]
pub struct Partial<S = File> {
    source: S,
    header: Header,
    file_bytes: u64,
    /// End of the last frame that was whole.
    valid_bytes: u64,
    unpacker: Unpacker,
    frame: Option<FrameRecords>,
    previous: Option<RawRecord>,
}

/// Opens an unfinished manifest, or reads a finished one as if it were not.
///
/// # Errors
/// If not even the header is whole.
pub fn read_partial<S: ReadAt>(source: S) -> Result<Partial<S>> {
    let file_bytes = source.len_bytes()?;
    let (header, valid_bytes) = read_header(&source, file_bytes)?;
    Ok(Partial {
        source,
        header,
        file_bytes,
        valid_bytes,
        unpacker: Unpacker::new()?,
        frame: None,
        previous: None,
    })
}

impl<S: ReadAt> Partial<S> {
    /// What was known when the backup began.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Length of the part of the file that has been found whole so far.
    pub fn valid_bytes(&self) -> u64 {
        self.valid_bytes
    }

    fn next_frame(&mut self) -> Option<FrameRecords> {
        let rest = self.file_bytes.saturating_sub(self.valid_bytes);
        let frame = read_frame(&self.source, &mut self.unpacker, self.valid_bytes, rest).ok()?;
        let len_bytes = frame.encoded().len() as u64;
        let records = FrameRecords::new(frame);
        // All of a frame is good or nothing of it, so that what is read is what was written up to some
        // moment.
        self.check_frame(&records)?;
        self.valid_bytes += len_bytes;
        Some(records)
    }

    fn check_frame(&self, records: &FrameRecords) -> Option<()> {
        let mut check = FrameRecords {
            frame: records.frame.clone(),
            at: 0,
            index: 0,
        };
        let mut previous = self.previous.clone();
        while let Some(record) = check.next().transpose().ok()? {
            check_order(previous.as_ref(), &record).ok()?;
            record.tally(|_, _| {}).ok()?;
            previous = Some(record);
        }
        Some(())
    }
}

impl<S: ReadAt> Iterator for Partial<S> {
    type Item = RawRecord;

    fn next(&mut self) -> Option<RawRecord> {
        loop {
            // Errors have been found when the frame was opened.
            if let Some(Ok(record)) = self.frame.as_mut().and_then(FrameRecords::next) {
                self.previous = Some(record.clone());
                return Some(record);
            }
            self.frame = Some(self.next_frame()?);
        }
    }
}
