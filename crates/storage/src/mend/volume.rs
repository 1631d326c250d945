//! Volumes: blocks that are not what the block list says are taken from other images.

use std::fs::File;

use disk_image::DiskSource as _;
use manifest::volume::{ZEROS, blocks_of_group, group_count, hash_volume_block};
use manifest::{BLOCK_BYTES, BlockHash, Kind};

use super::candidates::nearest;
use super::place::Place;
use super::{Mending, open_root};
use crate::error::{Cause, During as _, Error, Result, shown};
use crate::image::{BlockList, right_list, split};
use crate::monitor::Monitor;
use crate::names::{BackupKind, BackupName, ClientName};
use crate::store::Store;
use crate::transfer::salvage;
use crate::tree::open_regular;

/// What became of a damaged volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MendedVolume {
    /// How many blocks have been replaced by right ones.
    pub mended_blocks: u64,
    /// The damaged blocks of which no other image has the right content.
    pub left_blocks: Vec<u64>,
}

/// A damaged block and what it should be.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    index: u64,
    hash: BlockHash,
}

/// A volume of another image.
struct Donor {
    file: File,
    list: BlockList,
}

impl Store {
    /// Reads a raw volume of a committed image, and replaces blocks that are not what its block list says by those of other images of the client
    /// that have them.
    ///
    /// Fails with [`Error::ChainedVolume`] where the volume is kept in virtual disks that stand on each other, [`Error::Corrupt`] where the
    /// block list does not give the hash that the manifest has for the volume, and otherwise as [`mend`](Store::mend).
    pub fn mend_volume(
        &self,
        client: &ClientName,
        name: &BackupName,
        path: &[u8],
        monitor: &dyn Monitor,
    ) -> Result<MendedVolume> {
        let mending = Mending::begin(&self.shared, client, name)?;
        let (path, entry) = mending.file(path)?;
        let Kind::Volume { size, hash } = entry.kind else {
            return Err(Error::invalid_entry(&path, "it is no volume"));
        };
        let (dir, file_name) = split(&path)?;
        let disk = mending.root.open_dir(dir, |_| Ok(true))?;
        let file = match open_regular(&disk, file_name) {
            Err(Error::NotInBackup { .. }) => return Err(Error::ChainedVolume { path: shown(&path) }),
            opened => opened?,
        };
        let list = right_list(&mending.root.dir, dir, file_name, size, hash)?;
        let no_proof = || Error::corrupt(shown(&path), "its block list does not say what it should be");
        let list = list.ok_or_else(no_proof)?;
        let damaged = damaged_blocks(&file, &list, &path, monitor)?;
        let donors = mending.donors(dir, file_name)?;
        let mut left_blocks = Vec::new();
        let mut found = Vec::new();
        for wanted in damaged {
            match donors.iter().find(|donor| donor.has(wanted, size)) {
                Some(donor) => found.push((wanted, donor)),
                None => left_blocks.push(wanted.index),
            }
        }
        let mended_blocks = found.len() as u64;
        let names = [path.clone()];
        if mended_blocks > 0 {
            let place = Place::prepare(&mending, &names)?;
            let new = place.create();
            let filled =
                new.and_then(|new| fill(&mending, &file, &new, &found, size).during("copy", shown(&path)));
            place.put_in_place(filled, |staged| {
                let is_right = |(wanted, _): &(Wanted, &Donor)| is_there(staged, *wanted, size);
                Ok(found.iter().all(is_right))
            })?;
        }
        if left_blocks.is_empty() {
            mending.finish(&path, size, hash)?;
        }
        Ok(MendedVolume {
            mended_blocks,
            left_blocks,
        })
    }
}

impl Mending<'_> {
    /// The raw volumes of the same path in the client's other images, those next to this one first.
    fn donors(&self, dir: &[u8], name: &[u8]) -> Result<Vec<Donor>> {
        let path = manifest::join_path(dir, name);
        let mut names = self.shared.layout.backup_names(self.client)?;
        names.retain(|name| name.kind() == BackupKind::Image);
        let mut donors = Vec::new();
        for image in nearest(names, self.name) {
            match self.donor(&image, &path, dir, name) {
                Ok(donor) => donors.extend(donor),
                Err(error) => tracing::debug!(%error, %image, "an image that has nothing to give"),
            }
        }
        Ok(donors)
    }

    fn donor(&self, image: &BackupName, path: &[u8], dir: &[u8], name: &[u8]) -> Result<Option<Donor>> {
        let manifest = self.shared.open_manifest(self.client, image)?;
        let entry = manifest.lookup(path).map_err(self.manifest_error())?;
        let Some(Kind::Volume { size, hash }) = entry.map(|entry| entry.kind) else {
            return Ok(None);
        };
        let root = open_root(self.shared, self.client, image)?;
        let file = open_regular(&root.open_dir(dir, |_| Ok(true))?, name)?;
        let list = right_list(&root.dir, dir, name, size, hash)?;
        Ok(list.map(|list| Donor { file, list }))
    }
}

impl Donor {
    /// Whether it has the right content of a block.
    fn has(&self, wanted: Wanted, size: u64) -> bool {
        self.list.get(wanted.index).is_ok_and(|hash| hash == wanted.hash)
            && is_there(&self.file, wanted, size)
    }
}

/// Whether a volume has the right content of a block; what can't be read is not right.
fn is_there(file: &File, wanted: Wanted, size: u64) -> bool {
    let mut block = vec![0; block_bytes(wanted.index, size)];
    let read = file.read_exact_at(&mut block, wanted.index * BLOCK_BYTES);
    read.is_ok() && hash_volume_block(wanted.index, &block) == wanted.hash
}

fn block_bytes(index: u64, size: u64) -> usize {
    (size - index * BLOCK_BYTES).min(BLOCK_BYTES) as usize
}

/// The blocks of a volume that are not what its list says.
fn damaged_blocks(file: &File, list: &BlockList, path: &[u8], monitor: &dyn Monitor) -> Result<Vec<Wanted>> {
    let size = list.size_bytes();
    let mut damaged = Vec::new();
    let mut block = vec![0; BLOCK_BYTES as usize];
    for group in 0..group_count(size) {
        if monitor.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let blocks = blocks_of_group(size, group);
        let bytes = blocks.start * BLOCK_BYTES..(blocks.end * BLOCK_BYTES).min(size);
        let hashes = list.group(group)?;
        if hashes.is_none()
            && file
                .next_data(bytes.clone())
                .during("read", shown(path))?
                .is_none()
        {
            // Zeros that take no space.
            continue;
        }
        for index in blocks.clone() {
            let hash = hashes
                .as_ref()
                .map_or(ZEROS, |hashes| hashes[(index - blocks.start) as usize]);
            let block = &mut block[..block_bytes(index, size)];
            salvage::read(file, block, index * BLOCK_BYTES).during("read", shown(path))?;
            if hash_volume_block(index, block) != hash {
                damaged.push(Wanted { index, hash });
            }
        }
        monitor.copied(path, bytes.end - bytes.start);
    }
    Ok(damaged)
}

/// Makes a new volume of a damaged one and the blocks that others have.
fn fill(
    mending: &Mending<'_>,
    file: &File,
    new: &File,
    found: &[(Wanted, &Donor)],
    size: u64,
) -> Result<(), Cause> {
    mending.shared.backend.copy_content(file, new)?;
    if new.metadata()?.len() != size {
        new.set_len(size)?;
    }
    for (wanted, donor) in found {
        let (at, len_bytes) = (wanted.index * BLOCK_BYTES, block_bytes(wanted.index, size) as u64);
        // Shared with the donor where extents can be.
        cow_fs::copy_range(&donor.file, at, len_bytes, new, at)?;
    }
    Ok(())
}
