//! Block lists: the hashes of a volume's blocks in a sparse file beside it, at 32 bytes each.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use disk_image::DiskSource;
use file_tree::{Access, Dir};
use manifest::volume::{
    GROUP_BLOCKS, HASH_BYTES, VolumeHasher, ZEROS, blocks_of_group, group_count, hash_group,
    hash_volume_block,
};
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, content::block_count, join_path};

use super::{BLOCK_LIST_SUFFIX, RAW_SUFFIX, VolumeHashes, block_list_name};
use crate::durable;
use crate::error::{During as _, Result};

const WHAT: &str = "a block list";
const WHERE: &str = "the incomplete image";

/// Stands for a block that is being written; no block has this hash.
pub(super) const UNKNOWN: BlockHash = BlockHash([0xff; 32]);

/// The hashes of a volume's blocks.
#[derive(Debug)]
pub(crate) struct BlockList {
    file: File,
    size_bytes: u64,
}

impl BlockList {
    /// Takes a file for the list of a volume of this size; what it has beyond is cut off.
    pub fn new(file: File, size_bytes: u64) -> Result<Self> {
        let list = Self { file, size_bytes };
        list.file
            .set_len(block_count(size_bytes) * HASH_BYTES)
            .during("set the size of", WHAT)?;
        Ok(list)
    }

    /// Takes it for the list of a volume of another size, of which it has what is common to both.
    pub fn resized(self, size_bytes: u64) -> Result<Self> {
        Self::new(self.file, size_bytes)
    }

    /// The hash of a block.
    pub fn get(&self, index: u64) -> Result<BlockHash> {
        let mut hash = [0; HASH_BYTES as usize];
        DiskSource::read_exact_at(&self.file, &mut hash, index * HASH_BYTES).during("read", WHAT)?;
        Ok(BlockHash(hash))
    }

    /// Sets the hashes of blocks that follow each other.
    pub fn set(&self, index: u64, hashes: &[BlockHash]) -> Result<()> {
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        self.file
            .write_all_at(&bytes, index * HASH_BYTES)
            .during("write", WHAT)
    }

    /// Says of blocks that they are zeros.
    pub fn clear(&self, blocks: std::ops::Range<u64>) -> Result<()> {
        let (start, len) = (
            blocks.start * HASH_BYTES,
            (blocks.end - blocks.start) * HASH_BYTES,
        );
        if len == 0 || cow_fs::punch_hole(&self.file, start, len).is_ok() {
            return Ok(());
        }
        let zeros = vec![ZEROS; GROUP_BLOCKS as usize];
        let mut at = blocks.start;
        while at < blocks.end {
            let now = GROUP_BLOCKS.min(blocks.end - at);
            self.set(at, &zeros[..now as usize])?;
            at += now;
        }
        Ok(())
    }

    /// The hashes of a group's blocks; `None` if all are zeros.
    pub fn group(&self, group: u64) -> Result<Option<Vec<BlockHash>>> {
        let blocks = blocks_of_group(self.size_bytes, group);
        let mut bytes = vec![0; ((blocks.end - blocks.start) * HASH_BYTES) as usize];
        DiskSource::read_exact_at(&self.file, &mut bytes, blocks.start * HASH_BYTES).during("read", WHAT)?;
        if manifest::volume::is_zero(&bytes) {
            return Ok(None);
        }
        let (hashes, _) = bytes.as_chunks::<32>();
        Ok(Some(hashes.iter().map(|hash| BlockHash(*hash)).collect()))
    }

    /// The groups that are not all zeros, as far as the file's holes tell: perhaps more, never fewer.
    pub fn groups(&self) -> Result<Vec<std::ops::Range<u64>>> {
        let group_bytes = GROUP_BLOCKS * HASH_BYTES;
        let mut groups: Vec<std::ops::Range<u64>> = Vec::new();
        for extent in cow_fs::data_extents(&self.file, block_count(self.size_bytes) * HASH_BYTES) {
            let extent = extent.during("read", WHAT)?;
            let (first, end) = (
                extent.offset_bytes / group_bytes,
                extent.end_bytes().div_ceil(group_bytes),
            );
            match groups.last_mut() {
                Some(last) if first <= last.end => last.end = last.end.max(end),
                _ => groups.push(first..end),
            }
        }
        if let Some(last) = groups.last_mut() {
            last.end = last.end.min(group_count(self.size_bytes));
        }
        Ok(groups)
    }

    /// The hash of the volume.
    pub fn hash(&self) -> Result<ContentHash> {
        let mut hasher = VolumeHasher::new(self.size_bytes);
        for group in self.groups()?.into_iter().flatten() {
            if let Some(hash) = self.group(group)?.as_deref().and_then(hash_group) {
                hasher.add(group, &hash);
            }
        }
        Ok(hasher.finish())
    }

    /// The list of a volume in a growing tree, if it is there; the name is that of the raw image.
    pub fn find(in_tree: &Dir, volume: &[u8], size_bytes: u64) -> Result<Option<Self>> {
        let name = block_list_name(volume).unwrap_or_default();
        match in_tree.open_file(&name, Access::ReadWrite) {
            Err(error) if error.is_not_found() => Ok(None),
            opened => Self::new(opened.during("open", WHAT)?, size_bytes).map(Some),
        }
    }

    /// Makes the list of a volume in place of one that may be there. It begins with nothing but zeros, and gets its name when it is
    /// filled.
    pub fn make(
        in_tree: &Dir,
        volume: &[u8],
        size_bytes: u64,
        fill: impl FnOnce(&Self) -> Result<()>,
    ) -> Result<Self> {
        let name = block_list_name(volume).unwrap_or_default();
        let new = [&name[..], b".new"].concat();
        durable::remove(in_tree, &new)?;
        let file = in_tree.create_file(&new, 0o600).during("create", WHAT)?;
        let list = Self::new(file, size_bytes)?;
        fill(&list)?;
        // ORDER: a list that has its name is right.
        in_tree.rename(&new, in_tree, &name).during("write", WHAT)?;
        Ok(list)
    }

    /// Takes a file that was opened for reading for the list of a volume of this size; `None` if it has another length.
    pub fn existing(file: File, size_bytes: u64) -> Result<Option<Self>> {
        let len_bytes = file.metadata().during("look at", WHAT)?.len();
        let is_right = len_bytes == block_count(size_bytes) * HASH_BYTES;
        Ok(is_right.then_some(Self { file, size_bytes }))
    }

    /// A second way to the same list.
    pub fn try_clone(&self) -> Result<Self> {
        let file = self.file.try_clone().during("open", WHAT)?;
        Ok(Self {
            file,
            size_bytes: self.size_bytes,
        })
    }

    /// The size of the volume.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the list, of which nothing is set, that of another volume as far as both have the same blocks.
    pub fn begin_as(&self, other: &Self) -> Result<()> {
        let common = match self.size_bytes == other.size_bytes {
            true => block_count(self.size_bytes),
            // The last block of the shorter, if it is not whole, begins anew.
            false => self.size_bytes.min(other.size_bytes) / BLOCK_BYTES,
        };
        for group in other.groups()?.into_iter().flatten() {
            let first = group * GROUP_BLOCKS;
            if let Some(mut hashes) = other.group(group)? {
                hashes.truncate(common.saturating_sub(first) as usize);
                self.set(first, &hashes)?;
            }
        }
        Ok(())
    }

    /// Sets the hashes of all blocks of which a volume has data.
    pub fn take_in<S: DiskSource + ?Sized>(&self, volume: &S) -> Result<()> {
        let mut buffer = vec![0; BLOCK_BYTES as usize];
        let mut next = 0;
        while let Some(data) = volume
            .next_data(next * BLOCK_BYTES..self.size_bytes)
            .during("read", "a volume")?
        {
            let blocks = data.start / BLOCK_BYTES..data.end.div_ceil(BLOCK_BYTES);
            for index in blocks.clone() {
                let start = index * BLOCK_BYTES;
                let block = &mut buffer[..BLOCK_BYTES.min(self.size_bytes - start) as usize];
                volume.read_exact_at(block, start).during("read", "a volume")?;
                self.set(index, &[hash_volume_block(index, block)])?;
            }
            next = blocks.end.max(next + 1);
        }
        Ok(())
    }
}

/// Takes all block lists of a tree away, durably.
pub(super) fn remove_all(tree: &Dir) -> Result<()> {
    each(tree, |dir, _, list| durable::remove(dir, list))?;
    cow_fs::sync_file_system(tree).during("sync", WHERE)
}

/// Takes those block lists of a tree away that don't give the volumes' hashes.
pub(super) fn remove_wrong(tree: &Dir, right: &VolumeHashes) -> Result<()> {
    each(tree, |dir, dir_name, list| {
        let stem = list.strip_suffix(BLOCK_LIST_SUFFIX).unwrap_or(list);
        let path = join_path(dir_name, &[stem, RAW_SUFFIX].concat());
        let is_right = match right.get(&path) {
            None => false,
            Some(&(size_bytes, hash)) => {
                let file = dir.open_file(list, Access::ReadWrite).during("open", WHAT)?;
                BlockList::new(file, size_bytes)?.hash()? == hash
            }
        };
        if is_right {
            Ok(())
        } else {
            durable::remove(dir, list)
        }
    })
}

fn each(tree: &Dir, mut act: impl FnMut(&Dir, &[u8], &[u8]) -> Result<()>) -> Result<()> {
    let listing = tree.list().during("list", WHERE)?;
    for listed in listing.iter() {
        let Ok(dir) = tree.child(listed.name) else {
            continue;
        };
        let files = dir.list().during("list", WHERE)?;
        for file in files.iter().filter(|file| file.name.ends_with(BLOCK_LIST_SUFFIX)) {
            act(&dir, listed.name, file.name)?;
        }
    }
    Ok(())
}
