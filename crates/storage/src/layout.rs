//! Where things lie in a storage; `docs/formats/storage.md` is the description for people.
//!
//! Owns the open directories of `.perennial` and the ways to those of a client. Nothing else in this crate puts a
//! path of the storage together.

use std::path::{Path, PathBuf};

use file_tree::{Dir, Subvolumes};

use crate::durable::{self, ensure_dir, find_dir};
use crate::error::{During as _, Error, Result};
use crate::names::{BackupKind, BackupName, ClientName};

/// The directory for all that is not a backup.
pub(crate) const STATE: &str = ".perennial";
/// The suffix of manifests.
const MANIFEST_SUFFIX: &str = ".manifest";
/// The suffix of lists of links into the pool.
const POOL_LIST_SUFFIX: &str = ".pool";

/// The suffix of lists of directories that a resumed session was told of.
const RETOLD_SUFFIX: &str = ".retold";
/// The suffix of lists of content that is known to be damaged.
const DAMAGED_SUFFIX: &str = ".damaged";

/// Mode of directories that only the server enters: backups hold other people's files, setuid programs and device
/// nodes, so nobody else on the server may walk into them.
pub(crate) const PRIVATE: u32 = 0o700;
/// Mode of directories on the way from a backup to its pooled directories, which must be passable for those to whom
/// an administrator opens a client's directory.
const PASSABLE: u32 = 0o711;

/// The open directories of a storage.
#[derive(Debug)]
pub(crate) struct Layout {
    path: PathBuf,
    pub root: Dir,
    pub state: Dir,
    manifests: Dir,
    incomplete: Dir,
    incomplete_images: Dir,
    pub trash: Dir,
    pool: Dir,
}

impl Layout {
    /// Opens the directory that is, or is to become, a storage.
    pub fn open_root(path: &Path) -> Result<Dir> {
        match Dir::open(path) {
            Err(error) if error.is_not_found() => Err(Error::Missing {
                path: path.to_owned(),
            }),
            opened => opened.during("open", path),
        }
    }

    /// Opens `.perennial` if it is there.
    pub fn find_state(root: &Dir) -> Result<Option<Dir>> {
        find_dir(root, STATE.as_bytes())
    }

    /// Opens `.perennial`, which is created if it isn't there.
    pub fn ensure_state(root: &Dir) -> Result<Dir> {
        ensure_dir(root, STATE.as_bytes(), PASSABLE)
    }

    /// Opens everything, creating what isn't there.
    pub fn open(path: &Path, root: Dir, state: Dir) -> Result<Self> {
        let manifests = ensure_dir(&state, b"manifests", PRIVATE)?;
        let incomplete = ensure_dir(&state, b"incomplete", PRIVATE)?;
        let incomplete_images = ensure_dir(&state, b"incomplete-images", PRIVATE)?;
        let trash = ensure_dir(&state, b"trash", PRIVATE)?;
        let pool = ensure_dir(&state, b"pool", PASSABLE)?;
        ensure_dir(&state, b"index", PRIVATE)?;
        ensure_dir(&state, b"sizes", PRIVATE)?;
        Ok(Self {
            path: path.to_owned(),
            root,
            state,
            manifests,
            incomplete,
            incomplete_images,
            trash,
            pool,
        })
    }

    fn all_incomplete(&self, kind: BackupKind) -> &Dir {
        match kind {
            BackupKind::File => &self.incomplete,
            BackupKind::Image => &self.incomplete_images,
        }
    }

    /// The storage's own path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the content index, for SQLite, which takes paths only.
    pub fn index_path(&self) -> PathBuf {
        self.path.join(STATE).join("index").join("content.sqlite")
    }

    /// Path of the ledger of sizes, likewise.
    pub fn ledger_path(&self) -> PathBuf {
        self.path.join(STATE).join("sizes").join("ledger.sqlite")
    }

    /// Where the client's backups are.
    pub fn backups(&self, client: &ClientName) -> Result<Dir> {
        ensure_dir(&self.root, client.as_bytes(), PRIVATE)
    }

    pub fn find_backups(&self, client: &ClientName) -> Result<Option<Dir>> {
        find_dir(&self.root, client.as_bytes())
    }

    /// Where the client's manifests are.
    pub fn manifests(&self, client: &ClientName) -> Result<Dir> {
        ensure_dir(&self.manifests, client.as_bytes(), PRIVATE)
    }

    pub fn find_manifests(&self, client: &ClientName) -> Result<Option<Dir>> {
        find_dir(&self.manifests, client.as_bytes())
    }

    /// Where the client's backup grows.
    pub fn incomplete(&self, client: &ClientName, kind: BackupKind) -> Result<Dir> {
        ensure_dir(self.all_incomplete(kind), client.as_bytes(), PRIVATE)
    }

    pub fn find_incomplete(&self, client: &ClientName, kind: BackupKind) -> Result<Option<Dir>> {
        find_dir(self.all_incomplete(kind), client.as_bytes())
    }

    /// Where the client's pooled directories are.
    pub fn pool(&self, client: &ClientName) -> Result<Dir> {
        ensure_dir(&self.pool, client.as_bytes(), PASSABLE)
    }

    pub fn find_pool(&self, client: &ClientName) -> Result<Option<Dir>> {
        find_dir(&self.pool, client.as_bytes())
    }

    /// All clients that have manifests, sorted.
    pub fn clients(&self) -> Result<Vec<ClientName>> {
        names_in(&self.manifests, ClientName::from_file_name)
    }

    /// All clients that have an incomplete backup, or what is left of one.
    pub fn incomplete_clients(&self, kind: BackupKind) -> Result<Vec<ClientName>> {
        names_in(self.all_incomplete(kind), ClientName::from_file_name)
    }

    /// All clients that have a pool.
    pub fn pool_clients(&self) -> Result<Vec<ClientName>> {
        names_in(&self.pool, ClientName::from_file_name)
    }

    /// All backups of the client that have a manifest, oldest first.
    pub fn backup_names(&self, client: &ClientName) -> Result<Vec<BackupName>> {
        let Some(dir) = self.find_manifests(client)? else {
            return Ok(Vec::new());
        };
        names_in(&dir, |file| {
            BackupName::from_file_name(file.strip_suffix(MANIFEST_SUFFIX.as_bytes())?)
        })
    }

    /// All backups of the client that have a list of links into the pool, committed or not yet.
    pub fn pool_list_names(&self, client: &ClientName) -> Result<Vec<BackupName>> {
        let Some(dir) = self.find_manifests(client)? else {
            return Ok(Vec::new());
        };
        names_in(&dir, |file| {
            BackupName::from_file_name(file.strip_suffix(POOL_LIST_SUFFIX.as_bytes())?)
        })
    }

    /// Moves a client's incomplete backup into another directory.
    pub fn move_incomplete(&self, client: &ClientName, kind: BackupKind, to: &Dir) -> Result<()> {
        self.all_incomplete(kind)
            .rename(client.as_bytes(), to, b"work")
            .during("discard", client.as_str())
    }

    /// Removes a client's incomplete backup where it is.
    pub fn remove_incomplete(&self, client: &ClientName, kind: BackupKind) -> Result<()> {
        self.all_incomplete(kind)
            .remove_tree(client.as_bytes(), Subvolumes::Remove)
            .during("remove", client.as_str())
    }

    /// Removes a client's directories, which have to be empty.
    pub fn remove_client(&self, client: &ClientName) -> Result<()> {
        for parent in [&self.pool, &self.root, &self.manifests] {
            match parent.remove_dir(client.as_bytes()) {
                Err(error) if !error.is_not_found() => Err(error).during("remove", client.as_str())?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the storage's own directory and `.perennial` durable.
    pub fn sync_clients(&self) -> Result<()> {
        durable::sync(&self.manifests, "manifests")?;
        durable::sync(&self.root, ".")
    }
}

/// The file name of a backup's manifest.
pub(crate) fn manifest_file(name: &BackupName) -> String {
    format!("{name}{MANIFEST_SUFFIX}")
}

/// The file name of a backup's list of links into the pool.
pub(crate) fn pool_list_file(name: &BackupName) -> String {
    format!("{name}{POOL_LIST_SUFFIX}")
}

/// The file name of a backup's list of directories that a resumed session was told of.
pub(crate) fn retold_file(name: &BackupName) -> String {
    format!("{name}{RETOLD_SUFFIX}")
}

/// The file name of a backup's list of content that is known to be damaged.
pub(crate) fn damaged_file(name: &BackupName) -> String {
    format!("{name}{DAMAGED_SUFFIX}")
}

/// The path of a backup's manifest within the storage, for messages.
pub(crate) fn manifest_path(client: &ClientName, name: &BackupName) -> PathBuf {
    PathBuf::from(STATE)
        .join("manifests")
        .join(client.as_str())
        .join(manifest_file(name))
}

/// The path of a backup within the storage, for messages.
pub(crate) fn backup_path(client: &ClientName, name: &BackupName) -> PathBuf {
    PathBuf::from(client.as_str()).join(name.as_str())
}

/// The names in a directory that are what `parse` looks for, sorted.
pub(crate) fn names_in<T: Ord>(dir: &Dir, parse: impl Fn(&[u8]) -> Option<T>) -> Result<Vec<T>> {
    let mut names: Vec<T> = dir
        .list()
        .during("list", ".")?
        .iter()
        .filter_map(|listed| parse(listed.name))
        .collect();
    names.sort();
    Ok(names)
}
