//! Inode flags (`chattr`), and what is done to a whole file system: syncing, freezing.

use std::os::fd::AsFd;

use rustix::fs;
pub use rustix::fs::IFlags as InodeFlags;

use crate::{Error, Operation, Result, sys};

/// Reads the inode's flags (`FS_IOC_GETFLAGS`); [`Error::Unsupported`] where the file system has none.
///
/// The descriptor must not be an `O_PATH` one. Flags that this version has no name for are retained.
pub fn inode_flags(fd: impl AsFd) -> Result<InodeFlags> {
    fs::ioctl_getflags(fd).map_err(|errno| Error::new(Operation::ReadInodeFlags, errno))
}

/// Replaces all of the inode's flags (`FS_IOC_SETFLAGS`).
///
/// Also flags that only the kernel may change (such as ext4's extent flag) must have their present value;
/// [`replace_inode_flags`] sees to that. Immutable and append-only need `CAP_LINUX_IMMUTABLE`.
pub fn set_inode_flags(fd: impl AsFd, flags: InodeFlags) -> Result<()> {
    fs::ioctl_setflags(fd, flags).map_err(|errno| Error::new(Operation::SetInodeFlags, errno))
}

/// Sets the flags in `mask` to their value in `flags` and leaves the others as they are.
///
/// Writes only where something changes, so it succeeds on read-only inodes that are right already.
pub fn replace_inode_flags(fd: impl AsFd, mask: InodeFlags, flags: InodeFlags) -> Result<()> {
    let present = inode_flags(&fd)?;
    let wanted = (present - mask) | (flags & mask);
    if wanted == present {
        Ok(())
    } else {
        set_inode_flags(&fd, wanted)
    }
}

/// Begins to write a range of a file to the disk and does not wait for it.
///
/// It says that the range is not needed soon (`posix_fadvise`), for which Linux writes what is dirty of it, and may
/// give up what is written already. Where that is not so, it has no effect.
pub fn start_writeback(fd: impl AsFd, offset_bytes: u64, len_bytes: u64) -> Result<()> {
    let len = std::num::NonZeroU64::new(len_bytes);
    fs::fadvise(fd, offset_bytes, len, fs::Advice::DontNeed)
        .map_err(|errno| Error::new(Operation::StartWriteback, errno))
}

/// Makes everything written so far to the file system of `fd` durable (`syncfs`).
///
/// Write errors of the file system since the descriptor was opened are reported here (Linux 5.8 and later), so the
/// descriptor should be opened before the writing begins.
pub fn sync_file_system(fd: impl AsFd) -> Result<()> {
    fs::syncfs(fd).map_err(|errno| Error::new(Operation::SyncFileSystem, errno))
}

/// Writes all that the file system of `fd` holds back and has everything wait that wants to write to it (`FIFREEZE`), until
/// [`thaw_file_system`].
///
/// It stays frozen when this process ends, however it ends. Needs `CAP_SYS_ADMIN`; [`Error::Busy`] where it is frozen
/// already, [`Error::Unsupported`] where the file system can't be.
pub fn freeze_file_system(fd: impl AsFd) -> Result<()> {
    sys::freeze(fd.as_fd()).map_err(|errno| Error::new(Operation::Freeze, errno))
}

/// Lets the file system of `fd` be written to again (`FITHAW`); [`Error::Invalid`] where it is not frozen.
pub fn thaw_file_system(fd: impl AsFd) -> Result<()> {
    sys::thaw(fd.as_fd()).map_err(|errno| Error::new(Operation::Thaw, errno))
}
