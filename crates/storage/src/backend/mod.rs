//! What differs between file systems: how a tree begins, how a file is duplicated, how a backup is sealed and dropped.
//!
//! The seam is narrow on purpose: all that writes entries, orders durable steps and keeps books is above it and the
//! same for every backend. A backend never decides what is kept.

mod btrfs;
mod hardlink;
mod reflink;

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd as _;

use cow_fs::Capabilities;
use cow_fs::btrfs::{Compression, SubvolumeId};
use file_tree::{Access, Dir};
use serde::{Deserialize, Serialize};

use crate::error::{Cause, During as _, Result, shown};

pub(crate) use btrfs::Btrfs;
pub(crate) use hardlink::Hardlink;
pub(crate) use reflink::Reflink;

/// How backups share what they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendKind {
    /// A subvolume per backup: a snapshot of its base in which the changed is overwritten.
    Btrfs,
    /// A tree per backup, its files cloned from the base.
    Reflink,
    /// A tree per backup, its unchanged files hard links to those of the base (copies, where there are none).
    Hardlink,
}

impl fmt::Display for BackendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Btrfs => "btrfs",
            Self::Reflink => "reflink",
            Self::Hardlink => "hardlink",
        })
    }
}

/// A word that stands for no backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is none of btrfs, reflink and hardlink")]
pub struct UnknownBackend;

impl std::str::FromStr for BackendKind {
    type Err = UnknownBackend;

    fn from_str(word: &str) -> std::result::Result<Self, Self::Err> {
        let all = [Self::Btrfs, Self::Reflink, Self::Hardlink];
        let found = all.into_iter().find(|kind| kind.to_string() == word);
        found.ok_or(UnknownBackend)
    }
}

impl BackendKind {
    /// The best that a file system offers.
    pub fn best(capabilities: &Capabilities) -> Self {
        if capabilities.subvolume_snapshot && capabilities.reflink {
            Self::Btrfs
        } else if capabilities.reflink {
            Self::Reflink
        } else {
            Self::Hardlink
        }
    }

    /// Why a file system can't carry this backend; `None` if it can, or is too full to tell.
    pub(crate) fn lacking(self, capabilities: &Capabilities) -> Option<String> {
        let needed: &[&'static str] = match self {
            Self::Btrfs => &["subvolume_snapshot", "reflink"],
            Self::Reflink => &["reflink"],
            Self::Hardlink => &[],
        };
        let missing = needed
            .iter()
            .find(|capability| capabilities.is_refused(capability))?;
        let reason = capabilities.refusal(missing).unwrap_or("the file system can't");
        Some(format!("{missing}: {reason}"))
    }
}

/// How much of its base a new tree begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Growth {
    /// All of it: what is not touched stays.
    Whole,
    /// Nothing: every entry is made.
    PerEntry,
}

/// A file that has been duplicated.
#[derive(Debug)]
pub(crate) enum Duplicate {
    /// Another name of the same inode, whose metadata must be left alone.
    Shared,
    /// A file of its own with the same content, whose metadata has still to be set.
    Own(File),
}

/// What became of a tree that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// There was none.
    Nothing,
    /// The kernel removes it.
    Subvolume,
    /// It lies in the trash.
    Trashed,
}

/// A storage backend.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Whether files of a tree may be the same inodes as those of other backups, so that none may be changed in place.
    fn shares_inodes(&self) -> bool;

    /// Creates the empty tree `name`.
    fn create_tree(&self, parent: &Dir, name: &[u8]) -> Result<Growth>;

    /// Creates the tree `name` for a backup that grows from `base`.
    fn grow_tree(&self, base: &Dir, parent: &Dir, name: &[u8]) -> Result<Growth>;

    /// Gives `to`, which is empty, the content of `from`, holes included.
    fn copy_content(&self, from: &File, to: &File) -> Result<(), Cause>;

    /// Makes the new file `to_name` with the content of `from_name`.
    fn duplicate(&self, from: &Dir, from_name: &[u8], to: &Dir, to_name: &[u8]) -> Result<Duplicate, Cause> {
        let source = from.open_file(from_name, Access::Read)?;
        if !source.metadata()?.is_file() {
            return Err(rustix::io::Errno::NOENT.into());
        }
        let file = to.create_file(to_name, 0o600)?;
        self.copy_content(&source, &file)?;
        Ok(Duplicate::Own(file))
    }

    /// Protects a complete tree against changes as far as the file system can.
    fn seal(&self, tree: &Dir) -> Result<()>;

    /// Lets a sealed tree be changed, until it is sealed again.
    fn unseal(&self, _tree: &Dir) -> Result<()> {
        Ok(())
    }

    /// Whether files can't be renamed into a tree from outside of it.
    fn is_apart(&self, _tree: &Dir) -> bool {
        false
    }

    /// Whether a tree is as [`seal`](Backend::seal) leaves it.
    fn is_sealed(&self, _tree: &Dir) -> bool {
        true
    }

    /// Takes the tree `name` away at once; what takes long is left in `trash` or to the kernel.
    fn drop_tree(&self, parent: &Dir, name: &[u8], trash: &Dir) -> Result<Dropped> {
        move_to_trash(parent, name, trash)
    }

    /// The number of the tree's subvolume, to see later whether the kernel has removed it.
    fn subvolume(&self, _tree: &Dir) -> Option<SubvolumeId> {
        None
    }

    /// Urges the kernel to free what was dropped.
    fn free_dropped(&self, _state: &Dir) -> Result<()> {
        Ok(())
    }

    /// Whether the kernel is done with removing a dropped subvolume.
    fn is_removed(&self, _state: &Dir, _subvolume: SubvolumeId) -> bool {
        true
    }
}

/// Makes the backend of a kind.
pub(crate) fn backend(kind: BackendKind, compression: Option<Compression>) -> Box<dyn Backend> {
    match kind {
        BackendKind::Btrfs => Box::new(Btrfs::new(compression)),
        BackendKind::Reflink => Box::new(Reflink),
        BackendKind::Hardlink => Box::new(Hardlink),
    }
}

/// The name that a dropped tree has in its trash directory.
pub(crate) const TRASHED_TREE: &[u8] = b"tree";

fn move_to_trash(parent: &Dir, name: &[u8], trash: &Dir) -> Result<Dropped> {
    match parent.rename(name, trash, TRASHED_TREE) {
        Err(error) if error.is_not_found() => Ok(Dropped::Nothing),
        moved => moved
            .during("move to the trash", shown(name))
            .map(|()| Dropped::Trashed),
    }
}

/// Copies content through the kernel, extent by extent, so that holes stay holes.
fn copy_sparse(from: &File, to: &File) -> Result<(), Cause> {
    let size_bytes = from.metadata()?.len();
    for extent in cow_fs::data_extents(from, size_bytes) {
        let extent = extent?;
        cow_fs::copy_range(
            from,
            extent.offset_bytes,
            extent.len_bytes,
            to.as_fd(),
            extent.offset_bytes,
        )?;
    }
    to.set_len(size_bytes)?;
    Ok(())
}
