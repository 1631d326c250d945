//! Raw images that nobody keeps: clones where extents can be shared, and copies of what is kept otherwise.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use disk_image::{DiskSource, Progress as _};
use rustix::fs::{Mode, OFlags};
use storage::VolumeReader;

use super::work::Work;

const COPY_BYTES: u64 = 1 << 20;

/// A file beside the backups of all clients (a backup itself is read-only) that has no name, and is gone when nobody uses it
/// any more.
pub fn file(location: &Path) -> Result<File> {
    let storage = location.ancestors().nth(2).unwrap_or(location);
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(storage, flags, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("can't make a temporary file in {}", storage.display()))?;
    Ok(File::from(file))
}

/// A raw image with what a volume has, which may be written to.
pub fn clone_of(volume: &VolumeReader, location: &Path, work: &Work) -> Result<File> {
    if let VolumeReader::Raw(raw) = volume {
        let clone = file(location)?;
        match cow_fs::clone_file(raw, &clone) {
            Ok(()) => return Ok(clone),
            Err(error) if error.copy_may_work() => {}
            Err(error) => return Err(error.into()),
        }
    }
    copy_of(volume, location, work)
}

/// The same of anything that can be read as a disk, for which all that is no hole is copied.
pub fn copy_of(source: &dyn DiskSource, location: &Path, work: &Work) -> Result<File> {
    let copy = file(location)?;
    let len_bytes = source.len_bytes()?;
    copy.set_len(len_bytes)?;
    work.begin("copying", len_bytes);
    let mut buffer = vec![0; COPY_BYTES as usize];
    let mut at = 0;
    while let Some(data) = source.next_data(at..len_bytes)? {
        work.done(data.start - at);
        at = data.start;
        while at < data.end {
            if work.is_cancelled() {
                return Err(disk_image::Error::Cancelled.into());
            }
            let piece = &mut buffer[..COPY_BYTES.min(data.end - at) as usize];
            source.read_exact_at(piece, at)?;
            copy.write_all_at(piece, at).context("can't write a copy")?;
            work.done(piece.len() as u64);
            at += piece.len() as u64;
        }
    }
    Ok(copy)
}
