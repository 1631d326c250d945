//! Sharing extents between files, and the copy for where that can't be done.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{copy_file_range, ioctl_ficlone};
use rustix::io::{Errno, pread, pwrite, retry_on_intr};

use crate::{Error, Operation, Result, sys};

/// The buffer of the fallback copy, in bytes.
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// Gives `dst` the content of `src` by sharing all its extents (`FICLONE`), holes included.
///
/// `dst` must be open for writing; a longer `dst` keeps what lies beyond the end of `src`. Fails with
/// [`Error::Unsupported`] across file systems or where they can't share, [`Error::Invalid`] where only one of the
/// two files has copy-on-write switched off ([`Error::copy_may_work`] covers both).
pub fn clone_file(src: impl AsFd, dst: impl AsFd) -> Result<()> {
    retry_on_intr(|| ioctl_ficlone(dst.as_fd(), src.as_fd()))
        .map_err(|errno| Error::new(Operation::CloneFile, errno))
}

/// Shares a range of `src` with `dst` (`FICLONERANGE`), growing `dst` if need be.
///
/// Offsets must be multiples of the file system's block (4096 on btrfs and XFS by default), and so must the
/// length unless the range ends at the end of `src` and reaches at least to the end of `dst`; else
/// [`Error::Invalid`]. A length of 0 does nothing. Observed on btrfs, XFS: a 512-byte offset is refused.
pub fn clone_range(
    src: impl AsFd,
    src_offset_bytes: u64,
    len_bytes: u64,
    dst: impl AsFd,
    dst_offset_bytes: u64,
) -> Result<()> {
    if len_bytes == 0 {
        // The kernel would take 0 for "to the end".
        return Ok(());
    }
    retry_on_intr(|| {
        sys::clone_range(
            dst.as_fd(),
            dst_offset_bytes,
            src.as_fd(),
            src_offset_bytes,
            len_bytes,
        )
    })
    .map_err(|errno| Error::new(Operation::CloneRange, errno))
}

/// Copies a range as the kernel likes best (`copy_file_range`: shared on btrfs and XFS, in the kernel elsewhere),
/// else by reading and writing; returns the bytes copied, fewer than asked for only at the end of `src`.
///
/// Holes may become zeros; walk [`crate::data_extents`] to keep them. Neither file's offset moves.
pub fn copy_range(
    src: impl AsFd,
    src_offset_bytes: u64,
    len_bytes: u64,
    dst: impl AsFd,
    dst_offset_bytes: u64,
) -> Result<u64> {
    let (src, dst) = (src.as_fd(), dst.as_fd());
    let (mut from, mut to) = (src_offset_bytes, dst_offset_bytes);
    let mut copied_bytes = 0;
    while copied_bytes < len_bytes {
        let step_bytes = usize::try_from(len_bytes - copied_bytes)
            .unwrap_or(usize::MAX)
            .min(1 << 30);
        match copy_file_range(src, Some(&mut from), dst, Some(&mut to), step_bytes) {
            // 0 is the end of the file, or a file system that does not really implement it: reading decides.
            Ok(0) => break,
            Ok(step) => copied_bytes += step as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => break,
            Err(errno) => return Err(Error::new(Operation::CopyRange, errno)),
        }
    }
    let rest_bytes = len_bytes - copied_bytes;
    let fallback_bytes = copy_by_reading(
        src,
        src_offset_bytes + copied_bytes,
        rest_bytes,
        dst,
        dst_offset_bytes + copied_bytes,
    )
    .map_err(|errno| Error::new(Operation::CopyRange, errno))?;
    Ok(copied_bytes + fallback_bytes)
}

fn copy_by_reading(
    src: BorrowedFd<'_>,
    src_offset_bytes: u64,
    len_bytes: u64,
    dst: BorrowedFd<'_>,
    dst_offset_bytes: u64,
) -> rustix::io::Result<u64> {
    if len_bytes == 0 {
        return Ok(0);
    }
    let buffer_bytes = usize::try_from(len_bytes)
        .unwrap_or(usize::MAX)
        .min(COPY_BUFFER_BYTES);
    let mut buffer = vec![0; buffer_bytes];
    let mut copied_bytes = 0;
    while copied_bytes < len_bytes {
        let want = usize::try_from(len_bytes - copied_bytes)
            .unwrap_or(usize::MAX)
            .min(buffer_bytes);
        let got = retry_on_intr(|| pread(src, &mut buffer[..want], src_offset_bytes + copied_bytes))?;
        if got == 0 {
            break;
        }
        write_all_at(dst, &buffer[..got], dst_offset_bytes + copied_bytes)?;
        copied_bytes += got as u64;
    }
    Ok(copied_bytes)
}

fn write_all_at(dst: BorrowedFd<'_>, mut data: &[u8], mut offset_bytes: u64) -> rustix::io::Result<()> {
    while !data.is_empty() {
        let written = retry_on_intr(|| pwrite(dst, data, offset_bytes))?;
        if written == 0 {
            return Err(Errno::IO);
        }
        data = &data[written..];
        offset_bytes += written as u64;
    }
    Ok(())
}
