//! Backups that are committed or on their way out, and the problems that were met while making them.
//!
//! A backup that is being made is not here; the storage keeps it until it is committed.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::Catalog;
use crate::clients::{id_of, id_or_adopt};
use crate::columns::{Columns, stored, word_enum};
use crate::conditions::Conditions;
use crate::error::{Error, Failure, is_duplicate};
use crate::protection::{Archived, Verification, read_archived, read_verification};
use crate::storages::StorageId;

/// A manifest's digest.
pub type Digest = [u8; 32];

/// A backup's number in the catalog; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BackupId(pub i64);

word_enum! {
    /// What a backup is of.
    BackupKind {
        /// Files below directories.
        File = "file",
        /// Volumes.
        Image = "image",
    }
}

word_enum! {
    /// What a backup trusted.
    BackupMode {
        /// Nothing: everything was read again.
        Full = "full",
        /// What the base told about unchanged files.
        Incremental = "incremental",
    }
}

word_enum! {
    /// Whether a backup is there to stay.
    BackupState {
        /// It can be listed and restored.
        Committed = "committed",
        /// It is being removed from the storage.
        Deleting = "deleting",
    }
}

word_enum! {
    /// How a backup ended.
    Outcome {
        /// It holds all that it was to hold.
        Finished = "finished",
        /// Something could not be read or changed while it was read.
        WithProblems = "finished with problems",
    }
}

/// A backup's size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BackupFigures {
    /// Files of any type but directories.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// What a restore writes.
    pub bytes_logical: u64,
    /// What came over the network.
    pub bytes_transferred: u64,
    /// What it added to the storage; `None` where that isn't known.
    pub bytes_stored_new: Option<u64>,
}

/// Something that went wrong with one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path within the backup.
    pub path: Vec<u8>,
    /// A word for programs.
    pub kind: String,
    /// A sentence for people.
    pub message: String,
}

/// A backup to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewBackup {
    /// The client that it is of.
    pub client: String,
    /// The storage that it lies in.
    pub storage: StorageId,
    /// Its name, unique for the client.
    pub name: String,
    /// What it is of.
    pub kind: BackupKind,
    /// What it trusted.
    pub mode: BackupMode,
    /// The name of the backup that it grew from.
    pub base: Option<String>,
    /// When it began, by the server's clock.
    pub started_ms: i64,
    /// When it was complete.
    pub finished_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Its size.
    pub figures: BackupFigures,
    /// The manifest's digest.
    pub digest: Digest,
    /// How many problems there were, those that were not kept too.
    pub problem_count: u64,
    /// The problems that are kept, in order.
    pub problems: Vec<Problem>,
}

/// A backup as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its number.
    pub id: BackupId,
    /// The client that it is of.
    pub client: String,
    /// The storage that it lies in.
    pub storage: StorageId,
    /// Its name.
    pub name: String,
    /// What it is of.
    pub kind: BackupKind,
    /// What it trusted.
    pub mode: BackupMode,
    /// The name of the backup that it grew from; that one may be gone.
    pub base: Option<String>,
    /// Whether it is there to stay.
    pub state: BackupState,
    /// When it began.
    pub started_ms: i64,
    /// When it was complete.
    pub finished_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Its size.
    pub figures: BackupFigures,
    /// The manifest's digest.
    pub digest: Digest,
    /// How many problems there were.
    pub problem_count: u64,
    /// Set while retention has to leave it alone.
    pub archived: Option<Archived>,
    /// Why nobody may delete it, where that is so.
    pub held_for: Option<String>,
    /// Its last verification.
    pub verification: Option<Verification>,
    /// Since when it is in the trash; only then can a deletion be undone.
    pub trashed_ms: Option<i64>,
}

/// Where a backup lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupPlace {
    /// Its number.
    pub id: BackupId,
    /// The client that it is of.
    pub client: String,
    /// Its name.
    pub name: String,
    /// The storage that it lies in.
    pub storage: StorageId,
    /// Whether it is there to stay.
    pub state: BackupState,
    /// The manifest's digest.
    pub digest: Digest,
}

/// Which backups to list; what is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupFilter {
    /// Only this client's.
    pub client: Option<String>,
    /// Only of this kind.
    pub kind: Option<BackupKind>,
    /// Only of this mode.
    pub mode: Option<BackupMode>,
    /// Only in this state.
    pub state: Option<BackupState>,
    /// Only in this storage.
    pub storage: Option<StorageId>,
}

impl BackupFilter {
    /// Only what can be restored.
    pub fn committed() -> Self {
        Self {
            state: Some(BackupState::Committed),
            ..Self::default()
        }
    }

    /// Only what can be restored and is of this client.
    pub fn committed_of(client: &str) -> Self {
        Self {
            client: Some(client.to_owned()),
            ..Self::committed()
        }
    }
}

/// What came of a backup found on the storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// It was not known and is now.
    Inserted(BackupId),
    /// It was known; nothing changed.
    Known(BackupId),
}

impl Catalog {
    /// Records a backup that the storage has made durable. From then on it counts.
    pub fn commit_backup(&self, backup: &NewBackup) -> Result<BackupId, Error> {
        self.connections.write(|transaction| {
            let client_id = id_of(transaction, &backup.client)?;
            insert(transaction, client_id, backup)
        })
    }

    /// Records a backup that was found on the storage, and its client where that isn't known.
    pub fn adopt_backup(&self, backup: &NewBackup) -> Result<Adoption, Error> {
        self.connections.write(|transaction| {
            let client_id = id_or_adopt(transaction, &backup.client)?;
            let known = transaction
                .prepare_cached("SELECT id FROM backups WHERE client_id = ?1 AND name = ?2")?
                .query_row(params![client_id, backup.name], |row| row.get(0))
                .optional()?;
            match known {
                Some(id) => Ok(Adoption::Known(BackupId(id))),
                None => insert(transaction, client_id, backup).map(Adoption::Inserted),
            }
        })
    }

    /// Lists backups by client, oldest first.
    pub fn backups(&self, filter: &BackupFilter) -> Result<Vec<Backup>, Error> {
        self.connections.read(|transaction| {
            let conditions = conditions(filter);
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {BY_CLIENT} WHERE {} ORDER BY clients.name, backups.started_ms, backups.id",
                conditions.sql()
            ))?;
            let rows = statement.query_map(conditions.params(), backup_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Where every backup lies, with nothing else of it.
    pub fn backup_places(&self) -> Result<Vec<BackupPlace>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT backups.id, clients.name AS client, backups.name, backups.storage_id, backups.state, backups.digest
                   FROM backups JOIN clients ON clients.id = client_id",
            )?;
            let rows = statement.query_map([], |row| {
                Ok(BackupPlace {
                    id: BackupId(row.get("id")?),
                    client: row.get("client")?,
                    name: row.get("name")?,
                    storage: row.get("storage_id")?,
                    state: row.get("state")?,
                    digest: row.get("digest")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The backup of those asked for that began last.
    pub fn newest_backup(&self, filter: &BackupFilter) -> Result<Option<Backup>, Error> {
        self.connections.read(|transaction| {
            let conditions = conditions(filter);
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {BY_CLIENT} WHERE {} ORDER BY backups.started_ms DESC, backups.id DESC LIMIT 1",
                conditions.sql()
            ))?;
            Ok(statement.query_row(conditions.params(), backup_from).optional()?)
        })
    }

    /// The backup of this name, in whatever state; fails with [`Error::UnknownBackup`].
    pub fn backup(&self, client: &str, name: &str) -> Result<Backup, Error> {
        self.connections
            .read(|transaction| find(transaction, client, name))
    }

    /// The problems that were kept for a backup, in order.
    pub fn problems(&self, id: BackupId) -> Result<Vec<Problem>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT path, kind, message FROM problems WHERE backup_id = ?1 ORDER BY position",
            )?;
            let rows = statement.query_map([id.0], |row| {
                Ok(Problem {
                    path: row.get(0)?,
                    kind: row.get(1)?,
                    message: row.get(2)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The committed backups in a storage of which nobody knows yet how much they added to it.
    pub fn unmeasured_backups(&self, storage: StorageId) -> Result<Vec<Backup>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM {LOOKED_UP} WHERE backups.state = 'committed' AND bytes_stored_new IS NULL AND backups.storage_id = ?1
                  ORDER BY backups.id"
            ))?;
            let rows = statement.query_map([storage], backup_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes how much a backup added to the storage, which is known only after its commit.
    pub fn set_stored_new(&self, id: BackupId, bytes: u64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE backups SET bytes_stored_new = ?2 WHERE id = ?1",
                params![id.0, stored("bytes stored", bytes)?],
            )?;
            Ok(())
        })
    }

    /// Marks a backup as being deleted: it is no longer listed as committed and the storage may remove it.
    ///
    /// One that is marked already is returned as it is, but no longer in the trash.
    pub fn begin_delete(&self, client: &str, name: &str) -> Result<Backup, Error> {
        self.connections.write(|transaction| {
            let backup = find(transaction, client, name)?;
            transaction.execute(
                "UPDATE backups SET state = ?2, trashed_ms = NULL WHERE id = ?1",
                params![backup.id.0, BackupState::Deleting],
            )?;
            Ok(Backup {
                state: BackupState::Deleting,
                trashed_ms: None,
                ..backup
            })
        })
    }

    /// Forgets a backup, which the storage no longer has, and its problems. One that is not known is no error.
    pub fn forget_backup(&self, id: BackupId) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute("DELETE FROM backups WHERE id = ?1", [id.0])?;
            Ok(())
        })
    }
}

/// What [`backup_from`] reads.
pub(crate) const COLUMNS: &str = "backups.id, clients.name, backups.storage_id, backups.name, backups.kind, backups.mode,
    backups.base, backups.state, backups.started_ms, backups.finished_ms, backups.outcome, backups.files, backups.directories,
    backups.bytes_logical, backups.bytes_transferred, backups.bytes_stored_new, backups.digest, backups.problem_count,
    backups.archived_until_ms, backups.archived_by, backups.held_for, backups.verified_ms, backups.verified,
    backups.trashed_ms";

/// Where a few backups are looked up.
pub(crate) const LOOKED_UP: &str = "backups JOIN clients ON clients.id = backups.client_id";

/// Where those of a client, or of each, are gone through: in the order of the clients' names, without a look at other clients'.
const BY_CLIENT: &str = "clients CROSS JOIN backups ON backups.client_id = clients.id";

/// Only what is asked for.
fn conditions(filter: &BackupFilter) -> Conditions<'_> {
    let mut conditions = Conditions::none();
    conditions.add("clients.name = ?", &filter.client);
    conditions.add("backups.kind = ?", &filter.kind);
    conditions.add("backups.mode = ?", &filter.mode);
    conditions.add("backups.state = ?", &filter.state);
    conditions.add("backups.storage_id = ?", &filter.storage);
    conditions
}

fn find(transaction: &Transaction<'_>, client: &str, name: &str) -> Result<Backup, Failure> {
    transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM {LOOKED_UP} WHERE clients.name = ?1 AND backups.name = ?2"
        ))?
        .query_row([client, name], backup_from)
        .optional()?
        .ok_or_else(|| {
            Error::UnknownBackup {
                client: client.to_owned(),
                name: name.to_owned(),
            }
            .into()
        })
}

fn insert(transaction: &Transaction<'_>, client_id: i64, backup: &NewBackup) -> Result<BackupId, Failure> {
    let figures = &backup.figures;
    let insert = transaction.execute(
        "INSERT INTO backups (client_id, name, kind, mode, base, state, outcome, started_ms, finished_ms,
            files, directories, bytes_logical, bytes_transferred, bytes_stored_new, digest, problem_count, storage_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
        params![
            client_id,
            backup.name,
            backup.kind,
            backup.mode,
            backup.base,
            BackupState::Committed,
            backup.outcome,
            backup.started_ms,
            backup.finished_ms,
            stored("files", figures.files)?,
            stored("directories", figures.directories)?,
            stored("logical bytes", figures.bytes_logical)?,
            stored("bytes transferred", figures.bytes_transferred)?,
            figures
                .bytes_stored_new
                .map(|bytes| stored("bytes stored", bytes))
                .transpose()?,
            backup.digest,
            stored("problems", backup.problem_count)?,
            backup.storage,
        ],
    );
    match insert {
        Ok(_) => {}
        Err(error) if is_duplicate(&error) => {
            return Err(Error::DuplicateBackup {
                client: backup.client.clone(),
                name: backup.name.clone(),
            }
            .into());
        }
        Err(error) => return Err(error.into()),
    }
    let id = BackupId(transaction.last_insert_rowid());
    insert_problems(transaction, id, &backup.problems)?;
    Ok(id)
}

fn insert_problems(transaction: &Transaction<'_>, id: BackupId, problems: &[Problem]) -> Result<(), Failure> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO problems (backup_id, position, path, kind, message) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (position, problem) in (0_i64..).zip(problems) {
        statement.execute(params![
            id.0,
            position,
            problem.path,
            problem.kind,
            problem.message
        ])?;
    }
    Ok(())
}

/// Reads [`COLUMNS`].
pub(crate) fn backup_from(row: &Row<'_>) -> rusqlite::Result<Backup> {
    let columns = &mut Columns::of(row);
    Ok(Backup {
        id: BackupId(columns.read()?),
        client: columns.read()?,
        storage: columns.read()?,
        name: columns.read()?,
        kind: columns.read()?,
        mode: columns.read()?,
        base: columns.read()?,
        state: columns.read()?,
        started_ms: columns.read()?,
        finished_ms: columns.read()?,
        outcome: columns.read()?,
        figures: BackupFigures {
            files: columns.count()?,
            directories: columns.count()?,
            bytes_logical: columns.count()?,
            bytes_transferred: columns.count()?,
            bytes_stored_new: columns.optional_count()?,
        },
        digest: columns.read()?,
        problem_count: columns.count()?,
        archived: read_archived(columns)?,
        held_for: columns.read()?,
        verification: read_verification(columns)?,
        trashed_ms: columns.read()?,
    })
}
