//! What is mounted and which loop devices are in use, and putting an end to both.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::mount::{UnmountFlags, unmount};

use crate::file_system::run;

/// How often a busy mount is tried again before it is detached lazily.
const BUSY_RETRIES: u32 = 10;

/// A line of `/proc/self/mountinfo`.
pub(crate) struct Mount {
    /// The device.
    pub(crate) source: PathBuf,
    pub(crate) mount_point: PathBuf,
}

/// All mounts in the order in which they were made.
pub(crate) fn mounts() -> Vec<Mount> {
    let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
    table.split(|&byte| byte == b'\n').filter_map(parse).collect()
}

fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let separator = fields.iter().position(|field| *field == b"-")?;
    Some(Mount {
        source: unescape(fields.get(separator + 2)?),
        mount_point: unescape(fields.get(4)?),
    })
}

/// Decodes `\ooo`.
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail
            .get(..3)
            .filter(|digits| first == b'\\' && digits.iter().all(|d| (b'0'..=b'7').contains(d)));
        match octal {
            Some(digits) => {
                bytes.push(digits.iter().fold(0u8, |value, digit| {
                    value.wrapping_mul(8).wrapping_add(digit - b'0')
                }));
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// The file behind the loop device that is mounted at `mount_point`.
pub(crate) fn backing_file(mount_point: &Path) -> Option<PathBuf> {
    let mount = mounts()
        .into_iter()
        .rev()
        .find(|mount| mount.mount_point == mount_point)?;
    let device = mount.source.file_name()?.to_owned();
    let text = fs::read(Path::new("/sys/block").join(device).join("loop/backing_file")).ok()?;
    Some(PathBuf::from(std::ffi::OsString::from_vec(
        text.strip_suffix(b"\n").unwrap_or(&text).to_vec(),
    )))
}

/// Unmounts everything at or beneath the directory, the latest first.
pub(crate) fn unmount_beneath(dir: &Path) {
    for mount in mounts()
        .iter()
        .rev()
        .filter(|mount| mount.mount_point.starts_with(dir))
    {
        unmount_at(&mount.mount_point);
    }
}

/// Unmounts; what stays busy is detached from the tree and ends when its last user does.
pub(crate) fn unmount_at(mount_point: &Path) {
    for _ in 0..BUSY_RETRIES {
        match unmount(mount_point, UnmountFlags::empty()) {
            Err(rustix::io::Errno::BUSY) => thread::sleep(Duration::from_millis(20)),
            _ => return,
        }
    }
    let _ = unmount(mount_point, UnmountFlags::DETACH);
}

/// Detaches the loop devices whose file lies beneath the directory; `mount -o loop` leaves one only if killed.
pub(crate) fn detach_loops_beneath(dir: &Path) {
    let Ok(devices) = fs::read_dir("/sys/block") else {
        return;
    };
    for device in devices.flatten() {
        let Ok(text) = fs::read(device.path().join("loop/backing_file")) else {
            continue;
        };
        if PathBuf::from(std::ffi::OsString::from_vec(text)).starts_with(dir) {
            let _ = run(
                "losetup",
                Command::new("losetup")
                    .arg("-d")
                    .arg(Path::new("/dev").join(device.file_name())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_with_blanks_are_decoded() {
        let line = br"36 35 98:0 / /mnt\040a\134b rw,noatime master:1 - ext4 /dev/root\011x rw";
        let mount = parse(line).expect("the line is well-formed");
        assert_eq!(mount.mount_point, Path::new(r"/mnt a\b"));
        assert_eq!(mount.source, Path::new("/dev/root\tx"));
    }
}
