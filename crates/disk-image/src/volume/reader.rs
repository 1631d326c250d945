//! Reading structures of a file system, none of which may lie beyond the volume's end.

use uuid::Uuid;

use crate::source::{self, DiskSource};
use crate::{Error, Result};

/// Bitmaps and tables are read in pieces of this size at most.
pub const PIECE_BYTES: u64 = 1 << 20;

/// A volume whose size is known.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    source: &'a dyn DiskSource,
    len_bytes: u64,
}

impl<'a> Reader<'a> {
    /// Asks for the size.
    ///
    /// # Errors
    /// [`Error::Io`] where it is not to be had.
    pub fn new(source: &'a dyn DiskSource) -> Result<Self> {
        Ok(Self {
            source,
            len_bytes: source::len(source)?,
        })
    }

    /// The volume's size.
    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    /// Reads a structure.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it lies beyond the volume's end: nothing is allocated then.
    pub fn read(&self, structure: &'static str, offset_bytes: u64, len_bytes: u64) -> Result<Vec<u8>> {
        let end = offset_bytes.checked_add(len_bytes);
        let len = usize::try_from(len_bytes).ok();
        match len.filter(|_| end.is_some_and(|end| end <= self.len_bytes)) {
            Some(len) => source::read(self.source, offset_bytes, len),
            None => Err(Error::damaged(
                structure,
                offset_bytes,
                "it lies beyond the end of the volume",
            )),
        }
    }

    /// Reads a structure that a volume may be too small for.
    pub(super) fn read_if_there(&self, offset_bytes: u64, len_bytes: u64) -> Result<Option<Vec<u8>>> {
        match self.read("superblock", offset_bytes, len_bytes) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A label: up to its first zero byte, blanks at the end left out.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim_end().to_owned()
}

/// A UUID as it is written; empty if it has only zeros.
pub(super) fn uuid_text(bytes: &[u8]) -> String {
    match Uuid::from_slice(bytes) {
        Ok(uuid) if !uuid.is_nil() => uuid.to_string(),
        _ => String::new(),
    }
}

/// A number of 16 bits, big endian. The slice is of a structure that was read whole.
pub(super) fn be16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// See [`be16_at`].
pub(super) fn be32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(be16_at(bytes, at)) << 16 | u32::from(be16_at(bytes, at + 2))
}

/// See [`be16_at`].
pub(super) fn be64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(be32_at(bytes, at)) << 32 | u64::from(be32_at(bytes, at + 4))
}
