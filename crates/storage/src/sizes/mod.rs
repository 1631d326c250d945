//! What backups take of the storage: what each has stored anew, what it has for itself, and what it shares.
//!
//! The **ledger** is a database of its own that can be deleted at any time; `docs/formats/sizes.md` describes it. It has each piece
//! of the storage that a backup refers to – ranges of the device where extents are shared, inodes where these are – in a
//! *class* ([`books`]) that says which backups those are. A backup is taken in by asking for the files in which it differs from its
//! base ([`survey`]), all in one transaction ([`update`]); so cost follows change, and the ledger is whole whenever it is looked at.
//!
//! The storage may be changed by something else: file systems are balanced and defragmented. When the ledger meets that
//! – a piece that is given up is not there – it is begun anew.
//!
//! Lock order: `accounting`, then `database`, then `books`, which is never held while anything is asked.

mod account;
mod answers;
mod books;
mod deletion;
mod piece;
mod run;
mod schema;
mod sums;
mod survey;
#[cfg(test)]
mod tests;
mod update;

use std::path::PathBuf;
use std::sync::Arc;

use cow_fs::AllocationSource;
use file_tree::{Access, Dir};
use parking_lot::Mutex;
use rusqlite::Connection;

use crate::backend::BackendKind;
use crate::changed::Changed;
use crate::database;
use crate::error::{During as _, Error, Result};
use crate::identity::IDENTITY_FILE;

use books::{Books, Kept};
use schema::{DESIGN, Origin};
use update::Update;

pub use account::{Accounted, TakenIn};
pub use answers::{Sizes, Used, UsedByEach};
pub(crate) use deletion::{forget_replaced, look_before_deletion};

/// What pieces are, and how they are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Ranges of the device.
    Extents(AllocationSource),
    /// Inodes.
    Inodes,
}

impl Measure {
    /// What a storage can be measured by; `None` where the file system does not tell what files hold.
    pub fn of(backend: BackendKind, state: &Dir) -> Result<Option<Self>> {
        if backend == BackendKind::Hardlink {
            return Ok(Some(Self::Inodes));
        }
        let file = state.open_file(IDENTITY_FILE.as_bytes(), Access::Read);
        match cow_fs::allocation_source(file.during("open", IDENTITY_FILE)?) {
            Ok(source) => Ok(Some(Self::Extents(source))),
            Err(cow_fs::Error::Unsupported { .. }) => Ok(None),
            Err(error) => Err(error).during("look at", "."),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Extents(AllocationSource::BtrfsTrees) => "btrfs-extents",
            Self::Extents(AllocationSource::ExtentMap) => "ranges",
            Self::Inodes => "inodes",
        }
    }
}

/// The open ledger.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    measure: Option<Measure>,
    /// `None` until one that could not be opened, or is to be begun anew, is there.
    database: Mutex<Option<Connection>>,
    /// The state of the last change.
    books: Mutex<Arc<Books>>,
    /// Held by whoever takes backups in.
    accounting: Mutex<()>,
    /// Backups that have come or gone since the ledger has last been brought up to date.
    pub changed: Changed,
}

impl Ledger {
    /// Opens the ledger; one that is missing, damaged, a copy or of another version is begun anew. Nothing here keeps a
    /// storage from being opened.
    pub fn open(path: PathBuf, measure: Option<Measure>) -> Self {
        let ledger = Self {
            path,
            measure,
            database: Mutex::default(),
            books: Mutex::new(Arc::new(rebuilding())),
            accounting: Mutex::default(),
            changed: Changed::anything(),
        };
        if let Some(measure) = measure
            && let Err(error) = ledger.load(measure)
        {
            tracing::warn!(%error, path = %ledger.path.display(), "opening the ledger of sizes");
        }
        ledger
    }

    /// The books as they are.
    fn books(&self) -> Arc<Books> {
        Arc::clone(&self.books.lock())
    }

    /// Changes the ledger; if that fails it stays as it was.
    fn update<T, E: From<Error>>(
        &self,
        change: impl FnOnce(&mut Update<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut database = self.database.lock();
        let connection = self.connect(&mut database)?;
        let changes = connection.transaction().map_err(Error::Ledger)?;
        let mut books = Books::clone(&self.books());
        let done = change(&mut Update {
            changes: &changes,
            books: &mut books,
        })?;
        schema::write_books(&changes, &mut books).map_err(Error::Ledger)?;
        crate::crash::point("sizes: changes written");
        changes.commit().map_err(Error::Ledger)?;
        crate::crash::point("sizes: changes durable");
        *self.books.lock() = Arc::new(books);
        Ok(done)
    }

    /// Forgets all there is.
    fn restart(&self) -> Result<()> {
        let mut database = self.database.lock();
        *database = None;
        self.connect_anew(&mut database).map(drop)
    }

    /// Forgets all there is if the error says that the file is damaged.
    fn restart_if_damaged(&self, error: &Error) -> Result<()> {
        match error {
            Error::Ledger(source) if database::is_damage(source) => {
                tracing::warn!(path = %self.path.display(), "the ledger of sizes is damaged and is built anew");
                self.restart()
            }
            _ => Ok(()),
        }
    }

    /// Lets the ledger be begun anew as soon as there is a way, as it could not be told of a change.
    pub fn distrust(&self) {
        let mut database = self.database.lock();
        *database = None;
        self.forget_books();
        database::mark_damaged(&self.path);
    }

    fn load(&self, measure: Measure) -> Result<()> {
        let mut database = self.database.lock();
        let connection = database::open_or_begin(&self.path, &DESIGN)?;
        let origin = Origin::of(&self.path, measure.as_str()).during("look at", &self.path)?;
        let books = match origin.is_of(&connection) {
            Ok(true) => schema::read_books(&connection).ok(),
            _ => None,
        };
        match books {
            Some(books) => {
                *self.books.lock() = Arc::new(books);
                *database = Some(connection);
            }
            None => {
                drop(connection);
                self.connect_anew(&mut database)?;
            }
        }
        Ok(())
    }

    fn connect<'a>(&self, database: &'a mut Option<Connection>) -> Result<&'a mut Connection> {
        if database.is_none() {
            self.connect_anew(database)?;
        }
        Ok(database.as_mut().expect("it has just been opened"))
    }

    fn connect_anew(&self, database: &mut Option<Connection>) -> Result<()> {
        let measure = self.measure.map_or("", Measure::as_str);
        self.forget_books();
        let connection = database::begin_anew(&self.path, &DESIGN)?;
        let origin = Origin::of(&self.path, measure).during("look at", &self.path)?;
        origin.write(&connection).map_err(Error::Ledger)?;
        *database = Some(connection);
        Ok(())
    }

    fn forget_books(&self) {
        *self.books.lock() = Arc::new(rebuilding());
        self.changed.note_anything();
    }
}

/// Books into which no backup has been taken.
fn rebuilding() -> Books {
    Books::new(Kept::default(), Kept::default(), Kept::default(), 1, true)
}
