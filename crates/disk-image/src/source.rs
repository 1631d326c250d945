//! What a disk is read from: a device, a file, or bytes in memory.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use crate::{Error, Result};

/// Random access to a disk's bytes.
pub trait DiskSource {
    /// The disk's size in bytes.
    fn len_bytes(&self) -> io::Result<u64>;

    /// Fills the buffer from an offset; an end before that is an error.
    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()>;

    /// The first range within another that may hold anything but zeros; `None` where all of it is zeros.
    ///
    /// A source that can't tell says that all is data.
    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        let end = within.end.min(self.len_bytes()?);
        Ok((within.start < end).then_some(within.start..end))
    }

    /// The file that has just these bytes, where there is one: its extents can be shared.
    fn file(&self) -> Option<&File> {
        None
    }
}

impl DiskSource for File {
    fn len_bytes(&self) -> io::Result<u64> {
        // A block device has no length in its metadata.
        (&*self).seek(SeekFrom::End(0))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset_bytes)
    }

    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        let end = within.end.min(DiskSource::len_bytes(self)?);
        if within.start >= end {
            return Ok(None);
        }
        let next = cow_fs::data_extents_from(self, within.start, end).next();
        let extent = next.transpose().map_err(io::Error::other)?;
        Ok(extent.map(|extent| extent.offset_bytes..extent.end_bytes()))
    }

    fn file(&self) -> Option<&File> {
        Some(self)
    }
}

impl DiskSource for Vec<u8> {
    fn len_bytes(&self) -> io::Result<u64> {
        self.as_slice().len_bytes()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buffer, offset_bytes)
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

/// What leads to a source is one itself.
macro_rules! source_behind {
    ($($way:ty),*) => {$(
        impl<T: DiskSource + ?Sized> DiskSource for $way {
            fn len_bytes(&self) -> io::Result<u64> {
                (**self).len_bytes()
            }

            fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
                (**self).read_exact_at(buffer, offset_bytes)
            }

            fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
                (**self).next_data(within)
            }

            fn file(&self) -> Option<&File> {
                (**self).file()
            }
        }
    )*};
}

source_behind!(&T, Arc<T>);

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

/// A number of 16 bits, little endian.
///
/// # Panics
/// Where it lies beyond the end: the slice is of a structure that was read whole.
pub fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// A number of 32 bits; see [`u16_at`].
pub fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// A number of 64 bits; see [`u16_at`].
pub fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// The same, big endian.
pub(crate) fn be_u32_at(bytes: &[u8], at: usize) -> u32 {
    u32_at(bytes, at).swap_bytes()
}

/// The same, big endian.
pub(crate) fn be_u64_at(bytes: &[u8], at: usize) -> u64 {
    u64_at(bytes, at).swap_bytes()
}

/// A GUID whose first three fields are little endian.
pub(crate) fn guid_at(bytes: &[u8], at: usize) -> Uuid {
    Uuid::from_bytes_le(array_at(bytes, at))
}

/// Bytes of a structure that was read whole.
pub(crate) fn array_at<const LEN: usize>(bytes: &[u8], at: usize) -> [u8; LEN] {
    let mut array = [0; LEN];
    array.copy_from_slice(&bytes[at..at + LEN]);
    array
}
