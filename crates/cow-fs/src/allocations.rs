//! What a file holds on its device: the ranges that stay in use for as long as the file is there.
//!
//! Unlike [`physical_extents`](crate::physical_extents) this is for counting what deleting files frees, so it tells of
//! whole extents where the file system frees only whole ones, and of bytes on the device where it tells them.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::fstat;
use rustix::io::Errno;

use crate::extents::{PhysicalExtents, physical_extents};
use crate::sys::{self, FileExtentBatch};
use crate::{Error, Operation, Result, btrfs};

/// How a file system is asked for what its files hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AllocationSource {
    /// btrfs, by its trees: whole extents, since a part of one that no file uses any more is only freed with the rest, and
    /// their length on the disk, compressed or not. Needs `CAP_SYS_ADMIN`.
    BtrfsTrees,
    /// FIEMAP: the ranges that files use. Compressed extents count with their length in the file. What was allocated in
    /// advance and not written to is left out, as a clone does not have it.
    ExtentMap,
}

/// A range on the device that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Where in the file it is used.
    pub offset_bytes: u64,
    /// Where it begins on the device (btrfs: in its logical address space). Below 2^63.
    pub start_bytes: u64,
    /// Its length; never 0.
    pub len_bytes: u64,
}

/// Finds out, by trying it with a regular file, which source the file system offers to this process.
///
/// [`Error::Unsupported`] where it can't tell what a file holds.
pub fn allocation_source(fd: impl AsFd) -> Result<AllocationSource> {
    let fd = fd.as_fd();
    match sys::file_extents(fd, btrfs::SUBVOLUME_INODE, 0) {
        Ok(_) => return Ok(AllocationSource::BtrfsTrees),
        Err(Errno::NOTTY | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ACCESS) => {}
        Err(errno) => return Err(Error::new(Operation::MapExtents, errno)),
    }
    sys::fiemap(fd, 0)
        .map(|_| AllocationSource::ExtentMap)
        .map_err(|errno| Error::new(Operation::MapExtents, errno))
}

/// Iterates over what a file holds, by its offsets. Data that lies within metadata is left out. What is still in memory
/// may be left out too, so the file should have been synced.
pub fn allocations<Fd: AsFd>(file: &Fd, source: AllocationSource) -> Result<Allocations<'_>> {
    let stat = fstat(file).map_err(|errno| Error::new(Operation::MapExtents, errno))?;
    Ok(Allocations(match source {
        AllocationSource::BtrfsTrees => Source::Trees(Trees {
            fd: file.as_fd(),
            inode: stat.st_ino,
            next_offset_bytes: Some(0),
            batch: FileExtentBatch::default().extents.into_iter(),
        }),
        AllocationSource::ExtentMap => Source::Map {
            extents: physical_extents(file),
            end_bytes: (stat.st_size as u64).next_multiple_of((stat.st_blksize as u64).max(1)),
        },
    }))
}

/// The iterator of [`allocations`].
#[derive(Debug)]
pub struct Allocations<'fd>(Source<'fd>);

#[derive(Debug)]
enum Source<'fd> {
    Trees(Trees<'fd>),
    Map {
        extents: PhysicalExtents<'fd>,
        /// What lies beyond the file's last block was allocated in advance, and may go at any time.
        end_bytes: u64,
    },
}

#[derive(Debug)]
struct Trees<'fd> {
    fd: BorrowedFd<'fd>,
    inode: u64,
    /// Where the next batch begins; `None` after the last or an error.
    next_offset_bytes: Option<u64>,
    batch: std::vec::IntoIter<sys::FileExtent>,
}

impl Trees<'_> {
    fn next(&mut self) -> Option<Result<Allocation>> {
        loop {
            if let Some(extent) = self.batch.next() {
                return Some(Ok(Allocation {
                    offset_bytes: extent.offset_bytes,
                    start_bytes: extent.disk_bytenr,
                    len_bytes: extent.disk_num_bytes,
                }));
            }
            match sys::file_extents(self.fd, self.inode, self.next_offset_bytes.take()?) {
                Ok(batch) => {
                    self.next_offset_bytes = batch.next_offset_bytes;
                    self.batch = batch.extents.into_iter();
                }
                Err(errno) => return Some(Err(Error::new(Operation::MapExtents, errno))),
            }
        }
    }
}

impl Iterator for Allocations<'_> {
    type Item = Result<Allocation>;

    fn next(&mut self) -> Option<Self::Item> {
        let (extents, end_bytes) = match &mut self.0 {
            Source::Trees(trees) => return trees.next(),
            Source::Map { extents, end_bytes } => (extents, *end_bytes),
        };
        loop {
            let extent = match extents.next()? {
                Ok(extent) => extent,
                Err(error) => return Some(Err(error)),
            };
            let len_bytes = extent
                .len_bytes
                .min(end_bytes.saturating_sub(extent.offset_bytes));
            if len_bytes > 0 && extent.is_placed_data() {
                return Some(Ok(Allocation {
                    offset_bytes: extent.offset_bytes,
                    start_bytes: extent.address_bytes(),
                    len_bytes,
                }));
            }
        }
    }
}
