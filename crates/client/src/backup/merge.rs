//! Compares one directory of the walk with the base's record of it, and says what has changed.
//!
//! An incremental backup trusts size, times and inode number; a full one compares everything that can be had,
//! and reads all files. What the base does not settle is read late: attributes of entries that changed, the
//! content of files later and elsewhere ([`super::transfer`]).

use std::collections::HashSet;
use std::sync::Arc;

use file_tree::{FileType, Stat, shown};
use manifest::delta::{Basis, DirDelta, FileId, Upsert};
use manifest::{BlockHash, ContentHash, Entries, Entry, EntryRef, Kind, KindRef, Metadata, RawRecord};
use parking_lot::Mutex;

use super::lineage::Lineage;
use super::links::{LinkTable, Role};
use crate::error::{Result, explain};
use crate::monitor::{Problem, ProblemKind};
use crate::source::{SourceDir, SourceEntry};

/// How much of the base is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Entries whose size, times and inode number are as before are unchanged.
    Incremental,
    /// Everything is read again.
    Full,
}

/// What became of a directory.
#[derive(Debug)]
pub(super) enum Step {
    /// It is as the base has it.
    Same,
    /// It is new, or something in it has changed.
    Changed(Box<Changed>),
}

/// A directory that is new or has changed.
#[derive(Debug)]
pub(super) struct Changed {
    /// What the server is told.
    pub(super) delta: DirDelta,
    /// The files that the delta announces, in its order.
    pub(super) files: Vec<PlannedFile>,
}

/// A file whose content must be looked at.
#[derive(Debug)]
pub(super) struct PlannedFile {
    pub(super) id: FileId,
    pub(super) entry: Entry,
    pub(super) stat: Stat,
    /// The base's file of the same name.
    pub(super) base: Option<BaseVersion>,
    /// Whether the entry has all of its metadata, or what the walk saw only.
    pub(super) detail: Detail,
}

/// How much of an entry's metadata has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Seen,
    Complete,
}

/// What the base knows of a file's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BaseVersion {
    pub(super) size: u64,
    pub(super) hash: ContentHash,
    pub(super) block_hashes: Arc<[BlockHash]>,
}

/// Merges the walk with the base, directory by directory.
pub(super) struct Merge {
    mode: Mode,
    /// Files up to this size are sent without asking, with their metadata.
    small_bytes: u64,
    links: Arc<Mutex<LinkTable>>,
    lineage: Lineage,
    next_file: u64,
    /// Files that the base has damaged.
    doubted: HashSet<Box<[u8]>>,
}

/// What became of an entry.
enum Verdict {
    Unchanged,
    /// It is not backed up.
    LeftOut,
    Upsert(Entry),
    Read(Entry, Detail),
}

impl Merge {
    pub(super) fn new(mode: Mode, small_bytes: u64, links: Arc<Mutex<LinkTable>>) -> Self {
        Self {
            mode,
            small_bytes,
            links,
            lineage: Lineage::default(),
            next_file: 1,
            doubted: HashSet::new(),
        }
    }

    /// Takes what the base has of these files, which the server knows to be damaged, for nothing.
    pub(super) fn doubting(self, paths: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            doubted: paths.into_iter().map(Vec::into_boxed_slice).collect(),
            ..self
        }
    }

    fn doubts(&self, dir: &[u8], name: &[u8]) -> bool {
        !self.doubted.is_empty() && self.doubted.contains(&*manifest::join_path(dir, name))
    }

    /// Takes the next directory of the walk, in manifest order, and the base's record of the same path.
    pub(super) fn directory(
        &mut self,
        dir: &SourceDir,
        base: Option<&RawRecord>,
        problems: &mut Vec<Problem>,
    ) -> Result<Step> {
        let own = self.lineage.enter(&dir.path);
        let mut comparison = Comparison {
            merge: self,
            dir,
            problems,
            removed: Vec::new(),
            upserts: Vec::new(),
            files: Vec::new(),
            subdirs: Vec::new(),
        };
        match base {
            Some(record) => comparison.compare(record.entries()?)?,
            None => comparison.all_new(),
        }
        let Comparison {
            removed,
            upserts,
            files,
            subdirs,
            ..
        } = comparison;
        let own_changed = own.as_ref().is_some_and(|own| own.changed.is_some());
        self.lineage.descend(&dir.path, subdirs);
        if base.is_some() && removed.is_empty() && upserts.is_empty() && !own_changed {
            return Ok(Step::Same);
        }
        let metadata = match own {
            None => None,
            Some(own) => match own.changed {
                Some(metadata) => Some(*metadata),
                None => Some(own_metadata(dir, &own.stat, problems)),
            },
        };
        let basis = if base.is_some() {
            Basis::Delta
        } else {
            Basis::Complete
        };
        let delta = DirDelta {
            path: dir.path.clone(),
            metadata,
            basis,
            removed,
            upserts,
        };
        Ok(Step::Changed(Box::new(Changed { delta, files })))
    }
}

/// Reads a directory's own metadata; goes on with what the walk saw where that fails.
fn own_metadata(dir: &SourceDir, stat: &Stat, problems: &mut Vec<Problem>) -> Metadata {
    let (metadata, unread) = match dir.reader.own_metadata(stat) {
        Ok(read) => read,
        Err(error) => (dir.reader.seen(stat), vec![error]),
    };
    problems.extend(
        unread
            .iter()
            .map(|error| Problem::new(ProblemKind::Metadata, &*dir.path, explain(&error))),
    );
    metadata
}

/// The comparison of one directory.
struct Comparison<'a> {
    merge: &'a mut Merge,
    dir: &'a SourceDir,
    problems: &'a mut Vec<Problem>,
    removed: Vec<Box<[u8]>>,
    upserts: Vec<Upsert>,
    files: Vec<PlannedFile>,
    subdirs: Vec<super::lineage::Subdir>,
}

impl Comparison<'_> {
    fn compare(&mut self, mut base: Entries<'_>) -> Result<()> {
        let mut known = base.next().transpose()?;
        let dir = self.dir;
        for walked in &dir.entries {
            while let Some(entry) = known.take_if(|entry| *entry.name < *walked.name) {
                self.removed.push(entry.name.into());
                known = base.next().transpose()?;
            }
            match known.take_if(|entry| *entry.name == *walked.name) {
                Some(_) if self.merge.doubts(&dir.path, &walked.name) => {
                    let verdict = self.judge(walked, None, None);
                    if matches!(verdict, Verdict::LeftOut) {
                        self.removed.push(walked.name.clone());
                    }
                    self.take(walked, verdict, None);
                    known = base.next().transpose()?;
                }
                Some(entry) => {
                    let verdict = self.judge(walked, Some(&entry), Some(&mut base));
                    if matches!(verdict, Verdict::LeftOut) {
                        self.removed.push(entry.name.into());
                    }
                    self.take(walked, verdict, Some(&entry));
                    known = base.next().transpose()?;
                }
                None => {
                    let verdict = self.judge(walked, None, None);
                    self.take(walked, verdict, None);
                }
            }
        }
        while let Some(entry) = known {
            self.removed.push(entry.name.into());
            known = base.next().transpose()?;
        }
        Ok(())
    }

    fn all_new(&mut self) {
        let dir = self.dir;
        for walked in &dir.entries {
            let verdict = self.judge(walked, None, None);
            self.take(walked, verdict, None);
        }
    }

    fn take(&mut self, walked: &SourceEntry, verdict: Verdict, base: Option<&EntryRef<'_>>) {
        let is_directory = walked.stat.kind == FileType::Directory;
        match verdict {
            Verdict::LeftOut => {}
            Verdict::Unchanged => {
                if is_directory {
                    self.subdirs
                        .push(super::lineage::Subdir::unchanged(&walked.name, walked.stat));
                }
            }
            Verdict::Upsert(entry) => {
                if is_directory {
                    let metadata = Box::new(entry.metadata.clone());
                    self.subdirs.push(super::lineage::Subdir::changed(
                        &walked.name,
                        walked.stat,
                        metadata,
                    ));
                }
                self.upserts.push(Upsert { entry, pending: None });
            }
            Verdict::Read(entry, detail) => {
                let id = FileId(self.merge.next_file);
                self.merge.next_file += 1;
                self.files.push(PlannedFile {
                    id,
                    entry: entry.clone(),
                    stat: walked.stat,
                    base: base.and_then(BaseVersion::of),
                    detail,
                });
                self.upserts.push(Upsert {
                    entry,
                    pending: Some(id),
                });
            }
        }
    }

    /// Says what became of an entry since the base. `entries` is what `base` comes from.
    fn judge<'b>(
        &mut self,
        walked: &SourceEntry,
        base: Option<&EntryRef<'b>>,
        entries: Option<&mut Entries<'b>>,
    ) -> Verdict {
        let stat = &walked.stat;
        let role = match stat.kind {
            FileType::Socket | FileType::Unknown => {
                self.report(ProblemKind::Skipped, &walked.name, "sockets are not backed up");
                return Verdict::LeftOut;
            }
            FileType::File | FileType::Symlink => {
                self.merge.links.lock().role(stat, &self.dir.path, &walked.name)
            }
            _ => Role::File,
        };
        let trusted = self.merge.mode == Mode::Incremental;
        if trusted && base.is_some_and(|base| is_as_before(base, stat, &role)) {
            return Verdict::Unchanged;
        }
        if stat.kind == FileType::File && role == Role::File {
            return self.plan_file(walked, base);
        }
        let Some(entry) = self.read_entry(walked, role) else {
            return Verdict::LeftOut;
        };
        let known = base
            .zip(entries)
            .filter(|_| !trusted)
            .map(|(base, entries)| entries.own(base));
        if known.is_some_and(|known| known == entry) {
            Verdict::Unchanged
        } else {
            Verdict::Upsert(entry)
        }
    }

    /// Announces a file. Its metadata is read with its content, unless the server may never ask for that.
    fn plan_file(&mut self, walked: &SourceEntry, base: Option<&EntryRef<'_>>) -> Verdict {
        let stat = &walked.stat;
        let based = base.is_some_and(|base| matches!(base.kind, KindRef::File { .. }));
        let mut detail = Detail::Seen;
        let mut metadata = self.dir.reader.seen(stat);
        if !based && stat.size > self.merge.small_bytes {
            match self.read_metadata(walked) {
                Some(complete) => metadata = complete,
                None => return Verdict::LeftOut,
            }
            detail = Detail::Complete;
        }
        let kind = Kind::pending_file(stat.size);
        Verdict::Read(
            Entry {
                name: walked.name.clone(),
                metadata,
                kind,
            },
            detail,
        )
    }

    /// Reads an entry that has no content of its own.
    fn read_entry(&mut self, walked: &SourceEntry, role: Role) -> Option<Entry> {
        let stat = &walked.stat;
        let (major, minor) = (stat.rdev.major, stat.rdev.minor);
        let kind = match (stat.kind, role) {
            (_, Role::Link(target)) => Kind::HardLink { target },
            (FileType::Directory, _) => Kind::Directory,
            (FileType::Fifo, _) => Kind::Fifo,
            (FileType::CharDevice, _) => Kind::CharDevice { major, minor },
            (FileType::BlockDevice, _) => Kind::BlockDevice { major, minor },
            _ => match self.dir.reader.read_link(&walked.name) {
                Ok(target) if !target.is_empty() => Kind::Symlink { target },
                Ok(_) => {
                    self.report(
                        ProblemKind::Unreadable,
                        &walked.name,
                        "the symbolic link is empty",
                    );
                    return None;
                }
                Err(error) => {
                    self.report_lost(&walked.name, &error);
                    return None;
                }
            },
        };
        let metadata = self.read_metadata(walked)?;
        Some(Entry {
            name: walked.name.clone(),
            metadata,
            kind,
        })
    }

    fn read_metadata(&mut self, walked: &SourceEntry) -> Option<Metadata> {
        match self.dir.reader.metadata(&walked.name, &walked.stat) {
            Ok((metadata, unread)) => {
                for error in &unread {
                    self.report(ProblemKind::Metadata, &walked.name, error);
                }
                Some(metadata)
            }
            // A directory stays listed, since its own turn comes still.
            Err(_) if walked.stat.kind == FileType::Directory => Some(self.dir.reader.seen(&walked.stat)),
            Err(error) => {
                self.report_lost(&walked.name, &error);
                None
            }
        }
    }

    fn report_lost(&mut self, name: &[u8], error: &file_tree::Error) {
        let kind = if error.is_not_found() {
            ProblemKind::Vanished
        } else {
            ProblemKind::Unreadable
        };
        self.report(kind, name, explain(error));
    }

    fn report(&mut self, kind: ProblemKind, name: &[u8], message: impl std::fmt::Display) {
        let path = manifest::join_path(&self.dir.path, name);
        tracing::debug!(path = %shown(&path), %message, "an entry has a problem");
        self.problems.push(Problem::new(kind, path, message));
    }
}

/// Whether size, times, inode number and kind are those of the base.
fn is_as_before(base: &EntryRef<'_>, stat: &Stat, role: &Role) -> bool {
    if base.ino != stat.ino || base.mtime != stat.mtime || base.ctime != stat.ctime {
        return false;
    }
    let rdev = (stat.rdev.major, stat.rdev.minor);
    match (base.kind, stat.kind, role) {
        (KindRef::File { size, .. }, FileType::File, Role::File) => size == stat.size,
        (KindRef::HardLink { target }, FileType::File, Role::Link(first)) => *target == **first,
        (KindRef::Directory, FileType::Directory, _) | (KindRef::Fifo, FileType::Fifo, _) => true,
        (KindRef::Symlink { target }, FileType::Symlink, _) => target.len() as u64 == stat.size,
        (KindRef::CharDevice { major, minor }, FileType::CharDevice, _)
        | (KindRef::BlockDevice { major, minor }, FileType::BlockDevice, _) => (major, minor) == rdev,
        _ => false,
    }
}

impl BaseVersion {
    fn of(base: &EntryRef<'_>) -> Option<Self> {
        let KindRef::File {
            size,
            hash,
            block_hashes,
        } = base.kind
        else {
            return None;
        };
        let block_hashes = block_hashes
            .as_chunks::<32>()
            .0
            .iter()
            .map(|hash| BlockHash(*hash))
            .collect();
        Some(Self {
            size,
            hash,
            block_hashes,
        })
    }
}

#[cfg(test)]
mod tests;
