//! Deleting a backup: first the catalog says that it is going, then the storage lets go of it, then the catalog
//! forgets it. What takes long is left to the housekeeping.

use std::sync::Arc;

use catalog::Backup;
use storage::{BackupName, ClientName};
use tracing::info;

use crate::core::Core;
use crate::error::{Error, Result};

/// Deletes a committed backup; returns once nobody can see it any more.
pub fn delete(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    if let Some(job) = core.board.live_of(catalog::JobKind::FileBackup, &backup.client) {
        let newest = core.catalog.newest_backup(&catalog::BackupFilter::committed_of(&backup.client))?;
        if newest.is_some_and(|newest| newest.name == backup.name) {
            let why = format!("it is the base of the backup that job {} is making", job.id);
            return Err(Error::Busy { what: format!("backup {}/{}", backup.client, backup.name), why });
        }
    }
    // ORDER: the catalog first: from here on nobody restores from it, and a crash is taken up at the next start.
    core.catalog.begin_delete(&backup.client, &backup.name)?;
    storage::crash::point("catalog knows the deletion");
    finish(core, backup)
}

/// Does what is left of a deletion that the catalog knows of.
pub fn finish(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    let (client, name): (ClientName, BackupName) = (backup.client.parse()?, backup.name.parse()?);
    match core.store.delete(&client, &name) {
        Ok(()) => {}
        Err(storage::Error::UnknownBackup { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    storage::crash::point("storage has let go");
    core.catalog.forget_backup(backup.id)?;
    core.housekeeping.refresh();
    info!(client = backup.client, name = backup.name, "backup deleted");
    Ok(())
}
