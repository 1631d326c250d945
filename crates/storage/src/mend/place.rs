//! The place where new content is made, and its way into the tree.

use std::fs::File;
use std::io;

use file_tree::Dir;
use manifest::Entry;

use super::journal::{Journal, restore_time, seal};
use super::{Mending, Source};
use crate::attributes::Attributes;
use crate::crash;
use crate::durable;
use crate::error::{During as _, Error, Result, shown};
use crate::names::PoolId;
use crate::trash::Item;
use crate::tree::open_regular;

/// New content on its way into a tree.
pub(super) struct Place<'a> {
    mending: &'a Mending<'a>,
    /// The names that the file has.
    names: &'a [Box<[u8]>],
    item: Item,
    /// Where the content is made.
    dir: Dir,
    staged: String,
}

impl<'a> Place<'a> {
    /// Makes the tree ready. A file can be renamed within a subvolume only, so there it is made in the tree, elsewhere beside it.
    pub fn prepare(mending: &'a Mending<'a>, names: &'a [Box<[u8]>]) -> Result<Self> {
        let (shared, tree) = (mending.shared, &mending.root.dir);
        let item = Item::create(&shared.layout)?;
        let staged = format!(".mended-{}", PoolId::random());
        let is_in_tree = shared.backend.is_apart(tree);
        let in_tree = is_in_tree.then_some(&*staged);
        // ORDER: what is to be put right after a crash is known before anything is touched.
        Journal::new(mending.client, mending.name, &names[0], in_tree).write(&item)?;
        durable::sync(&shared.layout.trash, "the trash")?;
        crash::point("mend: journal written");
        shared.backend.unseal(tree)?;
        crash::point("mend: writable");
        let dir = if is_in_tree { tree } else { &item.dir };
        let dir = dir.open_beneath(b"").during("open", ".")?;
        Ok(Self {
            mending,
            names,
            item,
            dir,
            staged,
        })
    }

    /// Makes a file with the content of another and the metadata of an entry.
    pub fn stage(&self, source: &Source, entry: &Entry) -> Result<()> {
        let shared = self.mending.shared;
        let attributes = Attributes::of_this_process();
        if let Some((dir, name)) = source.place.as_ref().filter(|_| shared.backend.shares_inodes()) {
            let stat = dir.stat(name).during("look at", shown(name))?;
            let is_alike = attributes.are(dir, name, &stat, &entry.metadata);
            let is_alike = is_alike.during("read the metadata of", shown(name))?;
            if is_alike
                && self
                    .dir
                    .create_hard_link(self.staged.as_bytes(), dir, name)
                    .is_ok()
            {
                return Ok(());
            }
        }
        let file = self.create()?;
        let copied = shared.backend.copy_content(&source.file, &file);
        copied.during("copy", shown(&self.names[0]))?;
        let applied = attributes.apply_new(&file, &entry.metadata);
        // As far as it can be, as when the backup was made.
        let _ = applied.during("set the metadata of", shown(&self.names[0]))?;
        Ok(())
    }

    /// Creates the new file.
    pub fn create(&self) -> Result<File> {
        let created = self.dir.create_file(self.staged.as_bytes(), 0o600);
        created.during("create", shown(&self.names[0]))
    }

    /// Puts the new file, if it could be made and is right, in the place of the old one under all of its names. Whatever fails, the tree is left
    /// as it should be.
    pub fn put_in_place(
        self,
        staged: Result<()>,
        is_right: impl FnOnce(&File) -> io::Result<bool>,
    ) -> Result<()> {
        let shared = self.mending.shared;
        let placed = staged
            .and_then(|()| self.check(is_right))
            .and_then(|()| self.place());
        let removed = durable::remove(&self.dir, self.staged.as_bytes());
        let sealed = seal(shared, &self.mending.root.dir);
        crash::point("mend: sealed");
        // The pieces of the old content are in the books, and nobody can be asked for them any more.
        shared.ledger.distrust();
        if removed.is_ok() && sealed.is_ok() {
            // Else the next start puts it right.
            self.item.remove(&shared.layout)?;
        }
        placed.and(removed).and(sealed)
    }

    fn check(&self, is_right: impl FnOnce(&File) -> io::Result<bool>) -> Result<()> {
        let path = || shown(&self.names[0]);
        let staged = open_regular(&self.dir, self.staged.as_bytes())?;
        // ORDER: the content is durable, and what has been proven is what is there, before the name leads to it.
        staged.sync_all().during("sync", path())?;
        crash::point("mend: content durable");
        if is_right(&staged).during("read", path())? {
            Ok(())
        } else {
            Err(Error::WrongContent { path: path() })
        }
    }

    fn place(&self) -> Result<()> {
        let root = &self.mending.root;
        let mut first: Option<(Dir, &[u8])> = None;
        for path in self.names {
            let Some((parent, name)) = manifest::split_path(path) else {
                return Err(Error::invalid_entry(path, "the root is no file"));
            };
            let dir = root.open_dir(parent, |_| Ok(true))?;
            if let Some((first_dir, first_name)) = &first {
                let linked = self
                    .dir
                    .create_hard_link(self.staged.as_bytes(), first_dir, first_name);
                linked.during("link", shown(path))?;
            }
            let renamed = self.dir.rename(self.staged.as_bytes(), &dir, name);
            renamed.during("replace", shown(path))?;
            // Where both are names of the same inode already, a rename does nothing.
            durable::remove(&self.dir, self.staged.as_bytes())?;
            crash::point("mend: in place");
            let restored = restore_time(&self.mending.manifest, parent, &dir);
            restored.map_err(self.mending.manifest_error())??;
            durable::sync(&dir, "a mended backup")?;
            first.get_or_insert((dir, name));
        }
        Ok(())
    }
}
