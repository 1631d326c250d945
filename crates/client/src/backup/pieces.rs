//! Cutting a file's content into the pieces that data connections carry.

use std::io::Write;
use std::ops::Range;

use manifest::delta::FileId;
use wire::frame::{FrameError, FrameWriter};
use wire::v1::{FileEnd, Piece, PieceStart};

use super::segments::{Layout, Part, Segment};
use crate::error::{Error, Result};

/// Takes pieces, in order.
pub(super) trait PieceSink {
    /// Takes a piece and its bytes.
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()>;
}

impl<W: Write> PieceSink for FrameWriter<W> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        FrameWriter::piece(self, piece, bytes).map_err(lost)
    }
}

/// Takes the pieces of one file, and knows whether the file has begun.
pub(super) struct FileSink<'a> {
    sink: &'a mut dyn PieceSink,
    pub(super) has_begun: bool,
}

impl<'a> FileSink<'a> {
    pub(super) fn new(sink: &'a mut dyn PieceSink) -> Self {
        Self {
            sink,
            has_begun: false,
        }
    }
}

impl PieceSink for FileSink<'_> {
    fn piece(&mut self, piece: Piece, bytes: &[u8]) -> Result<()> {
        self.has_begun |= piece.start() != PieceStart::None;
        self.sink.piece(piece, bytes)
    }
}

/// What a failed data connection means for the session.
pub(crate) fn lost(error: FrameError) -> Error {
    Error::interrupted(format_args!("a data connection failed: {error}"))
}

/// Sends one file.
pub(super) struct PieceWriter<'a> {
    sink: &'a mut dyn PieceSink,
    file: FileId,
    start: PieceStart,
    hole: Range<u64>,
    at: u64,
}

impl<'a> PieceWriter<'a> {
    /// Begins a file, or begins it again.
    pub(super) fn begin(sink: &'a mut dyn PieceSink, file: FileId, start: PieceStart) -> Self {
        Self {
            sink,
            file,
            start,
            hole: 0..0,
            at: 0,
        }
    }

    /// Sends a range of a segment.
    pub(super) fn range(&mut self, layout: &Layout, segment: &Segment, range: Range<u64>) -> Result<()> {
        for part in layout.parts(range) {
            match part {
                Part::Hole(hole) => self.hole(hole)?,
                Part::Data(data) => self.data(data.start, segment.data(&data))?,
            }
        }
        Ok(())
    }

    /// Sends bytes at an offset.
    pub(super) fn data(&mut self, offset_bytes: u64, bytes: &[u8]) -> Result<()> {
        self.flush_hole()?;
        self.send(offset_bytes, bytes, 0, None)
    }

    /// Sends a hole; holes that touch become one.
    pub(super) fn hole(&mut self, hole: Range<u64>) -> Result<()> {
        if self.hole.is_empty() {
            self.hole = hole;
            return Ok(());
        }
        if self.hole.end != hole.start {
            self.flush_hole()?;
            self.hole = hole;
            return Ok(());
        }
        self.hole.end = hole.end;
        Ok(())
    }

    /// Sends what is held back, and the start of the file if nothing else was to be sent; it ends later.
    pub(super) fn pause(mut self) -> Result<()> {
        self.flush_hole()?;
        if self.start == PieceStart::None {
            Ok(())
        } else {
            self.send(0, b"", 0, None)
        }
    }

    /// Ends a file of which everything up to `offset_bytes` was sent before.
    pub(super) fn finish_at(mut self, offset_bytes: u64, end: FileEnd) -> Result<()> {
        self.send(offset_bytes, b"", 0, Some(end))
    }

    /// Ends the file.
    pub(super) fn finish(mut self, end: FileEnd) -> Result<()> {
        let hole = std::mem::take(&mut self.hole);
        let offset_bytes = if hole.is_empty() { self.at } else { hole.start };
        self.send(offset_bytes, b"", hole.end - hole.start, Some(end))
    }

    /// Sends a whole file as one piece.
    pub(super) fn whole(mut self, bytes: &[u8], end: FileEnd) -> Result<()> {
        self.send(0, bytes, 0, Some(end))
    }

    fn flush_hole(&mut self) -> Result<()> {
        let hole = std::mem::take(&mut self.hole);
        if hole.is_empty() {
            return Ok(());
        }
        self.send(hole.start, b"", hole.end - hole.start, None)
    }

    fn send(
        &mut self,
        offset_bytes: u64,
        bytes: &[u8],
        hole_len_bytes: u64,
        end: Option<FileEnd>,
    ) -> Result<()> {
        let start = std::mem::replace(&mut self.start, PieceStart::None);
        self.at = offset_bytes + bytes.len() as u64 + hole_len_bytes;
        // The length is filled in by whoever cuts frames.
        let piece = Piece {
            file_id: self.file.0,
            offset_bytes,
            len_bytes: 0,
            start: start.into(),
            hole_len_bytes,
            end,
        };
        self.sink.piece(piece, bytes)
    }
}
