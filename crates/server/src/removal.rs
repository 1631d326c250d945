//! Deleting a backup: first the catalog says that it is going, then the storage lets go of it, then the catalog
//! forgets it. What takes long is left to the housekeeping.

use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::Backup;
use storage::{BackupName, ClientName, Monitor};
use tracing::{info, warn};

use crate::core::{Core, with_patience};
use crate::error::{Error, Result};

/// How long a deletion that needs space waits for it.
const SPACE_INTERVAL: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Refuses the newest backup of a client while another grows from it.
pub fn check_base(core: &Core, backup: &Backup) -> Result<()> {
    let making = match backup.kind {
        catalog::BackupKind::File => catalog::JobKind::FileBackup,
        catalog::BackupKind::Image => catalog::JobKind::ImageBackup,
    };
    let Some(job) = core.board.live_of(making, &backup.client) else {
        return Ok(());
    };
    let newest = core.catalog.newest_backup(&catalog::BackupFilter {
        kind: Some(backup.kind),
        storage: Some(backup.storage),
        ..catalog::BackupFilter::committed_of(&backup.client)
    })?;
    if newest.is_none_or(|newest| newest.name != backup.name) {
        return Ok(());
    }
    Err(Error::Busy {
        what: format!("backup {}/{}", backup.client, backup.name),
        why: format!("it is the base of the backup that job {} is making", job.id),
    })
}

/// Deletes a backup that nothing protects; returns once nobody can see it any more.
pub fn delete(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    // Where that can't be told, nothing is begun.
    has_dependents(core, backup)?;
    // ORDER: the catalog first: from here on nobody restores from it, and a crash is taken up at the next start.
    core.catalog.begin_delete(&backup.client, &backup.name)?;
    storage::crash::point("catalog knows the deletion");
    take_up(core, backup)
}

/// Goes on with a deletion that the catalog knows of; what takes long is done in the background.
pub fn take_up(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    if has_dependents(core, backup)? {
        let why = "images stand on it and get what they need of it; it is gone after that";
        return finish_later(core.clone(), backup.clone(), why);
    }
    match finish(core, backup) {
        Err(Error::Storage(storage::Error::Busy { .. })) => finish_later(
            core.clone(),
            backup.clone(),
            "it is still read; it is gone after that",
        ),
        done => done,
    }
}

/// Whether other images have to be written anew before the backup can go.
fn has_dependents(core: &Core, backup: &Backup) -> Result<bool> {
    match backup.kind {
        catalog::BackupKind::File => Ok(false),
        catalog::BackupKind::Image => {
            let (client, name): (ClientName, BackupName) = (backup.client.parse()?, backup.name.parse()?);
            Ok(!core
                .storages
                .of(backup)?
                .store
                .dependents(&client, &name)?
                .is_empty())
        }
    }
}

/// Goes on with a deletion in the background, when whoever still reads the backup is done. Nobody new can: the catalog says that it
/// is going.
fn finish_later(core: Arc<Core>, backup: Backup, why: &str) -> Result<()> {
    info!(
        client = backup.client,
        name = backup.name,
        why,
        "a backup is being deleted"
    );
    let work = move || {
        while !core.shutdown.is_cancelled() {
            match finish(&core, &backup) {
                Err(Error::Storage(storage::Error::Busy { .. })) => {}
                Err(Error::Storage(error)) if error.is_full() => {
                    warn!(client = backup.client, name = backup.name, %error, "a deletion waits for space");
                    wait_for_space(&core);
                }
                Ok(()) | Err(Error::Storage(storage::Error::Cancelled)) => return,
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

fn wait_for_space(core: &Core) {
    let begun = Instant::now();
    while begun.elapsed() < SPACE_INTERVAL && !core.shutdown.is_cancelled() {
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Ends a deletion early when the server ends.
struct UntilShutdown<'a>(&'a Core);

impl Monitor for UntilShutdown<'_> {
    fn is_cancelled(&self) -> bool {
        self.0.shutdown.is_cancelled()
    }
}

/// Does what is left of a deletion that the catalog knows of.
fn finish(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    let (client, name): (ClientName, BackupName) = (backup.client.parse()?, backup.name.parse()?);
    let storage = core.storages.of(backup)?;
    match with_patience(|| storage.store.delete_watched(&client, &name, &UntilShutdown(core))) {
        Ok(()) | Err(Error::Storage(storage::Error::UnknownBackup { .. })) => {}
        Err(error) => return Err(error),
    }
    storage::crash::point("storage has let go");
    core.catalog.forget_backup(backup.id)?;
    storage.housekeeping.refresh();
    info!(client = backup.client, name = backup.name, "backup deleted");
    Ok(())
}
