//! The content of announced files: in one piece, taken over, or left out. In pieces: [`super::FileSink`].

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use file_tree::{Access, Dir, FileType};
use manifest::{Entry, Kind, join_path, split_path};

use super::Growing;
use super::slot::DirSlot;
use crate::error::{Cause, During as _, Error, Result, errno, shown};
use crate::index::Location;

/// What a file's content starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileStart {
    /// From nothing: all of it comes, what is skipped is a hole.
    New,
    /// From the base's file of the same path, of which ranges are overwritten.
    Patch,
}

/// What became of an attempt to reuse content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Reuse {
    /// The file is complete.
    Done,
    /// The content is not there (any more). The file is still pending.
    Stale,
}

impl Growing {
    pub(super) fn put_small(&self, slot: &DirSlot, entry: &Entry, bytes: &[u8]) -> Result<()> {
        let (path, name) = (&*slot.path, &*entry.name);
        if entry.size() != bytes.len() as u64 || entry.hash().is_none() {
            return Err(Error::invalid_entry(
                &join_path(path, name),
                "its size is not that of its content",
            ));
        }
        let file = self.create(slot, name, entry.metadata.mode)?;
        file.write_all_at(bytes, 0).during_entry("write", path, name)?;
        self.apply_new(&file, &entry.metadata, path, name)?;
        self.tally.written_bytes(bytes.len() as u64);
        self.tally.written_file();
        self.note_sound(path, name);
        slot.settle()
    }

    /// Creates a file in place of what is there.
    pub(super) fn create(&self, slot: &DirSlot, name: &[u8], mode: u32) -> Result<File> {
        self.replacing(slot, name, || slot.dir.create_file(name, mode))
    }

    /// Makes the file have the base's content and the entry's metadata.
    pub(super) fn keep_content(&self, slot: &DirSlot, entry: &Entry) -> Result<()> {
        let (path, name) = (&*slot.path, &*entry.name);
        let from = self.base_dir(slot, name)?;
        let stat = match from.stat(name) {
            Ok(stat) if stat.kind == FileType::File && stat.size == entry.size() => stat,
            Ok(_) => return Err(no_base(path, name)),
            Err(error) if error.is_not_found() => return Err(no_base(path, name)),
            Err(error) => return Err(error).during_entry("look at", path, name),
        };
        let is_right = self.attributes.are(from, name, &stat, &entry.metadata);
        let is_right = is_right.during_entry("read the metadata of", path, name)?;
        if is_right && !slot.is_placed {
            self.duplicate(from, name, slot, entry)
                .during_entry("carry", path, name)?;
        } else if !is_right {
            let file = from
                .open_file(name, Access::Read)
                .during_entry("open", path, name)?;
            if self.may_change(slot, stat.nlink) {
                self.tallied(self.attributes.apply_over(&file, &entry.metadata), path, name)?;
            } else {
                let own = self.create_from(&file, slot, name)?;
                self.apply_new(&own, &entry.metadata, path, name)?;
            }
        }
        self.tally.carried();
        Ok(())
    }

    /// Brings the base's version of a file into the tree, if it isn't there.
    pub(super) fn keep_base(&self, slot: &DirSlot, base: &Entry) -> Result<()> {
        let from = self.base_dir(slot, &base.name)?;
        if slot.is_placed {
            return Ok(());
        }
        self.duplicate(from, &base.name, slot, base)
            .during_entry("carry", &slot.path, &base.name)
    }

    /// The directory that has the base's version of the slot's entries.
    pub(super) fn base_dir<'a>(&self, slot: &'a DirSlot, name: &[u8]) -> Result<&'a Dir> {
        let from = if slot.is_placed {
            Some(&slot.dir)
        } else {
            slot.base.as_ref()
        };
        from.ok_or_else(|| no_base(&slot.path, name))
    }

    /// Whether the base's file is this tree's alone, so that it may be changed in place.
    ///
    /// One with several names is not: they may have parted in the source. The other names keep the old content, and
    /// those that are still hard links get the new one at the end.
    pub(super) fn may_change(&self, slot: &DirSlot, nlink: u32) -> bool {
        slot.is_placed && !self.shared.backend.shares_inodes() && nlink == 1
    }

    /// Makes a file of the slot's own, in place of what has its name, with the content of another.
    pub(super) fn create_from(&self, source: &File, slot: &DirSlot, name: &[u8]) -> Result<File> {
        let file = self.create(slot, name, 0o600)?;
        self.shared
            .backend
            .copy_content(source, &file)
            .during_entry("copy", &slot.path, name)?;
        Ok(file)
    }

    pub(super) fn reuse(&self, slot: &DirSlot, entry: &Entry, location: &Location) -> Result<Reuse> {
        let Some(found) = self.shared.located.open(&self.shared, location, entry)? else {
            return Ok(Reuse::Stale);
        };
        self.take_over(slot, entry, &found.dir, &found.name)
    }

    pub(super) fn reuse_own(&self, slot: &DirSlot, entry: &Entry, path: &[u8]) -> Result<Reuse> {
        let Some((parent, name)) = split_path(path) else {
            return Ok(Reuse::Stale);
        };
        match self.tree.dir.open_beneath(parent) {
            Ok(dir) => self.take_over(slot, entry, &dir, name),
            Err(error) if error.is_denied() => Err(error).during("open", shown(parent)),
            Err(_) => Ok(Reuse::Stale),
        }
    }

    /// Makes the entry's file a duplicate of another in the storage.
    fn take_over(&self, slot: &DirSlot, entry: &Entry, from: &Dir, from_name: &[u8]) -> Result<Reuse> {
        let Kind::File { size, .. } = entry.kind else {
            return Err(Error::invalid_entry(&entry.name, "only files have content"));
        };
        match from.stat(from_name) {
            Ok(stat) if stat.kind == FileType::File && stat.size == size => {
                if self.shared.backend.shares_inodes() && !self.attributes.look_alike(&stat, &entry.metadata)
                {
                    // The inode keeps the metadata of its first owner; this one's are in the manifest.
                    self.tally.fidelity(crate::attributes::Fidelity::Reduced);
                }
            }
            _ => return Ok(Reuse::Stale),
        }
        match self.duplicate(from, from_name, slot, entry) {
            Err(cause) if is_gone(&cause) => Ok(Reuse::Stale),
            done => {
                done.during_entry("reuse content for", &slot.path, &entry.name)?;
                self.tally.reused();
                self.note_sound(&slot.path, &entry.name);
                slot.settle().map(|()| Reuse::Done)
            }
        }
    }
}

fn is_gone(cause: &Cause) -> bool {
    errno(cause) == Some(rustix::io::Errno::NOENT)
}

pub(super) fn no_base(path: &[u8], name: &[u8]) -> Error {
    Error::NoBase {
        path: shown(&join_path(path, name)),
    }
}
