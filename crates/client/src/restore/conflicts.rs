//! Looks for everything that would be in the way, before anything is changed.

use file_tree::{FileType, Stat};
use manifest::{Entry, Kind, Reader, join_path};

use super::compare::{Comparison, compare};
use super::place::look;
use super::plan::{Action, Rules};
use super::selection::{Selected, Selection};
use super::state::State;
use super::streams;
use crate::error::{Error, Result};

/// Fails with [`Error::TargetConflict`] at the first thing in the target that is not what the backup has there.
pub(super) fn check(state: &State, selection: &Selection<'_>, reader: &Reader, rules: Rules) -> Result<()> {
    for selected in selection.directories()? {
        if state.abort.is_raised() {
            return Err(Error::Cancelled);
        }
        let selected = selected?;
        check_directory(state, &selected, reader, rules)?;
        check_streams(state, selection, &selected)?;
    }
    Ok(())
}

fn check_directory(state: &State, selected: &Selected, reader: &Reader, rules: Rules) -> Result<()> {
    let dir = match state.target.open_beneath(&selected.path) {
        Ok(dir) => dir,
        // What is not there is in nobody's way.
        Err(error) if error.is_not_found() => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in &selected.entries {
        let Some(existing) = look(&dir, &entry.name)? else {
            continue;
        };
        let link = match existing.kind {
            FileType::Symlink => dir.read_link(&entry.name).ok(),
            _ => None,
        };
        let is_right = match rules.action(entry, Some(&existing), link.as_deref()) {
            Action::Compare => {
                let file = content_of(entry, reader)?;
                matches!(compare_file(&dir, &existing, &file, entry)?, Comparison::Same)
            }
            action => action == Action::Keep,
        };
        if !is_right {
            return Err(Error::TargetConflict {
                path: join_path(&selected.path, &entry.name),
            });
        }
    }
    Ok(())
}

/// What a stream is given back as must not be there.
fn check_streams(state: &State, selection: &Selection<'_>, selected: &Selected) -> Result<()> {
    let names = selected
        .entries
        .iter()
        .filter_map(|entry| streams::stream_name(selection, selected, entry));
    for name in names {
        let dir = match state.target.open_beneath(&selected.path) {
            Err(error) if error.is_not_found() => return Ok(()),
            opened => opened?,
        };
        if look(&dir, name)?.is_some() {
            return Err(Error::TargetConflict {
                path: join_path(&selected.path, name),
            });
        }
    }
    Ok(())
}

fn compare_file(dir: &file_tree::Dir, existing: &Stat, file: &Entry, entry: &Entry) -> Result<Comparison> {
    Ok(compare(dir, &entry.name, existing, file)?)
}

/// The entry that has the content: of a hard link the file itself.
fn content_of(entry: &Entry, reader: &Reader) -> Result<Entry> {
    match &entry.kind {
        Kind::HardLink { target } => Ok(reader.lookup(target)?.unwrap_or_else(|| entry.clone())),
        _ => Ok(entry.clone()),
    }
}
