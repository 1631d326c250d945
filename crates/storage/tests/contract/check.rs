//! Compares a backup's tree with its manifest, entry by entry, through the reader that restores use.

use std::collections::BTreeSet;

use file_tree::{Access, Dir, FileType, Identity, Names, Stat};
use manifest::{BlockHash, ContentHash, DirRecord, Entry, Kind};
use storage::{BackupName, BackupTree, ClientName, Store};

use crate::driver::read_all;

/// How exact metadata has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// As the manifest says.
    Exact,
    /// Content only: files may have the metadata of those whose inode they share.
    Content,
}

/// Panics if any committed backup of the store is not what its manifest says.
pub fn check_all(store: &Store, strictness: Strictness) {
    for client in store.clients().unwrap() {
        for name in store.backups(&client).unwrap() {
            check(store, &client, &name, strictness);
        }
    }
}

pub fn check(store: &Store, client: &ClientName, name: &BackupName, strictness: Strictness) {
    let differences = differences(store, client, name, strictness);
    assert!(
        differences.is_empty(),
        "{client} {name}:\n{}",
        differences.join("\n")
    );
}

pub fn differences(
    store: &Store,
    client: &ClientName,
    name: &BackupName,
    strictness: Strictness,
) -> Vec<String> {
    let tree = store.open_backup(client, name).unwrap();
    let mut check = Check {
        tree: &tree,
        strictness,
        differences: Vec::new(),
    };
    for record in tree.manifest().records() {
        check.directory(&record.unwrap());
    }
    check.differences
}

struct Check<'a> {
    tree: &'a BackupTree,
    strictness: Strictness,
    differences: Vec<String>,
}

impl Check<'_> {
    fn note(&mut self, path: &[u8], name: &[u8], what: impl std::fmt::Display) {
        self.differences
            .push(format!("{}/{}: {what}", path.escape_ascii(), name.escape_ascii()));
    }

    fn directory(&mut self, record: &DirRecord) {
        let dir = match self.tree.open_directory(&record.path) {
            Ok(dir) => dir,
            Err(error) => return self.note(&record.path, b"", error),
        };
        let found: BTreeSet<Box<[u8]>> = dir
            .list()
            .unwrap()
            .iter()
            .map(|listed| listed.name.into())
            .collect();
        // Devices can be made by root only, and not with any number everywhere.
        let may_lack =
            |entry: &Entry| matches!(entry.kind, Kind::CharDevice { .. } | Kind::BlockDevice { .. });
        let expected = record
            .entries
            .iter()
            .filter(|entry| found.contains(&entry.name) || !may_lack(entry));
        let expected: BTreeSet<Box<[u8]>> = expected.map(|entry| entry.name.clone()).collect();
        if found != expected {
            let odd = found
                .symmetric_difference(&expected)
                .map(|name| name.escape_ascii().to_string());
            self.note(
                &record.path,
                b"",
                format!("has or lacks {:?}", odd.collect::<Vec<_>>()),
            );
        }
        for entry in record.entries.iter().filter(|entry| found.contains(&entry.name)) {
            self.entry(&dir, &record.path, entry);
        }
    }

    fn entry(&mut self, dir: &Dir, path: &[u8], entry: &Entry) {
        let name = &*entry.name;
        if entry.is_directory() {
            return match self.tree.open_directory(&manifest::join_path(path, name)) {
                Ok(child) => {
                    let stat = child.stat_self().unwrap();
                    self.metadata(path, entry, &stat, file_tree::metadata::Target::from(&child));
                }
                Err(error) => self.note(path, name, error),
            };
        }
        let stat = dir.stat(name).unwrap();
        let kind = match &entry.kind {
            Kind::File { .. } | Kind::Volume { .. } => FileType::File,
            Kind::HardLink { .. } => stat.kind,
            Kind::Directory => FileType::Directory,
            Kind::Symlink { .. } => FileType::Symlink,
            Kind::Fifo => FileType::Fifo,
            Kind::CharDevice { .. } => FileType::CharDevice,
            Kind::BlockDevice { .. } => FileType::BlockDevice,
        };
        if stat.kind != kind {
            return self.note(path, name, format!("is {:?}", stat.kind));
        }
        match &entry.kind {
            Kind::File {
                size,
                hash,
                block_hashes,
            } => self.content(dir, path, name, (*size, *hash, block_hashes)),
            Kind::Symlink { target } if dir.read_link(name).unwrap() != *target => {
                self.note(path, name, "leads elsewhere");
            }
            Kind::HardLink { target } => {
                let (parent, first) = manifest::split_path(target).unwrap();
                let first = self
                    .tree
                    .open_directory(parent)
                    .map(|dir| dir.stat(first).unwrap());
                if first.map(|stat: Stat| -> Identity { stat.identity() }).ok() != Some(stat.identity()) {
                    self.note(path, name, "is no link to its target");
                }
            }
            _ => {}
        }
        self.metadata(path, entry, &stat, file_tree::metadata::Target::At(dir, name));
    }

    fn content(&mut self, dir: &Dir, path: &[u8], name: &[u8], wanted: (u64, ContentHash, &[BlockHash])) {
        let bytes = read_all(&dir.open_file(name, Access::Read).unwrap());
        let mut hasher = manifest::content::BlockHasher::new();
        hasher.update(&bytes);
        let hashed = hasher.finish();
        if (hashed.size, hashed.hash, &*hashed.block_hashes) != wanted {
            self.note(path, name, format!("has other content ({} bytes)", bytes.len()));
        }
    }

    fn metadata(&mut self, path: &[u8], entry: &Entry, stat: &Stat, target: file_tree::metadata::Target<'_>) {
        let is_file = matches!(entry.kind, Kind::File { .. } | Kind::HardLink { .. });
        if is_file && self.strictness == Strictness::Content {
            return;
        }
        let wanted = &entry.metadata;
        let mut found = file_tree::metadata::read(target, stat, &Names::fixed(&[], &[])).unwrap();
        // XFS shows access lists under a second name.
        found
            .xattrs
            .retain(|xattr| !xattr.name.starts_with(b"trusted.SGI_ACL_"));
        let is_root = rustix::process::geteuid().is_root();
        let is_symlink = stat.kind == FileType::Symlink;
        if is_root && (found.uid, found.gid) != (wanted.uid, wanted.gid) {
            self.note(
                path,
                &entry.name,
                format!("belongs to {}:{}", found.uid, found.gid),
            );
        }
        if is_root && !is_symlink && found.mode != wanted.mode {
            self.note(
                path,
                &entry.name,
                format!("has mode {:o} instead of {:o}", found.mode, wanted.mode),
            );
        }
        if found.mtime != wanted.mtime {
            self.note(
                path,
                &entry.name,
                format!("has time {:?} instead of {:?}", found.mtime, wanted.mtime),
            );
        }
        if is_root && found.xattrs != wanted.xattrs {
            self.note(path, &entry.name, format!("has attributes {:?}", found.xattrs));
        }
    }
}
