//! What the ledger answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::books::Books;
use super::run::BackupId;
use super::sums;
use crate::names::{BackupName, ClientName};
use crate::store::Store;

/// What a backup takes of the storage: content alone, without what the file system needs for names and attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// What was stored for it that the storage did not have.
    pub stored_new_bytes: u64,
    /// What is freed if it is deleted.
    pub exclusive_bytes: u64,
    /// What it has in common with other backups.
    pub shared_bytes: u64,
}

/// What all backups of a client take of the storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// What is freed if all of them are deleted.
    pub exclusive_bytes: u64,
    /// What they have in common with backups of other clients.
    pub shared_bytes: u64,
}

/// What the backups of all clients take of the storage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsedByEach {
    /// Each client that has backups.
    pub clients: BTreeMap<ClientName, Used>,
    /// All of them together; what they have in common counts once.
    pub all_bytes: u64,
}

impl Store {
    /// What a backup takes of the storage, as of the last [`account`](Store::account). `None` if that has not come to
    /// it yet, is building the ledger anew, or the file system does not tell what files hold.
    pub fn sizes(&self, client: &ClientName, name: &BackupName) -> Option<Sizes> {
        let books = self.complete_books()?;
        let (id, known) = books.find(client, name)?;
        let (exclusive_bytes, referenced_bytes) = books.sums().of_backup(id);
        Some(Sizes {
            stored_new_bytes: known.stored_new_bytes,
            exclusive_bytes,
            shared_bytes: referenced_bytes.saturating_sub(exclusive_bytes),
        })
    }

    /// What was stored for a backup that the storage did not have: a part of its [`sizes`](Store::sizes) that costs less to tell.
    pub fn stored_new_bytes(&self, client: &ClientName, name: &BackupName) -> Option<u64> {
        let books = self.complete_books()?;
        let (_, known) = books.find(client, name)?;
        Some(known.stored_new_bytes)
    }

    /// What is freed if all of these backups are deleted. `None` if [`sizes`](Store::sizes) is so for any of them.
    pub fn freed_by(&self, backups: &[(ClientName, BackupName)]) -> Option<u64> {
        let books = self.complete_books()?;
        let ids: Option<BTreeSet<BackupId>> = backups
            .iter()
            .map(|(client, name)| Some(books.find(client, name)?.0))
            .collect();
        Some(sums::of_set(&books, &ids?).0)
    }

    /// What all backups of a client take of the storage, as of the last [`account`](Store::account); `None` while the
    /// ledger is built anew, or where the file system does not tell.
    pub fn used_by(&self, client: &ClientName) -> Option<Used> {
        Some(self.used_by_each()?.clients.remove(client).unwrap_or_default())
    }

    /// The same of each client that has backups, for the price of one.
    pub fn used_by_each(&self) -> Option<UsedByEach> {
        Some(sums::of_clients(&*self.complete_books()?))
    }

    /// Whether the file system tells what files hold.
    pub fn tells_sizes(&self) -> bool {
        self.shared.ledger.measure.is_some()
    }

    fn complete_books(&self) -> Option<Arc<Books>> {
        self.shared.ledger.measure?;
        let books = self.shared.ledger.books();
        (!books.is_rebuilding).then_some(books)
    }
}
