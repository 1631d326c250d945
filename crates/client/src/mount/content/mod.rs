//! The content of files: read at any place, block by block, out of a bounded cache or from the server, and proven by the manifest.
//!
//! 1. What is wanted of a file is looked for among the blocks that are there or on their way ([`blocks`]).
//! 2. What is neither is asked for, together with what will be wanted next ([`read_ahead`]), over a session for the backup ([`session`]).
//! 3. What comes is put together to blocks and proven ([`fetch`]).
//!
//! A reader waits for a block as long as anything comes, and for a bounded time where nothing does. Lock order: the sessions, then what one has under way, then the blocks.

mod blocks;
mod fetch;
mod read_ahead;
mod session;

use std::collections::HashMap;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use manifest::ContentHash;
use parking_lot::Mutex;

use blocks::{Blocks, Claim, Extent, Held, Lack, Slot};
use fetch::Fetch;
pub(super) use fetch::Proof;
use read_ahead::ReadAhead;
use session::Session;

use super::backups::Backup;
use super::inodes::Place;
use super::report::Report;
use super::server::Server;
use super::tree::{Answer, Refusal};
use crate::error::{Error, Result};

/// How long a reader waits for a block while nothing comes.
const PATIENCE: Duration = Duration::from_secs(20);
/// A session that nobody uses for so long is closed: while it is open, the server can't delete the backup.
const IDLE: Duration = Duration::from_secs(10);
/// Where more sessions are open, those are closed first that have nothing under way.
const USUAL_SESSIONS: usize = 8;

/// An open file.
pub(super) struct FileContent {
    place: Place,
    extent: Extent,
    proof: Proof,
    ahead: Mutex<ReadAhead>,
}

impl FileContent {
    /// The file at a place, with what the manifest says of it.
    pub(super) fn new(place: Place, size: u64, hash: ContentHash, proof: Proof) -> Self {
        Self {
            place,
            extent: Extent { content: hash, size },
            proof,
            ahead: Mutex::default(),
        }
    }
}

/// The content of all files.
pub(super) struct Contents {
    server: Arc<Server>,
    report: Arc<Report>,
    blocks: Arc<Blocks>,
    /// By name and digest. Locked while one is opened, so that a backup has one.
    sessions: Mutex<HashMap<(String, ContentHash), Arc<Session>>>,
}

impl Contents {
    /// Nothing is there yet; the cache of blocks takes `cache_bytes` at most.
    pub(super) fn new(server: Arc<Server>, report: Arc<Report>, cache_bytes: u64) -> Self {
        Self {
            server,
            report,
            blocks: Arc::new(Blocks::new(cache_bytes)),
            sessions: Mutex::default(),
        }
    }

    /// Reads so many bytes from an offset on; fewer at the end of the file.
    pub(super) fn read(&self, file: &FileContent, offset: u64, len: u32) -> Answer<Vec<u8>> {
        let end = offset.saturating_add(len.into()).min(file.extent.size);
        if offset >= end {
            return Ok(Vec::new());
        }
        let range = offset..end;
        let mut read = self.try_read(file, &range);
        // What was under way when a connection was lost is asked for once more.
        if read.as_ref().is_err_and(Lacking::is_transient) {
            read = self.try_read(file, &range);
        }
        read.map_err(|lacking| self.refuse(file, &lacking))
    }

    /// Closes the sessions that nobody uses.
    pub(super) fn close_idle(&self) {
        // Whoever opens one has it locked, perhaps for long.
        if let Some(mut sessions) = self.sessions.try_lock() {
            sessions.retain(|_, session| session.is_open() && !session.is_idle_for(IDLE));
        }
    }

    fn try_read(&self, file: &FileContent, range: &Range<u64>) -> Result<Vec<u8>, Lacking> {
        let wanted = file.extent.blocks_of(range);
        let first = wanted.start;
        let (held, claims) = self.blocks.want(file.extent, wanted);
        self.fetch(file, claims)?;
        self.read_ahead(file, range);
        let mut bytes = Vec::with_capacity((range.end - range.start) as usize);
        for (index, held) in (first..).zip(held) {
            let begin = index * file.extent.block_bytes();
            let block = match held {
                Held::There(block) => block,
                Held::Coming(slot) => self.wait(&file.place.backup, &slot)?,
            };
            let from = range.start.saturating_sub(begin).min(block.len() as u64);
            let to = range.end.saturating_sub(begin).min(block.len() as u64);
            bytes.extend_from_slice(&block[from as usize..to as usize]);
        }
        Ok(bytes)
    }

    fn wait(&self, backup: &Backup, slot: &Slot) -> Result<Bytes, Lacking> {
        loop {
            if let Some(block) = slot.wait(Instant::now() + PATIENCE) {
                return block.map_err(Lacking::Block);
            }
            // Over a slow line much may stand in front of it.
            if !self.is_progressing() {
                self.give_up(backup);
                return Err(Lacking::Time);
            }
        }
    }

    fn read_ahead(&self, file: &FileContent, range: &Range<u64>) {
        if file.extent.is_small() {
            return;
        }
        let ahead = file
            .ahead
            .lock()
            .after(range, file.extent.size, self.blocks.ahead_blocks());
        let claims = self.blocks.want_later(file.extent, ahead);
        // Whoever will want it asks again, and is told then.
        let _ = self.fetch(file, claims);
    }

    /// Asks for blocks, each run of those that follow each other at once.
    fn fetch(&self, file: &FileContent, claims: Vec<Claim>) -> Result<()> {
        let mut fetches = Vec::new();
        let mut run: VecDeque<Claim> = VecDeque::new();
        let begin = |run| Fetch::begin(self.blocks.clone(), file.extent.content, file.proof.clone(), run);
        for claim in claims {
            if run
                .back()
                .is_some_and(|last| last.key.index + 1 != claim.key.index)
            {
                fetches.push(begin(std::mem::take(&mut run)));
            }
            run.push_back(claim);
        }
        if run.is_empty() {
            return Ok(());
        }
        fetches.push(begin(run));
        let session = self.session(&file.place.backup)?;
        for fetch in fetches {
            session.fetch(&file.place.path, fetch)?;
        }
        Ok(())
    }

    /// The session of a backup, which is opened where there is none.
    fn session(&self, backup: &Arc<Backup>) -> Result<Arc<Session>> {
        let key = (backup.name.clone(), backup.digest);
        let mut sessions = self.sessions.lock();
        if let Some(session) = sessions.get(&key).filter(|session| session.is_open()) {
            return Ok(session.clone());
        }
        if sessions.len() >= USUAL_SESSIONS {
            sessions.retain(|_, session| !session.is_idle_for(Duration::ZERO));
        }
        let opened = self
            .server
            .ask(|connection| Session::open(connection, backup.clone()))?;
        let session = Arc::new(opened);
        sessions.insert(key, session.clone());
        Ok(session)
    }

    /// Whether anything comes. What is waited for may have been asked for by who reads the same content in another backup.
    fn is_progressing(&self) -> bool {
        let sessions = self.sessions.lock();
        sessions
            .values()
            .any(|session| session.brought_something_within(PATIENCE))
    }

    /// Ends a session that brings nothing.
    fn give_up(&self, backup: &Backup) {
        let key = (backup.name.clone(), backup.digest);
        // First the server, so that those who are told that their blocks are lost do not wait for another session.
        self.server.give_up();
        let session = self.sessions.lock().remove(&key);
        if let Some(session) = session {
            session.end();
        }
    }

    fn refuse(&self, file: &FileContent, lacking: &Lacking) -> Refusal {
        let place = &file.place;
        match lacking {
            Lacking::Block(Lack::Corrupt) => {
                self.report
                    .damaged(place, "what the server has is not what was backed up");
            }
            Lacking::Block(Lack::Unreadable) => self.report.damaged(place, "the server could not read it"),
            Lacking::Server(Error::NotFound { .. }) => return Refusal::Missing,
            Lacking::Server(error) => self.report.failed(place, error),
            Lacking::Block(Lack::Lost) | Lacking::Time => {}
        }
        Refusal::Unreadable
    }
}

/// Why bytes can't be given.
#[derive(Debug, thiserror::Error)]
enum Lacking {
    /// A block did not come.
    #[error("a block did not come")]
    Block(Lack),
    /// A block did not come in time.
    #[error("a block did not come in time")]
    Time,
    /// Nothing can be asked for.
    #[error(transparent)]
    Server(#[from] Error),
}

impl Lacking {
    /// Whether another connection may bring it. Who has waited for his time does not wait again.
    fn is_transient(&self) -> bool {
        match self {
            Self::Block(lack) => *lack == Lack::Lost,
            Self::Time => false,
            Self::Server(error) => error.is_transient(),
        }
    }
}
