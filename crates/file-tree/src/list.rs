//! Listing the names in a directory with getdents and one reused buffer.

use std::mem::MaybeUninit;

use rustix::fd::BorrowedFd;
use rustix::fs::RawDir;
use rustix::io::Errno;

use crate::arena::{Arena, Span};
use crate::name::check_name;
use crate::stat::FileType;

/// How much one getdents call may return.
const BUFFER_BYTES: usize = 64 * 1024;

/// The names in a directory, in the order of the file system, without `.` and `..`.
#[derive(Debug, Default)]
pub struct Listing {
    arena: Arena,
    items: Vec<Item>,
    malformed: usize,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    name: Span,
    kind: FileType,
    ino: u64,
}

/// One name of a [`Listing`].
#[derive(Clone, Copy, Debug)]
pub struct Listed<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The kind of object, [`FileType::Unknown`] where the file system does not tell without a stat.
    pub kind: FileType,
    /// The inode's number; at a mount point that of the directory beneath.
    pub ino: u64,
}

impl Listing {
    /// Iterates over the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Listed<'_>> + '_ {
        self.items.iter().map(|item| Listed {
            name: self.arena.get(item.name),
            kind: item.kind,
            ino: item.ino,
        })
    }

    /// Returns how many names there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether the directory is empty.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns how many names were passed over since no system call would take them (a damaged file system).
    pub fn malformed(&self) -> usize {
        self.malformed
    }

    /// Puts the names in the order of their bytes.
    pub fn sort_by_name(&mut self) {
        let arena = &self.arena;
        self.items
            .sort_unstable_by(|a, b| arena.get(a.name).cmp(arena.get(b.name)));
    }

    /// Puts the names in the order of their inode numbers: reading inodes in this order is
    /// what a cold disk answers fastest (ext4 lists in the order of name hashes).
    pub(crate) fn sort_by_inode(&mut self) {
        self.items.sort_unstable_by_key(|item| item.ino);
    }

    /// Returns how many bytes all names have together.
    pub(crate) fn names_bytes(&self) -> usize {
        self.arena.len_bytes()
    }

    fn clear(&mut self) {
        self.arena.clear();
        self.items.clear();
        self.malformed = 0;
    }

    fn push(&mut self, name: &[u8], kind: FileType, ino: u64) {
        if name == b"." || name == b".." {
            return;
        }
        if check_name(name).is_err() {
            self.malformed += 1;
            return;
        }
        let name = self.arena.push(name);
        self.items.push(Item { name, kind, ino });
    }
}

/// Lists directories, one after the other, into the same memory.
#[derive(Debug)]
pub(crate) struct Lister {
    buffer: Vec<MaybeUninit<u8>>,
    pub(crate) listing: Listing,
}

impl Lister {
    pub(crate) fn new() -> Lister {
        Lister {
            buffer: vec![MaybeUninit::uninit(); BUFFER_BYTES],
            listing: Listing::default(),
        }
    }

    /// Lists `dir` from its current position. What was listed before an error stays in the listing.
    pub(crate) fn list(&mut self, dir: BorrowedFd<'_>) -> Result<(), Errno> {
        self.listing.clear();
        let mut entries = RawDir::new(dir, &mut self.buffer);
        while let Some(entry) = entries.next() {
            match entry {
                Ok(entry) => {
                    self.listing.push(
                        entry.file_name().to_bytes(),
                        entry.file_type().into(),
                        entry.ino(),
                    );
                }
                Err(Errno::INTR) => {}
                // The directory was removed while it was open: it has no entries any more.
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }
}
