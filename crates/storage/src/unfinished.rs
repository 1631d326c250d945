//! Directories that an interrupted session had begun and not finished: made what the next session's base says of them.
//!
//! Files may be missing in them, half written, or longer than what of them can be built on; the directories
//! themselves have been left without their time of modification and their default access list.

use std::fs::File;

use file_tree::{Access, Dir, FileType, Subvolumes};
use manifest::{DirRecord, Entry, RawRecord, Reader, split_path};

use crate::attributes::Attributes;
use crate::error::{During as _, Error, Result, shown};

/// Removes what these directories of the base do not list, and gives files the size that it says.
pub(crate) fn settle(tree: &Dir, base: &File, directories: &[RawRecord]) -> Result<()> {
    if directories.is_empty() {
        return Ok(());
    }
    let failed = || Error::manifest("of the incomplete backup");
    let base = base
        .try_clone()
        .during("open", "the manifest of the incomplete backup")?;
    let base = Reader::open(base).map_err(failed())?;
    let attributes = Attributes::of_this_process();
    for raw in directories {
        let path = raw.path();
        let dir = match tree.open_beneath(path) {
            // A link into the pool was left as it was, and so is what is beneath one.
            Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. }) => continue,
            opened => opened.during("open", shown(path))?,
        };
        let record = raw.decode().map_err(failed())?;
        settle_dir(&dir, &record)?;
        if let Some(listed) = listed(&base, path)? {
            // What can't be applied here is in the manifest all the same.
            let _ = attributes
                .apply_dir(&dir, &listed.metadata)
                .during("set the metadata of", shown(path))?;
        }
    }
    Ok(())
}

fn settle_dir(dir: &Dir, record: &DirRecord) -> Result<()> {
    let path = &*record.path;
    let listing = dir.list().during("list", shown(path))?;
    for found in listing.iter() {
        let Some(entry) = record.find(found.name) else {
            dir.remove_tree(found.name, Subvolumes::Refuse)
                .during_entry("remove", path, found.name)?;
            continue;
        };
        if entry.hash().is_some() && entry.size() >= manifest::BLOCK_HASHES_FROM_BYTES {
            resize(dir, path, entry)?;
        }
    }
    Ok(())
}

/// Gives a file the size that its entry says: it may be longer, or end in a hole that was never made.
fn resize(dir: &Dir, path: &[u8], entry: &Entry) -> Result<()> {
    let name = &*entry.name;
    let stat = dir.stat(name).during_entry("look at", path, name)?;
    if stat.kind != FileType::File || stat.size == entry.size() {
        return Ok(());
    }
    let file = dir
        .open_file(name, Access::ReadWrite)
        .during_entry("open", path, name)?;
    file.set_len(entry.size())
        .during_entry("set the size of", path, name)
}

/// The entry with which a directory's parent lists it.
fn listed(base: &Reader, path: &[u8]) -> Result<Option<Entry>> {
    let Some((parent, name)) = split_path(path) else {
        return Ok(None);
    };
    let parent = base
        .directory(parent)
        .map_err(Error::manifest("of the incomplete backup"))?;
    Ok(parent.and_then(|parent| parent.find(name).cloned()))
}
