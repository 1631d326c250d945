//! Deleting a backup: at once out of sight, and in the background from the disk.

use super::{Shared, Store};
use crate::ballast::with_ballast;
use crate::crash;
use crate::durable::{self, find_dir, find_file};
use crate::error::{During as _, Error, Result};
use crate::image;
use crate::layout::{manifest_file, pool_list_file};
use crate::monitor::{Monitor, Unwatched};
use crate::names::{BackupKind, BackupName, ClientName};
use crate::trash::{Deleted, Item, MANIFEST, POOL_LIST};

impl Store {
    /// Deletes a committed backup and returns at once; [`reap`](Store::reap) does the rest. Only an image on which others
    /// [stand](Store::dependents) takes its time: these get what they need of it.
    ///
    /// The others read the same, whichever it is. `current` is led to the newest one left if it led to this. Fails with
    /// [`Error::Busy`] while the backup is read or grown from, or another image of the client is being deleted, and
    /// [`Error::UnknownBackup`] if there is none.
    pub fn delete(&self, client: &ClientName, name: &BackupName) -> Result<()> {
        self.delete_watched(client, name, &Unwatched)
    }

    /// The same with somebody who watches, and may end it before it is decided: [`Error::Cancelled`]. Then everything is as good
    /// as it was.
    pub fn delete_watched(
        &self,
        client: &ClientName,
        name: &BackupName,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        let shared = &*self.shared;
        let busy = || Error::Busy {
            client: client.clone(),
            what: name.to_string(),
        };
        let unknown = || Error::UnknownBackup {
            client: client.clone(),
            name: name.clone(),
        };
        // Two that stand on each other must not go at once.
        let is_image = name.kind() == BackupKind::Image;
        let _alone = is_image
            .then(|| shared.usage.delete(client).ok_or_else(busy))
            .transpose()?;
        let _exclusive = shared.usage.exclude(client, name).ok_or_else(busy)?;
        let manifests = shared.layout.find_manifests(client)?.ok_or_else(unknown)?;
        let manifest = manifest_file(name);
        find_file(&manifests, manifest.as_bytes())?.ok_or_else(unknown)?;
        // ORDER: when the deletion is decided nothing stands on the backup any more, so whatever finishes it need not look.
        image::free_dependents(shared, client, name, monitor)?;
        crash::point("delete: nothing stands on it");
        crate::sizes::look_before_deletion(shared, client, name);
        shared.located.close(client, name);
        let subvolume = shared.subvolume_of(client, name)?;
        let deleted = Deleted {
            client: client.clone(),
            name: name.clone(),
            subvolume,
        };
        let item = with_ballast(&shared.layout.state, || {
            let item = Item::create(&shared.layout)?;
            item.write_deleted(&deleted)?;
            item.release(&shared.layout)
        })?;
        crash::point("delete: item in the trash");
        // ORDER: the manifest goes first. From then on this is no backup, and recovery finishes what follows; the
        // other way round a backup could be listed whose tree is partly gone.
        let renamed = manifests.rename(manifest.as_bytes(), &item.dir, MANIFEST.as_bytes());
        shared.note_changed(client, name);
        renamed.during("delete", name.as_str())?;
        durable::sync(&item.dir, "an item of the trash")?;
        durable::sync(&manifests, name.as_str())?;
        crash::point("delete: manifest in the trash");
        shared.repair_current(client)?;
        crash::point("delete: current is right");
        finish_deletion(shared, &item, client, name)
    }
}

impl Store {
    /// The images that stand on another, so that they have to be written anew before that can go.
    ///
    /// Fails with [`Error::Volume`] where a file that an image is kept in is too damaged to tell.
    pub fn dependents(&self, client: &ClientName, name: &BackupName) -> Result<Vec<BackupName>> {
        image::dependents(&self.shared, client, name)
    }
}

impl Shared {
    fn subvolume_of(&self, client: &ClientName, name: &BackupName) -> Result<Option<u64>> {
        let Some(backups) = self.layout.find_backups(client)? else {
            return Ok(None);
        };
        let Some(tree) = find_dir(&backups, name.as_bytes())? else {
            return Ok(None);
        };
        Ok(self.backend.subvolume(&tree).map(|id| id.0))
    }
}

/// Takes away what a backup whose manifest is in the trash still has in its place. Does nothing where that is done.
///
/// Nothing here is synced: what a power loss brings back is taken away again as long as the manifest is in the trash.
pub(crate) fn finish_deletion(
    shared: &Shared,
    item: &Item,
    client: &ClientName,
    name: &BackupName,
) -> Result<()> {
    let manifests = shared.layout.manifests(client)?;
    if find_file(&manifests, manifest_file(name).as_bytes())?.is_some() {
        // A new backup has been given the name: what is there now is not ours.
        return Ok(());
    }
    match manifests.rename(pool_list_file(name).as_bytes(), &item.dir, POOL_LIST.as_bytes()) {
        Err(error) if !error.is_not_found() => Err(error).during("delete", pool_list_file(name))?,
        _ => {}
    }
    crate::retold::remove(&manifests, name)?;
    crate::damage::remove(&manifests, name)?;
    crash::point("delete: pool list in the trash");
    if let Some(backups) = shared.layout.find_backups(client)? {
        shared.backend.drop_tree(&backups, name.as_bytes(), &item.dir)?;
    }
    crash::point("delete: tree out of sight");
    Ok(())
}
