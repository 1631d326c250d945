//! `DirSlot`: a directory of the growing tree while content for it is still to come.
//!
//! It holds the directory open, counts what is pending, and gives the directory its time of modification (and its
//! default access list) when the last of that is done.

use std::sync::atomic::{AtomicUsize, Ordering};

use file_tree::Dir;
use manifest::Timestamp;

use crate::attributes::{DefaultAcl, set_mtime};
use crate::error::{During as _, Result, shown};

/// A directory that takes content.
#[derive(Debug)]
pub struct DirSlot {
    pub(super) path: Box<[u8]>,
    pub(super) dir: Dir,
    /// The base's directory, for entries that the tree does not have yet.
    pub(super) base: Option<Dir>,
    /// Whether the entries of the base are in the tree already.
    pub(super) is_placed: bool,
    pub(super) lost: Vec<Box<[u8]>>,
    pub(super) pending: AtomicUsize,
    pub(super) closing: Closing,
}

/// What a directory is given at the end.
#[derive(Debug)]
pub(super) struct Closing {
    pub mtime: Option<Timestamp>,
    pub acl: DefaultAcl,
}

impl DirSlot {
    /// The directory's path within the backup.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The names of entries, sorted, whose content should have come from the base, which has lost it. They are not in the
    /// tree and must not be in the manifest.
    pub fn lost(&self) -> &[Box<[u8]>] {
        &self.lost
    }

    /// How many files are still to come.
    pub fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    /// One pending file is done; the last one closes the directory.
    pub(super) fn settle(&self) -> Result<()> {
        // A file that was not announced would wrap the count: that is a mistake of ours, not of a client.
        let before = self.pending.fetch_sub(1, Ordering::AcqRel);
        assert!(before > 0, "a directory was given more files than were announced");
        if before == 1 { self.close() } else { Ok(()) }
    }

    /// Gives the directory what was held back. Nothing is made in it from now on, but hard links at the very end.
    pub(super) fn close(&self) -> Result<()> {
        self.closing
            .acl
            .restore(&self.dir)
            .during("set the access list of", shown(&self.path))?;
        match self.closing.mtime {
            Some(mtime) => set_mtime(&self.dir, mtime).during("set the time of", shown(&self.path)),
            None => Ok(()),
        }
    }
}
