//! Goes through the manifest and the target together: makes what needs no content, asks for the content of
//! the rest.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use file_tree::metadata::{Prior, Target, apply};
use file_tree::{Dir, Error as TreeError, FileType, Stat, Subvolumes};
use manifest::{Entry, Kind, is_beneath, join_path};
use wire::v1::Range;

use super::compare::{Comparison, compare, open_for_patch};
use super::create;
use super::incoming::{Incoming, Patch, Placement, TEMPORARY_PREFIX, keeps_temporary, temporary_name};
use super::plan::{Action, Rules, name_aside};
use super::selection::{Selected, Selection};
use super::state::{OpenDir, State};
use super::wanted::Asker;
use super::{Extra, OnConflict};
use crate::error::{Error, Result};
use crate::monitor::{Phase, ProblemKind};
use crate::source::EntryResult;

/// Files up to this size arrive in one piece as a rule.
const DIRECT_UP_TO_BYTES: u64 = 256 << 10;

/// What [`Placer::run`] leaves for the end.
#[derive(Debug, Default)]
pub(super) struct Leftover {
    /// Directories that could not be entered: all beneath is left out. In manifest order.
    pub(super) blocked: Vec<Box<[u8]>>,
    /// Where the files of hard links are whose first names are not restored: by their path in the backup.
    pub(super) outside: HashMap<Box<[u8]>, Box<[u8]>>,
}

impl Leftover {
    /// Whether a directory lies in one that could not be entered. Asked in manifest order.
    pub(super) fn is_blocked(&self, path: &[u8]) -> bool {
        let after = self
            .blocked
            .partition_point(|blocked| manifest::compare_paths(blocked, path).is_le());
        after > 0 && is_beneath(path, &self.blocked[after - 1])
    }
}

/// The first thread of a restore.
pub(super) struct Placer<'a> {
    state: &'a State,
    selection: &'a Selection<'a>,
    rules: Rules,
    asker: Asker<'a>,
    /// Directories that were created and have not had their turn yet.
    created: HashSet<Box<[u8]>>,
    leftover: Leftover,
}

/// A directory that is being worked on.
struct Place<'a> {
    open: Arc<OpenDir>,
    selected: &'a Selected,
    /// It was just created: nothing is in it.
    is_fresh: bool,
}

impl<'a> Placer<'a> {
    pub(super) fn new(state: &'a State, selection: &'a Selection<'a>, rules: Rules) -> Self {
        let asker = Asker::new(state);
        Self {
            state,
            selection,
            rules,
            asker,
            created: HashSet::new(),
            leftover: Leftover::default(),
        }
    }

    /// Goes through everything; what it returns is still to be done once all content is there.
    pub(super) fn run(mut self) -> Result<Leftover> {
        for selected in self.selection.directories()? {
            let selected = selected?;
            if self.state.abort.is_raised() {
                return Err(Error::Cancelled);
            }
            if !self.leftover.is_blocked(&selected.path) {
                self.directory(&selected)?;
                self.state.tell_progress(Phase::Transferring);
            }
        }
        self.asker.flush()?;
        Ok(self.leftover)
    }

    fn directory(&mut self, selected: &Selected) -> Result<()> {
        let is_fresh = self.created.remove(&selected.path);
        let opened = self
            .state
            .target
            .open_beneath(&selected.path)
            .and_then(|dir| create::prepare(dir, is_fresh));
        let (dir, prior) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.state
                    .report_error(ProblemKind::Unwritable, &selected.path, &error);
                self.leftover.blocked.push(selected.path.clone());
                return Ok(());
            }
        };
        let open = self.state.hold_open(dir, &selected.path, prior);
        let place = Place {
            open,
            selected,
            is_fresh,
        };
        if !is_fresh {
            self.clear_out(&place)?;
        }
        for entry in &selected.entries {
            self.entry(&place, entry)?;
        }
        Ok(())
    }

    /// Removes what interrupted restores have left, and what the backup doesn't have if that is asked for.
    fn clear_out(&self, place: &Place<'_>) -> Result<()> {
        let dir = &place.open.dir;
        let listing = match dir.list() {
            Ok(listing) => listing,
            Err(error) => {
                self.state
                    .report_error(ProblemKind::Unreadable, &place.selected.path, &error);
                return Ok(());
            }
        };
        let entries = &place.selected.entries;
        let is_wanted = |name: &[u8]| {
            entries.binary_search_by(|entry| (*entry.name).cmp(name)).is_ok()
                || entries
                    .iter()
                    .any(|entry| keeps_temporary(entry) && *temporary_name(entry, 0) == *name)
        };
        let deletes = self.rules.extra == Extra::Delete && self.selection.is_tree();
        for listed in listing.iter() {
            let is_stale = listed.name.starts_with(TEMPORARY_PREFIX);
            if (is_stale || deletes)
                && !is_wanted(listed.name)
                && let Err(error) = dir.remove_tree(listed.name, Subvolumes::Refuse)
            {
                let path = join_path(&place.selected.path, listed.name);
                self.state.report_error(ProblemKind::Conflict, &path, &error);
            }
        }
        Ok(())
    }

    fn entry(&mut self, place: &Place<'_>, entry: &Entry) -> Result<()> {
        match self.try_entry(place, entry) {
            Ok(()) => Ok(()),
            Err(EntryError::Restore(error)) => Err(error),
            Err(EntryError::Tree(TreeError::NoSpace { .. })) => Err(Error::TargetFull {
                path: join_path(&place.selected.path, &entry.name),
            }),
            Err(EntryError::Tree(error)) => {
                let path = join_path(&place.selected.path, &entry.name);
                self.state.report_error(ProblemKind::Unwritable, &path, &error);
                if entry.is_directory() {
                    self.leftover.blocked.push(path);
                }
                Ok(())
            }
        }
    }

    fn try_entry(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), EntryError> {
        let own_path = join_path(&place.selected.backup_path, &entry.name);
        let Kind::HardLink { target } = &entry.kind else {
            return self.place(place, entry, &own_path);
        };
        let Some(file) = self.selection.outside(target)? else {
            return Ok(());
        };
        if self.leftover.outside.contains_key(target) {
            return Ok(());
        }
        let path = join_path(&place.selected.path, &entry.name);
        self.leftover.outside.insert(target.clone(), path);
        let stand_in = Entry {
            name: entry.name.clone(),
            ..file
        };
        self.place(place, &stand_in, target)
    }

    /// Brings an entry to its place; `backup_path` is where its content is in the backup.
    fn place(&mut self, place: &Place<'_>, entry: &Entry, backup_path: &[u8]) -> Result<(), EntryError> {
        let dir = &place.open.dir;
        let existing = if place.is_fresh {
            None
        } else {
            look(dir, &entry.name)?
        };
        let link = match existing {
            Some(Stat {
                kind: FileType::Symlink,
                ..
            }) => dir.read_link(&entry.name).ok(),
            _ => None,
        };
        let mut action = self.rules.action(entry, existing.as_ref(), link.as_deref());
        if let (Action::Compare, Some(existing)) = (action, &existing) {
            action = match compare(dir, &entry.name, existing, entry)? {
                Comparison::Same => Action::Keep,
                Comparison::Ranges(ranges) if self.may_patch(existing) => {
                    return self.patch(place, entry, backup_path, ranges, None);
                }
                Comparison::Ranges(_) | Comparison::Different => self.rules.conflict(existing),
            };
        }
        match action {
            Action::Keep => self.keep(place, entry),
            Action::Create => self.create(place, entry, backup_path, Placement::Direct),
            Action::Replace if matches!(entry.kind, Kind::File { .. }) => {
                self.create(place, entry, backup_path, Placement::Temporary)
            }
            Action::Replace => {
                dir.remove(&entry.name)?;
                self.create(place, entry, backup_path, Placement::Direct)
            }
            Action::ReplaceTree => {
                dir.remove_tree(&entry.name, Subvolumes::Refuse)?;
                self.create(place, entry, backup_path, Placement::Direct)
            }
            Action::SetAside => {
                let aside = name_aside(&entry.name, |name| matches!(look(dir, name), Ok(None)));
                dir.rename_new(&entry.name, dir, &aside)?;
                self.create(place, entry, backup_path, Placement::Direct)
            }
            Action::Skip => {
                self.state.counts.skipped.fetch_add(1, Ordering::Relaxed);
                self.block(place, entry);
                Ok(())
            }
            Action::Fail => Err(Error::TargetConflict {
                path: join_path(&place.selected.path, &entry.name),
            }
            .into()),
            Action::Blocked | Action::Compare => {
                let path = join_path(&place.selected.path, &entry.name);
                self.state
                    .report(ProblemKind::Conflict, &path, "a directory is in the way");
                self.block(place, entry);
                Ok(())
            }
        }
    }

    /// Leaves out what is beneath an entry that is left out.
    fn block(&mut self, place: &Place<'_>, entry: &Entry) {
        if entry.is_directory() {
            self.leftover
                .blocked
                .push(join_path(&place.selected.path, &entry.name));
        }
    }

    /// Whether a file may be overwritten in place: other names of it would change too.
    fn may_patch(&self, existing: &Stat) -> bool {
        self.rules.on_conflict == OnConflict::Overwrite && existing.nlink == 1
    }

    fn keep(&mut self, place: &Place<'_>, entry: &Entry) -> Result<(), EntryError> {
        if entry.is_directory() {
            return Ok(());
        }
        let target = Target::At(&place.open.dir, &entry.name);
        let refused = apply(target, &entry.metadata, self.state.apply(Prior::Unknown))?;
        let path = join_path(&place.selected.path, &entry.name);
        self.state.refusals.note(&path, &refused);
        self.state.protect_later(path, &entry.metadata);
        if let Kind::File { size, .. } = &entry.kind {
            self.state.counts.files_kept.fetch_add(1, Ordering::Relaxed);
            self.state.counts.bytes_done.fetch_add(*size, Ordering::Relaxed);
        }
        Ok(())
    }

    fn create(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        backup_path: &[u8],
        placement: Placement,
    ) -> Result<(), EntryError> {
        let Kind::File { size, .. } = &entry.kind else {
            create::without_content(self.state, &place.open, entry)?;
            if entry.is_directory() {
                self.created.insert(join_path(&place.selected.path, &entry.name));
            }
            return Ok(());
        };
        if keeps_temporary(entry)
            && let Some(ranges) = self.resumable(place, entry)?
        {
            return self.patch(place, entry, backup_path, ranges, Some(temporary_name(entry, 0)));
        }
        let direct = *size <= DIRECT_UP_TO_BYTES && self.rules.on_conflict == OnConflict::Overwrite;
        let placement = if direct { placement } else { Placement::Temporary };
        let incoming = Incoming {
            dir: Arc::clone(&place.open),
            entry: entry.clone(),
            placement,
        };
        Ok(self.asker.ask(incoming, backup_path, Vec::new())?)
    }

    /// What is missing of a file that an interrupted restore has begun.
    fn resumable(&self, place: &Place<'_>, entry: &Entry) -> EntryResult<Option<Vec<Range>>> {
        let (dir, name) = (&place.open.dir, temporary_name(entry, 0));
        if place.is_fresh {
            return Ok(None);
        }
        let Some(stat) = look(dir, &name)?.filter(|stat| stat.kind == FileType::File) else {
            return Ok(None);
        };
        match compare(dir, &name, &stat, entry)? {
            Comparison::Same => Ok(Some(Vec::new())),
            Comparison::Ranges(ranges) => Ok(Some(ranges)),
            Comparison::Different => dir.remove(&name).map(|()| None),
        }
    }

    /// Makes a file right in part.
    fn patch(
        &mut self,
        place: &Place<'_>,
        entry: &Entry,
        backup_path: &[u8],
        ranges: Vec<Range>,
        temporary: Option<Box<[u8]>>,
    ) -> Result<(), EntryError> {
        let name = temporary.as_deref().unwrap_or(&entry.name);
        let file = open_for_patch(&place.open.dir, name)?;
        let patch = Patch {
            file,
            ranges: ranges.clone(),
            temporary,
        };
        let incoming = Incoming {
            dir: Arc::clone(&place.open),
            entry: entry.clone(),
            placement: Placement::Patch(patch),
        };
        if ranges.is_empty() {
            return Ok(create::finish_patch(self.state, incoming)?);
        }
        Ok(self.asker.ask(incoming, backup_path, ranges)?)
    }
}

/// Why an entry could not be placed.
enum EntryError {
    /// It alone.
    Tree(TreeError),
    /// The restore is over.
    Restore(Error),
}

impl From<TreeError> for EntryError {
    fn from(error: TreeError) -> Self {
        Self::Tree(error)
    }
}

impl From<Error> for EntryError {
    fn from(error: Error) -> Self {
        Self::Restore(error)
    }
}

/// Looks at an entry that may not be there.
pub(super) fn look(dir: &Dir, name: &[u8]) -> EntryResult<Option<Stat>> {
    match dir.stat(name) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
