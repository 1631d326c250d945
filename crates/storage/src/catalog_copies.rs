//! Copies of the server's catalog, `.perennial/catalog`: one directory each, there as a whole or not at all.
//!
//! What is in them is the caller's matter, and so is which of them go. They can be listed and read while another process has the
//! storage open.
//!
//! ```text
//! .NAME.new ─ finish: synced, renamed ─▶ NAME ─ remove ─▶ .NAME.new ─▶ gone
//! ```

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use file_tree::{Access, Dir, Subvolumes};

use crate::durable::{self, ensure_dir, find_dir};
use crate::error::{During as _, Error, Result};
use crate::layout::{Layout, PRIVATE, STATE, names_in};
use crate::names::{InvalidName, NameKind};
use crate::{Store, crash};

const DIR: &str = "catalog";
/// The copy of the database.
const DATABASE: &str = "catalog.sqlite";
/// The copy of the keys, where there is one.
const KEYS: &str = "trust";
const RULE: &str = "YYYYMMDDTHHMMSSZ";

/// The name of a copy: when it was made, to the second, in UTC. Sorted by time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyName(Arc<str>);

impl CopyName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CopyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for CopyName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let fits = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        if text.len() == RULE.len() && text.bytes().enumerate().all(fits) {
            return Ok(Self(text.into()));
        }
        Err(InvalidName {
            kind: NameKind::CatalogCopy,
            name: text.to_owned(),
            rule: RULE,
        })
    }
}

/// The copies of the catalog in a storage.
#[derive(Debug)]
pub struct CatalogCopies {
    dir: Dir,
    path: PathBuf,
}

/// A copy of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogCopy {
    /// Its name.
    pub name: CopyName,
    /// The copy of the database.
    pub database: PathBuf,
    /// The directory with the copy of the keys, if it has one.
    pub keys: Option<PathBuf>,
    /// Size of the database.
    pub len_bytes: u64,
}

/// A copy that is being made; it goes when it is dropped before it is finished.
#[derive(Debug)]
pub struct NewCatalogCopy<'a> {
    copies: &'a CatalogCopies,
    name: CopyName,
    dir: Dir,
    is_finished: bool,
}

impl Store {
    /// The copies of the catalog.
    pub fn catalog_copies(&self) -> Result<CatalogCopies> {
        let layout = &self.shared.layout;
        Ok(CatalogCopies {
            dir: ensure_dir(&layout.state, DIR.as_bytes(), PRIVATE)?,
            path: layout.path().join(STATE).join(DIR),
        })
    }
}

impl CatalogCopies {
    /// The copies in the storage at `path`, whoever has it open; `None` where there never was one.
    ///
    /// Fails with [`Error::Missing`] or [`Error::NotAStorage`].
    pub fn find(path: &Path) -> Result<Option<Self>> {
        let root = Layout::open_root(path)?;
        let state = Layout::find_state(&root)?.ok_or_else(|| Error::NotAStorage {
            path: path.to_owned(),
        })?;
        let dir = find_dir(&state, DIR.as_bytes())?;
        Ok(dir.map(|dir| Self {
            dir,
            path: path.join(STATE).join(DIR),
        }))
    }

    /// Every copy, oldest first.
    pub fn list(&self) -> Result<Vec<CatalogCopy>> {
        let names = names_in(&self.dir, |file| std::str::from_utf8(file).ok()?.parse().ok())?;
        let mut copies = Vec::new();
        for name in names {
            copies.extend(self.look_at(name)?);
        }
        Ok(copies)
    }

    /// The name of the newest copy, by its name, without a look at what is in it.
    pub fn newest_name(&self) -> Result<Option<CopyName>> {
        let names = names_in(&self.dir, |file| std::str::from_utf8(file).ok()?.parse().ok())?;
        Ok(names.into_iter().max())
    }

    /// Begins a new copy. What an earlier one left that was cut short is removed.
    ///
    /// Fails with [`Error::CopyExists`] if there is a copy of this name.
    pub fn begin(&self, name: &CopyName) -> Result<NewCatalogCopy<'_>> {
        if find_dir(&self.dir, name.as_str().as_bytes())?.is_some() {
            return Err(self.taken(name));
        }
        for left in names_in(&self.dir, unfinished_name)? {
            self.remove_tree(&left)?;
        }
        let unfinished = unfinished(name);
        let dir = self
            .dir
            .create_dir(unfinished.as_bytes(), PRIVATE)
            .during("create", self.path.join(&unfinished))?;
        crash::point("catalog copy: begun");
        Ok(NewCatalogCopy {
            copies: self,
            name: name.clone(),
            dir,
            is_finished: false,
        })
    }

    /// Removes a copy. One that is gone already is no error.
    pub fn remove(&self, name: &CopyName) -> Result<()> {
        let unfinished = unfinished(name);
        self.remove_tree(&unfinished)?;
        // ORDER: it loses its name first, so that none is ever there in part.
        match self
            .dir
            .rename(name.as_str().as_bytes(), &self.dir, unfinished.as_bytes())
        {
            Err(error) if error.is_not_found() => return Ok(()),
            renamed => renamed.during("remove", self.path.join(name.as_str()))?,
        }
        durable::sync(&self.dir, DIR)?;
        crash::point("catalog copy: unnamed");
        self.remove_tree(&unfinished)
    }

    fn look_at(&self, name: CopyName) -> Result<Option<CatalogCopy>> {
        let path = self.path.join(name.as_str());
        // It may go meanwhile.
        let Some(dir) = find_dir(&self.dir, name.as_str().as_bytes())? else {
            return Ok(None);
        };
        let len_bytes = match dir.stat(DATABASE.as_bytes()) {
            Err(error) if error.is_not_found() => return Ok(None),
            stat => stat.during("look at", path.join(DATABASE))?.size,
        };
        let keys = find_dir(&dir, KEYS.as_bytes())?.map(|_| path.join(KEYS));
        Ok(Some(CatalogCopy {
            name,
            database: path.join(DATABASE),
            keys,
            len_bytes,
        }))
    }

    fn remove_tree(&self, name: &str) -> Result<()> {
        self.dir
            .remove_tree(name.as_bytes(), Subvolumes::Refuse)
            .during("remove", self.path.join(name))
    }

    fn taken(&self, name: &CopyName) -> Error {
        Error::CopyExists { name: name.clone() }
    }
}

impl NewCatalogCopy<'_> {
    /// Where the database is to be written, by whatever writes databases.
    pub fn database(&self) -> PathBuf {
        self.copies.path.join(unfinished(&self.name)).join(DATABASE)
    }

    /// Adds a file of keys, which nobody but its owner may read.
    pub fn add_key(&self, name: &str, content: &[u8]) -> Result<()> {
        let keys = ensure_dir(&self.dir, KEYS.as_bytes(), PRIVATE)?;
        let mut file = keys.create_file(name.as_bytes(), 0o600).during("create", name)?;
        file.write_all(content).during("write", name)?;
        file.sync_all().during("sync", name)?;
        durable::sync(&keys, KEYS)
    }

    /// Gives the copy its name when all of it is durable.
    ///
    /// Fails with [`Error::CopyExists`] if another has got that meanwhile.
    pub fn finish(mut self) -> Result<()> {
        let database: File = self
            .dir
            .open_file(DATABASE.as_bytes(), Access::Read)
            .during("open", DATABASE)?;
        // ORDER: content, then the names of the files, then the name that makes it a copy.
        database.sync_all().during("sync", DATABASE)?;
        durable::sync(&self.dir, self.name.as_str())?;
        crash::point("catalog copy: written");
        let dir = &self.copies.dir;
        match dir.rename_new(
            unfinished(&self.name).as_bytes(),
            dir,
            self.name.as_str().as_bytes(),
        ) {
            Err(file_tree::Error::Exists { .. }) => return Err(self.copies.taken(&self.name)),
            renamed => renamed.during("name", self.copies.path.join(self.name.as_str()))?,
        }
        self.is_finished = true;
        durable::sync(dir, DIR)?;
        crash::point("catalog copy: named");
        Ok(())
    }
}

impl Drop for NewCatalogCopy<'_> {
    fn drop(&mut self) {
        if !self.is_finished
            && let Err(error) = self.copies.remove_tree(&unfinished(&self.name))
        {
            tracing::debug!(%error, "removing a copy of the catalog that was not finished");
        }
    }
}

fn unfinished(name: &CopyName) -> String {
    format!(".{name}.new")
}

/// The name of what a copy leaves that was cut short.
fn unfinished_name(file: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(file).ok()?;
    let name: CopyName = text.strip_prefix('.')?.strip_suffix(".new")?.parse().ok()?;
    Some(unfinished(&name))
}
