//! How two manifests differ.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs::File;
use std::iter::Peekable;

use crate::entry::{DirRecord, Entry, Kind, Metadata};
use crate::error::Result;
use crate::path::{compare_paths, join_path};
use crate::reader::{RawRecords, ReadAt, Reader};
use crate::record::RawRecord;

/// One entry that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Path within the backup.
    pub path: Box<[u8]>,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made one at a time and looked at once")]
pub enum ChangeKind {
    /// Only the newer has it.
    Added(Entry),
    /// Only the older has it.
    Removed(Entry),
    /// Both have it, but not the same.
    Changed {
        /// In the older.
        before: Entry,
        /// In the newer.
        after: Entry,
        /// In what they differ.
        what: Difference,
    },
}

/// In what two entries of the same path differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// In type, content or target; perhaps in metadata too.
    Content,
    /// In metadata that a restore gives back. A change of ctime or inode number alone is no difference.
    Metadata,
}

impl Difference {
    /// Tells in what two entries differ, if they do.
    pub fn between(before: &Entry, after: &Entry) -> Option<Self> {
        if !same_content(&before.kind, &after.kind) {
            Some(Self::Content)
        } else if !same_metadata(&before.metadata, &after.metadata) {
            Some(Self::Metadata)
        } else {
            None
        }
    }
}

fn same_content(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        // Whether block hashes are known says nothing of the content.
        (
            Kind::File {
                size: a_size,
                hash: a_hash,
                ..
            },
            Kind::File { size, hash, .. },
        ) => (a_size, a_hash) == (size, hash),
        _ => a == b,
    }
}

fn same_metadata(a: &Metadata, b: &Metadata) -> bool {
    (a.mode, a.uid, a.gid, a.mtime, a.flags) == (b.mode, b.uid, b.gid, b.mtime, b.flags)
        && a.user == b.user
        && a.group == b.group
        && a.xattrs == b.xattrs
        && a.opaque == b.opaque
}

/// Goes through all that differs between an older and a newer manifest, directory by directory in manifest
/// order; ends at the first error. Holds one directory of each at a time.
pub fn diff<S: ReadAt, T: ReadAt>(older: &Reader<S>, newer: &Reader<T>) -> Diff<S, T> {
    Diff {
        older: older.raw_records().peekable(),
        newer: newer.raw_records().peekable(),
        changes: VecDeque::new(),
        ended: false,
    }
}

/// See [`diff`].
#[derive(Debug)]
pub struct Diff<S: ReadAt = File, T: ReadAt = File> {
    older: Peekable<RawRecords<S>>,
    newer: Peekable<RawRecords<T>>,
    /// Of the directory that was compared last.
    changes: VecDeque<Change>,
    ended: bool,
}

impl<S: ReadAt, T: ReadAt> Diff<S, T> {
    /// Compares the next directory, unless both are through.
    fn advance(&mut self) -> Result<()> {
        let order = match (self.older.peek(), self.newer.peek()) {
            (None, None) => {
                self.ended = true;
                return Ok(());
            }
            (Some(Ok(a)), Some(Ok(b))) => compare_paths(a.path(), b.path()),
            (Some(_), None) | (Some(Err(_)), Some(_)) => Ordering::Less,
            (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => Ordering::Greater,
        };
        let older = if order.is_le() {
            self.older.next().transpose()?
        } else {
            None
        };
        let newer = if order.is_ge() {
            self.newer.next().transpose()?
        } else {
            None
        };
        if let (Some(a), Some(b)) = (&older, &newer)
            && a.bytes() == b.bytes()
        {
            return Ok(());
        }
        let decode = |record: Option<RawRecord>| record.map(|record| record.decode()).transpose();
        self.compare(decode(older)?, decode(newer)?);
        Ok(())
    }

    fn compare(&mut self, older: Option<DirRecord>, newer: Option<DirRecord>) {
        let path = older
            .as_ref()
            .or(newer.as_ref())
            .map(|record| record.path.clone())
            .unwrap_or_default();
        let mut before = older
            .map_or_else(Vec::new, |record| record.entries)
            .into_iter()
            .peekable();
        let mut after = newer
            .map_or_else(Vec::new, |record| record.entries)
            .into_iter()
            .peekable();
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return,
                (Some(a), Some(b)) => a.name.cmp(&b.name),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            let a = if order.is_le() { before.next() } else { None };
            let b = if order.is_ge() { after.next() } else { None };
            self.changes.extend(change(&path, a, b));
        }
    }
}

fn change(directory: &[u8], before: Option<Entry>, after: Option<Entry>) -> Option<Change> {
    let (name, kind) = match (before, after) {
        (Some(before), Some(after)) => {
            let what = Difference::between(&before, &after)?;
            (after.name.clone(), ChangeKind::Changed { before, after, what })
        }
        (Some(before), None) => (before.name.clone(), ChangeKind::Removed(before)),
        (None, after) => {
            let after = after?;
            (after.name.clone(), ChangeKind::Added(after))
        }
    };
    Some(Change {
        path: join_path(directory, &name),
        kind,
    })
}

impl<S: ReadAt, T: ReadAt> Iterator for Diff<S, T> {
    type Item = Result<Change>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some(Ok(change));
            }
            if self.ended {
                return None;
            }
            if let Err(error) = self.advance() {
                self.ended = true;
                return Some(Err(error));
            }
        }
    }
}
