//! What the ledger answers.

use std::collections::BTreeSet;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Used {
    /// What is freed if all of them are deleted.
    pub exclusive_bytes: u64,
    /// What they have in common with backups of other clients.
    pub shared_bytes: u64,
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
        let books = self.complete_books()?;
        let all = books.backups.all().iter();
        let ids: BTreeSet<BackupId> = all
            .filter(|(_, known)| known.owner.client == *client)
            .map(|(id, _)| *id)
            .collect();
        let (exclusive_bytes, referenced_bytes) = sums::of_set(&books, &ids);
        Some(Used {
            exclusive_bytes,
            shared_bytes: referenced_bytes.saturating_sub(exclusive_bytes),
        })
    }

    fn complete_books(&self) -> Option<Arc<Books>> {
        self.shared.ledger.measure?;
        let books = self.shared.ledger.books();
        (!books.is_rebuilding).then_some(books)
    }
}
