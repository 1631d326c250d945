//! Creating entries beneath a directory. Nothing that exists is ever replaced or followed.

use std::fs::File;

use rustix::fs::{AtFlags, Mode, OFlags, makedev, openat};

use crate::error::failed;
use crate::name::check_name;
use crate::stat::DeviceNumber;
use crate::{Dir, Operation, Result};

/// The bits that an entry is created with: setuid, setgid and sticky follow once the owner is right.
const CREATION_MODE: u32 = 0o777;

/// Which kind of device node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    /// A character device.
    Char,
    /// A block device.
    Block,
}

impl Dir {
    /// Creates the directory `name` with `mode` less the process's umask, and opens it.
    pub fn create_dir(&self, name: &[u8], mode: u32) -> Result<Dir> {
        check_name(name)?;
        rustix::fs::mkdirat(self, name, creation_mode(mode)).map_err(failed(Operation::Create, name))?;
        self.child(name)
    }

    /// Creates the regular file `name` with `mode` less the process's umask, open for reading and writing.
    pub fn create_file(&self, name: &[u8], mode: u32) -> Result<File> {
        check_name(name)?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = openat(self, name, flags, creation_mode(mode)).map_err(failed(Operation::Create, name))?;
        Ok(File::from(fd))
    }

    /// Creates the symbolic link `name` with any `target`, which is not looked at.
    pub fn create_symlink(&self, name: &[u8], target: &[u8]) -> Result<()> {
        check_name(name)?;
        rustix::fs::symlinkat(target, self, name).map_err(failed(Operation::Create, name))
    }

    /// Creates the FIFO `name` with `mode` less the process's umask.
    pub fn create_fifo(&self, name: &[u8], mode: u32) -> Result<()> {
        check_name(name)?;
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(self, name, kind, creation_mode(mode), 0).map_err(failed(Operation::Create, name))
    }

    /// Creates the device node `name` with `mode` less the process's umask; needs CAP_MKNOD.
    pub fn create_device(
        &self,
        name: &[u8],
        mode: u32,
        kind: DeviceKind,
        number: DeviceNumber,
    ) -> Result<()> {
        check_name(name)?;
        let kind = match kind {
            DeviceKind::Char => rustix::fs::FileType::CharacterDevice,
            DeviceKind::Block => rustix::fs::FileType::BlockDevice,
        };
        let number = makedev(number.major, number.minor);
        rustix::fs::mknodat(self, name, kind, creation_mode(mode), number)
            .map_err(failed(Operation::Create, name))
    }

    /// Creates the name `name` for the object that `from_name` in `from` is; a symbolic link is not followed.
    pub fn create_hard_link(&self, name: &[u8], from: &Dir, from_name: &[u8]) -> Result<()> {
        check_name(name)?;
        check_name(from_name)?;
        rustix::fs::linkat(from, from_name, self, name, AtFlags::empty())
            .map_err(failed(Operation::Create, name))
    }
}

fn creation_mode(mode: u32) -> Mode {
    Mode::from_raw_mode(mode & CREATION_MODE)
}
