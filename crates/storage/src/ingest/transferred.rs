//! What a backup that comes from another storage needs beyond what one from a client does.
//!
//! A client is told what its base has lost and leaves it out; here the manifest stands, and what is lost or damaged in the target is
//! taken from the source.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use file_tree::Access;
use manifest::{ContentHash, Entry};

use super::structure::Place;
use super::{DirSlot, FileSink, Ingest};
use crate::error::{During as _, Result, shown};
use crate::names::BackupName;

impl Ingest {
    /// The backup whose tree this one began with or is carried from.
    pub(crate) fn base_name(&self) -> Option<BackupName> {
        self.growing.state.lock().base_name()
    }

    /// Whether an interrupted one goes on.
    pub(crate) fn is_resumed(&self) -> bool {
        self.growing.is_resumed
    }

    /// Whether a file that the base's manifest lists is known to be damaged in it, or in what an earlier session has made.
    pub(crate) fn is_damaged(&self, path: &[u8]) -> bool {
        self.growing.damaged.lock().contains(path)
    }

    /// Whether that is known of any file of a directory.
    pub(crate) fn is_any_damaged_in(&self, path: &[u8]) -> bool {
        self.growing.damaged.lock().is_any_in(path)
    }

    /// Lists a file of the tree whose content is not what the manifest says.
    pub(crate) fn note_damaged(&self, path: &[u8], hash: ContentHash) -> Result<()> {
        self.growing.note_damaged(path, hash)
    }

    /// Lists a directory in which entries that are the base's may have content of their own.
    pub(crate) fn note_retold(&self, path: &[u8]) -> Result<()> {
        self.growing.note_retold(path)
    }

    /// Opens a directory of the tree again that was complete, for so many files that its base had lost.
    pub(crate) fn reopen(&self, path: &[u8], pending: usize) -> Result<Arc<DirSlot>> {
        let dir = self.growing.tree.dir.open_beneath(path);
        let dir = dir.during("open", shown(path))?;
        let mut slot = self.growing.slot(path, dir, None, Place::Missing)?;
        slot.pending = AtomicUsize::new(pending);
        Ok(Arc::new(slot))
    }

    /// Opens the base's version of a pending file for reading; `None` if there is none.
    pub(crate) fn open_base_file(&self, slot: &DirSlot, name: &[u8]) -> Result<Option<File>> {
        let Ok(dir) = self.growing.base_dir(slot, name) else {
            return Ok(None);
        };
        match dir.open_file(name, Access::Read) {
            Err(error) if error.is_not_found() => Ok(None),
            opened => opened.map(Some).during_entry("open", &slot.path, name),
        }
    }

    /// Opens a pending file that begins with the content of another one of the storage, which is sound.
    pub(crate) fn file_from(&self, slot: &Arc<DirSlot>, entry: &Entry, source: &File) -> Result<FileSink> {
        FileSink::open_from(&self.growing, slot, entry, source)
    }
}
