//! Block lists: the hashes of a volume's blocks in a sparse file beside it, at 32 bytes each.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use file_tree::{Access, Dir};
use manifest::volume::{
    GROUP_BLOCKS, HASH_BYTES, VolumeHasher, ZEROS, blocks_of_group, group_count, hash_group,
    hash_volume_block,
};
use manifest::{BLOCK_BYTES, BlockHash, ContentHash, content::block_count, join_path};

use super::{BLOCK_LIST_SUFFIX, RAW_SUFFIX, VolumeHashes};
use crate::durable;
use crate::error::{During as _, Result};

const WHAT: &str = "a block list";
const WHERE: &str = "the incomplete image";

/// Stands for a block that is being written; no block has this hash.
pub(super) const UNKNOWN: BlockHash = BlockHash([0xff; 32]);

/// The hashes of a volume's blocks.
#[derive(Debug)]
pub(super) struct BlockList {
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
        self.file
            .read_exact_at(&mut hash, index * HASH_BYTES)
            .during("read", WHAT)?;
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
        self.file
            .read_exact_at(&mut bytes, blocks.start * HASH_BYTES)
            .during("read", WHAT)?;
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

    /// Makes the list anew from the volume.
    pub fn rebuild(&self, raw: &File) -> Result<()> {
        self.clear(0..block_count(self.size_bytes))?;
        let mut buffer = vec![0; BLOCK_BYTES as usize];
        let mut next = 0;
        for extent in cow_fs::data_extents(raw, self.size_bytes) {
            let extent = extent.during("read", "a volume")?;
            let blocks =
                (extent.offset_bytes / BLOCK_BYTES).max(next)..extent.end_bytes().div_ceil(BLOCK_BYTES);
            for index in blocks.clone() {
                let start = index * BLOCK_BYTES;
                let block = &mut buffer[..BLOCK_BYTES.min(self.size_bytes - start) as usize];
                raw.read_exact_at(block, start).during("read", "a volume")?;
                self.set(index, &[hash_volume_block(index, block)])?;
            }
            next = next.max(blocks.end);
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
