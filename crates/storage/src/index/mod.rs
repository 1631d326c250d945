//! The content index: where content of a size and hash lies in the storage, if it does.
//!
//! A SQLite file of its own that can be deleted at any time; `docs/formats/content-index.md` describes it. All that it
//! says is a hint: whoever uses a location checks it ([`located`]). Each content has one location, in the oldest backup that
//! has it; when that backup goes, its locations pass to the client's next one ([`ownership`]). Backups are taken in
//! together where there are many ([`intake`]).
//!
//! A damaged index is left alone from then on, and begun anew when the storage is next opened.

pub(crate) mod intake;
pub(crate) mod located;
pub(crate) mod ownership;
mod schema;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use manifest::ContentHash;
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension as _, Params, Transaction, params};

use crate::changed::{Changed, Knowledge};
use crate::database;
use crate::error::Result;
use crate::names::{BackupName, ClientName};

/// How many rows are written at once. Keys are hashes: a transaction touches pages all over, so few and large ones
/// cost least.
pub(crate) const BATCH_ROWS: usize = 50_000;

/// Where content lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Whose backup.
    pub client: ClientName,
    /// Which.
    pub backup: BackupName,
    /// Path of the file in it.
    pub path: Box<[u8]>,
}

/// A piece of content that a backup has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub hash: ContentHash,
    pub size: u64,
    pub path: Box<[u8]>,
}

/// A backup as the index knows it: the digest tells it from one that had the same name before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub client: ClientName,
    pub name: BackupName,
    pub digest: ContentHash,
}

/// The open index.
#[derive(Debug)]
pub struct ContentIndex {
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    is_damaged: AtomicBool,
    /// Backups that have come since the index has last been brought up to date.
    pub(crate) changed: Changed,
}

impl ContentIndex {
    /// Opens the index; one that is missing, damaged or of another version is begun anew.
    pub(crate) fn open(path: PathBuf) -> Result<Self> {
        let writer = database::open_or_begin(&path, &schema::DESIGN)?;
        let reader = database::open(&path, &schema::DESIGN)?;
        // Whoever asks goes without an answer rather than wait for one.
        reader.busy_timeout(std::time::Duration::from_millis(200))?;
        Ok(Self {
            path,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            is_damaged: AtomicBool::new(false),
            changed: Changed::anything(),
        })
    }

    /// Whether there may be content of this size.
    pub fn has_size(&self, size: u64) -> bool {
        let Some(size) = column(size) else { return false };
        let query = |reader: &Connection| {
            reader
                .prepare_cached("SELECT 1 FROM content WHERE size = ?1 LIMIT 1")?
                .exists([size])
        };
        self.ask(query).unwrap_or(false)
    }

    /// Where content of this hash and size is said to lie.
    pub fn lookup(&self, hash: ContentHash, size: u64) -> Option<Location> {
        let size = column(size)?;
        let query = |reader: &Connection| {
            reader
                .prepare_cached(
                    "SELECT client, name, path FROM content JOIN backups ON backups.id = content.backup \
                     WHERE size = ?1 AND hash = ?2",
                )?
                .query_row(params![size, hash.0], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, Vec<u8>>(2)?,
                    ))
                })
                .optional()
        };
        let (client, backup, path) = self.ask(query)??;
        Some(Location {
            client: client.parse().ok()?,
            backup: backup.parse().ok()?,
            path: path.into(),
        })
    }

    /// Forgets a location that has turned out to be wrong.
    pub fn forget(&self, hash: ContentHash, size: u64) {
        let Some(size) = column(size) else { return };
        self.tell(|changes| {
            changes
                .execute(
                    "DELETE FROM content WHERE size = ?1 AND hash = ?2",
                    params![size, hash.0],
                )
                .map(drop)
        });
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) -> Result<()> {
        let mut writer = self.writer.lock();
        let changes = writer.transaction()?;
        changes.execute_batch("DELETE FROM content; DELETE FROM backups;")?;
        changes.commit()?;
        self.changed.note_anything();
        Ok(())
    }

    /// Whether all content of the backup has been taken in.
    pub(crate) fn is_indexed(&self, owner: &Owner) -> bool {
        let query =
            |reader: &Connection| {
                reader
                .prepare_cached(
                    "SELECT 1 FROM backups WHERE client = ?1 AND name = ?2 AND digest = ?3 AND is_complete",
                )?
                .exists(params![owner.client.as_str(), owner.name.as_str(), owner.digest.0])
            };
        // A damaged index takes nothing in any more.
        self.ask(query).unwrap_or(true)
    }

    /// Takes in content of backups; what is known already keeps its location, unless that leads nowhere. Returns whether that could
    /// be done.
    pub(crate) fn add(&self, additions: &mut [Addition]) -> bool {
        self.tell(|changes| {
            additions
                .iter_mut()
                .try_for_each(|addition| add(changes, addition))
        })
    }

    /// Passes content of one backup on to another that has it at the same path, or forgets it if there is none.
    pub(crate) fn pass_on(&self, from: &Owner, to: Option<&Owner>, mut batch: Vec<Content>) {
        batch.sort_unstable_by_key(|content| (content.size, content.hash));
        self.tell(|changes| {
            let Some(from) = find_backup(changes, from)? else {
                return Ok(());
            };
            let to = to.map(|to| ensure_backup(changes, to)).transpose()?;
            let mut update = changes.prepare_cached(
                "UPDATE content SET backup = ?4 WHERE size = ?1 AND hash = ?2 AND backup = ?3",
            )?;
            let mut delete = changes
                .prepare_cached("DELETE FROM content WHERE size = ?1 AND hash = ?2 AND backup = ?3")?;
            for content in &batch {
                let Some(size) = column(content.size) else {
                    continue;
                };
                match to {
                    Some(to) => update.execute(params![size, content.hash.0, from, to])?,
                    None => delete.execute(params![size, content.hash.0, from])?,
                };
            }
            Ok(())
        });
    }

    /// Forgets a backup of this name, so that its content leads nowhere.
    pub(crate) fn forget_backup(&self, client: &ClientName, name: &BackupName) {
        let query = |reader: &Connection| {
            reader
                .prepare_cached("SELECT 1 FROM backups WHERE client = ?1 AND name = ?2")?
                .exists(params![client.as_str(), name.as_str()])
        };
        // Who commits is not to wait for what is being written, as nearly no name has been there before.
        if self.ask(query) == Some(false) {
            return;
        }
        self.tell(|changes| {
            changes
                .prepare_cached("DELETE FROM backups WHERE client = ?1 AND name = ?2")?
                .execute(params![client.as_str(), name.as_str()])
                .map(drop)
        });
    }

    /// Forgets a backup all of whose content has been passed on or forgotten.
    pub(crate) fn remove_backup(&self, owner: &Owner) {
        self.tell(|changes| {
            let Some(id) = find_backup(changes, owner)? else {
                return Ok(());
            };
            // Ids are not used again (AUTOINCREMENT), so a location that was left leads nowhere.
            changes
                .execute("DELETE FROM backups WHERE id = ?1", [id])
                .map(drop)
        });
    }

    /// Gives content a new location, whatever it had.
    pub(crate) fn repoint(&self, owner: &Owner, moved: &[Content]) -> Result<()> {
        let mut writer = self.writer.lock();
        let changes = writer.transaction()?;
        let backup = ensure_backup(&changes, owner)?;
        for Content { hash, size, path } in moved {
            let Some(size) = column(*size) else { continue };
            changes.execute(
                "INSERT OR REPLACE INTO content (size, hash, backup, path) VALUES (?1, ?2, ?3, ?4)",
                params![size, hash.0, backup, &**path],
            )?;
        }
        Ok(changes.commit()?)
    }

    fn names<T: FromStr + Ord>(&self, query: &str, params: impl Params) -> BTreeSet<T> {
        let read = |reader: &Connection| {
            let mut statement = reader.prepare_cached(query)?;
            let names = statement.query_map(params, |row| row.get::<_, String>(0))?;
            names.collect::<rusqlite::Result<Vec<String>>>()
        };
        let names = self.ask(read).unwrap_or_default();
        names.iter().filter_map(|name| name.parse().ok()).collect()
    }

    /// Runs a query; a failure is logged and is no answer.
    fn ask<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        if self.is_damaged.load(Ordering::Relaxed) {
            return None;
        }
        let answer = query(&self.reader.lock());
        answer.map_err(|error| self.note(&error)).ok()
    }

    /// Makes a change, all of it or nothing; a failure is logged and costs hints only. Returns whether that was done, or is not
    /// to be done any more.
    fn tell(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<()>) -> bool {
        if self.is_damaged.load(Ordering::Relaxed) {
            return true;
        }
        let mut writer = self.writer.lock();
        let done = writer.transaction().and_then(|changes| {
            change(&changes)?;
            changes.commit()
        });
        if let Err(error) = &done {
            self.note(error);
        }
        done.is_ok()
    }

    fn note(&self, error: &rusqlite::Error) {
        let is_damage = database::is_damage(error);
        if is_damage && !self.is_damaged.swap(true, Ordering::Relaxed) {
            tracing::warn!(path = %self.path.display(), "the content index is damaged and will be rebuilt");
            database::mark_damaged(&self.path);
        } else if !is_damage {
            tracing::warn!(%error, path = %self.path.display(), "the content index failed");
        }
    }
}

/// The backups all of whose content has been taken in.
impl Knowledge for ContentIndex {
    fn clients(&self) -> BTreeSet<ClientName> {
        self.names("SELECT DISTINCT client FROM backups WHERE is_complete", [])
    }

    fn backups(&self, client: &ClientName) -> BTreeSet<BackupName> {
        let names = "SELECT name FROM backups WHERE client = ?1 AND is_complete";
        self.names(names, [client.as_str()])
    }
}

/// Content that a backup has.
#[derive(Debug)]
pub(crate) struct Addition {
    pub owner: Owner,
    pub contents: Vec<Content>,
    pub batches: Batches,
}

/// Whether more of a backup's content follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Batches {
    More,
    Last,
}

/// A size as SQLite keeps it. Larger ones than the kernel's own limit can't be.
fn column(size: u64) -> Option<i64> {
    i64::try_from(size).ok()
}

fn add(changes: &Transaction<'_>, addition: &mut Addition) -> rusqlite::Result<()> {
    let backup = ensure_backup(changes, &addition.owner)?;
    let mut insert = changes.prepare_cached(
        "INSERT INTO content (size, hash, backup, path) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
         SET backup = excluded.backup, path = excluded.path \
         WHERE NOT EXISTS (SELECT 1 FROM backups WHERE id = content.backup)",
    )?;
    // Neighbours in the table one after the other.
    addition
        .contents
        .sort_unstable_by_key(|content| (content.size, content.hash));
    for content in &addition.contents {
        let Some(size) = column(content.size) else {
            continue;
        };
        insert.execute(params![size, content.hash.0, backup, &*content.path])?;
    }
    if addition.batches == Batches::Last {
        changes
            .prepare_cached("UPDATE backups SET is_complete = 1 WHERE id = ?1")?
            .execute([backup])?;
    }
    Ok(())
}

fn find_backup(changes: &Transaction<'_>, owner: &Owner) -> rusqlite::Result<Option<i64>> {
    changes
        .prepare_cached("SELECT id FROM backups WHERE client = ?1 AND name = ?2 AND digest = ?3")?
        .query_row(
            params![owner.client.as_str(), owner.name.as_str(), owner.digest.0],
            |row| row.get(0),
        )
        .optional()
}

fn ensure_backup(changes: &Transaction<'_>, owner: &Owner) -> rusqlite::Result<i64> {
    if let Some(id) = find_backup(changes, owner)? {
        return Ok(id);
    }
    changes
        .prepare_cached("INSERT INTO backups (client, name, digest, is_complete) VALUES (?1, ?2, ?3, 0)")?
        .execute(params![
            owner.client.as_str(),
            owner.name.as_str(),
            owner.digest.0
        ])?;
    Ok(changes.last_insert_rowid())
}

#[cfg(test)]
mod tests;
