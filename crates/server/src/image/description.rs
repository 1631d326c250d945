//! What committed images say of their disks.

use std::io::Read as _;

use disk_image::description::{FILE_NAME, MAX_BYTES};
use storage::BackupTree;

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
