//! What a disk is read from: a device, a file, or bytes in memory.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};

use crate::{Error, Result};

/// Random access to a disk's bytes.
pub trait DiskSource {
    /// The disk's size in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Fills the buffer from an offset; an end before that is an error.
    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()>;
}

impl DiskSource for File {
    fn len_bytes(&self) -> io::Result<u64> {
        // A block device has no length in its metadata.
        (&*self).seek(SeekFrom::End(0))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset_bytes)
    }
}

impl DiskSource for [u8] {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        let from = usize::try_from(offset_bytes).ok();
        let wanted = from.and_then(|from| self.get(from..from.checked_add(buffer.len())?));
        buffer.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// Reads `len_bytes`, which the caller has checked to be small.
pub(crate) fn read<S: DiskSource + ?Sized>(
    source: &S,
    offset_bytes: u64,
    len_bytes: usize,
) -> Result<Vec<u8>> {
    let mut buffer = vec![0; len_bytes];
    source
        .read_exact_at(&mut buffer, offset_bytes)
        .map_err(|source| Error::Io {
            action: "read",
            offset_bytes,
            len_bytes: len_bytes as u64,
            source,
        })?;
    Ok(buffer)
}

/// The size of a disk.
pub(crate) fn len<S: DiskSource + ?Sized>(source: &S) -> Result<u64> {
    source.len_bytes().map_err(|source| Error::Io {
        action: "find the end of",
        offset_bytes: 0,
        len_bytes: 0,
        source,
    })
}

/// Fields of structures, little endian. The slices are of structures that were read whole.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// See [`u16_at`].
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// See [`u16_at`].
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
