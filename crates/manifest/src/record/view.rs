//! Entries as they lie in the bytes of their record: checked, and nothing allocated.

use std::sync::Arc;

use crate::content::{BlockHash, ContentHash};
use crate::entry::{InodeFlags, Kind, Timestamp};

/// An entry within the bytes of its record.
#[derive(Debug, Clone)]
pub struct EntryRef<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// When the content was last changed.
    pub mtime: Timestamp,
    /// When the inode was last changed.
    pub ctime: Timestamp,
    /// Inode number on the client.
    pub ino: u64,
    /// Inode flags.
    pub flags: InodeFlags,
    /// Its type and content.
    pub kind: KindRef<'a>,
    pub(super) owner: usize,
    pub(super) xattrs: &'a [u8],
    pub(super) opaque: &'a [u8],
}

impl EntryRef<'_> {
    /// Whether it has extended attributes, which are there once it is [owned](super::Entries::own).
    pub fn has_xattrs(&self) -> bool {
        !self.xattrs.is_empty()
    }
}

/// The type of an [`EntryRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KindRef<'a> {
    /// A regular file.
    File {
        /// Its length.
        size: u64,
        /// BLAKE3 of its content.
        hash: ContentHash,
        /// Its block hashes, 32 bytes each.
        block_hashes: &'a [u8],
    },
    /// A volume.
    Volume {
        /// Its length.
        size: u64,
        /// Its volume hash.
        hash: ContentHash,
    },
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink {
        /// Where it points to.
        target: &'a [u8],
    },
    /// A further name of a file.
    HardLink {
        /// The path of its first name.
        target: &'a [u8],
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

impl KindRef<'_> {
    pub(super) fn to_kind(self) -> Kind {
        match self {
            Self::File {
                size,
                hash,
                block_hashes,
            } => {
                let block_hashes = if block_hashes.is_empty() {
                    Arc::default()
                } else {
                    block_hashes
                        .as_chunks::<32>()
                        .0
                        .iter()
                        .map(|hash| BlockHash(*hash))
                        .collect()
                };
                Kind::File {
                    size,
                    hash,
                    block_hashes,
                }
            }
            Self::Volume { size, hash } => Kind::Volume { size, hash },
            Self::Directory => Kind::Directory,
            Self::Symlink { target } => Kind::Symlink {
                target: target.into(),
            },
            Self::HardLink { target } => Kind::HardLink {
                target: target.into(),
            },
            Self::Fifo => Kind::Fifo,
            Self::CharDevice { major, minor } => Kind::CharDevice { major, minor },
            Self::BlockDevice { major, minor } => Kind::BlockDevice { major, minor },
        }
    }
}
