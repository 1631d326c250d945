//! Content of one backup on its way: a restore that is never finished, of which ranges of files are asked for as they are wanted.
//!
//! One thread takes what comes over the data connection. When either connection ends, so does the session, and all that is under way
//! is lost; whoever wants it opens another.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tonic::Streaming;
use wire::frame::{Frame, FrameReader};
use wire::v1::restore_reply::Reply;
use wire::v1::restore_request::Request;
use wire::v1::{
    Piece, Range, RestoreFinish, RestoreReply, RestoreRequest, Wanted, WantedFile, file_end::Outcome,
};

use super::fetch::Fetch;
use crate::backup::lost;
use crate::connection::{Breaker, Connection, DataConnection, DataDialler};
use crate::error::{Error, Result};
use crate::mount::backups::Backup;
use crate::restore::session::{self, Granted};

/// Requests that may wait to be sent.
const QUEUED_REQUESTS: usize = 64;

/// An open session.
pub(super) struct Session {
    requests: mpsc::Sender<RestoreRequest>,
    under_way: Arc<UnderWay>,
    next_id: AtomicU64,
    used: Mutex<Instant>,
}

/// What was asked for and has not come yet.
struct UnderWay {
    /// `None` once the session has ended.
    fetches: Mutex<Option<HashMap<u64, Fetch>>>,
    /// When something came last.
    progressed: Mutex<Instant>,
    breaker: Breaker,
}

impl Session {
    /// Opens one for a backup.
    ///
    /// Fails with [`Error::NotFound`] where the backup is gone, and where the connections can't be had.
    pub(super) async fn open(connection: Connection, backup: Arc<Backup>) -> Result<Self> {
        let Granted {
            requests,
            replies,
            session: granted,
        } = session::ask(&connection, backup.to_wire(), QUEUED_REQUESTS).await?;
        if granted.digest != backup.digest.0 {
            return Err(Error::NotFound {
                message: format!("backup {} is another one now", backup.name),
            });
        }
        let dialler = connection.dialler().clone();
        let dialling = tokio::task::spawn_blocking(move || dial(&dialler, &granted.session));
        let (frames, breakers) = dialling.await.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        })??;
        Self::begin(requests, replies, frames, breakers)
    }

    fn begin(
        requests: mpsc::Sender<RestoreRequest>,
        replies: Streaming<RestoreReply>,
        frames: FrameReader<DataConnection>,
        breaker: Breaker,
    ) -> Result<Self> {
        let under_way = Arc::new(UnderWay {
            fetches: Mutex::new(Some(HashMap::new())),
            progressed: Mutex::new(Instant::now()),
            breaker,
        });
        tokio::spawn(follow(replies, under_way.clone()));
        let receiving = under_way.clone();
        let spawned = std::thread::Builder::new()
            .name("mounted content".to_owned())
            .spawn(move || {
                if let Err(error) = receive(frames, &receiving) {
                    tracing::debug!(%error, "content does not come any more");
                }
                receiving.end();
            });
        spawned.map_err(|error| Error::interrupted(format_args!("no thread can be had: {error}")))?;
        Ok(Self {
            requests,
            under_way,
            next_id: AtomicU64::new(1),
            used: Mutex::new(Instant::now()),
        })
    }

    /// Asks for blocks of the file at `path`. Blocks while the server takes no requests.
    ///
    /// Fails where the session has ended; then the blocks are lost.
    pub(super) fn fetch(&self, path: &[u8], fetch: Fetch) -> Result<()> {
        *self.used.lock() = Instant::now();
        let file_id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let range = fetch.range();
        let range = Range {
            offset_bytes: range.start,
            len_bytes: range.end - range.start,
        };
        let ended = || Error::interrupted("the server takes no requests any more");
        // It may come before the call returns.
        match &mut *self.under_way.fetches.lock() {
            Some(fetches) => fetches.insert(file_id, fetch),
            None => return Err(ended()),
        };
        let wanted = WantedFile {
            file_id,
            path: path.to_vec(),
            ranges: vec![range],
        };
        let wanted = request(Request::Wanted(Wanted { files: vec![wanted] }));
        self.requests.blocking_send(wanted).map_err(|_| ended())
    }

    /// Whether something can be asked for.
    pub(super) fn is_open(&self) -> bool {
        self.under_way.fetches.lock().is_some()
    }

    /// Whether something has come in this time, so that what is under way may come yet.
    pub(super) fn brought_something_within(&self, time: Duration) -> bool {
        self.is_open() && self.under_way.progressed.lock().elapsed() < time
    }

    /// Whether nothing is under way, and nothing was asked for in this time.
    pub(super) fn is_idle_for(&self, time: Duration) -> bool {
        let fetches = self.under_way.fetches.lock();
        fetches.as_ref().is_none_or(HashMap::is_empty) && self.used.lock().elapsed() >= time
    }

    /// Ends it; what is under way is lost.
    pub(super) fn end(&self) {
        // If the server does not hear of it, it finds the connection closed.
        let _ = self.requests.try_send(request(Request::Finish(RestoreFinish {})));
        self.under_way.end();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end();
    }
}

impl UnderWay {
    /// Takes a piece of some file.
    fn take(&self, piece: &Piece, bytes: &[u8]) -> Result<()> {
        *self.progressed.lock() = Instant::now();
        let mut fetches = self.fetches.lock();
        let fetches = fetches
            .as_mut()
            .ok_or_else(|| Error::interrupted("the session has ended"))?;
        let unknown = Error::Protocol {
            what: "content that nobody asked for",
        };
        let Some(end) = &piece.end else {
            let fetch = fetches.get_mut(&piece.file_id).ok_or(unknown)?;
            fetch.take(piece.offset_bytes, bytes, piece.hole_len_bytes);
            return Ok(());
        };
        let mut fetch = fetches.remove(&piece.file_id).ok_or(unknown)?;
        match end.outcome() {
            Outcome::Complete => {
                fetch.take(piece.offset_bytes, bytes, piece.hole_len_bytes);
                fetch.finish();
            }
            Outcome::Dropped => fetch.give_up(),
        }
        Ok(())
    }

    fn end(&self) {
        self.breaker.sever();
        // Whoever waits for a block is told that it is lost.
        drop(self.fetches.lock().take());
    }
}

fn request(request: Request) -> RestoreRequest {
    RestoreRequest {
        request: Some(request),
    }
}

/// Opens the data connection of a session. Blocks.
fn dial(dialler: &DataDialler, key: &[u8]) -> Result<(FrameReader<DataConnection>, Breaker)> {
    let line = dialler.open()?;
    let breaker = line.breaker()?;
    Ok((session::join(line, key)?, breaker))
}

/// Takes what comes until nothing comes any more.
fn receive(mut frames: FrameReader<DataConnection>, under_way: &UnderWay) -> Result<()> {
    while let Frame::Pieces(pieces, mut payload) = frames.next_frame().map_err(lost)? {
        for piece in pieces {
            let (bytes, rest) = payload.split_at(piece.len_bytes as usize);
            payload = rest;
            under_way.take(&piece, bytes)?;
        }
    }
    Ok(())
}

/// Listens to the control connection, which is found to be dead sooner than the data connection.
async fn follow(mut replies: Streaming<RestoreReply>, under_way: Arc<UnderWay>) {
    while let Ok(Some(reply)) = replies.message().await {
        if let Some(Reply::Failed(failed)) = reply.reply {
            tracing::warn!(reason = failed.reason, "the server can't give a file");
        }
    }
    under_way.end();
}
