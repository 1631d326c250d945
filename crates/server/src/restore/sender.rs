//! One data connection of a restore: takes wanted files from the queue and sends their content.

use std::io::{self, Write};

use crossbeam_channel::TryRecvError;
use disk_image::DiskSource as _;
use storage::VolumeReader;
use wire::frame::FrameWriter;
use wire::v1::{FileEnd, Piece, PieceStart, Range, WantedFile, file_end::Outcome};

use crate::error::{Error, Result};
use crate::restore::Session;

/// Bytes of one piece.
const PIECE_BYTES: usize = 256 * 1024;

/// Sends files until no more are wanted.
pub fn send<W: Write>(session: &Session, mut writer: FrameWriter<W>) -> Result<()> {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let wanted = match session.queue.try_recv() {
            Ok(wanted) => wanted,
            Err(TryRecvError::Empty) => {
                // Nothing to add at the moment: what was collected shall not wait.
                writer.flush()?;
                match session.queue.recv() {
                    Ok(wanted) => wanted,
                    Err(_) => break,
                }
            }
            Err(TryRecvError::Disconnected) => break,
        };
        send_file(session, &mut writer, &wanted, &mut buffer)?;
    }
    writer.finish()?;
    Ok(())
}

/// Sends one file. One that can't be read ends as dropped; only a lost connection is an error.
fn send_file<W: Write>(
    session: &Session,
    writer: &mut FrameWriter<W>,
    wanted: &WantedFile,
    buffer: &mut [u8],
) -> Result<()> {
    let mut pieces = Pieces {
        writer,
        file_id: wanted.file_id,
        begun: false,
    };
    let read = session
        .tree
        .open_volume(&wanted.path)
        .map_err(Error::from)
        .and_then(|file| send_ranges(&mut pieces, &file, &wanted.ranges, buffer));
    match read {
        Ok(()) => pieces.end(Outcome::Complete),
        Err(error @ Error::Frame(_)) => Err(error),
        Err(error) => {
            session.failed(wanted.file_id, error.chain());
            pieces.end(Outcome::Dropped)
        }
    }
}

struct Pieces<'a, W> {
    writer: &'a mut FrameWriter<W>,
    file_id: u64,
    begun: bool,
}

impl<W: Write> Pieces<'_, W> {
    fn send(&mut self, offset_bytes: u64, bytes: &[u8], hole_len_bytes: u64) -> Result<()> {
        let piece = Piece {
            offset_bytes,
            hole_len_bytes,
            ..self.next()
        };
        Ok(self.writer.piece(piece, bytes)?)
    }

    fn end(&mut self, outcome: Outcome) -> Result<()> {
        let end = FileEnd {
            outcome: outcome.into(),
            ..FileEnd::default()
        };
        let piece = Piece {
            end: Some(end),
            ..self.next()
        };
        Ok(self.writer.piece(piece, &[])?)
    }

    fn next(&mut self) -> Piece {
        let start = if self.begun {
            PieceStart::None
        } else {
            PieceStart::New
        };
        self.begun = true;
        Piece {
            file_id: self.file_id,
            start: start.into(),
            ..Piece::default()
        }
    }
}

fn read_error(source: io::Error) -> Error {
    Error::Io {
        action: "read",
        path: "the backup's file".into(),
        source,
    }
}

fn send_ranges<W: Write>(
    pieces: &mut Pieces<'_, W>,
    file: &VolumeReader,
    ranges: &[Range],
    buffer: &mut [u8],
) -> Result<()> {
    let size = file.len_bytes().map_err(read_error)?;
    let whole = [Range {
        offset_bytes: 0,
        len_bytes: size,
    }];
    let ranges = if ranges.is_empty() { &whole[..] } else { ranges };
    for range in ranges {
        let end = range
            .offset_bytes
            .checked_add(range.len_bytes)
            .map_or(size, |end| end.min(size));
        let mut offset = range.offset_bytes;
        while let Some(data) = file.next_data(offset..end).map_err(read_error)? {
            if data.start > offset {
                pieces.send(offset, &[], data.start - offset)?;
            }
            offset = send_data(pieces, file, data, buffer)?;
        }
        if offset < end {
            pieces.send(offset, &[], end - offset)?;
        }
    }
    Ok(())
}

fn send_data<W: Write>(
    pieces: &mut Pieces<'_, W>,
    file: &VolumeReader,
    data: std::ops::Range<u64>,
    buffer: &mut [u8],
) -> Result<u64> {
    let mut offset = data.start;
    while offset < data.end {
        let len = usize::try_from(data.end - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.read_exact_at(&mut buffer[..len], offset)
            .map_err(read_error)?;
        pieces.send(offset, &buffer[..len], 0)?;
        offset += len as u64;
    }
    Ok(offset)
}
