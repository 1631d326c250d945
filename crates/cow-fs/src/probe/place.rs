//! The temporary subdirectory of a probe, which goes when it is dropped.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Operation, Result, btrfs};

/// The subvolumes that the trial may leave behind where it fails half-way.
pub(crate) const SUBVOLUMES: [&[u8]; 2] = [b"subvolume-snapshot", b"subvolume"];

static NEXT: AtomicU64 = AtomicU64::new(0);

pub(crate) struct Place {
    path: PathBuf,
    dir: File,
}

impl Place {
    /// Creates it in `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self> {
        let failed = |source| Error::at(Operation::Probe, parent, source);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!(".probe-{}-{number}", std::process::id()));
        match fs::create_dir(&path) {
            // Left behind by a process of the same number that was killed.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if let Ok(dir) = File::open(&path) {
                    drop(Self {
                        path: path.clone(),
                        dir,
                    });
                }
                fs::create_dir(&path).map_err(failed)?;
            }
            outcome => outcome.map_err(failed)?,
        }
        let dir = File::open(&path).inspect_err(|_| {
            let _ = fs::remove_dir(&path);
        });
        Ok(Self {
            dir: dir.map_err(failed)?,
            path,
        })
    }

    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    pub(crate) fn path(&self, name: &[u8]) -> PathBuf {
        self.path.join(OsStr::from_bytes(name))
    }

    /// Creates the file `name`, open for reading and writing.
    pub(crate) fn file(&self, name: &str) -> io::Result<File> {
        File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path(name.as_bytes()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for name in SUBVOLUMES {
            if let Ok(subvolume) = File::open(self.path(name)) {
                let _ = btrfs::set_access(&subvolume, btrfs::Access::Writable);
                let _ = btrfs::delete_subvolume(&self.dir, name);
            }
        }
        // Where deleting subvolumes is denied, emptying and removing them as directories may still work.
        let _ = fs::remove_dir_all(&self.path);
    }
}
