//! What can go wrong beneath a directory descriptor, told apart by what a caller does about it.

use std::fmt;

use rustix::io::Errno;

use crate::name::shown;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What was being done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening a file or directory.
    Open,
    /// Listing the names in a directory.
    List,
    /// Reading type, size and times.
    Stat,
    /// Reading a file's content or the target of a symbolic link.
    Read,
    /// Creating an entry.
    Create,
    /// Removing an entry.
    Remove,
    /// Giving an entry another name.
    Rename,
    /// Reading attributes, access lists or flags.
    ReadMetadata,
    /// Setting owner, mode, attributes, flags or times.
    ApplyMetadata,
    /// Making a directory durable.
    Sync,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Open => "open",
            Operation::List => "list",
            Operation::Stat => "look at",
            Operation::Read => "read",
            Operation::Create => "create",
            Operation::Remove => "remove",
            Operation::Rename => "rename",
            Operation::ReadMetadata => "read the metadata of",
            Operation::ApplyMetadata => "set the metadata of",
            Operation::Sync => "sync",
        })
    }
}

/// Why an operation on a file tree failed. Names are as the caller gave them, relative to its directory.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is no single component: empty, `.`, `..`, with `/` or NUL, or longer than 255 bytes.
    #[error("{:?} is not a valid file name", shown(.name))]
    BadName {
        /// The name.
        name: Box<[u8]>,
    },
    /// A path that is absolute or has a component that is no valid name.
    #[error("{:?} is not a valid relative path", shown(.path))]
    BadPath {
        /// The path.
        path: Box<[u8]>,
    },
    /// There is no such entry.
    #[error("cannot {operation} {}: not found", shown(.name))]
    NotFound {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
    },
    /// The entry is there already.
    #[error("cannot {operation} {}: it exists already", shown(.name))]
    Exists {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
    },
    /// The directory still has entries.
    #[error("cannot {operation} {}: it is not empty", shown(.name))]
    NotEmpty {
        /// What was tried.
        operation: Operation,
        /// The directory.
        name: Box<[u8]>,
    },
    /// A directory was expected and something else found.
    #[error("cannot {operation} {}: not a directory", shown(.name))]
    NotDirectory {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
    },
    /// A symbolic link stands where none is followed.
    #[error("cannot {operation} {}: a symbolic link is in the way", shown(.name))]
    SymbolicLink {
        /// What was tried.
        operation: Operation,
        /// The entry or path.
        name: Box<[u8]>,
    },
    /// Permission was refused (EACCES or EPERM).
    #[error("cannot {operation} {}", shown(.name))]
    Denied {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
        /// EACCES or EPERM.
        source: Errno,
    },
    /// The entry is in use.
    #[error("cannot {operation} {}: it is in use", shown(.name))]
    Busy {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
    },
    /// The file system is full, or a quota is reached.
    #[error("cannot {operation} {}", shown(.name))]
    NoSpace {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
        /// ENOSPC or EDQUOT.
        source: Errno,
    },
    /// The file system or kernel does not offer this.
    #[error("cannot {operation} {}", shown(.name))]
    Unsupported {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
        /// EOPNOTSUPP, ENOSYS or ENOTTY.
        source: Errno,
    },
    /// The directory is the root of another mount or subvolume and must not be entered.
    #[error("{} is the root of another file system", shown(.name))]
    MountPoint {
        /// The directory.
        name: Box<[u8]>,
    },
    /// The entry is no longer the object that was looked at before.
    #[error("{} was replaced by something else meanwhile", shown(.name))]
    Replaced {
        /// The entry.
        name: Box<[u8]>,
    },
    /// A pattern is not valid gitignore syntax.
    #[error("bad pattern {pattern:?}: {reason}")]
    BadPattern {
        /// The pattern.
        pattern: String,
        /// What the parser says.
        reason: String,
    },
    /// Two sources of one walk have the same name.
    #[error("two sources are named {:?}", shown(.name))]
    DuplicateSource {
        /// The name.
        name: Box<[u8]>,
    },
    /// Any failure of the system that a caller cannot do anything about.
    #[error("cannot {operation} {}", shown(.name))]
    Io {
        /// What was tried.
        operation: Operation,
        /// The entry.
        name: Box<[u8]>,
        /// What the kernel answered.
        source: Errno,
    },
}

impl Error {
    /// Sorts the kernel's answer to `operation` on `name` into the variant that fits.
    pub fn new(operation: Operation, name: &[u8], source: Errno) -> Error {
        let name: Box<[u8]> = name.into();
        match source {
            Errno::NOENT => Error::NotFound { operation, name },
            Errno::EXIST => Error::Exists { operation, name },
            Errno::NOTEMPTY => Error::NotEmpty { operation, name },
            Errno::NOTDIR => Error::NotDirectory { operation, name },
            Errno::LOOP => Error::SymbolicLink { operation, name },
            Errno::ACCESS | Errno::PERM => Error::Denied {
                operation,
                name,
                source,
            },
            Errno::BUSY | Errno::TXTBSY => Error::Busy { operation, name },
            Errno::NOSPC | Errno::DQUOT => Error::NoSpace {
                operation,
                name,
                source,
            },
            Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY => Error::Unsupported {
                operation,
                name,
                source,
            },
            _ => Error::Io {
                operation,
                name,
                source,
            },
        }
    }

    /// Returns whether the entry is simply not there (any more).
    pub fn is_not_found(&self) -> bool {
        matches!(self, Error::NotFound { .. })
    }

    /// Returns whether permission was refused.
    pub fn is_denied(&self) -> bool {
        matches!(self, Error::Denied { .. })
    }
}

/// Makes a closure that names what failed, for `map_err`.
pub(crate) fn failed(operation: Operation, name: &[u8]) -> impl FnOnce(Errno) -> Error + '_ {
    move |source| Error::new(operation, name, source)
}
