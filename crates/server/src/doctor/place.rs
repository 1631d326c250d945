//! Where a directory lies: its file system, the disks beneath that, and how much is free. As far as the kernel tells:
//! `/proc/self/mountinfo` (proc(5)) and `/sys/dev/block` (sysfs-block in the kernel's Documentation/ABI).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{major, makedev, minor};

/// Devices may stand on each other; more than so many levels are a mistake.
const MOST_LEVELS: u32 = 16;

/// Where a directory lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The directory.
    pub path: PathBuf,
    /// The number of its file system (`st_dev`).
    pub device: u64,
    /// The name of the file system, as in `/proc/mounts`; empty where it isn't told.
    pub file_system: String,
    /// The disks that it lies on, as far as they are known.
    pub disks: BTreeMap<String, Spin>,
    /// What the file system has in all.
    pub total_bytes: u64,
    /// What is free for everybody.
    pub free_bytes: u64,
}

/// Whether a disk spins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spin {
    /// It does, or says so: many virtual disks do.
    Spins,
    /// It does not.
    Still,
    /// It doesn't tell.
    Unknown,
}

/// What the kernel tells about mounts and block devices.
#[derive(Debug)]
pub struct Machine {
    sys: PathBuf,
    mounts: Vec<Mount>,
}

#[derive(Debug)]
struct Mount {
    device: u64,
    point: PathBuf,
    file_system: String,
    source: PathBuf,
}

impl Machine {
    /// This machine, as this process sees it.
    pub fn here() -> io::Result<Self> {
        let mounts = fs::read("/proc/self/mountinfo")?;
        Ok(Self::of(PathBuf::from("/sys"), &String::from_utf8_lossy(&mounts)))
    }

    /// What is told in this directory and this text of `mountinfo`.
    pub fn of(sys: PathBuf, mountinfo: &str) -> Self {
        Self {
            sys,
            mounts: mountinfo.lines().filter_map(Mount::read).collect(),
        }
    }

    /// Finds out where a directory lies.
    pub fn locate(&self, path: &Path) -> io::Result<Place> {
        let device = fs::metadata(path)?.dev();
        let space = rustix::fs::statvfs(path)?;
        let mount = self.mount_of(&path.canonicalize()?);
        let mut disks = BTreeMap::new();
        if let Some(mount) = mount {
            self.disks_of_mount(mount, 0, &mut disks);
        }
        Ok(Place {
            path: path.to_owned(),
            device,
            file_system: mount.map(|mount| mount.file_system.clone()).unwrap_or_default(),
            disks,
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
        })
    }

    /// The mount that a path lies in: the one deepest down, and of several at one place the last.
    fn mount_of(&self, path: &Path) -> Option<&Mount> {
        let holding = self.mounts.iter().filter(|mount| path.starts_with(&mount.point));
        holding.max_by_key(|mount| mount.point.components().count())
    }

    fn disks_of_mount(&self, mount: &Mount, level: u32, disks: &mut BTreeMap<String, Spin>) {
        if major(mount.device) != 0 {
            return self.disks_of(mount.device, level, disks);
        }
        // A file system with a number of its own, such as btrfs, names its device as the source of the mount.
        let Ok(source) = fs::metadata(&mount.source) else {
            return;
        };
        if source.rdev() == 0 {
            return;
        }
        let siblings = self.btrfs_devices(&mount.source);
        for device in siblings.into_iter().chain([source.rdev()]) {
            self.disks_of(device, level, disks);
        }
    }

    /// All devices of the btrfs that this one is part of.
    fn btrfs_devices(&self, source: &Path) -> Vec<u64> {
        let (Ok(source), Ok(file_systems)) = (source.canonicalize(), fs::read_dir(self.sys.join("fs/btrfs")))
        else {
            return Vec::new();
        };
        let Some(name) = source.file_name() else {
            return Vec::new();
        };
        let mut all = file_systems.flatten().map(|entry| entry.path().join("devices"));
        let Some(devices) = all.find(|devices| devices.join(name).exists()) else {
            return Vec::new();
        };
        let entries = fs::read_dir(devices).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| read_device(&entry.path().join("dev")))
            .collect()
    }

    /// The disks that a block device lies on: through partitions, RAID, device mapper and loop devices.
    fn disks_of(&self, device: u64, level: u32, disks: &mut BTreeMap<String, Spin>) {
        let number = format!("{}:{}", major(device), minor(device));
        let Ok(mut dir) = self.sys.join("dev/block").join(number).canonicalize() else {
            return;
        };
        if level > MOST_LEVELS {
            return;
        }
        if dir.join("partition").exists() {
            dir.pop();
        }
        if let Ok(file) = fs::read_to_string(dir.join("loop/backing_file"))
            && let Ok(file) = Path::new(file.trim_end()).canonicalize()
            && let Some(mount) = self.mount_of(&file)
        {
            return self.disks_of_mount(mount, level + 1, disks);
        }
        let slaves = fs::read_dir(dir.join("slaves")).into_iter().flatten().flatten();
        let slaves: Vec<u64> = slaves
            .filter_map(|slave| read_device(&slave.path().join("dev")))
            .collect();
        if slaves.is_empty() {
            let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
            disks.insert(name, spin_of(&dir));
        }
        for slave in slaves {
            self.disks_of(slave, level + 1, disks);
        }
    }
}

impl Mount {
    /// Reads a line: id, parent, device, root, mount point, options, optional fields, `-`, file system, source, …
    fn read(line: &str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ');
        let device = parse_device(before.nth(2)?)?;
        let point = unescape(before.nth(1)?);
        let mut after = after.split(' ');
        Some(Self {
            device,
            point: point.into(),
            file_system: after.next()?.to_owned(),
            source: unescape(after.next()?).into(),
        })
    }
}

fn spin_of(disk: &Path) -> Spin {
    match fs::read_to_string(disk.join("queue/rotational")) {
        Ok(text) if text.trim() == "1" => Spin::Spins,
        Ok(text) if text.trim() == "0" => Spin::Still,
        _ => Spin::Unknown,
    }
}

fn read_device(path: &Path) -> Option<u64> {
    parse_device(fs::read_to_string(path).ok()?.trim())
}

fn parse_device(text: &str) -> Option<u64> {
    let (major, minor) = text.split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

/// Space, tab, newline and backslash are written as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escaped, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(escaped, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Makes a block device in a `/sys` of its own.
    fn block_device(sys: &Path, name: &str, number: &str, rotational: Option<&str>) -> PathBuf {
        let dir = sys.join("devices").join(name);
        fs::create_dir_all(dir.join("queue")).unwrap();
        fs::create_dir_all(sys.join("dev/block")).unwrap();
        fs::write(dir.join("dev"), format!("{number}\n")).unwrap();
        if let Some(rotational) = rotational {
            fs::write(dir.join("queue/rotational"), format!("{rotational}\n")).unwrap();
        }
        symlink(&dir, sys.join("dev/block").join(number)).unwrap();
        dir
    }

    fn disks(machine: &Machine, device: &str) -> Vec<(String, Spin)> {
        let mut disks = BTreeMap::new();
        machine.disks_of(parse_device(device).unwrap(), 0, &mut disks);
        disks.into_iter().collect()
    }

    #[test]
    fn a_disk_is_found_beneath_partitions_and_mapped_devices() {
        let sys = tempfile::tempdir().unwrap();
        let sys = sys.path();
        block_device(sys, "sda", "8:0", Some("1"));
        let partition = block_device(sys, "sda/sda1", "8:1", None);
        fs::write(partition.join("partition"), "1\n").unwrap();
        block_device(sys, "nvme0n1", "259:0", Some("0"));
        let mapped = block_device(sys, "dm-0", "253:0", Some("1"));
        for (slave, of) in [("sda1", &partition), ("nvme0n1", &sys.join("devices/nvme0n1"))] {
            fs::create_dir_all(mapped.join("slaves")).unwrap();
            symlink(of, mapped.join("slaves").join(slave)).unwrap();
        }
        let machine = Machine::of(sys.to_owned(), "");
        assert_eq!(disks(&machine, "8:1"), [("sda".to_owned(), Spin::Spins)]);
        assert_eq!(
            disks(&machine, "253:0"),
            [
                ("nvme0n1".to_owned(), Spin::Still),
                ("sda".to_owned(), Spin::Spins)
            ]
        );
        assert_eq!(disks(&machine, "9:9"), []);
    }

    #[test]
    fn the_disk_of_a_loop_device_is_that_of_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let sys = dir.path().join("sys");
        block_device(&sys, "vda", "254:0", Some("1"));
        let looped = block_device(&sys, "loop0", "7:0", Some("0"));
        let file = dir.path().join("disk image");
        fs::write(&file, "").unwrap();
        fs::create_dir(looped.join("loop")).unwrap();
        fs::write(looped.join("loop/backing_file"), format!("{}\n", file.display())).unwrap();
        let point = dir.path().canonicalize().unwrap();
        let mountinfo = format!(
            "1 0 0:9 / / rw - overlay overlay rw\n22 1 254:0 / {} rw shared:1 - ext4 /dev/vda rw",
            point.display()
        );
        let machine = Machine::of(sys, &mountinfo);
        assert_eq!(disks(&machine, "7:0"), [("vda".to_owned(), Spin::Spins)]);
        let place = machine.locate(&point).unwrap();
        assert_eq!(place.file_system, "ext4");
        assert!(place.disks.contains_key("vda"));
    }

    #[test]
    fn mount_points_are_read_as_they_are_written() {
        let mount =
            Mount::read(r"36 35 0:33 / /mnt/my\040disk rw,noatime master:1 - fuse.sshfs host:/a rw").unwrap();
        assert_eq!(mount.point, Path::new("/mnt/my disk"));
        assert_eq!((major(mount.device), minor(mount.device)), (0, 33));
        assert_eq!(mount.file_system, "fuse.sshfs");
        assert!(Mount::read("nonsense").is_none());
    }
}
