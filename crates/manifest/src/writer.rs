//! Writes a manifest from its begin to its end.

use std::io::Write;
use std::sync::Arc;

use blake3::Hasher;

use crate::codec::put_varint;
use crate::content::ContentHash;
use crate::entry::DirRecord;
use crate::envelope::{Footer, FrameInfo, encode_footer, encode_header};
use crate::error::{Error, Result};
use crate::frame::{Frame, Packer, TARGET_BODY_BYTES};
use crate::header::{Conclusion, Header, Summary, Totals};
use crate::path::{check_path, compare_paths};
use crate::record::{RawRecord, Tally, encode_record};

/// A frame that is worth to be cut so that the next can be copied as it is.
const MIN_BODY_BYTES: usize = TARGET_BODY_BYTES / 4;

/// Writes a manifest: header, records in manifest order, footer.
///
/// Whole frames go out in one write each, so the target needs no buffer. Nothing is synced here: that is for
/// the one who owns the file.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    offset_bytes: u64,
    frame: OpenFrame,
    scratch: Vec<u8>,
    packer: Packer,
    digest: Hasher,
    totals: Totals,
    entries: u64,
    index: Vec<FrameInfo>,
    last_path: Vec<u8>,
}

/// The frame that is being filled.
#[derive(Debug, Default)]
struct OpenFrame {
    body: Vec<u8>,
    records: u32,
    entries: u64,
    first_path: Vec<u8>,
    /// The frame of another manifest that this one repeats so far.
    repeats: Option<Arc<Frame>>,
}

impl<W: Write> Writer<W> {
    /// Begins a manifest: writes its header.
    pub fn create(mut out: W, header: &Header) -> Result<Self> {
        let header = encode_header(header)?;
        out.write_all(&header)?;
        Ok(Self {
            out,
            offset_bytes: header.len() as u64,
            frame: OpenFrame::default(),
            scratch: Vec::new(),
            packer: Packer::new()?,
            digest: Hasher::new(),
            totals: Totals::default(),
            entries: 0,
            index: Vec::new(),
            last_path: Vec::new(),
        })
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// If the record breaks a rule of the format or doesn't follow the last one in manifest order; then
    /// nothing is added. After an I/O error the writer is of no use.
    pub fn push(&mut self, record: &DirRecord) -> Result<()> {
        let mut encoded = std::mem::take(&mut self.scratch);
        encoded.clear();
        let added = encode_record(record, &mut encoded)
            .and_then(|()| self.push_encoded(&record.path, &encoded, &Tally::of(record)));
        self.scratch = encoded;
        added
    }

    /// Adds a directory that is encoded already; its entries are checked without being decoded.
    ///
    /// Where all records of a frame are added one after the other, the frame is copied without being
    /// compressed.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn push_raw(&mut self, record: &RawRecord) -> Result<()> {
        let tally = record.tally(|_, _| {})?;
        self.push_tallied(record, &tally)
    }

    pub(crate) fn push_tallied(&mut self, record: &RawRecord, tally: &Tally) -> Result<()> {
        let frame = record.frame();
        if record.index() == 0 && frame.records() > 0 && self.frame.body.len() >= MIN_BODY_BYTES {
            self.flush_frame()?;
        }
        let at = self.frame.records as usize;
        let repeats = record.index() == at
            && frame.records() > at
            && (at == 0
                || self
                    .frame
                    .repeats
                    .as_ref()
                    .is_some_and(|repeated| Arc::ptr_eq(repeated, frame)));
        let repeats = repeats.then(|| Arc::clone(frame));
        self.append(record.path(), record.bytes(), tally, repeats)
    }

    /// Adds a record whose encoding and counts are known to be right.
    pub(crate) fn push_encoded(&mut self, path: &[u8], encoded: &[u8], tally: &Tally) -> Result<()> {
        self.append(path, encoded, tally, None)
    }

    fn append(
        &mut self,
        path: &[u8],
        encoded: &[u8],
        tally: &Tally,
        repeats: Option<Arc<Frame>>,
    ) -> Result<()> {
        check_path(path)?;
        if self.totals.directories > 0 && compare_paths(&self.last_path, path).is_ge() {
            return Err(Error::DirectoryOrder {
                previous: self.last_path.as_slice().into(),
                path: path.into(),
            });
        }
        // A frame that was to be a copy may be long, and isn't one any more.
        if repeats.is_none() && self.frame.body.len() >= TARGET_BODY_BYTES {
            self.flush_frame()?;
        }
        self.last_path.clear();
        self.last_path.extend_from_slice(path);
        let frame = &mut self.frame;
        if frame.records == 0 {
            frame.first_path.clear();
            frame.first_path.extend_from_slice(path);
        }
        put_varint(&mut frame.body, encoded.len() as u64);
        frame.body.extend_from_slice(encoded);
        frame.records += 1;
        frame.entries += tally.entries;
        frame.repeats = repeats;
        self.totals.add(tally);
        if self.frame.is_full() {
            self.flush_frame()
        } else {
            Ok(())
        }
    }

    /// Ends the frame that is being filled and writes it, so that [`crate::read_partial`] finds its records.
    pub fn flush_frame(&mut self) -> Result<()> {
        let frame = &mut self.frame;
        if frame.records == 0 {
            return Ok(());
        }
        self.digest.update(&frame.body);
        let copied = frame
            .repeats
            .take()
            .filter(|repeated| repeated.records() == frame.records as usize);
        let encoded = match &copied {
            Some(repeated) => repeated.encoded(),
            None => self.packer.pack(&frame.body, frame.records)?,
        };
        self.out.write_all(encoded)?;
        self.index.push(FrameInfo {
            offset_bytes: self.offset_bytes,
            len_bytes: encoded.len() as u64,
            records: u64::from(frame.records),
            entries: frame.entries,
            first_entry: self.entries,
            first_path: frame.first_path.as_slice().into(),
        });
        self.offset_bytes += encoded.len() as u64;
        self.entries += frame.entries;
        frame.body.clear();
        frame.body.shrink_to(2 * TARGET_BODY_BYTES);
        (frame.records, frame.entries) = (0, 0);
        Ok(())
    }

    /// Path of the directory that was added last.
    pub fn last_path(&self) -> Option<&[u8]> {
        (self.totals.directories > 0).then_some(&*self.last_path)
    }

    /// Counts of what has been added.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Ends the manifest and gives the target back.
    pub fn finish(mut self, conclusion: &Conclusion) -> Result<(Summary, W)> {
        self.flush_frame()?;
        let digest = ContentHash(*self.digest.finalize().as_bytes());
        let footer = Footer {
            digest,
            totals: self.totals,
            conclusion: conclusion.clone(),
            index: self.index,
        };
        let encoded = encode_footer(&footer, self.offset_bytes)?;
        self.out.write_all(&encoded)?;
        self.out.flush()?;
        let len_bytes = self.offset_bytes + encoded.len() as u64;
        Ok((
            Summary {
                digest,
                totals: self.totals,
                len_bytes,
            },
            self.out,
        ))
    }
}

impl OpenFrame {
    /// Whether the frame should be cut: it is long enough, or it has all of the one that it repeats.
    fn is_full(&self) -> bool {
        match &self.repeats {
            Some(repeated) => repeated.records() == self.records as usize,
            None => self.body.len() >= TARGET_BODY_BYTES,
        }
    }
}
