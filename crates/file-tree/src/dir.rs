//! `Dir`: an open directory, and everything that is done by name beneath it.
//!
//! No function takes an absolute path but [`Dir::open`]. A name is one component; a path is resolved beneath
//! the directory by the kernel (openat2 with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS and RESOLVE_NO_MAGICLINKS),
//! so that neither `..` nor a symbolic link leads anywhere.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

use crate::error::failed;
use crate::list::{Lister, Listing};
use crate::name::{check_name, check_path, split_last};
use crate::stat::{FileType, Stat};
use crate::{Error, Operation, Result};

/// How a directory is opened: for listing, never through a symbolic link at its end.
const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// The longest piece of a path that is handed to the kernel at once (PATH_MAX is 4096 with the NUL).
const STEP_BYTES: usize = 4000;

/// How often a resolution that lost a race against a rename (EAGAIN) is tried again in one call.
const RACE_TRIES: usize = 16;

/// An open directory. Entries are reached relative to it, so its own path may change or be longer than
/// PATH_MAX.
#[derive(Debug)]
pub struct Dir {
    fd: OwnedFd,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing an existing file.
    ReadWrite,
}

impl Dir {
    /// Opens the directory at `path`, an operator's own path: symbolic links in it are followed.
    pub fn open(path: &Path) -> Result<Dir> {
        use std::os::unix::ffi::OsStrExt;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())
            .map_err(failed(Operation::Open, path.as_os_str().as_bytes()))?;
        Ok(Dir { fd })
    }

    /// Takes over a descriptor that was opened on a directory for reading.
    pub fn from_fd(fd: OwnedFd) -> Result<Dir> {
        let stat = Stat::of(&fd).map_err(failed(Operation::Stat, b"."))?;
        if stat.kind != FileType::Directory {
            return Err(Error::NotDirectory {
                operation: Operation::Open,
                name: (*b".").into(),
            });
        }
        Ok(Dir { fd })
    }

    /// Opens the subdirectory `name`.
    pub fn child(&self, name: &[u8]) -> Result<Dir> {
        check_name(name)?;
        open_dir_at(self, name).map_err(failed(Operation::Open, name))
    }

    /// Opens the subdirectory `name` and leaves its access time alone where that is allowed.
    pub(crate) fn child_for_scan(&self, name: &[u8]) -> Result<Dir, Errno> {
        Ok(Dir {
            fd: open_noatime(self, name, DIRECTORY)?,
        })
    }

    /// Opens the directory at `path` beneath this one; the empty path opens this directory again.
    ///
    /// Fails with [`Error::BadPath`] if the path is absolute or has an empty, `.` or `..` component, and with
    /// [`Error::SymbolicLink`] or [`Error::NotDirectory`] if any component is not a directory. The length of
    /// the path does not matter.
    pub fn open_beneath(&self, path: &[u8]) -> Result<Dir> {
        check_path(path)?;
        let mut rest = path;
        let mut reached = None;
        loop {
            let (step, remaining) = split_step(rest);
            let from = reached.as_ref().unwrap_or(self);
            let next = resolve(from, step).map_err(failed(Operation::Open, path))?;
            if remaining.is_empty() {
                return Ok(next);
            }
            reached = Some(next);
            rest = remaining;
        }
    }

    /// Opens the parent of `path` beneath this directory and returns it with the last name.
    ///
    /// Fails like [`open_beneath`](Dir::open_beneath), and with [`Error::BadPath`] for the empty path.
    pub fn locate<'a>(&self, path: &'a [u8]) -> Result<(Dir, &'a [u8])> {
        check_path(path)?;
        let (parent, name) = split_last(path).ok_or_else(|| Error::BadPath { path: path.into() })?;
        Ok((self.open_beneath(parent)?, name))
    }

    /// Opens the regular file, FIFO or device `name`, never through a symbolic link and never waiting for a
    /// FIFO's other end.
    pub fn open_file(&self, name: &[u8], access: Access) -> Result<File> {
        check_name(name)?;
        let access = match access {
            Access::Read => OFlags::RDONLY,
            Access::ReadWrite => OFlags::RDWR,
        };
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(self, name, flags, Mode::empty()).map_err(failed(Operation::Open, name))?;
        Ok(File::from(fd))
    }

    /// Returns the target of the symbolic link `name`.
    pub fn read_link(&self, name: &[u8]) -> Result<Box<[u8]>> {
        check_name(name)?;
        let target = rustix::fs::readlinkat(self, name, Vec::new()).map_err(failed(Operation::Read, name))?;
        Ok(target.into_bytes().into_boxed_slice())
    }

    /// Looks at the entry `name` itself.
    pub fn stat(&self, name: &[u8]) -> Result<Stat> {
        check_name(name)?;
        Stat::at(self, name).map_err(failed(Operation::Stat, name))
    }

    /// Looks at this directory.
    pub fn stat_self(&self) -> Result<Stat> {
        Stat::of(self).map_err(failed(Operation::Stat, b"."))
    }

    /// Lists the names in this directory, in the order of the file system.
    pub fn list(&self) -> Result<Listing> {
        // A second descriptor has its own position: threads that share this one don't disturb each other.
        let fd = openat(self, c".", DIRECTORY, Mode::empty()).map_err(failed(Operation::List, b"."))?;
        let mut lister = Lister::new();
        lister.list(fd.as_fd()).map_err(failed(Operation::List, b"."))?;
        Ok(lister.listing)
    }

    /// Removes the entry `name`, which is not a directory.
    pub fn remove(&self, name: &[u8]) -> Result<()> {
        check_name(name)?;
        rustix::fs::unlinkat(self, name, AtFlags::empty()).map_err(failed(Operation::Remove, name))
    }

    /// Removes the empty directory `name`.
    pub fn remove_dir(&self, name: &[u8]) -> Result<()> {
        check_name(name)?;
        rustix::fs::unlinkat(self, name, AtFlags::REMOVEDIR).map_err(failed(Operation::Remove, name))
    }

    /// Renames `name` to `to_name` in `to`, replacing what is there if the kernel's rules for rename(2)
    /// allow.
    pub fn rename(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> Result<()> {
        self.rename_with(name, to, to_name, RenameFlags::empty())
    }

    /// Renames `name` to `to_name` in `to`; fails with [`Error::Exists`] if something is there.
    pub fn rename_new(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> Result<()> {
        self.rename_with(name, to, to_name, RenameFlags::NOREPLACE)
    }

    /// Swaps `name` and `to_name` in `to` in one step.
    pub fn exchange(&self, name: &[u8], to: &Dir, to_name: &[u8]) -> Result<()> {
        self.rename_with(name, to, to_name, RenameFlags::EXCHANGE)
    }

    fn rename_with(&self, name: &[u8], to: &Dir, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        check_name(name)?;
        check_name(to_name)?;
        rustix::fs::renameat_with(self, name, to, to_name, flags).map_err(failed(Operation::Rename, name))
    }

    /// Makes the names in this directory durable.
    pub fn sync(&self) -> Result<()> {
        rustix::fs::fsync(self).map_err(failed(Operation::Sync, b"."))
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Dir> for OwnedFd {
    fn from(dir: Dir) -> OwnedFd {
        dir.fd
    }
}

/// Opens `name` with O_NOATIME, or without where that is refused (only the owner and root may).
pub(crate) fn open_noatime(dir: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let dir = dir.as_fd();
    match openat(dir, name, flags | OFlags::NOATIME, Mode::empty()) {
        Err(Errno::PERM) => openat(dir, name, flags, Mode::empty()),
        opened => opened,
    }
}

/// Opens a directory by the single component `name`, which was checked or comes from a listing.
pub(crate) fn open_dir_at(dir: impl AsFd, name: &[u8]) -> Result<Dir, Errno> {
    Ok(Dir {
        fd: openat(dir, name, DIRECTORY, Mode::empty())?,
    })
}

/// Splits off as many components as fit into one call.
fn split_step(path: &[u8]) -> (&[u8], &[u8]) {
    if path.len() <= STEP_BYTES {
        return (path, b"");
    }
    let slash = path[..STEP_BYTES].iter().rposition(|&byte| byte == b'/');
    let slash = slash.expect("a checked path has a slash within every 256 bytes");
    (&path[..slash], &path[slash + 1..])
}

/// Resolves a checked path that is short enough for one call.
fn resolve(from: &Dir, path: &[u8]) -> Result<Dir, Errno> {
    if path.is_empty() {
        return Ok(Dir {
            fd: openat(from, c".", DIRECTORY, Mode::empty())?,
        });
    }
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 0..RACE_TRIES {
        match openat2(from, path, DIRECTORY, Mode::empty(), how) {
            Ok(fd) => return Ok(Dir { fd }),
            Err(Errno::AGAIN | Errno::INTR) => {}
            // Before Linux 5.6, and in sandboxes that don't know the call.
            Err(Errno::NOSYS) => break,
            Err(errno) => return Err(errno),
        }
    }
    resolve_by_steps(from, path)
}

/// Resolves like [`resolve`], one component at a time: each is opened as a directory and not followed.
fn resolve_by_steps(from: &Dir, path: &[u8]) -> Result<Dir, Errno> {
    let mut components = path.split(|&byte| byte == b'/');
    let first = components.next().unwrap_or(path);
    let mut dir = open_dir_at(from, first)?;
    for name in components {
        dir = open_dir_at(&dir, name)?;
    }
    Ok(dir)
}
