//! `FS_IOC_FIEMAP` (`linux/fiemap.h`).

use std::os::fd::BorrowedFd;

use rustix::io::Result;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

/// The extents asked for at once; the batch is about 8 KiB.
const BATCH_EXTENTS: usize = 146;

/// Write out delayed allocations first.
const FIEMAP_FLAG_SYNC: u32 = 1;
/// The file's last extent.
pub(crate) const FIEMAP_EXTENT_LAST: u32 = 0x1;
/// Where it lies is not known (yet).
pub(crate) const FIEMAP_EXTENT_UNKNOWN: u32 = 0x2;
/// It has not been written out.
pub(crate) const FIEMAP_EXTENT_DELALLOC: u32 = 0x4;
/// It is compressed or encrypted.
pub(crate) const FIEMAP_EXTENT_ENCODED: u32 = 0x8;
/// It lies within metadata.
pub(crate) const FIEMAP_EXTENT_DATA_INLINE: u32 = 0x200;
/// It was allocated in advance, and reads as zeros.
pub(crate) const FIEMAP_EXTENT_UNWRITTEN: u32 = 0x800;
/// Its blocks are used elsewhere too.
pub(crate) const FIEMAP_EXTENT_SHARED: u32 = 0x2000;

/// `struct fiemap` without its array.
#[derive(Debug)]
#[repr(C)]
struct FiemapHeader {
    start: u64,
    length: u64,
    flags: u32,
    mapped_extents: u32,
    extent_count: u32,
    reserved: u32,
}

/// `struct fiemap_extent`.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(crate) struct FiemapExtent {
    pub(crate) logical: u64,
    pub(crate) physical: u64,
    pub(crate) length: u64,
    reserved64: [u64; 2],
    pub(crate) flags: u32,
    reserved: [u32; 3],
}

/// `struct fiemap` with room for a batch of extents.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct FiemapBatch {
    header: FiemapHeader,
    extents: [FiemapExtent; BATCH_EXTENTS],
}

impl FiemapBatch {
    /// The extents that the kernel filled in.
    pub(crate) fn extents(&self) -> &[FiemapExtent] {
        let count = (self.header.mapped_extents as usize).min(BATCH_EXTENTS);
        &self.extents[..count]
    }
}

// The number encodes the header's size only; the array's length is told in `extent_count`.
const FS_IOC_FIEMAP: Opcode = opcode::read_write::<FiemapHeader>(b'f', 11);
const _: () = assert!(FS_IOC_FIEMAP == 0xc020_660b);
const _: () = assert!(size_of::<FiemapExtent>() == 56);

pub(crate) fn fiemap(fd: BorrowedFd<'_>, start_bytes: u64) -> Result<Box<FiemapBatch>> {
    let mut batch = Box::new(FiemapBatch {
        header: FiemapHeader {
            start: start_bytes,
            length: u64::MAX - start_bytes,
            flags: FIEMAP_FLAG_SYNC,
            mapped_extents: 0,
            extent_count: BATCH_EXTENTS as u32,
            reserved: 0,
        },
        extents: [FiemapExtent::default(); BATCH_EXTENTS],
    });
    // SAFETY: FS_IOC_FIEMAP reads the header and writes it back together with at most `extent_count` extents behind
    // it; `FiemapBatch` is that layout with exactly `extent_count` extents, and is borrowed mutably for the call.
    // Every bit pattern is valid for its integers.
    unsafe { ioctl(fd, Updater::<FS_IOC_FIEMAP, FiemapBatch>::new(&mut batch))? };
    Ok(batch)
}
