//! Disks that are backed up as images: files with a partition table and real file systems.

use std::fs::{self, File};
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const MIB: u64 = 1 << 20;

/// A disk with a GPT, an ext4 and an XFS.
pub struct SourceDisk {
    pub path: PathBuf,
}

/// The places of its volumes.
pub const EXT4: Range<u64> = MIB..401 * MIB;
pub const XFS: Range<u64> = 401 * MIB..801 * MIB;
pub const DISK_BYTES: u64 = 810 * MIB;

/// Something mounted, unmounted when it is dropped.
pub struct Mounted {
    pub path: PathBuf,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(&self.path).status();
        if !std::thread::panicking() {
            assert!(
                status.unwrap().success(),
                "{} can't be unmounted",
                self.path.display()
            );
            fs::remove_dir(&self.path).unwrap();
        }
    }
}

impl SourceDisk {
    /// Makes one with empty file systems.
    pub fn create(path: PathBuf) -> Self {
        let file = File::create(&path).unwrap();
        file.set_len(DISK_BYTES).unwrap();
        let place = |range: &Range<u64>| format!("{}:{}", range.start / 512, range.end / 512 - 1);
        run(Command::new("sgdisk")
            .arg(format!("--new=1:{}", place(&EXT4)))
            .arg("--change-name=1:root")
            .arg(format!("--new=2:{}", place(&XFS)))
            .arg("--change-name=2:data")
            .arg(&path));
        let disk = Self { path };
        disk.format(&EXT4, &["mkfs.ext4", "-q", "-b", "4096", "-L", "system"]);
        disk.format(&XFS, &["mkfs.xfs", "-q", "-L", "data"]);
        disk
    }

    /// Makes a file system in a place of the disk.
    pub fn format(&self, range: &Range<u64>, mkfs: &[&str]) {
        let volume = self.path.with_extension("mkfs");
        let file = File::create(&volume).unwrap();
        file.set_len(range.end - range.start).unwrap();
        run(Command::new(mkfs[0]).args(&mkfs[1..]).arg(&volume));
        let disk = File::options().write(true).open(&self.path).unwrap();
        let mut buffer = vec![0; MIB as usize];
        for at in (0..range.end - range.start).step_by(MIB as usize) {
            file_read(&volume, &mut buffer, at);
            disk.write_all_at(&buffer, range.start + at).unwrap();
        }
        fs::remove_file(volume).unwrap();
    }

    /// Mounts a volume for as long as the work takes.
    pub fn with_volume<T>(&self, range: &Range<u64>, work: impl FnOnce(&Path) -> T) -> T {
        let mounted = mount(&self.path, range, "rw");
        work(&mounted.path)
    }

    /// A copy of the disk as it is.
    pub fn copy(&self, to: &Path) -> Self {
        run(Command::new("cp").arg("--sparse=always").arg(&self.path).arg(to));
        Self { path: to.to_owned() }
    }
}

fn file_read(path: &Path, buffer: &mut [u8], at: u64) {
    File::open(path).unwrap().read_exact_at(buffer, at).unwrap();
}

/// Mounts a part of a file beside it.
pub fn mount(file: &Path, range: &Range<u64>, access: &str) -> Mounted {
    let path = tempfile::tempdir_in(file.parent().unwrap()).unwrap().keep();
    let options = format!(
        "loop,{access},offset={},sizelimit={}",
        range.start,
        range.end - range.start
    );
    run(Command::new("mount").arg("-o").arg(options).arg(file).arg(&path));
    Mounted { path }
}

/// Runs a program that must succeed; returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Gives a disk the partition table that a script for sfdisk tells.
pub fn partition(disk: &Path, script: &str) {
    let mut sfdisk = Command::new("sfdisk")
        .arg("-q")
        .arg(disk)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    sfdisk.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(sfdisk.wait().unwrap().success());
}

/// Takes a part of a file out into one of its own, holes included.
pub fn cut_out(file: &Path, range: &Range<u64>, to: &Path) {
    run(Command::new("dd")
        .arg(format!("if={}", file.display()))
        .arg(format!("of={}", to.display()))
        .args(["bs=1M", "conv=sparse", "status=none"])
        .arg(format!("skip={}", range.start / MIB))
        .arg(format!("count={}", (range.end - range.start) / MIB)));
}

/// Fails unless the file systems on a disk are sound, and hold the same as those of another.
pub fn assert_same_volumes(expected: &Path, found: &Path) {
    for range in [EXT4, XFS] {
        let volume = found.with_extension("volume");
        cut_out(found, &range, &volume);
        if range == EXT4 {
            run(Command::new("e2fsck").arg("-fn").arg(&volume));
        } else {
            run(Command::new("xfs_repair").arg("-n").arg(&volume));
        }
        fs::remove_file(volume).unwrap();
        let before = mount(expected, &range, "ro");
        // Both file systems have one identity.
        let access = if range == XFS { "ro,nouuid" } else { "ro" };
        let after = mount(found, &range, access);
        crate::lab::assert_same(&before.path, &after.path);
    }
    run(Command::new("sgdisk").arg("--verify").arg(found));
}
