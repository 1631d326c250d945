//! The background work: removing what was deleted, keeping the content index true, freeing pooled directories.

use cow_fs::btrfs::SubvolumeId;
use file_tree::Dir;
use manifest::Reader;

use super::{Shared, Store, finish_deletion};
use crate::backend::TRASHED_TREE;
use crate::changed::{Key, Look};
use crate::crash;
use crate::durable::find_file;
use crate::error::{During as _, Error, Result};
use crate::index::Owner;
use crate::index::intake::Intake;
use crate::index::ownership::{Held, pass_on, take_in};
use crate::mend;
use crate::monitor::{Monitor, Step};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::pool::{PoolChange, PoolChangeKind, PoolList};
use crate::trash::{Deleted, Item, MANIFEST, POOL_LIST};

/// What a round of background work did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Deleted backups of which nothing is left.
    pub removed: Vec<(ClientName, BackupName)>,
    /// Deleted backups whose space the kernel, or a later round, has still to free.
    pub waiting: Vec<(ClientName, BackupName)>,
    /// Links into pools that went with deleted backups.
    pub pool_changes: Vec<PoolChange>,
    /// Backups that were taken into the content index.
    pub indexed: Vec<(ClientName, BackupName)>,
}

impl Store {
    /// Does the background work that there is: takes new backups into the content index, and removes what deleted
    /// ones have left in the trash, in the index and in the pool. To be called after each commit and deletion; a
    /// second caller waits for the first. It can be cancelled and called again at any time.
    pub fn reap(&self, monitor: &dyn Monitor) -> Result<Reaped> {
        let _alone = self.shared.reaping.lock();
        let mut reaped = Reaped::default();
        self.shared.index_new(monitor, &mut reaped)?;
        let items = Item::all(&self.shared.layout)?;
        if !items.is_empty() {
            self.shared.backend.free_dropped(&self.shared.layout.state)?;
        }
        for item in items {
            if monitor.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match self.shared.reap_item(item, monitor, &mut reaped) {
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => monitor.problem(&error),
                Ok(()) => {}
            }
        }
        crate::ballast::take_in(&self.shared.layout.state);
        Ok(reaped)
    }

    /// Forgets the whole content index; the next [`reap`](Store::reap) builds it anew from the manifests.
    pub fn reset_index(&self) -> Result<()> {
        self.shared.index.clear()
    }
}

impl Shared {
    /// Takes the backups into the index that have come since this was last done, oldest first.
    fn index_new(&self, monitor: &dyn Monitor, reaped: &mut Reaped) -> Result<()> {
        let mut look = self.index.changed.look(&self.layout, &self.index)?;
        let mut intake = Intake::new(&self.index);
        let mut taken_in = Vec::new();
        for key in look.left() {
            if monitor.is_cancelled() {
                return Err(Error::Cancelled);
            }
            match self.take_in(&mut intake, &key, monitor) {
                Ok(true) => taken_in.push(key),
                Ok(false) | Err(Error::UnknownBackup { .. }) => look.done(&key),
                Err(Error::Cancelled) => return Err(Error::Cancelled),
                Err(error) => monitor.problem(&error),
            }
            if intake.is_full() {
                write(&mut intake, &mut taken_in, &mut look, reaped);
            }
        }
        write(&mut intake, &mut taken_in, &mut look, reaped);
        Ok(())
    }

    /// Takes a backup into the index, unless it is there.
    pub fn index_backup(&self, client: &ClientName, name: &BackupName, monitor: &dyn Monitor) -> Result<()> {
        let mut intake = Intake::new(&self.index);
        self.take_in(&mut intake, &(client.clone(), name.clone()), monitor)?;
        intake.write();
        Ok(())
    }

    /// Returns whether the index has not had it yet.
    fn take_in(&self, intake: &mut Intake<'_>, (client, name): &Key, monitor: &dyn Monitor) -> Result<bool> {
        let manifest = self.open_manifest(client, name)?;
        let owner = owner_of(client, name, &manifest);
        if intake.is_indexed(&owner) {
            return Ok(false);
        }
        monitor.step(&Step::Indexing {
            client: client.clone(),
            backup: name.clone(),
        });
        // What an indexed base has is known.
        let base = manifest
            .header()
            .base
            .as_ref()
            .and_then(|base| base.parse::<BackupName>().ok());
        let base = base.and_then(|base| {
            let manifest = self.open_manifest(client, &base).ok()?;
            let is_indexed = intake.is_indexed(&owner_of(client, &base, &manifest));
            is_indexed.then_some((manifest, self.damaged(client, &base).ok()?))
        });
        let held = Held {
            manifest: &manifest,
            damaged: &self.damaged(client, name)?,
        };
        let base = base
            .as_ref()
            .map(|(manifest, damaged)| Held { manifest, damaged });
        take_in(intake, &owner, held, base, monitor)?;
        Ok(true)
    }

    fn reap_item(&self, item: Item, monitor: &dyn Monitor, reaped: &mut Reaped) -> Result<()> {
        let Some(deleted) = item.deleted()? else {
            // What recovery could not put right is left for the next time.
            return match mend::client_of(&item)? {
                Some(_) => Ok(()),
                None => item.remove(&self.layout),
            };
        };
        let key = (deleted.client.clone(), deleted.name.clone());
        let Some(_exclusive) = self.usage.exclude(&deleted.client, &deleted.name) else {
            // Its deletion is under way, or another backup has the name.
            reaped.waiting.push(key);
            return Ok(());
        };
        monitor.step(&Step::Removing {
            client: deleted.client.clone(),
            backup: deleted.name.clone(),
        });
        if let Some(file) = find_file(&item.dir, MANIFEST.as_bytes())? {
            finish_deletion(self, &item, &deleted.client, &deleted.name)?;
            self.pass_on(&deleted, file, monitor)?;
            crash::point("reap: index passed on");
            item.remove_part(TRASHED_TREE)?;
            // ORDER: the tree is gone for good before the manifest, which is what lets recovery take it away again.
            cow_fs::sync_file_system(&item.dir).during("sync", "the trash")?;
            item.remove_part(MANIFEST.as_bytes())?;
            crash::point("reap: tree and manifest removed");
        }
        if !self.free_pooled(&item, &deleted, &mut reaped.pool_changes)? {
            reaped.waiting.push(key);
            return Ok(());
        }
        let subvolume = deleted.subvolume.map(SubvolumeId);
        if subvolume.is_some_and(|subvolume| !self.backend.is_removed(&self.layout.state, subvolume)) {
            reaped.waiting.push(key);
            return Ok(());
        }
        item.remove(&self.layout)?;
        crash::point("reap: item removed");
        reaped.removed.push(key);
        Ok(())
    }

    fn pass_on(&self, deleted: &Deleted, file: std::fs::File, monitor: &dyn Monitor) -> Result<()> {
        let manifest = match Reader::open(file) {
            Ok(manifest) => manifest,
            Err(source) => {
                // Without it nobody knows what to look for in the index; what stays there leads nowhere.
                monitor.problem(&Error::manifest("of a deleted backup")(source));
                return Ok(());
            }
        };
        let from = owner_of(&deleted.client, &deleted.name, &manifest);
        let names = self.layout.backup_names(&deleted.client)?;
        let next = names.into_iter().find(|name| *name > deleted.name);
        let next = next.and_then(|name| {
            let manifest = self.open_manifest(&deleted.client, &name).ok()?;
            let damaged = self.damaged(&deleted.client, &name).ok()?;
            Some((owner_of(&deleted.client, &name, &manifest), manifest, damaged))
        });
        let next = next
            .as_ref()
            .map(|(owner, manifest, damaged)| (owner, Held { manifest, damaged }));
        pass_on(&self.index, &from, &manifest, next, monitor)
    }

    /// Removes pooled directories that only this backup linked to. Returns whether that could be decided.
    fn free_pooled(&self, item: &Item, deleted: &Deleted, changes: &mut Vec<PoolChange>) -> Result<bool> {
        let list = PoolList::read_file(&item.dir, POOL_LIST)?;
        if list.is_empty() {
            return Ok(true);
        }
        let client = &deleted.client;
        let Some(_claim) = self.usage.claim(client, BackupKind::File) else {
            return Ok(false);
        };
        if self.layout.find_incomplete(client, BackupKind::File)?.is_some() {
            // It has links that no list names yet.
            return Ok(false);
        }
        let linked = self.pooled_in_use(client)?;
        let Some(pool) = self.layout.find_pool(client)? else {
            return Ok(true);
        };
        for link in list.links() {
            if !linked.contains(&link.pool) {
                self.trash_pooled(&pool, link.pool.as_bytes())?;
            }
            changes.push(PoolChange {
                client: client.clone(),
                pool: link.pool.clone(),
                backup: deleted.name.clone(),
                kind: PoolChangeKind::Unlinked,
            });
        }
        crash::point("reap: pool freed");
        item.remove_part(POOL_LIST.as_bytes())?;
        Ok(true)
    }

    /// Moves a pooled directory to the trash and removes it there.
    pub fn trash_pooled(&self, pool: &Dir, id: &[u8]) -> Result<()> {
        if pool.stat(id).is_err_and(|error| error.is_not_found()) {
            return Ok(());
        }
        let item = Item::create(&self.layout)?;
        pool.rename(id, &item.dir, TRASHED_TREE)
            .during("move to the trash", "a pooled directory")?;
        item.remove(&self.layout)
    }

    /// All pooled directories that any backup of the client links to.
    pub fn pooled_in_use(
        &self,
        client: &ClientName,
    ) -> Result<std::collections::HashSet<crate::names::PoolId>> {
        let mut linked = std::collections::HashSet::new();
        let Some(manifests) = self.layout.find_manifests(client)? else {
            return Ok(linked);
        };
        for name in self.layout.pool_list_names(client)? {
            linked.extend(
                PoolList::read(&manifests, &name)?
                    .links()
                    .iter()
                    .map(|link| link.pool.clone()),
            );
        }
        Ok(linked)
    }
}

/// Writes what has been gathered of backups that are complete with that.
fn write(intake: &mut Intake<'_>, taken_in: &mut Vec<Key>, look: &mut Look<'_>, reaped: &mut Reaped) {
    if intake.write() {
        taken_in.iter().for_each(|key| look.done(key));
        reaped.indexed.append(taken_in);
    }
    taken_in.clear();
}

fn owner_of(client: &ClientName, name: &BackupName, manifest: &Reader) -> Owner {
    Owner {
        client: client.clone(),
        name: name.clone(),
        digest: manifest.digest(),
    }
}
