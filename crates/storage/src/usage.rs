//! What of a storage is in use within this process: backups that are read or grown from, clients that are backed up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::names::{BackupKind, BackupName, ClientName};

type Key = (ClientName, BackupName);

/// The books of what is in use. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Usage {
    books: Arc<Mutex<Books>>,
}

#[derive(Debug, Default)]
struct Books {
    readers: HashMap<Key, usize>,
    /// Being deleted or changed: nobody may begin to read them.
    exclusive: HashSet<Key>,
    clients: HashSet<(ClientName, BackupKind)>,
    /// Clients of whose images one is being deleted.
    deleting: HashSet<ClientName>,
}

/// Keeps a backup from being deleted.
#[derive(Debug)]
pub(crate) struct Reading {
    usage: Usage,
    key: Key,
}

/// Keeps a backup from being read or deleted by others.
#[derive(Debug)]
pub(crate) struct Exclusive {
    usage: Usage,
    key: Key,
}

/// Keeps a client from being backed up a second time at once.
#[derive(Debug)]
pub(crate) struct Claim {
    usage: Usage,
    key: (ClientName, BackupKind),
}

/// Keeps a client's images from being deleted two at once.
#[derive(Debug)]
pub(crate) struct Deleting {
    usage: Usage,
    client: ClientName,
}

impl Usage {
    /// `None` if another image of the client is being deleted.
    pub fn delete(&self, client: &ClientName) -> Option<Deleting> {
        let is_free = self.books.lock().deleting.insert(client.clone());
        is_free.then(|| Deleting {
            usage: self.clone(),
            client: client.clone(),
        })
    }

    /// `None` if the backup is being deleted.
    pub fn read(&self, client: &ClientName, name: &BackupName) -> Option<Reading> {
        let key = (client.clone(), name.clone());
        let mut books = self.books.lock();
        if books.exclusive.contains(&key) {
            return None;
        }
        *books.readers.entry(key.clone()).or_default() += 1;
        Some(Reading {
            usage: self.clone(),
            key,
        })
    }

    /// `None` if anybody uses the backup.
    pub fn exclude(&self, client: &ClientName, name: &BackupName) -> Option<Exclusive> {
        let key = (client.clone(), name.clone());
        let mut books = self.books.lock();
        if books.readers.contains_key(&key) || !books.exclusive.insert(key.clone()) {
            return None;
        }
        Some(Exclusive {
            usage: self.clone(),
            key,
        })
    }

    /// `None` if the client is being backed up in that way.
    pub fn claim(&self, client: &ClientName, kind: BackupKind) -> Option<Claim> {
        let key = (client.clone(), kind);
        let is_free = self.books.lock().clients.insert(key.clone());
        is_free.then(|| Claim {
            usage: self.clone(),
            key,
        })
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut books = self.usage.books.lock();
        if let Some(count) = books.readers.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                books.readers.remove(&self.key);
            }
        }
    }
}

impl Drop for Exclusive {
    fn drop(&mut self) {
        self.usage.books.lock().exclusive.remove(&self.key);
    }
}

impl Drop for Deleting {
    fn drop(&mut self) {
        self.usage.books.lock().deleting.remove(&self.client);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.usage.books.lock().clients.remove(&self.key);
    }
}
