//! The storages that the server knows. Each has a name for people, an identity of its own that stays when it is moved, and the
//! path where it was found last. One is the default: the one that the server was started with.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::columns;
use crate::error::{Failure, is_duplicate};
use crate::open::STORAGE_ID;
use crate::{Catalog, Error};

/// The name of the first storage, where nobody gives it another.
const FIRST_NAME: &str = "main";

/// The setting that says which storage a client's new backups go to.
pub(crate) const PLACEMENT: &str = "storage";

/// A storage's number in the catalog; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StorageId(pub i64);

impl ToSql for StorageId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        self.0.to_sql()
    }
}

impl FromSql for StorageId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

/// A storage as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// Its number.
    pub id: StorageId,
    /// What people call it.
    pub name: String,
    /// Its own identity.
    pub identity: String,
    /// Where it was found last.
    pub path: PathBuf,
}

/// What lies in a storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageTotals {
    /// Clients that have backups there, of any state.
    pub clients: u64,
    /// Backups, of any state.
    pub backups: u64,
}

impl Catalog {
    /// All storages by name.
    pub fn storages(&self) -> Result<Vec<Storage>, Error> {
        self.connections.read(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT id, name, identity, path FROM storages ORDER BY name")?;
            let rows = statement.query_map([], storage_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The storage that the server was started with last; `None` before there was one.
    pub fn default_storage(&self) -> Result<Option<Storage>, Error> {
        self.connections
            .read(|transaction| Ok(find_default(transaction)?))
    }

    /// What lies in a storage.
    pub fn storage_totals(&self, id: StorageId) -> Result<StorageTotals, Error> {
        self.connections.read(|transaction| {
            let totals = transaction.query_row(
                "SELECT count(*) AS clients, coalesce(sum(of_client), 0) AS backups
                   FROM (SELECT count(*) AS of_client FROM backups WHERE storage_id = ?1 GROUP BY client_id)",
                [id],
                |row| {
                    Ok(StorageTotals {
                        clients: columns::count(row, "clients")?,
                        backups: columns::count(row, "backups")?,
                    })
                },
            )?;
            Ok(totals)
        })
    }

    /// Makes a storage the default. One that is not known takes the place of the default before, with its name, and all backups
    /// that lay there count as lying in it.
    pub fn set_default_storage(&self, identity: &str, path: &Path) -> Result<StorageId, Error> {
        self.connections.write(|transaction| {
            let known = find_identity(transaction, identity)?;
            let id = match known.or(find_default(transaction)?) {
                Some(storage) => {
                    transaction.execute(
                        "UPDATE storages SET identity = ?2, path = ?3 WHERE id = ?1",
                        params![storage.id, identity, bytes(path)],
                    )?;
                    storage.id
                }
                None => insert(transaction, &free_name(transaction)?, identity, path)?,
            };
            transaction.execute(
                "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![STORAGE_ID, identity],
            )?;
            Ok(id)
        })
    }

    /// Notes a further storage; fails with [`Error::DuplicateStorage`] or [`Error::KnownStorage`].
    pub fn add_storage(&self, name: &str, identity: &str, path: &Path) -> Result<StorageId, Error> {
        self.connections.write(|transaction| {
            if let Some(known) = find_identity(transaction, identity)? {
                return Err(Error::KnownStorage {
                    path: path.to_owned(),
                    name: known.name,
                }
                .into());
            }
            insert(transaction, name, identity, path)
        })
    }

    /// Notes where a storage was found.
    pub fn set_storage_path(&self, id: StorageId, path: &Path) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE storages SET path = ?2 WHERE id = ?1",
                params![id, bytes(path)],
            )?;
            Ok(())
        })
    }

    /// Gives a storage another name, also in the settings that place clients; fails with [`Error::UnknownStorage`] or [`Error::DuplicateStorage`].
    pub fn rename_storage(&self, name: &str, new_name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = id_of_storage(transaction, name)?;
            let update = transaction.execute(
                "UPDATE storages SET name = ?2 WHERE id = ?1",
                params![id, new_name],
            );
            match update {
                Err(error) if is_duplicate(&error) => return Err(duplicate(new_name)),
                done => done?,
            };
            transaction.execute(
                "UPDATE settings SET value = ?3 WHERE key = ?1 AND value = ?2",
                params![PLACEMENT, name, new_name],
            )?;
            Ok(())
        })
    }

    /// Forgets a storage in which nothing lies; fails with [`Error::UnknownStorage`] or [`Error::StorageInUse`].
    pub fn forget_storage(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = id_of_storage(transaction, name)?;
            let (backups, moves) = transaction.query_row(
                "SELECT (SELECT count(*) FROM backups WHERE storage_id = ?1) AS backups,
                        (SELECT count(*) FROM moves WHERE storage_id = ?1) AS moves",
                [id],
                |row| Ok((columns::count(row, "backups")?, columns::count(row, "moves")?)),
            )?;
            if backups > 0 || moves > 0 {
                let name = name.to_owned();
                return Err(Error::StorageInUse { name, backups, moves }.into());
            }
            transaction.execute("DELETE FROM pool_links WHERE storage_id = ?1", [id])?;
            transaction.execute("DELETE FROM storages WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}

/// The number of a storage that must be there.
fn id_of_storage(transaction: &Transaction<'_>, name: &str) -> Result<StorageId, Failure> {
    transaction
        .prepare_cached("SELECT id FROM storages WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| {
            Error::UnknownStorage {
                name: name.to_owned(),
            }
            .into()
        })
}

fn find_identity(transaction: &Transaction<'_>, identity: &str) -> rusqlite::Result<Option<Storage>> {
    transaction
        .prepare_cached("SELECT id, name, identity, path FROM storages WHERE identity = ?1")?
        .query_row([identity], storage_from)
        .optional()
}

/// The default storage; an identity that is empty belongs to the one that a catalog had before it noted which that was.
fn find_default(transaction: &Transaction<'_>) -> rusqlite::Result<Option<Storage>> {
    transaction
        .prepare_cached(
            "SELECT id, name, identity, path FROM storages
              WHERE identity = coalesce((SELECT value FROM meta WHERE key = ?1), '')",
        )?
        .query_row([STORAGE_ID], storage_from)
        .optional()
}

fn insert(
    transaction: &Transaction<'_>,
    name: &str,
    identity: &str,
    path: &Path,
) -> Result<StorageId, Failure> {
    let inserted = transaction.execute(
        "INSERT INTO storages (name, identity, path) VALUES (?1, ?2, ?3)",
        params![name, identity, bytes(path)],
    );
    match inserted {
        Err(error) if is_duplicate(&error) => Err(duplicate(name)),
        done => {
            done?;
            Ok(StorageId(transaction.last_insert_rowid()))
        }
    }
}

/// The first storage's name, or the next like it where that is taken.
fn free_name(transaction: &Transaction<'_>) -> rusqlite::Result<String> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM storages WHERE name = ?1")?;
    let mut name = FIRST_NAME.to_owned();
    let mut number = 1_u32;
    while statement.exists([&name])? {
        number += 1;
        name = format!("{FIRST_NAME}-{number}");
    }
    Ok(name)
}

fn duplicate(name: &str) -> Failure {
    Error::DuplicateStorage {
        name: name.to_owned(),
    }
    .into()
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn storage_from(row: &Row<'_>) -> rusqlite::Result<Storage> {
    let path: Vec<u8> = row.get("path")?;
    Ok(Storage {
        id: row.get("id")?,
        name: row.get("name")?,
        identity: row.get("identity")?,
        path: PathBuf::from(OsStr::from_bytes(&path)),
    })
}
