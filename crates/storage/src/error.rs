//! What can go wrong with a storage, told apart by what is to be done about it.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::names::{BackupName, ClientName, InvalidName, ServerId};

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where a failure of the system came from.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// A system call.
    #[error(transparent)]
    System(#[from] io::Error),
    /// An operation beneath a directory.
    #[error(transparent)]
    Tree(#[from] file_tree::Error),
    /// An operation on extents or subvolumes.
    #[error(transparent)]
    CopyOnWrite(#[from] cow_fs::Error),
}

impl From<Errno> for Cause {
    fn from(errno: Errno) -> Self {
        Self::System(errno.into())
    }
}

/// Why something in a storage can't be done. Paths are relative to the storage, or absolute where it isn't open yet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The directory of the storage is not there (not mounted, perhaps).
    #[error("there is no directory {}", .path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is not a storage, or holds other things where one should be created.
    #[error("{} is not a storage of Perennial", .path.display())]
    NotAStorage {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is a storage already.
    #[error("{} is a storage already", .path.display())]
    AlreadyAStorage {
        /// The directory.
        path: PathBuf,
    },
    /// The storage has been written by a newer Perennial.
    #[error("the storage {} has format {found}, the newest known is {known}", .path.display())]
    NewerFormat {
        /// The directory.
        path: PathBuf,
        /// What it has.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// The storage belongs to another server.
    #[error("the storage {} belongs to the server {owner}", .path.display())]
    OtherOwner {
        /// The directory.
        path: PathBuf,
        /// Whose it is.
        owner: ServerId,
    },
    /// Another process has the storage open.
    #[error("the storage {} is in use{}", .path.display(), .pid.map(|pid| format!(" by process {pid}")).unwrap_or_default())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The process, where it says so.
        pid: Option<u32>,
    },
    /// The file system is mounted read-only.
    #[error("{action} {}: the file system is read-only", .path.display())]
    ReadOnly {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The file system is full, or a quota is used up.
    #[error("{action} {}: no space left", .path.display())]
    Full {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: Cause,
    },
    /// Permission was refused.
    #[error("{action} {} was denied", .path.display())]
    Denied {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: Cause,
    },
    /// Something lies on another file system than the rest of the storage.
    #[error("{action} {}: it is on another file system", .path.display())]
    OtherFileSystem {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
    },
    /// The storage's file system does not offer what its backend needs.
    #[error("the storage {} was made for the {backend} backend, which its file system does not offer: {reason}", .path.display())]
    Unsupported {
        /// The directory.
        path: PathBuf,
        /// The backend.
        backend: crate::BackendKind,
        /// What is missing.
        reason: String,
    },
    /// A text is not a valid name.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// There is no such backup.
    #[error("{client} has no backup {name}")]
    UnknownBackup {
        /// The client.
        client: ClientName,
        /// The backup.
        name: BackupName,
    },
    /// The name of a new backup is taken.
    #[error("{client} has a backup {name} already")]
    BackupExists {
        /// The client.
        client: ClientName,
        /// The backup.
        name: BackupName,
    },
    /// There is a copy of the catalog of this name already.
    #[error("there is a copy {name} of the catalog already")]
    CopyExists {
        /// Its name.
        name: crate::CopyName,
    },
    /// Something of the client is in use by a backup, a reader or a deletion.
    #[error("{what} of {client} is in use")]
    Busy {
        /// The client.
        client: ClientName,
        /// The backup, or "the incomplete backup".
        what: String,
    },
    /// There is no incomplete backup that could be resumed.
    #[error("{client} has no incomplete backup to resume")]
    NothingToResume {
        /// The client.
        client: ClientName,
    },
    /// A directory comes before one that should precede it, or twice.
    #[error("directory {} must not follow {}", .path.display(), .previous.display())]
    OutOfOrder {
        /// The directory.
        path: PathBuf,
        /// The one before.
        previous: PathBuf,
    },
    /// An entry can't be as it is described; it comes from a client that breaks the rules.
    #[error("invalid entry {}: {reason}", .path.display())]
    InvalidEntry {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Content that should come from the base is not there; it has to be sent in whole.
    #[error("the base has no content for {}", .path.display())]
    NoBase {
        /// The entry.
        path: PathBuf,
    },
    /// There is no such file or directory in the backup.
    #[error("{} is not in the backup", .path.display())]
    NotInBackup {
        /// The entry.
        path: PathBuf,
    },
    /// Another backup has the name in the storage that one is transferred to.
    #[error("the storage has another backup {name} of {client}")]
    OtherBackup {
        /// Whose.
        client: ClientName,
        /// Which.
        name: BackupName,
    },
    /// A file or volume of a backup is missing, or its content is not what the manifest says.
    #[error("{} in the backup {backup} of {client} is damaged", .path.display())]
    DamagedContent {
        /// Whose.
        client: ClientName,
        /// Which.
        backup: BackupName,
        /// The file or volume.
        path: PathBuf,
    },
    /// Content that is offered for a file is not what the manifest says. Nothing has been changed.
    #[error("what is there for {} is not its content", .path.display())]
    WrongContent {
        /// The file or volume.
        path: PathBuf,
    },
    /// A volume is kept in virtual disks that stand on each other, of which no block can be replaced.
    #[error("the volume {} is kept in a chain of virtual disks, which can't be mended", .path.display())]
    ChainedVolume {
        /// The volume.
        path: PathBuf,
    },
    /// A file of the storage's own is damaged.
    #[error("{} is damaged: {reason}", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A manifest can't be read or written.
    #[error("the manifest {}", .path.display())]
    Manifest {
        /// The manifest's file.
        path: PathBuf,
        /// What is wrong with it.
        source: manifest::Error,
    },
    /// The virtual disk that a volume is kept in can't be read or written.
    #[error("cannot {action} the volume {}", .path.display())]
    Volume {
        /// What was tried.
        action: &'static str,
        /// The volume.
        path: PathBuf,
        /// What is wrong.
        source: disk_image::Error,
    },
    /// The content index failed. It only makes backups faster and can be deleted at any time.
    #[error("the content index failed")]
    Index(#[from] rusqlite::Error),
    /// The ledger of what backups take failed. It can be deleted at any time, and is built anew.
    #[error("the ledger of sizes failed")]
    Ledger(#[source] rusqlite::Error),
    /// A monitor asked to stop. What was done so far is complete in itself.
    #[error("cancelled")]
    Cancelled,
    /// The system failed otherwise.
    #[error("{action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's word.
        source: Cause,
    },
}

impl Error {
    /// What someone who runs the storage can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { .. } => "is the file system mounted?",
            Self::NotAStorage { .. } => {
                "give an empty directory to create a storage, or the right one to open it"
            }
            Self::NewerFormat { .. } => "install the version of Perennial that wrote it, or a newer one",
            Self::OtherOwner { .. } => {
                "stop the other server for good, then take the storage over with `perennial server adopt-storage`"
            }
            Self::Unsupported { .. } => {
                "if the storage has been moved to another file system, take it over with `perennial server adopt-storage`"
            }
            Self::Locked { .. } => "two servers can't share a storage: stop the other one",
            Self::ReadOnly { .. } => "mount it writable; if the kernel made it read-only, check the disk",
            Self::Full { .. } => "delete backups or add space",
            Self::ChainedVolume { .. } => "take a new full image, which does not stand on this one",
            Self::OtherBackup { .. } => "delete one of the two, or rename one of the clients",
            Self::Corrupt { .. } => "`perennial storage repair` shows what can be done",
            _ => return None,
        })
    }

    /// Whether the file system is full.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    pub(crate) fn new(action: &'static str, path: impl AsRef<Path>, source: impl Into<Cause>) -> Self {
        let (path, source) = (path.as_ref().to_owned(), source.into());
        match errno(&source) {
            Some(Errno::NOSPC | Errno::DQUOT) => Self::Full { action, path, source },
            Some(Errno::ROFS) => Self::ReadOnly { action, path },
            Some(Errno::XDEV) => Self::OtherFileSystem { action, path },
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied { action, path, source },
            _ => Self::Io { action, path, source },
        }
    }

    /// An error of a virtual disk. What the system said is told apart as anywhere.
    pub(crate) fn disk(action: &'static str, path: impl AsRef<Path>, source: disk_image::Error) -> Self {
        match source {
            disk_image::Error::Io { action, source, .. } => Self::new(action, path, source),
            disk_image::Error::Cancelled => Self::Cancelled,
            source => Self::Volume {
                action,
                path: path.as_ref().to_owned(),
                source,
            },
        }
    }

    pub(crate) fn invalid_entry(path: &[u8], reason: &'static str) -> Self {
        Self::InvalidEntry {
            path: shown(path),
            reason,
        }
    }

    pub(crate) fn corrupt(path: impl AsRef<Path>, reason: impl ToString) -> Self {
        Self::Corrupt {
            path: path.as_ref().to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn manifest(path: impl AsRef<Path>) -> impl FnOnce(manifest::Error) -> Self {
        let path = path.as_ref().to_owned();
        |source| match source {
            manifest::Error::Io(source) => Self::new("read or write the manifest", path, source),
            source => Self::Manifest { path, source },
        }
    }
}

/// The kernel's number for what went wrong, as far as the cause keeps it.
pub(crate) fn errno(cause: &Cause) -> Option<Errno> {
    match cause {
        Cause::System(error) => Errno::from_io_error(error),
        Cause::Tree(error) => tree_errno(error),
        Cause::CopyOnWrite(error) => cow_errno(error),
    }
}

/// The kernel's number of a failure beneath a directory.
pub(crate) fn tree_errno(error: &file_tree::Error) -> Option<Errno> {
    use file_tree::Error as Tree;
    match error {
        Tree::NotFound { .. } => Some(Errno::NOENT),
        Tree::Exists { .. } => Some(Errno::EXIST),
        Tree::NotEmpty { .. } => Some(Errno::NOTEMPTY),
        Tree::NotDirectory { .. } => Some(Errno::NOTDIR),
        Tree::SymbolicLink { .. } => Some(Errno::LOOP),
        Tree::Busy { .. } => Some(Errno::BUSY),
        Tree::Denied { source, .. }
        | Tree::NoSpace { source, .. }
        | Tree::Unsupported { source, .. }
        | Tree::Io { source, .. } => Some(*source),
        _ => None,
    }
}

fn cow_errno(error: &cow_fs::Error) -> Option<Errno> {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(Errno::from_io_error)
}

/// A path from a backup, for messages.
pub(crate) fn shown(path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(path))
}

/// Says what was tried and on what, when the system refuses.
pub(crate) trait During<T> {
    /// Turns the failure into an [`Error`].
    fn during(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;

    /// The same for an entry of a backup.
    fn during_entry(self, action: &'static str, path: &[u8], name: &[u8]) -> Result<T>;
}

impl<T, E: Into<Cause>> During<T> for Result<T, E> {
    fn during(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::new(action, path, source))
    }

    fn during_entry(self, action: &'static str, path: &[u8], name: &[u8]) -> Result<T> {
        self.map_err(|source| Error::new(action, shown(&manifest::join_path(path, name)), source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_apart_wherever_it_shows() {
        let tree = file_tree::Error::new(file_tree::Operation::Create, b"x", Errno::NOSPC);
        assert!(Error::new("create", "x", tree).is_full());
        assert!(Error::new("create", "x", Errno::DQUOT).is_full());
        assert!(matches!(
            Error::new("link", "x", Errno::XDEV),
            Error::OtherFileSystem { .. }
        ));
        assert!(matches!(
            Error::new("write", "x", Errno::ROFS),
            Error::ReadOnly { .. }
        ));
        assert!(matches!(Error::new("write", "x", Errno::IO), Error::Io { .. }));
    }
}
