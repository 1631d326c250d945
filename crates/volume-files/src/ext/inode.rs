//! An inode (`inodes.rst`).
//!
//! ```text
//! offset  size  field                  offset  size  field
//! 0x00    2     type and mode          0x6c    4     size, high; of files only
//! 0x02    2     user, low              0x78    2     user, high
//! 0x04    4     size, low              0x7a    2     group, high
//! 0x10    4     mtime                  0x80    2     size of what follows the first 128 bytes
//! 0x18    2     group, low             0x88    4     mtime: 2 bits of seconds above, 30 of nanoseconds
//! 0x20    4     flags
//! 0x28    60    map, extents, or content
//! ```

use disk_image::{u16_at, u32_at};
use manifest::Timestamp;

use crate::{Error, Result};

const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;
const INLINE_DATA: u32 = 0x1000_0000;
const REGULAR: u16 = 0x8000;
const DIRECTORY: u16 = 0x4000;
pub(super) const BASE_BYTES: usize = 128;

/// An inode, read whole.
pub(super) struct Inode {
    number: u64,
    bytes: Vec<u8>,
}

impl Inode {
    /// Takes at least 128 bytes.
    pub(super) fn parse(number: u64, bytes: Vec<u8>) -> Result<Self> {
        let inode = Self { number, bytes };
        if inode.bytes.len() < BASE_BYTES {
            return Err(inode.damaged("it is too short"));
        }
        if u16_at(&inode.bytes, 0) == 0 {
            return Err(inode.damaged("it is not in use"));
        }
        if inode.len_bytes() > i64::MAX as u64 {
            return Err(inode.damaged("its size is impossible"));
        }
        Ok(inode)
    }

    pub(super) fn damaged(&self, reason: &str) -> Error {
        Error::damaged("ext inode", 0, format!("inode {}: {reason}", self.number))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn file_type(&self) -> u16 {
        u16_at(&self.bytes, 0) & 0xf000
    }

    pub(super) fn mode(&self) -> u32 {
        u32::from(u16_at(&self.bytes, 0)) & 0o7777
    }

    pub(super) fn owner(&self) -> (u32, u32) {
        let id = |low: usize, high: usize| {
            u32::from(u16_at(&self.bytes, low)) | u32::from(u16_at(&self.bytes, high)) << 16
        };
        (id(0x02, 0x78), id(0x18, 0x7a))
    }

    pub(super) fn len_bytes(&self) -> u64 {
        let high = match self.file_type() {
            REGULAR => u32_at(&self.bytes, 0x6c),
            _ => 0,
        };
        u64::from(u32_at(&self.bytes, 0x04)) | u64::from(high) << 32
    }

    pub(super) fn modified(&self) -> Timestamp {
        // Seconds have a sign, above which two more bits lead from 2038 to 2446.
        let secs = i64::from(u32_at(&self.bytes, 0x10) as i32);
        let extra_bytes = self.extra_bytes();
        let extra = if extra_bytes >= 0x0c {
            u32_at(&self.bytes, 0x88)
        } else {
            0
        };
        Timestamp {
            secs: secs + (i64::from(extra & 3) << 32),
            nanos: (extra >> 2).min(999_999_999),
        }
    }

    /// The size of the fields behind the first 128 bytes.
    pub(super) fn extra_bytes(&self) -> usize {
        match self.bytes.len() {
            BASE_BYTES => 0,
            len => usize::from(u16_at(&self.bytes, 0x80)).min(len - BASE_BYTES),
        }
    }

    fn flags(&self) -> u32 {
        u32_at(&self.bytes, 0x20)
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.flags() & ENCRYPTED != 0
    }

    pub(super) fn has_extents(&self) -> bool {
        self.flags() & EXTENTS != 0
    }

    pub(super) fn has_inline_data(&self) -> bool {
        self.flags() & INLINE_DATA != 0 && matches!(self.file_type(), REGULAR | DIRECTORY | 0xa000)
    }

    /// Whether the place for a map has one: a short link has its target there.
    pub(super) fn is_mapped(&self) -> bool {
        self.has_extents() || self.has_inline_data()
    }

    /// The place for a map, for extents, or for content.
    pub(super) fn block_area(&self) -> &[u8] {
        &self.bytes[0x28..0x64]
    }
}
