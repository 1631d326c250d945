//! `FICLONERANGE` (`linux/fs.h`).

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Result;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// `struct file_clone_range`.
#[repr(C)]
struct FileCloneRange {
    src_fd: i64,
    src_offset: u64,
    src_length: u64,
    dest_offset: u64,
}

const FICLONERANGE: Opcode = opcode::write::<FileCloneRange>(0x94, 13);
const _: () = assert!(FICLONERANGE == 0x4020_940d);

pub(crate) fn clone_range(
    dst: BorrowedFd<'_>,
    dst_offset_bytes: u64,
    src: BorrowedFd<'_>,
    src_offset_bytes: u64,
    len_bytes: u64,
) -> Result<()> {
    let range = FileCloneRange {
        src_fd: i64::from(src.as_raw_fd()),
        src_offset: src_offset_bytes,
        src_length: len_bytes,
        dest_offset: dst_offset_bytes,
    };
    // SAFETY: FICLONERANGE reads one `struct file_clone_range`, which the setter owns for the call, and writes
    // nothing back; `src` is borrowed for the whole call, so the number in it names an open descriptor.
    unsafe { ioctl(dst, Setter::<FICLONERANGE, FileCloneRange>::new(range)) }
}
