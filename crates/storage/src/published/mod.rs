//! Published disks, `.perennial/published`: virtual disks made of images, each in a directory of its own with a record of what it is.
//!
//! They are derived, and nothing of a backup depends on them. How long they stay is the caller's matter.
//!
//! ```text
//! .ID.new ─ finish: synced, renamed ─▶ ID ─ remove ─▶ .ID.new ─▶ gone
//! ```

mod record;

use std::fs::File;
use std::path::PathBuf;

use file_tree::{Access, Dir, Subvolumes};

use crate::ballast::with_ballast;
use crate::durable::{self, ensure_dir, find_dir};
use crate::error::{During as _, Error, Result};
use crate::layout::{Layout, PRIVATE, STATE, names_in};
use crate::names::PublishedId;
use crate::{Store, crash};

pub use record::PublishedDisk;

const DIR: &str = "published";
/// Nobody but the owner reads what is on other people's disks.
const FILE_MODE: u32 = 0o600;

/// The published disks of a storage.
#[derive(Debug)]
pub struct Published<'a> {
    layout: &'a Layout,
    /// `None` where nothing was ever published.
    dir: Option<Dir>,
}

/// A disk that is being made; it goes when it is dropped before it is finished.
#[derive(Debug)]
pub struct NewPublished<'a> {
    layout: &'a Layout,
    all: Dir,
    id: PublishedId,
    dir: Dir,
    file: File,
    is_finished: bool,
}

impl Store {
    /// The disks that are published from this storage.
    pub fn published(&self) -> Result<Published<'_>> {
        Published::find(&self.shared.layout)
    }

    /// Begins to publish a disk, whose file has this name. The file is open for reading, too.
    pub fn publish(&self, file: &str) -> Result<NewPublished<'_>> {
        let layout = &self.shared.layout;
        let all = ensure_dir(&layout.state, DIR.as_bytes(), PRIVATE)?;
        let id = PublishedId::random();
        let unfinished = unfinished(&id);
        let path = path(layout, &unfinished);
        let dir = all
            .create_dir(unfinished.as_bytes(), PRIVATE)
            .during("create", &path)?;
        let created = dir.create_file(file.as_bytes(), FILE_MODE);
        match created.during("create", path.join(file)) {
            Ok(file) => Ok(NewPublished {
                layout,
                all,
                id,
                dir,
                file,
                is_finished: false,
            }),
            Err(error) => {
                remove_tree(layout, &all, &unfinished)?;
                Err(error)
            }
        }
    }
}

/// Removes what an earlier process left unfinished. Only while nobody else uses the storage.
pub(crate) fn remove_abandoned(layout: &Layout) -> Result<()> {
    let Some(dir) = find_dir(&layout.state, DIR.as_bytes())? else {
        return Ok(());
    };
    for left in names_in(&dir, unfinished_name)? {
        with_ballast(&layout.state, || remove_tree(layout, &dir, &left))?;
    }
    Ok(())
}

impl<'a> Published<'a> {
    fn find(layout: &'a Layout) -> Result<Self> {
        let dir = find_dir(&layout.state, DIR.as_bytes())?;
        Ok(Self { layout, dir })
    }

    /// All of them, the oldest first. One whose record can't be read is left out, and logged.
    pub fn list(&self) -> Result<Vec<PublishedDisk>> {
        let Some(dir) = &self.dir else {
            return Ok(Vec::new());
        };
        let mut disks = Vec::new();
        for id in names_in(dir, PublishedId::from_file_name)? {
            match self.look_for(&id) {
                Ok(disk) => disks.extend(disk),
                Err(error) => tracing::warn!(%id, %error, "a published disk can't be listed"),
            }
        }
        disks.sort_by(|one, other| (one.made_ms, one.id.as_str()).cmp(&(other.made_ms, other.id.as_str())));
        Ok(disks)
    }

    /// What one of them is; `None` if it isn't there.
    pub fn look_for(&self, id: &PublishedId) -> Result<Option<PublishedDisk>> {
        match self.open(id)? {
            Some(dir) => PublishedDisk::read(&dir, id, &path(self.layout, id.as_str())),
            None => Ok(None),
        }
    }

    /// Opens one of them for reading; `None` if it isn't there. It can be read to its end also when it is removed meanwhile.
    pub fn open_file(&self, disk: &PublishedDisk) -> Result<Option<File>> {
        let Some(dir) = self.open(&disk.id)? else {
            return Ok(None);
        };
        match dir.open_file(disk.file.as_bytes(), Access::Read) {
            Err(error) if error.is_not_found() => Ok(None),
            opened => opened.map(Some).during("open", self.location(disk)),
        }
    }

    /// Where one of them lies.
    pub fn location(&self, disk: &PublishedDisk) -> PathBuf {
        path(self.layout, disk.id.as_str()).join(&disk.file)
    }

    /// Removes one of them. Returns whether it was there.
    pub fn remove(&self, id: &PublishedId) -> Result<bool> {
        let Some(dir) = &self.dir else {
            return Ok(false);
        };
        let unfinished = unfinished(id);
        let unname = || {
            let renamed = dir.rename(id.as_bytes(), dir, unfinished.as_bytes());
            match renamed {
                Err(error) if error.is_not_found() => Ok(false),
                renamed => renamed
                    .during("remove", path(self.layout, id.as_str()))
                    .map(|()| true),
            }
        };
        // ORDER: it loses its name first, so that none is ever there in part.
        let was_there = with_ballast(&self.layout.state, unname)?;
        durable::sync(dir, DIR)?;
        crash::point("published disk: unnamed");
        with_ballast(&self.layout.state, || remove_tree(self.layout, dir, &unfinished))?;
        Ok(was_there)
    }

    fn open(&self, id: &PublishedId) -> Result<Option<Dir>> {
        match &self.dir {
            Some(dir) => find_dir(dir, id.as_bytes()),
            None => Ok(None),
        }
    }
}

impl NewPublished<'_> {
    /// What will identify it.
    pub fn id(&self) -> &PublishedId {
        &self.id
    }

    /// Where its content goes.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Publishes it when all of it is durable. The record is of this one: its identity and the name of its file.
    pub fn finish(mut self, disk: &PublishedDisk) -> Result<()> {
        let path = path(self.layout, self.id.as_str());
        // ORDER: content, then the record with the names of both files, then the name that publishes it.
        self.file.sync_all().during("sync", &path)?;
        disk.write(&self.dir)?;
        durable::sync(&self.dir, self.id.as_str())?;
        crash::point("published disk: written");
        self.all
            .rename_new(unfinished(&self.id).as_bytes(), &self.all, self.id.as_bytes())
            .during("name", &path)?;
        self.is_finished = true;
        durable::sync(&self.all, DIR)?;
        crash::point("published disk: named");
        Ok(())
    }
}

impl Drop for NewPublished<'_> {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = remove_tree(self.layout, &self.all, &unfinished(&self.id))
        {
            tracing::warn!(id = %self.id, %error, "what there is of a disk that was not published stays until the next start");
        }
    }
}

fn path(layout: &Layout, name: &str) -> PathBuf {
    layout.path().join(STATE).join(DIR).join(name)
}

fn remove_tree(layout: &Layout, all: &Dir, name: &str) -> Result<()> {
    all.remove_tree(name.as_bytes(), Subvolumes::Refuse)
        .during("remove", path(layout, name))
}

fn unfinished(id: &PublishedId) -> String {
    format!(".{id}.new")
}

/// The name of what is left of a disk that was not finished, or not removed to the end.
fn unfinished_name(file: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(file).ok()?;
    let id: PublishedId = text.strip_prefix('.')?.strip_suffix(".new")?.parse().ok()?;
    Some(unfinished(&id))
}

/// A record that can't be used.
fn damaged(path: &std::path::Path, reason: impl ToString) -> Error {
    Error::corrupt(path.join(record::FILE), reason)
}
