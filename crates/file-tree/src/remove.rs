//! Removing trees.
//!
//! Goes down one directory at a time, relative to the directory above, and never recurses. Of the directories
//! it is in it keeps the nearest open and finds the others again through `..`, checked to be the very same.

use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, openat, unlinkat};
use rustix::io::Errno;

use crate::dir::open_dir_at;
use crate::error::failed;
use crate::list::Lister;
use crate::metadata::clear_protection;
use crate::name::check_name;
use crate::stat::{FileType, Identity, Stat};
use crate::{Dir, Error, Operation, Result};

/// How many of the directories above keep their descriptor.
const HELD_LEVELS: usize = 64;

/// What a removal does at the root of a btrfs subvolume inside the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subvolumes {
    /// Fails with [`Error::MountPoint`].
    Refuse,
    /// Removes what is in it, then the subvolume.
    Remove,
}

/// A directory that is being emptied.
struct Level {
    name: Box<[u8]>,
    stat: Stat,
    /// `None` for a level far above.
    dir: Option<Arc<Dir>>,
    /// Subdirectories that are still to be removed.
    subdirs: Vec<Box<[u8]>>,
}

impl Dir {
    /// Removes the entry `name` and, if it is a directory, everything beneath it.
    ///
    /// Links are removed, never followed. Directories that are not writable are made so, immutable and
    /// append-only flags are taken off, as far as permissions go. At the root of another mount it fails with
    /// [`Error::MountPoint`]; at whatever error it stops and leaves the rest. An entry that is gone already,
    /// or vanishes meanwhile, is no error.
    pub fn remove_tree(&self, name: &[u8], subvolumes: Subvolumes) -> Result<()> {
        check_name(name)?;
        let own = self.stat_self()?;
        let base = innermost(self, &own, &[]);
        match remove_entry(base, name, FileType::Unknown) {
            Ok(Removed::Gone) => return Ok(()),
            Ok(Removed::IsDirectory) => {}
            Err(errno) => return Err(Error::new(Operation::Remove, name, errno)),
        }
        let mut lister = Lister::new();
        let mut levels: Vec<Level> = Vec::new();
        let mut next: Option<Box<[u8]>> = Some(name.into());
        loop {
            if let Some(name) = next.take() {
                let above = innermost(self, &own, &levels);
                if let Some(level) = enter(above, name, subvolumes, &mut lister)? {
                    levels.push(level);
                    if let Some(far) = levels.len().checked_sub(HELD_LEVELS + 1) {
                        levels[far].dir = None;
                    }
                }
            }
            let Some(level) = levels.last_mut() else {
                return Ok(());
            };
            next = level.subdirs.pop();
            if next.is_none() {
                leave(self, &own, &mut levels)?;
            }
        }
    }
}

/// The directory that an entry is removed from.
#[derive(Clone, Copy)]
struct Containing<'a> {
    dir: &'a Dir,
    stat: &'a Stat,
    whose: Whose,
}

/// Whether a directory is part of the tree that is removed, so that its own metadata may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Tree,
    Caller,
}

/// Returns the innermost directory that is being emptied, or the caller's.
fn innermost<'a>(base: &'a Dir, base_stat: &'a Stat, levels: &'a [Level]) -> Containing<'a> {
    match levels.last() {
        Some(level) => {
            let dir = level.dir.as_deref().expect("the innermost level is always open");
            Containing {
                dir,
                stat: &level.stat,
                whose: Whose::Tree,
            }
        }
        None => Containing {
            dir: base,
            stat: base_stat,
            whose: Whose::Caller,
        },
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removed {
    Gone,
    IsDirectory,
}

/// Opens the directory `name`, removes everything in it but directories, and says which these are; `None` if
/// it is gone.
fn enter(
    above: Containing<'_>,
    name: Box<[u8]>,
    subvolumes: Subvolumes,
    lister: &mut Lister,
) -> Result<Option<Level>> {
    let error = |errno| Error::new(Operation::Remove, &name, errno);
    let dir = match open_even_if_unreadable(above.dir, &name) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(error(errno)),
    };
    let stat = Stat::of(&dir).map_err(error)?;
    let is_other_mount = stat.mount != above.stat.mount;
    if is_other_mount || (stat.dev != above.stat.dev && subvolumes == Subvolumes::Refuse) {
        return Err(Error::MountPoint { name });
    }
    let mut subdirs = Vec::new();
    lister
        .list(rustix::fd::AsFd::as_fd(&dir))
        .map_err(failed(Operation::List, &name))?;
    let containing = Containing {
        dir: &dir,
        stat: &stat,
        whose: Whose::Tree,
    };
    for listed in lister.listing.iter() {
        let removed = if listed.kind == FileType::Directory {
            Removed::IsDirectory
        } else {
            let removed = remove_entry(containing, listed.name, listed.kind);
            removed.map_err(failed(Operation::Remove, listed.name))?
        };
        if removed == Removed::IsDirectory {
            subdirs.push(listed.name.into());
        }
    }
    Ok(Some(Level {
        name,
        stat,
        dir: Some(Arc::new(dir)),
        subdirs,
    }))
}

/// Removes the last level, which is empty by now, and makes sure that the one above is open.
fn leave(base: &Dir, base_stat: &Stat, levels: &mut Vec<Level>) -> Result<()> {
    let Some(emptied) = levels.pop() else {
        return Ok(());
    };
    if let Some(Level {
        dir: above @ None,
        stat,
        name,
        ..
    }) = levels.last_mut()
    {
        let below = emptied
            .dir
            .as_deref()
            .ok_or_else(|| Error::Replaced { name: name.clone() })?;
        *above = Some(Arc::new(open_parent(below, stat.identity(), name)?));
    }
    let above = innermost(base, base_stat, levels);
    match with_permission(above, &emptied.name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // Something was added meanwhile, or a mount covers it.
        Err(errno) => Err(Error::new(Operation::Remove, &emptied.name, errno)),
    }
}

/// Opens the directory that `below` is in, if it is still the one with `identity`.
fn open_parent(below: &Dir, identity: Identity, name: &[u8]) -> Result<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let fd = openat(below, c"..", flags, Mode::empty()).map_err(failed(Operation::Open, name))?;
    let dir = Dir::from_fd(fd)?;
    if dir.stat_self()?.identity() != identity {
        return Err(Error::Replaced { name: name.into() });
    }
    Ok(dir)
}

/// Removes an entry unless it turns out to be a directory.
fn remove_entry(from: Containing<'_>, name: &[u8], kind: FileType) -> Result<Removed, Errno> {
    if kind == FileType::Unknown {
        match Stat::at(from.dir, name) {
            Ok(stat) if stat.kind == FileType::Directory => return Ok(Removed::IsDirectory),
            Ok(_) => {}
            Err(Errno::NOENT) => return Ok(Removed::Gone),
            Err(errno) => return Err(errno),
        }
    }
    match with_permission(from, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Removed::Gone),
        Err(Errno::ISDIR) => Ok(Removed::IsDirectory),
        Err(errno) => Err(errno),
    }
}

/// Removes `name`; if that is refused, takes off what may stand in the way and tries once more.
fn with_permission(from: Containing<'_>, name: &[u8], how: AtFlags) -> Result<(), Errno> {
    let remove = || unlinkat(from.dir, name, how);
    let refused = match remove() {
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => errno,
        done => return done,
    };
    // What can't be taken off shows in the second try.
    if from.whose == Whose::Tree {
        let _ = clear_protection(from.dir);
        if refused == Errno::ACCESS {
            let _ = fchmod(from.dir, Mode::RWXU);
        }
    }
    if let Ok(stat) = Stat::at(from.dir, name)
        && matches!(stat.kind, FileType::File | FileType::Directory)
        && (stat.attributes.is_immutable() || stat.attributes.is_append_only())
    {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        if let Ok(fd) = openat(from.dir, name, flags, Mode::empty()) {
            let _ = clear_protection(fd);
        }
    }
    remove()
}

/// Opens a subdirectory; one of ours that is not readable is made so first.
fn open_even_if_unreadable(above: &Dir, name: &[u8]) -> Result<Dir, Errno> {
    match open_dir_at(above, name) {
        Err(Errno::ACCESS) => {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let handle = openat(above, name, flags, Mode::empty())?;
            crate::metadata::change_mode(&handle, Mode::RWXU)?;
            open_dir_at(above, name)
        }
        opened => opened,
    }
}
