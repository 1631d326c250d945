//! The disks of this machine, as the kernel tells of them in `/sys`, and what of them is mounted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// A block device: a whole disk or a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockDevice {
    /// As the kernel calls it.
    pub(super) name: String,
    /// Its node.
    pub(super) path: PathBuf,
    /// Its number, as in `mountinfo`.
    pub(super) number: (u32, u32),
    /// Of a partition, the disk that it is on, its number and where it begins.
    pub(super) partition: Option<Place>,
}

/// The place of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The disk's name.
    pub(super) disk: String,
    /// The partition's number.
    pub(super) number: u32,
    /// Where it begins.
    pub(super) start_bytes: u64,
}

/// How a device is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    /// Where it is mounted.
    pub(super) path: PathBuf,
    /// Whether nobody can write to it.
    pub(super) is_read_only: bool,
}

/// What the kernel tells.
#[derive(Debug, Default)]
pub(super) struct Machine {
    devices: Vec<BlockDevice>,
    mounts: Vec<((u32, u32), Mount)>,
    /// The loop devices behind which a file or device lies, each with where in it it begins.
    loops: BTreeMap<PathBuf, Vec<(String, u64)>>,
}

/// Disks that nobody means by "all": what lies in memory, behind other disks, or in a drive for discs.
const NOT_ALL: [&str; 7] = ["loop", "ram", "zram", "sr", "fd", "dm-", "md"];

impl BlockDevice {
    /// A name that stays: that of a logical volume rather than the number that it has this time.
    pub(super) fn lasting_name(&self) -> String {
        let mapped = self.mapped_name();
        // A slash in a device's name is an exclamation mark there.
        mapped
            .unwrap_or_else(|| self.name.clone())
            .replace(['!', '/'], "_")
    }

    /// The name that device mapper has for a logical volume of LVM; `None` for all other devices.
    pub(super) fn logical_volume(&self) -> Option<String> {
        read(&self.name, "dm/uuid").filter(|uuid| uuid.starts_with("LVM-"))?;
        self.mapped_name()
    }

    fn mapped_name(&self) -> Option<String> {
        read(&self.name, "dm/name").filter(|name| !name.is_empty())
    }
}

impl Machine {
    /// Looks at this machine. What can't be read is not there.
    pub(super) fn look() -> Self {
        let mut machine = Self::default();
        for name in names_in(Path::new("/sys/class/block")) {
            if let Some(device) = device(&name) {
                if let Some(file) = read(&name, "loop/backing_file") {
                    let devices = machine.loops.entry(PathBuf::from(file)).or_default();
                    let offset = read(&name, "loop/offset").and_then(|offset| offset.parse().ok());
                    devices.push((name.clone(), offset.unwrap_or_default()));
                }
                machine.devices.push(device);
            }
        }
        machine.devices.sort_by(|a, b| a.name.cmp(&b.name));
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        machine.mounts = table.lines().filter_map(mount).collect();
        machine
    }

    /// All disks, and what stands for one: loop devices, and what is put together of other disks.
    pub(super) fn disks(&self) -> impl Iterator<Item = &BlockDevice> {
        self.devices.iter().filter(|device| device.partition.is_none())
    }

    /// The disks that "all" means.
    pub(super) fn all_disks(&self) -> impl Iterator<Item = &BlockDevice> {
        self.disks().filter(|device| {
            let is_plain = !NOT_ALL.iter().any(|prefix| device.name.starts_with(prefix));
            let is_fixed = read(&device.name, "removable").as_deref() != Some("1");
            let has_medium = read(&device.name, "size").is_some_and(|size| size != "0");
            is_plain && is_fixed && has_medium
        })
    }

    /// The device of this name.
    pub(super) fn by_name(&self, name: &str) -> Option<&BlockDevice> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The device with this number.
    pub(super) fn by_number(&self, number: (u32, u32)) -> Option<&BlockDevice> {
        self.devices.iter().find(|device| device.number == number)
    }

    /// The partitions of a disk.
    pub(super) fn partitions<'a>(&'a self, disk: &'a str) -> impl Iterator<Item = &'a BlockDevice> {
        self.devices
            .iter()
            .filter(move |device| device.partition.as_ref().is_some_and(|place| place.disk == disk))
    }

    /// The device that is mounted at a path.
    pub(super) fn mounted_at(&self, path: &Path) -> Option<&BlockDevice> {
        let (number, _) = self.mounts.iter().rev().find(|(_, mount)| mount.path == path)?;
        self.by_number(*number)
    }

    /// The number of the device whose file system has a path.
    pub(super) fn holding(&self, path: &Path) -> Option<(u32, u32)> {
        let path = fs::canonicalize(path).ok()?;
        let above = self
            .mounts
            .iter()
            .filter(|(_, mount)| path.starts_with(&mount.path));
        // Of several at one place the last covers the others.
        above
            .max_by_key(|(_, mount)| mount.path.components().count())
            .map(|(number, _)| *number)
    }

    /// Where a device is mounted: the place where it can be written to, if there is one.
    pub(super) fn mount(&self, number: (u32, u32)) -> Option<&Mount> {
        let mut mounts = self.mounts.iter().filter(|(of, _)| *of == number);
        let first = mounts.next()?;
        let writable = mounts.find(|(_, mount)| first.1.is_read_only && !mount.is_read_only);
        Some(&writable.unwrap_or(first).1)
    }

    /// The loop devices behind which a file or device lies, each with where in it it begins.
    pub(super) fn loops_of(&self, file: &Path) -> impl Iterator<Item = (&BlockDevice, u64)> {
        let loops = self.loops.get(file).map(Vec::as_slice).unwrap_or_default();
        loops
            .iter()
            .filter_map(|(name, offset)| Some((self.by_name(name)?, *offset)))
    }
}

/// The number of a block device's node.
pub(super) fn number_of(path: &Path) -> Option<(u32, u32)> {
    let metadata = fs::metadata(path).ok()?;
    let device = metadata.rdev();
    metadata
        .file_type()
        .is_block_device()
        .then(|| (rustix::fs::major(device), rustix::fs::minor(device)))
}

fn device(name: &str) -> Option<BlockDevice> {
    let (major, minor) = read(name, "dev")?
        .split_once(':')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))?;
    let number = (major.parse().ok()?, minor.parse().ok()?);
    let partition = read(name, "partition").and_then(|number| {
        let real = fs::canonicalize(format!("/sys/class/block/{name}")).ok()?;
        Some(Place {
            disk: real.parent()?.file_name()?.to_str()?.to_owned(),
            number: number.parse().ok()?,
            start_bytes: read(name, "start")?.parse::<u64>().ok()?.checked_mul(512)?,
        })
    });
    Some(BlockDevice {
        // A slash in a device's name is an exclamation mark there.
        path: Path::new("/dev").join(name.replace('!', "/")),
        name: name.to_owned(),
        number,
        partition,
    })
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn read(name: &str, file: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/block/{name}/{file}")).ok()?;
    Some(text.trim_end().to_owned())
}

/// Reads a line of `mountinfo`: `ID PARENT MAJOR:MINOR ROOT PATH OPTIONS … - TYPE SOURCE SUPER-OPTIONS`.
fn mount(line: &str) -> Option<((u32, u32), Mount)> {
    let (front, back) = line.split_once(" - ")?;
    let front: Vec<&str> = front.split(' ').collect();
    let back: Vec<&str> = back.split(' ').collect();
    let (major, minor) = front.get(2)?.split_once(':')?;
    let mut number = (major.parse().ok()?, minor.parse().ok()?);
    if number.0 == 0 {
        // A file system that may span devices has a number of its own; its source is one of them.
        number = number_of(Path::new(&unescaped(back.get(1)?)))?;
    }
    let is_read_only = |options: &str| options.split(',').any(|option| option == "ro");
    Some((
        number,
        Mount {
            path: PathBuf::from(unescaped(front.get(4)?)),
            // Whether the file system can change, not whether it can through this mount.
            is_read_only: is_read_only(back.get(2)?),
        },
    ))
}

/// Spaces and the like are written as octal numbers behind a backslash.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                out.push(code);
                out.extend_from_slice(&part.as_bytes()[3..]);
            }
            None => {
                out.push(b'\\');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mounts_are_read() {
        let line = r"36 35 8:1 / /mnt/a\040b rw,noatime shared:1 - ext4 /dev/sda1 ro,errors=continue";
        let (number, mount) = mount(&line.replace(r"\\", r"\")).unwrap();
        assert_eq!(number, (8, 1));
        assert_eq!(mount.path, Path::new("/mnt/a b"));
        assert!(mount.is_read_only);
        assert!(super::mount("36 35 0:22 / /proc rw - proc proc rw").is_none());
        assert!(super::mount("nonsense").is_none());
    }

    #[test]
    fn what_is_no_octal_number_stays() {
        assert_eq!(unescaped(r"a\134b\x"), r"a\b\x");
    }
}
