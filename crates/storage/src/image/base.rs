//! The last image, and its volumes that new ones grow from.

use std::os::unix::fs::FileExt as _;

use disk_image::DiskSource as _;
use file_tree::Dir;
use manifest::{BLOCK_BYTES, ContentHash};

use super::block_list::BlockList;
use super::{VolumeOf, VolumeReader, block_list_name};
use crate::durable::{self, find_dir, find_file};
use crate::error::{Cause, During as _, Error, Result, shown};
use crate::names::BackupName;
use crate::usage::Reading;

/// A block list that has no name any more is made under this one.
const UNNAMED_LIST: &[u8] = b".base-blocks.new";

/// The last image, open while volumes are carried from it.
#[derive(Debug)]
pub(super) struct BaseImage {
    pub name: BackupName,
    pub dir: Dir,
    /// Where the client's backups are.
    pub backups: Dir,
    pub _reading: Reading,
}

/// A volume of the last image.
#[derive(Debug)]
pub(super) struct BaseVolume {
    pub image: BackupName,
    pub content: VolumeReader,
    /// The hashes of its blocks as they are.
    pub list: BlockList,
}

impl BaseImage {
    /// Opens a volume for reading; `None` where there is none such.
    pub fn open_volume(&self, dir: &[u8], name: &[u8]) -> Result<Option<VolumeReader>> {
        let volume = VolumeOf {
            backups: &self.backups,
            dir,
            name,
        };
        volume.open(self.name.as_str(), &self.dir)
    }

    /// Opens a volume of which the manifest has size and hash, with its block list; that is made anew in `work` where it isn't right.
    ///
    /// `None` where there is no such volume, or it can't be read: then nothing can grow from it.
    pub fn volume(
        &self,
        dir: &[u8],
        name: &[u8],
        known: Option<(u64, ContentHash)>,
        work: &Dir,
    ) -> Option<BaseVolume> {
        let content = match self.open_volume(dir, name) {
            Ok(content) => content?,
            Err(error) => return self.without(&error),
        };
        match self.list(dir, name, known, work, &content) {
            Ok(list) => Some(BaseVolume {
                image: self.name.clone(),
                content,
                list,
            }),
            Err(error) => self.without(&error),
        }
    }

    fn without(&self, error: &Error) -> Option<BaseVolume> {
        tracing::warn!(base = %self.name, %error, "a volume can't be read; the new image gets all of it");
        None
    }

    /// The list that lies beside a volume, if it gives the hash that is known of that.
    pub fn right_list(
        &self,
        dir: &[u8],
        name: &[u8],
        known: Option<(u64, ContentHash)>,
        size_bytes: u64,
    ) -> Result<Option<BlockList>> {
        match known {
            Some((known_bytes, hash)) if known_bytes == size_bytes => {
                right_list(&self.dir, dir, name, size_bytes, hash)
            }
            _ => Ok(None),
        }
    }

    fn list(
        &self,
        dir: &[u8],
        name: &[u8],
        known: Option<(u64, ContentHash)>,
        work: &Dir,
        content: &VolumeReader,
    ) -> Result<BlockList> {
        let len_bytes = content.len_bytes().during("look at", shown(name))?;
        if let Some(list) = self.right_list(dir, name, known, len_bytes)? {
            return Ok(list);
        }
        let list = unnamed_list(work, len_bytes)?;
        list.take_in(content)?;
        Ok(list)
    }
}

/// A list of nothing but zeros that has no name any more.
pub(super) fn unnamed_list(work: &Dir, size_bytes: u64) -> Result<BlockList> {
    durable::remove(work, UNNAMED_LIST)?;
    let file = work
        .create_file(UNNAMED_LIST, 0o600)
        .during("create", "a block list")?;
    durable::remove(work, UNNAMED_LIST)?;
    BlockList::new(file, size_bytes)
}

/// The list that lies beside a volume in an image's tree, if it gives the volume's hash.
pub(crate) fn right_list(
    tree: &Dir,
    dir: &[u8],
    name: &[u8],
    size_bytes: u64,
    hash: ContentHash,
) -> Result<Option<BlockList>> {
    if let Some(list_name) = block_list_name(name)
        && let Some(in_tree) = find_dir(tree, dir)?
        && let Some(file) = find_file(&in_tree, &list_name)?
        && let Some(list) = BlockList::existing(file, size_bytes)?
        && list.hash()? == hash
    {
        return Ok(Some(list));
    }
    Ok(None)
}

/// Writes into an empty file what a volume has, with its holes.
pub(super) fn copy(volume: &VolumeReader, to: &std::fs::File) -> Result<(), Cause> {
    let len_bytes = volume.len_bytes()?;
    let mut buffer = vec![0; BLOCK_BYTES as usize];
    let mut at = 0;
    while let Some(data) = volume.next_data(at..len_bytes)? {
        at = data.start;
        while at < data.end {
            let piece = BLOCK_BYTES.min(data.end - at) as usize;
            volume.read_exact_at(&mut buffer[..piece], at)?;
            to.write_all_at(&buffer[..piece], at)?;
            at += piece as u64;
        }
    }
    Ok(to.set_len(len_bytes)?)
}
