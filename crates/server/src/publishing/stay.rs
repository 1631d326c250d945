//! What is published: found, and removed when its time is over, space is needed or its client is gone.

use std::sync::Arc;

use storage::{PublishedDisk, PublishedId};
use tracing::info;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::storages::OpenStorage;

/// A disk and the storage that it lies in.
pub type Placed = (Arc<OpenStorage>, PublishedDisk);

/// Everything that is published from storages that are there, the oldest of each first.
pub fn all(core: &Core) -> Result<Vec<Placed>> {
    let mut disks = Vec::new();
    for storage in core.storages.all() {
        disks.extend(in_storage(&storage)?);
    }
    Ok(disks)
}

/// What is published from one storage, the oldest first.
pub fn in_storage(storage: &Arc<OpenStorage>) -> Result<Vec<Placed>> {
    let listed = storage.store.published()?.list()?.into_iter();
    Ok(listed.map(|disk| (storage.clone(), disk)).collect())
}

/// The disk of this identity.
pub fn find(core: &Core, id: &str) -> Result<Placed> {
    let id: PublishedId = id.parse()?;
    for storage in core.storages.all() {
        if let Some(disk) = storage.store.published()?.look_for(&id)? {
            return Ok((storage, disk));
        }
    }
    Err(Error::NotFound {
        what: "published disk",
        name: id.to_string(),
    })
}

/// When a disk goes by itself.
pub fn until_ms(core: &Core, disk: &PublishedDisk) -> i64 {
    core.policies.server().published_keep.after(disk.made_ms)
}

/// Removes a disk. Whoever reads it at the moment reads it to its end.
pub fn remove((storage, disk): &Placed) -> Result<()> {
    if !storage.store.published()?.remove(&disk.id)? {
        return Err(Error::NotFound {
            what: "published disk",
            name: disk.id.to_string(),
        });
    }
    info!(id = %disk.id, file = disk.file, "a published disk is removed");
    // What lay in the way of a full disk is set aside again.
    storage.housekeeping.refresh();
    Ok(())
}

/// Removes what has been there for long enough. Returns what became of each.
pub fn expire(core: &Core) -> Result<Vec<(PublishedDisk, Result<()>)>> {
    let now_ms = core.clock.now_ms();
    remove_those(core, |disk| until_ms(core, disk) <= now_ms)
}

/// Removes all that was made of a client's images.
pub fn remove_of_client(core: &Core, client: &str) -> Result<()> {
    let removed = remove_those(core, |disk| disk.client.as_str() == client)?;
    removed.into_iter().try_for_each(|(_, outcome)| outcome)
}

fn remove_those(
    core: &Core,
    is_one: impl Fn(&PublishedDisk) -> bool,
) -> Result<Vec<(PublishedDisk, Result<()>)>> {
    let mut outcomes = Vec::new();
    for placed in all(core)?.into_iter().filter(|(_, disk)| is_one(disk)) {
        let outcome = remove(&placed);
        outcomes.push((placed.1, outcome));
    }
    Ok(outcomes)
}
