//! The ledger's file: what it is made of, and reading and writing the books.

use std::collections::BTreeMap;
use std::path::Path;

use manifest::ContentHash;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, Transaction, params};

use super::books::{Books, Class, ClassId, Kept, Known};
use super::run::{BackupId, End, Line, LineId, Run};
use crate::database::Design;
use crate::index::Owner;
use crate::names::{ClientName, InvalidName};

/// The database. It is never behind what it says, so a transaction counts when it is durable.
pub(super) const DESIGN: Design = Design {
    title: "ledger of sizes",
    version: 1,
    schema: "
    CREATE TABLE ledger (
        measure TEXT NOT NULL,
        inode INTEGER NOT NULL,
        born_ns INTEGER NOT NULL,
        next_id INTEGER NOT NULL,
        is_rebuilding INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE lines (
        id INTEGER PRIMARY KEY,
        tip INTEGER
    ) STRICT;
    CREATE TABLE backups (
        id INTEGER PRIMARY KEY,
        client TEXT NOT NULL,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,
        line INTEGER NOT NULL,
        bytes_stored_new INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE classes (
        id INTEGER PRIMARY KEY,
        bytes INTEGER NOT NULL,
        pieces INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        class INTEGER NOT NULL,
        line INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER,
        refs INTEGER,
        PRIMARY KEY (class, line, first)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE pieces (
        start INTEGER PRIMARY KEY,
        len INTEGER NOT NULL,
        weight INTEGER,
        class INTEGER NOT NULL
    ) STRICT;
",
    synchronous: "FULL",
};

/// What tells a ledger that is this storage's own from a copy, and from one that was written in other terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// What pieces are.
    pub measure: &'static str,
    /// The number of the file's inode, and when that was made: a file that was copied elsewhere has others, and there
    /// all lies elsewhere too.
    pub inode: u64,
    pub born_ns: i64,
}

impl Origin {
    /// Looks at the file.
    pub fn of(path: &Path, measure: &'static str) -> rustix::io::Result<Self> {
        use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
        let stat = statx(
            CWD,
            path,
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::INO | StatxFlags::BTIME,
        )?;
        let nanos = i64::from(stat.stx_btime.tv_nsec);
        Ok(Self {
            measure,
            inode: stat.stx_ino,
            born_ns: stat
                .stx_btime
                .tv_sec
                .wrapping_mul(1_000_000_000)
                .wrapping_add(nanos),
        })
    }

    /// Whether the ledger is of this origin. One that has just been begun is of none.
    pub fn is_of(&self, connection: &Connection) -> rusqlite::Result<bool> {
        connection
            .prepare("SELECT 1 FROM ledger WHERE measure = ?1 AND inode = ?2 AND born_ns = ?3")?
            .exists(params![self.measure, self.inode.cast_signed(), self.born_ns])
    }

    /// Begins the books of an empty ledger.
    pub fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT INTO ledger (measure, inode, born_ns, next_id, is_rebuilding) VALUES (?1, ?2, ?3, 1, 1)",
            params![self.measure, self.inode.cast_signed(), self.born_ns],
        )?;
        Ok(())
    }
}

/// Reads the books.
pub(super) fn read_books(connection: &Connection) -> rusqlite::Result<Books> {
    let mut classes: BTreeMap<ClassId, Class> = BTreeMap::new();
    for_each(connection, "SELECT id, bytes, pieces FROM classes", |row| {
        let class = Class {
            runs: Vec::new(),
            bytes: count(row, 1)?,
            pieces: count(row, 2)?,
        };
        classes.insert(ClassId(row.get(0)?), class);
        Ok(())
    })?;
    let runs = "SELECT class, line, first, last, refs FROM runs ORDER BY class, line, first";
    for_each(connection, runs, |row| {
        let end = match row.get::<_, Option<i64>>(3)? {
            Some(last) => End::Closed(BackupId(last)),
            None => End::Open {
                references: row.get(4)?,
            },
        };
        let run = Run {
            line: LineId(row.get(1)?),
            first: BackupId(row.get(2)?),
            end,
        };
        if let Some(class) = classes.get_mut(&ClassId(row.get(0)?)) {
            class.runs.push(run);
        }
        Ok(())
    })?;
    let mut lines = Vec::new();
    for_each(connection, "SELECT id, tip FROM lines", |row| {
        let tip: Option<i64> = row.get(1)?;
        let line = Line {
            live: Vec::new(),
            tip: tip.map(BackupId),
        };
        lines.push((LineId(row.get(0)?), line));
        Ok(())
    })?;
    let mut backups = Vec::new();
    let mut clients = BTreeMap::new();
    let of_backups = "SELECT id, client, name, digest, line, bytes_stored_new FROM backups";
    for_each(connection, of_backups, |row| {
        backups.push((BackupId(row.get(0)?), known(row, &mut clients)?));
        Ok(())
    })?;
    let (next_id, is_rebuilding) =
        connection.query_row("SELECT next_id, is_rebuilding FROM ledger", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Books::new(
        Kept::read(backups),
        Kept::read(lines),
        Kept::read(classes),
        next_id,
        is_rebuilding,
    ))
}

/// Writes what has changed of the books.
pub(super) fn write_books(changes: &Transaction<'_>, books: &mut Books) -> rusqlite::Result<()> {
    books.drop_empty_classes();
    for id in books.classes.take_unwritten() {
        changes
            .prepare_cached("DELETE FROM runs WHERE class = ?1")?
            .execute([id.0])?;
        match books.classes.get(id) {
            Some(class) => write_class(changes, id, class)?,
            None => {
                changes
                    .prepare_cached("DELETE FROM classes WHERE id = ?1")?
                    .execute([id.0])?;
            }
        }
    }
    for id in books.lines.take_unwritten() {
        match books.lines.get(id) {
            Some(line) => changes.execute(
                "INSERT OR REPLACE INTO lines (id, tip) VALUES (?1, ?2)",
                params![id.0, line.tip.map(|tip| tip.0)],
            )?,
            None => changes.execute("DELETE FROM lines WHERE id = ?1", [id.0])?,
        };
    }
    for id in books.backups.take_unwritten() {
        match books.backups.get(id) {
            Some(known) => changes.execute(
                "INSERT OR REPLACE INTO backups (id, client, name, digest, line, bytes_stored_new) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    id.0,
                    known.owner.client.as_str(),
                    known.owner.name.as_str(),
                    known.owner.digest.0,
                    known.line.0,
                    column(known.stored_new_bytes),
                ],
            )?,
            None => changes.execute("DELETE FROM backups WHERE id = ?1", [id.0])?,
        };
    }
    changes.execute(
        "UPDATE ledger SET next_id = ?1, is_rebuilding = ?2",
        params![books.next_id, books.is_rebuilding],
    )?;
    Ok(())
}

fn write_class(changes: &Transaction<'_>, id: ClassId, class: &Class) -> rusqlite::Result<()> {
    changes
        .prepare_cached("INSERT OR REPLACE INTO classes (id, bytes, pieces) VALUES (?1, ?2, ?3)")?
        .execute(params![id.0, column(class.bytes), column(class.pieces)])?;
    let mut insert = changes
        .prepare_cached("INSERT INTO runs (class, line, first, last, refs) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for run in &class.runs {
        let (last, references) = match run.end {
            End::Closed(last) => (Some(last.0), None),
            End::Open { references } => (None, Some(references)),
        };
        insert.execute(params![id.0, run.line.0, run.first.0, last, references])?;
    }
    Ok(())
}

fn for_each(
    connection: &Connection,
    query: &str,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        each(row)?;
    }
    Ok(())
}

/// Clients' names are shared: there are few.
fn known(row: &Row<'_>, clients: &mut BTreeMap<String, ClientName>) -> rusqlite::Result<Known> {
    let (client, name) = (row.get::<_, String>(1)?, row.get::<_, String>(2)?);
    let invalid = |column: usize| {
        move |error: InvalidName| {
            rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
        }
    };
    Ok(Known {
        owner: Owner {
            client: match clients.get(&client) {
                Some(known) => known.clone(),
                None => {
                    let parsed: ClientName = client.parse().map_err(invalid(1))?;
                    clients.insert(client, parsed.clone());
                    parsed
                }
            },
            name: name.parse().map_err(invalid(2))?,
            digest: ContentHash(row.get(3)?),
        },
        line: LineId(row.get(4)?),
        stored_new_bytes: count(row, 5)?,
    })
}

/// A number that is never negative.
fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A number as SQLite keeps it. No storage has more bytes than it can.
pub(super) fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
