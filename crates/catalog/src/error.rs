//! What can go wrong with the catalog, and how SQLite's own errors are told apart.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use crate::{JobId, JobState};

/// A failed call. Whatever it is, the transaction it belonged to has been rolled back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process, or another part of this one, has the catalog open.
    #[error("the catalog in {} is in use{}", dir.display(), pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Busy {
        /// The catalog's directory.
        dir: PathBuf,
        /// The owner, where the lock file tells it.
        pid: Option<u32>,
    },
    /// A program that does not respect the lock file holds the database.
    #[error("the database {} is locked by another program", path.display())]
    Locked {
        /// The database file.
        path: PathBuf,
        /// SQLite's own word.
        source: rusqlite::Error,
    },
    /// There is no catalog in the directory.
    #[error("there is no catalog in {}", dir.display())]
    NotFound {
        /// The directory that was looked at.
        dir: PathBuf,
    },
    /// A catalog was to be created where one is.
    #[error("there is a catalog in {} already", dir.display())]
    AlreadyExists {
        /// The directory that was looked at.
        dir: PathBuf,
    },
    /// The database is damaged: it can't be trusted and should be rebuilt.
    #[error("the catalog {} is damaged: {reason}", path.display())]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What was found.
        reason: String,
        /// SQLite's own word, where it noticed.
        source: Option<rusqlite::Error>,
    },
    /// The database was written by a newer version of Perennial.
    #[error("the catalog {} has schema {found}, this program knows up to {known}", path.display())]
    NewerSchema {
        /// The database file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The database was written by an older version of Perennial, and was not to be changed.
    #[error("the catalog {} has schema {found}, which will be brought to {known}", path.display())]
    OlderSchema {
        /// The database file.
        path: PathBuf,
        /// The version that it has.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// The file system or the database's permissions don't allow it.
    #[error("access to {} was denied", path.display())]
    Denied {
        /// The database file.
        path: PathBuf,
        /// SQLite's own word.
        source: rusqlite::Error,
    },
    /// The file system that holds the catalog is full.
    #[error("no space left for the catalog {}", path.display())]
    NoSpace {
        /// The database file.
        path: PathBuf,
        /// SQLite's own word.
        source: rusqlite::Error,
    },
    /// Reading or writing the database failed in the file system.
    #[error("reading or writing the catalog {} failed", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// SQLite's own word.
        source: rusqlite::Error,
    },
    /// A statement failed for a reason that lies in this program.
    #[error("a statement on the catalog {} failed", path.display())]
    Statement {
        /// The database file.
        path: PathBuf,
        /// SQLite's own word.
        source: rusqlite::Error,
    },
    /// A file or directory beside the database could not be handled.
    #[error("{action} {} failed", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// No client has this name.
    #[error("there is no client {name:?}")]
    UnknownClient {
        /// The name that was asked for.
        name: String,
    },
    /// No group has this name.
    #[error("there is no group {name:?}")]
    UnknownGroup {
        /// The name that was asked for.
        name: String,
    },
    /// Another client has this name, or is called so.
    #[error("another client is called {name:?}")]
    DuplicateClient {
        /// What people were to call it.
        name: String,
    },
    /// There is a group of this name already.
    #[error("there is a group {name:?} already")]
    DuplicateGroup {
        /// The name.
        name: String,
    },
    /// No storage has this name.
    #[error("there is no storage {name:?}")]
    UnknownStorage {
        /// The name that was asked for.
        name: String,
    },
    /// There is a storage of this name already.
    #[error("there is a storage {name:?} already")]
    DuplicateStorage {
        /// The name.
        name: String,
    },
    /// The storage is known already, under another name.
    #[error("the storage in {} is known already, as {name:?}", path.display())]
    KnownStorage {
        /// Where it lies.
        path: PathBuf,
        /// Under which name it is known.
        name: String,
    },
    /// Backups lie in the storage, or are being moved to it.
    #[error("storage {name:?} has {backups} backups{}", if *moves > 0 { format!(", and {moves} clients are being moved to it") } else { String::new() })]
    StorageInUse {
        /// The storage.
        name: String,
        /// Backups that lie in it, of any state.
        backups: u64,
        /// Clients that are being moved to it.
        moves: u64,
    },
    /// No channel has this name.
    #[error("there is no channel {name:?}")]
    UnknownChannel {
        /// The name that was asked for.
        name: String,
    },
    /// There is a channel of this name already.
    #[error("there is a channel {name:?} already")]
    DuplicateChannel {
        /// The name.
        name: String,
    },
    /// No user has this name.
    #[error("there is no user {name:?}")]
    UnknownUser {
        /// The name that was asked for.
        name: String,
    },
    /// There is a user of this name already.
    #[error("there is a user {name:?} already")]
    DuplicateUser {
        /// The name.
        name: String,
    },
    /// No role has this name.
    #[error("there is no role {name:?}")]
    UnknownRole {
        /// The name that was asked for.
        name: String,
    },
    /// There is a role of this name already.
    #[error("there is a role {name:?} already")]
    DuplicateRole {
        /// The name.
        name: String,
    },
    /// A role that a user has can't be deleted.
    #[error("the role {name:?} is in use: user {user} has it")]
    RoleInUse {
        /// The role.
        name: String,
        /// Who has it, perhaps among others.
        user: String,
    },
    /// The user has no such API token.
    #[error("there is no API token {name:?}")]
    UnknownApiToken {
        /// The name that was asked for.
        name: String,
    },
    /// The user has an API token of this name already.
    #[error("there is an API token {name:?} already")]
    DuplicateApiToken {
        /// The name.
        name: String,
    },
    /// The client has no such backup.
    #[error("client {client:?} has no backup {name:?}")]
    UnknownBackup {
        /// The client.
        client: String,
        /// The backup's name.
        name: String,
    },
    /// The client has a backup of this name already.
    #[error("client {client:?} has a backup {name:?} already")]
    DuplicateBackup {
        /// The client.
        client: String,
        /// The backup's name.
        name: String,
    },
    /// There is no such job.
    #[error("there is no job {id}")]
    UnknownJob {
        /// The job.
        id: JobId,
    },
    /// The job is in a state from which the step asked for does not lead on.
    #[error("job {id} is {state}")]
    JobState {
        /// The job.
        id: JobId,
        /// The state that it is in.
        state: JobState,
    },
    /// More links were taken from a pooled directory than it has.
    #[error("pooled directory {pool:?} of client {client:?} has {links} links, {taken} were to be taken")]
    PoolUnderflow {
        /// The client.
        client: String,
        /// The pooled directory.
        pool: String,
        /// The links that it has.
        links: u64,
        /// The links that were to go.
        taken: u64,
    },
    /// A token with this hash is known already.
    #[error("the token is known already")]
    DuplicateToken,
    /// Another client, or a revoked certificate, has this certificate's serial number or fingerprint.
    #[error("the certificate belongs to another client")]
    DuplicateCertificate,
    /// A number is too large for the database, which has 63 bits.
    #[error("{what} of {value} is too large")]
    TooLarge {
        /// What the number counts.
        what: &'static str,
        /// The number.
        value: u64,
    },
}

/// What a transaction's body may fail with; [`Failure::at`] makes it public by adding the database's path.
#[derive(Debug)]
pub(crate) enum Failure {
    Sql(rusqlite::Error),
    Typed(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sql(source)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Typed(error)
    }
}

impl Failure {
    pub(crate) fn at(self, path: &Path) -> Error {
        match self {
            Self::Typed(error) => error,
            Self::Sql(source) => classify(path, source),
        }
    }
}

/// Tells SQLite's errors apart.
///
/// A value of the wrong type counts as damage: the tables are STRICT and their enumerations CHECKed, so this
/// crate can't have written it.
pub(crate) fn classify(path: &Path, source: rusqlite::Error) -> Error {
    use rusqlite::Error as Sql;
    let path = path.to_owned();
    let code = match &source {
        Sql::FromSqlConversionFailure(..) | Sql::InvalidColumnType(..) | Sql::IntegralValueOutOfRange(..) => {
            Some(ErrorCode::DatabaseCorrupt)
        }
        other => other.sqlite_error_code(),
    };
    match code {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::Corrupt {
            path,
            reason: source.to_string(),
            source: Some(source),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Error::Locked { path, source },
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            Error::Denied { path, source }
        }
        Some(ErrorCode::DiskFull) => Error::NoSpace { path, source },
        Some(ErrorCode::SystemIoFailure | ErrorCode::NoLargeFileSupport | ErrorCode::OutOfMemory) => {
            Error::Database { path, source }
        }
        _ => Error::Statement { path, source },
    }
}

/// Tells whether a statement failed because a row with the same key is there.
pub(crate) fn is_duplicate(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(cause, _)
        if cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
            || cause.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}
