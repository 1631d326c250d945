//! What is known of damage in committed backups.

use super::{Shared, Store};
use crate::damage::Damaged;
use crate::error::{Error, Result, shown};
use crate::incomplete::State;
use crate::index::Location;
use crate::layout::manifest_path;
use crate::names::{BackupKind, BackupName, ClientName};
use crate::retold::Retold;

impl Store {
    /// The paths within a backup of files and volumes whose content is known to be damaged or missing, sorted by their bytes.
    pub fn damaged(&self, client: &ClientName, name: &BackupName) -> Result<Vec<Box<[u8]>>> {
        let damaged = self.shared.damaged(client, name)?;
        Ok(damaged.iter().map(|(path, _)| path.into()).collect())
    }

    /// Notes, durably, that a file or volume of a committed backup is damaged or missing, so that nothing is built on it from now on.
    ///
    /// Fails with [`Error::NotInBackup`] if the backup lists no content there.
    pub fn note_damaged(&self, client: &ClientName, name: &BackupName, path: &[u8]) -> Result<()> {
        let shared = &*self.shared;
        let manifest = shared.open_manifest(client, name)?;
        let entry = manifest.lookup(path);
        let entry = entry.map_err(Error::manifest(manifest_path(client, name)))?;
        let missing = || Error::NotInBackup { path: shown(path) };
        let entry = entry.ok_or_else(missing)?;
        let (size, hash) = (entry.size(), entry.hash().ok_or_else(missing)?);
        shared.change_damaged(client, name, |damaged| damaged.insert(path.into(), hash))?;
        let here = Location {
            client: client.clone(),
            backup: name.clone(),
            path: path.into(),
        };
        if shared.index.lookup(hash, size) == Some(here) {
            shared.index.forget(hash, size);
        }
        Ok(())
    }
}

impl Shared {
    /// Tells a backup that has grown from another one, and is not committed yet, that directories are not what that has. Whoever calls has
    /// claimed the client.
    pub fn retell_incomplete(&self, client: &ClientName, base: &BackupName, dirs: &[&[u8]]) -> Result<()> {
        let Some(work) = self.layout.find_incomplete(client, BackupKind::File)? else {
            return Ok(());
        };
        let state = State::read(&work)?;
        if state.and_then(|state| state.base_name()).as_ref() != Some(base) {
            return Ok(());
        }
        let retold = Retold::open(&work)?;
        dirs.iter().try_for_each(|dir| retold.add(dir))
    }

    /// What of a backup is known to be damaged.
    pub fn damaged(&self, client: &ClientName, name: &BackupName) -> Result<Damaged> {
        let manifests = self.layout.find_manifests(client)?;
        manifests.map_or(Ok(Damaged::default()), |manifests| {
            Damaged::read(&manifests, name)
        })
    }

    /// Changes the list of a backup durably.
    pub fn change_damaged(
        &self,
        client: &ClientName,
        name: &BackupName,
        change: impl FnOnce(&mut Damaged),
    ) -> Result<()> {
        let _alone = self.noting_damage.lock();
        let manifests = self.layout.manifests(client)?;
        let mut damaged = Damaged::read(&manifests, name)?;
        change(&mut damaged);
        damaged.write(&manifests, name)?;
        // What is open has the old list.
        self.located.close(client, name);
        Ok(())
    }
}
