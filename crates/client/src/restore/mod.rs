//! Bringing backups back, from the client's side.
//!
//! 1. One thread goes through the manifest in order, compares each directory with the target ([`plan`]),
//!    makes what needs no content ([`place`]) and asks for the rest ([`wanted`]).
//! 2. Several threads receive content, each on a data connection of its own, check it against the manifest as
//!    it arrives and put it into place ([`receive`]). How content is asked for, [`session`] says.
//! 3. When all is there, streams are given back ([`streams`]), hard links are made and directories get their metadata ([`finish`]).
//!
//! Nothing in the target is followed: all is reached by descriptor, beneath the target's own. A restore that
//! is repeated fetches only what is missing.

mod compare;
mod conflicts;
mod create;
mod finish;
mod incoming;
mod place;
mod plan;
mod receive;
mod refusals;
mod selection;
pub(crate) mod session;
mod state;
mod streams;
mod target;
mod wanted;

use std::path::PathBuf;
use std::sync::Arc;

use file_tree::{Dir, Names};
use manifest::{ContentHash, Reader};
use tokio::sync::mpsc;
use tonic::Streaming;
use wire::v1::manifest_request::Which;
use wire::v1::restore_reply::Reply;
use wire::v1::{BackupRef, RestoreReply, RestoreRequest, RestoreSession};

use crate::backup::{fetch, open};
use crate::cache::{Cache, Part};
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor};

use selection::Selection;
use session::Granted;
use state::State;

/// Messages that may wait in the stream to the server.
const STREAM_MESSAGES: usize = 8;
/// The most data connections that a restore opens.
const MAX_CONNECTIONS: usize = 8;

/// What happens where something else than the backup's entry is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// It is replaced. A directory is removed for something else only with [`Extra::Delete`].
    #[default]
    Overwrite,
    /// It stays, and the entry is left out.
    Skip,
    /// It gets another name (`NAME.kept`).
    KeepBoth,
    /// The restore fails before it has changed anything.
    Fail,
}

/// What happens with what the backup doesn't have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extra {
    /// It stays.
    #[default]
    Keep,
    /// It is removed, with all that is in it.
    Delete,
}

/// How it is found out whether a file that is there has the right content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compare {
    /// By size and time of modification.
    #[default]
    SizeAndTime,
    /// By reading and hashing it.
    Content,
}

/// Whom the restored belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OwnerMapping {
    /// The users and groups of the same name here, or the same numbers where there is none.
    #[default]
    ByName,
    /// The same numbers.
    Numeric,
}

/// Which symbolic links on the way to the target are followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Links {
    /// All of them: whoever restores has named the target himself.
    #[default]
    All,
    /// Those of root and of whoever runs the client; with any other the restore fails.
    Trusted,
}

/// A restore, as it is asked for.
#[derive(Clone)]
pub struct Restore {
    /// The backup; "latest" is the newest complete one.
    pub backup: BackupRef,
    /// What of it: a path inside the backup, empty for everything.
    pub path: Vec<u8>,
    /// The directory that it goes to. What a directory in the backup holds ends up in it, a single file under
    /// its name.
    pub target: PathBuf,
    /// Which symbolic links on the way to it are followed.
    pub links: Links,
    /// What happens where something else is there.
    pub on_conflict: OnConflict,
    /// What happens with what the backup doesn't have.
    pub extra: Extra,
    /// How existing files are compared.
    pub compare: Compare,
    /// Whom it belongs to afterwards.
    pub owners: OwnerMapping,
    /// The manifests that this client holds.
    pub cache: Arc<Cache>,
    /// Is told what happens.
    pub monitor: Arc<dyn Monitor>,
    /// Ends it early.
    pub cancel: Cancel,
}

/// What a restore has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// Files that were created or changed.
    pub files_written: u64,
    /// Files that were right already.
    pub files_kept: u64,
    /// Entries that were left out since something else is there.
    pub skipped: u64,
    /// Bytes of content that were fetched.
    pub bytes_fetched: u64,
    /// Problems that were reported.
    pub problems: u64,
}

impl Restore {
    /// Restores, and returns what was done; single entries that failed are reported and counted.
    ///
    /// Fails with [`Error::TargetConflict`] before anything was changed where that is asked for, and with
    /// [`Error::Interrupted`] if the connection was lost; what was restored by then is there, and a further
    /// call goes on from it.
    pub async fn run(&self, connection: &Connection) -> Result<Restored> {
        let Granted {
            requests,
            mut replies,
            session: granted,
        } = session::ask(connection, self.backup.clone(), STREAM_MESSAGES).await?;
        let manifest = self.manifest(connection, &granted).await?;
        let state = Arc::new(self.state(connection, granted, requests)?);
        let work = {
            let (restore, state) = (self.clone(), Arc::clone(&state));
            tokio::task::spawn_blocking(move || {
                restore
                    .drive(&state, &manifest.reader)
                    .map_err(|error| state.fail(error))
            })
        };
        let outcome = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Cancelled),
            outcome = follow(&mut replies, &state) => outcome,
            error = state.abort.cause() => Err(error),
        };
        if outcome.is_err() {
            state.fail(Error::Cancelled);
        }
        let finished = work.await.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        })?;
        // What the work failed with after the server was done is the outcome.
        match (outcome, finished) {
            (Ok(()), Ok(())) => Ok(state.summary()),
            (Ok(()), Err(())) => Err(state.abort.cause().await),
            (Err(error), _) => Err(error),
        }
    }

    async fn manifest(&self, connection: &Connection, granted: &RestoreSession) -> Result<Manifest> {
        let digest = granted.digest.as_slice().try_into();
        let digest = ContentHash(digest.map_err(|_| Error::Protocol {
            what: "a digest that is none",
        })?);
        if let Some(reader) = self.cache.manifest(digest)? {
            return Ok(Manifest { reader, _part: None });
        }
        let part = fetch(connection, &self.cache, Which::Backup(self.backup.clone())).await?;
        Ok(Manifest {
            reader: open(&part, digest)?,
            _part: Some(part),
        })
    }

    fn state(
        &self,
        connection: &Connection,
        granted: RestoreSession,
        requests: mpsc::Sender<RestoreRequest>,
    ) -> Result<State> {
        let connections = (granted.data_connections as usize).clamp(1, MAX_CONNECTIONS);
        let target = self.open_target()?;
        Ok(State::new(state::Beginning {
            key: granted.session,
            connections,
            dialler: connection.dialler().clone(),
            monitor: Arc::clone(&self.monitor),
            requests,
            target,
            owners: self.owners,
            names: Names::system(),
        }))
    }

    fn open_target(&self) -> Result<Dir> {
        if self.links == Links::Trusted {
            return target::open_trusted(&self.target);
        }
        std::fs::create_dir_all(&self.target).map_err(|source| Error::io("create", &self.target, source))?;
        Ok(Dir::open(&self.target)?)
    }

    fn rules(&self) -> plan::Rules {
        plan::Rules {
            on_conflict: self.on_conflict,
            extra: self.extra,
            compare: self.compare,
        }
    }

    /// Does everything that blocks; ends once the server has been told that nothing more is wanted and all is
    /// in place.
    fn drive(&self, state: &State, reader: &Reader) -> Result<()> {
        let selection = Selection::new(reader, &self.path)?;
        if self.on_conflict == OnConflict::Fail {
            conflicts::check(state, &selection, reader, self.rules())?;
        }
        let totals = reader.totals();
        if self.path.is_empty() {
            state.expect(totals.files, totals.bytes);
        }
        let leftover = std::thread::scope(|scope| {
            for _ in 0..state.connections {
                scope.spawn(|| receive::run(state));
            }
            let placed = place::Placer::new(state, &selection, self.rules()).run();
            let ended = placed.and_then(|leftover| state.end_of_wishes().map(|()| leftover));
            // Receivers that still wait are let go.
            ended.map_err(|error| state.fail(error)).ok()
        });
        let Some(leftover) = leftover else {
            return Err(Error::Cancelled);
        };
        if state.abort.is_raised() {
            return Err(Error::Cancelled);
        }
        finish::run(state, &selection, self.rules(), &leftover)
    }
}

/// A manifest that is open for the time of a restore.
struct Manifest {
    reader: Reader,
    _part: Option<Part>,
}

async fn follow(replies: &mut Streaming<RestoreReply>, state: &State) -> Result<()> {
    loop {
        match session::next(replies).await? {
            Reply::Failed(failed) => {
                let text = format!("the server can't give file {}: {}", failed.file_id, failed.reason);
                state.monitor.log(Level::Error, &text);
            }
            Reply::Done(_) => return Ok(()),
            Reply::Session(_) => {
                return Err(Error::Protocol {
                    what: "a second session was granted",
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
