//! What all of these tests do: an image, a tree in it, and what comes out of it again, written down so that it can be compared.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use disk_image::volume::identify;
use scratch_fs::Scratch;
use volume_files::extract::{Existing, Extracted, Watch, extract};
use volume_files::{Files, open};

pub const MIB: u64 = 1 << 20;

/// A file that stands for a volume.
pub struct Image {
    dir: tempfile::TempDir,
    pub path: PathBuf,
}

/// Problems as they are told.
#[derive(Default)]
pub struct Told {
    pub problems: Vec<(String, String)>,
}

impl Watch for Told {
    fn done(&mut self, _len_bytes: u64) {}

    fn problem(&mut self, path: &[u8], reason: String) {
        self.problems
            .push((String::from_utf8_lossy(path).into_owned(), reason));
    }

    fn is_cancelled(&self) -> bool {
        false
    }
}

impl Image {
    /// An empty one, given to a program as its last argument.
    pub fn made_by(program: &str, options: &str, len_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        File::create(&path).unwrap().set_len(len_bytes).unwrap();
        let image = Self { dir, path };
        let mut arguments: Vec<&str> = options.split_whitespace().collect();
        arguments.push(image.path());
        run(program, &arguments);
        image
    }

    pub fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Opens it as what it is and looks at it.
    pub fn with<T>(&self, look: impl FnOnce(&Files<'_>) -> T) -> T {
        let file = File::open(&self.path).unwrap();
        let volume = identify(&file).unwrap();
        look(&open(&file, volume.file_system).unwrap())
    }

    /// Extracts what a path leads to into an empty directory; returns it and what was said.
    pub fn extracted(&self, path: &str) -> (PathBuf, Extracted, Told) {
        let to = tempfile::tempdir_in(self.dir()).unwrap().keep();
        let (extracted, told) = self.extract_to(path, &to, Existing::Fail).unwrap();
        (to, extracted, told)
    }

    pub fn extract_to(
        &self,
        path: &str,
        to: &Path,
        existing: Existing,
    ) -> volume_files::Result<(Extracted, Told)> {
        self.with(|files| {
            let mut told = Told::default();
            let entry = files.find(path.as_bytes())?;
            let to = file_tree::Dir::open(to).unwrap();
            let extracted = extract(files, &entry, &to, existing, &mut told)?;
            Ok((extracted, told))
        })
    }
}

/// Says why a test is skipped, if any of the programs is missing, or they can't be used.
pub fn cant(programs: &[&str]) -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let is_there = |program: &str| path.split(':').any(|dir| Path::new(dir).join(program).exists());
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let missing = programs.iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        eprintln!("skipped: {program} is not installed");
    } else if !is_root || !Path::new("/dev/loop-control").exists() || !Path::new("/dev/fuse").exists() {
        eprintln!("skipped: it takes root, /dev/fuse and loop devices");
        return true;
    }
    missing.is_some()
}

fn output_of(command: &mut Command) -> std::process::Output {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    command
        .env("PATH", path)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .output()
        .unwrap()
}

/// Runs a program, which must succeed; returns what it printed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = output_of(Command::new(program).args(arguments));
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{program} {arguments:?}: {out}{err}");
    out
}

/// The image, mounted by the kernel; `None`, and said, where it can't be.
pub fn mounted(image: &Image) -> Option<Scratch> {
    match Scratch::mount_image(&image.path) {
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
    pub fn mount(program: &str, options: &[&str], image: &str, dir: PathBuf) -> Self {
        fs::create_dir_all(&dir).unwrap();
        let mut arguments = options.to_vec();
        arguments.extend([image, dir.to_str().unwrap()]);
        run(program, &arguments);
        Self { dir }
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
            if !output_of(Command::new("pgrep").args(["-f", "--", dir]))
                .status
                .success()
            {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Bytes without any order, the same for each seed.
pub fn noise(seed: u64, len_bytes: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..len_bytes).map(next).collect()
}

/// What a file system can't have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Without {
    Nothing,
    /// Only what is beyond FAT.
    Links,
}

/// Fills a directory with files of all sorts.
pub fn fill(dir: &Path, many: u64, large_bytes: u64, without: Without) {
    let unicode = "größe ファイル 𝄞.txt";
    fs::write(dir.join(unicode), "names in Unicode").unwrap();
    fs::write(dir.join("empty"), []).unwrap();
    fs::write(dir.join("one byte"), "x").unwrap();
    fs::write(dir.join("n".repeat(255)), "a long name").unwrap();
    fs::create_dir(dir.join("empty directory")).unwrap();
    let mut deep = dir.join("deep");
    for level in 0..20 {
        deep.push(format!("directory of level {level}"));
    }
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("at the bottom"), noise(5, 70_000)).unwrap();
    fs::create_dir(dir.join("many")).unwrap();
    let name = |number: u64| dir.join(format!("many/file with a long name {number}"));
    for number in 0..many {
        fs::write(name(number), noise(number, 10 + number * 7 % 9000)).unwrap();
    }
    File::open(dir).unwrap().sync_all().ok();
    // What is written now lies in the gaps, and the directory has entries that are not in use.
    for number in (0..many).step_by(3) {
        fs::remove_file(name(number)).unwrap();
    }
    fs::write(dir.join("large"), noise(99, large_bytes)).unwrap();
    for number in (1..many).step_by(50).filter(|number| number % 3 != 0) {
        let bytes = noise(number + 1, 40_000);
        File::options()
            .append(true)
            .open(name(number))
            .unwrap()
            .write_all_at(&bytes, 0)
            .err();
        fs::write(name(number), bytes).unwrap();
    }
    // A directory whose blocks still have the names of what is gone.
    fs::create_dir(dir.join("emptied")).unwrap();
    let gone = |number: u64| dir.join(format!("emptied/no longer there {number}"));
    (0..many).for_each(|number| fs::write(gone(number), []).unwrap());
    (0..many)
        .filter(|number| *number != many / 2)
        .for_each(|number| fs::remove_file(gone(number)).unwrap());
    if without == Without::Links {
        return;
    }
    let sparse = File::create(dir.join("sparse")).unwrap();
    sparse.write_all_at(b"at the beginning", 0).unwrap();
    sparse.write_all_at(&noise(7, 100_000), 20 * MIB + 77).unwrap();
    sparse.set_len(60 * MIB + 5).unwrap();
    File::create(dir.join("nothing but a hole"))
        .unwrap()
        .set_len(3 * MIB)
        .unwrap();
    symlink("empty", dir.join("short link")).unwrap();
    symlink("../".repeat(60) + "nowhere", dir.join("long link")).unwrap();
    symlink("/etc", dir.join("link to a directory")).unwrap();
}

/// Gives a file a time, in seconds from 1970.
pub fn set_time(path: &Path, secs: i64) {
    let offset = Duration::from_secs(secs.unsigned_abs());
    let time = if secs < 0 {
        SystemTime::UNIX_EPOCH - offset
    } else {
        SystemTime::UNIX_EPOCH + offset
    };
    File::options()
        .read(true)
        .open(path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

/// What is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// Also modes and owners.
    All,
    /// Not modes and owners, which the file system does not have.
    ContentAndTimes,
}

/// A tree in lines, without what a file system has for itself.
pub fn written_down(dir: &Path, compared: Compared) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![dir.to_owned()];
    while let Some(path) = left.pop() {
        let data = fs::symlink_metadata(&path).unwrap();
        let mut content = Vec::new();
        if data.is_dir() {
            let entries = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
            left.extend(entries.filter(|path| path.file_name() != Some(OsStr::new("lost+found"))));
        } else if data.is_symlink() {
            content = fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec();
        } else if data.is_file() {
            content = fs::read(&path).unwrap();
        }
        if path == dir {
            continue;
        }
        let owner = match compared {
            Compared::All => format!("{:o} {}:{}", data.mode(), data.uid(), data.gid()),
            Compared::ContentAndTimes => format!("{:o}", data.mode() & 0o170_000),
        };
        let time = match compared {
            Compared::All => format!("{}.{}", data.mtime(), data.mtime_nsec()),
            Compared::ContentAndTimes if data.is_symlink() => String::new(),
            Compared::ContentAndTimes => data.mtime().to_string(),
        };
        let name = path.strip_prefix(dir).unwrap();
        lines.push(format!(
            "{name:?} {owner} {time} {} {:x}",
            content.len(),
            hash(&content)
        ));
    }
    lines.sort();
    lines
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// Fails with what differs, and not with all lines.
pub fn assert_same(expected: &[String], found: &[String]) {
    let missing: Vec<_> = expected
        .iter()
        .filter(|line| !found.contains(line))
        .take(5)
        .collect();
    let more: Vec<_> = found
        .iter()
        .filter(|line| !expected.contains(line))
        .take(5)
        .collect();
    assert!(
        missing.is_empty() && more.is_empty(),
        "missing: {missing:#?}\nmore: {more:#?}"
    );
    assert!(expected.len() > 20, "{expected:?}");
}
