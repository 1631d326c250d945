//! The making of varied trees: every corner case once, and a random rest.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags, lsetxattr, makedev, mknodat, utimensat,
};

use super::dice::Dice;

/// Sizes at which code that works in blocks tends to change its mind.
const SIZES_BYTES: &[usize] = &[
    0, 1, 511, 4095, 4096, 4097, 16_383, 16_384, 16_385, 131_071, 131_072, 131_073, 262_144, 1_048_575,
    1_048_576, 1_048_577, 1_179_649, 2_500_000,
];

/// Names that break what takes names for text; each is made a file.
const NAMES: &[&[u8]] = &[
    b" ",
    b"-rf",
    b"...",
    b".hidden",
    b"new\nline",
    b"tab\tquote\"'`$(x)\\",
    b"\xff\xfe invalid",
    b"\x01\x7f",
    b"*?[a]",
    b"nfc-\xc3\xa4",
    b"nfd-a\xcc\x88",
    b"CASE",
    b"case",
    b"a",
    b"a.",
    b"a-",
    b"a0",
    b"~",
    b"#x#",
    b"!x",
    b"c:",
];

/// Bits that a file's mode may have, directories aside.
const MODES: &[u32] = &[0o644, 0o600, 0o444, 0o000, 0o755, 0o4755, 0o2755, 0o1644, 0o777];

/// Fills the existing directory with a tree that depends on the seed (and on the rights of the user) alone.
///
/// About 150 entries and 15 MiB: nested directories, odd names, sizes at block boundaries, sparse files, symbolic and
/// hard links, FIFOs, extended attributes, modes, old and far times; as root also owners, device nodes, access
/// control lists and capabilities. What the file system refuses is left out.
pub fn random_tree(seed: u64, dir: &Path) -> io::Result<()> {
    let mut generator = Generator::new(seed);
    generator.corner_cases(dir)?;
    generator.directory(&dir.join("random"), 0)?;
    generator.finish()
}

pub(super) struct Generator {
    pub(super) dice: Dice,
    root: bool,
    /// In the order in which they were made, so parents first.
    directories: Vec<PathBuf>,
    files: Vec<PathBuf>,
    names: u64,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        let root = rustix::process::geteuid().is_root();
        Self {
            dice: Dice::new(seed),
            root,
            directories: Vec::new(),
            files: Vec::new(),
            names: 0,
        }
    }

    fn corner_cases(&mut self, dir: &Path) -> io::Result<()> {
        let names = self.make_dir(&dir.join("names"))?;
        for name in NAMES.iter().copied().chain([&[b'x'; 255][..], &[0xe4; 255][..]]) {
            self.file(&names.join(OsStr::from_bytes(name)), 20)?;
        }
        let sizes = self.make_dir(&dir.join("sizes"))?;
        for &size in SIZES_BYTES {
            self.file(&sizes.join(size.to_string()), size)?;
        }
        let sparse = self.make_dir(&dir.join("sparse"))?;
        self.sparse_file(&sparse.join("only-a-hole"), 3 << 20, &[])?;
        self.sparse_file(
            &sparse.join("hole-first"),
            (2 << 20) + 77,
            &[((2 << 20) - 65_536, 65_536 + 77)],
        )?;
        self.sparse_file(&sparse.join("hole-last"), 5_000_000, &[(0, 70_000)])?;
        self.sparse_file(
            &sparse.join("holes-between"),
            4 << 20,
            &[(0, 4096), (1 << 20, 131_072), (3 << 20, 4096)],
        )?;
        self.sparse_file(&sparse.join("large"), 64 << 20, &[(32 << 20, 4096)])?;
        let links = self.make_dir(&dir.join("links"))?;
        self.links(&links)?;
        let special = self.make_dir(&dir.join("special"))?;
        self.special(&special)?;
        self.make_dir(&dir.join("empty"))?;
        Ok(())
    }

    fn links(&mut self, dir: &Path) -> io::Result<()> {
        let long = "long/".repeat(200);
        for (name, target) in [
            ("dangling", "nothing"),
            ("absolute", "/etc/passwd"),
            ("upward", "../../../../../etc/passwd"),
            ("to-directory", "../names"),
            ("loop", "loop"),
            ("odd", " \n"),
            ("long", long.as_str()),
        ] {
            self.symlink(OsStr::new(target), &dir.join(name))?;
        }
        self.symlink(OsStr::from_bytes(b"\xff\xfe"), &dir.join("bytes"))?;
        let first = dir.join("z-first");
        self.file(&first, 30_000)?;
        let sub = self.make_dir(&dir.join("sub"))?;
        for other in [dir.join("a-second"), sub.join("third"), dir.join("zz-fourth")] {
            tolerate(fs::hard_link(&first, other))?;
        }
        tolerate(fs::hard_link(dir.join("dangling"), dir.join("dangling-too")))
    }

    fn special(&mut self, dir: &Path) -> io::Result<()> {
        self.node(&dir.join("fifo"), FileType::Fifo, 0)?;
        if self.root {
            self.node(&dir.join("null"), FileType::CharacterDevice, makedev(1, 3))?;
            self.node(&dir.join("disk"), FileType::BlockDevice, makedev(7, 1_048_575))?;
            let capable = dir.join("capable");
            self.file(&capable, 100)?;
            // cap_net_raw+ep, revision 2.
            let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            attribute(&capable, "security.capability", &capability)?;
        }
        let acl = self.make_dir(&dir.join("acl"))?;
        attribute(&acl, "system.posix_acl_default", &access_control_list())?;
        let listed = dir.join("listed");
        self.file(&listed, 100)?;
        attribute(&listed, "system.posix_acl_access", &access_control_list())?;
        let attributed = dir.join("attributed");
        self.file(&attributed, 100)?;
        for (name, value) in [
            ("user.empty", vec![]),
            ("user.bytes", vec![0, 255]),
            ("user.large", vec![7; 1500]),
        ] {
            attribute(&attributed, name, &value)?;
        }
        attribute(dir, "user.directory", b"yes")
    }

    /// Makes a directory with random content, up to four levels deep.
    pub(super) fn directory(&mut self, path: &Path, depth: u64) -> io::Result<()> {
        self.make_dir(path)?;
        for _ in 0..2 + self.dice.below(8) {
            let name = self.name();
            let size = self.size();
            self.file(&path.join(name), size)?;
        }
        if self.dice.one_in(2) && !self.files.is_empty() {
            let linked = self.dice.pick(&self.files).clone();
            let name = self.name();
            // It may be gone again, when a tree is changed.
            if linked.is_file() {
                tolerate(fs::hard_link(linked, path.join(name)))?;
            }
        }
        if self.dice.one_in(2) {
            let (name, target) = (self.name(), self.name());
            self.symlink(target.as_os_str(), &path.join(name))?;
        }
        if depth < 4 {
            for _ in 0..self.dice.below(4) + u64::from(depth == 0) {
                let name = self.name();
                self.directory(&path.join(name), depth + 1)?;
            }
        }
        Ok(())
    }

    fn make_dir(&mut self, path: &Path) -> io::Result<PathBuf> {
        fs::create_dir(path)?;
        self.directories.push(path.to_owned());
        Ok(path.to_owned())
    }

    /// A name that was not given before by this generator, sometimes odd.
    pub(super) fn name(&mut self) -> PathBuf {
        self.names += 1;
        let mut name = format!("{:02x}-{}", self.dice.below(256), self.names).into_bytes();
        match self.dice.below(12) {
            0 => name.extend([0xff, b'\n', 0xc3]),
            1 => name.extend("-\u{e4}\u{6f22}\u{1f33b}".bytes()),
            2 => name.resize(200, b'n'),
            3 => name.insert(0, b'.'),
            _ => {}
        }
        PathBuf::from(OsStr::from_bytes(&name))
    }

    /// Mostly small, as in real trees.
    pub(super) fn size(&mut self) -> usize {
        let limit = *self
            .dice
            .pick(&[100, 100, 5000, 5000, 20_000, 20_000, 200_000, 1_500_000]);
        self.dice.below(limit) as usize
    }

    /// Makes a file with random content and metadata.
    pub(super) fn file(&mut self, path: &Path, size: usize) -> io::Result<()> {
        match fs::write(path, self.dice.bytes(size)) {
            // FAT and others don't take every name.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput || error.raw_os_error() == Some(22) => {
                return Ok(());
            }
            outcome => outcome?,
        }
        self.dress(path)?;
        self.files.push(path.to_owned());
        Ok(())
    }

    fn symlink(&mut self, target: &OsStr, path: &Path) -> io::Result<()> {
        tolerate(symlink(target, path))?;
        if path.symlink_metadata().is_ok() {
            self.set_time(path)
        } else {
            Ok(())
        }
    }

    fn node(&mut self, path: &Path, kind: FileType, device: u64) -> io::Result<()> {
        tolerate(mknodat(CWD, path, kind, Mode::RUSR | Mode::WUSR, device).map_err(io::Error::from))?;
        if path.symlink_metadata().is_ok() {
            self.set_time(path)
        } else {
            Ok(())
        }
    }

    fn sparse_file(&mut self, path: &Path, size_bytes: u64, data: &[(u64, usize)]) -> io::Result<()> {
        let file = File::create_new(path)?;
        match file.set_len(size_bytes) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                fs::remove_file(path)?;
                return Ok(());
            }
            outcome => outcome?,
        }
        for &(offset_bytes, len) in data {
            file.write_all_at(&self.dice.bytes(len), offset_bytes)?;
        }
        self.dress(path)
    }

    /// Gives a file random metadata, in an order in which nothing undoes what was set before.
    fn dress(&mut self, path: &Path) -> io::Result<()> {
        if self.root && self.dice.one_in(3) {
            let (user, group) = (self.dice.below(70_000) as u32, self.dice.below(70_000) as u32);
            tolerate(std::os::unix::fs::lchown(path, Some(user), Some(group)))?;
        }
        if self.dice.one_in(6) {
            let len = self.dice.below(300) as usize;
            let value = self.dice.bytes(len);
            attribute(path, "user.random", &value)?;
        }
        let mode = *self.dice.pick(MODES);
        tolerate(fs::set_permissions(path, Permissions::from_mode(mode)))?;
        self.set_time(path)
    }

    fn set_time(&mut self, path: &Path) -> io::Result<()> {
        let secs = match self.dice.below(10) {
            0 => -(self.dice.below(1 << 27) as i64),
            1 => 2_100_000_000 + self.dice.below(1 << 20) as i64,
            _ => 1_600_000_000 + self.dice.below(1 << 27) as i64,
        };
        let time = Timespec {
            tv_sec: secs,
            tv_nsec: self.dice.below(1_000_000_000) as i64,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Gives the directories their metadata, children first, since filling them changes their times.
    /// Forgets what is not there any more, so that nothing is linked to it.
    pub(super) fn forget_vanished(&mut self) {
        let is_file = |path: &PathBuf| path.symlink_metadata().is_ok_and(|found| found.is_file());
        self.files.retain(is_file);
        self.directories.retain(|path| path.is_dir());
    }

    fn finish(&mut self) -> io::Result<()> {
        let mut directories = std::mem::take(&mut self.directories);
        while let Some(path) = directories.pop() {
            // Its owner must be able to delete it.
            let mode = *self.dice.pick(&[0o755, 0o700, 0o1777, 0o2775]);
            if !path.ends_with("acl") {
                tolerate(fs::set_permissions(&path, Permissions::from_mode(mode)))?;
            }
            self.set_time(&path)?;
        }
        Ok(())
    }
}

/// Version 2, then tag, permissions and id of each entry: owner, user 1, user 70000, group, mask, others.
fn access_control_list() -> Vec<u8> {
    let none = u32::MAX;
    let entries = [
        (1u16, 7u16, none),
        (2, 5, 1),
        (2, 4, 70_000),
        (4, 5, none),
        (16, 7, none),
        (32, 0, none),
    ];
    let mut list = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

fn attribute(path: &Path, name: &str, value: &[u8]) -> io::Result<()> {
    tolerate(lsetxattr(path, name, value, XattrFlags::empty()).map_err(io::Error::from))
}

/// Takes it for done where the file system or the user's rights don't allow it.
fn tolerate(outcome: io::Result<()>) -> io::Result<()> {
    use rustix::io::Errno;
    match outcome {
        Err(error)
            if matches!(
                Errno::from_io_error(&error),
                Some(
                    Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::MLINK | Errno::XDEV
                )
            ) =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}
