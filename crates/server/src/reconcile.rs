//! At the start: brings catalog and storage together again after a crash, or makes the catalog anew from the
//! storage alone.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use catalog::{
    Adoption, Backup, BackupFigures, BackupFilter, BackupMode, BackupState, Catalog, NewBackup, Outcome,
};
use manifest::Reader;
use policy::settings::{Layer, Layers, ServerRules};
use storage::{BackupName, ClientName, Store};
use tracing::{info, warn};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::removal;
use crate::settings::Settings;

/// What a rebuilt catalog holds.
#[derive(Debug, Clone)]
pub struct Rebuilt {
    /// Backups taken in.
    pub backups: u64,
    /// Clients that they belong to. Their certificates are lost with the catalog: they must enrol anew.
    pub clients: u64,
    /// Where the old catalog was put, if there was one.
    pub set_aside: Option<PathBuf>,
}

/// Makes the catalog anew from the storage's manifests. No server may be running.
pub fn rebuild_catalog(settings: &Settings) -> Result<Rebuilt> {
    let owner = Store::owner(&settings.storage_dir)?;
    let server_id = owner.as_str().parse().map_err(|_| Error::Corrupt {
        path: settings.storage_dir.clone(),
    })?;
    crate::run::create_private_dir(&settings.state_dir)?;
    let rebuilt = Catalog::rebuild(&settings.state_dir, server_id)?;
    let rules = start_rules(settings);
    let options = crate::run::open_options(settings, &rules, owner);
    let store = Store::open(&settings.storage_dir, &options)?;
    rebuilt.catalog.set_storage_id(store.id())?;
    let mut clients = std::collections::BTreeSet::new();
    let stored = stored_backups(&store, &HashMap::new())?;
    for backup in &stored {
        rebuilt.catalog.adopt_backup(&record_of(backup))?;
        clients.insert(backup.client.as_str().to_owned());
    }
    Ok(Rebuilt {
        backups: stored.len() as u64,
        clients: clients.len() as u64,
        set_aside: rebuilt.set_aside,
    })
}

/// Takes over a storage that belonged to another server or was moved to another file system, or begins anew in an empty
/// directory: it becomes the storage of the server with this state, whatever that had. No server may be running, and the
/// other one must never use it again.
pub fn adopt_storage(settings: &Settings) -> Result<()> {
    crate::run::create_private_dir(&settings.state_dir)?;
    let catalog = Catalog::create_or_open(&settings.state_dir)?;
    let server = catalog.server_id().to_string().parse()?;
    let options = crate::run::open_options(settings, &start_rules(settings), server);
    let store = match Store::adopt(&settings.storage_dir, &options) {
        Err(storage::Error::Missing { .. } | storage::Error::NotAStorage { .. }) => {
            crate::run::create_storage(settings, options)?
        }
        adopted => adopted?,
    };
    catalog.set_storage_id(store.id())?;
    adopt(&catalog, &store).map(drop)
}

/// The rules by what the server is started with alone.
pub(crate) fn start_rules(settings: &Settings) -> ServerRules {
    let layers = Layers::default().with(Layer::Start, settings.policy.clone());
    ServerRules::of(&layers.resolve())
}

/// How far catalog and storage were apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Backups that the catalog did not know.
    pub taken_in: u64,
    /// Backups that the storage no longer had.
    pub forgotten: u64,
}

/// A backup that lies in the storage.
struct StoredBackup {
    client: ClientName,
    name: BackupName,
    manifest: Reader,
}

/// All backups in the storage that are not `known`, by client and name. One whose manifest is damaged is left out, and said.
fn stored_backups(
    store: &Store,
    known: &HashMap<String, HashMap<String, Backup>>,
) -> Result<Vec<StoredBackup>> {
    let mut stored = Vec::new();
    for client in store.clients()? {
        let known = known.get(client.as_str());
        for name in store.backups(&client)? {
            if known.is_some_and(|known| known.contains_key(name.as_str())) {
                continue;
            }
            match store.open_manifest(&client, &name) {
                Ok(manifest) => stored.push(StoredBackup {
                    client: client.clone(),
                    name,
                    manifest,
                }),
                Err(error) => {
                    warn!(%client, %name, error = Error::from(error).chain(), "a backup's manifest can't be read");
                }
            }
        }
    }
    Ok(stored)
}

/// Takes in backups that were committed in the storage when the server died before the catalog knew, and lets the
/// catalog forget those that the storage no longer has. The manifests of those that both know are not opened.
pub fn adopt(catalog: &Catalog, store: &Store) -> Result<Adopted> {
    let mut adopted = Adopted::default();
    let mut known: HashMap<String, HashMap<String, Backup>> = HashMap::new();
    for backup in catalog.backups(&BackupFilter::default())? {
        known
            .entry(backup.client.clone())
            .or_default()
            .insert(backup.name.clone(), backup);
    }
    for backup in &stored_backups(store, &known)? {
        let record = record_of(backup);
        if let Adoption::Inserted(_) = catalog.adopt_backup(&record)? {
            adopted.taken_in += 1;
            info!(
                client = record.client,
                name = record.name,
                "a backup that the catalog did not know was taken in"
            );
            if backup.name.kind() == storage::BackupKind::File {
                store.point_current(&backup.client, &backup.name)?;
            }
        }
    }
    for (client, mut backups) in known {
        for name in store.backups(&client.parse()?)? {
            backups.remove(name.as_str());
        }
        for missing in backups
            .values()
            .filter(|backup| backup.state == BackupState::Committed)
        {
            warn!(
                client = missing.client,
                name = missing.name,
                "the catalog has a backup that the storage does not have; its record is removed"
            );
            catalog.begin_delete(&missing.client, &missing.name)?;
            catalog.forget_backup(missing.id)?;
            adopted.forgotten += 1;
        }
    }
    Ok(adopted)
}

/// Finishes deletions that a server before this one began.
pub fn finish_deletions(core: &Arc<Core>) -> Result<()> {
    let filter = BackupFilter {
        state: Some(BackupState::Deleting),
        ..BackupFilter::default()
    };
    let deleting = core.catalog.backups(&filter)?;
    for backup in deleting.into_iter().filter(|backup| backup.trashed_ms.is_none()) {
        info!(
            client = backup.client,
            name = backup.name,
            "an interrupted deletion goes on"
        );
        if let Err(error) = removal::take_up(core, &backup) {
            let error = error.chain();
            warn!(
                client = backup.client,
                name = backup.name,
                error,
                "a deletion can't be finished"
            );
        }
    }
    core.housekeeping.refresh();
    Ok(())
}

fn record_of(stored: &StoredBackup) -> NewBackup {
    let (header, conclusion) = (stored.manifest.header(), stored.manifest.conclusion());
    let totals = stored.manifest.totals();
    let ms = |time: manifest::Timestamp| {
        time.secs
            .saturating_mul(1000)
            .saturating_add(i64::from(time.nanos / 1_000_000))
    };
    NewBackup {
        client: stored.client.as_str().to_owned(),
        name: stored.name.as_str().to_owned(),
        kind: match stored.name.kind() {
            storage::BackupKind::File => catalog::BackupKind::File,
            storage::BackupKind::Image => catalog::BackupKind::Image,
        },
        mode: match header.kind {
            manifest::BackupKind::Full => BackupMode::Full,
            manifest::BackupKind::Incremental => BackupMode::Incremental,
        },
        base: header.base.clone(),
        started_ms: ms(header.started),
        finished_ms: ms(conclusion.finished),
        outcome: if conclusion.problem_count == 0 {
            Outcome::Finished
        } else {
            Outcome::WithProblems
        },
        figures: BackupFigures {
            files: totals.files,
            directories: totals.directories,
            bytes_logical: totals.bytes,
            bytes_transferred: 0,
            bytes_stored_new: None,
        },
        digest: stored.manifest.digest().0,
        problem_count: conclusion.problem_count,
        problems: conclusion
            .problems
            .iter()
            .map(|problem| catalog::Problem {
                path: problem.path.to_vec(),
                kind: problem.kind.clone(),
                message: problem.message.clone(),
            })
            .collect(),
    }
}
