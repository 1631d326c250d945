//! Aligned streams that have been restored: the stream takes the place of the file that holds it.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::sync::atomic::Ordering;

use file_tree::metadata::{Prior, apply, prepare_empty_file};
use file_tree::{Access, Dir, Subvolumes};
use manifest::{Entry, Kind, join_path};

use super::incoming::TEMPORARY_PREFIX;
use super::place::look;
use super::plan::{Action, Rules, name_aside};
use super::selection::{Selected, Selection};
use super::state::State;
use crate::aligned::{self, AlignedError, unpack};
use crate::error::explain;
use crate::monitor::ProblemKind;

/// The name of the stream that an entry holds; `None` where it holds none.
pub(super) fn stream_name<'e>(
    selection: &Selection<'_>,
    dir: &Selected,
    entry: &'e Entry,
) -> Option<&'e [u8]> {
    let name = entry.name.strip_suffix(aligned::SUFFIX.as_bytes())?;
    let is_stream = matches!(entry.kind, Kind::File { .. }) && selection.is_streamed(&dir.backup_path);
    is_stream.then_some(name)
}

/// Why a stream is not given back; its file stays then.
#[derive(Debug, thiserror::Error)]
enum UnpackError {
    #[error(transparent)]
    Stream(#[from] AlignedError),
    #[error(transparent)]
    Tree(#[from] file_tree::Error),
}

/// Gives back the streams of a directory whose content is all there.
pub(super) fn give_back(state: &State, selection: &Selection<'_>, rules: Rules, selected: &Selected) {
    for entry in &selected.entries {
        let Some(name) = stream_name(selection, selected, entry) else {
            continue;
        };
        let given = state
            .target
            .open_beneath(&selected.path)
            .map_err(UnpackError::from)
            .and_then(|dir| {
                let unpacking = Unpacking {
                    state,
                    rules,
                    dir: &dir,
                    selected,
                    entry,
                };
                unpacking.run(name)
            });
        if let Err(error) = given {
            let kind = match &error {
                UnpackError::Stream(AlignedError::Io(_)) | UnpackError::Tree(_) => ProblemKind::Unwritable,
                UnpackError::Stream(_) => ProblemKind::Corrupt,
            };
            let path = join_path(&selected.path, &entry.name);
            state.report(kind, &path, explain(&error));
        }
    }
}

struct Unpacking<'a> {
    state: &'a State,
    rules: Rules,
    dir: &'a Dir,
    selected: &'a Selected,
    entry: &'a Entry,
}

impl Unpacking<'_> {
    fn run(&self, name: &[u8]) -> Result<(), UnpackError> {
        let (dir, entry) = (self.dir, self.entry);
        // What could not be restored has been told, and what was there before is not ours.
        let restored = look(dir, &entry.name)?
            .filter(|stat| stat.size == entry.size() && stat.mtime == entry.metadata.mtime);
        if restored.is_none() {
            return Ok(());
        }
        let existing = look(dir, name)?;
        let action = existing.map_or(Action::Create, |existing| self.rules.conflict(&existing));
        match action {
            Action::Skip => {
                self.state.counts.skipped.fetch_add(1, Ordering::Relaxed);
                return Ok(dir.remove(&entry.name)?);
            }
            Action::Fail | Action::Blocked => {
                let path = join_path(&self.selected.path, name);
                self.state
                    .report(ProblemKind::Conflict, &path, "something else is in the way");
                return Ok(());
            }
            _ => {}
        }
        let temporary = [TEMPORARY_PREFIX, b"stream"].concat();
        if look(dir, &temporary)?.is_some() {
            dir.remove(&temporary)?;
        }
        let file = dir.create_file(&temporary, 0o600)?;
        if let Err(error) = self.fill(&file, name) {
            dir.remove(&temporary)?;
            return Err(error);
        }
        match action {
            Action::SetAside => {
                let aside = name_aside(name, |name| matches!(look(dir, name), Ok(None)));
                dir.rename_new(name, dir, &aside)?;
            }
            Action::ReplaceTree => dir.remove_tree(name, Subvolumes::Refuse)?,
            _ => {}
        }
        dir.rename(&temporary, dir, name)?;
        Ok(dir.remove(&entry.name)?)
    }

    /// Writes the stream to an empty file and gives that the metadata of the entry.
    fn fill(&self, file: &File, name: &[u8]) -> Result<(), UnpackError> {
        let metadata = &self.entry.metadata;
        let source = self.dir.open_file(&self.entry.name, Access::Read)?;
        prepare_empty_file(file, metadata.flags)?;
        let mut out = BufWriter::with_capacity(1 << 20, file);
        unpack(&source, &mut out)?;
        out.flush().map_err(AlignedError::from)?;
        drop(out);
        let refused = apply(file, metadata, self.state.apply(Prior::Unknown))?;
        let path = join_path(&self.selected.path, name);
        self.state.refusals.note(&path, &refused);
        Ok(())
    }
}
