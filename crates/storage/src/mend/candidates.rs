//! Where right content may be found in the storage.

use cow_fs::Sameness;
use manifest::{Kind, KindRef, Reader, join_path};

use super::{listed, open_location};
use crate::error::{Error, Result, shown};
use crate::index::Location;
use crate::layout::manifest_path;
use crate::names::{BackupName, ClientName};
use crate::store::{Shared, Store};

impl Store {
    /// Places in the storage that should have the content of a file, and are not the very data that the file has: likely ones first. None
    /// has been read.
    ///
    /// Looks at what the content index knows, at the same path in the client's other backups, the nearest first, and at all other files of the
    /// backup itself. Fails with [`Error::NotInBackup`] if the backup lists no file there.
    pub fn find_identical(
        &self,
        client: &ClientName,
        name: &BackupName,
        path: &[u8],
    ) -> Result<Vec<Location>> {
        let shared = &*self.shared;
        let manifest = shared.open_manifest(client, name)?;
        let failed = || Error::manifest(manifest_path(client, name));
        let (path, entry) = listed(&manifest, path).map_err(failed())?;
        let path = &*path;
        let Some(Kind::File { size, hash, .. }) = entry.map(|entry| entry.kind) else {
            return Err(Error::NotInBackup { path: shown(path) });
        };
        let here = |backup: &BackupName, path: &[u8]| Location {
            client: client.clone(),
            backup: backup.clone(),
            path: path.into(),
        };
        let mut found: Vec<Location> = shared.index.lookup(hash, size).into_iter().collect();
        for other in nearest(shared.layout.backup_names(client)?, name) {
            let lists_it = |manifest: Reader| {
                let entry = manifest.lookup(path).ok().flatten();
                entry.is_some_and(|entry| entry.size() == size && entry.hash() == Some(hash))
            };
            if shared.open_manifest(client, &other).is_ok_and(lists_it) {
                found.push(here(&other, path));
            }
        }
        for record in manifest.raw_records() {
            let record = record.map_err(failed())?;
            for entry in record.entries().map_err(failed())? {
                let entry = entry.map_err(failed())?;
                if matches!(entry.kind, KindRef::File { size: s, hash: h, .. } if (s, h) == (size, hash)) {
                    found.push(here(name, &join_path(record.path(), entry.name)));
                }
            }
        }
        let damaged = here(name, path);
        let mut unique = Vec::new();
        for location in found {
            if location != damaged
                && !unique.contains(&location)
                && shared.is_elsewhere(&location, &damaged)?
            {
                unique.push(location);
            }
        }
        Ok(unique)
    }
}

impl Shared {
    /// Whether a file is there that is not known to be damaged, and is not the very data of another.
    fn is_elsewhere(&self, location: &Location, other: &Location) -> Result<bool> {
        if self
            .damaged(&location.client, &location.backup)?
            .contains(&location.path)
        {
            return Ok(false);
        }
        let Ok(file) = open_location(self, location) else {
            return Ok(false);
        };
        let Ok(other) = open_location(self, other) else {
            return Ok(true);
        };
        let is_same = cow_fs::same_data(&file.file, &other.file);
        Ok(!matches!(is_same, Ok(Sameness::SameData)))
    }
}

/// All but one, those next to it first.
pub(super) fn nearest(names: Vec<BackupName>, name: &BackupName) -> Vec<BackupName> {
    let at = names.partition_point(|other| other < name);
    let (older, newer) = names.split_at(at);
    let newer = newer.iter().filter(|other| *other != name);
    let (mut older, mut newer) = (older.iter().rev(), newer);
    let mut order = Vec::with_capacity(names.len());
    loop {
        let pair = [older.next(), newer.next()];
        if pair == [None, None] {
            return order;
        }
        order.extend(pair.into_iter().flatten().cloned());
    }
}
