//! Where a file has data and where holes, how its extents lie on the device, and making holes.
//!
//! Two views: [`data_extents`] is logical, works everywhere and is what reading sparse files needs;
//! [`physical_extents`] (FIEMAP) tells which extents are shared and is for measuring, not for correctness.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FallocateFlags, SeekFrom, fallocate, seek};
use rustix::io::{Errno, retry_on_intr};

use crate::sys::{self, FiemapBatch};
use crate::{Error, Operation, Result};

/// A range of a file that holds data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins.
    pub offset_bytes: u64,
    /// How long it is; never 0.
    pub len_bytes: u64,
}

impl Extent {
    /// The offset just beyond it.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.len_bytes
    }
}

/// Iterates over the ranges of the first `size_bytes` of a file that hold data, in order; the rest are holes.
///
/// Moves the file's offset (`lseek` with `SEEK_DATA` and `SEEK_HOLE`), so the descriptor must not be shared with a
/// reader that relies on it. Where the file system can't tell, the whole file is one extent. A file that shrinks
/// meanwhile ends the iteration early.
pub fn data_extents<Fd: AsFd>(fd: &Fd, size_bytes: u64) -> DataExtents<'_> {
    DataExtents {
        fd: fd.as_fd(),
        position_bytes: 0,
        size_bytes,
    }
}

/// Iterates like [`data_extents`], beginning at an offset.
pub fn data_extents_from<Fd: AsFd>(fd: &Fd, start_bytes: u64, size_bytes: u64) -> DataExtents<'_> {
    DataExtents {
        fd: fd.as_fd(),
        position_bytes: start_bytes,
        size_bytes,
    }
}

/// The iterator of [`data_extents`] and [`data_extents_from`].
#[derive(Debug)]
pub struct DataExtents<'fd> {
    fd: BorrowedFd<'fd>,
    position_bytes: u64,
    size_bytes: u64,
}

impl DataExtents<'_> {
    /// Finds the next extent; `position_bytes` is below `size_bytes`.
    fn find(&mut self) -> rustix::io::Result<Option<Extent>> {
        let start_bytes = match seek(self.fd, SeekFrom::Data(self.position_bytes)) {
            Ok(offset_bytes) => offset_bytes.max(self.position_bytes),
            Err(Errno::NXIO) => return Ok(None),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => return Ok(self.take_to(self.size_bytes)),
            Err(errno) => return Err(errno),
        };
        self.position_bytes = start_bytes;
        if start_bytes >= self.size_bytes {
            return Ok(None);
        }
        let end_bytes = match seek(self.fd, SeekFrom::Hole(start_bytes)) {
            Ok(offset_bytes) if offset_bytes > start_bytes => offset_bytes.min(self.size_bytes),
            // The file was changed between the two calls: what is no longer there is a hole, one block at least.
            Ok(_) => start_bytes.saturating_add(4096).min(self.size_bytes),
            Err(Errno::NXIO) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        Ok(self.take_to(end_bytes))
    }

    fn take_to(&mut self, end_bytes: u64) -> Option<Extent> {
        let offset_bytes = self.position_bytes;
        self.position_bytes = end_bytes;
        let len_bytes = end_bytes.checked_sub(offset_bytes).filter(|&len| len > 0)?;
        Some(Extent {
            offset_bytes,
            len_bytes,
        })
    }
}

impl Iterator for DataExtents<'_> {
    type Item = Result<Extent>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position_bytes >= self.size_bytes {
            return None;
        }
        let found = self
            .find()
            .map_err(|errno| Error::new(Operation::FindExtents, errno))
            .transpose();
        if !matches!(found, Some(Ok(_))) {
            self.position_bytes = self.size_bytes;
        }
        found
    }
}

/// Frees a range of a file, which reads as zeros afterwards; the file's size stays.
///
/// Partial blocks at the ends are zeroed instead. A length of 0 does nothing. [`Error::Unsupported`] where the
/// file system has no holes.
pub fn punch_hole(fd: impl AsFd, offset_bytes: u64, len_bytes: u64) -> Result<()> {
    if len_bytes == 0 {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    retry_on_intr(|| fallocate(fd.as_fd(), flags, offset_bytes, len_bytes))
        .map_err(|errno| Error::new(Operation::PunchHole, errno))
}

/// An extent as the file system maps it to its device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhysicalExtent {
    /// Where it begins in the file.
    pub offset_bytes: u64,
    /// Where it begins on the device (btrfs: in its logical address space); meaningless for inline data.
    pub physical_bytes: u64,
    /// How long it is in the file; compressed extents are shorter on the device.
    pub len_bytes: u64,
    /// `FIEMAP_EXTENT_*` of `linux/fiemap.h`.
    pub flags: u32,
}

impl PhysicalExtent {
    /// Whether another file, or another place of this one, uses the same blocks (`FIEMAP_EXTENT_SHARED`).
    pub fn is_shared(&self) -> bool {
        self.flags & sys::FIEMAP_EXTENT_SHARED != 0
    }

    /// Whether it is data with a place of its own on the device.
    pub(crate) fn is_placed_data(&self) -> bool {
        let others = sys::FIEMAP_EXTENT_UNKNOWN
            | sys::FIEMAP_EXTENT_DELALLOC
            | sys::FIEMAP_EXTENT_DATA_INLINE
            | sys::FIEMAP_EXTENT_UNWRITTEN;
        self.flags & others == 0
    }

    /// Whether it is compressed (or encrypted), so that its length on the device is another.
    pub(crate) fn is_encoded(&self) -> bool {
        self.flags & sys::FIEMAP_EXTENT_ENCODED != 0
    }

    /// An address for it, of which `len_bytes` belong to it alone.
    ///
    /// The extent map tells where a compressed extent begins on the device and how long it is in the file, so the next one may
    /// begin in what seems to be its midst. Compressed ones have addresses apart, where each block has room for the longest that
    /// btrfs makes, 128 KiB.
    pub(crate) fn address_bytes(&self) -> u64 {
        const BLOCK_BYTES: u64 = 4096;
        const ROOM_BYTES: u64 = 128 << 10;
        const APART: u64 = 1 << 62;
        if self.flags & sys::FIEMAP_EXTENT_ENCODED == 0 {
            return self.physical_bytes;
        }
        APART + (self.physical_bytes / BLOCK_BYTES).wrapping_mul(ROOM_BYTES) % APART
    }
}

/// Iterates over the file's extents as they lie on the device (FIEMAP), after writing out what is still in memory.
pub fn physical_extents<Fd: AsFd>(fd: &Fd) -> PhysicalExtents<'_> {
    PhysicalExtents {
        fd: fd.as_fd(),
        next_offset_bytes: Some(0),
        batch: None,
        taken: 0,
    }
}

/// The iterator of [`physical_extents`].
#[derive(Debug)]
pub struct PhysicalExtents<'fd> {
    fd: BorrowedFd<'fd>,
    /// Where the next batch begins; `None` after the last extent or an error.
    next_offset_bytes: Option<u64>,
    batch: Option<Box<FiemapBatch>>,
    taken: usize,
}

impl PhysicalExtents<'_> {
    fn refill(&mut self) -> rustix::io::Result<()> {
        let Some(offset_bytes) = self.next_offset_bytes.take() else {
            return Ok(());
        };
        let batch = sys::fiemap(self.fd, offset_bytes)?;
        self.next_offset_bytes = match batch.extents().last() {
            Some(last) if last.flags & sys::FIEMAP_EXTENT_LAST == 0 => last.logical.checked_add(last.length),
            _ => None,
        };
        self.batch = Some(batch);
        self.taken = 0;
        Ok(())
    }
}

impl Iterator for PhysicalExtents<'_> {
    type Item = Result<PhysicalExtent>;

    fn next(&mut self) -> Option<Self::Item> {
        let exhausted = self
            .batch
            .as_ref()
            .is_none_or(|batch| self.taken >= batch.extents().len());
        if exhausted
            && self.next_offset_bytes.is_some()
            && let Err(errno) = self.refill()
        {
            return Some(Err(Error::new(Operation::MapExtents, errno)));
        }
        let found = self.batch.as_ref()?.extents().get(self.taken)?;
        self.taken += 1;
        Some(Ok(PhysicalExtent {
            offset_bytes: found.logical,
            physical_bytes: found.physical,
            len_bytes: found.length,
            flags: found.flags,
        }))
    }
}

/// Sums up the bytes of the file that it shares with others, in whole blocks.
pub fn shared_bytes<Fd: AsFd>(fd: &Fd) -> Result<u64> {
    let mut sum_bytes = 0u64;
    for extent in physical_extents(fd) {
        let extent = extent?;
        if extent.is_shared() {
            sum_bytes = sum_bytes.saturating_add(extent.len_bytes);
        }
    }
    Ok(sum_bytes)
}
