//! Snapshots of the btrfs subvolume that a source lies in.
//!
//! A snapshot is read-only and lies in the subvolume's own root as `.perennial-snapshot-PID-N`. What a killed
//! process left behind is swept when the next backup begins. A snapshot holds one subvolume: what is mounted
//! or nested beneath the source is not in it, so it serves sources that stop at file systems' boundaries only.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cow_fs::btrfs::{self, Access};
use file_tree::{DeviceNumber, Dir};

use crate::error::explain;
use crate::leftover;

/// How the names of snapshots begin; sources leave out what is called so.
pub(super) const NAME_PREFIX: &str = ".perennial-snapshot-";

/// What a snapshot is called in the description of a source.
pub(super) const KIND: &str = "btrfs snapshot";

/// A snapshot that is deleted when it is dropped.
#[derive(Debug)]
pub(super) struct Snapshot {
    subvolume: Dir,
    subvolume_path: PathBuf,
    device: DeviceNumber,
    name: Box<[u8]>,
}

/// The place of a source in its subvolume.
pub(super) struct Place {
    subvolume: Dir,
    subvolume_path: PathBuf,
    pub(super) device: DeviceNumber,
    beneath: Vec<u8>,
}

impl Place {
    /// Finds the subvolume in which `path` lies; the reason in plain words where there is none or it can't be
    /// used.
    pub(super) fn find(path: &Path) -> Result<Self, String> {
        let path = path.canonicalize().map_err(|error| error.to_string())?;
        let device = device_of(&path)?;
        for ancestor in path.ancestors() {
            let dir = Dir::open(ancestor).map_err(|error| error.to_string())?;
            let stat = dir.stat_self().map_err(|error| error.to_string())?;
            if stat.dev != device {
                break;
            }
            if btrfs::is_subvolume(&dir).map_err(|error| error.to_string())? {
                let beneath = path.strip_prefix(ancestor).unwrap_or(Path::new(""));
                return Ok(Self {
                    subvolume: dir,
                    subvolume_path: ancestor.to_owned(),
                    device,
                    beneath: beneath.as_os_str().as_bytes().to_vec(),
                });
            }
        }
        Err("it is not in a btrfs subvolume".to_owned())
    }

    /// Makes a snapshot of the subvolume.
    pub(super) fn snapshot(self, number: usize) -> Result<(Snapshot, Vec<u8>), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can delete snapshots again".to_owned());
        }
        sweep(&self.subvolume);
        let name = leftover::name(NAME_PREFIX, number);
        let times = self
            .subvolume
            .stat_self()
            .map_err(|error| error.to_string())?
            .mtime;
        btrfs::snapshot(
            &self.subvolume,
            &self.subvolume,
            name.as_bytes(),
            Access::ReadOnly,
        )
        .map_err(|error| explain(&error))?;
        restore_mtime(&self.subvolume, times);
        let snapshot = Snapshot {
            subvolume: self.subvolume,
            subvolume_path: self.subvolume_path,
            device: self.device,
            name: name.into_bytes().into(),
        };
        Ok((snapshot, self.beneath))
    }

    /// The path from the subvolume's root.
    pub(super) fn beneath(&self) -> &[u8] {
        &self.beneath
    }
}

impl Snapshot {
    /// Opens the directory that lies at `beneath` in the subvolume, as the snapshot holds it.
    pub(super) fn open(&self, beneath: &[u8]) -> file_tree::Result<Arc<Dir>> {
        self.subvolume
            .child(&self.name)?
            .open_beneath(beneath)
            .map(Arc::new)
    }

    /// The device number of the subvolume that it is a snapshot of.
    pub(super) fn device(&self) -> DeviceNumber {
        self.device
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mtime = self.subvolume.stat_self().map(|stat| stat.mtime);
        if let Err(error) = btrfs::delete_subvolume(&self.subvolume, &self.name) {
            let name = self.subvolume_path.join(OsStr::from_bytes(&self.name));
            tracing::warn!(snapshot = %name.display(), "a snapshot can't be deleted: {}", explain(&error));
        }
        if let Ok(mtime) = mtime {
            restore_mtime(&self.subvolume, mtime);
        }
    }
}

/// Deletes what processes that are gone have left behind.
fn sweep(subvolume: &Dir) {
    let Ok(listing) = subvolume.list() else { return };
    for listed in listing
        .iter()
        .filter(|listed| leftover::is_stale(NAME_PREFIX, listed.name))
    {
        if let Err(error) = btrfs::delete_subvolume(subvolume, listed.name) {
            let name = file_tree::shown(listed.name);
            tracing::warn!("the stale snapshot {name} can't be deleted: {}", explain(&error));
        }
    }
}

/// Gives the subvolume's root the time back that it had before a name in it came or went.
fn restore_mtime(dir: &Dir, mtime: manifest::Timestamp) {
    let times = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        },
        last_modification: rustix::fs::Timespec {
            tv_sec: mtime.secs,
            tv_nsec: i64::from(mtime.nanos),
        },
    };
    // Only a matter of courtesy: nothing depends on it.
    let _ = rustix::fs::futimens(dir, &times);
}

fn device_of(path: &Path) -> Result<DeviceNumber, String> {
    let stat = Dir::open(path).and_then(|dir| dir.stat_self());
    stat.map(|stat| stat.dev).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_dead_processes_left_is_stale() {
        let own = rustix::process::getpid().as_raw_nonzero();
        assert!(!leftover::is_stale(
            NAME_PREFIX,
            format!("{NAME_PREFIX}{own}-0").as_bytes()
        ));
        // Above the kernel's limit for process ids (4,194,304).
        assert!(leftover::is_stale(
            NAME_PREFIX,
            format!("{NAME_PREFIX}4194305-0").as_bytes()
        ));
        for name in [
            "",
            ".perennial-snapshot-",
            ".perennial-snapshot-x",
            ".perennial-snapshot-0",
            "perennial",
        ] {
            assert!(!leftover::is_stale(NAME_PREFIX, name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_directory_outside_of_btrfs_has_no_place() {
        assert!(Place::find(Path::new("/proc/self")).is_err());
    }
}
