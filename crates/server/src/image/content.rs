//! One data connection of an image session: takes frames, writes blocks.

use std::sync::Arc;

use wire::frame::{Frame, FrameReader};
use wire::v1::{Piece, PieceStart};

use super::session::{Open, Session};
use crate::error::{Error, Result};

/// Serves the connection until its end mark.
pub fn receive<R: std::io::Read>(session: &Arc<Session>, reader: &mut FrameReader<R>) -> Result<()> {
    let open = session.open()?;
    let mut counted_bytes = 0;
    loop {
        let frame = reader.next_frame()?;
        session.check()?;
        match frame {
            Frame::End => return Ok(()),
            Frame::Pieces(pieces, mut payload) => {
                for piece in pieces {
                    let (bytes, rest) = payload.split_at(piece.len_bytes as usize);
                    payload = rest;
                    take(&open, &piece, bytes)?;
                }
            }
        }
        session.received(reader.received_bytes() - counted_bytes);
        counted_bytes = reader.received_bytes();
    }
}

fn take(open: &Open, piece: &Piece, bytes: &[u8]) -> Result<()> {
    if piece.start() != PieceStart::None || piece.end.is_some() {
        return Err(Error::protocol("a piece of a volume has a start or an end"));
    }
    let volume = open.volume(piece.file_id)?;
    if !bytes.is_empty() {
        volume.write(piece.offset_bytes, bytes)?;
    }
    if piece.hole_len_bytes > 0 {
        let start = piece.offset_bytes.checked_add(bytes.len() as u64);
        let start = start.ok_or_else(|| Error::protocol("a hole beyond the end of all"))?;
        volume.clear(start, piece.hole_len_bytes)?;
    }
    Ok(())
}
