//! btrfs: a subvolume per backup, which begins as a snapshot of its base.

use std::fs::File;

use cow_fs::btrfs::{self, Access, Compression, SubvolumeId};
use file_tree::Dir;

use super::{Backend, Dropped, Growth, Reflink, move_to_trash};
use crate::error::{Cause, During as _, Result, shown};

/// A subvolume per backup, read-only once committed.
#[derive(Debug)]
pub(crate) struct Btrfs {
    compression: Option<Compression>,
}

impl Btrfs {
    pub fn new(compression: Option<Compression>) -> Self {
        Self { compression }
    }

    fn set_compression(&self, parent: &Dir, name: &[u8]) -> Result<()> {
        let Some(compression) = self.compression else {
            return Ok(());
        };
        let tree = parent.child(name).during("open", shown(name))?;
        btrfs::set_compression(&tree, compression).during("set the compression of", shown(name))
    }
}

impl Backend for Btrfs {
    fn shares_inodes(&self) -> bool {
        false
    }

    fn create_tree(&self, parent: &Dir, name: &[u8]) -> Result<Growth> {
        btrfs::create_subvolume(parent, name).during("create", shown(name))?;
        self.set_compression(parent, name)?;
        Ok(Growth::PerEntry)
    }

    /// A base that is no subvolume (a storage that was copied here) is carried entry by entry.
    fn grow_tree(&self, base: &Dir, parent: &Dir, name: &[u8]) -> Result<Growth> {
        if !btrfs::is_subvolume(base).during("look at", shown(name))? {
            return self.create_tree(parent, name);
        }
        btrfs::snapshot(base, parent, name, Access::Writable).during("snapshot", shown(name))?;
        self.set_compression(parent, name)?;
        Ok(Growth::Whole)
    }

    fn copy_content(&self, from: &File, to: &File) -> Result<(), Cause> {
        Reflink.copy_content(from, to)
    }

    fn seal(&self, tree: &Dir) -> Result<()> {
        if !btrfs::is_subvolume(tree).during("look at", ".")? {
            return Ok(());
        }
        btrfs::set_access(tree, Access::ReadOnly).during("make read-only", ".")
    }

    fn unseal(&self, tree: &Dir) -> Result<()> {
        if !self.is_apart(tree) {
            return Ok(());
        }
        btrfs::set_access(tree, Access::Writable).during("make writable", ".")
    }

    fn is_apart(&self, tree: &Dir) -> bool {
        btrfs::is_subvolume(tree).unwrap_or(false)
    }

    fn is_sealed(&self, tree: &Dir) -> bool {
        let is_own = btrfs::is_subvolume(tree).unwrap_or(false);
        !is_own || btrfs::access(tree).is_ok_and(|access| access == Access::ReadOnly)
    }

    fn drop_tree(&self, parent: &Dir, name: &[u8], trash: &Dir) -> Result<Dropped> {
        match btrfs::delete_subvolume(parent, name) {
            Ok(()) => return Ok(Dropped::Subvolume),
            Err(cow_fs::Error::NotFound { .. }) => return Ok(Dropped::Nothing),
            Err(error) => tracing::debug!(%error, "deleting a subvolume by its contents"),
        }
        // No subvolume, or one that contains others, or no right to delete it as it is: a read-only one can neither be
        // deleted by its owner nor moved.
        if let Ok(tree) = parent.child(name)
            && btrfs::is_subvolume(&tree).unwrap_or(false)
        {
            btrfs::set_access(&tree, Access::Writable).during("make writable", shown(name))?;
            drop(tree);
            if btrfs::delete_subvolume(parent, name).is_ok() {
                return Ok(Dropped::Subvolume);
            }
        }
        move_to_trash(parent, name, trash)
    }

    fn subvolume(&self, tree: &Dir) -> Option<SubvolumeId> {
        let is_own = btrfs::is_subvolume(tree).unwrap_or(false);
        is_own.then(|| btrfs::subvolume_id(tree).ok()).flatten()
    }

    fn free_dropped(&self, state: &Dir) -> Result<()> {
        btrfs::sync(state).during("sync", "the storage")
    }

    /// Without the right to ask, it counts as removed.
    fn is_removed(&self, state: &Dir, subvolume: SubvolumeId) -> bool {
        btrfs::is_cleaned(state, subvolume).unwrap_or(true)
    }
}
