//! Owner, mode, times, extended attributes, access lists and inode flags: read from entries and applied to
//! them.
//!
//! Kept are the attributes of `user.` and `trusted.`, `security.capability` and both POSIX access lists.
//! Labels of security modules (`security.selinux` and the like) belong to the machine and its policy and are
//! neither read nor applied, nor is anything else in `security.`, `system.` or a file system's own namespace.
//!
//! Objects that must not be opened (links, FIFOs, devices) or can't be (no permission) are reached through an
//! O_PATH descriptor and its link in `/proc/self/fd`, which leads to that very inode whatever its name stands
//! for by now.

mod apply;
mod handle;
mod read;
mod xattr;

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{IFlags, Mode, ioctl_getflags, ioctl_setflags};
use rustix::io::Errno;

use crate::{Dir, SourceFile};

pub use apply::{Apply, Aspect, NotApplied, Owners, Prior, apply, prepare_empty_file};
pub use read::{read, without_attributes};

/// The object whose metadata is meant.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// An open file or directory; not an O_PATH descriptor.
    Fd(BorrowedFd<'a>),
    /// The entry of this name itself, not what it may link to.
    At(&'a Dir, &'a [u8]),
}

impl<'a> From<&'a File> for Target<'a> {
    fn from(file: &'a File) -> Target<'a> {
        Target::Fd(file.as_fd())
    }
}

impl<'a> From<&'a Dir> for Target<'a> {
    fn from(dir: &'a Dir) -> Target<'a> {
        Target::Fd(dir.as_fd())
    }
}

impl<'a> From<&'a SourceFile> for Target<'a> {
    fn from(file: &'a SourceFile) -> Target<'a> {
        Target::Fd(file.as_fd())
    }
}

impl<'a> Target<'a> {
    /// Returns what the target is called in an error.
    fn name(&self) -> &'a [u8] {
        match self {
            Target::Fd(_) => b"the open file",
            Target::At(_, name) => name,
        }
    }
}

/// Flags that keep an inode, or the names in a directory, from being changed.
const PROTECTION: IFlags = IFlags::from_bits_retain(manifest::InodeFlags::PROTECTING.0);

/// Takes the immutable and append-only flags off an open file or directory.
pub(crate) fn clear_protection(fd: impl AsFd) -> Result<(), Errno> {
    let flags = ioctl_getflags(fd.as_fd())?;
    if flags.intersects(PROTECTION) {
        ioctl_setflags(fd, flags.difference(PROTECTION))?;
    }
    Ok(())
}

/// Changes the mode of what an O_PATH descriptor stands for, which is no symbolic link.
pub(crate) fn change_mode(handle: impl AsFd, mode: Mode) -> Result<(), Errno> {
    rustix::fs::chmod(handle::proc_path(handle), mode)
}
