//! The structure of a growing tree: directories in manifest order.
//!
//! Each directory has a **place**. *Placed*: its base entries are in the tree already, since the tree began as a
//! snapshot, or an earlier session was there, or a link into the pool has been made a directory again. *Missing*: the
//! directory itself is there (its parent made it) and is empty, its base entries have to be carried. *Pooled*: it is a
//! link into the pool, or beneath one, and stays so as long as nothing beneath it changes.

use std::os::unix::ffi::OsStringExt as _;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use file_tree::{DeviceNumber, Dir, FileType, Subvolumes};
use manifest::delta::{Basis as DeltaBasis, DirDelta, Upsert};
use manifest::{DirRecord, Entry, Kind, RawRecord, compare_paths, is_beneath, join_path};

use super::Growing;
use super::carry::Carried;
use super::slot::{Closing, DirSlot};
use crate::attributes::DefaultAcl;
use crate::backend::Growth;
use crate::error::{During as _, Error, Result, shown, tree_errno};
use crate::watermark::Watermark;

/// What the structure's thread knows.
#[derive(Debug)]
pub(super) struct Structure {
    last_path: Option<Box<[u8]>>,
    watermark: Watermark,
    /// Directories that were links into the pool and have been made directories again, as far as they are not passed.
    unpooled: Vec<Box<[u8]>>,
    /// The link into the pool beneath which the last directory was.
    pooled: Option<Box<[u8]>>,
    /// Directories with new or changed hard links, in order.
    pub(super) link_dirs: Vec<Box<[u8]>>,
}

/// Where a directory's base entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Placed,
    Missing,
    Pooled,
}

impl Structure {
    pub fn new(watermark: Watermark) -> Self {
        Self {
            last_path: None,
            watermark,
            unpooled: Vec::new(),
            pooled: None,
            link_dirs: Vec::new(),
        }
    }

    /// Checks the order.
    fn advance(&mut self, path: &[u8]) -> Result<()> {
        if let Some(last) = self.last_path.as_deref()
            && compare_paths(last, path).is_ge()
        {
            return Err(Error::OutOfOrder {
                path: shown(path),
                previous: shown(last),
            });
        }
        match &mut self.last_path {
            Some(last) if last.len() == path.len() => last.copy_from_slice(path),
            last => *last = Some(path.into()),
        }
        Ok(())
    }

    pub(super) fn note_links(&mut self, path: &[u8]) {
        if self.link_dirs.last().is_none_or(|last| **last != *path) {
            self.link_dirs.push(path.into());
        }
    }
}

impl Growing {
    pub(super) fn same(&self, record: &RawRecord) -> Result<Vec<Box<[u8]>>> {
        let structure = &mut *self.structure.lock();
        let path = record.path();
        structure.advance(path)?;
        if self.growth == Growth::Whole || self.place(structure, path) != Place::Missing {
            return Ok(Vec::new());
        }
        structure.watermark.raise(path)?;
        let to = match self.tree.dir.open_beneath(path) {
            Ok(to) => to,
            Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. })
                if self.note_pooled(structure, path)? =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(not_listed(error, path)),
        };
        let record = record.decode().map_err(Error::manifest("of the base"))?;
        let from = self.find_base(path)?;
        let slot = self.slot(path, to, from, Place::Missing)?;
        let mut lost = Vec::new();
        for entry in record.entries {
            if self.carry(structure, &slot, &entry)? == Carried::Lost {
                lost.push(entry.name);
            }
        }
        slot.close()?;
        Ok(lost)
    }

    pub(super) fn directory(
        &self,
        delta: &DirDelta,
        merged: &DirRecord,
        base: Option<&DirRecord>,
    ) -> Result<Arc<DirSlot>> {
        check(delta)?;
        let structure = &mut *self.structure.lock();
        let path = &*delta.path;
        structure.advance(path)?;
        if let Some(retold) = &self.retold {
            retold.add(path)?;
        }
        structure.watermark.raise(path)?;
        let (to, place) = self.enter(structure, path)?;
        let builds_on = base.filter(|_| delta.basis == DeltaBasis::Delta);
        let from = match (place, builds_on) {
            (Place::Missing, Some(_)) => self.find_base(path)?,
            _ => None,
        };
        let mut slot = self.slot(path, to, from, place)?;
        if let Some(metadata) = &delta.metadata {
            slot.closing.mtime = Some(metadata.mtime);
        }
        match (delta.basis, place) {
            (DeltaBasis::Complete, _) => self.remove_unlisted(&slot, merged)?,
            (DeltaBasis::Delta, Place::Missing) => {
                if self.is_resumed {
                    // An earlier session may have taken it out of the pool together with one above it.
                    self.remove_unlisted(&slot, merged)?;
                }
                slot.lost = self.carry_rest(structure, &slot, delta, merged)?;
            }
            (DeltaBasis::Delta, _) => {
                for name in &delta.removed {
                    self.clear(&slot.dir, path, name)?;
                }
            }
        }
        let mut pending = 0;
        for upsert in &delta.upserts {
            pending += usize::from(upsert.pending.is_some());
            let old = builds_on.and_then(|base| base.find(&upsert.entry.name));
            match self.upsert(structure, &slot, upsert, old) {
                Err(Error::NoBase { path }) => {
                    self.tally.lost(path.into_os_string().into_vec().into());
                    slot.lost.push(upsert.entry.name.clone());
                }
                done => done?,
            }
        }
        slot.lost.sort_unstable();
        slot.pending = AtomicUsize::new(pending);
        if pending == 0 {
            slot.close()?;
        }
        Ok(Arc::new(slot))
    }

    /// Opens a directory of the tree that is to be changed; a link into the pool becomes a directory for it.
    fn enter(&self, structure: &mut Structure, path: &[u8]) -> Result<(Dir, Place)> {
        let mut place = self.place(structure, path);
        let opened = match self.tree.dir.open_beneath(path) {
            Err(file_tree::Error::SymbolicLink { .. } | file_tree::Error::NotDirectory { .. }) => {
                let Some((end, pool)) = self.tree.find_link(path)? else {
                    return Err(Error::invalid_entry(
                        path,
                        "its parent does not list it as a directory",
                    ));
                };
                self.unpool(&path[..end], &pool)?;
                structure.unpooled.push(path[..end].into());
                structure.pooled = None;
                place = Place::Placed;
                self.tree.dir.open_beneath(path)
            }
            opened => opened,
        };
        Ok((opened.map_err(|error| not_listed(error, path))?, place))
    }

    fn place(&self, structure: &mut Structure, path: &[u8]) -> Place {
        structure
            .unpooled
            .retain(|of| is_beneath(path, of) || compare_paths(path, of).is_lt());
        let is_placed = self.growth == Growth::Whole
            || self
                .placed_until
                .as_deref()
                .is_some_and(|until| compare_paths(path, until).is_le())
            || structure.unpooled.iter().any(|of| is_beneath(path, of));
        if is_placed {
            return Place::Placed;
        }
        if structure.pooled.as_deref().is_some_and(|of| is_beneath(path, of)) {
            return Place::Pooled;
        }
        structure.pooled = None;
        Place::Missing
    }

    /// Whether a directory that can't be entered is a link into the pool; remembers it for what is beneath.
    fn note_pooled(&self, structure: &mut Structure, path: &[u8]) -> Result<bool> {
        match self.tree.find_link(path)? {
            Some((end, _)) => {
                structure.pooled = Some(path[..end].into());
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// Makes a slot that closes with the directory's present time of modification.
    pub(super) fn slot(&self, path: &[u8], dir: Dir, base: Option<Dir>, place: Place) -> Result<DirSlot> {
        let mtime = match path {
            b"" => None,
            _ => Some(dir.stat_self().during("look at", shown(path))?.mtime),
        };
        let acl = DefaultAcl::take(&dir).during("set the access list of", shown(path))?;
        Ok(DirSlot {
            path: path.into(),
            dir,
            base,
            is_placed: place == Place::Placed,
            lost: Vec::new(),
            pending: AtomicUsize::new(0),
            closing: Closing { mtime, acl },
        })
    }

    /// Removes what is in the directory and not in its record. In a directory that was just made nothing can be.
    fn remove_unlisted(&self, slot: &DirSlot, record: &DirRecord) -> Result<()> {
        if self.growth == Growth::PerEntry && !self.is_resumed && !slot.is_placed {
            return Ok(());
        }
        let listing = slot.dir.list().during("list", shown(&slot.path))?;
        for listed in listing.iter().filter(|listed| record.find(listed.name).is_none()) {
            self.clear(&slot.dir, &slot.path, listed.name)?;
        }
        Ok(())
    }

    fn upsert(
        &self,
        structure: &mut Structure,
        slot: &DirSlot,
        upsert: &Upsert,
        old: Option<&Entry>,
    ) -> Result<()> {
        let entry = &upsert.entry;
        match &entry.kind {
            Kind::File { .. } if upsert.pending.is_some() => Ok(()),
            Kind::File { size: 0, .. } if old.is_none_or(|old| old.size() != 0 || old.hash().is_none()) => {
                let file = self.create(slot, &entry.name, entry.metadata.mode)?;
                self.apply_new(&file, &entry.metadata, &slot.path, &entry.name)
            }
            Kind::File { .. } => self.keep_content(slot, entry),
            Kind::Directory => self.make_dir(structure, slot, entry, old),
            Kind::HardLink { .. } => {
                structure.note_links(&slot.path);
                Ok(())
            }
            Kind::Volume { .. } => Err(no_volumes(&join_path(&slot.path, &entry.name))),
            Kind::Symlink { .. } | Kind::Fifo | Kind::CharDevice { .. } | Kind::BlockDevice { .. } => {
                self.make_special(slot, entry)
            }
        }
    }

    /// Makes a subdirectory, or gives the one that is there its metadata.
    pub(super) fn make_dir(
        &self,
        structure: &mut Structure,
        slot: &DirSlot,
        entry: &Entry,
        old: Option<&Entry>,
    ) -> Result<()> {
        let (path, name) = (&*slot.path, &*entry.name);
        let created = match slot.dir.create_dir(name, 0o700) {
            Err(file_tree::Error::Exists { .. }) => {
                let kind = slot.dir.stat(name).during_entry("look at", path, name)?.kind;
                let full_path = join_path(path, name);
                let pooled = match kind {
                    FileType::Symlink if old.is_some_and(Entry::is_directory) => {
                        self.tree.pool_at(&slot.dir, name, &full_path)
                    }
                    _ => None,
                };
                match (kind, pooled) {
                    (FileType::Directory, _) => {}
                    (_, Some(pool)) => {
                        self.unpool(&full_path, &pool)?;
                        structure.unpooled.push(full_path);
                    }
                    _ => self.clear(&slot.dir, path, name)?,
                }
                match slot.dir.child(name) {
                    Err(error) if error.is_not_found() => slot.dir.create_dir(name, 0o700),
                    opened => opened,
                }
            }
            created => created,
        };
        let dir = created.during_entry("create", path, name)?;
        self.tallied(self.attributes.apply_dir(&dir, &entry.metadata), path, name)
    }

    /// Makes a symbolic link, FIFO or device node.
    pub(super) fn make_special(&self, slot: &DirSlot, entry: &Entry) -> Result<()> {
        let (dir, path, name, mode) = (&slot.dir, &*slot.path, &*entry.name, entry.metadata.mode);
        self.clear(dir, path, name)?;
        let device = |kind, major, minor| dir.create_device(name, mode, kind, DeviceNumber { major, minor });
        let made = match &entry.kind {
            Kind::Symlink { target } => dir.create_symlink(name, target),
            Kind::Fifo => dir.create_fifo(name, mode),
            Kind::CharDevice { major, minor } => device(file_tree::DeviceKind::Char, *major, *minor),
            Kind::BlockDevice { major, minor } => device(file_tree::DeviceKind::Block, *major, *minor),
            Kind::File { .. } | Kind::Volume { .. } | Kind::Directory | Kind::HardLink { .. } => {
                return Err(Error::invalid_entry(
                    &join_path(path, name),
                    "it is no special file",
                ));
            }
        };
        match made {
            Ok(()) => self.tallied(self.attributes.apply_at(dir, name, &entry.metadata), path, name),
            // Without the right, or on a file system that has no such thing, it is in the manifest only.
            Err(error) if is_impossible(&error) => {
                self.tally.absent();
                Ok(())
            }
            Err(error) => Err(error).during_entry("create", path, name),
        }
    }

    /// Removes whatever has the name.
    pub(super) fn clear(&self, dir: &Dir, path: &[u8], name: &[u8]) -> Result<()> {
        if self.growth == Growth::Whole {
            match dir.stat(name) {
                Ok(stat) if stat.kind != FileType::Directory && stat.nlink > 1 => self.split_links(),
                Ok(_) => {}
                Err(error) if error.is_not_found() => return Ok(()),
                Err(error) => return Err(error).during_entry("look at", path, name),
            }
        }
        match dir.remove(name) {
            Err(error) if error.is_not_found() => Ok(()),
            // A directory, or a name that is refused there too.
            Err(_) => dir
                .remove_tree(name, Subvolumes::Refuse)
                .during_entry("remove", path, name),
            Ok(()) => Ok(()),
        }
    }
}

/// Whether a special file can't be made here: no right to, no such thing, or a device number that the file system can't
/// hold (XFS has 18 bits for the minor).
fn is_impossible(error: &file_tree::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        tree_errno(error),
        Some(Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL)
    )
}

/// Checks everything in a delta that names a place: it comes from a client.
fn check(delta: &DirDelta) -> Result<()> {
    let invalid = |name: &[u8]| Error::InvalidEntry {
        path: shown(&[&*delta.path, b"/", name].concat()),
        reason: "its name or target is no valid name or path",
    };
    manifest::check_path(&delta.path).map_err(|_| Error::InvalidEntry {
        path: shown(&delta.path),
        reason: "it is no valid path",
    })?;
    for upsert in &delta.upserts {
        let name = &*upsert.entry.name;
        manifest::check_name(name).map_err(|_| invalid(name))?;
        if let Kind::HardLink { target } = &upsert.entry.kind {
            manifest::check_path(target)
                .ok()
                .filter(|()| !target.is_empty())
                .ok_or_else(|| invalid(name))?;
        }
        if upsert.pending.is_some() && !matches!(upsert.entry.kind, Kind::File { .. }) {
            return Err(Error::invalid_entry(
                name,
                "it is announced as a file and is none",
            ));
        }
    }
    for name in &delta.removed {
        manifest::check_name(name).map_err(|_| invalid(name))?;
    }
    Ok(())
}

/// A directory that is not where its parent should have made it.
fn not_listed(error: file_tree::Error, path: &[u8]) -> Error {
    match error {
        file_tree::Error::NotFound { .. }
        | file_tree::Error::NotDirectory { .. }
        | file_tree::Error::SymbolicLink { .. } => {
            Error::invalid_entry(path, "its parent does not list it as a directory")
        }
        error => Error::new("open", shown(path), error),
    }
}

/// Volumes are part of image backups, which come another way.
pub(super) fn no_volumes(path: &[u8]) -> Error {
    Error::invalid_entry(path, "a file backup has no volumes")
}
