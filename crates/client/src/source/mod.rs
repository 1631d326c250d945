//! The seam behind which lies what delivers a backup: this machine's directories, or a gateway to another
//! machine.
//!
//! A [`BackupSource`] is held still for one backup, which gives a [`HeldSource`]; that is walked once, in
//! manifest order, while files are opened from several threads. Metadata that costs more than a stat is read
//! late, for entries that have changed only. Nothing here knows of the network.

mod local;
mod snapshot;
mod streams;

use std::ops::Range;
use std::sync::Arc;

use file_tree::Stat;
use manifest::{Metadata, Source};
use shell::{CommandEnd, quoted};

pub use local::LocalSource;
pub(crate) use local::open_beneath;

use crate::error::Result;
use crate::monitor::Monitor;
use crate::settings::Alignment;

/// What one entry's own reading can fail with: the backup goes on without the entry.
pub type EntryResult<T> = file_tree::Result<T>;

/// The size that an entry has of which nobody knows how large it will be.
pub const UNKNOWN_SIZE_BYTES: u64 = 1 << 50;

/// Why a stream could not be read to its end: the backup goes on without it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Its command did not end as it should.
    #[error("the command {end}{}", quoted(.output))]
    Failed {
        /// How it ended.
        end: CommandEnd,
        /// The last lines of its error output.
        output: Vec<String>,
    },
    /// Its command has ended, and what it has printed may go on.
    #[error("the command has exited, and something that it has started still holds its output open")]
    HeldOpen,
    /// Its command can't be run, or its output not be read.
    #[error("the command can't be run")]
    Io {
        /// What the system answered.
        source: std::io::Error,
    },
    /// It has more parts than an aligned stream can have.
    #[error("it is too long to be aligned")]
    TooLong,
    /// The backup has no use for it any more.
    #[error("cancelled")]
    Cancelled,
}

/// How a source that is not held still is described.
pub(crate) const NOT_HELD: &str = "none";

/// Delivers the content of backups.
pub trait BackupSource: Send + Sync {
    /// Begins a backup: finds the sources and holds them still as well as can be.
    fn begin(&self, monitor: &dyn Monitor) -> Result<Box<dyn HeldSource>>;
}

/// A source for the time of one backup. Dropping it lets it go.
pub trait HeldSource: Send + Sync {
    /// The directories in the backup's root, and how each is held still.
    fn sources(&self) -> &[Source];

    /// Begins the walk over all directories, in manifest order.
    fn walk(&self) -> Result<Box<dyn Iterator<Item = SourceDir> + Send>>;

    /// Fails if a source went away since the beginning, so that what the walk did not find counts for nothing.
    fn check_presence(&self) -> Result<()>;

    /// Whether the source may be empty although its last backup was not.
    fn may_become_empty(&self, source: &[u8]) -> bool;
}

/// One directory of a walk.
pub struct SourceDir {
    /// Its path inside the backup; empty for the root.
    pub path: Box<[u8]>,
    /// Its entries, sorted by name.
    pub entries: Vec<SourceEntry>,
    /// What could not be read in it, and what was left out.
    pub problems: Vec<EntryProblem>,
    /// Reads what is in it.
    pub reader: Arc<dyn DirReader>,
}

/// One entry of a directory.
#[derive(Debug, Clone)]
pub struct SourceEntry {
    /// Its name.
    pub name: Box<[u8]>,
    /// What was seen of it.
    pub stat: Stat,
}

/// Something in a directory that could not be read.
#[derive(Debug, Clone)]
pub struct EntryProblem {
    /// The entry, or `None` for the directory itself.
    pub name: Option<Box<[u8]>>,
    /// What happened.
    pub error: file_tree::Error,
}

/// Reads the entries of one directory.
pub trait DirReader: Send + Sync {
    /// Makes metadata of what the walk saw, without reading more.
    fn seen(&self, stat: &Stat) -> Metadata;

    /// Reads all metadata of an entry. What could not be read is left out and told.
    fn metadata(&self, name: &[u8], stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)>;

    /// Reads the metadata of the directory itself, of which the walk saw `stat` in its parent.
    fn own_metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)>;

    /// Looks at an entry again.
    fn look(&self, name: &[u8]) -> EntryResult<Stat>;

    /// Reads where a symbolic link points to.
    fn read_link(&self, name: &[u8]) -> EntryResult<Box<[u8]>>;

    /// Opens a regular file.
    fn open(&self, name: &[u8], stat: &Stat) -> EntryResult<Box<dyn FileReader>>;

    /// Begins to read a file that can be read once only, from its begin to its end; `None` for any other.
    fn stream(&self, name: &[u8]) -> Option<Result<Box<dyn StreamReader>, StreamError>> {
        let _ = name;
        None
    }
}

/// A stream that is being read.
pub trait StreamReader: Send {
    /// The metadata of the file that it becomes.
    fn metadata(&self) -> Metadata;

    /// How its content is laid out in the backup.
    fn alignment(&self) -> Alignment;

    /// Reads what there is next; 0 at the end, which is told only if all has come as it should.
    ///
    /// Waits as long as `is_wanted` says so, and fails with [`StreamError::Cancelled`] after that.
    fn read(&mut self, buffer: &mut [u8], is_wanted: &dyn Fn() -> bool) -> Result<usize, StreamError>;
}

/// A regular file that is open for reading; several threads may read it at once.
pub trait FileReader: Send + Sync {
    /// What it was like when it was opened.
    fn opened(&self) -> Stat;

    /// What it is like now.
    fn stat(&self) -> EntryResult<Stat>;

    /// Reads all metadata of the open file.
    fn metadata(&self, stat: &Stat) -> EntryResult<(Metadata, Vec<file_tree::Error>)>;

    /// The ranges that hold data, in order; the rest is holes.
    fn data_ranges(&self) -> EntryResult<Vec<Range<u64>>>;

    /// Reads until the buffer is full or the file ends; gives the number of bytes.
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> EntryResult<usize>;
}
