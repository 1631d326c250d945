//! Which storages there are, by number and by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use catalog::{Backup, StorageId};
use parking_lot::RwLock;
use policy::settings::DEFAULT_STORAGE;

use super::open::{Found, OpenStorage};
use crate::error::{Error, Result};

/// A storage that is known and not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// What people call it.
    pub name: String,
    /// Where it should be.
    pub path: PathBuf,
    /// Why it is not open.
    pub why: String,
}

/// All storages of a running server.
pub struct Storages {
    default: StorageId,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<StorageId, Arc<OpenStorage>>,
    absent: BTreeMap<StorageId, Absent>,
}

impl Storages {
    /// All storages there are at the start: the default, and others.
    pub fn new(default: Arc<OpenStorage>, others: impl IntoIterator<Item = (StorageId, Found)>) -> Self {
        let mut state = State::default();
        let id = default.id;
        state.open.insert(id, default);
        for (other, found) in others {
            match found {
                Ok(storage) => drop(state.open.insert(other, storage)),
                Err(absent) => drop(state.absent.insert(other, absent)),
            }
        }
        Self {
            default: id,
            state: RwLock::new(state),
        }
    }

    /// The one that the server was started with.
    pub fn default(&self) -> Arc<OpenStorage> {
        let state = self.state.read();
        let found = state.open.get(&self.default);
        found
            .expect("the default is open as long as the server runs")
            .clone()
    }

    /// Whether it is the one that the server was started with.
    pub fn is_default(&self, storage: &OpenStorage) -> bool {
        storage.id == self.default
    }

    /// All that are open, the default first.
    pub fn all(&self) -> Vec<Arc<OpenStorage>> {
        let state = self.state.read();
        let mut all: Vec<_> = state.open.values().cloned().collect();
        all.sort_by_key(|storage| (storage.id != self.default, storage.id));
        all
    }

    /// All that are known and not open.
    pub fn absent(&self) -> Vec<(StorageId, Absent)> {
        let state = self.state.read();
        state
            .absent
            .iter()
            .map(|(id, absent)| (*id, absent.clone()))
            .collect()
    }

    /// The storage of this number; fails with [`Error::StorageAbsent`] where it is not open.
    pub fn get(&self, id: StorageId) -> Result<Arc<OpenStorage>> {
        let state = self.state.read();
        if let Some(storage) = state.open.get(&id) {
            return Ok(storage.clone());
        }
        Err(match state.absent.get(&id) {
            Some(absent) => absent.error(),
            None => Error::NotFound {
                what: "storage",
                name: format!("number {}", id.0),
            },
        })
    }

    /// The storage that a backup lies in; fails with [`Error::StorageAbsent`] where it is not open.
    pub fn of(&self, backup: &Backup) -> Result<Arc<OpenStorage>> {
        self.get(backup.storage)
    }

    /// The storage of this name, as settings have it; fails with [`Error::StorageAbsent`] or [`Error::NotFound`].
    pub fn named(&self, name: &str) -> Result<Arc<OpenStorage>> {
        if name == DEFAULT_STORAGE {
            return Ok(self.default());
        }
        let state = self.state.read();
        if let Some(storage) = state.open.values().find(|storage| storage.name() == name) {
            return Ok(storage.clone());
        }
        Err(match state.absent.values().find(|absent| absent.name == name) {
            Some(absent) => absent.error(),
            None => Error::NotFound {
                what: "storage",
                name: name.to_owned(),
            },
        })
    }

    /// What people call a storage, whether it is open or not.
    pub fn name_of(&self, id: StorageId) -> String {
        let state = self.state.read();
        match (state.open.get(&id), state.absent.get(&id)) {
            (Some(storage), _) => storage.name(),
            (None, Some(absent)) => absent.name.clone(),
            (None, None) => String::new(),
        }
    }

    /// Takes in one that was opened.
    pub(super) fn insert(&self, storage: Arc<OpenStorage>) {
        let mut state = self.state.write();
        state.absent.remove(&storage.id);
        state.open.insert(storage.id, storage);
    }

    /// Lets go of one; it is not known any more.
    pub(super) fn take(&self, id: StorageId) -> Option<Arc<OpenStorage>> {
        let mut state = self.state.write();
        state.absent.remove(&id);
        state.open.remove(&id)
    }

    /// Notes why one that is not open is not. Returns whether that is news.
    pub(super) fn note_absence(&self, id: StorageId, why: String) -> bool {
        let mut state = self.state.write();
        match state.absent.get_mut(&id) {
            Some(absent) if absent.why != why => {
                absent.why = why;
                true
            }
            _ => false,
        }
    }

    /// Gives one another name.
    pub(super) fn rename(&self, id: StorageId, name: &str) {
        let mut state = self.state.write();
        if let Some(storage) = state.open.get(&id) {
            storage.set_name(name);
        }
        if let Some(absent) = state.absent.get_mut(&id) {
            name.clone_into(&mut absent.name);
        }
    }
}

impl Absent {
    fn error(&self) -> Error {
        Error::StorageAbsent {
            name: self.name.clone(),
            path: self.path.clone(),
            why: self.why.clone(),
        }
    }
}
