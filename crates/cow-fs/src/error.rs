//! The crate's error: what was tried, on what, and which kind of failure it was.
//!
//! The kinds are the ones between which callers decide; the kernel's own error is kept as the source.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of one operation on a file system.
///
/// `path` is the name or path that the operation was given; `None` where it works on descriptors alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file system, the pair of file systems or the kernel can't do this at all.
    #[error("{operation}{}: not supported here", At(.path))]
    Unsupported {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel rejects the arguments: an offset that is not block-aligned, or two files whose flags
    /// (such as no-copy-on-write) forbid sharing. Copying still works.
    #[error("{operation}{}: rejected as invalid", At(.path))]
    Invalid {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Permission is missing, the inode is immutable, or the file system or subvolume is read-only.
    #[error("{operation}{}: not permitted", At(.path))]
    Denied {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Something is in use (a running send, a mount point, a swap file); a later try may succeed.
    #[error("{operation}{}: in use", At(.path))]
    Busy {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The name does not exist.
    #[error("{operation}{}: not found", At(.path))]
    NotFound {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The name exists already.
    #[error("{operation}{}: exists already", At(.path))]
    AlreadyExists {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The file system is full, or a quota is used up.
    #[error("{operation}{}: no space left", At(.path))]
    NoSpace {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The name is not a single path component of 1 to 255 bytes; the kernel was not asked.
    #[error("{operation}: {:?} is not a valid name", .name)]
    InvalidName {
        /// What was tried.
        operation: Operation,
        /// The rejected name.
        name: PathBuf,
    },
    /// Anything else that the kernel reports.
    #[error("{operation}{} failed", At(.path))]
    Io {
        /// What was tried.
        operation: Operation,
        /// The name or path it was tried on.
        path: Option<PathBuf>,
        /// The kernel's answer.
        source: io::Error,
    },
}

/// What was tried when an [`Error`] arose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the names say it; Display has the words")]
pub enum Operation {
    CloneFile,
    CloneRange,
    CopyRange,
    PunchHole,
    FindExtents,
    MapExtents,
    SyncFileSystem,
    Freeze,
    Thaw,
    /// Beginning to bring a range of a file to the disk.
    StartWriteback,
    ReadInodeFlags,
    SetInodeFlags,
    RenameExchange,
    RenameNoReplace,
    IdentifyFileSystem,
    CreateSubvolume,
    SnapshotSubvolume,
    DeleteSubvolume,
    ReadSubvolumeAccess,
    SetSubvolumeAccess,
    ReadSubvolumeId,
    FindSubvolume,
    CommitTransaction,
    SetCompression,
    Probe,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloneFile => "cloning a file",
            Self::CloneRange => "cloning a range",
            Self::CopyRange => "copying a range",
            Self::PunchHole => "punching a hole",
            Self::FindExtents => "finding data and holes",
            Self::MapExtents => "mapping extents",
            Self::SyncFileSystem => "syncing the file system",
            Self::Freeze => "freezing the file system",
            Self::Thaw => "thawing the file system",
            Self::StartWriteback => "beginning to write to the disk",
            Self::ReadInodeFlags => "reading inode flags",
            Self::SetInodeFlags => "setting inode flags",
            Self::RenameExchange => "exchanging two names",
            Self::RenameNoReplace => "renaming without replacing",
            Self::IdentifyFileSystem => "identifying the file system",
            Self::CreateSubvolume => "creating a subvolume",
            Self::SnapshotSubvolume => "snapshotting a subvolume",
            Self::DeleteSubvolume => "deleting a subvolume",
            Self::ReadSubvolumeAccess => "reading a subvolume's access",
            Self::SetSubvolumeAccess => "setting a subvolume's access",
            Self::ReadSubvolumeId => "reading a subvolume's id",
            Self::FindSubvolume => "looking for a subvolume",
            Self::CommitTransaction => "committing the btrfs transaction",
            Self::SetCompression => "setting compression",
            Self::Probe => "probing the file system",
        })
    }
}

impl Error {
    /// Sorts the kernel's answer into a kind, for an operation that works on descriptors alone.
    pub(crate) fn new(operation: Operation, errno: Errno) -> Self {
        Self::sorted(operation, None, errno.into())
    }

    /// Sorts the kernel's answer into a kind, for an operation on a name.
    pub(crate) fn named(operation: Operation, name: &[u8], errno: Errno) -> Self {
        Self::sorted(
            operation,
            Some(PathBuf::from(OsStr::from_bytes(name))),
            errno.into(),
        )
    }

    /// Sorts the kernel's answer into a kind, for an operation on a path.
    pub(crate) fn at(operation: Operation, path: &Path, source: io::Error) -> Self {
        Self::sorted(operation, Some(path.to_owned()), source)
    }

    fn sorted(operation: Operation, path: Option<PathBuf>, source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::OPNOTSUPP | Errno::NOTTY | Errno::NOSYS | Errno::XDEV) => Self::Unsupported {
                operation,
                path,
                source,
            },
            Some(Errno::INVAL) => Self::Invalid {
                operation,
                path,
                source,
            },
            Some(Errno::PERM | Errno::ACCESS | Errno::ROFS) => Self::Denied {
                operation,
                path,
                source,
            },
            Some(Errno::BUSY | Errno::TXTBSY | Errno::AGAIN) => Self::Busy {
                operation,
                path,
                source,
            },
            Some(Errno::NOENT) => Self::NotFound {
                operation,
                path,
                source,
            },
            Some(Errno::EXIST | Errno::NOTEMPTY) => Self::AlreadyExists {
                operation,
                path,
                source,
            },
            Some(Errno::NOSPC | Errno::DQUOT) => Self::NoSpace {
                operation,
                path,
                source,
            },
            _ => Self::Io {
                operation,
                path,
                source,
            },
        }
    }

    /// What was tried.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Unsupported { operation, .. }
            | Self::Invalid { operation, .. }
            | Self::Denied { operation, .. }
            | Self::Busy { operation, .. }
            | Self::NotFound { operation, .. }
            | Self::AlreadyExists { operation, .. }
            | Self::NoSpace { operation, .. }
            | Self::InvalidName { operation, .. }
            | Self::Io { operation, .. } => *operation,
        }
    }

    /// Whether a clone that failed so can be replaced by a copy: the file systems can't share this range, but
    /// nothing is wrong with either file.
    pub fn copy_may_work(&self) -> bool {
        matches!(self, Self::Unsupported { .. } | Self::Invalid { .. })
    }
}

/// Shows ` ("PATH")`, or nothing.
struct At<'a>(&'a Option<PathBuf>);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(path) => write!(f, " ({path:?})"),
            None => Ok(()),
        }
    }
}
