//! File systems that clone files but have no subvolumes: XFS, bcachefs, ZFS with block cloning.

use std::fs::File;

use file_tree::Dir;

use super::{Backend, Growth, copy_sparse};
use crate::error::{Cause, During as _, Result, shown};

/// A tree per backup; a file that is taken over from another backup shares its extents and nothing else.
#[derive(Debug)]
pub(crate) struct Reflink;

impl Backend for Reflink {
    fn shares_inodes(&self) -> bool {
        false
    }

    fn create_tree(&self, parent: &Dir, name: &[u8]) -> Result<Growth> {
        parent.create_dir(name, 0o755).during("create", shown(name))?;
        Ok(Growth::PerEntry)
    }

    fn grow_tree(&self, _base: &Dir, parent: &Dir, name: &[u8]) -> Result<Growth> {
        self.create_tree(parent, name)
    }

    fn copy_content(&self, from: &File, to: &File) -> Result<(), Cause> {
        match cow_fs::clone_file(from, to) {
            Err(error) if error.copy_may_work() => copy_sparse(from, to),
            cloned => Ok(cloned?),
        }
    }

    /// The modes in the tree are those of the source and must stay so: there is nothing to protect a tree with.
    fn seal(&self, _tree: &Dir) -> Result<()> {
        Ok(())
    }
}
