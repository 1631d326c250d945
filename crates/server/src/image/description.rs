//! What committed images say of their disks.

use std::io::Read as _;

use disk_image::description::{DiskDescription, FILE_NAME, MAX_BYTES};
use manifest::Kind;
use storage::{BackupTree, VolumeReader};

use crate::error::{Error, Result};

/// The text that describes the disk whose directory this is; `None` where it is none. No more is read than a description may have, so
/// that one which is too long is found when it is parsed.
pub fn description_in(image: &BackupTree, dir: &[u8]) -> Result<Option<Vec<u8>>> {
    let path = manifest::join_path(dir, FILE_NAME.as_bytes());
    if image.manifest().lookup(&path)?.is_none() {
        return Ok(None);
    }
    let mut text = Vec::new();
    let file = image.open_file(&path)?;
    let read = file.take(MAX_BYTES as u64 + 1).read_to_end(&mut text);
    read.map_err(|source| Error::Io {
        action: "read",
        path: String::from_utf8_lossy(&path).into_owned().into(),
        source,
    })?;
    Ok(Some(text))
}

/// The disks of an image, by the names of their directories.
pub fn disks_in(image: &BackupTree) -> Result<Vec<(String, DiskDescription)>> {
    let root = image.manifest().directory(b"")?;
    let mut disks = Vec::new();
    for entry in root.iter().flat_map(|root| &root.entries) {
        if !matches!(entry.kind, Kind::Directory) {
            continue;
        }
        if let Some(text) = description_in(image, &entry.name)? {
            let disk = DiskDescription::parse(&text).map_err(Error::Disk)?;
            disks.push((String::from_utf8_lossy(&entry.name).into_owned(), disk));
        }
    }
    Ok(disks)
}

/// Opens a volume that the image lists as such: nothing else in it, and nothing beside it.
pub fn open_volume_in(image: &BackupTree, path: &str) -> Result<VolumeReader> {
    let listed = image.manifest().lookup(path.as_bytes())?;
    match listed.map(|entry| entry.kind) {
        Some(Kind::Volume { .. }) => Ok(image.open_volume(path.as_bytes())?),
        _ => Err(Error::NotFound {
            what: "such path in the backup:",
            name: path.to_owned(),
        }),
    }
}
