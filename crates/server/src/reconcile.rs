//! At the start: brings catalog and storage together again after a crash, or makes the catalog anew from the
//! storage alone.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use catalog::{
    Adoption, BackupFigures, BackupFilter, BackupId, BackupMode, BackupState, Catalog, Digest, NewBackup,
    Outcome, StorageId,
};
use manifest::Reader;
use policy::settings::{Layer, Layers, ServerRules};
use storage::{BackupName, ClientName, Store};
use tracing::{info, warn};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::removal;
use crate::settings::Settings;
use crate::storages::{OpenStorage, open_options};

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
    let options = open_options(settings, &rules, owner);
    let store = Store::open(&settings.storage_dir, &options)?;
    let id = rebuilt
        .catalog
        .set_default_storage(store.id(), &settings.storage_dir)?;
    let mut clients = std::collections::BTreeSet::new();
    let mut backups = 0;
    let all = |_: &ClientName, _: &BackupName| true;
    each_stored(&store, all, |backup| {
        rebuilt.catalog.adopt_backup(&record_of(id, backup))?;
        clients.insert(backup.client.as_str().to_owned());
        backups += 1;
        Ok(())
    })?;
    Ok(Rebuilt {
        backups,
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
    let options = open_options(settings, &start_rules(settings), server);
    let store = match Store::adopt(&settings.storage_dir, &options) {
        Err(storage::Error::Missing { .. } | storage::Error::NotAStorage { .. }) => {
            let options = storage::CreateOptions {
                open: options,
                backend: settings.backend,
            };
            Store::create(&settings.storage_dir, &options)?
        }
        adopted => adopted?,
    };
    let id = catalog.set_default_storage(store.id(), &settings.storage_dir)?;
    adopt(&catalog, &BTreeMap::from([(id, &store)]), &[id]).map(drop)
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

/// Gives the backups in a storage that are `wanted`, by client and name, one after the other: there may be more than files can be
/// open. One whose manifest is damaged is left out, and said.
fn each_stored(
    store: &Store,
    wanted: impl Fn(&ClientName, &BackupName) -> bool,
    mut take: impl FnMut(&StoredBackup) -> Result<()>,
) -> Result<()> {
    for client in store.clients()? {
        for name in store.backups(&client)? {
            if !wanted(&client, &name) {
                continue;
            }
            match store.open_manifest(&client, &name) {
                Ok(manifest) => take(&StoredBackup {
                    client: client.clone(),
                    name,
                    manifest,
                })?,
                Err(error) => {
                    warn!(%client, %name, error = Error::from(error).chain(), "a backup's manifest can't be read");
                }
            }
        }
    }
    Ok(())
}

/// The storages that are open, by number.
pub type Places<'a> = BTreeMap<StorageId, &'a Store>;

/// Storages that are open, for [`adopt`].
pub fn places(open: &[Arc<OpenStorage>]) -> Places<'_> {
    open.iter().map(|storage| (storage.id, &*storage.store)).collect()
}

/// Brings the catalog together with those of the `open` storages that `which` names, in which nothing happens meanwhile: takes in
/// backups that were committed when the server died before the catalog knew, and lets the catalog forget those that the
/// storage no longer has. The manifests of those that both know are not opened.
pub fn adopt(catalog: &Catalog, open: &Places<'_>, which: &[StorageId]) -> Result<Adopted> {
    let mut adopted = Adopted::default();
    let mut known = KnownBackups::new();
    for mut backup in catalog.backup_places()? {
        let name = std::mem::take(&mut backup.name).into_boxed_str();
        let of_client = match known.get_mut(backup.client.as_str()) {
            Some(of_client) => of_client,
            None => known.entry(backup.client).or_default(),
        };
        of_client.insert(
            name,
            Known {
                id: backup.id,
                storage: backup.storage,
                state: backup.state,
                digest: backup.digest,
            },
        );
    }
    for id in which {
        if let Some(store) = open.get(id) {
            take_in(catalog, (*id, store), &known, &mut adopted)?;
            settle_copies(catalog, (*id, store), open, &mut known)?;
        }
    }
    for id in which {
        if let Some(store) = open.get(id) {
            forget_missing(catalog, (*id, store), &known, &mut adopted)?;
        }
    }
    Ok(adopted)
}

/// What the catalog knows of a backup, as far as it is needed here: there may be hundreds of thousands.
struct Known {
    id: BackupId,
    storage: StorageId,
    state: BackupState,
    digest: Digest,
}

/// What the catalog knows, by client and name.
type KnownBackups = HashMap<String, HashMap<Box<str>, Known>>;

fn find<'a>(known: &'a KnownBackups, client: &ClientName, name: &BackupName) -> Option<&'a Known> {
    known.get(client.as_str())?.get(name.as_str())
}

/// Takes in what the catalog does not know.
fn take_in(
    catalog: &Catalog,
    (id, store): (StorageId, &Store),
    known: &KnownBackups,
    adopted: &mut Adopted,
) -> Result<()> {
    let is_unknown = |client: &ClientName, name: &BackupName| find(known, client, name).is_none();
    each_stored(store, is_unknown, |backup| {
        let record = record_of(id, backup);
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
        Ok(())
    })
}

/// Decides about backups that lie in this storage while the catalog says that they lie in another: copies of a move that is
/// under way stay; what a move has left behind goes; what the other storage has lost lies here now.
fn settle_copies(
    catalog: &Catalog,
    (id, store): (StorageId, &Store),
    open: &Places<'_>,
    known: &mut KnownBackups,
) -> Result<()> {
    let moves = catalog.moves()?;
    for client in store.clients()? {
        if moves.iter().any(|of| of.to == id && of.client == client.as_str()) {
            continue;
        }
        let Some(of_client) = known.get_mut(client.as_str()) else {
            continue;
        };
        for name in store.backups(&client)? {
            let Some(backup) = of_client
                .get_mut(name.as_str())
                .filter(|backup| backup.storage != id)
            else {
                continue;
            };
            // One that is not there may well have it.
            let Some(other) = open.get(&backup.storage) else {
                continue;
            };
            if !other.backups(&client)?.contains(&name) {
                warn!(%client, %name, "a backup lies in another storage than the catalog said");
                catalog.relocate_backup(backup.id, id)?;
                backup.storage = id;
            } else if store.open_manifest(&client, &name)?.digest().0 == backup.digest {
                info!(%client, %name, "a copy that was left behind when the client was moved is removed");
                store.delete(&client, &name)?;
            } else {
                warn!(%client, %name, "two storages have a backup of this name, with different content; only one is used");
            }
        }
    }
    Ok(())
}

/// Lets the catalog forget what the storage no longer has.
fn forget_missing(
    catalog: &Catalog,
    (id, store): (StorageId, &Store),
    known: &KnownBackups,
    adopted: &mut Adopted,
) -> Result<()> {
    for (client, backups) in known {
        let mut missing: HashMap<&str, &Known> = backups
            .iter()
            .filter(|(_, backup)| backup.storage == id && backup.state == BackupState::Committed)
            .map(|(name, backup)| (&**name, backup))
            .collect();
        if missing.is_empty() {
            continue;
        }
        for name in store.backups(&client.parse()?)? {
            missing.remove(name.as_str());
        }
        for (name, missing) in missing {
            warn!(
                client,
                name, "the catalog has a backup that the storage does not have; its record is removed"
            );
            catalog.begin_delete(client, name)?;
            catalog.forget_backup(missing.id)?;
            adopted.forgotten += 1;
        }
    }
    Ok(())
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
    for storage in core.storages.all() {
        storage.housekeeping.refresh();
    }
    Ok(())
}

fn record_of(storage: StorageId, stored: &StoredBackup) -> NewBackup {
    let (header, conclusion) = (stored.manifest.header(), stored.manifest.conclusion());
    let totals = stored.manifest.totals();
    let ms = |time: manifest::Timestamp| {
        time.secs
            .saturating_mul(1000)
            .saturating_add(i64::from(time.nanos / 1_000_000))
    };
    NewBackup {
        client: stored.client.as_str().to_owned(),
        storage,
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
