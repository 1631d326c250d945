//! What the client tells whoever runs it: progress, lines for the log, and problems that don't stop the work.
//!
//! The library prints nothing. A [`Monitor`] is handed in; it is called from several threads and must not
//! block.

use std::fmt;

/// Takes what happens while a backup or restore runs.
pub trait Monitor: Send + Sync {
    /// Takes the state of the work, a few times a second.
    fn progress(&self, progress: &Progress) {
        let _ = progress;
    }

    /// Takes something that went wrong with one entry; the work goes on.
    fn problem(&self, problem: &Problem) {
        let _ = problem;
    }

    /// Takes a line for the log.
    fn log(&self, level: Level, text: &str) {
        let _ = (level, text);
    }
}

/// A monitor that looks at nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unmonitored;

impl Monitor for Unmonitored {}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Info,
    /// Works, but should be looked at.
    Warning,
    /// Does not work.
    Error,
}

/// What the work is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Waiting for the server, holding the source still, fetching the base manifest.
    #[default]
    Preparing,
    /// Walking and transferring.
    Transferring,
    /// All is transferred; waiting for the other side, or setting metadata.
    Finishing,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preparing => "preparing",
            Self::Transferring => "transferring",
            Self::Finishing => "finishing",
        })
    }
}

/// The state of a backup or restore.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// What is going on.
    pub phase: Phase,
    /// Files looked at and done with.
    pub files_done: u64,
    /// Files in all; an estimate from the last backup until the walk is over, 0 where there is none.
    pub files_total: u64,
    /// Bytes of content that were read and compared, sent or written.
    pub bytes_done: u64,
    /// Bytes of content that must be looked at, as far as that is known.
    pub bytes_total: u64,
    /// Bytes that went over the data connections.
    pub bytes_sent: u64,
    /// A path that is being worked on.
    pub current_path: Vec<u8>,
}

impl Progress {
    /// The state as the server takes it.
    pub fn to_wire(&self) -> wire::v1::Progress {
        wire::v1::Progress {
            phase: self.phase.to_string(),
            files_done: self.files_done,
            files_total: self.files_total,
            bytes_done: self.bytes_done,
            bytes_total: self.bytes_total,
            bytes_sent: self.bytes_sent,
            current_path: self.current_path.clone(),
        }
    }
}

/// What kind of problem an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Deliberately left out: a socket, or an object that can't be backed up.
    Skipped,
    /// Changed while it was read; what is kept may mix two states.
    ChangedWhileRead,
    /// Gone between listing and reading.
    Vanished,
    /// Content or listing could not be read.
    Unreadable,
    /// Something of the metadata could not be read or set.
    Metadata,
    /// The server could not give the content, or what it gave does not match the manifest.
    Corrupt,
    /// An object in the target stood in the way.
    Conflict,
    /// The entry could not be written.
    Unwritable,
}

impl ProblemKind {
    /// The word for it on the wire and in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::ChangedWhileRead => "changed",
            Self::Vanished => "vanished",
            Self::Unreadable => "unreadable",
            Self::Metadata => "metadata",
            Self::Corrupt => "corrupt",
            Self::Conflict => "conflict",
            Self::Unwritable => "unwritable",
        }
    }
}

/// Something that went wrong with one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The entry's path inside the backup.
    pub path: Vec<u8>,
    /// What kind.
    pub kind: ProblemKind,
    /// In plain words.
    pub message: String,
}

impl Problem {
    /// Describes a problem of `kind` with the entry at `path`.
    pub fn new(kind: ProblemKind, path: impl Into<Vec<u8>>, message: impl fmt::Display) -> Self {
        Self {
            path: path.into(),
            kind,
            message: message.to_string(),
        }
    }

    /// The problem as the server takes it.
    pub fn to_wire(&self) -> wire::v1::Problem {
        wire::v1::Problem {
            path: self.path.clone(),
            kind: self.kind.as_str().to_owned(),
            message: self.message.clone(),
        }
    }
}
