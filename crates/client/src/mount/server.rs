//! The way to the server for as long as backups are mounted: dialled again after it was lost, and given up for a moment where the
//! server can't be reached, so that nobody waits for one timeout after the other.
//!
//! Calls block; they are for the threads that serve the kernel, never for those of the runtime.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use manifest::{ContentHash, Reader};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use wire::v1::manifest_request::Which;
use wire::v1::{BackupRef, ListRequest};

use super::backups::Backup;
use crate::backup::{fetch, open};
use crate::cache::{Cache, Part};
use crate::connection::Connection;
use crate::error::{Error, Result, explain};
use crate::identity::Identity;
use crate::monitor::{Level, Monitor};

/// How long an answer may take, dialling aside.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long dialling may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(20);
/// For so long after the server could not be reached nobody tries again.
const REST: Duration = Duration::from_secs(3);

/// The server, as it is reached by this client.
pub(super) struct Server {
    runtime: Handle,
    identity: Arc<Identity>,
    cache: Arc<Cache>,
    monitor: Arc<dyn Monitor>,
    /// Locked while it is dialled, so that one dials and the others have what comes of it.
    line: Mutex<Line>,
    is_closed: AtomicBool,
}

/// The connection, or since when there is none.
struct Line {
    connection: Option<Connection>,
    /// Counts connections, so that a new one is not taken for the lost one.
    number: u64,
    lost: Option<Instant>,
}

/// A manifest that is open, with the file that it was fetched into where it is not one of the client's own.
pub(super) struct Manifest {
    pub(super) reader: Reader,
    pub(super) _part: Option<Part>,
}

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The usual time.
    Answer,
    /// As long as the connection is alive: much may be on its way.
    Connection,
}

impl Server {
    /// Takes over a connection.
    pub(super) fn new(connection: Connection, cache: Arc<Cache>, monitor: Arc<dyn Monitor>) -> Self {
        Self {
            runtime: Handle::current(),
            identity: connection.identity().clone(),
            cache,
            monitor,
            line: Mutex::new(Line {
                connection: Some(connection),
                number: 0,
                lost: None,
            }),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Answers nobody any more.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// The file backups that there are.
    pub(super) fn list(&self) -> Result<Vec<Backup>> {
        let listed = self.call(Limit::Answer, |connection| async move {
            let listed = connection.backups().list(ListRequest::default()).await;
            listed.map_err(|status| Error::from_status(&status))
        })?;
        Ok(listed
            .into_inner()
            .backups
            .iter()
            .filter_map(Backup::of_files)
            .collect())
    }

    /// The manifest of a backup: the client's own copy, or one that is fetched.
    pub(super) fn manifest(&self, backup: &Backup) -> Result<Manifest> {
        if let Some(reader) = self.cache.manifest(backup.digest)? {
            return Ok(Manifest { reader, _part: None });
        }
        let part = self.call(Limit::Connection, |connection| {
            let which = Which::Backup(backup.to_wire());
            async move { fetch(&connection, &self.cache, which).await }
        })?;
        Ok(Manifest {
            reader: open(&part, backup.digest)?,
            _part: Some(part),
        })
    }

    /// Forgets the client's own copy of a manifest, which turned out to be damaged.
    pub(super) fn discard_manifest(&self, digest: ContentHash) {
        if let Err(error) = self.cache.discard(digest) {
            tracing::warn!(%error, "a damaged manifest could not be removed");
        }
    }

    /// Takes the server for lost, as it does not send what it was asked for: others need not find that out again.
    pub(super) fn give_up(&self) {
        let mut line = self.line.lock();
        line.connection = None;
        self.rest(&mut line, &Error::interrupted("the server does not answer"));
    }

    /// Has something done with a connection, which may take the time of an answer. A connection that turns out to be lost is dialled again, once.
    ///
    /// Fails with what `ask` fails with, and where the server can't be reached.
    pub(super) fn ask<T, F: Future<Output = Result<T>>>(&self, ask: impl Fn(Connection) -> F) -> Result<T> {
        self.call(Limit::Answer, ask)
    }

    fn call<T, F: Future<Output = Result<T>>>(
        &self,
        limit: Limit,
        ask: impl Fn(Connection) -> F,
    ) -> Result<T> {
        let (connection, number) = self.connection()?;
        match self.wait(limit, ask(connection)) {
            Err(error) if error.is_transient() => self.lose(number, None),
            answer => return answer,
        }
        let (connection, number) = self.connection()?;
        let answer = self.wait(limit, ask(connection));
        if let Err(error) = &answer
            && error.is_transient()
        {
            self.lose(number, Some(error));
        }
        answer
    }

    fn wait<T>(&self, limit: Limit, answer: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(async {
            match limit {
                Limit::Connection => answer.await,
                Limit::Answer => match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
                    Ok(answer) => answer,
                    Err(_) => Err(Error::interrupted("the server does not answer")),
                },
            }
        })
    }

    fn connection(&self) -> Result<(Connection, u64)> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(Error::Cancelled);
        }
        let mut line = self.line.lock();
        if let Some(connection) = &line.connection {
            return Ok((connection.clone(), line.number));
        }
        if line.lost.is_some_and(|lost| lost.elapsed() < REST) {
            return Err(Error::interrupted("the server could not be reached a moment ago"));
        }
        let dialled = self.runtime.block_on(async {
            let dialling = Connection::open(self.identity.clone());
            match tokio::time::timeout(DIAL_TIMEOUT, dialling).await {
                Ok(dialled) => dialled,
                Err(_) => Err(Error::Unreachable {
                    address: self.identity.server_address().to_owned(),
                    source: std::io::ErrorKind::TimedOut.into(),
                }),
            }
        });
        match dialled {
            Ok(connection) => {
                if line.lost.take().is_some() {
                    self.monitor.log(Level::Info, "the server is there again");
                }
                line.number += 1;
                line.connection = Some(connection.clone());
                Ok((connection, line.number))
            }
            Err(error) => {
                self.rest(&mut line, &error);
                Err(error)
            }
        }
    }

    /// Gives a connection up; with an error, nobody dials for a while.
    fn lose(&self, number: u64, error: Option<&Error>) {
        let mut line = self.line.lock();
        if line.number != number {
            return;
        }
        line.connection = None;
        if let Some(error) = error {
            self.rest(&mut line, error);
        }
    }

    fn rest(&self, line: &mut Line, error: &Error) {
        if line.lost.replace(Instant::now()).is_none() {
            let text = format!("what is not known yet can't be read: {}", explain(error));
            self.monitor.log(Level::Warning, &text);
        }
    }
}

impl Backup {
    /// The backup as the server takes it.
    pub(super) fn to_wire(&self) -> BackupRef {
        BackupRef {
            client: String::new(),
            name: self.name.clone(),
        }
    }
}
