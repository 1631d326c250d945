//! Taking a file out of a chain: its child is written anew with what both have, on what they stood on.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::write::{NewDisk, Parent, WriteFormat, Writer};
use super::{ExtentKind, FileFormat, ImageFile, ParentResolver, VirtualDisk};
use crate::{Error, Result};

/// What came of [`absorb_parent`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absorbed {
    /// The file that nothing of the child needs any more.
    pub parent: PathBuf,
    /// What the child has for a parent now.
    pub grandparent: Option<PathBuf>,
}

/// Makes a differencing disk independent of its parent: what the parent has goes into it, and it stands on the parent's parent from
/// then on, or on nothing. To delete a file, this is done with each of its children.
///
/// What the disk reads as stays the same, and so does its identity, so its own children notice nothing. The grandparent's name is
/// taken over from the parent, so all three are to be in one directory, or named by absolute paths. The new file is written
/// beside the child, with `.new` behind its name, and takes its place when it is durable: whenever that is interrupted, the
/// child is whole as it was, or as it will be. A file of that name is overwritten.
///
/// # Errors
/// Whatever opening the chain, reading it and writing fails with; [`Error::ParentMissing`] for a disk that has no parent.
pub fn absorb_parent(child: &Path, format: FileFormat, parents: &dyn ParentResolver) -> Result<Absorbed> {
    let file = File::open(child).map_err(failed("open"))?;
    let disk = VirtualDisk::open(ImageFile::new(child, file), format, parents)?;
    let mut paths = disk.paths().skip(1).map(Path::to_owned);
    let Some(parent) = paths.next() else {
        return Err(Error::ParentMissing {
            child: child.to_owned(),
            names: Vec::new(),
        });
    };
    let absorbed = Absorbed {
        parent,
        grandparent: paths.next(),
    };
    let new_path = beside(child);
    let written = write_merged(&disk, &new_path);
    if written.is_err() {
        // What is left would be overwritten by the next try anyway.
        let _ = fs::remove_file(&new_path);
    }
    written?;
    // ORDER: the new file is durable by now; the rename is made so by the directory.
    fs::rename(&new_path, child).map_err(failed("rename"))?;
    let directory = child.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = File::open(directory.unwrap_or(Path::new("."))).map_err(failed("open"))?;
    directory.sync_all().map_err(failed("sync"))?;
    Ok(absorbed)
}

fn write_merged(disk: &VirtualDisk, path: &Path) -> Result<()> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let file = options.open(path).map_err(failed("create"))?;
    let parent = disk.grandparent().map(|(disk, link)| Parent { disk, link });
    let stands_alone = parent.is_none();
    let new = NewDisk {
        format: write_format(disk.format())?,
        len_bytes: disk.len_bytes(),
        id: disk.id().unwrap_or(Uuid::nil()),
        made_secs: disk.made_secs().unwrap_or_default(),
        parent,
    };
    let mut writer = Writer::create(file, new)?;
    for extent in disk.extents_of_two() {
        let extent = extent?;
        match extent.kind {
            ExtentKind::Data => writer.copy_from(disk, extent.range)?,
            ExtentKind::Zeros if !stands_alone => writer.write_zeros(extent.range)?,
            ExtentKind::Zeros | ExtentKind::Parent => {}
        }
    }
    writer.finish()
}

fn write_format(format: FileFormat) -> Result<WriteFormat> {
    match format {
        FileFormat::Vhd => Ok(WriteFormat::Vhd),
        FileFormat::Vhdx => Ok(WriteFormat::Vhdx),
        FileFormat::Qcow2 => Ok(WriteFormat::Qcow2),
        FileFormat::Raw => Err(Error::Unsupported {
            format: "raw",
            feature: "a parent".into(),
        }),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

fn failed(action: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io {
        action,
        offset_bytes: 0,
        len_bytes: 0,
        source,
    }
}
