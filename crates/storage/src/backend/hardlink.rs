//! All other file systems: files that did not change are hard links.

use std::fs::File;

use file_tree::{Access, Dir};
use rustix::io::Errno;

use super::{Backend, Duplicate, Growth, copy_sparse};
use crate::error::{Cause, During as _, Result, shown, tree_errno};

/// A tree per backup. Inodes are shared between backups and never changed once a backup has them.
#[derive(Debug)]
pub(crate) struct Hardlink;

impl Backend for Hardlink {
    fn shares_inodes(&self) -> bool {
        true
    }

    fn create_tree(&self, parent: &Dir, name: &[u8]) -> Result<Growth> {
        parent.create_dir(name, 0o755).during("create", shown(name))?;
        Ok(Growth::PerEntry)
    }

    fn grow_tree(&self, _base: &Dir, parent: &Dir, name: &[u8]) -> Result<Growth> {
        self.create_tree(parent, name)
    }

    fn copy_content(&self, from: &File, to: &File) -> Result<(), Cause> {
        copy_sparse(from, to)
    }

    fn duplicate(&self, from: &Dir, from_name: &[u8], to: &Dir, to_name: &[u8]) -> Result<Duplicate, Cause> {
        match to.create_hard_link(to_name, from, from_name) {
            Ok(()) => Ok(Duplicate::Shared),
            Err(error) if is_link_refusal(&error) => {
                let source = from.open_file(from_name, Access::Read)?;
                if !source.metadata()?.is_file() {
                    return Err(Errno::NOENT.into());
                }
                let file = to.create_file(to_name, 0o600)?;
                copy_sparse(&source, &file)?;
                Ok(Duplicate::Own(file))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The modes in the tree are those of the source and must stay so, all the more as they belong to several backups.
    fn seal(&self, _tree: &Dir) -> Result<()> {
        Ok(())
    }
}

/// Whether a link can't be made but a copy can: the inode has as many links as it may have, or the file system has
/// none at all (FAT answers EPERM).
fn is_link_refusal(error: &file_tree::Error) -> bool {
    matches!(
        tree_errno(error),
        Some(Errno::MLINK | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::XDEV)
    )
}
