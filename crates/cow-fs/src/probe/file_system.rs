//! The names and known limits of file systems, by the magic number that `statfs` tells.

use std::fmt;
use std::os::fd::AsFd;

use rustix::fs::fstatfs;

/// A kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem {
    /// `f_type` of `statfs`, 32 bits.
    pub magic: u64,
    /// Its name, or `unknown`.
    pub name: &'static str,
    /// Its block, in bytes: the unit to which clones are aligned on the file systems that have them.
    pub block_bytes: u64,
}

/// Magic number, name, and how many links an inode may have (`*_LINK_MAX` of the kernel's sources).
const KNOWN: &[(u64, &str, Option<u64>)] = &[
    (0x9123_683e, "btrfs", Some(65_535)),
    (0x5846_5342, "xfs", Some(0x7fff_ffff)),
    (0xef53, "ext4", Some(65_000)),
    (0x0102_1994, "tmpfs", None),
    (0x2fc1_2fc1, "zfs", None),
    (0xca45_1a4e, "bcachefs", Some(0xffff_ffff)),
    (0xf2f5_2010, "f2fs", Some(0xffff_ffff)),
    (0x4d44, "vfat", Some(1)),
    (0x2011_bab0, "exfat", Some(1)),
    (0x7366_746e, "ntfs3", Some(1024)),
    (0x6969, "nfs", None),
    (0xff53_4d42, "cifs", None),
    (0xfe53_4d42, "smb2", None),
    (0x6573_5546, "fuse", None),
    (0x794c_7630, "overlay", None),
    (0x0102_1997, "9p", None),
];

impl FileSystem {
    /// Identifies the file system on which the descriptor's file lies.
    pub(crate) fn of(fd: impl AsFd) -> rustix::io::Result<Self> {
        let stat = fstatfs(fd)?;
        let magic = stat.f_type as u64 & 0xffff_ffff;
        let name = KNOWN
            .iter()
            .find(|known| known.0 == magic)
            .map_or("unknown", |known| known.1);
        Ok(Self {
            magic,
            name,
            block_bytes: stat.f_bsize as u64,
        })
    }

    pub(crate) fn max_links(&self) -> Option<u64> {
        KNOWN
            .iter()
            .find(|known| known.0 == self.magic)
            .and_then(|known| known.2)
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name {
            "unknown" => write!(f, "unknown (magic {:#x})", self.magic),
            name => f.write_str(name),
        }
    }
}
