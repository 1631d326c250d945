//! One data connection of a restore: takes wanted files from the queue and sends their content.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt as _;

use crossbeam_channel::TryRecvError;
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
        .open_file(&wanted.path)
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

fn send_ranges<W: Write>(
    pieces: &mut Pieces<'_, W>,
    file: &File,
    ranges: &[Range],
    buffer: &mut [u8],
) -> Result<()> {
    let read_error = |source| Error::Io {
        action: "read",
        path: "the backup's file".into(),
        source,
    };
    let size = file.metadata().map_err(read_error)?.len();
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
        for extent in cow_fs::data_extents(file, size) {
            let extent = extent.map_err(Error::Extents)?;
            let (data_start, data_end) = (extent.offset_bytes, extent.offset_bytes + extent.len_bytes);
            if data_end <= offset {
                continue;
            }
            if data_start >= end {
                break;
            }
            if data_start > offset {
                pieces.send(offset, &[], data_start - offset)?;
                offset = data_start;
            }
            offset = send_data(pieces, file, offset, data_end.min(end), buffer)?;
        }
        if offset < end {
            pieces.send(offset, &[], end - offset)?;
        }
    }
    Ok(())
}

fn send_data<W: Write>(
    pieces: &mut Pieces<'_, W>,
    file: &File,
    mut offset: u64,
    end: u64,
    buffer: &mut [u8],
) -> Result<u64> {
    while offset < end {
        let len = usize::try_from(end - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.read_exact_at(&mut buffer[..len], offset)
            .map_err(|source| Error::Io {
                action: "read",
                path: "the backup's file".into(),
                source,
            })?;
        pieces.send(offset, &buffer[..len], 0)?;
        offset += len as u64;
    }
    Ok(offset)
}
