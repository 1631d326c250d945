//! Which of a file's several names is the first in manifest order: that one is the file, the others are links
//! to it.
//!
//! Only inodes with more than one name are remembered, and only until all of their names have been seen.

use std::collections::HashMap;

use file_tree::{Identity, Stat};
use manifest::join_path;

/// Beyond this much memory further names are taken for files of their own.
const MAX_BYTES: usize = 64 << 20;
/// What an entry takes beside its path.
const ENTRY_BYTES: usize = 64;

/// The first names seen so far.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    first: HashMap<Identity, First>,
    bytes: usize,
}

#[derive(Debug)]
struct First {
    path: Box<[u8]>,
    /// Names of the inode that have not been seen.
    unseen: u32,
}

/// What a name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    /// The file itself: its only name, or the first of several.
    File,
    /// A further name of the file at this path.
    Link(Box<[u8]>),
}

impl LinkTable {
    /// Takes the next name in manifest order.
    pub(super) fn role(&mut self, stat: &Stat, dir: &[u8], name: &[u8]) -> Role {
        if stat.nlink < 2 {
            return Role::File;
        }
        let identity = stat.identity();
        if let Some(first) = self.first.get_mut(&identity) {
            let path = first.path.clone();
            first.unseen = first.unseen.saturating_sub(1);
            if first.unseen == 0 {
                self.forget(identity);
            }
            return Role::Link(path);
        }
        if self.bytes < MAX_BYTES {
            let path = join_path(dir, name);
            self.bytes += path.len() + ENTRY_BYTES;
            self.first.insert(
                identity,
                First {
                    path,
                    unseen: stat.nlink - 1,
                },
            );
        }
        Role::File
    }

    /// Notes that the file could not be read under its first name: the next one takes its place.
    pub(super) fn forget(&mut self, identity: Identity) {
        if let Some(first) = self.first.remove(&identity) {
            self.bytes -= first.path.len() + ENTRY_BYTES;
        }
    }
}
