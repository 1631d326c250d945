//! What can go wrong with a manifest.

use std::io;

use crate::delta::FileId;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a manifest, or a part of one, can't be read, written or built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file that holds the manifest can't be read or written.
    #[error("the manifest can't be read or written")]
    Io(#[from] io::Error),
    /// The file doesn't begin as a manifest does.
    #[error("not a manifest")]
    NotAManifest,
    /// The manifest has been written by a newer Perennial.
    #[error("the manifest has format version {found}, the newest known is {supported}")]
    UnsupportedVersion {
        /// As the file says.
        found: u32,
        /// The newest that this crate reads.
        supported: u32,
    },
    /// The manifest has no trailer: its backup was interrupted. [`crate::read_partial`] reads what there is.
    #[error("the manifest is unfinished or has been cut short")]
    Unfinished,
    /// A checksum is wrong, or the parts of the file contradict each other.
    #[error("the manifest is damaged: {what}, at offset {offset_bytes}")]
    Damaged {
        /// What is wrong.
        what: &'static str,
        /// Where the part begins that is damaged.
        offset_bytes: u64,
    },
    /// Bytes are not the encoding of what they should be.
    #[error("malformed {part}: {what}")]
    Malformed {
        /// What was being decoded.
        part: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A value breaks a rule of the format and can't be written.
    #[error("invalid entry '{}': {what}", name.escape_ascii())]
    InvalidEntry {
        /// The entry's name.
        name: Box<[u8]>,
        /// The rule.
        what: &'static str,
    },
    /// A path is not one of a directory in a backup.
    #[error("invalid path '{}'", path.escape_ascii())]
    InvalidPath {
        /// The path.
        path: Box<[u8]>,
    },
    /// Entries or names of a directory are not sorted, or one is there twice.
    #[error("'{}' is out of order or there twice in '{}'", name.escape_ascii(), path.escape_ascii())]
    EntryOrder {
        /// The directory.
        path: Box<[u8]>,
        /// The second of the two.
        name: Box<[u8]>,
    },
    /// A directory comes twice or before one that should precede it.
    #[error("directory '{}' must not follow '{}'", path.escape_ascii(), previous.escape_ascii())]
    DirectoryOrder {
        /// The directory in front.
        previous: Box<[u8]>,
        /// The one that must not follow it.
        path: Box<[u8]>,
    },
    /// A directory's record, or another part, is longer than the format allows.
    #[error("{part} of {len_bytes} bytes is over the limit of {limit_bytes}")]
    TooLong {
        /// Which part.
        part: &'static str,
        /// Its length.
        len_bytes: u64,
        /// The limit.
        limit_bytes: u64,
    },
    /// A directory is delivered that its parent doesn't list as one.
    #[error("directory '{}' is not listed by its parent", path.escape_ascii())]
    UnlistedDirectory {
        /// The directory.
        path: Box<[u8]>,
    },
    /// A delta refers to a base directory that isn't there, or is another.
    #[error("the delta for '{}' has no base", path.escape_ascii())]
    MissingBase {
        /// The delta's directory.
        path: Box<[u8]>,
    },
    /// A delta removes what the base doesn't have, or removes and adds the same name.
    #[error("the delta for '{}' does not fit its base at '{}'", path.escape_ascii(), name.escape_ascii())]
    DeltaMismatch {
        /// The directory.
        path: Box<[u8]>,
        /// The name.
        name: Box<[u8]>,
    },
    /// A file is completed that was never announced, or has been completed before.
    #[error("file {0} is not announced, or complete already")]
    UnknownFile(FileId),
    /// A file is announced whose id is not above all those before.
    #[error("file id {0} has been used before")]
    RepeatedFile(FileId),
    /// A file is announced or completed as something that has no content.
    #[error("file {file} is not '{}', or not a regular file", name.escape_ascii())]
    WrongFile {
        /// The file.
        file: FileId,
        /// The name under which it was announced.
        name: Box<[u8]>,
    },
    /// The manifest is to be finished while files are incomplete.
    #[error("{pending} files are incomplete, the first of them in '{}'", path.escape_ascii())]
    Incomplete {
        /// How many.
        pending: usize,
        /// The directory of the first.
        path: Box<[u8]>,
    },
}

impl Error {
    pub(crate) fn malformed(part: &'static str, what: &'static str) -> Self {
        Self::Malformed { part, what }
    }
}
