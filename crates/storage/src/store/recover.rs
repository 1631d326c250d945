//! Putting a storage right after a process that used it has ended in the middle of something.

use super::{Shared, Store, finish_deletion};
use crate::durable::{find_dir, find_file};
use crate::error::{Error, Result};
use crate::image;
use crate::incomplete::{State, TREE, boot_id};
use crate::ingest::roll_forward;
use crate::layout::manifest_file;
use crate::mend;
use crate::names::{BackupKind, BackupName, ClientName};
use crate::trash::{Item, MANIFEST};

/// What recovery did and found.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Backups whose commit was completed.
    pub completed: Vec<(ClientName, BackupName)>,
    /// Backups whose deletion was completed.
    pub deleted: Vec<(ClientName, BackupName)>,
    /// Clients with an incomplete backup that can be resumed.
    pub resumable: Vec<ClientName>,
    /// Clients whose incomplete backup was of no use and is in the trash.
    pub discarded: Vec<ClientName>,
    /// What could not be put right; everything else goes on to work.
    pub problems: Vec<(ClientName, Error)>,
}

impl Store {
    /// What was recovered when the storage was opened.
    pub fn recovered(&self) -> &Recovery {
        &self.shared.recovered
    }

    /// Completes what can be completed and takes away what is of no use; done when a storage is opened. Clients that are being
    /// backed up are left alone. Doing it twice does nothing the second time.
    pub fn recover(&self) -> Result<Recovery> {
        self.shared.recover()
    }
}

impl Shared {
    pub fn recover(&self) -> Result<Recovery> {
        let mut recovery = Recovery::default();
        let boot = boot_id();
        for kind in BackupKind::ALL {
            for client in self.layout.incomplete_clients(kind)? {
                let Some(_claim) = self.usage.claim(&client, kind) else {
                    continue;
                };
                if let Err(error) = self.recover_incomplete(&client, kind, &boot, &mut recovery) {
                    recovery.problems.push((client, error));
                }
            }
        }
        for item in Item::all(&self.layout)? {
            if let Some(client) = mend::client_of(&item)?
                && let Err(error) = mend::recover(self, &item)
            {
                recovery.problems.push((client, error));
            }
            let Some(deleted) = item.deleted()? else { continue };
            if let Err(error) = self.recover_deletion(&item, &deleted.client, &deleted.name, &mut recovery) {
                recovery.problems.push((deleted.client, error));
            }
        }
        for client in self.layout.clients()? {
            if let Err(error) = self.repair_current(&client) {
                recovery.problems.push((client, error));
            }
        }
        Ok(recovery)
    }

    fn recover_incomplete(
        &self,
        client: &ClientName,
        kind: BackupKind,
        boot: &str,
        recovery: &mut Recovery,
    ) -> Result<()> {
        let Some(work) = self.layout.find_incomplete(client, kind)? else {
            return Ok(());
        };
        if let Some(name) = roll_forward(self, client, &work)? {
            recovery.completed.push((client.clone(), name));
            return Ok(());
        }
        let has_tree = find_dir(&work, TREE)?.is_some();
        let is_of_use = has_tree
            && match kind {
                BackupKind::Image => image::State::read(&work)?.is_some(),
                BackupKind::File => match State::read(&work)? {
                    None => false,
                    Some(state) => self.is_worth_resuming(client, &state, boot)?,
                },
            };
        if is_of_use {
            recovery.resumable.push(client.clone());
        } else {
            self.discard_incomplete(client, kind)?;
            recovery.discarded.push(client.clone());
        }
        Ok(())
    }

    /// After a power loss only what was complete at the last checkpoint is trusted, and nothing of the base: beginning
    /// again from the base is less work, if that is still there.
    fn is_worth_resuming(&self, client: &ClientName, state: &State, boot: &str) -> Result<bool> {
        if !state.has_lost_power(boot) {
            return Ok(true);
        }
        if state.checkpoint.is_none() {
            return Ok(false);
        }
        let Some(base) = state.base_name() else {
            return Ok(true);
        };
        let Some(manifests) = self.layout.find_manifests(client)? else {
            return Ok(true);
        };
        Ok(find_file(&manifests, manifest_file(&base).as_bytes())?.is_none())
    }

    fn recover_deletion(
        &self,
        item: &Item,
        client: &ClientName,
        name: &BackupName,
        recovery: &mut Recovery,
    ) -> Result<()> {
        if find_file(&item.dir, MANIFEST.as_bytes())?.is_none() {
            // Either the deletion was not decided, or the reaper is past this.
            return Ok(());
        }
        let has_tree = match self.layout.find_backups(client)? {
            Some(backups) => find_dir(&backups, name.as_bytes())?.is_some(),
            None => false,
        };
        let Some(_exclusive) = self.usage.exclude(client, name) else {
            return Ok(());
        };
        finish_deletion(self, item, client, name)?;
        if has_tree {
            recovery.deleted.push((client.clone(), name.clone()));
        }
        Ok(())
    }
}
