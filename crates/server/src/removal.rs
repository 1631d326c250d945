//! Deleting a backup: first the catalog says that it is going, then the storage lets go of it, then the catalog
//! forgets it. What takes long is left to the housekeeping.

use std::sync::Arc;

use catalog::Backup;
use storage::{BackupName, ClientName};
use tracing::{info, warn};

use crate::core::{Core, with_patience};
use crate::error::{Error, Result};

/// Deletes a committed backup; returns once nobody can see it any more.
pub fn delete(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    let making = match backup.kind {
        catalog::BackupKind::File => catalog::JobKind::FileBackup,
        catalog::BackupKind::Image => catalog::JobKind::ImageBackup,
    };
    if let Some(job) = core.board.live_of(making, &backup.client) {
        let newest = core.catalog.newest_backup(&catalog::BackupFilter {
            kind: Some(backup.kind),
            ..catalog::BackupFilter::committed_of(&backup.client)
        })?;
        if newest.is_some_and(|newest| newest.name == backup.name) {
            let why = format!("it is the base of the backup that job {} is making", job.id);
            return Err(Error::Busy {
                what: format!("backup {}/{}", backup.client, backup.name),
                why,
            });
        }
    }
    // ORDER: the catalog first: from here on nobody restores from it, and a crash is taken up at the next start.
    core.catalog.begin_delete(&backup.client, &backup.name)?;
    storage::crash::point("catalog knows the deletion");
    match finish(core, backup) {
        Err(Error::Storage(storage::Error::Busy { .. })) => finish_later(core.clone(), backup.clone()),
        done => done,
    }
}

/// Goes on with a deletion when whoever still reads the backup is done. Nobody new can: the catalog says that it is going.
fn finish_later(core: Arc<Core>, backup: Backup) -> Result<()> {
    info!(
        client = backup.client,
        name = backup.name,
        "the backup is still read; it is deleted after that"
    );
    let work = move || {
        while !core.shutdown.is_cancelled() {
            match finish(&core, &backup) {
                Err(Error::Storage(storage::Error::Busy { .. })) => {}
                Ok(()) => return,
                Err(error) => {
                    warn!(
                        error = error.chain(),
                        "a deletion could not be finished; the next start takes it up"
                    );
                    return;
                }
            }
        }
    };
    let spawned = std::thread::Builder::new().name("delete".into()).spawn(work);
    spawned.map(drop).map_err(|source| Error::Io {
        action: "start a thread for",
        path: "a deletion".into(),
        source,
    })
}

/// Does what is left of a deletion that the catalog knows of.
pub fn finish(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    let (client, name): (ClientName, BackupName) = (backup.client.parse()?, backup.name.parse()?);
    match with_patience(|| core.store.delete(&client, &name)) {
        Ok(()) | Err(Error::Storage(storage::Error::UnknownBackup { .. })) => {}
        Err(error) => return Err(error),
    }
    storage::crash::point("storage has let go");
    core.catalog.forget_backup(backup.id)?;
    core.housekeeping.refresh();
    info!(client = backup.client, name = backup.name, "backup deleted");
    Ok(())
}
