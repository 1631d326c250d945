//! What all of these tests do: an image, its copy by the map, and trees written down so that they can be compared.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use disk_image::volume::{FileSystem, LeaveOut, Stillness, Trust, UsedMap, Volume, identify, used};
use scratch_fs::Scratch;

pub const KIB: u64 = 1 << 10;
pub const MIB: u64 = 1 << 20;

/// A file that stands for a volume.
pub struct Image {
    dir: tempfile::TempDir,
    pub path: PathBuf,
}

impl Image {
    /// An empty one.
    pub fn create(len_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        File::create(&path).unwrap().set_len(len_bytes).unwrap();
        Self { dir, path }
    }

    /// Runs a tool with the image as its last argument.
    pub fn made_by(self, program: &str, arguments: &[&str]) -> Self {
        let mut all = arguments.to_vec();
        all.push(self.path.to_str().unwrap());
        run(program, &all);
        self
    }

    pub fn file(&self) -> File {
        File::open(&self.path).unwrap()
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn volume(&self) -> Volume {
        identify(&self.file()).unwrap()
    }

    /// The map, which must be exact.
    pub fn map(&self, leave_out: LeaveOut) -> UsedMap {
        let file = self.file();
        let volume = identify(&file).unwrap();
        let map = used(&file, &volume, leave_out, Stillness::default()).unwrap();
        assert_eq!(map.trust(), &Trust::Exact, "{volume:?}");
        assert_well_formed(&map, file.metadata().unwrap().len());
        map
    }

    /// The reason for which everything is in use.
    pub fn distrust(&self) -> String {
        let file = self.file();
        let map = used(
            &file,
            &identify(&file).unwrap(),
            LeaveOut::default(),
            Stillness::default(),
        )
        .unwrap();
        assert_eq!(map.used_bytes(), file.metadata().unwrap().len());
        match map.trust() {
            Trust::Everything { reason } => reason.clone(),
            Trust::Exact => panic!("the map was trusted"),
        }
    }

    /// A copy of the ranges of a map, with zeros everywhere else.
    pub fn copied_by(&self, map: &UsedMap) -> PathBuf {
        let copy = self.dir.path().join("copy");
        let (from, to) = (self.file(), File::create(&copy).unwrap());
        to.set_len(from.metadata().unwrap().len()).unwrap();
        let mut buffer = vec![0; MIB as usize];
        for range in map.ranges() {
            for at in range.clone().step_by(buffer.len()) {
                let piece = &mut buffer[..(range.end - at).min(MIB) as usize];
                from.read_exact_at(piece, at).unwrap();
                if piece.iter().any(|byte| *byte != 0) {
                    to.write_all_at(piece, at).unwrap();
                }
            }
        }
        copy
    }

    /// Fails unless `blkid` names it as we do.
    pub fn assert_named(&self, file_system: FileSystem, kind: &str) {
        let volume = self.volume();
        assert_eq!(volume.file_system, file_system);
        let value = |tag: &str| {
            let arguments = ["-p", "-o", "value", "-s", tag, self.path()];
            let output = output_of(Command::new("blkid").args(arguments));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        assert_eq!(value("TYPE"), kind);
        assert_eq!(value("UUID"), volume.id);
        assert_eq!(value("LABEL"), volume.label);
    }
}

pub fn assert_well_formed(map: &UsedMap, len_bytes: u64) {
    let ranges = map.ranges();
    assert!(
        ranges
            .iter()
            .all(|range| range.start < range.end && range.end <= len_bytes)
    );
    assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
}

/// Fails if a map has more than what a tool calls used, or less.
pub fn assert_tight(map: &UsedMap, reported_bytes: u64, slack_bytes: u64) {
    let used = map.used_bytes();
    assert!(
        used <= reported_bytes + slack_bytes && used + slack_bytes >= reported_bytes,
        "{used} bytes are used by the map, {reported_bytes} by the tool"
    );
}

/// Says why a test is skipped, if any of the programs is missing.
pub fn lacks(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let is_there = |program: &str| path.split(':').any(|dir| Path::new(dir).join(program).exists());
    let missing = programs.iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        eprintln!("skipped: {program} is not installed");
    }
    missing.is_some()
}

/// Says why a test is skipped, where file systems in user space can't be mounted.
pub fn cant_mount() -> bool {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let has_devices = ["/dev/fuse", "/dev/loop-control"].map(|path| Path::new(path).exists());
    if !is_root || has_devices.contains(&false) {
        eprintln!("skipped: it takes root, /dev/fuse and loop devices");
    }
    !is_root || has_devices.contains(&false)
}

fn output_of(command: &mut Command) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    command
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap()
}

/// Runs a program, which must succeed; returns what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = output_of(Command::new(program).args(arguments));
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}\n{out}{err}",
        output.status
    );
    out.into_owned()
}

/// The number that a tool prints behind a name, in some line.
pub fn number_after(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let digits: String = line
        .unwrap_or_else(|| panic!("no {name} in {text}"))
        .chars()
        .skip_while(|letter| !letter.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().unwrap()
}

/// A file system in an image, mounted by the kernel; `None`, and said, where it can't be.
pub fn mounted(path: &Path) -> Option<Scratch> {
    match Scratch::mount_image(path) {
        Ok(scratch) => Some(scratch),
        Err(scratch_fs::Error::Unavailable { reason }) => {
            eprintln!("skipped: {reason}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// A file system in user space; unmounted when dropped.
pub struct FuseMount {
    pub dir: PathBuf,
}

impl FuseMount {
    /// Mounts an image by a program that takes it and a directory.
    pub fn mount(program: &str, options: &[&str], image: &Path, dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let mut arguments = options.to_vec();
        arguments.extend([image.to_str().unwrap(), dir.to_str().unwrap()]);
        run(program, &arguments);
        Self { dir: dir.to_owned() }
    }
}

impl FuseMount {
    /// As [`Self::mount`], for a program that takes nothing but block devices.
    pub fn mount_by_loop(program: &str, image: &Path, dir: &Path) -> Self {
        let device = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
        let device = device.trim();
        let mount = std::panic::catch_unwind(|| Self::mount(program, &[], Path::new(device), dir));
        // It goes when it is no longer in use, which is when it is unmounted.
        run("losetup", &["--detach", device]);
        mount.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Drop for FuseMount {
    fn drop(&mut self) {
        let dir = self.dir.to_str().unwrap();
        for _ in 0..100 {
            if output_of(Command::new("umount").arg(dir)).status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        // The program in user space writes on until it ends, which is after the unmounting.
        for _ in 0..500 {
            let output = output_of(Command::new("pgrep").args(["-f", "--", dir]));
            if !output.status.success() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Writes files that interleave, deletes every other one, and fills the gaps with one that is fragmented by that.
pub fn fill(dir: &Path, budget_bytes: u64) {
    let bytes = |seed: u64, len: u64| -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let next = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(next).collect()
    };
    let file_bytes = 6000;
    let files = (budget_bytes / 2 / 8192).min(600);
    fs::create_dir_all(dir.join("many/deep")).unwrap();
    let name = |number: u64| dir.join(format!("many/file with a long name {number}"));
    for number in 0..files {
        fs::write(name(number), bytes(number, file_bytes + number * 7)).unwrap();
    }
    sync(dir);
    for number in (0..files).step_by(2) {
        fs::remove_file(name(number)).unwrap();
    }
    sync(dir);
    fs::write(dir.join("many/deep/large"), bytes(99, budget_bytes / 3)).unwrap();
    fs::write(dir.join("gone"), bytes(98, budget_bytes / 6)).unwrap();
    sync(dir);
    fs::remove_file(dir.join("gone")).unwrap();
    fs::write(dir.join("empty"), []).unwrap();
    // Holes: some file systems have none, and write zeros.
    let sparse = File::create(dir.join("sparse")).unwrap();
    sparse
        .write_all_at(b"at the end of a hole", budget_bytes / 8)
        .unwrap();
    let mut appended = File::options().append(true).open(name(1)).unwrap();
    appended.write_all(&bytes(97, 30_000)).unwrap();
    sync(dir);
}

fn sync(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        // FUSE may not know how to.
        let _ = dir.sync_all();
    }
}

/// A tree in lines: each entry with its kind, size, times and a hash of its content.
pub fn written_down(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let mut hasher = DefaultHasher::new();
        if data.is_dir() {
            let entries: io::Result<Vec<_>> = fs::read_dir(&path).unwrap().collect();
            left.extend(entries.unwrap().into_iter().map(|entry| entry.path()));
        } else if data.is_symlink() {
            fs::read_link(&path).unwrap().hash(&mut hasher);
        } else if data.is_file() {
            fs::read(&path).unwrap().hash(&mut hasher);
        }
        let name = path.strip_prefix(dir).unwrap();
        let hash = hasher.finish();
        let size = if data.is_dir() { 0 } else { data.len() };
        lines.push(format!(
            "{name:?} {:o} {size} {} {hash:x}",
            data.mode(),
            data.mtime()
        ));
    }
    lines.sort();
    lines
}
