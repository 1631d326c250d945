//! The end of a restore, once all content is there: hard links, then the metadata of directories, innermost
//! first.

use file_tree::metadata::{Prior, apply};
use manifest::{Entry, Kind, Metadata, join_path, split_path};

use super::incoming::TEMPORARY_PREFIX;
use super::place::{Leftover, look};
use super::plan::{Action, Rules, name_aside};
use super::selection::{Selected, Selection};
use super::state::State;
use super::streams;
use crate::error::{Error, Result};
use crate::monitor::{Phase, ProblemKind};
use crate::source::EntryResult;
use std::sync::atomic::Ordering;

/// Finishes what was placed.
pub(super) fn run(state: &State, selection: &Selection<'_>, rules: Rules, leftover: &Leftover) -> Result<()> {
    let mut finisher = Finisher {
        state,
        selection,
        rules,
        leftover,
        levels: Vec::new(),
    };
    for selected in selection.directories()? {
        if state.abort.is_raised() {
            return Err(Error::Cancelled);
        }
        finisher.directory(selected?);
        state.tell_progress(Phase::Finishing);
    }
    state.protect();
    finisher.leave_down_to(0);
    state.refusals.report(state);
    Ok(())
}

struct Finisher<'a> {
    state: &'a State,
    selection: &'a Selection<'a>,
    rules: Rules,
    leftover: &'a Leftover,
    /// The directories from the target down to where it is.
    levels: Vec<Level>,
}

struct Level {
    path: Box<[u8]>,
    /// `None` for a target that stands for the backup's root.
    metadata: Option<Metadata>,
    /// Its subdirectories that have not had their turn, last first.
    subdirs: Vec<(Box<[u8]>, Metadata)>,
}

impl Finisher<'_> {
    fn directory(&mut self, selected: Selected) {
        let metadata = match split_path(&selected.path) {
            None => self.selection.root().map(|entry| entry.metadata.clone()),
            Some((parent, name)) => {
                let above = self.levels.iter().rposition(|level| *level.path == *parent);
                self.leave_down_to(above.map_or(0, |above| above + 1));
                self.levels.last_mut().and_then(|level| level.take(name))
            }
        };
        if self.leftover.is_blocked(&selected.path) {
            return;
        }
        for entry in &selected.entries {
            if let Kind::HardLink { target } = &entry.kind {
                self.link(&selected, entry, target);
            }
        }
        streams::give_back(self.state, self.selection, self.rules, &selected);
        let subdirs = selected.entries.into_iter().rev().filter(Entry::is_directory);
        let subdirs = subdirs.map(|entry| (entry.name, entry.metadata)).collect();
        self.levels.push(Level {
            path: selected.path,
            metadata,
            subdirs,
        });
    }

    /// Applies the metadata of directories that are done with.
    fn leave_down_to(&mut self, levels: usize) {
        while self.levels.len() > levels {
            let Some(Level {
                path,
                metadata: Some(metadata),
                ..
            }) = self.levels.pop()
            else {
                continue;
            };
            let applied = self
                .state
                .target
                .open_beneath(&path)
                .and_then(|dir| apply(&dir, &metadata, self.state.apply_all(Prior::Unknown)));
            match applied {
                Ok(refused) => self.state.refusals.note(&path, &refused),
                Err(error) => self.state.report_error(ProblemKind::Metadata, &path, &error),
            }
        }
    }

    fn link(&self, selected: &Selected, entry: &Entry, target: &[u8]) {
        let path = join_path(&selected.path, &entry.name);
        let first = match self.leftover.outside.get(target) {
            Some(first) => first,
            None => self.selection.relative(target),
        };
        if *first == *path {
            return;
        }
        if let Err(error) = self.try_link(&path, first) {
            self.state.report_error(ProblemKind::Unwritable, &path, &error);
        }
    }

    fn try_link(&self, path: &[u8], first: &[u8]) -> EntryResult<()> {
        let (from, from_name) = self.state.target.locate(first)?;
        let (dir, name) = self.state.target.locate(path)?;
        let file = from.stat(from_name)?;
        let Some(existing) = look(&dir, name)? else {
            return dir.create_hard_link(name, &from, from_name);
        };
        if existing.identity() == file.identity() {
            return Ok(());
        }
        match self.rules.conflict(&existing) {
            Action::SetAside => {
                let aside = name_aside(name, |name| matches!(look(&dir, name), Ok(None)));
                dir.rename_new(name, &dir, &aside)?;
                dir.create_hard_link(name, &from, from_name)
            }
            Action::Replace => {
                let temporary = [TEMPORARY_PREFIX, b"link"].concat();
                dir.create_hard_link(&temporary, &from, from_name)?;
                dir.rename(&temporary, &dir, name)
            }
            Action::ReplaceTree => {
                dir.remove_tree(name, file_tree::Subvolumes::Refuse)?;
                dir.create_hard_link(name, &from, from_name)
            }
            Action::Skip => {
                self.state.counts.skipped.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            _ => {
                self.state
                    .report(ProblemKind::Conflict, path, "something else is in the way");
                Ok(())
            }
        }
    }
}

impl Level {
    fn take(&mut self, name: &[u8]) -> Option<Metadata> {
        while self.subdirs.last().is_some_and(|(subdir, _)| **subdir < *name) {
            self.subdirs.pop();
        }
        if self.subdirs.last().is_some_and(|(subdir, _)| **subdir == *name) {
            return self.subdirs.pop().map(|(_, metadata)| metadata);
        }
        None
    }
}
