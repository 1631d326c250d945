//! The manifests of the backups that somebody looks into, and directories of them: a bounded number of each.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use manifest::{ContentHash, KindRef, Reader};
use parking_lot::Mutex;

use super::backups::Backup;
use super::directory::Directory;
use super::inodes::short_hash;
use super::server::{Manifest, Server};
use super::weighted::Weighted;
use crate::error::{Error, Result};

/// How many manifests are open at a time. One that was fetched lies in the client's state directory for as long.
const OPEN_MANIFESTS: u64 = 16;
/// What directories may take in memory.
const DIRECTORY_BYTES: u64 = 48 << 20;
/// The directories that follow one are read with it, up to so many and so much: whoever goes through a tree wants them next.
const FOLLOWING: usize = 32;
const FOLLOWING_BYTES: usize = 64 << 10;
/// Where a backup has more hard links, they are not counted.
const COUNTED_LINKS: u64 = 250_000;

type DirectoryKey = (ContentHash, Box<[u8]>);

/// What is known of what backups list.
pub(super) struct Manifests {
    server: Arc<Server>,
    open: Mutex<Weighted<ContentHash, Arc<OpenManifest>>>,
    /// Locked while a manifest is opened, so that none is fetched twice.
    opening: Mutex<()>,
    directories: Mutex<Weighted<DirectoryKey, Arc<Directory>>>,
}

struct OpenManifest {
    manifest: Manifest,
    links: OnceLock<Links>,
}

/// How many names things have that have more than one.
enum Links {
    /// By the hashes of their paths, how many further names.
    Counted(HashMap<u64, u32>),
    /// There are too many to be counted.
    Many,
}

impl Manifests {
    /// Knows nothing yet.
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            open: Mutex::new(Weighted::new(OPEN_MANIFESTS)),
            opening: Mutex::new(()),
            directories: Mutex::new(Weighted::new(DIRECTORY_BYTES)),
        }
    }

    /// Reads a directory of a backup.
    ///
    /// Fails with [`Error::NotFound`] where there is none, and where the manifest can't be had or read.
    pub(super) fn directory(&self, backup: &Backup, path: &[u8]) -> Result<Arc<Directory>> {
        let key = (backup.digest, path.into());
        if let Some(directory) = self.directories.lock().get(&key) {
            return Ok(directory.clone());
        }
        let manifest = self.manifest(backup)?;
        let read = self.read_directory(&manifest.manifest.reader, key);
        read.inspect_err(|error| self.note_damage(backup, error))
    }

    /// How many names the thing at `path` of a backup has, of which one at least is known. Two may stand for any number where a backup has very many.
    pub(super) fn links(&self, backup: &Backup, path: &[u8]) -> Result<u32> {
        let manifest = self.manifest(backup)?;
        let links = manifest
            .links
            .get_or_init(|| Links::of(&manifest.manifest.reader));
        Ok(match links {
            Links::Counted(counts) if counts.is_empty() => 1,
            Links::Counted(counts) => counts.get(&short_hash(path)).map_or(1, |more| more + 1),
            Links::Many => 2,
        })
    }

    /// Reads all of an entry, block hashes included.
    pub(super) fn entry(&self, backup: &Backup, path: &[u8]) -> Result<manifest::Entry> {
        let manifest = self.manifest(backup)?;
        let found = manifest.manifest.reader.lookup(path).map_err(Error::from);
        let found = found.inspect_err(|error| self.note_damage(backup, error))?;
        found.ok_or_else(|| missing(path))
    }

    fn manifest(&self, backup: &Backup) -> Result<Arc<OpenManifest>> {
        if let Some(manifest) = self.open.lock().get(&backup.digest) {
            return Ok(manifest.clone());
        }
        let _opening = self.opening.lock();
        if let Some(manifest) = self.open.lock().get(&backup.digest) {
            return Ok(manifest.clone());
        }
        let manifest = Arc::new(OpenManifest {
            manifest: self.server.manifest(backup)?,
            links: OnceLock::new(),
        });
        self.open.lock().insert(backup.digest, manifest.clone(), 1);
        Ok(manifest)
    }

    fn read_directory(&self, reader: &Reader, key: DirectoryKey) -> Result<Arc<Directory>> {
        let mut records = reader.raw_records_from(&key.1)?;
        let wanted = records.next().transpose()?;
        let wanted = wanted.filter(|record| *record.path() == *key.1);
        let directory = Arc::new(Directory::of(&wanted.ok_or_else(|| missing(&key.1))?)?);
        let mut bytes = 0;
        // What is wrong with these is told once they are wanted.
        for record in records.map_while(|record| record.ok()).take(FOLLOWING) {
            bytes += record.bytes().len();
            if bytes > FOLLOWING_BYTES {
                break;
            }
            if let Ok(following) = Directory::of(&record) {
                self.keep((key.0, record.path().into()), Arc::new(following));
            }
        }
        self.keep(key, directory.clone());
        Ok(directory)
    }

    fn keep(&self, key: DirectoryKey, directory: Arc<Directory>) {
        let weight = directory.weight() + key.1.len() as u64;
        self.directories.lock().insert(key, directory, weight);
    }

    /// Has a manifest fetched anew that turned out to be damaged.
    fn note_damage(&self, backup: &Backup, error: &Error) {
        if let Error::Manifest(_) = error {
            self.open.lock().remove(&backup.digest);
            self.server.discard_manifest(backup.digest);
        }
    }
}

impl Links {
    fn of(reader: &Reader) -> Self {
        match reader.totals().hard_links {
            0 => return Self::Counted(HashMap::new()),
            1..=COUNTED_LINKS => {}
            _ => return Self::Many,
        }
        let mut counts = HashMap::new();
        for record in reader.raw_records() {
            let counted = record.and_then(|record| {
                for entry in record.entries()? {
                    if let KindRef::HardLink { target } = entry?.kind {
                        *counts.entry(short_hash(target)).or_insert(0) += 1;
                    }
                }
                Ok(())
            });
            if let Err(error) = counted {
                tracing::warn!(%error, "the hard links of a backup could not be counted");
                return Self::Many;
            }
        }
        Self::Counted(counts)
    }
}

fn missing(path: &[u8]) -> Error {
    Error::NotFound {
        message: format!("{:?} in this backup", file_tree::shown(path)),
    }
}
