//! What backups hold, found out the naive way: every file of every backup is asked, every time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use cow_fs::AllocationSource;
use storage::{BackendKind, BackupName, ClientName, Sizes, Store, Unwatched, Used};

use crate::lab::{Kind, Lab};

pub type Backup = (ClientName, BackupName);

/// A range of the device, or an inode with its size.
type Held = (u64, u64);

/// What each backup holds.
pub struct Census {
    /// Parts that the same backups hold, with their sizes.
    parts: BTreeMap<BTreeSet<Backup>, u64>,
    backups: Vec<Backup>,
}

impl Census {
    pub fn take(store: &Store, kind: Kind) -> Self {
        let mut held = BTreeMap::new();
        for client in store.clients().unwrap() {
            for name in store.backups(&client).unwrap() {
                let tree = store.path().join(client.as_str()).join(name.as_str());
                let mut of_backup = Vec::new();
                walk(&tree, kind, &mut of_backup);
                held.insert((client.clone(), name), of_backup);
            }
        }
        Self {
            parts: match store.backend() {
                BackendKind::Hardlink => by_inode(&held),
                BackendKind::Btrfs | BackendKind::Reflink => by_range(&held),
            },
            backups: held.into_keys().collect(),
        }
    }

    pub fn freed_by(&self, backups: &[Backup]) -> u64 {
        let set: BTreeSet<&Backup> = backups.iter().collect();
        let parts = self.parts.iter();
        parts
            .filter(|(owners, _)| owners.iter().all(|owner| set.contains(owner)))
            .map(|(_, bytes)| bytes)
            .sum()
    }

    fn held_by_any(&self, backups: &[Backup]) -> u64 {
        let parts = self.parts.iter();
        parts
            .filter(|(owners, _)| backups.iter().any(|backup| owners.contains(backup)))
            .map(|(_, bytes)| bytes)
            .sum()
    }

    /// Accounts, and fails unless the storage says the same as a census.
    pub fn compare(store: &Store, kind: Kind) {
        store.account(&Unwatched).unwrap();
        Self::take(store, kind).check(store);
    }

    /// Fails unless the storage says the same of each backup, of all neighbours, and of each client. What was stored
    /// anew is a matter of the past and not looked at.
    pub fn check(&self, store: &Store) {
        for backup @ (client, name) in &self.backups {
            let exclusive_bytes = self.freed_by(std::slice::from_ref(backup));
            let held = self.held_by_any(std::slice::from_ref(backup));
            let Sizes {
                exclusive_bytes: told_exclusive,
                shared_bytes,
                ..
            } = store.sizes(client, name).unwrap();
            let told = (told_exclusive, shared_bytes);
            assert_eq!(told, (exclusive_bytes, held - exclusive_bytes), "{client} {name}");
        }
        for count in 2..5 {
            for set in self.backups.windows(count) {
                assert_eq!(store.freed_by(set), Some(self.freed_by(set)), "{set:?}");
            }
        }
        for client in store.clients().unwrap() {
            let of_client: Vec<Backup> = self
                .backups
                .iter()
                .filter(|(owner, _)| *owner == client)
                .cloned()
                .collect();
            let exclusive_bytes = self.freed_by(&of_client);
            let used = Used {
                exclusive_bytes,
                shared_bytes: self.held_by_any(&of_client) - exclusive_bytes,
            };
            assert_eq!(store.used_by(&client), Some(used), "{client}");
        }
        let all: Vec<Backup> = self.backups.to_vec();
        let told = store.used_by_each().map(|used| used.all_bytes);
        assert_eq!(told, Some(self.held_by_any(&all)), "all clients together");
    }
}

/// All that backups hold together.
pub fn all_backups(store: &Store) -> Vec<Backup> {
    let clients = store.clients().unwrap().into_iter();
    clients
        .flat_map(|client| {
            let names = store.backups(&client).unwrap();
            names.into_iter().map(move |name| (client.clone(), name))
        })
        .collect()
}

/// Bytes of data, not of metadata, that are allocated on a btrfs.
pub fn btrfs_data_bytes(lab: &Lab) -> u64 {
    let run = |arguments: &[&str]| {
        let output = Command::new("btrfs")
            .args(arguments)
            .arg(lab.file_system())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["filesystem", "sync"]);
    let text = run(&["filesystem", "df", "--raw"]);
    let data = text.lines().find(|line| line.starts_with("Data")).unwrap();
    data.rsplit('=').next().unwrap().trim().parse().unwrap()
}

/// What all files beneath a directory hold together, each piece once.
pub fn held_beneath(lab: &Lab, dir: &Path) -> u64 {
    let mut held = Vec::new();
    walk(dir, lab.kind, &mut held);
    held.sort_unstable();
    held.dedup();
    held.iter().map(|(_, len)| len).sum()
}

fn walk(dir: &Path, kind: Kind, held: &mut Vec<Held>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let stat = fs::symlink_metadata(&path).unwrap();
        if stat.is_dir() {
            walk(&path, kind, held);
        } else if stat.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            let is_pooled = target.to_string_lossy().contains(".perennial/pool/");
            if is_pooled && path.is_dir() {
                walk(&path, kind, held);
            }
        } else if stat.is_file() {
            match kind {
                Kind::Ext4 | Kind::Plain => held.push((stat.ino(), stat.blocks() * 512)),
                Kind::Btrfs => map(&path, AllocationSource::BtrfsTrees, held),
                Kind::Xfs => map(&path, AllocationSource::ExtentMap, held),
            }
        }
    }
}

fn map(path: &Path, source: AllocationSource, held: &mut Vec<Held>) {
    let file = File::open(path).unwrap();
    for found in cow_fs::allocations(&file, source).unwrap() {
        let found = found.unwrap();
        held.push((found.start_bytes, found.len_bytes));
    }
}

fn by_inode(held: &BTreeMap<Backup, Vec<Held>>) -> BTreeMap<BTreeSet<Backup>, u64> {
    let mut inodes: BTreeMap<Held, BTreeSet<Backup>> = BTreeMap::new();
    for (backup, held) in held {
        for inode in held {
            inodes.entry(*inode).or_default().insert(backup.clone());
        }
    }
    let mut parts = BTreeMap::new();
    for ((_, bytes), owners) in inodes {
        *parts.entry(owners).or_default() += bytes;
    }
    parts
}

fn by_range(held: &BTreeMap<Backup, Vec<Held>>) -> BTreeMap<BTreeSet<Backup>, u64> {
    let mut edges = Vec::new();
    for (backup, held) in held {
        for (start, len) in held {
            edges.extend([(*start, 1, backup), (start + len, -1, backup)]);
        }
    }
    edges.sort_unstable();
    let mut parts = BTreeMap::new();
    let mut counts: BTreeMap<&Backup, i64> = BTreeMap::new();
    let mut from = 0;
    for (at, change, backup) in edges {
        let owners: BTreeSet<Backup> = counts.keys().map(|backup| (*backup).clone()).collect();
        if at > from && !owners.is_empty() {
            *parts.entry(owners).or_default() += at - from;
        }
        from = at;
        let count = counts.entry(backup).or_default();
        *count += change;
        if *count == 0 {
            counts.remove(backup);
        }
    }
    parts
}
