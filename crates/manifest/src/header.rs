//! What a manifest says of its backup: in front what is known when it begins, behind what is known at its
//! end.

use crate::content::ContentHash;
use crate::entry::Timestamp;

/// How a backup was made; both kinds give a complete view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackupKind {
    /// Everything was read again.
    Full,
    /// What seemed unchanged since the base was taken from it.
    Incremental,
}

/// One of the directories that a backup was asked to hold: a child of its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Name under which it appears in the backup's root.
    pub name: Box<[u8]>,
    /// Path on the client.
    pub path: Box<[u8]>,
    /// How it was held still: "none", the kind of snapshot, or [`STREAMED`].
    pub consistency: String,
}

/// How a source is described whose files are the output of commands: nobody can read them again.
pub const STREAMED: &str = "output of commands";

impl Source {
    /// Whether its files are the output of commands.
    pub fn is_streamed(&self) -> bool {
        self.consistency == STREAMED
    }
}

/// What is known of a backup when it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Name of the client whose backup it is.
    pub client: String,
    /// Name of the backup (YYMMDD-HHMM), given by the server.
    pub name: String,
    /// Full or incremental.
    pub kind: BackupKind,
    /// When it began, by the server's clock.
    pub started: Timestamp,
    /// Name of the backup that it grew from.
    pub base: Option<String>,
    /// What it was asked to hold.
    pub sources: Vec<Source>,
    /// Identity of the server that made it.
    pub server_id: String,
}

/// Something that could not be backed up as it should have been.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path within the backup.
    pub path: Box<[u8]>,
    /// What sort of problem, one word.
    pub kind: String,
    /// What happened, for people.
    pub message: String,
}

/// What is known of a backup at its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// When it was finished, by the server's clock.
    pub finished: Timestamp,
    /// How many problems there were.
    pub problem_count: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
}

/// Counts of what a manifest lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records: directories, the root included.
    pub directories: u64,
    /// Regular files.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Further names of regular files.
    pub hard_links: u64,
    /// Pipes and device nodes.
    pub special: u64,
    /// Sizes of all regular files together, each counted once.
    pub bytes: u64,
}

impl Totals {
    /// All entries, the root not being one.
    pub fn entries(&self) -> u64 {
        self.directories.saturating_sub(1) + self.files + self.symlinks + self.hard_links + self.special
    }
}

/// What came out of writing a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// BLAKE3 over all records: two manifests that list the same have the same.
    pub digest: ContentHash,
    /// Counts of what is listed.
    pub totals: Totals,
    /// Length of the manifest's file.
    pub len_bytes: u64,
}
