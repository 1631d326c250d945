//! Renames that exchange two names or refuse to replace one (`renameat2`).

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::{Error, Operation, Result, name};

/// Exchanges two existing names atomically, whatever their types; both must be on one mount.
///
/// [`Error::Unsupported`] where the file system lacks it (some network and FUSE file systems).
pub fn rename_exchange(dir_a: impl AsFd, name_a: &[u8], dir_b: impl AsFd, name_b: &[u8]) -> Result<()> {
    rename(
        Operation::RenameExchange,
        RenameFlags::EXCHANGE,
        (dir_a, name_a),
        (dir_b, name_b),
    )
}

/// Renames atomically and fails with [`Error::AlreadyExists`] rather than replace anything.
///
/// [`Error::Unsupported`] where the file system lacks the flag, and across mounts.
pub fn rename_noreplace(from_dir: impl AsFd, from: &[u8], to_dir: impl AsFd, to: &[u8]) -> Result<()> {
    rename(
        Operation::RenameNoReplace,
        RenameFlags::NOREPLACE,
        (from_dir, from),
        (to_dir, to),
    )
}

fn rename(
    operation: Operation,
    flags: RenameFlags,
    (from_dir, from): (impl AsFd, &[u8]),
    (to_dir, to): (impl AsFd, &[u8]),
) -> Result<()> {
    name::check(operation, from)?;
    name::check(operation, to)?;
    match renameat_with(
        from_dir,
        OsStr::from_bytes(from),
        to_dir,
        OsStr::from_bytes(to),
        flags,
    ) {
        Ok(()) => Ok(()),
        // A file system that does not know a flag answers EINVAL. (So does the kernel when a directory would move
        // beneath itself, which can't be told apart here.)
        Err(Errno::INVAL) => Err(Error::named(operation, from, Errno::OPNOTSUPP)),
        Err(Errno::EXIST | Errno::NOTEMPTY) => Err(Error::named(operation, to, Errno::EXIST)),
        Err(errno) => Err(Error::named(operation, from, errno)),
    }
}
