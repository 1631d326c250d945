//! Replacing damaged content in committed backups by content that is proven to be right.
//!
//! The new content is complete, proven and durable before it takes the place of the old one in one step (a rename), so whenever this is
//! interrupted a file has the one or the other. What is on the way is in an item of the trash ([`journal`]); where the backup is a read-only
//! subvolume, that says too that it was made writable, and recovery makes it right.
//!
//! Sharing is kept where it can be: content from another place of the storage is cloned, or linked where inodes are shared and have the
//! right metadata. What backups on both sides are thought to share with this one is told to be otherwise (`NAME.retold`), and the ledger of sizes
//! is built anew.

mod candidates;
mod journal;
mod place;
mod volume;

use std::fs::File;
use std::io;

use disk_image::DiskSource as _;
use file_tree::Dir;
use manifest::content::BlockHasher;
use manifest::{BLOCK_BYTES, ContentHash, Entry, Kind, Reader};

use crate::error::{During as _, Error, Result, shown};
use crate::index::{Content, Location, Owner};
use crate::layout::{backup_path, manifest_path};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::retold;
use crate::store::{Shared, Store};
use crate::tree::{TreeRoot, open_regular};
use crate::usage::{Claim, Exclusive};

use place::Place;
pub use volume::MendedVolume;

pub(crate) use journal::{client_of, recover};

/// Where right content is taken from.
#[derive(Debug, Clone, Copy)]
pub enum Replacement<'a> {
    /// A file of this or another backup in the storage.
    At(&'a Location),
    /// A file of any origin.
    File(&'a File),
}

impl Store {
    /// Replaces the content of a file in a committed backup, all of its names included, by the right one. The file keeps its metadata.
    ///
    /// The content is compared with the manifest before anything is changed; another one is [`Error::WrongContent`]. Fails with
    /// [`Error::NotInBackup`] if the backup lists no file there, [`Error::InvalidEntry`] for a volume (see
    /// [`mend_volume`](Store::mend_volume)), and [`Error::Busy`] while the backup is read, or the client backed up.
    pub fn mend(
        &self,
        client: &ClientName,
        name: &BackupName,
        path: &[u8],
        replacement: Replacement<'_>,
    ) -> Result<()> {
        let mending = Mending::begin(&self.shared, client, name)?;
        let (path, entry) = mending.file(path)?;
        let Kind::File { size, hash, .. } = entry.kind else {
            return Err(Error::invalid_entry(&path, "only files have content"));
        };
        let source = mending.open(replacement)?;
        if !is_right(&source.file, size, hash).during("read", shown(&path))? {
            return Err(Error::WrongContent { path: shown(&path) });
        }
        let names = mending.names_of(&path)?;
        mending.tell_others(&names)?;
        let place = Place::prepare(&mending, &names)?;
        let staged = place.stage(&source, &entry);
        place.put_in_place(staged, |staged| is_right(staged, size, hash))?;
        mending.finish(&path, size, hash)
    }
}

impl Store {
    /// Reads a file of a committed backup that is known to be damaged, and if it is right after all – it was mended in another backup
    /// that has it too, or could not be read for a while – takes it off the list. Returns whether it is right.
    ///
    /// Fails with [`Error::NotInBackup`] if the backup lists no file there, or the tree has none.
    pub fn check_damaged(&self, client: &ClientName, name: &BackupName, path: &[u8]) -> Result<bool> {
        let tree = self.open_backup(client, name)?;
        let failed = || Error::manifest(manifest_path(client, name));
        let entry = tree.manifest().lookup(path).map_err(failed())?;
        let Some(Kind::File { size, hash, .. }) = entry.map(|entry| entry.kind) else {
            return Err(Error::NotInBackup { path: shown(path) });
        };
        let file = tree.open_file(path)?;
        let is_right = is_right(&file, size, hash).during("read", shown(path))?;
        if is_right {
            self.shared.change_damaged(client, name, |damaged| {
                damaged.remove(path);
            })?;
        }
        Ok(is_right)
    }
}

/// A backup that is being mended; nobody else uses it.
struct Mending<'a> {
    shared: &'a Shared,
    client: &'a ClientName,
    name: &'a BackupName,
    manifest: Reader,
    root: TreeRoot,
    _exclusive: Exclusive,
    _claim: Claim,
}

/// An open file with right content, and its place if that is in the storage.
struct Source {
    file: File,
    place: Option<(Dir, Box<[u8]>)>,
}

impl<'a> Mending<'a> {
    fn begin(shared: &'a Shared, client: &'a ClientName, name: &'a BackupName) -> Result<Self> {
        let busy = || Error::Busy {
            client: client.clone(),
            what: name.to_string(),
        };
        let claim = shared.usage.claim(client, name.kind()).ok_or_else(busy)?;
        let exclusive = shared.usage.exclude(client, name).ok_or_else(busy)?;
        Ok(Self {
            shared,
            client,
            name,
            manifest: shared.open_manifest(client, name)?,
            root: open_root(shared, client, name)?,
            _exclusive: exclusive,
            _claim: claim,
        })
    }

    /// The path and entry that the content of a path is listed under.
    fn file(&self, path: &[u8]) -> Result<(Box<[u8]>, Entry)> {
        let (path, entry) = listed(&self.manifest, path).map_err(self.manifest_error())?;
        match entry {
            Some(entry) => Ok((path, entry)),
            None => Err(Error::NotInBackup { path: shown(&path) }),
        }
    }

    fn manifest_error(&self) -> impl FnOnce(manifest::Error) -> Error + use<> {
        Error::manifest(manifest_path(self.client, self.name))
    }

    fn open(&self, replacement: Replacement<'_>) -> Result<Source> {
        match replacement {
            Replacement::File(file) => {
                let file = file.try_clone().during("open", "the right content")?;
                Ok(Source { file, place: None })
            }
            Replacement::At(location) => open_location(self.shared, location),
        }
    }

    /// All names that a file has in the backup, the first one in front.
    fn names_of(&self, path: &[u8]) -> Result<Vec<Box<[u8]>>> {
        let mut names = vec![path.into()];
        if self.manifest.totals().hard_links > 0 {
            journal::other_names(&self.manifest, path, &mut names).map_err(self.manifest_error())?;
        }
        Ok(names)
    }

    /// Tells whoever concludes from manifests what backups share that with this one they do so no more.
    fn tell_others(&self, names: &[Box<[u8]>]) -> Result<()> {
        if self.name.kind() == BackupKind::Image {
            return Ok(());
        }
        let dirs: Vec<&[u8]> = names.iter().filter_map(|name| parent(name)).collect();
        let manifests = self.shared.layout.manifests(self.client)?;
        retold::add(&manifests, self.name, &dirs)?;
        for other in self.shared.layout.backup_names(self.client)? {
            let manifest = match self.shared.open_manifest(self.client, &other) {
                // Nobody can conclude anything from it.
                Err(Error::Manifest { .. } | Error::UnknownBackup { .. }) => continue,
                opened => opened?,
            };
            if manifest.header().base.as_deref() == Some(self.name.as_str()) {
                retold::add(&manifests, &other, &dirs)?;
            }
        }
        self.shared.retell_incomplete(self.client, self.name, &dirs)
    }

    /// Keeps the books: the content is sound, and can be found here.
    fn finish(self, path: &[u8], size: u64, hash: ContentHash) -> Result<()> {
        let shared = self.shared;
        shared.change_damaged(self.client, self.name, |damaged| {
            damaged.remove(path);
        })?;
        if size > crate::SMALL_FILE_BYTES && self.name.kind() == BackupKind::File {
            let owner = Owner {
                client: self.client.clone(),
                name: self.name.clone(),
                digest: self.manifest.digest(),
            };
            let content = Content {
                hash,
                size,
                path: path.into(),
            };
            if let Err(error) = shared.index.repoint(&owner, &[content]) {
                tracing::warn!(%error, client = %self.client, "pointing the content index at mended content");
            }
        }
        Ok(())
    }
}

fn open_root(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<TreeRoot> {
    let missing = || Error::corrupt(backup_path(client, name), "the tree is missing");
    let backups = shared.layout.find_backups(client)?.ok_or_else(missing)?;
    Ok(TreeRoot {
        client: client.clone(),
        dir: crate::durable::find_dir(&backups, name.as_bytes())?.ok_or_else(missing)?,
        pool: shared.layout.find_pool(client)?,
    })
}

/// Opens what lies at a location. It is for the caller to see what content that is.
fn open_location(shared: &Shared, location: &Location) -> Result<Source> {
    let missing = || Error::NotInBackup {
        path: shown(&location.path),
    };
    let (parent, name) = manifest::split_path(&location.path).ok_or_else(missing)?;
    let root = open_root(shared, &location.client, &location.backup)?;
    let dir = root.open_dir(parent, |_| Ok(true))?;
    Ok(Source {
        file: open_regular(&dir, name)?,
        place: Some((dir, name.into())),
    })
}

/// The path and entry that the content of a path is listed under: of a hard link, those of the first name.
fn listed(manifest: &Reader, path: &[u8]) -> manifest::Result<(Box<[u8]>, Option<Entry>)> {
    let entry = manifest.lookup(path)?;
    Ok(match entry.as_ref().map(|entry| &entry.kind) {
        Some(Kind::HardLink { target }) => (target.clone(), manifest.lookup(target)?),
        _ => (path.into(), entry),
    })
}

fn parent(path: &[u8]) -> Option<&[u8]> {
    manifest::split_path(path).map(|(parent, _)| parent)
}

/// Whether a file has this very content.
fn is_right(file: &File, size: u64, hash: ContentHash) -> io::Result<bool> {
    if file.metadata()?.len() != size {
        return Ok(false);
    }
    let mut hasher = BlockHasher::new();
    let mut buffer = vec![0; BLOCK_BYTES as usize];
    let mut at = 0;
    while at < size {
        let block = &mut buffer[..(size - at).min(BLOCK_BYTES) as usize];
        match file.read_exact_at(block, at) {
            Err(error) if crate::transfer::salvage::is_damage(&error) => return Ok(false),
            read => read?,
        }
        hasher.update(block);
        at += block.len() as u64;
    }
    Ok(hasher.finish().hash == hash)
}
