//! A change of the ledger: all of it becomes true at once, or nothing.

use rusqlite::{Transaction, params};

use super::books::{Books, ClassId, Step, Stray};
use super::piece::{Change, Piece, net};
use super::schema::column;
use crate::error::Error;

/// So many changes are gathered before they are written: together they cost least, and many cancel each other out.
const BATCH_CHANGES: usize = if cfg!(test) { 3 } else { 200_000 };

/// Why the ledger can't be changed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The storage is not as the ledger has it.
    Stray,
    /// The backup, or the one that it has grown from, is being deleted.
    Vanished,
    /// Something failed.
    Failed(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(Error::Ledger(error))
    }
}

impl From<Stray> for Failure {
    fn from(Stray: Stray) -> Self {
        Self::Stray
    }
}

/// A change of the ledger.
pub(super) struct Update<'a> {
    pub changes: &'a Transaction<'a>,
    pub books: &'a mut Books,
}

/// An entry of the table of pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    piece: Piece,
    class: ClassId,
}

/// Changes of references that go with one step of a line.
pub(super) struct Rereference<'a, 'b> {
    update: &'a mut Update<'b>,
    step: Step,
    gathered: Vec<Change>,
    /// What was referred to by nobody before.
    stored_new_bytes: u64,
}

impl<'b> Update<'b> {
    /// Makes a part of the change; if that fails, what it has changed is as it was.
    pub fn attempt<T>(&mut self, part: impl FnOnce(&mut Self) -> Result<T, Failure>) -> Result<T, Failure> {
        let before = self.books.clone();
        self.changes.execute_batch("SAVEPOINT part")?;
        let done = part(self);
        if done.is_err() {
            *self.books = before;
            self.changes.execute_batch("ROLLBACK TO part")?;
        }
        self.changes.execute_batch("RELEASE part")?;
        done
    }

    /// Begins to change references.
    pub fn step(&mut self, step: Step) -> Rereference<'_, 'b> {
        Rereference {
            update: self,
            step,
            gathered: Vec::new(),
            stored_new_bytes: 0,
        }
    }

    /// Rewrites the table of pieces without what nobody refers to, and with as few classes as there can be.
    pub fn compact(&mut self) -> rusqlite::Result<()> {
        let superfluous = self.books.superfluous();
        self.changes
            .execute_batch("CREATE TEMP TABLE moved (class INTEGER PRIMARY KEY, becomes INTEGER)")?;
        for (class, becomes) in superfluous {
            self.changes.execute(
                "INSERT INTO moved (class, becomes) VALUES (?1, ?2)",
                params![class.0, becomes.map(|becomes| becomes.0)],
            )?;
            self.books.merge(class, becomes);
        }
        self.changes.execute_batch(
            "DELETE FROM pieces WHERE class IN (SELECT class FROM moved WHERE becomes IS NULL);
             UPDATE pieces SET class = (SELECT becomes FROM moved WHERE moved.class = pieces.class)
             WHERE class IN (SELECT class FROM moved);
             DROP TABLE moved;",
        )
    }

    fn overlapping(&self, piece: &Piece) -> rusqlite::Result<Vec<Entry>> {
        let mut statement = self.changes.prepare_cached(
            "SELECT start, len, weight, class FROM pieces \
             WHERE start >= coalesce((SELECT max(start) FROM pieces WHERE start <= ?1), 0) AND start < ?2 \
             ORDER BY start",
        )?;
        let rows = statement.query_map(params![column(piece.start), column(piece.end())], |row| {
            let weight: Option<i64> = row.get(2)?;
            Ok(Entry {
                piece: Piece {
                    start: row.get::<_, i64>(0)?.cast_unsigned(),
                    len: row.get::<_, i64>(1)?.cast_unsigned(),
                    weight_bytes: weight.map_or(1, i64::cast_unsigned),
                },
                class: ClassId(row.get(3)?),
            })
        })?;
        let mut entries = Vec::new();
        for entry in rows {
            let entry = entry?;
            if entry.piece.end() > piece.start {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    fn replace(&mut self, old: &[Entry], new: &[Entry]) -> rusqlite::Result<()> {
        let mut delete = self
            .changes
            .prepare_cached("DELETE FROM pieces WHERE start = ?1")?;
        for entry in old.iter().filter(|entry| !has(new, entry)) {
            delete.execute([column(entry.piece.start)])?;
            self.books.count_out(entry.class, entry.piece.bytes());
        }
        let mut insert = self
            .changes
            .prepare_cached("INSERT INTO pieces (start, len, weight, class) VALUES (?1, ?2, ?3, ?4)")?;
        for Entry { piece, class } in new.iter().filter(|entry| !has(old, entry)) {
            let weight = (piece.weight_bytes != 1).then(|| column(piece.weight_bytes));
            insert.execute(params![column(piece.start), column(piece.len), weight, class.0])?;
            self.books.count_in(*class, piece.bytes());
        }
        Ok(())
    }
}

impl Rereference<'_, '_> {
    /// Adds a reference to a piece.
    pub fn add(&mut self, piece: Piece) -> Result<(), Failure> {
        self.gather(piece, 1)
    }

    /// Takes a reference to a piece away.
    pub fn take(&mut self, piece: Piece) -> Result<(), Failure> {
        self.gather(piece, -1)
    }

    /// Writes what has been gathered. Returns how much of it nobody referred to before.
    pub fn finish(mut self) -> Result<u64, Failure> {
        self.flush()?;
        Ok(self.stored_new_bytes)
    }

    fn gather(&mut self, piece: Piece, references: i64) -> Result<(), Failure> {
        self.gathered.push(Change { piece, references });
        if self.gathered.len() >= BATCH_CHANGES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Failure> {
        for change in net(&std::mem::take(&mut self.gathered)) {
            self.apply(&change)?;
        }
        Ok(())
    }

    fn apply(&mut self, change: &Change) -> Result<(), Failure> {
        let Change { piece, references } = *change;
        let old = self.update.overlapping(&piece)?;
        let mut new = Vec::with_capacity(old.len() + 2);
        let mut at = piece.start;
        for entry in &old {
            let (start, end) = (entry.piece.start, entry.piece.end());
            push(&mut new, part(entry.piece, start..piece.start), Some(entry.class));
            self.move_part(&mut new, part(piece, at..start), None, references)?;
            let common = part(entry.piece, start.max(piece.start)..end.min(piece.end()));
            // What nobody refers to any more may have been written anew as something else.
            let class = Some(entry.class).filter(|class| self.update.books.is_live(*class));
            let common = Piece {
                weight_bytes: class.map_or(piece, |_| entry.piece).weight_bytes,
                ..common
            };
            self.move_part(&mut new, common, class, references)?;
            push(&mut new, part(entry.piece, piece.end()..end), Some(entry.class));
            at = end.min(piece.end());
        }
        self.move_part(&mut new, part(piece, at..piece.end()), None, references)?;
        Ok(self.update.replace(&old, &new)?)
    }

    fn move_part(
        &mut self,
        new: &mut Vec<Entry>,
        part: Piece,
        class: Option<ClassId>,
        references: i64,
    ) -> Result<(), Failure> {
        if part.len == 0 {
            return Ok(());
        }
        let becomes = self.update.books.moved(class, &self.step, references)?;
        if class.is_none() {
            self.stored_new_bytes = self.stored_new_bytes.saturating_add(part.bytes());
        }
        push(new, part, becomes);
        Ok(())
    }
}

/// Whether an entry is one of these, which are sorted.
fn has(entries: &[Entry], entry: &Entry) -> bool {
    let found = entries.binary_search_by_key(&entry.piece.start, |other| other.piece.start);
    found.is_ok_and(|at| entries[at] == *entry)
}

/// A part of a piece; empty if the range is empty or the wrong way round.
fn part(piece: Piece, range: std::ops::Range<u64>) -> Piece {
    Piece {
        start: range.start,
        len: range.end.saturating_sub(range.start),
        ..piece
    }
}

/// Adds an entry, as part of the last one if that goes on in it.
fn push(entries: &mut Vec<Entry>, piece: Piece, class: Option<ClassId>) {
    let Some(class) = class.filter(|_| piece.len > 0) else {
        return;
    };
    match entries.last_mut() {
        Some(last)
            if last.class == class
                && last.piece.end() == piece.start
                && (last.piece.weight_bytes, piece.weight_bytes) == (1, 1) =>
        {
            last.piece.len += piece.len;
        }
        _ => entries.push(Entry { piece, class }),
    }
}
