//! What the kernel says about an entry, without opening it.

use manifest::Timestamp;
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Statx, StatxAttributes, StatxFlags, StatxTimestamp};
use rustix::io::Errno;

/// The fields that are asked for: all but access time and blocks, and the mount that the entry is on.
const FIELDS: StatxFlags = StatxFlags::TYPE
    .union(StatxFlags::MODE)
    .union(StatxFlags::NLINK)
    .union(StatxFlags::UID)
    .union(StatxFlags::GID)
    .union(StatxFlags::MTIME)
    .union(StatxFlags::CTIME)
    .union(StatxFlags::INO)
    .union(StatxFlags::SIZE)
    .union(StatxFlags::MNT_ID);

/// What kind of object an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// The file system did not say (a listing only), or a kind that this system does not know.
    Unknown,
}

impl From<rustix::fs::FileType> for FileType {
    fn from(kind: rustix::fs::FileType) -> FileType {
        match kind {
            rustix::fs::FileType::RegularFile => FileType::File,
            rustix::fs::FileType::Directory => FileType::Directory,
            rustix::fs::FileType::Symlink => FileType::Symlink,
            rustix::fs::FileType::Fifo => FileType::Fifo,
            rustix::fs::FileType::Socket => FileType::Socket,
            rustix::fs::FileType::CharacterDevice => FileType::CharDevice,
            rustix::fs::FileType::BlockDevice => FileType::BlockDevice,
            _ => FileType::Unknown,
        }
    }
}

/// A device's numbers: of the file system that holds an entry, or of a device node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeviceNumber {
    /// The driver.
    pub major: u32,
    /// The device among the driver's.
    pub minor: u32,
}

/// Attributes of an inode as statx reports them (STATX_ATTR_*, the low 32 bits).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes(u32);

impl Attributes {
    /// Returns whether the file can't be changed, renamed or removed.
    pub fn is_immutable(self) -> bool {
        self.has(StatxAttributes::IMMUTABLE)
    }

    /// Returns whether the file can only grow.
    pub fn is_append_only(self) -> bool {
        self.has(StatxAttributes::APPEND)
    }

    /// Returns whether the file asks to be left out of backups (`chattr +d`).
    pub fn is_nodump(self) -> bool {
        self.has(StatxAttributes::NODUMP)
    }

    /// Returns whether the file system compresses the file.
    pub fn is_compressed(self) -> bool {
        self.has(StatxAttributes::COMPRESSED)
    }

    /// Returns whether the directory is where something is mounted on demand.
    pub fn is_automount(self) -> bool {
        self.has(StatxAttributes::AUTOMOUNT)
    }

    fn has(self, attribute: StatxAttributes) -> bool {
        u64::from(self.0) & attribute.bits() != 0
    }
}

/// What statx says about one entry; the entry itself is never followed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The kind of object.
    pub kind: FileType,
    /// The permission bits with setuid, setgid and sticky (07777).
    pub mode: u16,
    /// The owner.
    pub uid: u32,
    /// The owning group.
    pub gid: u32,
    /// How many names the inode has.
    pub nlink: u32,
    /// STATX_ATTR_* bits.
    pub attributes: Attributes,
    /// The length of content in bytes; of a symbolic link, of its target.
    pub size: u64,
    /// The inode's number.
    pub ino: u64,
    /// The file system (on btrfs: the subvolume).
    pub dev: DeviceNumber,
    /// What a device node stands for.
    pub rdev: DeviceNumber,
    /// The mount that the entry was reached through; 0 on kernels before 5.8.
    pub mount: u64,
    /// When the content last changed.
    pub mtime: Timestamp,
    /// When anything of the inode last changed.
    pub ctime: Timestamp,
}

impl Stat {
    /// Returns what identifies the object while it exists.
    pub fn identity(&self) -> Identity {
        Identity {
            dev: self.dev,
            ino: self.ino,
        }
    }

    /// Returns whether content can't have changed between the two looks: same object, size, mtime and ctime.
    pub fn is_same_version(&self, other: &Stat) -> bool {
        self.kind == other.kind
            && self.identity() == other.identity()
            && self.size == other.size
            && self.mtime == other.mtime
            && self.ctime == other.ctime
    }

    /// Looks at `name` in `dir` without following it and without triggering an automount.
    pub(crate) fn at(dir: impl AsFd, name: &[u8]) -> Result<Stat, Errno> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        Ok(Stat::from(&rustix::fs::statx(dir, name, flags, FIELDS)?))
    }

    /// Looks at an open descriptor.
    pub(crate) fn of(fd: impl AsFd) -> Result<Stat, Errno> {
        Ok(Stat::from(&rustix::fs::statx(
            fd,
            c"",
            AtFlags::EMPTY_PATH,
            FIELDS,
        )?))
    }
}

impl From<&Statx> for Stat {
    fn from(statx: &Statx) -> Stat {
        let has_mount = statx.stx_mask & StatxFlags::MNT_ID.bits() != 0;
        Stat {
            kind: rustix::fs::FileType::from_raw_mode(statx.stx_mode.into()).into(),
            mode: statx.stx_mode & 0o7777,
            uid: statx.stx_uid,
            gid: statx.stx_gid,
            nlink: statx.stx_nlink,
            attributes: Attributes(statx.stx_attributes.bits() as u32),
            size: statx.stx_size,
            ino: statx.stx_ino,
            dev: DeviceNumber {
                major: statx.stx_dev_major,
                minor: statx.stx_dev_minor,
            },
            rdev: DeviceNumber {
                major: statx.stx_rdev_major,
                minor: statx.stx_rdev_minor,
            },
            mount: if has_mount { statx.stx_mnt_id } else { 0 },
            mtime: timestamp(statx.stx_mtime),
            ctime: timestamp(statx.stx_ctime),
        }
    }
}

fn timestamp(time: StatxTimestamp) -> Timestamp {
    Timestamp {
        secs: time.tv_sec,
        nanos: time.tv_nsec,
    }
}

/// Identifies an object on this machine while it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity {
    /// The file system.
    pub dev: DeviceNumber,
    /// The inode's number.
    pub ino: u64,
}
