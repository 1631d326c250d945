//! What a backup holds: entries with their metadata, and the record of a directory.

use std::sync::Arc;

use crate::content::{BlockHash, ContentHash};

/// A point in time: seconds since 1970-01-01 UTC, and nanoseconds within the second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds; before 1970 negative.
    pub secs: i64,
    /// 0 to 999,999,999, counted forward from `secs` also before 1970.
    pub nanos: u32,
}

/// Flags of an inode, as FS_IOC_GETFLAGS gives them (linux/fs.h, FS_*_FL).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct InodeFlags(pub u32);

impl InodeFlags {
    /// FS_COMPR_FL: the file system compresses the content.
    pub const COMPRESS: Self = Self(0x0000_0004);
    /// FS_IMMUTABLE_FL: nothing can be changed.
    pub const IMMUTABLE: Self = Self(0x0000_0010);
    /// FS_APPEND_FL: content can only be added at the end.
    pub const APPEND: Self = Self(0x0000_0020);
    /// FS_NODUMP_FL: `dump` leaves it out.
    pub const NODUMP: Self = Self(0x0000_0040);
    /// FS_NOATIME_FL: reading leaves the access time alone.
    pub const NOATIME: Self = Self(0x0000_0080);
    /// FS_NOCOW_FL: btrfs overwrites in place.
    pub const NOCOW: Self = Self(0x0080_0000);
    /// All that are worth keeping; the others tell of the file system and not of the file.
    pub const KEPT: Self = Self(
        Self::COMPRESS.0
            | Self::IMMUTABLE.0
            | Self::APPEND.0
            | Self::NODUMP.0
            | Self::NOATIME.0
            | Self::NOCOW.0,
    );

    /// Those that keep even root from changing, renaming or linking what has them.
    pub const PROTECTING: Self = Self(Self::IMMUTABLE.0 | Self::APPEND.0);

    /// Takes those worth keeping out of the bits that the kernel gives.
    pub fn from_kernel(bits: u32) -> Self {
        Self(bits & Self::KEPT.0)
    }

    /// Whether no flag is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// These without some.
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }

    /// Whether any of `flags` is set.
    pub fn has_any(self, flags: Self) -> bool {
        self.0 & flags.0 != 0
    }

    /// Whether all of `flags` are set.
    pub fn contains(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// An extended attribute. POSIX ACLs and file capabilities are such, in the kernel's encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xattr {
    /// With its namespace ("user.comment"); 1 to 255 bytes without NUL.
    pub name: Box<[u8]>,
    /// May be empty.
    pub value: Box<[u8]>,
}

/// What is known of an entry besides its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Permission bits with setuid, setgid and sticky (07777); the type is in [`Kind`].
    pub mode: u32,
    /// Owner, as a number.
    pub uid: u32,
    /// Group, as a number.
    pub gid: u32,
    /// Owner's name on the client, where it has one.
    pub user: Option<Arc<str>>,
    /// Group's name on the client, where it has one.
    pub group: Option<Arc<str>>,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// When the inode was last changed; only to tell what has changed, it can't be restored.
    pub ctime: Timestamp,
    /// Inode number on the client; only to tell what has changed.
    pub ino: u64,
    /// Inode flags worth keeping.
    pub flags: InodeFlags,
    /// Sorted by name, no name twice.
    pub xattrs: Vec<Xattr>,
    /// Metadata of other operating systems, kept verbatim; empty on Linux.
    pub opaque: Box<[u8]>,
}

/// The type of an entry, with what only that type has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File {
        /// Its length, holes included.
        size: u64,
        /// BLAKE3 of the whole content. [`ContentHash::PENDING`] in what announces a file.
        hash: ContentHash,
        /// One per block of [`crate::BLOCK_BYTES`]; empty below [`crate::BLOCK_HASHES_FROM_BYTES`], and
        /// where they are not known.
        block_hashes: Arc<[BlockHash]>,
    },
    /// A directory; what it holds is in the record of its path.
    /// A volume: a sparse file of which zero blocks cost nothing. Its block hashes lie beside it and not in here.
    Volume {
        /// Its length.
        size: u64,
        /// Its [volume hash](crate::volume).
        hash: ContentHash,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points to, verbatim.
        target: Box<[u8]>,
    },
    /// A further name of a file that has been listed before.
    HardLink {
        /// The path, within the backup, of the first name.
        target: Box<[u8]>,
    },
    /// A named pipe.
    Fifo,
    /// A character device node.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device node.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
}

impl Kind {
    /// The kind of a file whose content has still to be looked at.
    pub fn pending_file(size: u64) -> Self {
        Self::File {
            size,
            hash: ContentHash::PENDING,
            block_hashes: Arc::default(),
        }
    }

    /// The kind of a file with known content; drops block hashes that its size doesn't call for.
    pub fn file(size: u64, hash: ContentHash, block_hashes: Arc<[BlockHash]>) -> Self {
        let block_hashes = if crate::content::keeps_block_hashes(size) {
            block_hashes
        } else {
            Arc::default()
        };
        Self::File {
            size,
            hash,
            block_hashes,
        }
    }
}

/// One entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// 1 to 255 bytes, no '/', no NUL, neither "." nor "..".
    pub name: Box<[u8]>,
    /// What is known of it.
    pub metadata: Metadata,
    /// Its type and content.
    pub kind: Kind,
}

impl Entry {
    /// Whether this is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }

    /// Size of the content; 0 for everything but regular files.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } | Kind::Volume { size, .. } => size,
            _ => 0,
        }
    }

    /// Content hash of a regular file.
    pub fn hash(&self) -> Option<ContentHash> {
        match self.kind {
            Kind::File { hash, .. } | Kind::Volume { hash, .. } => Some(hash),
            _ => None,
        }
    }
}

/// The most that the block hashes of all files of a directory may take together (512 GiB of content);
/// without a limit a directory of large files would be longer than a record may be.
pub const MAX_BLOCK_HASHES_BYTES: usize = 128 << 20;

/// A directory with all of its entries, its subdirectories included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirRecord {
    /// Path within the backup; empty for its root.
    pub path: Box<[u8]>,
    /// Sorted by name bytes, no name twice.
    pub entries: Vec<Entry>,
}

impl DirRecord {
    /// Finds an entry by its name.
    pub fn find(&self, name: &[u8]) -> Option<&Entry> {
        self.position(name).ok().map(|at| &self.entries[at])
    }

    /// Tells where an entry is, or would have to be inserted.
    pub fn position(&self, name: &[u8]) -> std::result::Result<usize, usize> {
        self.entries.binary_search_by(|entry| (*entry.name).cmp(name))
    }

    /// Gives up block hashes where those of all files together are longer than [`MAX_BLOCK_HASHES_BYTES`],
    /// first those of the files in front are kept, then those for which there is room.
    pub fn shed_block_hashes(&mut self) {
        let mut room = MAX_BLOCK_HASHES_BYTES;
        for entry in &mut self.entries {
            if let Kind::File { block_hashes, .. } = &mut entry.kind {
                match room.checked_sub(size_of_val(&**block_hashes)) {
                    Some(rest) => room = rest,
                    None => *block_hashes = Arc::default(),
                }
            }
        }
    }

    /// The entries that are directories.
    pub fn subdirectories(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.is_directory())
    }
}
