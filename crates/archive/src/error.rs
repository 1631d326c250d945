//! What can go wrong with an archive.

use std::io;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an archive can't be made, or is not whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The manifest can't be read, or a path is none of a backup.
    #[error(transparent)]
    Manifest(#[from] manifest::Error),
    /// A selection has no paths.
    #[error("nothing is selected")]
    NothingSelected,
    /// The backup has nothing of that path.
    #[error("there is no '{}' in the backup", path.escape_ascii())]
    NotFound {
        /// The path.
        path: Box<[u8]>,
    },
    /// A path is not beneath the directory that names were to be relative to.
    #[error("'{}' is not beneath '{}'", path.escape_ascii(), directory.escape_ascii())]
    Outside {
        /// The path.
        path: Box<[u8]>,
        /// The directory.
        directory: Box<[u8]>,
    },
    /// The manifest lists a directory, and doesn't say what is in it.
    #[error("the manifest doesn't say what is in '{}'", path.escape_ascii())]
    Unlisted {
        /// The directory.
        path: Box<[u8]>,
    },
    /// Content can't be opened or read.
    #[error("the content of '{}' can't be read", path.escape_ascii())]
    Content {
        /// The file.
        path: Box<[u8]>,
        /// What the reader said.
        source: io::Error,
    },
    /// Content ends before it should.
    #[error("the content of '{}' ends after {found_bytes} of {size_bytes} bytes", path.escape_ascii())]
    Short {
        /// The file.
        path: Box<[u8]>,
        /// Its length by the manifest.
        size_bytes: u64,
        /// Where it ends.
        found_bytes: u64,
    },
    /// Content goes on where it should end.
    #[error("the content of '{}' is longer than {size_bytes} bytes", path.escape_ascii())]
    Long {
        /// The file.
        path: Box<[u8]>,
        /// Its length by the manifest.
        size_bytes: u64,
    },
    /// The format has no room for such a path.
    #[error("the path '{}…' is too long for the format", path[..64.min(path.len())].escape_ascii())]
    PathTooLong {
        /// The path.
        path: Box<[u8]>,
    },
    /// The archive would have more bytes than can be counted.
    #[error("the archive would be too large")]
    TooLarge,
    /// What was made can't be handed on.
    #[error("the archive can't be written")]
    Write(#[source] io::Error),
    /// Something has gone wrong before, and the archive can't become whole any more.
    #[error("the archive has failed before")]
    Failed,
}
