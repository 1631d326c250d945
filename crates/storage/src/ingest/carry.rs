//! Carrying entries from the base, one by one, where the tree did not begin with them.

use file_tree::{Dir, FileType};
use manifest::delta::DirDelta;
use manifest::{DirRecord, Entry, Kind, join_path, split_path};

use super::Growing;
use super::slot::DirSlot;
use super::structure::Structure;
use crate::attributes::set_mtime;
use crate::backend::Duplicate;
use crate::error::{Cause, During as _, Error, Result, errno, shown};
use crate::index::Content;
use crate::names::PoolId;

impl Growing {
    /// Opens a directory of the base's tree.
    pub(super) fn open_base(&self, path: &[u8]) -> Result<Dir> {
        let base = self
            .base
            .as_ref()
            .ok_or_else(|| Error::NoBase { path: shown(path) })?;
        // A directory that the base's manifest has a record of is one, and so is all above it.
        match base.root.open_dir(path, |_| Ok(true)) {
            Err(Error::NotInBackup { .. }) => Err(Error::NoBase { path: shown(path) }),
            opened => opened,
        }
    }

    /// Carries all entries that the delta leaves alone.
    pub(super) fn carry_rest(
        &self,
        structure: &mut Structure,
        slot: &DirSlot,
        delta: &DirDelta,
        merged: &DirRecord,
    ) -> Result<()> {
        let mut upserts = delta.upserts.iter().map(|upsert| &upsert.entry.name).peekable();
        for entry in &merged.entries {
            while upserts.next_if(|name| **name < entry.name).is_some() {}
            if upserts.next_if(|name| **name == entry.name).is_none() {
                self.carry(structure, slot, entry)?;
            }
        }
        Ok(())
    }

    /// Carries one entry; a file that the base has lost is counted, and the backup goes on.
    pub(super) fn carry(&self, structure: &mut Structure, slot: &DirSlot, entry: &Entry) -> Result<()> {
        let (path, name) = (&*slot.path, &*entry.name);
        let from = slot
            .base
            .as_ref()
            .ok_or_else(|| Error::NoBase { path: shown(path) })?;
        match &entry.kind {
            Kind::File { .. } => match self.duplicate(from, name, slot, entry) {
                Err(cause) if errno(&cause) == Some(rustix::io::Errno::NOENT) => {
                    self.tally.lost(join_path(path, name));
                    Ok(())
                }
                done => done
                    .during_entry("carry", path, name)
                    .map(|()| self.tally.carried()),
            },
            Kind::Directory => match self.pooled_in_base(from, path, name) {
                Some(text) => self.replacing(slot, name, || slot.dir.create_symlink(name, &text)),
                None => self.make_dir(structure, slot, entry, None),
            },
            Kind::HardLink { .. } => {
                structure.note_links(path);
                Ok(())
            }
            Kind::Symlink { .. } | Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {
                self.make_special(slot, entry)
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

    /// The text of the link, if the base has a link into the pool in place of this directory.
    fn pooled_in_base(&self, from: &Dir, path: &[u8], name: &[u8]) -> Option<Box<[u8]>> {
        let base = self.base.as_ref().filter(|base| base.has_pool_links)?;
        let text = from.read_link(name).ok()?;
        crate::pool::parse_link(&base.root.client, &join_path(path, name), &text).map(|_| text)
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
