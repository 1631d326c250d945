//! Carrying entries from the base, one by one, where the tree did not begin with them.

use file_tree::{Dir, FileType};
use manifest::delta::DirDelta;
use manifest::{DirRecord, Entry, Kind, join_path, split_path};

use super::Growing;
use super::slot::DirSlot;
use super::structure::{Structure, no_volumes};
use crate::attributes::set_mtime;
use crate::backend::Duplicate;
use crate::error::{Cause, During as _, Error, Result, errno, shown};
use crate::index::Content;
use crate::names::PoolId;

/// What became of an entry that was to be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    /// It is in the tree, or will be when all else is.
    Whole,
    /// The base has lost its content.
    Lost,
}

impl Growing {
    /// Opens a directory of the base's tree.
    pub(super) fn open_base(&self, path: &[u8]) -> Result<Dir> {
        let base = self
            .base
            .as_ref()
            .ok_or_else(|| Error::NoBase { path: shown(path) })?;
        // A directory that the base's manifest has a record of is one, and so is all above it.
        match base.root.open_dir(path, |_| Ok(true)) {
            // It, or the pooled directory that it lies in, is gone.
            Err(Error::NotInBackup { .. } | Error::Corrupt { .. }) => {
                Err(Error::NoBase { path: shown(path) })
            }
            opened => opened,
        }
    }

    /// The same, where one that the base has lost is no reason to fail: its entries are lost one by one.
    pub(super) fn find_base(&self, path: &[u8]) -> Result<Option<Dir>> {
        match self.open_base(path) {
            Err(Error::NoBase { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Carries all entries that the delta leaves alone. Returns the names of those that the base has lost.
    pub(super) fn carry_rest(
        &self,
        structure: &mut Structure,
        slot: &DirSlot,
        delta: &DirDelta,
        merged: &DirRecord,
    ) -> Result<Vec<Box<[u8]>>> {
        let mut lost = Vec::new();
        let mut upserts = delta.upserts.iter().map(|upsert| &upsert.entry.name).peekable();
        for entry in &merged.entries {
            while upserts.next_if(|name| **name < entry.name).is_some() {}
            if upserts.next_if(|name| **name == entry.name).is_none()
                && self.carry(structure, slot, entry)? == Carried::Lost
            {
                lost.push(entry.name.clone());
            }
        }
        Ok(lost)
    }

    /// Carries one entry. Where the base has lost a file, the backup goes on without it.
    pub(super) fn carry(&self, structure: &mut Structure, slot: &DirSlot, entry: &Entry) -> Result<Carried> {
        let (path, name) = (&*slot.path, &*entry.name);
        match &entry.kind {
            Kind::File { .. } => return self.carry_file(slot, entry),
            Kind::Directory => match self.pooled_in_base(slot, name) {
                Some(text) => self.replacing(slot, name, || slot.dir.create_symlink(name, &text))?,
                None => self.make_dir(structure, slot, entry, None)?,
            },
            Kind::HardLink { .. } => structure.note_links(path),
            Kind::Volume { .. } => return Err(no_volumes(&join_path(path, name))),
            Kind::Symlink { .. } | Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {
                self.make_special(slot, entry)?;
            }
        }
        Ok(Carried::Whole)
    }

    fn carry_file(&self, slot: &DirSlot, entry: &Entry) -> Result<Carried> {
        let name = &*entry.name;
        let duplicated = slot
            .base
            .as_ref()
            .map(|from| self.duplicate(from, name, slot, entry));
        match duplicated {
            Some(Err(cause)) if errno(&cause) != Some(rustix::io::Errno::NOENT) => {
                Err(cause).during_entry("carry", &slot.path, name)
            }
            Some(Ok(())) => {
                self.tally.carried();
                Ok(Carried::Whole)
            }
            Some(Err(_)) | None => {
                self.tally.lost(join_path(&slot.path, name));
                Ok(Carried::Lost)
            }
        }
    }

    /// Makes the entry's file in the slot's directory with the content, and in the end the metadata, of another.
    pub(super) fn duplicate(
        &self,
        from: &Dir,
        from_name: &[u8],
        slot: &DirSlot,
        entry: &Entry,
    ) -> Result<(), Cause> {
        let name = &*entry.name;
        let duplicate = || self.shared.backend.duplicate(from, from_name, &slot.dir, name);
        let duplicated = match duplicate() {
            Err(cause) if errno(&cause) == Some(rustix::io::Errno::EXIST) => {
                slot.dir.remove_tree(name, file_tree::Subvolumes::Refuse)?;
                duplicate()?
            }
            duplicated => duplicated?,
        };
        match duplicated {
            Duplicate::Shared => {}
            Duplicate::Own(file) => {
                self.tally
                    .fidelity(self.attributes.apply_new(&file, &entry.metadata)?);
                self.note_moved(slot, entry);
            }
        }
        Ok(())
    }

    /// On a backend that shares inodes, a copy was made since the old inode can't have more links: the index should
    /// lead to the new one from now on.
    fn note_moved(&self, slot: &DirSlot, entry: &Entry) {
        if let Kind::File { size, hash, .. } = entry.kind
            && self.shared.backend.shares_inodes()
            && size > crate::SMALL_FILE_BYTES
        {
            self.moved.lock().push(Content {
                hash,
                size,
                path: join_path(&slot.path, &entry.name),
            });
        }
    }

    /// The text of the link, if the base has a link into the pool in place of this directory, and that is there.
    fn pooled_in_base(&self, slot: &DirSlot, name: &[u8]) -> Option<Box<[u8]>> {
        let base = self.base.as_ref().filter(|base| base.has_pool_links)?;
        let text = slot.base.as_ref()?.read_link(name).ok()?;
        let pool = crate::pool::parse_link(&base.root.client, &join_path(&slot.path, name), &text)?;
        base.root.open_pooled(&pool).is_ok().then_some(text)
    }

    /// Makes something, in place of what is there.
    pub(super) fn replacing<T>(
        &self,
        slot: &DirSlot,
        name: &[u8],
        make: impl Fn() -> file_tree::Result<T>,
    ) -> Result<T> {
        match make() {
            Err(file_tree::Error::Exists { .. }) => {
                self.clear(&slot.dir, &slot.path, name)?;
                make()
            }
            made => made,
        }
        .during_entry("create", &slot.path, name)
    }

    /// Makes a directory again of what is a link into the pool in the growing tree: all files as links, as in the pool.
    pub(super) fn unpool(&self, path: &[u8], pool: &PoolId) -> Result<()> {
        let (parent, name) =
            split_path(path).ok_or_else(|| Error::invalid_entry(path, "the root is no link"))?;
        let parent = self.tree.dir.open_beneath(parent).during("open", shown(path))?;
        let mtime = parent.stat_self().during("look at", shown(path))?.mtime;
        let pooled = self.tree.open_pooled(pool)?;
        parent.remove(name).during("remove", shown(path))?;
        let dir = parent.create_dir(name, 0o700).during("create", shown(path))?;
        self.unpool_into(&pooled, &dir, path)?;
        set_mtime(&parent, mtime).during("set the time of", shown(path))
    }

    fn unpool_into(&self, pooled: &Dir, dir: &Dir, path: &[u8]) -> Result<()> {
        let mut left: Vec<Box<[u8]>> = vec![Box::default()];
        while let Some(below) = left.pop() {
            let from = pooled.open_beneath(&below).during("open", shown(path))?;
            let to = dir.open_beneath(&below).during("open", shown(path))?;
            for listed in from.list().during("list", shown(path))?.iter() {
                let name = listed.name;
                let kind = match listed.kind {
                    FileType::Unknown => from.stat(name).during_entry("look at", path, name)?.kind,
                    kind => kind,
                };
                match kind {
                    FileType::Directory => {
                        to.create_dir(name, 0o700).during_entry("create", path, name)?;
                        left.push(join_path(&below, name));
                    }
                    FileType::File => self
                        .unpool_file(&from, &to, name)
                        .during_entry("link", path, name)?,
                    _ => to
                        .create_hard_link(name, &from, name)
                        .during_entry("link", path, name)?,
                }
            }
            self.copy_metadata(&from, &to, path)?;
        }
        Ok(())
    }

    fn unpool_file(&self, from: &Dir, to: &Dir, name: &[u8]) -> Result<(), Cause> {
        if let Duplicate::Own(file) = self.shared.backend.duplicate(from, name, to, name)? {
            let names = file_tree::Names::fixed(&[], &[]);
            let target = file_tree::metadata::Target::At(from, name);
            let metadata = file_tree::metadata::read(target, &from.stat(name)?, &names)?;
            self.tally.fidelity(self.attributes.apply_new(&file, &metadata)?);
        }
        Ok(())
    }

    /// Gives a directory the metadata of another one of the storage, after everything in it has been made.
    fn copy_metadata(&self, from: &Dir, to: &Dir, path: &[u8]) -> Result<()> {
        let stat = from.stat_self().during("look at", shown(path))?;
        let names = file_tree::Names::fixed(&[], &[]);
        let metadata =
            file_tree::metadata::read(from, &stat, &names).during("read the metadata of", shown(path))?;
        self.tallied(self.attributes.apply_dir(to, &metadata), path, b"")
    }
}
