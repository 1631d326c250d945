//! The kinds of file systems that can be made, and whether this machine can make them.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use crate::{Error, Result, mib};

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileSystem {
    /// btrfs: reflinks and subvolumes.
    Btrfs,
    /// XFS with reflinks.
    Xfs,
    /// ext4: neither.
    Ext4,
    /// FAT: no links, owners, modes, holes; many kernels in containers lack it.
    Vfat,
}

/// Tells whether btrfs, XFS and ext4 can all be made and mounted, and what is missing if not.
pub fn available() -> Result<(), String> {
    [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4]
        .into_iter()
        .try_for_each(FileSystem::available)
}

impl FileSystem {
    /// Tells whether this kind can be made and mounted, and what is missing if not.
    pub fn available(self) -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("scratch file systems need root".to_owned());
        }
        if !Path::new("/dev/loop-control").exists() {
            return Err("scratch file systems need loop devices (/dev/loop-control)".to_owned());
        }
        for program in [self.mkfs(), "mount", "losetup"] {
            if !is_installed(program) {
                return Err(format!("{program} is not installed"));
            }
        }
        if self.kernel_knows() {
            Ok(())
        } else {
            Err(format!("the kernel has no {}", self.name()))
        }
    }

    /// The name that `mount -t` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Btrfs => "btrfs",
            Self::Xfs => "xfs",
            Self::Ext4 => "ext4",
            Self::Vfat => "vfat",
        }
    }

    fn mkfs(self) -> &'static str {
        match self {
            Self::Btrfs => "mkfs.btrfs",
            Self::Xfs => "mkfs.xfs",
            Self::Ext4 => "mkfs.ext4",
            Self::Vfat => "mkfs.vfat",
        }
    }

    /// In the kernel already, or a module that can be loaded.
    fn kernel_knows(self) -> bool {
        let listed = fs::read_to_string("/proc/filesystems").is_ok_and(|list| {
            list.lines()
                .any(|line| line.split_whitespace().last() == Some(self.name()))
        });
        listed
            || Command::new("modprobe")
                .args(["-n", "-q", self.name()])
                .status()
                .is_ok_and(|status| status.success())
    }

    /// The smallest size that its mkfs accepts, rounded up.
    pub fn min_size_bytes(self) -> u64 {
        match self {
            Self::Btrfs => mib(128),
            Self::Xfs => mib(300),
            Self::Ext4 | Self::Vfat => mib(8),
        }
    }

    /// The mount options without which a test would gain nothing or fail.
    pub(crate) fn mount_options(self) -> &'static [&'static str] {
        match self {
            // A clone has the same id as its original, which may be mounted too.
            Self::Xfs => &["nouuid"],
            Self::Btrfs | Self::Ext4 | Self::Vfat => &[],
        }
    }

    /// Writes an empty file system to the image.
    pub(crate) fn make(self, image: &Path) -> Result<()> {
        let options: &[&str] = match self {
            Self::Btrfs => &["-q", "-f"],
            Self::Xfs => &["-q", "-f", "-m", "reflink=1"],
            // Blocks as on real disks; small ones get 1 KiB by default, which leaves no room for attributes.
            Self::Ext4 => &["-q", "-F", "-m", "0", "-b", "4096"],
            Self::Vfat => &[],
        };
        run(self.mkfs(), Command::new(self.mkfs()).args(options).arg(image))
    }

    /// Recognizes the file system in an image by its superblock's magic number.
    pub(crate) fn recognize(image: &Path) -> Result<Self> {
        let file = File::open(image).map_err(Error::io(image))?;
        let holds = |offset_bytes: u64, magic: &[u8]| {
            let mut found = vec![0; magic.len()];
            file.read_exact_at(&mut found, offset_bytes).is_ok() && found == magic
        };
        if holds(0x1_0040, b"_BHRfS_M") {
            Ok(Self::Btrfs)
        } else if holds(0, b"XFSB") {
            Ok(Self::Xfs)
        } else if holds(0x438, &[0x53, 0xef]) {
            Ok(Self::Ext4)
        } else if holds(510, &[0x55, 0xaa]) {
            Ok(Self::Vfat)
        } else {
            Err(Error::UnknownImage {
                path: image.to_owned(),
            })
        }
    }
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let standard = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path)
        .chain(standard)
        .any(|dir| dir.join(program).exists())
}

/// Runs a program to its end, with `sbin` in the path.
pub(crate) fn run(program: &'static str, command: &mut Command) -> Result<()> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin:/sbin");
    let output = command
        .env("PATH", path)
        .output()
        .map_err(|source| Error::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::Program { program, stderr })
}
