//! What a backup holds that the one it has grown from does not, and the other way round.
//!
//! Of file backups only the files are asked for whose entries differ in the two manifests: an entry that is the same
//! has come from the base with the extents or the inode that it has there. Images have few files, not all of them in
//! the manifest, and are looked at as a whole.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fs::File;
use std::iter::Peekable;

use cow_fs::{Allocation, AllocationSource};
use file_tree::Dir;
use manifest::{DirRecord, Entry, Kind, RawRecord, Reader, compare_paths, join_path};
use rustix::fs::{AtFlags, FileType, statat};
use rustix::io::Errno;

use super::Measure;
use super::piece::Piece;
use super::update::{Failure, Rereference};
use crate::durable::find_dir;
use crate::error::{During as _, Error, Result, shown};
use crate::index::Owner;
use crate::layout::backup_path;
use crate::monitor::Monitor;
use crate::names::BackupKind;
use crate::retold;
use crate::store::Shared;
use crate::tree::{TreeRoot, open_regular};

/// The tree of a backup, which nothing keeps from being deleted meanwhile.
pub(super) struct Tree {
    root: TreeRoot,
    manifest: Reader,
    kind: BackupKind,
    /// Directories in which entries say nothing of the content.
    retold: Paths,
}

/// A comparison of two trees.
pub(super) struct Survey<'a, 'b, 'c> {
    pub measure: Measure,
    pub references: Rereference<'b, 'c>,
    pub monitor: &'a dyn Monitor,
    /// How many files have been asked for what they hold.
    pub mapped_files: u64,
}

/// A file, perhaps: the directory that it should be in, if that is there, and its name.
type Place<'a> = (Option<&'a Dir>, &'a [u8]);

/// The entries of one name before and after.
type Pair<'a> = (Option<&'a Entry>, Option<&'a Entry>);

type Paths = BTreeSet<Box<[u8]>>;

impl Tree {
    pub fn open(shared: &Shared, owner: &Owner) -> Result<Self, Failure> {
        let (client, name) = (&owner.client, &owner.name);
        let manifest = match shared.open_manifest(client, name) {
            Err(Error::UnknownBackup { .. }) => return Err(Failure::Vanished),
            opened => opened?,
        };
        if manifest.digest() != owner.digest {
            return Err(Failure::Vanished);
        }
        let backups = shared.layout.find_backups(client)?.ok_or(Failure::Vanished)?;
        let missing = || Error::corrupt(backup_path(client, name), "the tree is missing");
        let root = TreeRoot {
            client: client.clone(),
            dir: find_dir(&backups, name.as_bytes())?.ok_or_else(missing)?,
            pool: shared.layout.find_pool(client)?,
        };
        let manifests = shared.layout.manifests(client)?;
        Ok(Self {
            root,
            manifest,
            kind: name.kind(),
            retold: retold::read(&manifests, name)?,
        })
    }

    fn find_dir(&self, path: &[u8]) -> Result<Option<Dir>> {
        let failed = || Error::manifest(&self.manifest.header().name);
        let is_directory = |path: &[u8]| {
            let entry = self.manifest.lookup(path).map_err(failed())?;
            Ok(entry.is_some_and(|entry| entry.kind == Kind::Directory))
        };
        match self.root.open_dir(path, is_directory) {
            Err(Error::NotInBackup { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn records(&self) -> Peekable<impl Iterator<Item = Result<RawRecord>> + use<>> {
        let name = self.manifest.header().name.clone();
        let records = self.manifest.raw_records();
        records
            .map(move |record| record.map_err(Error::manifest(&name)))
            .peekable()
    }
}

impl Survey<'_, '_, '_> {
    /// Adds what a backup holds and takes what that from which it has grown holds, where they may differ.
    pub fn grown(&mut self, before: Option<&Tree>, after: &Tree) -> Result<(), Failure> {
        self.compare(before, after, &after.retold)
    }

    /// The other way round: takes what a backup holds and adds what that from which it has grown holds.
    pub fn ungrown(&mut self, before: &Tree, after: &Tree) -> Result<(), Failure> {
        self.compare(Some(before), after, &before.retold)
    }

    fn compare(&mut self, before: Option<&Tree>, after: &Tree, retold: &Paths) -> Result<(), Failure> {
        match after.kind {
            BackupKind::File => self.compare_manifests(before, after, retold),
            BackupKind::Image => self.compare_files(before, after),
        }
    }

    fn compare_manifests(
        &mut self,
        before: Option<&Tree>,
        after: &Tree,
        retold: &Paths,
    ) -> Result<(), Failure> {
        let mut old = before.map(Tree::records).into_iter().flatten().peekable();
        let mut new = after.records();
        loop {
            if self.monitor.is_cancelled() {
                return Err(Error::Cancelled.into());
            }
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(Ok(a)), Some(Ok(b))) => compare_paths(a.path(), b.path()),
                (Some(_), None) | (Some(Err(_)), Some(_)) => Ordering::Less,
                (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => Ordering::Greater,
            };
            let a = order.is_le().then(|| old.next()).flatten().transpose()?;
            let b = order.is_ge().then(|| new.next()).flatten().transpose()?;
            let is_retold = b.as_ref().is_some_and(|b| retold.contains(b.path()));
            if let (Some(a), Some(b)) = (&a, &b)
                && a.bytes() == b.bytes()
                && !is_retold
            {
                continue;
            }
            let (a, b) = (decode(before, a)?, decode(Some(after), b)?);
            let is_asked = |a: Option<&Entry>, b: Option<&Entry>| is_retold || a != b;
            let asked = files(entries(a.as_ref()), entries(b.as_ref()), is_asked);
            self.compare_directories((before, a.as_ref()), (after, b.as_ref()), asked)?;
        }
    }

    fn compare_directories(
        &mut self,
        before: (Option<&Tree>, Option<&DirRecord>),
        after: (&Tree, Option<&DirRecord>),
        mut asked: Vec<Pair<'_>>,
    ) -> Result<(), Failure> {
        let measure = self.measure;
        for (a, b) in &mut asked {
            *a = a.filter(|entry| measure.may_hold(entry));
            *b = b.filter(|entry| measure.may_hold(entry));
        }
        asked.retain(|(a, b)| a.is_some() || b.is_some());
        let open = |tree: Option<&Tree>, record: Option<&DirRecord>| match (tree, record) {
            (Some(tree), Some(record)) => tree.find_dir(&record.path),
            _ => Ok(None),
        };
        if asked.is_empty() {
            return Ok(());
        }
        let old = open(before.0, before.1)?;
        let new = open(Some(after.0), after.1)?;
        for (a, b) in asked {
            self.compare_file(
                a.map(|entry| (old.as_ref(), &*entry.name)),
                b.map(|entry| (new.as_ref(), &*entry.name)),
            )?;
        }
        Ok(())
    }

    fn compare_files(&mut self, before: Option<&Tree>, after: &Tree) -> Result<(), Failure> {
        let (mut old, mut new) = (BTreeSet::new(), BTreeSet::new());
        if let Some(before) = before {
            list_files(&before.root.dir, b"", &mut old)?;
        }
        list_files(&after.root.dir, b"", &mut new)?;
        for path in old.union(&new) {
            let (parent, name) = manifest::split_path(path).unwrap_or((b"", path));
            let find = |tree: Option<&Tree>| tree.map(|tree| tree.find_dir(parent)).transpose();
            let (a, b) = (find(before)?.flatten(), find(Some(after))?.flatten());
            self.compare_file(
                old.contains(path).then_some((a.as_ref(), name)),
                new.contains(path).then_some((b.as_ref(), name)),
            )?;
        }
        Ok(())
    }

    /// Compares what a file held with what its successor holds. A file that the tree has lost holds nothing; but if
    /// what it held is to be given up, nobody knows what that was.
    fn compare_file(&mut self, before: Option<Place<'_>>, after: Option<Place<'_>>) -> Result<(), Failure> {
        if self.monitor.is_cancelled() {
            return Err(Error::Cancelled.into());
        }
        match self.measure {
            Measure::Inodes => {
                let old = before.map(|place| self.inode(place)).transpose()?;
                let new = after.map(|place| self.inode(place)).transpose()?.flatten();
                if let Some(old) = old {
                    self.references.take(old.ok_or(Failure::Stray)?)?;
                }
                new.map_or(Ok(()), |new| self.references.add(new))
            }
            Measure::Extents(source) => {
                let old = before.map(|place| self.open(place)).transpose()?;
                let old = old.map(|old| old.ok_or(Failure::Stray)).transpose()?;
                let new = after.map(|place| self.open(place)).transpose()?.flatten();
                self.compare_extents(source, old.as_ref(), new.as_ref())
            }
        }
    }

    /// Leaves out what is the same at the same place, so that memory does not grow with the files.
    fn compare_extents(
        &mut self,
        source: AllocationSource,
        before: Option<&File>,
        after: Option<&File>,
    ) -> Result<(), Failure> {
        let (mut old, mut new) = (held(before, source)?, held(after, source)?);
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(Ok(a)), Some(Ok(b))) => a.offset_bytes.cmp(&b.offset_bytes),
                (Some(_), None) | (Some(Err(_)), Some(_)) => Ordering::Less,
                (None, Some(_)) | (Some(Ok(_)), Some(Err(_))) => Ordering::Greater,
            };
            let a = order.is_le().then(|| old.next()).flatten().transpose();
            let b = order.is_ge().then(|| new.next()).flatten().transpose();
            let (a, b) = (a.during(MAP, "a file")?, b.during(MAP, "a file")?);
            if a == b {
                continue;
            }
            if let Some(a) = a {
                self.references.take(extent(a))?;
            }
            if let Some(b) = b {
                self.references.add(extent(b))?;
            }
        }
    }

    fn open(&mut self, (dir, name): Place<'_>) -> Result<Option<File>> {
        let Some(dir) = dir else { return Ok(None) };
        self.mapped_files += 1;
        match open_regular(dir, name) {
            Err(Error::NotInBackup { .. }) => Ok(None),
            opened => opened.map(Some),
        }
    }

    fn inode(&mut self, (dir, name): Place<'_>) -> Result<Option<Piece>> {
        let Some(dir) = dir else { return Ok(None) };
        self.mapped_files += 1;
        let stat = match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(None),
            stat => stat.during("look at", shown(name))?,
        };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        let allocated_bytes = stat.st_blocks.cast_unsigned().saturating_mul(512);
        Ok(is_file.then(|| Piece::inode(stat.st_ino, allocated_bytes)))
    }
}

const MAP: &str = "map the extents of";

fn held(
    file: Option<&File>,
    source: AllocationSource,
) -> Result<Peekable<impl Iterator<Item = cow_fs::Result<Allocation>>>> {
    let held = file.map(|file| cow_fs::allocations(file, source)).transpose();
    let held = held.during(MAP, "a file")?;
    Ok(held.into_iter().flatten().peekable())
}

fn extent(held: Allocation) -> Piece {
    Piece::extent(held.start_bytes, held.len_bytes)
}

fn decode(tree: Option<&Tree>, record: Option<RawRecord>) -> Result<Option<DirRecord>> {
    let name = tree.map_or("", |tree| &tree.manifest.header().name);
    let record = record.map(|record| record.decode()).transpose();
    record.map_err(Error::manifest(name))
}

fn entries(record: Option<&DirRecord>) -> &[Entry] {
    record.map_or(&[], |record| &record.entries)
}

/// What the entries of two directories have in one place.
fn files<'a>(
    before: &'a [Entry],
    after: &'a [Entry],
    is_asked: impl Fn(Option<&Entry>, Option<&Entry>) -> bool,
) -> Vec<Pair<'a>> {
    let mut asked = Vec::new();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return asked,
            (Some(a), Some(b)) => a.name.cmp(&b.name),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
        };
        let a = order.is_le().then(|| old.next()).flatten();
        let b = order.is_ge().then(|| new.next()).flatten();
        if is_asked(a, b) {
            asked.push((a, b));
        }
    }
}

impl Measure {
    /// Whether an entry may hold anything. Further names of a file hold nothing of their own. An empty one has no
    /// extents, but on some file systems its attributes have a block.
    fn may_hold(self, entry: &Entry) -> bool {
        match entry.kind {
            Kind::File { size, .. } | Kind::Volume { size, .. } => size > 0 || self == Self::Inodes,
            _ => false,
        }
    }
}

/// The paths of all regular files beneath a directory.
fn list_files(dir: &Dir, path: &[u8], files: &mut Paths) -> Result<()> {
    for listed in dir.list().during("list", shown(path))?.iter() {
        let path = join_path(path, listed.name);
        let stat = dir.stat(listed.name).during("look at", shown(&path))?;
        match stat.kind {
            file_tree::FileType::File => drop(files.insert(path)),
            file_tree::FileType::Directory => {
                let child = dir.child(listed.name).during("open", shown(&path))?;
                list_files(&child, &path, files)?;
            }
            _ => {}
        }
    }
    Ok(())
}
