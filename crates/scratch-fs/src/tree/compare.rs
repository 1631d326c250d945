//! The exact comparison of two trees.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, SeekFrom, Stat, openat, readlinkat, seek, statat,
};
use rustix::io::{Errno, Result};

/// What is compared besides names, types, contents, link targets and device numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aspects {
    /// The metadata of the two roots themselves.
    pub root: bool,
    /// Permission bits.
    pub modes: bool,
    /// User and group numbers.
    pub owners: bool,
    /// Modification times, to the nanosecond.
    pub times: bool,
    /// Extended attributes, access control lists among them; without `btrfs.*`, which is inherited from where a
    /// tree lies.
    pub xattrs: bool,
    /// Which names are links to one inode.
    pub hard_links: bool,
    /// Where data and holes are, in blocks as the file systems report them.
    pub holes: bool,
}

impl Aspects {
    /// Everything.
    pub const ALL: Self = Self {
        root: true,
        modes: true,
        owners: true,
        times: true,
        xattrs: true,
        hard_links: true,
        holes: true,
    };
    /// Everything but holes, which file systems place differently.
    pub const METADATA: Self = Self {
        holes: false,
        ..Self::ALL
    };
    /// Names, types, contents, targets and device numbers only.
    pub const CONTENT: Self = Self {
        root: false,
        modes: false,
        owners: false,
        times: false,
        xattrs: false,
        hard_links: false,
        holes: false,
    };
}

/// Compares two trees by [`Aspects::METADATA`]; returns one line per difference, so none if they are equal.
pub fn compare_trees(a: &Path, b: &Path) -> Vec<String> {
    compare_trees_with(a, b, Aspects::METADATA)
}

/// Compares two trees by the aspects; returns one line per difference: `PATH: WHAT: VALUE IN A / VALUE IN B`.
///
/// Follows no links and works beyond `PATH_MAX`. What can't be read is a difference.
pub fn compare_trees_with(a: &Path, b: &Path, aspects: Aspects) -> Vec<String> {
    let mut comparison = Comparison {
        aspects,
        differences: Vec::new(),
        first_names: [HashMap::new(), HashMap::new()],
    };
    let roots = (
        open_dir(CWD, a.as_os_str().as_bytes()),
        open_dir(CWD, b.as_os_str().as_bytes()),
    );
    match roots {
        (Ok(a), Ok(b)) => {
            if aspects.root {
                comparison.metadata([a.as_fd(), b.as_fd()], b".", b".");
            }
            comparison.directories([&a, &b], b"");
        }
        (a, b) => comparison.differ(b".", "open", &a.err(), &b.err()),
    }
    comparison.differences
}

struct Comparison {
    aspects: Aspects,
    differences: Vec<String>,
    /// For each tree: device and inode → the first path at which it was seen.
    first_names: [HashMap<(u64, u64), Vec<u8>>; 2],
}

impl Comparison {
    fn differ(&mut self, path: &[u8], what: &str, a: &dyn std::fmt::Debug, b: &dyn std::fmt::Debug) {
        self.differences
            .push(format!("{}: {what}: {a:?} / {b:?}", path.escape_ascii()));
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, path: &[u8], what: &str, a: T, b: T) {
        if a != b {
            self.differ(path, what, &a, &b);
        }
    }

    fn directories(&mut self, dirs: [&OwnedFd; 2], path: &[u8]) {
        let (a, b) = match (names(dirs[0]), names(dirs[1])) {
            (Ok(a), Ok(b)) => (a, b),
            (a, b) => return self.differ(path, "list", &a.err(), &b.err()),
        };
        for name in a.union(&b) {
            let path = join(path, name);
            match (a.contains(name), b.contains(name)) {
                (true, true) => self.entry(dirs, name, &path),
                (in_a, in_b) => self.differ(&path, "exists", &in_a, &in_b),
            }
        }
    }

    fn entry(&mut self, dirs: [&OwnedFd; 2], name: &[u8], path: &[u8]) {
        let fds = [dirs[0].as_fd(), dirs[1].as_fd()];
        let Some(stats) = self.metadata(fds, name, path) else {
            return;
        };
        match FileType::from_raw_mode(stats[0].st_mode) {
            FileType::Directory => match (open_dir(fds[0], name), open_dir(fds[1], name)) {
                (Ok(a), Ok(b)) => self.directories([&a, &b], path),
                (a, b) => self.differ(path, "open", &a.err(), &b.err()),
            },
            FileType::RegularFile => self.contents(fds, name, path),
            FileType::Symlink => {
                let target = |dir| readlinkat(dir, OsStr::from_bytes(name), Vec::new());
                self.same(path, "target", target(fds[0]), target(fds[1]));
            }
            FileType::CharacterDevice | FileType::BlockDevice => {
                self.same(path, "device number", stats[0].st_rdev, stats[1].st_rdev);
            }
            _ => {}
        }
    }

    /// Compares what `stat` and the extended attributes tell; `None` if there is no sense in going on.
    fn metadata(&mut self, dirs: [BorrowedFd<'_>; 2], name: &[u8], path: &[u8]) -> Option<[Stat; 2]> {
        let stat = |dir| statat(dir, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW);
        let (a, b) = match (stat(dirs[0]), stat(dirs[1])) {
            (Ok(a), Ok(b)) => (a, b),
            (a, b) => {
                self.differ(path, "stat", &a.err(), &b.err());
                return None;
            }
        };
        let kind = FileType::from_raw_mode(a.st_mode);
        let other_kind = FileType::from_raw_mode(b.st_mode);
        if kind != other_kind {
            self.differ(path, "type", &kind, &other_kind);
            return None;
        }
        if self.aspects.modes && kind != FileType::Symlink && a.st_mode != b.st_mode {
            self.differences.push(format!(
                "{}: mode: {:o} / {:o}",
                path.escape_ascii(),
                a.st_mode,
                b.st_mode
            ));
        }
        if self.aspects.owners {
            self.same(path, "owner", (a.st_uid, a.st_gid), (b.st_uid, b.st_gid));
        }
        if self.aspects.times {
            self.same(
                path,
                "mtime",
                (a.st_mtime, a.st_mtime_nsec),
                (b.st_mtime, b.st_mtime_nsec),
            );
        }
        if self.aspects.hard_links && kind != FileType::Directory {
            let mut first = |tree: usize, stat: &Stat| {
                let names = &mut self.first_names[tree];
                names
                    .entry((stat.st_dev, stat.st_ino))
                    .or_insert_with(|| path.to_vec())
                    .escape_ascii()
                    .to_string()
            };
            let (a, b) = (first(0, &a), first(1, &b));
            self.same(path, "hard link of", a, b);
        }
        if self.aspects.xattrs {
            self.same(path, "xattrs", xattrs(dirs[0], name), xattrs(dirs[1], name));
        }
        Some([a, b])
    }

    fn contents(&mut self, dirs: [BorrowedFd<'_>; 2], name: &[u8], path: &[u8]) {
        let open = |dir| {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            openat(dir, OsStr::from_bytes(name), flags, Mode::empty()).map(File::from)
        };
        let (a, b) = match (open(dirs[0]), open(dirs[1])) {
            (Ok(a), Ok(b)) => (a, b),
            (a, b) => return self.differ(path, "open", &a.err(), &b.err()),
        };
        let size = |file: &File| file.metadata().map(|metadata| metadata.len()).unwrap_or(u64::MAX);
        self.same(path, "size", size(&a), size(&b));
        match first_difference(&a, &b) {
            Ok(None) => {}
            Ok(Some(offset)) => self
                .differences
                .push(format!("{}: content: at byte {offset}", path.escape_ascii())),
            Err(error) => self
                .differences
                .push(format!("{}: content: {error}", path.escape_ascii())),
        }
        if self.aspects.holes {
            self.same(path, "data ranges", data_ranges(&a), data_ranges(&b));
        }
    }
}

fn open_dir(dir: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat(dir, OsStr::from_bytes(name), flags, Mode::empty())
}

fn names(dir: &OwnedFd) -> Result<BTreeSet<Vec<u8>>> {
    let mut names = BTreeSet::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.insert(name.to_vec());
        }
    }
    Ok(names)
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        name.to_vec()
    } else {
        [path, b"/", name].concat()
    }
}

/// All extended attributes by name; empty where the file system has none.
fn xattrs(dir: BorrowedFd<'_>, name: &[u8]) -> Result<BTreeMap<String, String>> {
    // There is no lgetxattrat; the way through /proc keeps clear of PATH_MAX.
    let path = PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(OsStr::from_bytes(name));
    let mut list = vec![0; 65_536];
    let list_bytes = match rustix::fs::llistxattr(&path, list.as_mut_slice()) {
        Ok(list_bytes) => list_bytes,
        Err(Errno::OPNOTSUPP) => 0,
        Err(errno) => return Err(errno),
    };
    let mut found = BTreeMap::new();
    for attribute in list[..list_bytes]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
    {
        if attribute.starts_with(b"btrfs.") {
            continue;
        }
        let mut value = vec![0; 65_536];
        let value_bytes = rustix::fs::lgetxattr(&path, OsStr::from_bytes(attribute), value.as_mut_slice())?;
        found.insert(
            attribute.escape_ascii().to_string(),
            value[..value_bytes].escape_ascii().to_string(),
        );
    }
    Ok(found)
}

fn first_difference(a: &File, b: &File) -> std::io::Result<Option<u64>> {
    const STEP_BYTES: usize = 1 << 20;
    let mut buffers = [vec![0; STEP_BYTES], vec![0; STEP_BYTES]];
    let mut offset_bytes = 0;
    loop {
        // What is a hole in both is equal.
        offset_bytes = next_data(a, offset_bytes).min(next_data(b, offset_bytes));
        let a_bytes = read_fully(a, &mut buffers[0], offset_bytes)?;
        let b_bytes = read_fully(b, &mut buffers[1], offset_bytes)?;
        let common = a_bytes.min(b_bytes);
        let differs = (0..common).find(|&at| buffers[0][at] != buffers[1][at]);
        if let Some(at) = differs.or((a_bytes != b_bytes).then_some(common)) {
            return Ok(Some(offset_bytes + at as u64));
        }
        if a_bytes < STEP_BYTES {
            return Ok(None);
        }
        offset_bytes += STEP_BYTES as u64;
    }
}

/// Where data begins at or after the offset; the end of the file if there is none.
fn next_data(file: &File, offset_bytes: u64) -> u64 {
    match seek(file, SeekFrom::Data(offset_bytes)) {
        Ok(data_bytes) => data_bytes,
        Err(Errno::NXIO) => file
            .metadata()
            .map_or(offset_bytes, |metadata| metadata.len().max(offset_bytes)),
        Err(_) => offset_bytes,
    }
}

fn read_fully(file: &File, buffer: &mut [u8], offset_bytes: u64) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset_bytes + filled as u64)? {
            0 => break,
            got => filled += got,
        }
    }
    Ok(filled)
}

/// Begin and end of each range of data.
fn data_ranges(file: &File) -> Result<Vec<(u64, u64)>> {
    let mut ranges = Vec::new();
    let mut position = 0;
    loop {
        let begin = match seek(file, SeekFrom::Data(position)) {
            Ok(begin) => begin,
            Err(Errno::NXIO) => return Ok(ranges),
            Err(errno) => return Err(errno),
        };
        position = seek(file, SeekFrom::Hole(begin))?;
        ranges.push((begin, position));
    }
}
