//! Putting a copy of the catalog back. No server may be running.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use catalog::{Catalog, CopyFacts};
use storage::{CatalogCopies, CatalogCopy, Store};
use tracing::warn;

use super::made_at;
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::storages::open_options;
use crate::{reconcile, repair, run, trust};

pub use crate::trust::Keys;

/// A copy in the storage.
#[derive(Debug)]
pub struct StoredCopy {
    /// Its name.
    pub name: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// The copy of the database.
    pub database: PathBuf,
    /// Size of that.
    pub len_bytes: u64,
    /// Whether the keys of the certificate authority were copied too.
    pub has_keys: bool,
    /// What it says of itself, if it can be read.
    pub facts: Result<CopyFacts>,
}

/// Which copy is put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CopyChoice {
    /// The newest in the storage that is whole.
    Latest,
    /// That of this name in the storage, or this file, or the one in this directory.
    From(PathBuf),
}

/// A copy that was to be put back, but can't be.
#[derive(Debug)]
pub struct PassedOver {
    /// The copy of the database.
    pub database: PathBuf,
    /// Why not.
    pub error: Error,
}

/// What was put back, and what has come to it.
#[derive(Debug)]
pub struct Restored {
    /// The copy of the database.
    pub database: PathBuf,
    /// Newer copies that are damaged.
    pub passed_over: Vec<PassedOver>,
    /// Where the old catalog was put, if there was one.
    pub set_aside: Option<PathBuf>,
    /// Backups in the catalog now.
    pub backups: u64,
    /// Clients in it.
    pub clients: u64,
    /// Backups of these that are younger than the copy and were found in the storage.
    pub taken_in: u64,
    /// Backups that the copy had and the storage has no more.
    pub forgotten: u64,
    /// What became of the keys of the certificate authority.
    pub keys: Keys,
}

/// All copies in the storage, oldest first, also while a server runs.
pub fn catalog_copies(storage_dir: &Path) -> Result<Vec<StoredCopy>> {
    let listed = match CatalogCopies::find(storage_dir)? {
        Some(copies) => copies.list()?,
        None => Vec::new(),
    };
    let stored = listed.into_iter().map(|copy| StoredCopy {
        name: copy.name.to_string(),
        made_ms: made_at(&copy.name).as_millisecond(),
        facts: Catalog::inspect(&copy.database).map_err(Error::from),
        database: copy.database,
        len_bytes: copy.len_bytes,
        has_keys: copy.keys.is_some(),
    });
    Ok(stored.collect())
}

/// Puts a copy of the catalog in its place; the old one is set aside. Backups that the storage has had since are taken in, and
/// the keys of the certificate authority are put back where they are missing and the copy has them.
///
/// Fails with [`Error::NoCatalogCopy`] without one, with [`Error::OtherCatalog`] if it is not of the server that owns the storage,
/// and as opening the storage does; nothing is changed then.
pub fn restore_catalog(settings: &Settings, choice: &CopyChoice) -> Result<Restored> {
    let owner = Store::owner(&settings.storage_dir)?;
    let candidates = candidates(&settings.storage_dir, choice)?;
    let options = open_options(settings, &reconcile::start_rules(settings), owner.clone());
    let store = Store::open(&settings.storage_dir, &options)?;
    run::create_private_dir(&settings.state_dir)?;
    let mut passed_over = Vec::new();
    for candidate in candidates {
        match put_back(settings, &candidate.database, owner.as_str()) {
            Ok(rebuilt) => {
                let trust_dir = trust::dir(&settings.state_dir);
                let keys = trust::put_back_keys(&trust_dir, candidate.keys.as_deref())?;
                return conclude(settings, &store, rebuilt, (candidate.database, passed_over), keys);
            }
            Err(Error::Catalog(error)) if *choice == CopyChoice::Latest && is_of_the_copy(&error) => {
                passed_over.push(PassedOver {
                    database: candidate.database,
                    error: error.into(),
                });
            }
            Err(error) => return Err(error),
        }
    }
    Err(match passed_over.pop() {
        Some(last) => last.error,
        None => Error::NoCatalogCopy {
            path: settings.storage_dir.clone(),
        },
    })
}

/// A copy that may be put back.
struct Candidate {
    database: PathBuf,
    keys: Option<PathBuf>,
}

impl From<CatalogCopy> for Candidate {
    fn from(copy: CatalogCopy) -> Self {
        Self {
            database: copy.database,
            keys: copy.keys,
        }
    }
}

/// What may be put back, in the order in which it is tried.
fn candidates(storage_dir: &Path, choice: &CopyChoice) -> Result<Vec<Candidate>> {
    let mut stored = match CatalogCopies::find(storage_dir)? {
        Some(copies) => copies.list()?,
        None => Vec::new(),
    };
    match choice {
        CopyChoice::Latest => Ok(stored.into_iter().rev().map(Candidate::from).collect()),
        CopyChoice::From(path) => {
            let named = |copy: &CatalogCopy| path.as_os_str() == copy.name.as_str();
            if let Some(at) = stored.iter().position(named) {
                return Ok(vec![stored.swap_remove(at).into()]);
            }
            let database = if path.is_dir() {
                path.join("catalog.sqlite")
            } else {
                path.clone()
            };
            let beside = database.parent().map(|dir| dir.join("trust"));
            Ok(vec![Candidate {
                keys: beside.filter(|keys| keys.is_dir()),
                database,
            }])
        }
    }
}

fn put_back(settings: &Settings, database: &Path, owner: &str) -> Result<catalog::Rebuilt> {
    let facts = Catalog::inspect(database)?;
    if facts.server_id.to_string() != owner {
        return Err(Error::OtherCatalog {
            path: database.to_owned(),
        });
    }
    Ok(Catalog::restore(&settings.state_dir, database)?)
}

/// Whether an older copy may fare better.
fn is_of_the_copy(error: &catalog::Error) -> bool {
    matches!(
        error,
        catalog::Error::Corrupt { .. }
            | catalog::Error::NewerSchema { .. }
            | catalog::Error::Statement { .. }
    )
}

/// Brings what was put back to the state of the storage.
fn conclude(
    settings: &Settings,
    store: &Store,
    rebuilt: catalog::Rebuilt,
    (database, passed_over): (PathBuf, Vec<PassedOver>),
    keys: Keys,
) -> Result<Restored> {
    let catalog = rebuilt.catalog;
    let id = catalog.set_default_storage(store.id(), &settings.storage_dir)?;
    let adopted = reconcile::adopt(&catalog, &BTreeMap::from([(id, store)]), &[id])?;
    for client in store.clients()? {
        // Links were made and removed since; too few would let a directory go that is still needed.
        if let Err(error) = repair::recount(&catalog, (id, store), &client) {
            warn!(%client, error = error.chain(), "links into the pool can't be counted anew");
        }
    }
    let totals = catalog.totals()?;
    Ok(Restored {
        database,
        passed_over,
        set_aside: rebuilt.set_aside,
        backups: totals.backups,
        clients: totals.clients,
        taken_in: adopted.taken_in,
        forgotten: adopted.forgotten,
        keys,
    })
}
