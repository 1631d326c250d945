//! What a differencing disk says of its parent, who opens that, and whether it is the right one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use uuid::Uuid;

use super::{FileFormat, ImageFile, Layer, VirtualDisk};
use crate::{Error, Result};

/// What a differencing disk says of its parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentLink {
    /// What the parent is written in.
    pub format: FileFormat,
    /// Its names: paths as other systems write them too, the likeliest first. Not to be trusted.
    pub names: Vec<String>,
    /// It has one of these ids ([`VirtualDisk::id`](super::VirtualDisk::id)); none where the format knows of none.
    pub ids: Vec<Uuid>,
}

impl ParentLink {
    /// Leads to a disk whose first file has a name.
    pub fn to(disk: &VirtualDisk, name: impl Into<String>) -> Self {
        Self {
            format: disk.format(),
            names: vec![name.into()],
            ids: disk.id().into_iter().collect(),
        }
    }
}

/// The parent that is asked for.
#[derive(Debug)]
pub struct ParentWanted<'a> {
    /// The path of the differencing disk.
    pub child: &'a Path,
    /// What it says.
    pub link: &'a ParentLink,
}

/// Opens the parents of differencing disks, of those files that may be read.
pub trait ParentResolver {
    /// Opens the parent; `None` where there is none such.
    fn resolve(&self, wanted: &ParentWanted<'_>) -> io::Result<Option<ImageFile>>;
}

impl<F: Fn(&ParentWanted<'_>) -> io::Result<Option<ImageFile>>> ParentResolver for F {
    fn resolve(&self, wanted: &ParentWanted<'_>) -> io::Result<Option<ImageFile>> {
        self(wanted)
    }
}

/// Finds no parent: for disks that must stand alone.
#[derive(Debug, Clone, Copy)]
pub struct NoParents;

impl ParentResolver for NoParents {
    fn resolve(&self, _: &ParentWanted<'_>) -> io::Result<Option<ImageFile>> {
        Ok(None)
    }
}

/// Finds parents in the directory of their child, by the last part of their names.
///
/// What is no regular file there is not opened, and no link is followed.
#[derive(Debug, Clone, Copy)]
pub struct SameDirectory;

impl ParentResolver for SameDirectory {
    fn resolve(&self, wanted: &ParentWanted<'_>) -> io::Result<Option<ImageFile>> {
        let directory = wanted.child.parent().unwrap_or(Path::new(""));
        for name in &wanted.link.names {
            let Some(name) = last_part(name) else { continue };
            let path: PathBuf = directory.join(name);
            // Opening a pipe must not wait for its other end.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            match rustix::fs::open(&path, flags, Mode::empty()) {
                Ok(file) => {
                    let file = File::from(file);
                    if file.metadata()?.is_file() {
                        return Ok(Some(ImageFile::new(path, file)));
                    }
                }
                Err(Errno::NOENT | Errno::LOOP) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(None)
    }
}

/// A file's name, out of a path of any system.
fn last_part(name: &str) -> Option<&str> {
    let last = name.rsplit(['/', '\\', ':']).next()?;
    (!last.is_empty() && last != "." && last != ".." && !last.contains('\0')).then_some(last)
}

pub(super) fn resolve(child: &Path, link: &ParentLink, parents: &dyn ParentResolver) -> Result<ImageFile> {
    let found = parents.resolve(&ParentWanted { child, link });
    let found = found.map_err(|source| Error::Parent {
        child: child.to_owned(),
        source,
    })?;
    found.ok_or_else(|| Error::ParentMissing {
        child: child.to_owned(),
        names: link.names.clone(),
    })
}

/// Fails unless what was found is what was asked for.
pub(super) fn check(child: &Layer, link: &ParentLink, found: &Layer) -> Result<()> {
    let other = |reason: String| Error::OtherParent {
        child: child.path.clone(),
        parent: found.path.clone(),
        reason,
    };
    if let Some(id) = found.image.id()
        && !link.ids.contains(&id)
    {
        let wanted: Vec<String> = link.ids.iter().map(Uuid::to_string).collect();
        return Err(other(format!(
            "its id is {id} instead of {}",
            wanted.join(" or ")
        )));
    }
    // A disk may have grown since, but none shrinks.
    let (own, parents) = (child.image.len_bytes(), found.image.len_bytes());
    if parents > own {
        return Err(other(format!(
            "it has {parents} bytes, more than the {own} of the child"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parents_file_is_named_by_the_last_part_of_its_path() {
        for (name, last) in [
            ("base.vhd", Some("base.vhd")),
            (".\\base.vhd", Some("base.vhd")),
            ("C:\\disks\\base.vhd", Some("base.vhd")),
            ("/etc/passwd", Some("passwd")),
            ("..", None),
            ("a/..", None),
            ("", None),
            ("base\0", None),
        ] {
            assert_eq!(last_part(name), last, "{name:?}");
        }
    }
}
