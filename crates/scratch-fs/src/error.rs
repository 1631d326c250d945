//! What can go wrong while a scratch file system is made.

use std::io;
use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A scratch file system that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The machine or the user can't make it; tests skip.
    #[error("not available here: {reason}")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// A program could not be started.
    #[error("can't run {program}")]
    Start {
        /// The program.
        program: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {stderr}")]
    Program {
        /// The program.
        program: &'static str,
        /// What it said.
        stderr: String,
    },
    /// The image holds no file system that is known here.
    #[error("{} holds no known file system", .path.display())]
    UnknownImage {
        /// The image.
        path: PathBuf,
    },
    /// The kernel mounted another device than the image; older ones do so for a second btrfs with the same id.
    #[error("{} was asked for, but another device was mounted", .path.display())]
    OtherDevice {
        /// The image.
        path: PathBuf,
    },
    /// A file or directory of its own could not be made or read.
    #[error("{}", .path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
