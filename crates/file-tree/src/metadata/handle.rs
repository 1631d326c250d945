//! `Handle`: one way to a target for all the calls that read or change metadata.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Gid, IFlags, Mode, OFlags, Timestamps, Uid, XattrFlags, openat};
use rustix::fs::{ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use crate::name::check_name;
use crate::stat::{FileType, Stat};
use crate::{Error, Operation, Result};

use super::Target;

/// A descriptor of the target.
#[derive(Debug)]
pub(super) enum Handle<'a> {
    /// Open for reading or writing.
    Open(BorrowedFd<'a>),
    /// Opened here, for reading.
    Owned(OwnedFd),
    /// An O_PATH descriptor: whatever needs more goes by way of its link in /proc.
    Path(OwnedFd, String),
}

/// Returns the link that leads to the inode of a descriptor of this process.
pub(super) fn proc_path(fd: impl AsFd) -> String {
    format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd())
}

impl<'a> Handle<'a> {
    /// Reaches the target without opening it.
    pub(super) fn new(target: Target<'a>, operation: Operation) -> Result<Handle<'a>> {
        match target {
            Target::Fd(fd) => Ok(Handle::Open(fd)),
            Target::At(dir, name) => {
                check_name(name)?;
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = openat(dir, name, flags, Mode::empty())
                    .map_err(|errno| Error::new(operation, name, errno))?;
                let path = proc_path(&fd);
                Ok(Handle::Path(fd, path))
            }
        }
    }

    /// Reaches the target for reading: files and directories are opened if that is allowed, which makes the
    /// rest cheaper.
    pub(super) fn for_reading(target: Target<'a>, kind: FileType) -> Result<Handle<'a>> {
        if let Target::At(dir, name) = target
            && matches!(kind, FileType::File | FileType::Directory)
        {
            check_name(name)?;
            let flags =
                OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            if let Ok(fd) = crate::dir::open_noatime(dir, name, flags) {
                return Ok(Handle::Owned(fd));
            }
        }
        Handle::new(target, Operation::ReadMetadata)
    }

    pub(super) fn stat(&self) -> Result<Stat, Errno> {
        Stat::of(self)
    }

    pub(super) fn list_xattrs(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Handle::Path(_, path) => rustix::fs::listxattr(path, buffer),
            _ => rustix::fs::flistxattr(self, buffer),
        }
    }

    pub(super) fn get_xattr(&self, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Handle::Path(_, path) => rustix::fs::getxattr(path, name, buffer),
            _ => rustix::fs::fgetxattr(self, name, buffer),
        }
    }

    pub(super) fn set_xattr(&self, name: &[u8], value: &[u8]) -> Result<(), Errno> {
        match self {
            Handle::Path(_, path) => rustix::fs::setxattr(path, name, value, XattrFlags::empty()),
            _ => rustix::fs::fsetxattr(self, name, value, XattrFlags::empty()),
        }
    }

    pub(super) fn remove_xattr(&self, name: &[u8]) -> Result<(), Errno> {
        match self {
            Handle::Path(_, path) => rustix::fs::removexattr(path, name),
            _ => rustix::fs::fremovexattr(self, name),
        }
    }

    pub(super) fn set_owner(&self, uid: Option<u32>, gid: Option<u32>) -> Result<(), Errno> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        rustix::fs::chownat(self, c"", uid, gid, AtFlags::EMPTY_PATH)
    }

    pub(super) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        let mode = Mode::from_raw_mode(mode);
        match self {
            Handle::Path(_, path) => rustix::fs::chmod(path, mode),
            _ => rustix::fs::fchmod(self, mode),
        }
    }

    pub(super) fn set_times(&self, times: &Timestamps) -> Result<(), Errno> {
        match self {
            Handle::Path(..) => rustix::fs::utimensat(self, c"", times, AtFlags::EMPTY_PATH),
            _ => rustix::fs::futimens(self, times),
        }
    }

    /// Reads the inode's flags; the target is a file or directory.
    pub(super) fn flags(&self) -> Result<IFlags, Errno> {
        self.with_real_descriptor(|fd| ioctl_getflags(fd))
    }

    /// Sets the inode's flags; the target is a file or directory.
    pub(super) fn set_flags(&self, flags: IFlags) -> Result<(), Errno> {
        self.with_real_descriptor(|fd| ioctl_setflags(fd, flags))
    }

    fn with_real_descriptor<T>(
        &self,
        run: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        match self {
            Handle::Path(_, path) => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                run(rustix::fs::open(path, flags, Mode::empty())?.as_fd())
            }
            _ => run(self.as_fd()),
        }
    }
}

impl AsFd for Handle<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Open(fd) => *fd,
            Handle::Owned(fd) | Handle::Path(fd, _) => fd.as_fd(),
        }
    }
}
