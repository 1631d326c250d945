//! Opening storages: the default at the start, the others when they are there, new ones when somebody adds them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use catalog::{Catalog, StorageId};
use parking_lot::RwLock;
use policy::settings::{DEFAULT_STORAGE, ServerRules, is_name};
use storage::{BackendKind, CreateOptions, OpenOptions, ServerId, Store};
use tracing::{info, warn};

use super::places::Absent;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::housekeeping::Housekeeping;
use crate::image::volume_format;
use crate::reconcile;
use crate::retention::Emergency;
use crate::settings::Settings;

/// A storage that is open, and what works for it.
pub struct OpenStorage {
    /// Its number in the catalog.
    pub id: StorageId,
    /// Where the backups lie.
    pub store: Arc<Store>,
    /// Work that can wait.
    pub housekeeping: Housekeeping,
    /// Whether backups are being given up for space.
    pub emergency: Emergency,
    name: RwLock<String>,
}

impl OpenStorage {
    fn start(id: StorageId, name: &str, store: Store, catalog: &Arc<Catalog>) -> Result<Arc<Self>> {
        tell_recovery(&store);
        let store = Arc::new(store);
        let housekeeping =
            Housekeeping::start(id, store.clone(), catalog.clone()).map_err(|source| Error::Io {
                action: "start a thread for",
                path: "housekeeping".into(),
                source,
            })?;
        Ok(Arc::new(Self {
            id,
            store,
            housekeeping,
            emergency: Emergency::default(),
            name: RwLock::new(name.to_owned()),
        }))
    }

    /// What people call it.
    pub fn name(&self) -> String {
        self.name.read().clone()
    }

    pub(super) fn set_name(&self, name: &str) {
        name.clone_into(&mut self.name.write());
    }
}

/// How storages are to be used.
pub fn open_options(settings: &Settings, rules: &ServerRules, server: ServerId) -> OpenOptions {
    OpenOptions {
        server,
        pooling: settings.pool,
        compression: settings.compression,
        volume_format: volume_format(rules.image_format),
    }
}

/// Opens the storage that the server is started with, or creates it where there is none and none is known. Whatever a file
/// system that is not mounted leaves in its place must not pass for a storage that has lost all backups.
pub fn create_or_open_default(
    settings: &Settings,
    rules: &ServerRules,
    catalog: &Arc<Catalog>,
) -> Result<Arc<OpenStorage>> {
    let options = open_options(settings, rules, catalog.server_id().to_string().parse()?);
    let default = catalog.default_storage()?;
    let backups = match &default {
        Some(known) => catalog.storage_totals(known.id)?.backups,
        None => 0,
    };
    let other = || Error::OtherStorage {
        path: settings.storage_dir.clone(),
        backups,
    };
    let store = match Store::open(&settings.storage_dir, &options) {
        Err(storage::Error::Missing { .. } | storage::Error::NotAStorage { .. }) => {
            if backups > 0 {
                return Err(other());
            }
            create(&settings.storage_dir, options, settings.backend)?
        }
        opened => opened?,
    };
    // One that the catalog had before it noted which that was has no identity.
    let is_known = |known: &catalog::Storage| known.identity.is_empty() || known.identity == store.id();
    let all = catalog.storages()?;
    if backups > 0 && !default.iter().chain(&all).any(is_known) {
        return Err(other());
    }
    let id = catalog.set_default_storage(store.id(), &settings.storage_dir)?;
    tell_format(&store, rules);
    let known = catalog.storages()?.into_iter().find(|known| known.id == id);
    let name = known.map_or_else(|| DEFAULT_STORAGE.to_owned(), |known| known.name);
    OpenStorage::start(id, &name, store, catalog)
}

/// A storage that is open, or why it is not.
pub type Found = Result<Arc<OpenStorage>, Absent>;

/// Opens all other storages that the catalog knows of, as far as they are there.
pub fn open_others(
    settings: &Settings,
    rules: &ServerRules,
    catalog: &Arc<Catalog>,
    default: StorageId,
) -> Result<Vec<(StorageId, Found)>> {
    let options = open_options(settings, rules, catalog.server_id().to_string().parse()?);
    let mut others = Vec::new();
    for known in catalog
        .storages()?
        .into_iter()
        .filter(|known| known.id != default)
    {
        let opened = open_known(&known, &options, catalog);
        others.push((
            known.id,
            opened.map_err(|error| {
                let why = error.chain();
                warn!(name = known.name, path = %known.path.display(), why, "a storage is not there");
                Absent {
                    name: known.name,
                    path: known.path,
                    why,
                }
            }),
        ));
    }
    Ok(others)
}

/// Opens a storage that the catalog knows, at the place where it was last. What is not it is refused.
fn open_known(
    known: &catalog::Storage,
    options: &OpenOptions,
    catalog: &Arc<Catalog>,
) -> Result<Arc<OpenStorage>> {
    let store = Store::open(&known.path, options)?;
    if store.id() != known.identity {
        return Err(Error::OtherStorage {
            path: known.path.clone(),
            backups: catalog.storage_totals(known.id)?.backups,
        });
    }
    OpenStorage::start(known.id, &known.name, store, catalog)
}

/// Looks whether storages that were not there are there now, and takes them in.
pub fn try_absent(core: &Arc<Core>) -> Result<()> {
    let absent = core.storages.absent();
    if absent.is_empty() {
        return Ok(());
    }
    let rules = core.policies.server();
    let server = core.catalog.server_id().to_string().parse()?;
    let options = open_options(&core.settings, &rules, server);
    for known in core.catalog.storages()? {
        if absent.iter().all(|(id, _)| *id != known.id) {
            continue;
        }
        match open_known(&known, &options, &core.catalog) {
            Ok(storage) => {
                take_in(core, storage)?;
                info!(name = known.name, path = %known.path.display(), "a storage is there again");
            }
            Err(error) => {
                let why = error.chain();
                if core.storages.note_absence(known.id, why.clone()) {
                    warn!(name = known.name, path = %known.path.display(), why, "a storage is not there");
                }
            }
        }
    }
    Ok(())
}

/// Brings a storage that was opened together with the catalog, and lets the server use it.
fn take_in(core: &Arc<Core>, storage: Arc<OpenStorage>) -> Result<()> {
    core.storages.insert(storage.clone());
    let open = core.storages.all();
    reconcile::adopt(&core.catalog, &reconcile::places(&open), &[storage.id])?;
    storage.housekeeping.refresh();
    core.schedule.look_again();
    Ok(())
}

/// Adds a storage: one of this server's that is there, with all backups that are in it, or a new one in a directory that is
/// empty or not there yet.
pub fn add(
    core: &Arc<Core>,
    name: &str,
    path: &Path,
    backend: Option<BackendKind>,
) -> Result<Arc<OpenStorage>> {
    check_name(core, name)?;
    let rules = core.policies.server();
    let server = core.catalog.server_id().to_string().parse()?;
    let options = open_options(&core.settings, &rules, server);
    let path = std::path::absolute(path).map_err(|source| Error::io("find", path, source))?;
    check_place(core, &path)?;
    let store = match Store::open(&path, &options) {
        Err(storage::Error::Missing { .. } | storage::Error::NotAStorage { .. }) => {
            create(&path, options, backend)?
        }
        opened => opened?,
    };
    let id = core.catalog.add_storage(name, store.id(), &path)?;
    let storage = OpenStorage::start(id, name, store, &core.catalog)?;
    take_in(core, storage.clone())?;
    info!(name, path = %path.display(), "a storage was added");
    Ok(storage)
}

/// Forgets a storage in which no backups lie; the directory stays. Returns where it is.
pub fn remove(core: &Arc<Core>, name: &str) -> Result<PathBuf> {
    let refused = |why: &'static str| Err(Error::Refused { why });
    if name == DEFAULT_STORAGE || core.storages.default().name() == name {
        return refused(
            "the storage that the server was started with can't be removed: start it with another one first",
        );
    }
    let known = known(core, name)?;
    if core.policies.is_placed_at(name) {
        return refused("settings say that clients' new backups go there: change them first (\"storage\")");
    }
    core.catalog.forget_storage(name)?;
    if let Some(storage) = core.storages.take(known.id) {
        storage.housekeeping.end();
    }
    info!(name, path = %known.path.display(), "a storage was removed");
    Ok(known.path)
}

/// Gives a storage another name, also in the settings that place clients.
pub fn rename(core: &Core, name: &str, new_name: &str) -> Result<()> {
    check_name(core, new_name)?;
    let known = known(core, name)?;
    core.catalog.rename_storage(name, new_name)?;
    core.storages.rename(known.id, new_name);
    core.policies.reload()
}

fn known(core: &Core, name: &str) -> Result<catalog::Storage> {
    let mut all = core.catalog.storages()?.into_iter();
    let found = all.find(|known| known.name == name);
    found.ok_or_else(|| {
        catalog::Error::UnknownStorage {
            name: name.to_owned(),
        }
        .into()
    })
}

fn check_name(core: &Core, name: &str) -> Result<()> {
    if !is_name(name) || name == DEFAULT_STORAGE {
        return Err(Error::Unsupported {
            what: format!(
                "a storage can't be called {name:?}: it takes 1 to 64 letters, digits, \"-\", \"_\" and \".\", and not \
                 \"{DEFAULT_STORAGE}\""
            ),
        });
    }
    if core.catalog.storages()?.iter().any(|known| known.name == name) {
        return Err(catalog::Error::DuplicateStorage {
            name: name.to_owned(),
        }
        .into());
    }
    Ok(())
}

/// A storage within another one, or around it, would be taken for one of its clients.
fn check_place(core: &Core, path: &Path) -> Result<()> {
    let resolved = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let path = resolved(path);
    for known in core.catalog.storages()? {
        let other = resolved(&known.path);
        if other != path && (path.starts_with(&other) || other.starts_with(&path)) {
            return Err(Error::Unsupported {
                what: format!(
                    "{} can't be a storage: {} is one already, and one can't lie in another",
                    path.display(),
                    other.display()
                ),
            });
        }
    }
    Ok(())
}

fn create(path: &Path, open: OpenOptions, backend: Option<BackendKind>) -> Result<Store> {
    Ok(Store::create(path, &CreateOptions { open, backend })?)
}

/// Says what a storage had to put right.
fn tell_recovery(store: &Store) {
    let recovered = store.recovered();
    for (client, name) in &recovered.completed {
        info!(%client, %name, "the commit of a backup was completed");
    }
    for client in &recovered.resumable {
        info!(%client, "an interrupted backup is there to be taken up");
    }
    for (client, error) in &recovered.problems {
        warn!(%client, %error, "something in the storage could not be put right");
    }
}

/// Says so where the format that was asked for makes no sense.
fn tell_format(store: &Store, rules: &ServerRules) {
    let format = store.volume_format();
    if let Some(wanted) = volume_format(rules.image_format)
        && wanted != format
    {
        let backend = store.backend();
        warn!(%wanted, %format, %backend, "images are kept in another format than the settings say: this storage shares extents");
    }
}
