//! Reading metadata.

use manifest::{InodeFlags, Metadata};

use crate::error::failed;
use crate::stat::{Attributes, FileType, Stat};
use crate::{Names, Operation, Result};

use super::handle::Handle;
use super::{Target, xattr};

/// Reads everything that is kept of an entry beside its content. What `stat` says is taken from there.
///
/// Fails if the attributes can't be read, also with [`Error::NotFound`](crate::Error::NotFound) if the entry
/// is gone. A file system without attributes or flags has none.
pub fn read<'a>(target: impl Into<Target<'a>>, stat: &Stat, names: &Names) -> Result<Metadata> {
    let target = target.into();
    let handle = Handle::for_reading(target, stat.kind)?;
    let xattrs = xattr::all(&handle).map_err(failed(Operation::ReadMetadata, target.name()))?;
    Ok(Metadata {
        flags: flags(&handle, stat),
        xattrs,
        ..without_attributes(stat, names)
    })
}

/// Makes metadata from a stat alone: without extended attributes, and with the flags that statx reports.
pub fn without_attributes(stat: &Stat, names: &Names) -> Metadata {
    Metadata {
        mode: stat.mode.into(),
        uid: stat.uid,
        gid: stat.gid,
        user: names.user(stat.uid),
        group: names.group(stat.gid),
        mtime: stat.mtime,
        ctime: stat.ctime,
        ino: stat.ino,
        flags: reported_flags(stat.attributes),
        xattrs: Vec::new(),
        opaque: Box::default(),
    }
}

fn flags(handle: &Handle<'_>, stat: &Stat) -> InodeFlags {
    if !matches!(stat.kind, FileType::File | FileType::Directory) {
        return InodeFlags::default();
    }
    match handle.flags() {
        Ok(flags) => InodeFlags::from_kernel(flags.bits()),
        // No flags here, or not readable: statx shows those that matter most.
        Err(_) => reported_flags(stat.attributes),
    }
}

fn reported_flags(attributes: Attributes) -> InodeFlags {
    let reported = [
        (attributes.is_immutable(), InodeFlags::IMMUTABLE),
        (attributes.is_append_only(), InodeFlags::APPEND),
        (attributes.is_nodump(), InodeFlags::NODUMP),
        (attributes.is_compressed(), InodeFlags::COMPRESS),
    ];
    InodeFlags(
        reported
            .iter()
            .filter(|(is_set, _)| *is_set)
            .fold(0, |bits, (_, flag)| bits | flag.0),
    )
}
