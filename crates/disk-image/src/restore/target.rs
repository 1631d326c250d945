//! What a disk is restored onto: a device, or a file that stands for one.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

use crate::source::DiskSource;
use crate::{Error, Result};

/// Whether a target that something else uses is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InUse {
    /// It is refused.
    Refuse,
    /// It is taken all the same.
    Override,
}

/// An open target.
#[derive(Debug)]
pub struct Target {
    pub(super) file: File,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Device,
    File,
}

impl Target {
    /// Opens a target for reading and writing; a file that is not there is created.
    ///
    /// # Errors
    /// [`Error::InUse`] where a device is mounted, or has a partition that is, or is part of another device, and where a file or
    /// device lies behind a loop device.
    pub fn open(path: &Path, in_use: InUse) -> Result<Self> {
        let io = |source| Error::Io {
            action: "open the target for",
            offset_bytes: 0,
            len_bytes: 0,
            source,
        };
        let busy = || Error::InUse {
            path: path.to_owned(),
        };
        let is_device = match fs::metadata(path) {
            Ok(found) => found.file_type().is_block_device(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
            Err(error) => return Err(io(error)),
        };
        let mut options = File::options();
        options.read(true).write(true);
        if in_use == InUse::Refuse && is_behind_loop(path) {
            return Err(busy());
        }
        if !is_device {
            options.create(true).truncate(false).mode(0o600);
        } else if in_use == InUse::Refuse {
            // The kernel lets nobody else in who asks for the device for itself: mounts, swap, RAID.
            options.custom_flags(OFlags::EXCL.bits() as i32);
        }
        let file = match options.open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => return Err(busy()),
            opened => opened.map_err(io)?,
        };
        let kind = if is_device { Kind::Device } else { Kind::File };
        Ok(Self { file, kind })
    }

    /// The size that it has and keeps; `None` for a file, which becomes as long as needed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn fixed_len_bytes(&self) -> Result<Option<u64>> {
        match self.kind {
            Kind::Device => crate::source::len(&self.file).map(Some),
            Kind::File => Ok(None),
        }
    }

    /// Whether it is a device.
    pub fn is_device(&self) -> bool {
        self.kind == Kind::Device
    }

    /// Whether there is nothing in it yet.
    pub fn is_empty(&self) -> bool {
        self.kind == Kind::File && self.file.len_bytes().is_ok_and(|len| len == 0)
    }
}

/// Whether a loop device leads to this file or device.
fn is_behind_loop(path: &Path) -> bool {
    let Ok(path) = fs::canonicalize(path) else {
        return false;
    };
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    devices
        .filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok())
        .any(|file| Path::new(file.trim_end_matches('\n')) == path)
}
