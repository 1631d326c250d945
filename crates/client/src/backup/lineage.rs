//! What the directories above have said about their subdirectories, until each of those has had its turn.

use std::collections::VecDeque;

use file_tree::Stat;
use manifest::{Metadata, split_path};

/// The directories from the root to where the walk is.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    path: Box<[u8]>,
    subdirs: VecDeque<Subdir>,
}

/// A subdirectory as its parent lists it.
#[derive(Debug)]
pub(super) struct Subdir {
    name: Box<[u8]>,
    /// What the walk saw of it there.
    pub(super) stat: Stat,
    /// Its metadata, if that is not as in the base.
    pub(super) changed: Option<Box<Metadata>>,
}

impl Subdir {
    pub(super) fn unchanged(name: &[u8], stat: Stat) -> Self {
        Self {
            name: name.into(),
            stat,
            changed: None,
        }
    }

    pub(super) fn changed(name: &[u8], stat: Stat, metadata: Box<Metadata>) -> Self {
        Self {
            name: name.into(),
            stat,
            changed: Some(metadata),
        }
    }
}

impl Lineage {
    /// Goes to the next directory in manifest order and gives what its parent said about it; `None` for the
    /// root.
    pub(super) fn enter(&mut self, path: &[u8]) -> Option<Subdir> {
        let (parent, name) = split_path(path)?;
        while self.levels.last().is_some_and(|level| *level.path != *parent) {
            self.levels.pop();
        }
        let subdirs = &mut self.levels.last_mut()?.subdirs;
        while subdirs.front().is_some_and(|subdir| *subdir.name < *name) {
            subdirs.pop_front();
        }
        if subdirs.front().is_some_and(|subdir| *subdir.name == *name) {
            subdirs.pop_front()
        } else {
            None
        }
    }

    /// Notes the subdirectories of the directory that was entered last, sorted by name.
    pub(super) fn descend(&mut self, path: &[u8], subdirs: Vec<Subdir>) {
        if !subdirs.is_empty() {
            self.levels.push(Level {
                path: path.into(),
                subdirs: subdirs.into(),
            });
        }
    }
}
