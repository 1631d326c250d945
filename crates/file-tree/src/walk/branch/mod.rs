//! `Branch`: a scanned directory that has subdirectories, alive until they are all consumed.

mod descriptor;
mod order;

use std::fmt;
use std::sync::Arc;

use crate::arena::{Arena, Span};
use crate::error::failed;
use crate::filter::{IgnoreLayer, Passage};
use crate::stat::{FileType, Identity, Stat};
use crate::{Dir, Operation, Result};

use super::{Crossing, Entries, Source};
use descriptor::Descriptor;
pub(super) use order::InOrder;

/// A directory whose subdirectories are to be walked. It knows its ancestors, but not its path.
pub(super) struct Branch {
    parent: Option<Arc<Branch>>,
    /// An ancestor farther up, so that any is reached in a number of steps logarithmic in the depth. The
    /// lengths of these jumps are those of a skew-binary number (E. Myers, "An applicative random-access
    /// stack", 1983).
    jump: Option<Arc<Branch>>,
    /// Its position among the parent's subdirectories.
    index: usize,
    depth: usize,
    place: Place,
    dir: Descriptor,
    subdirs: Subdirs,
    /// The ignore files that hold here.
    pub(super) ignore: Option<Arc<IgnoreLayer>>,
}

/// Where a branch belongs.
#[derive(Debug)]
enum Place {
    /// The backup's root, whose children are the sources.
    Root(Vec<Arc<Source>>),
    /// A directory of this source.
    Beneath {
        source: Arc<Source>,
        identity: Identity,
        mount: u64,
    },
}

/// The subdirectories of one directory, sorted by name.
#[derive(Debug, Default)]
pub(super) struct Subdirs {
    names: Arena,
    items: Vec<Subdir>,
}

#[derive(Clone, Copy, Debug)]
struct Subdir {
    name: Span,
    entry: Entry,
}

/// What the scan of the parent found out about a subdirectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is walked.
    Walk,
    /// It is excluded, but leads to something included.
    Through(Passage),
    /// It is on another file system and is not even opened.
    Boundary,
}

impl Subdirs {
    pub(super) fn push(&mut self, name: &[u8], entry: Entry) {
        let name = self.names.push(name);
        self.items.push(Subdir { name, entry });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl Branch {
    /// Makes the backup's root, whose subdirectories are `sources`, sorted by name.
    pub(super) fn root(sources: Vec<Source>) -> Result<(Branch, Entries)> {
        let mut subdirs = Subdirs::default();
        let mut entries = Entries::default();
        for source in &sources {
            let stat = Stat::of(&*source.dir).map_err(failed(Operation::Stat, &source.name))?;
            subdirs.push(&source.name, Entry::Walk);
            entries.push(&source.name, stat);
        }
        let root = Branch {
            parent: None,
            jump: None,
            index: 0,
            depth: 0,
            place: Place::Root(sources.into_iter().map(Arc::new).collect()),
            dir: Descriptor::closed(),
            subdirs,
            ignore: None,
        };
        Ok((root, entries))
    }

    /// Makes the branch for the child at `index` of `parent`, which was opened as `dir` and scanned.
    pub(super) fn grow(
        parent: &Arc<Branch>,
        index: usize,
        dir: Arc<Dir>,
        stat: &Stat,
        subdirs: Subdirs,
        ignore: Option<Arc<IgnoreLayer>>,
    ) -> Branch {
        Branch {
            parent: Some(Arc::clone(parent)),
            jump: Some(Arc::clone(order::jump_from(parent))),
            index,
            depth: parent.depth + 1,
            place: Place::Beneath {
                source: Arc::clone(parent.source_of_child(index)),
                identity: stat.identity(),
                mount: stat.mount,
            },
            dir: Descriptor::open(dir),
            subdirs,
            ignore,
        }
    }

    /// Returns how many subdirectories there are.
    pub(super) fn children(&self) -> usize {
        self.subdirs.items.len()
    }

    pub(super) fn child_name(&self, child: usize) -> &[u8] {
        self.subdirs.names.get(self.subdirs.items[child].name)
    }

    pub(super) fn child_entry(&self, child: usize) -> Entry {
        self.subdirs.items[child].entry
    }

    pub(super) fn passage_of_child(&self, child: usize) -> Option<Passage> {
        match self.child_entry(child) {
            Entry::Through(passage) => Some(passage),
            Entry::Walk | Entry::Boundary => None,
        }
    }

    /// Returns the source that the child belongs to.
    pub(super) fn source_of_child(&self, child: usize) -> &Arc<Source> {
        match &self.place {
            Place::Root(sources) => &sources[child],
            Place::Beneath { source, .. } => source,
        }
    }

    /// Returns whether this is the backup's root, so that the children are the sources.
    pub(super) fn is_root(&self) -> bool {
        matches!(self.place, Place::Root(_))
    }

    /// Writes the child's path from its source's root into `path`.
    pub(super) fn child_path(&self, child: usize, path: &mut Vec<u8>) {
        path.clear();
        let mut names = Vec::with_capacity(self.depth + 1);
        let (mut branch, mut child) = (self, child);
        while let Some(parent) = &branch.parent {
            names.push(branch.child_name(child));
            (branch, child) = (parent, branch.index);
        }
        for name in names.into_iter().rev() {
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
        }
    }

    /// Returns whether a directory looked at in this one is on the other side of a boundary that `crossing`
    /// respects.
    pub(super) fn is_boundary(&self, stat: &Stat, crossing: Crossing) -> bool {
        match self.place {
            // A source's root is where its file system begins.
            Place::Root(_) => false,
            Place::Beneath { identity, mount, .. } => is_boundary(stat, identity, mount, crossing),
        }
    }

    /// Returns whether a directory looked at in this one lies on another mount.
    pub(super) fn is_other_mount(&self, stat: &Stat) -> bool {
        matches!(self.place, Place::Beneath { mount, .. } if mount != stat.mount)
    }

    /// Returns whether the directory is this one or one of its ancestors.
    pub(super) fn has_ancestor(&self, wanted: Identity) -> bool {
        let mut branch = Some(self);
        while let Some(Branch { place, parent, .. }) = branch {
            if matches!(place, Place::Beneath { identity, .. } if *identity == wanted) {
                return true;
            }
            branch = parent.as_deref();
        }
        false
    }

    fn own_name(&self) -> &[u8] {
        self.parent
            .as_ref()
            .map_or(b"", |parent| parent.child_name(self.index))
    }
}

/// Leaves out the ancestors, of which each would show its own again.
impl fmt::Debug for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Branch");
        shown
            .field("name", &crate::shown(self.own_name()))
            .field("depth", &self.depth)
            .finish_non_exhaustive()
    }
}

/// Returns whether an entry of a directory with `identity` on `mount` belongs to something else.
pub(super) fn is_boundary(stat: &Stat, identity: Identity, mount: u64, crossing: Crossing) -> bool {
    let other_mount = stat.mount != mount || stat.attributes.is_automount();
    let other_device = stat.dev != identity.dev;
    debug_assert_eq!(stat.kind, FileType::Directory);
    match crossing {
        Crossing::Never => other_mount || other_device,
        // Without a mount id (before Linux 5.8) a subvolume can't be told from a mount.
        Crossing::Subvolumes => other_mount || (other_device && mount == 0),
        Crossing::All => false,
    }
}
