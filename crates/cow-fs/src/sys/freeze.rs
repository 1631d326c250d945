//! `FIFREEZE` and `FITHAW` (`linux/fs.h`).

use std::os::fd::BorrowedFd;

use rustix::io::Result;
use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};

// Declared as taking an `int`, which the kernel does not look at.
const FIFREEZE: Opcode = opcode::read_write::<i32>(b'X', 119);
const FITHAW: Opcode = opcode::read_write::<i32>(b'X', 120);
const _: () = assert!(FIFREEZE == 0xc004_5877 && FITHAW == 0xc004_5878);

pub(crate) fn freeze(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: FIFREEZE neither reads nor writes its argument.
    unsafe { ioctl(fd, NoArg::<FIFREEZE>::new()) }
}

pub(crate) fn thaw(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: FITHAW neither reads nor writes its argument.
    unsafe { ioctl(fd, NoArg::<FITHAW>::new()) }
}
