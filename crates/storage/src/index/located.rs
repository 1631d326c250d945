//! Checking a location and opening what lies there.
//!
//! The manifest of the backup in question has to list a file with that very hash and size at the path. Clients that
//! have the same files ask for them in the same order, so each backup's manifest is read on from where it was
//! left.

use std::collections::VecDeque;
use std::sync::Arc;

use file_tree::Dir;
use manifest::{DirRecord, Entry, Kind, Reader, compare_paths, split_path};
use parking_lot::Mutex;

use super::Location;
use crate::damage::Damaged;
use crate::durable::{find_dir, find_file};
use crate::error::{Error, Result};
use crate::layout::{manifest_file, manifest_path};
use crate::names::{BackupName, ClientName};
use crate::store::Shared;
use crate::tree::TreeRoot;

/// How many backups are kept open.
const OPEN_BACKUPS: usize = 8;
/// How many records are read on before the place is looked up anew.
const READ_ON_RECORDS: usize = 256;

/// Backups that content has lately been taken from. Keeps none of them from being deleted.
#[derive(Debug, Default)]
pub(crate) struct Located {
    /// The most recently used at the end.
    open: Mutex<VecDeque<Arc<Source>>>,
}

/// A file that has been found.
#[derive(Debug)]
pub(crate) struct Found {
    pub dir: Arc<Dir>,
    pub name: Box<[u8]>,
}

#[derive(Debug)]
struct Source {
    client: ClientName,
    name: BackupName,
    root: TreeRoot,
    manifest: Reader,
    damaged: Damaged,
    place: Mutex<Place>,
}

/// Where a source's manifest was read last.
#[derive(Default)]
struct Place {
    directory: Option<(Arc<DirRecord>, Arc<Dir>)>,
    ahead: Option<Ahead>,
}

type Ahead = Box<dyn Iterator<Item = manifest::Result<manifest::RawRecord>> + Send>;

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("directory", &self.directory.as_ref().map(|found| &found.0.path))
            .finish()
    }
}

impl Located {
    /// Opens what lies at a location, if it has the entry's content. A location that is wrong is forgotten.
    pub fn open(&self, shared: &Shared, location: &Location, entry: &Entry) -> Result<Option<Found>> {
        let Kind::File { size, hash, .. } = entry.kind else {
            return Ok(None);
        };
        let found = self.find(shared, location, entry);
        match found {
            Ok(Some(found)) => Ok(Some(found)),
            Ok(None) => {
                shared.index.forget(hash, size);
                Ok(None)
            }
            // Whatever is wrong with another backup is no reason for this one to fail.
            Err(error) => {
                tracing::warn!(%error, client = %location.client, backup = %location.backup, "reusing content");
                Ok(None)
            }
        }
    }

    fn find(&self, shared: &Shared, location: &Location, wanted: &Entry) -> Result<Option<Found>> {
        let Some((parent, name)) = split_path(&location.path) else {
            return Ok(None);
        };
        let Some(source) = self.source(shared, location)? else {
            return Ok(None);
        };
        if source.damaged.contains(&location.path) {
            return Ok(None);
        }
        let mut place = source.place.lock();
        if place
            .directory
            .as_ref()
            .is_none_or(|(record, _)| *record.path != *parent)
        {
            let Some(record) = source.seek(&mut place, parent)? else {
                return Ok(None);
            };
            // The manifest has a record of it, so it is a directory.
            let dir = source.root.open_dir(parent, |_| Ok(true))?;
            place.directory = Some((Arc::new(record), Arc::new(dir)));
        }
        let Some((record, dir)) = &place.directory else {
            return Ok(None);
        };
        let is_right = record
            .find(name)
            .is_some_and(|entry| same_content(&entry.kind, &wanted.kind));
        Ok(is_right.then(|| Found {
            dir: Arc::clone(dir),
            name: name.into(),
        }))
    }

    fn source(&self, shared: &Shared, location: &Location) -> Result<Option<Arc<Source>>> {
        let mut open = self.open.lock();
        let is_it = |source: &Arc<Source>| source.client == location.client && source.name == location.backup;
        if let Some(at) = open.iter().position(is_it) {
            let source = open.remove(at);
            open.extend(source.clone());
            return Ok(source);
        }
        let Some(source) = Source::open(shared, &location.client, &location.backup)? else {
            return Ok(None);
        };
        let source = Arc::new(source);
        if open.len() == OPEN_BACKUPS {
            open.pop_front();
        }
        open.push_back(Arc::clone(&source));
        Ok(Some(source))
    }

    /// Lets go of a backup that is being deleted or changed.
    pub fn close(&self, client: &ClientName, name: &BackupName) {
        self.open
            .lock()
            .retain(|source| source.client != *client || source.name != *name);
    }
}

impl Source {
    fn open(shared: &Shared, client: &ClientName, name: &BackupName) -> Result<Option<Self>> {
        let Some(manifests) = shared.layout.find_manifests(client)? else {
            return Ok(None);
        };
        let Some(file) = find_file(&manifests, manifest_file(name).as_bytes())? else {
            return Ok(None);
        };
        let Some(backups) = shared.layout.find_backups(client)? else {
            return Ok(None);
        };
        let Some(dir) = find_dir(&backups, name.as_bytes())? else {
            return Ok(None);
        };
        let manifest = Reader::open(file).map_err(Error::manifest(manifest_path(client, name)))?;
        let root = TreeRoot {
            client: client.clone(),
            dir,
            pool: shared.layout.find_pool(client)?,
        };
        Ok(Some(Self {
            client: client.clone(),
            name: name.clone(),
            root,
            manifest,
            damaged: Damaged::read(&manifests, name)?,
            place: Mutex::default(),
        }))
    }

    /// Finds a directory's record: reads on if it may be near, else looks it up.
    fn seek(&self, place: &mut Place, path: &[u8]) -> Result<Option<DirRecord>> {
        let failed = || Error::manifest(manifest_path(&self.client, &self.name));
        let is_ahead = place
            .directory
            .as_ref()
            .is_some_and(|(record, _)| compare_paths(&record.path, path).is_lt());
        place.directory = None;
        if let Some(ahead) = place.ahead.as_mut().filter(|_| is_ahead) {
            for record in ahead.take(READ_ON_RECORDS) {
                let record = record.map_err(failed())?;
                match compare_paths(record.path(), path) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => return record.decode().map(Some).map_err(failed()),
                    std::cmp::Ordering::Greater => break,
                }
            }
        }
        let mut ahead = self.manifest.raw_records_from(path).map_err(failed())?;
        let record = ahead.next().transpose().map_err(failed())?;
        place.ahead = Some(Box::new(ahead));
        let record = record.filter(|record| record.path() == path);
        record.map(|record| record.decode()).transpose().map_err(failed())
    }
}

fn same_content(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (
            Kind::File {
                size: a_size,
                hash: a_hash,
                ..
            },
            Kind::File {
                size: b_size,
                hash: b_hash,
                ..
            },
        ) => a_size == b_size && a_hash == b_hash,
        _ => false,
    }
}
