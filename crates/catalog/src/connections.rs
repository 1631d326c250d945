//! One connection that writes and a pool of those that read, on one database in WAL mode.
//!
//! Readers see the last committed state and never wait for the writer.
//!
//! All connections belong to this process (SQLite's VFS `unix-excl`), so the log's index is kept in plain memory. Otherwise
//! it would be mapped from a file, and a page of that which a full file system can't give kills the process.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::ballast::Ballast;
use crate::error::{Error, Failure, classify};

const VFS: &str = "unix-excl";
/// How long a statement waits for a foreign program (a backup tool, a `sqlite3` shell) to let go.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections beyond these are closed after use instead of kept.
const READERS_KEPT: usize = 4;

#[derive(Debug)]
pub(crate) struct Connections {
    path: PathBuf,
    ballast: Ballast,
    writer: Mutex<Connection>,
    /// How often something was committed, so that what was read can be known to hold still.
    commits: AtomicU64,
    readers: Mutex<Vec<Connection>>,
}

impl Connections {
    pub(crate) fn new(path: PathBuf, ballast: Ballast, writer: Connection) -> Self {
        Self {
            path,
            ballast,
            writer: Mutex::new(writer),
            commits: AtomicU64::new(0),
            readers: Mutex::new(Vec::new()),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn ballast(&self) -> &Ballast {
        &self.ballast
    }

    /// Runs `body` in a transaction that is durable when this returns `Ok`, and undone else. On a full disk it may run
    /// twice.
    pub(crate) fn write<T>(&self, body: impl Fn(&Transaction<'_>) -> Result<T, Failure>) -> Result<T, Error> {
        let mut writer = self.writer.lock();
        let mut attempt = || {
            let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = body(&transaction)?;
            transaction.commit()?;
            self.commits.fetch_add(1, Ordering::Release);
            Ok(value)
        };
        self.ballast
            .with(|| attempt().map_err(|failure: Failure| failure.at(&self.path)))
    }

    /// A number that is another after each change.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    /// Takes all that the log has into the database and empties it, unless a reader is still in the way.
    pub(crate) fn empty_log(&self) -> Result<(), Error> {
        let writer = self.writer.lock();
        let emptied = writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        emptied.map_err(|source| classify(&self.path, source))
    }

    /// Runs `body` on one consistent state of the database.
    pub(crate) fn read<T>(
        &self,
        body: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let pooled = self.readers.lock().pop();
        let mut reader = match pooled {
            Some(reader) => reader,
            None => open_reader(&self.path)?,
        };
        let attempt = || {
            let transaction = reader.transaction()?;
            body(&transaction)
        };
        let value = attempt().map_err(|failure: Failure| failure.at(&self.path))?;
        let mut readers = self.readers.lock();
        if readers.len() < READERS_KEPT {
            readers.push(reader);
        }
        Ok(value)
    }
}

/// Opens an existing database for writing, with every setting that the catalog relies on.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, Error> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|writer| {
        let settle = || {
            writer.pragma_update(None, "synchronous", "FULL")?;
            writer.pragma_update(None, "foreign_keys", true)
        };
        settle().map_err(|source| classify(path, source))?;
        Ok(writer)
    })
}

pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn open(path: &Path, access: OpenFlags) -> Result<Connection, Error> {
    let attempt = || {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags_and_vfs(path, flags, VFS)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        Ok(connection)
    };
    attempt().map_err(|source| classify(path, source))
}
