//! A directory of a backup, as it is kept in memory: what a listing shows, and no block hashes.

use std::ops::Deref;
use std::sync::Arc;

use manifest::{ContentHash, EntryRef, KindRef, RawRecord, Timestamp, Xattr};

use crate::error::Result;

/// A directory with its entries, sorted by name.
#[derive(Debug)]
pub(super) struct Directory {
    items: Box<[Item]>,
    weight: u64,
}

/// An entry of a directory.
#[derive(Debug)]
pub(super) struct Item {
    /// Its name.
    pub(super) name: Box<[u8]>,
    /// What it is.
    pub(super) kind: ItemKind,
    /// Permission bits.
    pub(super) mode: u32,
    /// Owner.
    pub(super) uid: u32,
    /// Group.
    pub(super) gid: u32,
    /// When its content was last changed.
    pub(super) mtime: Timestamp,
    /// When its inode was last changed.
    pub(super) ctime: Timestamp,
    /// Its extended attributes.
    pub(super) xattrs: Box<[Xattr]>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// A regular file.
    File {
        /// Its length.
        size: u64,
        /// BLAKE3 of its content.
        hash: ContentHash,
    },
    /// A directory.
    Directory,
    /// A symbolic link, and where it points to.
    Symlink(Box<[u8]>),
    /// A further name of what lies at this path.
    HardLink(Box<[u8]>),
    /// A named pipe.
    Fifo,
    /// A character device with its numbers.
    CharDevice(u32, u32),
    /// A block device with its numbers.
    BlockDevice(u32, u32),
}

impl Directory {
    /// Takes what is to be kept of a record. A volume, which file backups don't have, is left out.
    pub(super) fn of(record: &RawRecord) -> Result<Self> {
        let mut entries = record.entries()?;
        let mut items = Vec::with_capacity(entries.len());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let Some(kind) = ItemKind::of(&entry.kind) else {
                continue;
            };
            let xattrs = if entry.has_xattrs() {
                entries.own(&entry).metadata.xattrs
            } else {
                Vec::new()
            };
            items.push(Item::new(&entry, kind, xattrs));
        }
        let weight = size_of::<Self>() as u64 + items.iter().map(Item::weight).sum::<u64>();
        Ok(Self {
            items: items.into(),
            weight,
        })
    }

    /// Its entries.
    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// What it takes in memory.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Finds an entry.
    pub(super) fn find(self: &Arc<Self>, name: &[u8]) -> Option<ItemAt> {
        let at = self.items.binary_search_by(|item| (*item.name).cmp(name)).ok()?;
        Some(ItemAt {
            directory: self.clone(),
            at,
        })
    }
}

/// An entry, with the directory that holds it in memory.
#[derive(Debug, Clone)]
pub(super) struct ItemAt {
    directory: Arc<Directory>,
    at: usize,
}

impl Deref for ItemAt {
    type Target = Item;

    fn deref(&self) -> &Item {
        &self.directory.items[self.at]
    }
}

impl Item {
    fn new(entry: &EntryRef<'_>, kind: ItemKind, xattrs: Vec<Xattr>) -> Self {
        Self {
            name: entry.name.into(),
            kind,
            mode: entry.mode,
            uid: entry.uid,
            gid: entry.gid,
            mtime: entry.mtime,
            ctime: entry.ctime,
            xattrs: xattrs.into(),
        }
    }

    fn weight(&self) -> u64 {
        let target = match &self.kind {
            ItemKind::Symlink(target) | ItemKind::HardLink(target) => target.len(),
            _ => 0,
        };
        let xattrs = self
            .xattrs
            .iter()
            .map(|xattr| size_of::<Xattr>() + xattr.name.len() + xattr.value.len());
        (size_of::<Self>() + self.name.len() + target + xattrs.sum::<usize>()) as u64
    }

    /// Finds an extended attribute.
    pub(super) fn xattr(&self, name: &[u8]) -> Option<&[u8]> {
        let found = self.xattrs.iter().find(|xattr| *xattr.name == *name);
        found.map(|xattr| &*xattr.value)
    }
}

impl ItemKind {
    fn of(kind: &KindRef<'_>) -> Option<Self> {
        Some(match *kind {
            KindRef::File { size, hash, .. } => Self::File { size, hash },
            KindRef::Volume { .. } => return None,
            KindRef::Directory => Self::Directory,
            KindRef::Symlink { target } => Self::Symlink(target.into()),
            KindRef::HardLink { target } => Self::HardLink(target.into()),
            KindRef::Fifo => Self::Fifo,
            KindRef::CharDevice { major, minor } => Self::CharDevice(major, minor),
            KindRef::BlockDevice { major, minor } => Self::BlockDevice(major, minor),
        })
    }
}

#[cfg(test)]
mod tests {
    use manifest::{DirRecord, Entry, Kind, Metadata, encode_record};

    use super::*;

    fn entry(name: &str, kind: Kind) -> Entry {
        Entry {
            name: name.as_bytes().into(),
            metadata: Metadata {
                mode: 0o640,
                uid: 7,
                ..Metadata::default()
            },
            kind,
        }
    }

    fn directory(entries: Vec<Entry>) -> Arc<Directory> {
        let path = Box::default();
        let mut bytes = Vec::new();
        encode_record(&DirRecord { path, entries }, &mut bytes).unwrap();
        Arc::new(Directory::of(&RawRecord::new(bytes).unwrap()).unwrap())
    }

    #[test]
    fn entries_are_found_by_their_names_with_what_a_listing_shows() {
        let mut attributed = entry("b", Kind::Fifo);
        attributed.metadata.xattrs = vec![Xattr {
            name: b"user.x"[..].into(),
            value: b"value"[..].into(),
        }];
        let target = || b"data/a"[..].into();
        let directory = directory(vec![
            entry("a", Kind::file(5, ContentHash::of(b"hello"), Arc::default())),
            attributed,
            entry("c", Kind::HardLink { target: target() }),
        ]);
        let hash = ContentHash::of(b"hello");
        let file = directory.find(b"a").unwrap();
        assert_eq!(
            (&file.kind, file.mode, file.uid),
            (&ItemKind::File { size: 5, hash }, 0o640, 7)
        );
        assert_eq!(file.xattr(b"user.x"), None);
        assert_eq!(
            directory.find(b"b").unwrap().xattr(b"user.x"),
            Some(&b"value"[..])
        );
        assert_eq!(directory.find(b"c").unwrap().kind, ItemKind::HardLink(target()));
        assert!(directory.find(b"d").is_none());
    }

    #[test]
    fn block_hashes_weigh_nothing() {
        let large = |count: usize| {
            let size = count as u64 * manifest::BLOCK_BYTES;
            let hashes = vec![manifest::BlockHash([1; 32]); count];
            let kind = Kind::file(size, ContentHash::of(b"x"), hashes.into());
            directory(vec![entry("a", kind)]).weight()
        };
        assert_eq!(large(10_000), large(10));
    }
}
