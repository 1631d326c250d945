//! Subvolumes of btrfs: create, snapshot, delete, access, and waiting for the deleted to be gone.
//!
//! All functions take directory descriptors that are open for reading (not `O_PATH`) and names as bytes. On other
//! file systems they fail with [`Error::Unsupported`].
//!
//! **Without privileges** creating subvolumes and snapshotting one's own works wherever one may write. Deleting
//! needs the mount option `user_subvol_rm_allowed`, ownership of the subvolume and write permission on it, so a
//! read-only one must be made writable first; without that option only `rmdir` of an empty subvolume works.
//! [`is_cleaned`] needs `CAP_SYS_ADMIN`.

use std::os::fd::AsFd;
use std::str::FromStr;

use rustix::fs::{XattrFlags, fsetxattr, fstat, fstatfs};
use rustix::io::Errno;

use crate::{Error, Operation, Result, name, sys};

/// `BTRFS_SUPER_MAGIC`.
pub const SUPER_MAGIC: u64 = 0x9123_683e;

/// The inode number of every subvolume's root directory (`BTRFS_FIRST_FREE_OBJECTID`).
pub(crate) const SUBVOLUME_INODE: u64 = 256;

/// Whether a subvolume may be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing in it can be changed, whoever tries.
    ReadOnly,
    /// The usual permissions decide.
    Writable,
}

/// The number that names a subvolume within its file system; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubvolumeId(pub u64);

/// What `btrfs.compression` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Zstandard.
    Zstd,
    /// Deflate.
    Zlib,
    /// LZO.
    Lzo,
    /// None, even if the file system is mounted with compression.
    Off,
}

impl Compression {
    /// The word that the kernel knows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Zlib => "zlib",
            Self::Lzo => "lzo",
            Self::Off => "none",
        }
    }
}

/// The word names no compression that btrfs has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is none of zstd, zlib, lzo, none")]
pub struct UnknownCompression {
    /// The word.
    pub word: String,
}

impl FromStr for Compression {
    type Err = UnknownCompression;

    fn from_str(word: &str) -> Result<Self, UnknownCompression> {
        [Self::Zstd, Self::Zlib, Self::Lzo, Self::Off]
            .into_iter()
            .find(|compression| compression.as_str() == word)
            .ok_or_else(|| UnknownCompression {
                word: word.to_owned(),
            })
    }
}

/// Creates an empty, writable subvolume `name` in the directory `parent`.
///
/// Fails with [`Error::AlreadyExists`] where the name is taken. It belongs to the caller with mode 0777 less umask.
pub fn create_subvolume(parent: impl AsFd, name: &[u8]) -> Result<()> {
    let operation = Operation::CreateSubvolume;
    name::check(operation, name)?;
    sys::create_subvolume(parent.as_fd(), name).map_err(|errno| Error::named(operation, name, errno))
}

/// Snapshots the subvolume that `source` is the root of as `name` in the directory `parent`.
///
/// Both must be on one file system ([`Error::Unsupported`] else). Subvolumes nested in the source appear as empty
/// directories. Data that is still in memory is written out first; the snapshot itself is durable after the next
/// [`sync`] or [`crate::sync_file_system`].
pub fn snapshot(source: impl AsFd, parent: impl AsFd, name: &[u8], access: Access) -> Result<()> {
    let operation = Operation::SnapshotSubvolume;
    name::check(operation, name)?;
    let flags = match access {
        Access::ReadOnly => sys::SUBVOLUME_READ_ONLY,
        Access::Writable => 0,
    };
    sys::snapshot_subvolume(source.as_fd(), parent.as_fd(), name, flags)
        .map_err(|errno| Error::named(operation, name, errno))
}

/// Deletes the subvolume `name` in the directory `parent` and returns at once.
///
/// The name is gone when it returns; the space comes back later, see [`is_cleaned`]. The deletion is durable after
/// the next [`sync`]; a power loss before that brings the whole subvolume back. Fails with [`Error::AlreadyExists`]
/// while it contains another subvolume, [`Error::Busy`] while it is sent or a mount point, [`Error::Invalid`] if
/// the name is no subvolume.
pub fn delete_subvolume(parent: impl AsFd, name: &[u8]) -> Result<()> {
    let operation = Operation::DeleteSubvolume;
    name::check(operation, name)?;
    sys::delete_subvolume(parent.as_fd(), name).map_err(|errno| Error::named(operation, name, errno))
}

/// Reads whether the subvolume that `subvolume` is the root of may be changed.
pub fn access(subvolume: impl AsFd) -> Result<Access> {
    let flags = sys::subvolume_flags(subvolume.as_fd())
        .map_err(|errno| Error::new(Operation::ReadSubvolumeAccess, errno))?;
    Ok(if flags & sys::SUBVOLUME_READ_ONLY != 0 {
        Access::ReadOnly
    } else {
        Access::Writable
    })
}

/// Sets whether the subvolume that `subvolume` is the root of may be changed.
///
/// Needs ownership of it or `CAP_SYS_ADMIN`. Files that are open for writing can be written to for as long as they
/// stay open, so they should be closed before. [`Error::Busy`] while the subvolume is being sent.
pub fn set_access(subvolume: impl AsFd, access: Access) -> Result<()> {
    let operation = Operation::SetSubvolumeAccess;
    let present = sys::subvolume_flags(subvolume.as_fd()).map_err(|errno| Error::new(operation, errno))?;
    let wanted = match access {
        Access::ReadOnly => present | sys::SUBVOLUME_READ_ONLY,
        Access::Writable => present & !sys::SUBVOLUME_READ_ONLY,
    };
    if wanted == present {
        return Ok(());
    }
    sys::set_subvolume_flags(subvolume.as_fd(), wanted).map_err(|errno| Error::new(operation, errno))
}

/// Tells whether `fd` is the root directory of a subvolume (the file system's own root is one too).
pub fn is_subvolume(fd: impl AsFd) -> Result<bool> {
    let failed = |errno| Error::new(Operation::IdentifyFileSystem, errno);
    let file_system = fstatfs(&fd).map_err(failed)?;
    if file_system.f_type as u64 & 0xffff_ffff != SUPER_MAGIC {
        return Ok(false);
    }
    Ok(fstat(&fd).map_err(failed)?.st_ino == SUBVOLUME_INODE)
}

/// Reads the id of the subvolume in which the file or directory lies.
pub fn subvolume_id(fd: impl AsFd) -> Result<SubvolumeId> {
    sys::subvolume_id(fd.as_fd())
        .map(SubvolumeId)
        .map_err(|errno| Error::new(Operation::ReadSubvolumeId, errno))
}

/// Tells whether a deleted subvolume's space has been freed, for polling; `fd` is anything on the file system.
///
/// The kernel cleans up in the background after the transaction of the deletion has been committed: at the latest
/// 30 seconds later by default, sooner after [`sync`]. Polling a root item works on every kernel
/// (`BTRFS_IOC_SUBVOL_SYNC_WAIT` is newer than Debian 12's 6.1). Also true for ids that never were.
pub fn is_cleaned(fd: impl AsFd, id: SubvolumeId) -> Result<bool> {
    sys::root_item_exists(fd.as_fd(), id.0)
        .map(|exists| !exists)
        .map_err(|errno| Error::new(Operation::FindSubvolume, errno))
}

/// Commits the file system's running transaction and wakes the cleaner of deleted subvolumes.
pub fn sync(fd: impl AsFd) -> Result<()> {
    sys::commit_transaction(fd.as_fd()).map_err(|errno| Error::new(Operation::CommitTransaction, errno))
}

/// Sets how new data of the file is compressed; new entries of a directory inherit it. Levels are a matter of the
/// mount options.
pub fn set_compression(fd: impl AsFd, compression: Compression) -> Result<()> {
    let value = compression.as_str().as_bytes();
    match fsetxattr(fd, "btrfs.compression", value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => Err(Error::new(Operation::SetCompression, Errno::OPNOTSUPP)),
        Err(errno) => Err(Error::new(Operation::SetCompression, errno)),
    }
}
