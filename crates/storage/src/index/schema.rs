//! The index's file: its schema, its version, and beginning it anew.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{During as _, Result};

/// Version of the schema, in `user_version`. Another one is no reason to migrate: the index is rebuilt.
const VERSION: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE backups (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        client TEXT NOT NULL,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        is_complete INTEGER NOT NULL,
        UNIQUE (client, name, digest)
    ) STRICT;
    CREATE TABLE content (
        size INTEGER NOT NULL,
        hash BLOB NOT NULL,
        backup INTEGER NOT NULL,
        path BLOB NOT NULL,
        PRIMARY KEY (size, hash)
    ) STRICT, WITHOUT ROWID;
    PRAGMA user_version = 1;
";

/// Opens the index, beginning it anew where it is missing, damaged or of another version.
pub(super) fn open_or_begin(path: &Path) -> Result<Connection> {
    if !damage_mark(path).exists() {
        match open(path).and_then(|connection| Ok((version(&connection)?, connection))) {
            Ok((VERSION, connection)) => return Ok(connection),
            Ok((0, connection)) if begin(&connection).is_ok() => return Ok(connection),
            Ok((found, _)) => tracing::info!(found, "the content index has another version and is rebuilt"),
            Err(error) => tracing::warn!(%error, "the content index can't be opened and is rebuilt"),
        }
    }
    remove(path)?;
    let connection = open(path)?;
    begin(&connection)?;
    Ok(connection)
}

/// Opens a connection to the file.
pub(super) fn open(path: &Path) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    // Not WAL: it maps its shared memory from a file, and a page of that which a full file system can't give kills the
    // process.
    connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16_384)?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn begin(connection: &Connection) -> Result<()> {
    Ok(connection.execute_batch(&format!("BEGIN; {SCHEMA} COMMIT;"))?)
}

/// Notes that the file is damaged, for the next time it is opened.
pub(super) fn mark_damaged(path: &Path) {
    if let Err(error) = std::fs::write(damage_mark(path), b"") {
        tracing::warn!(%error, "noting that the content index is damaged");
    }
}

fn damage_mark(path: &Path) -> PathBuf {
    beside(path, ".damaged")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove(path: &Path) -> Result<()> {
    for file in [
        path.to_owned(),
        beside(path, "-wal"),
        beside(path, "-shm"),
        damage_mark(path),
    ] {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).during("remove", &file)?
            }
            _ => {}
        }
    }
    Ok(())
}
