//! Reading volumes of committed images, whatever they are kept in.
//!
//! A differencing file names the image that it stands on as `../../NAME/DISK/FILE`. Of that only NAME counts: the parent is the same
//! volume of that image of the same client, and nothing else is ever opened.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use disk_image::DiskSource;
use disk_image::virtual_disk::{ImageFile, NoParents, ParentWanted, VirtualDisk};
use file_tree::Dir;

use super::{VolumeFormat, split};
use crate::durable::{find_dir, find_file};
use crate::error::{During as _, Error, Result, shown};
use crate::names::BackupName;

/// So often a chain is opened anew, of which an image was deleted just then.
const TRIES: usize = 16;

/// A volume of a committed image, open for reading.
#[derive(Debug)]
pub enum VolumeReader {
    /// A raw image.
    Raw(File),
    /// A virtual disk and those that it stands on.
    Virtual(VirtualDisk),
}

impl VolumeReader {
    /// What the volume is kept in.
    pub fn format(&self) -> VolumeFormat {
        match self {
            Self::Raw(_) => VolumeFormat::Raw,
            Self::Virtual(disk) => VolumeFormat::of_read(disk.format()),
        }
    }

    /// The image that it stands on; none where all of it is here.
    pub fn parent(&self) -> Option<String> {
        let Self::Virtual(disk) = self else { return None };
        // Each path begins with the image's name.
        let parent = disk.paths().nth(1)?.iter().next()?;
        Some(parent.to_string_lossy().into_owned())
    }
}

impl DiskSource for VolumeReader {
    fn len_bytes(&self) -> io::Result<u64> {
        match self {
            Self::Raw(file) => DiskSource::len_bytes(file),
            Self::Virtual(disk) => DiskSource::len_bytes(disk),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        match self {
            Self::Raw(file) => DiskSource::read_exact_at(file, buffer, offset_bytes),
            Self::Virtual(disk) => disk.read_exact_at(buffer, offset_bytes),
        }
    }

    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        match self {
            Self::Raw(file) => file.next_data(within),
            Self::Virtual(disk) => disk.next_data(within),
        }
    }

    fn file(&self) -> Option<&File> {
        match self {
            Self::Raw(file) => Some(file),
            Self::Virtual(_) => None,
        }
    }
}

/// A volume of a client: it has the same path in all of its images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VolumeOf<'a> {
    /// Where the client's backups are.
    pub backups: &'a Dir,
    /// The disk.
    pub dir: &'a [u8],
    /// The name of its raw image.
    pub name: &'a [u8],
}

impl VolumeOf<'_> {
    /// Opens the volume of an image whose tree is given; `None` if it has none such.
    pub fn open(self, image: &str, tree: &Dir) -> Result<Option<VolumeReader>> {
        let Some(disk) = find_dir(tree, self.dir)? else {
            return Ok(None);
        };
        if let Some(file) = find_regular(&disk, self.name)? {
            return Ok(Some(VolumeReader::Raw(file)));
        }
        let mut tries = 0;
        loop {
            match self.open_chain(image, &disk) {
                // Its parent was deleted between the opening of the two. Before that happens a child has been replaced.
                Err(disk_image::Error::ParentMissing { .. }) if tries < TRIES => tries += 1,
                opened => {
                    let opened = opened.map_err(|error| Error::disk("open", self.path(image), error))?;
                    return Ok(opened.map(VolumeReader::Virtual));
                }
            }
        }
    }

    fn open_chain(self, image: &str, disk: &Dir) -> disk_image::Result<Option<VirtualDisk>> {
        for format in VolumeFormat::CHAINED {
            if let Some(file) = self.file(image, disk, format)? {
                return VirtualDisk::open(file, format.to_read(), &|wanted: &ParentWanted<'_>| {
                    self.resolve(wanted)
                })
                .map(Some);
            }
        }
        Ok(None)
    }

    fn file(self, image: &str, disk: &Dir, format: VolumeFormat) -> disk_image::Result<Option<ImageFile>> {
        let name = format.file_name(self.name);
        let path = PathBuf::from(image).join(shown(self.dir)).join(shown(&name));
        match find_regular(disk, &name) {
            Ok(file) => Ok(file.map(|file| ImageFile::new(path, file))),
            Err(error) => Err(disk_image::Error::Parent {
                child: path,
                source: io::Error::other(error),
            }),
        }
    }

    /// Finds what a file stands on.
    pub fn resolve(self, wanted: &ParentWanted<'_>) -> io::Result<Option<ImageFile>> {
        let format = VolumeFormat::of_read(wanted.link.format);
        let Some(image) = image_named(&wanted.link.names).filter(|_| format != VolumeFormat::Raw) else {
            return Ok(None);
        };
        let tree = find_dir(self.backups, image.as_bytes()).map_err(io::Error::other)?;
        let disk = tree.map(|tree| find_dir(&tree, self.dir)).transpose();
        let Some(disk) = disk.map_err(io::Error::other)?.flatten() else {
            return Ok(None);
        };
        self.file(image.as_str(), &disk, format).map_err(io::Error::other)
    }

    /// For messages.
    pub fn path(self, image: &str) -> PathBuf {
        PathBuf::from(image).join(shown(self.dir)).join(shown(self.name))
    }
}

/// Which image a file of a chained format stands on by what it says. Nothing else is opened.
pub(crate) fn parent_of(file: File, format: VolumeFormat, path: &Path) -> Result<Option<BackupName>> {
    match VirtualDisk::open(ImageFile::new(path, file), format.to_read(), &NoParents) {
        Ok(_) => Ok(None),
        Err(disk_image::Error::ParentMissing { names, .. }) => Ok(image_named(&names)),
        Err(error) => Err(Error::disk("open", path, error)),
    }
}

/// The image that a parent's names lead into.
fn image_named(names: &[String]) -> Option<BackupName> {
    let mut parts = names.iter().flat_map(|name| name.split(['/', '\\']));
    parts.find_map(|part| BackupName::from_file_name(part.as_bytes()))
}

fn find_regular(dir: &Dir, name: &[u8]) -> Result<Option<File>> {
    let Some(file) = find_file(dir, name)? else {
        return Ok(None);
    };
    let is_file = file.metadata().during("look at", shown(name))?.is_file();
    Ok(is_file.then_some(file))
}

/// Opens a volume of an image that lies in a directory of a storage, by whoever may read that: the server need not know. The
/// path is that in the manifest.
///
/// Fails with [`Error::NotInBackup`] where there is none such.
pub fn open_volume_at(location: &Path, path: &[u8]) -> Result<VolumeReader> {
    let missing = || Error::NotInBackup { path: shown(path) };
    let image = location.file_name().ok_or_else(missing)?;
    let backups = location.parent().ok_or_else(missing)?;
    let backups = Dir::open(backups).during("open", backups)?;
    let tree = find_dir(&backups, image.as_encoded_bytes())?.ok_or_else(missing)?;
    let (dir, name) = split(path)?;
    let volume = VolumeOf {
        backups: &backups,
        dir,
        name,
    };
    volume.open(&image.to_string_lossy(), &tree)?.ok_or_else(missing)
}
