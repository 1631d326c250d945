//! Creating, opening, checking and replacing the database as a whole.
//!
//! A database appears under its name only when it is complete, so an empty file or one without tables is
//! damage and never taken for a new catalog. Opening reads no more than a few pages, which tell a file that was cut off; one that
//! nobody has closed (a crash, a power loss) is looked through quickly, and [`Catalog::check`] reads all there is.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};
use rusqlite_migration::Error as MigrationError;
use uuid::Uuid;

use crate::ballast::Ballast;
use crate::connections::{Connections, open_writer};
use crate::copy;
use crate::error::{Error, classify};
use crate::lock::Lock;
use crate::schema::{APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION};
use crate::{JobState, columns};

pub(crate) const DATABASE: &str = "catalog.sqlite";
pub(crate) const UNFINISHED: &str = "catalog.sqlite.new";
pub(crate) const SERVER_ID: &str = "server_id";
pub(crate) const STORAGE_ID: &str = "storage_id";
const PROGRAM: &str = "program";
pub(crate) const LOG: &str = "-wal";
/// What SQLite keeps beside a database.
pub(crate) const COMPANIONS: [&str; 3] = [LOG, "-shm", "-journal"];

/// An open catalog. It is shared between threads by reference; the lock is released when it is dropped.
#[derive(Debug)]
pub struct Catalog {
    pub(crate) connections: Connections,
    server_id: Uuid,
    // Declared last: the database is closed before another may open it.
    _lock: Lock,
}

/// A catalog that took the place of another.
#[derive(Debug)]
pub struct Rebuilt {
    /// The catalog that is there now.
    pub catalog: Catalog,
    /// Where the database before it lies now, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// What is done with a database of an older schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Older {
    Migrate,
    Refuse,
}

/// How much there is of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Clients of any state.
    pub clients: u64,
    /// Committed backups.
    pub backups: u64,
    /// Jobs that are running.
    pub jobs_running: u64,
}

impl Catalog {
    /// Opens the catalog in `dir`, or creates it there with a new server id; creates `dir` where it is missing.
    pub fn create_or_open(dir: &Path) -> Result<Self, Error> {
        let lock = lock_created(dir)?;
        match exists(dir)? {
            true => Self::open_locked(dir, lock, Older::Migrate),
            false => Self::create_locked(dir, lock, Uuid::new_v4()),
        }
    }

    /// Creates a catalog for the server of this id; fails where one is.
    pub fn create(dir: &Path, server_id: Uuid) -> Result<Self, Error> {
        let lock = lock_created(dir)?;
        match exists(dir)? {
            true => Err(Error::AlreadyExists { dir: dir.to_owned() }),
            false => Self::create_locked(dir, lock, server_id),
        }
    }

    /// Opens the catalog in `dir`; fails with [`Error::NotFound`] where there is none.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        if !exists(dir)? {
            return Err(Error::NotFound { dir: dir.to_owned() });
        }
        let lock = Lock::take(dir)?;
        Self::open_locked(dir, lock, Older::Migrate)
    }

    /// Opens the catalog in `dir` as it is; fails with [`Error::OlderSchema`] where it would have to be migrated.
    pub fn open_unchanged(dir: &Path) -> Result<Self, Error> {
        if !exists(dir)? {
            return Err(Error::NotFound { dir: dir.to_owned() });
        }
        let lock = Lock::take(dir)?;
        Self::open_locked(dir, lock, Older::Refuse)
    }

    /// Starts anew: sets aside the database that is there, readable or not, and creates an empty one.
    ///
    /// Clients' certificates, revocations, tokens and the history of jobs are in no other place and stay behind in
    /// the database set aside; clients known from their backups come back by [`Catalog::adopt_backup`].
    pub fn rebuild(dir: &Path, server_id: Uuid) -> Result<Rebuilt, Error> {
        let lock = lock_created(dir)?;
        let set_aside = if exists(dir)? { Some(set_aside(dir)?) } else { None };
        let catalog = Self::create_locked(dir, lock, server_id)?;
        Ok(Rebuilt { catalog, set_aside })
    }

    /// The server that this catalog belongs to.
    pub fn server_id(&self) -> Uuid {
        self.server_id
    }

    /// A number that is another after each change. What was read since it was asked for holds as long as it is the same.
    pub fn commits(&self) -> u64 {
        self.connections.commits()
    }

    /// The version of the program that noted itself last; `None` before one did.
    pub fn program(&self) -> Result<Option<String>, Error> {
        self.meta(PROGRAM)
    }

    /// Notes the version of the program that uses the catalog.
    pub fn set_program(&self, version: &str) -> Result<(), Error> {
        self.set_meta(PROGRAM, version)
    }

    /// The database file.
    pub fn path(&self) -> &Path {
        self.connections.path()
    }

    /// Sets aside again the space that is kept for changes on a full disk, where it has been used.
    pub fn restock(&self) {
        self.connections.ballast().take_in();
    }

    /// Frees some of that space for something else in the catalog's directory. Returns whether there was any left.
    pub fn make_room(&self) -> bool {
        self.connections.ballast().let_go().is_ok()
    }

    /// Brings the database to the state in which a server leaves it that ends in good order: whoever opens it next need not look
    /// for what a crash has done.
    pub fn settle(&self) -> Result<(), Error> {
        self.connections.empty_log()
    }

    /// Reads the whole database and fails with [`Error::Corrupt`] on the first things that don't fit.
    pub fn check(&self) -> Result<(), Error> {
        self.connections.read(|transaction| {
            copy::check_whole(self.path(), transaction)?;
            Ok(())
        })
    }

    /// Counts clients, committed backups and running jobs.
    pub fn totals(&self) -> Result<Totals, Error> {
        self.connections.read(|transaction| {
            let totals = transaction.query_row(
                "SELECT (SELECT count(*) FROM clients) AS clients,
                        (SELECT count(*) FROM backups WHERE state = 'committed') AS backups,
                        (SELECT count(*) FROM jobs WHERE state = ?1) AS jobs",
                [JobState::Running],
                |row| {
                    Ok(Totals {
                        clients: columns::count(row, "clients")?,
                        backups: columns::count(row, "backups")?,
                        jobs_running: columns::count(row, "jobs")?,
                    })
                },
            )?;
            Ok(totals)
        })
    }

    fn meta(&self, key: &str) -> Result<Option<String>, Error> {
        self.connections.read(|transaction| {
            let value = transaction
                .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0))
                .optional()?;
            Ok(value)
        })
    }

    fn set_meta(&self, key: &str, value: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            )?;
            Ok(())
        })
    }

    pub(crate) fn open_locked(dir: &Path, lock: Lock, older: Older) -> Result<Self, Error> {
        let path = dir.join(DATABASE);
        let ballast = Ballast::of(dir);
        let was_cut_short = has_log(&path)?;
        let (writer, server_id) = ballast.with(|| {
            let mut writer = open_writer(&path)?;
            let found = check_kind(&path, &writer)?;
            if was_cut_short {
                copy::check_quickly(&path, &writer)?;
            }
            if found < SCHEMA_VERSION {
                if older == Older::Refuse {
                    return Err(Error::OlderSchema {
                        path: path.clone(),
                        found,
                        known: SCHEMA_VERSION,
                    });
                }
                copy::keep_before_migration(dir, &writer)?;
                migrate(&path, &mut writer)?;
            }
            keep_a_log(&writer).map_err(|source| classify(&path, source))?;
            let server_id = read_server_id(&path, &writer)?;
            Ok((writer, server_id))
        })?;
        ballast.take_in();
        Ok(Self {
            connections: Connections::new(path, ballast, writer),
            server_id,
            _lock: lock,
        })
    }

    fn create_locked(dir: &Path, lock: Lock, server_id: Uuid) -> Result<Self, Error> {
        let path = dir.join(DATABASE);
        let unfinished = dir.join(UNFINISHED);
        remove(&unfinished)?;
        // A write-ahead log without its database would be replayed into the new one.
        for companion in COMPANIONS {
            remove(&with_suffix(&unfinished, companion))?;
            remove(&with_suffix(&path, companion))?;
        }
        write_empty(&unfinished, server_id)?;
        // ORDER: the database's content, then its name, then the directory that holds the name.
        sync(&unfinished)?;
        std::fs::rename(&unfinished, &path).map_err(|source| io("renaming", &unfinished, source))?;
        sync(dir)?;
        Self::open_locked(dir, lock, Older::Migrate)
    }
}

/// Whether whoever used the database last neither closed nor settled it: something is left in the log.
fn has_log(path: &Path) -> Result<bool, Error> {
    let log = with_suffix(path, LOG);
    match log.metadata() {
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(false),
        found => Ok(found.map_err(|source| io("looking at", &log, source))?.len() > 0),
    }
}

pub(crate) fn lock_created(dir: &Path) -> Result<Lock, Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| io("creating", dir, source))?;
    Lock::take(dir)
}

pub(crate) fn exists(dir: &Path) -> Result<bool, Error> {
    let path = dir.join(DATABASE);
    path.try_exists()
        .map_err(|source| io("looking for", &path, source))
}

fn write_empty(path: &Path, server_id: Uuid) -> Result<(), Error> {
    // SQLite gives its companions the permissions of the database.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| io("creating", path, source))?;
    let mut writer = open_writer(path)?;
    let prepare = || {
        writer.pragma_update(None, "application_id", APPLICATION_ID)?;
        keep_a_log(&writer)
    };
    prepare().map_err(|source| classify(path, source))?;
    migrate(path, &mut writer)?;
    writer
        .execute(
            "INSERT INTO meta (key, value) VALUES (?1, ?2)",
            params![SERVER_ID, server_id.to_string()],
        )
        .map_err(|source| classify(path, source))?;
    writer.close().map_err(|(_, source)| classify(path, source))
}

/// Has changes written to a log, so that readers and the writer don't wait for each other. A copy has no log.
fn keep_a_log(writer: &Connection) -> rusqlite::Result<()> {
    writer.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
}

/// Refuses what is not a catalog, and one that is newer than this program. Returns its schema.
pub(crate) fn check_kind(path: &Path, database: &Connection) -> Result<i64, Error> {
    let number = |name: &str| -> Result<i64, Error> {
        database
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(|source| classify(path, source))
    };
    if number("application_id")? != APPLICATION_ID {
        return Err(corrupt(path, "it is not a catalog of Perennial"));
    }
    match number("user_version")? {
        version if version > SCHEMA_VERSION => Err(Error::NewerSchema {
            path: path.to_owned(),
            found: version,
            known: SCHEMA_VERSION,
        }),
        version if version < 1 => Err(corrupt(path, "it has no tables")),
        version => Ok(version),
    }
}

fn migrate(path: &Path, writer: &mut Connection) -> Result<(), Error> {
    MIGRATIONS.to_latest(writer).map_err(|error| match error {
        MigrationError::RusqliteError { err, .. } => classify(path, err),
        other => corrupt(path, &other.to_string()),
    })
}

pub(crate) fn read_server_id(path: &Path, database: &Connection) -> Result<Uuid, Error> {
    let text: Option<String> = database
        .query_row("SELECT value FROM meta WHERE key = ?1", [SERVER_ID], |row| {
            row.get(0)
        })
        .optional()
        .map_err(|source| classify(path, source))?;
    text.and_then(|text| Uuid::parse_str(&text).ok())
        .ok_or_else(|| corrupt(path, "it does not tell its server's id"))
}

/// Renames the database and its companions to the first free `catalog.sqlite.old-N`.
pub(crate) fn set_aside(dir: &Path) -> Result<PathBuf, Error> {
    let path = dir.join(DATABASE);
    let mut number = 1_u32;
    let target = loop {
        let target = dir.join(format!("{DATABASE}.old-{number}"));
        if !target
            .try_exists()
            .map_err(|source| io("looking for", &target, source))?
        {
            break target;
        }
        number += 1;
    };
    // ORDER: companions first, so that a crash in between leaves no log without its database.
    for suffix in COMPANIONS.iter().chain(&[""]) {
        let from = with_suffix(&path, suffix);
        match std::fs::rename(&from, with_suffix(&target, suffix)) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                return Err(io("renaming", &from, source));
            }
            _ => {}
        }
    }
    sync(dir)?;
    Ok(target)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

pub(crate) fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(io("removing", path, source)),
        _ => Ok(()),
    }
}

pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| io("syncing", path, source))
}

pub(crate) fn io(action: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

pub(crate) fn corrupt(path: &Path, reason: &str) -> Error {
    Error::Corrupt {
        path: path.to_owned(),
        reason: reason.to_owned(),
        source: None,
    }
}
