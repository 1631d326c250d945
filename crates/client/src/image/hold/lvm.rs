//! Snapshots of logical volumes, by LVM's own commands: their metadata, locks and activation are nobody else's business.
//!
//! A snapshot is called `perennial-PID-N`, is tagged `perennial`, and is removed when it is dropped. What a process that is gone has left behind
//! is removed before the next one is made in that volume group.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::leftover;

const NAME_PREFIX: &str = "perennial-";
const TAG: &str = "perennial";
/// Room for what is overwritten while the image is made: this part of the volume, but never more than the half of what is free.
const ROOM_DIVISOR: u64 = 5;
const MIN_ROOM_BYTES: u64 = 8 << 20;

/// A snapshot.
#[derive(Debug)]
pub(super) struct LvmSnapshot {
    group: String,
    name: String,
    path: PathBuf,
    /// Where the volume is mounted.
    mounted_at: PathBuf,
}

/// A logical volume, as LVM tells of it.
#[derive(Debug, PartialEq, Eq)]
struct Logical {
    group: String,
    name: String,
    /// Whether it is in a pool, whose snapshots need no room set aside.
    is_thin: bool,
    free_bytes: u64,
    len_bytes: u64,
}

impl LvmSnapshot {
    /// Makes the snapshot with this number of a logical volume; says why it can't.
    ///
    /// LVM freezes the file system for the moment.
    pub(super) fn create(device_name: &str, number: usize, mounted_at: &Path) -> Result<Self, String> {
        let columns = "vg_name,lv_name,pool_lv,vg_free,lv_size";
        let device = Path::new("/dev/mapper").join(device_name);
        let volume = report(columns, device.as_os_str())?;
        let volume = volume.lines().next().and_then(Logical::parse);
        let volume = volume.ok_or("LVM does not say what it is")?;
        let name = leftover::name(NAME_PREFIX, number);
        sweep(&volume.group, &name);
        let mut command = Command::new("lvcreate");
        command.args([
            "--snapshot",
            "--yes",
            "--quiet",
            "--permission",
            "r",
            "--addtag",
            TAG,
        ]);
        command.args(["--name", &name]);
        if volume.is_thin {
            command.args(["--setactivationskip", "n"]);
        } else {
            command.args(["--size", &format!("{}b", volume.room_bytes()?)]);
        }
        output_of(command.arg(format!("{}/{}", volume.group, volume.name)))?;
        let snapshot = Self {
            path: Path::new("/dev").join(&volume.group).join(&name),
            group: volume.group,
            name,
            mounted_at: mounted_at.to_owned(),
        };
        if snapshot.path.exists() {
            Ok(snapshot)
        } else {
            Err(format!("{} does not appear", snapshot.path.display()))
        }
    }

    /// The device.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Fails if it has run full, which makes it useless.
    pub(super) fn check(&self) -> Result<()> {
        let answer = report("lv_snapshot_invalid", OsStr::new(&self.full_name()));
        match answer.as_deref().map(str::trim) {
            // There is no such thing as an invalid one in a pool.
            Ok("" | "unknown") => Ok(()),
            _ => Err(Error::SnapshotLost {
                path: self.mounted_at.clone(),
            }),
        }
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.group, self.name)
    }
}

impl Drop for LvmSnapshot {
    fn drop(&mut self) {
        remove(&self.full_name());
    }
}

impl Logical {
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.trim().split(':').collect();
        let [group, name, pool, free, len] = fields[..] else {
            return None;
        };
        Some(Self {
            group: group.to_owned(),
            name: name.to_owned(),
            is_thin: !pool.is_empty(),
            free_bytes: free.parse().ok()?,
            len_bytes: len.parse().ok()?,
        })
    }

    fn room_bytes(&self) -> Result<u64, String> {
        let wanted = (self.len_bytes / ROOM_DIVISOR).max(MIN_ROOM_BYTES);
        let room = wanted.min(self.free_bytes / 2);
        if room < MIN_ROOM_BYTES {
            return Err(format!(
                "volume group {} has no room for one ({} MiB are free)",
                self.group,
                self.free_bytes >> 20
            ));
        }
        Ok(room)
    }
}

/// Removes what processes that are gone have left behind, and what has the name that is wanted: this one could not remove it.
fn sweep(group: &str, wanted: &str) {
    let Ok(names) = report("lv_name", OsStr::new(group)) else {
        return;
    };
    for name in names
        .lines()
        .map(str::trim)
        .filter(|name| leftover::is_stale(NAME_PREFIX, name.as_bytes()) || *name == wanted)
    {
        remove(&format!("{group}/{name}"));
    }
}

fn remove(name: &str) {
    let removed = output_of(Command::new("lvremove").args(["--force", "--yes", "--quiet", name]));
    if let Err(reason) = removed {
        tracing::warn!(snapshot = name, "a snapshot can't be removed: {reason}");
    }
}

/// Asks LVM for columns, of a volume or of all in a group.
fn report(columns: &str, of: &OsStr) -> Result<String, String> {
    let mut command = Command::new("lvs");
    command.args(["--noheadings", "--nosuffix", "--units", "b", "--separator", ":"]);
    output_of(command.args(["--options", columns]).arg(of))
}

fn output_of(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // What it says is read by programs here.
    let output = command.env("LC_ALL", "C").output();
    let output = output.map_err(|error| format!("{program} can't be started: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let last = words.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(format!("{program} says: {}", last.unwrap_or("nothing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_read_from_what_lvm_reports() {
        let found = Logical::parse("  system:root::1073741824:4294967296\n").unwrap();
        assert_eq!((found.group.as_str(), found.name.as_str()), ("system", "root"));
        assert!(!found.is_thin);
        assert!(Logical::parse("system:root:pool:0:1").unwrap().is_thin);
        assert!(Logical::parse("system:root").is_none());
        assert!(Logical::parse("system:root::x:1").is_none());
    }

    #[test]
    fn a_snapshot_takes_a_part_of_the_volume_and_leaves_half_of_what_is_free() {
        let volume = |free_mib: u64, len_mib: u64| Logical {
            group: "system".into(),
            name: "root".into(),
            is_thin: false,
            free_bytes: free_mib << 20,
            len_bytes: len_mib << 20,
        };
        assert_eq!(volume(1000, 1000).room_bytes(), Ok(200 << 20));
        assert_eq!(volume(100, 1000).room_bytes(), Ok(50 << 20));
        assert_eq!(volume(100, 10).room_bytes(), Ok(8 << 20));
        assert!(volume(15, 1000).room_bytes().unwrap_err().contains("15 MiB"));
    }

    #[test]
    fn only_what_a_dead_process_made_is_stale() {
        let is_stale = |name: &str| leftover::is_stale(NAME_PREFIX, name.as_bytes());
        let own = rustix::process::getpid().as_raw_nonzero();
        assert!(!is_stale(&format!("perennial-{own}-0")));
        // Above the kernel's limit for process ids (4,194,304).
        assert!(is_stale("perennial-5000000-0"));
        assert!(!is_stale("perennial-data"));
        assert!(!is_stale("root"));
    }
}
