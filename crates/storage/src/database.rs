//! Databases of what can be found out anew: opened as they are, or begun again where they are missing, damaged or of
//! another version. Nothing is migrated.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{During as _, Result};

/// How much of a database each connection may hold in memory. It has room for the inner pages of some ten million entries; the kernel's
/// cache has the rest. SQLite lends what one connection leaves unused to the others, so it is the sum of all that is used in the end.
const CACHE_KIB: i64 = 4096;

/// What a database is made of.
pub(crate) struct Design {
    /// What it is called in messages.
    pub title: &'static str,
    /// Its version, in `user_version`.
    pub version: i64,
    /// The statements that make it.
    pub schema: &'static str,
    /// When a transaction counts as durable: `NORMAL` or `FULL`.
    pub synchronous: &'static str,
}

/// Opens a database, beginning it anew where it is missing, damaged or of another version.
pub(crate) fn open_or_begin(path: &Path, design: &Design) -> Result<Connection> {
    let title = design.title;
    if !damage_mark(path).exists() {
        match open(path, design).and_then(|connection| Ok((version(&connection)?, connection))) {
            Ok((found, connection)) if found == design.version => return Ok(connection),
            Ok((0, connection)) if begin(&connection, design).is_ok() => return Ok(connection),
            Ok((found, _)) => tracing::info!(found, "the {title} has another version and is rebuilt"),
            Err(error) => tracing::warn!(%error, "the {title} can't be opened and is rebuilt"),
        }
    }
    begin_anew(path, design)
}

/// Replaces a database by an empty one. Nobody has it open.
pub(crate) fn begin_anew(path: &Path, design: &Design) -> Result<Connection> {
    remove(path)?;
    let connection = open(path, design)?;
    begin(&connection, design)?;
    Ok(connection)
}

/// Opens a connection to the file.
pub(crate) fn open(path: &Path, design: &Design) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(std::time::Duration::from_secs(60))?;
    // Not WAL: it maps its shared memory from a file, and a page of that which a full file system can't give kills the
    // process.
    connection.pragma_update_and_check(None, "journal_mode", "TRUNCATE", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", design.synchronous)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}

fn begin(connection: &Connection, design: &Design) -> Result<()> {
    let (schema, version) = (design.schema, design.version);
    let statements = format!("BEGIN; {schema} PRAGMA user_version = {version}; COMMIT;");
    Ok(connection.execute_batch(&statements)?)
}

/// Notes that the file is damaged, for the next time it is opened.
pub(crate) fn mark_damaged(path: &Path) {
    if let Err(error) = std::fs::write(damage_mark(path), b"") {
        tracing::warn!(%error, path = %path.display(), "noting that a database is damaged");
    }
}

/// Whether an error says that the file is damaged.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
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
        beside(path, "-journal"),
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
