//! Ways into the tree of a backup, also where a directory of it is a link into the pool.

use std::fs::File;

use file_tree::{Access, Dir};
use manifest::{Kind, Reader};

use crate::error::{During as _, Error, Result, shown};
use crate::image::{RAW_SUFFIX, VolumeOf, VolumeReader};
use crate::names::{BackupKind, BackupName, ClientName, PoolId};
use crate::pool::parse_link;
use crate::usage::Reading;

/// The directory of a tree, and the pool that its links lead to.
#[derive(Debug)]
pub(crate) struct TreeRoot {
    pub client: ClientName,
    pub dir: Dir,
    /// The client's pool; `None` if it has none.
    pub pool: Option<Dir>,
}

impl TreeRoot {
    /// Opens a directory of the tree. `is_directory` says whether a path that turns out to be a link into the pool is a
    /// directory of the backup; else it is a link that the source has, and not followed.
    pub fn open_dir(&self, path: &[u8], is_directory: impl Fn(&[u8]) -> Result<bool>) -> Result<Dir> {
        match self.dir.open_beneath(path) {
            Err(error) if is_missing(&error) => {}
            opened => return opened.during("open", shown(path)),
        }
        let Some((link_at, pool)) = self.find_link(path)? else {
            return Err(Error::NotInBackup { path: shown(path) });
        };
        if !is_directory(&path[..link_at])? {
            return Err(Error::NotInBackup { path: shown(path) });
        }
        let pooled = self.open_pooled(&pool)?;
        let rest = path[link_at..].strip_prefix(b"/").unwrap_or_default();
        match pooled.open_beneath(rest) {
            Err(error) if is_missing(&error) => Err(Error::NotInBackup { path: shown(path) }),
            opened => opened.during("open", shown(path)),
        }
    }

    /// Opens a pooled directory.
    pub fn open_pooled(&self, pool: &PoolId) -> Result<Dir> {
        let missing = || Error::corrupt(shown(pool.as_bytes()), "the pooled directory is missing");
        match self.pool.as_ref().ok_or_else(missing)?.child(pool.as_bytes()) {
            Err(error) if is_missing(&error) => Err(missing()),
            opened => opened.during("open", shown(pool.as_bytes())),
        }
    }

    /// Finds the link into the pool that stands on the way to `path`: the length of its path, and where it leads to.
    pub fn find_link(&self, path: &[u8]) -> Result<Option<(usize, PoolId)>> {
        if self.pool.is_none() || path.is_empty() {
            return Ok(None);
        }
        let mut above = self.dir.open_beneath(b"").during("open", ".")?;
        let mut start = 0;
        for name in path.split(|&byte| byte == b'/') {
            let end = start + name.len();
            match above.child(name) {
                Ok(dir) => above = dir,
                Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. }) => {
                    return Ok(self.pool_at(&above, name, &path[..end]).map(|pool| (end, pool)));
                }
                Err(error) if error.is_not_found() => return Ok(None),
                Err(error) => return Err(error).during("open", shown(&path[..end])),
            }
            start = end + 1;
        }
        Ok(None)
    }

    /// Which pooled directory the entry `name` is a link to; `path` is that of the entry within the backup.
    pub fn pool_at(&self, dir: &Dir, name: &[u8], path: &[u8]) -> Option<PoolId> {
        parse_link(&self.client, path, &dir.read_link(name).ok()?)
    }
}

/// A committed backup, open for reading. While it is, it can't be deleted.
#[derive(Debug)]
pub struct BackupTree {
    root: TreeRoot,
    /// Where the client's backups are, for volumes that stand on those of other images.
    backups: Dir,
    manifest: Reader,
    name: BackupName,
    _reading: Reading,
}

impl BackupTree {
    pub(crate) fn new(
        root: TreeRoot,
        backups: Dir,
        manifest: Reader,
        name: BackupName,
        reading: Reading,
    ) -> Self {
        Self {
            root,
            backups,
            manifest,
            name,
            _reading: reading,
        }
    }

    /// Whose backup it is.
    pub fn client(&self) -> &ClientName {
        &self.root.client
    }

    /// Its name.
    pub fn name(&self) -> &BackupName {
        &self.name
    }

    /// Whether a file lies on the device where that of another backup in the storage lies; what can't be told does not.
    pub fn has_same_data(&self, other: &Self, path: &[u8]) -> bool {
        let both = self.open_file(path).ok().zip(other.open_file(path).ok());
        let sameness = both.and_then(|(own, others)| cow_fs::same_data(&own, &others).ok());
        sameness == Some(cow_fs::Sameness::SameData)
    }

    /// The list of all that it holds. Cheap to clone, and independent of this from then on.
    pub fn manifest(&self) -> &Reader {
        &self.manifest
    }

    /// Opens the regular file at `path` (or the file that a hard link there is another name of) for reading.
    ///
    /// Fails with [`Error::NotInBackup`] if the tree has no regular file there. What the manifest says of the path is
    /// not looked at, other than that links into the pool are followed only where it has a directory.
    pub fn open_file(&self, path: &[u8]) -> Result<File> {
        let Some((parent, name)) = manifest::split_path(path) else {
            return Err(Error::NotInBackup { path: shown(path) });
        };
        open_regular(&self.open_directory(parent)?, name)
    }

    /// Opens the volume at `path` for reading, as the manifest lists it, whatever it is kept in. Any other regular file can be opened by
    /// this as well.
    ///
    /// Fails as [`open_file`](Self::open_file), and with [`Error::Volume`] where a file that it is kept in is damaged or missing.
    pub fn open_volume(&self, path: &[u8]) -> Result<VolumeReader> {
        match self.open_file(path) {
            Err(Error::NotInBackup { .. }) if self.name.kind() == BackupKind::Image => {}
            opened => return opened.map(VolumeReader::Raw),
        }
        let missing = || Error::NotInBackup { path: shown(path) };
        let (dir, name) = crate::image::split(path).map_err(|_| missing())?;
        if !name.ends_with(RAW_SUFFIX) {
            return Err(missing());
        }
        let volume = VolumeOf {
            backups: &self.backups,
            dir,
            name,
        };
        volume
            .open(self.name.as_str(), &self.root.dir)?
            .ok_or_else(missing)
    }

    /// Opens the directory at `path`; the empty path is the backup's root. Its files can be opened by name from there.
    pub fn open_directory(&self, path: &[u8]) -> Result<Dir> {
        let is_directory = |path: &[u8]| {
            let entry = self
                .manifest
                .lookup(path)
                .map_err(Error::manifest(self.name.as_str()))?;
            Ok(entry.is_some_and(|entry| entry.kind == Kind::Directory))
        };
        self.root.open_dir(path, is_directory)
    }
}

/// Whether no directory is where one was looked for, or it is not a real one.
fn is_missing(error: &file_tree::Error) -> bool {
    matches!(
        error,
        file_tree::Error::NotFound { .. }
            | file_tree::Error::SymbolicLink { .. }
            | file_tree::Error::NotDirectory { .. }
            | file_tree::Error::BadPath { .. }
    )
}

/// Opens the regular file `name` for reading; anything else is [`Error::NotInBackup`].
pub(crate) fn open_regular(dir: &Dir, name: &[u8]) -> Result<File> {
    let missing = || Error::NotInBackup { path: shown(name) };
    let file = match dir.open_file(name, Access::Read) {
        Err(file_tree::Error::NotFound { .. } | file_tree::Error::SymbolicLink { .. }) => {
            return Err(missing());
        }
        opened => opened.during("open", shown(name))?,
    };
    let is_file = file.metadata().during("look at", shown(name))?.is_file();
    if is_file { Ok(file) } else { Err(missing()) }
}
