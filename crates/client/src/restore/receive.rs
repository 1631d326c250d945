//! A receiver: one thread that reads content from one data connection and writes it into the target.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use wire::frame::Frame;
use wire::v1::{Piece, file_end::Outcome};

use super::incoming::{Arriving, FileError, Incoming};
use super::session;
use super::state::State;
use crate::backup::lost;
use crate::error::{Error, Result};
use crate::monitor::ProblemKind;

/// Works until the server has nothing more, or the restore ends; what fails here ends the restore.
pub(super) fn run(state: &State) {
    if !state.wait_for_wishes() {
        return;
    }
    if let Err(error) = receive(state)
        // Once all is there, the server may end a connection that has hardly begun.
        && !state.has_everything()
    {
        state.fail(error);
    }
}

fn receive(state: &State) -> Result<()> {
    let connection = state.dialler.open()?;
    state.abort.watch(connection.breaker()?);
    let mut frames = session::join(connection, &state.key)?;
    let mut receiver = Receiver::new(state);
    let mut counted_bytes = 0;
    loop {
        match frames.next_frame().map_err(lost)? {
            Frame::End => break,
            Frame::Pieces(pieces, mut payload) => {
                for piece in pieces {
                    let (bytes, rest) = payload.split_at(piece.len_bytes as usize);
                    payload = rest;
                    receiver.take(&piece, bytes)?;
                }
            }
        }
        let received_bytes = frames.received_bytes();
        state
            .counts
            .bytes_fetched
            .fetch_add(received_bytes - counted_bytes, Ordering::Relaxed);
        counted_bytes = received_bytes;
    }
    if receiver.arriving.is_empty() {
        Ok(())
    } else {
        Err(Error::Protocol {
            what: "content without end",
        })
    }
}

/// Takes pieces and puts them where they belong.
pub(super) struct Receiver<'a> {
    state: &'a State,
    arriving: HashMap<u64, Arriving>,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(state: &'a State) -> Self {
        Self {
            state,
            arriving: HashMap::new(),
        }
    }

    /// Takes the next piece of some file.
    pub(super) fn take(&mut self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        let id = piece.file_id;
        let dropped = piece
            .end
            .as_ref()
            .is_some_and(|end| end.outcome() == Outcome::Dropped);
        let mut arriving = match self.arriving.remove(&id) {
            Some(arriving) => arriving,
            None => {
                let incoming = self.state.arriving(id)?;
                if dropped {
                    self.lose(&incoming);
                    return Ok(());
                }
                Arriving::begin(incoming, id)
            }
        };
        if dropped {
            self.lose(arriving.incoming());
            arriving.abandon();
            return Ok(());
        }
        arriving.take(piece.offset_bytes, bytes, piece.hole_len_bytes);
        if piece.end.is_none() {
            self.arriving.insert(id, arriving);
            return Ok(());
        }
        let (path, size) = (arriving.incoming().path(), arriving.incoming().entry.size());
        let written = arriving.finish(self.state);
        self.conclude(&path, size, written)
    }

    fn conclude(&self, path: &[u8], size: u64, written: Result<(), FileError>) -> Result<()> {
        match written {
            Ok(()) => {
                self.state.counts.files_written.fetch_add(1, Ordering::Relaxed);
                self.state.counts.bytes_done.fetch_add(size, Ordering::Relaxed);
            }
            Err(error) if error.is_full() => return Err(Error::TargetFull { path: path.into() }),
            Err(error) => {
                let kind = match error {
                    FileError::Corrupt => ProblemKind::Corrupt,
                    FileError::Tree(_) | FileError::Io(_) => ProblemKind::Unwritable,
                };
                self.state.report_error(kind, path, &error);
            }
        }
        self.state.complete();
        Ok(())
    }

    fn lose(&self, incoming: &Incoming) {
        let path = incoming.path();
        self.state
            .report(ProblemKind::Corrupt, &path, "the server could not read it");
        self.state.complete();
    }
}
