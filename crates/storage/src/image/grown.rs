//! Volumes of chained formats: what an image brings grows in a file of its own, and becomes a virtual disk at the commit.
//!
//! The *delta* is a sparse file outside of the tree that has the blocks which were written; the block list in the tree is complete. A
//! block whose hash in both lists is the same is the base's; one that is [`ZEROS`] is zeros; any other is in the delta. So a
//! list that is made anew begins as the base's and has of the delta what that has, whatever became of the old one.
//!
//! At the commit each delta is turned into a virtual disk in the tree that stands on the base's, or on nothing. The deltas stay
//! until the image is committed: whatever happens before leaves it as it was.

use std::fs::File;
use std::sync::Arc;

use disk_image::DiskSource as _;
use disk_image::virtual_disk::ParentLink;
use disk_image::virtual_disk::write::{NewDisk, Parent, Writer};
use file_tree::Dir;
use manifest::volume::{GROUP_BLOCKS, ZEROS, group_count, hash_volume_block, is_zero};
use manifest::{BLOCK_BYTES, BlockHash};

use super::base::BaseVolume;
use super::block_list::BlockList;
use super::volume::resize;
use super::{Found, ImageIngest, VolumeFormat, VolumeReader, block_list_name, open_or_create};
use crate::durable;
use crate::error::{During as _, Error, Result, shown};

/// The directory of the deltas.
const DELTAS: &[u8] = b"deltas";
/// So many files stand on each other at most; then an image gets all of the volume.
const MAX_CHAIN: usize = 64;
/// What is compared with the base, so that a small change takes little space: what qcow2 compresses, and pages elsewhere.
const CLUSTER_BYTES: usize = 64 << 10;
const PAGE_BYTES: usize = 4096;

/// A volume that was taken in and is to become a virtual disk.
#[derive(Debug)]
pub(super) struct Grown {
    pub delta: File,
    pub list: BlockList,
    pub base: Option<Arc<BaseVolume>>,
}

/// Where a virtual disk is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    /// The disk's directory in the tree.
    pub in_tree: &'a Dir,
    pub dir: &'a [u8],
    /// The name of the raw image.
    pub name: &'a [u8],
    pub format: VolumeFormat,
    pub made_secs: u64,
}

/// Opens the delta of a volume, with its list.
pub(super) fn open(
    ingest: &ImageIngest,
    in_tree: &Dir,
    dir: &[u8],
    name: &[u8],
    size_bytes: u64,
) -> Result<Grown> {
    let path = manifest::join_path(dir, name);
    let deltas = durable::ensure_dir(&ingest.work, DELTAS, 0o700)?;
    let deltas = durable::ensure_dir(&deltas, dir, 0o700)?;
    let (delta, found) = open_or_create(&deltas, name)?;
    let known = ingest.content.lock().base_hashes.get(&path).copied();
    let base = ingest.base.as_ref();
    let base = base.and_then(|base| base.volume(dir, name, known, &ingest.work));
    let old_bytes = delta.metadata().during("look at", shown(&path))?.len();
    // ORDER: the delta gets its size when its list is there. Without, there is nothing to go on with.
    let is_new = found == Found::New || old_bytes == 0;
    // A list that took blocks for those of a base which can't be read any more is of no use.
    let has_lost_base = base.is_none() && known.is_some();
    let list_bytes = if is_new { size_bytes } else { old_bytes };
    let kept = match is_new || has_lost_base {
        true => None,
        false => BlockList::find(in_tree, name, list_bytes)?,
    };
    let list = match kept {
        Some(list) => list,
        None => BlockList::make(in_tree, name, list_bytes, |list| {
            if let Some(base) = &base {
                list.begin_as(&base.list)?;
            }
            list.take_in(&delta)
        })?,
    };
    let list = if is_new {
        delta
            .set_len(size_bytes)
            .during("set the size of", shown(&path))?;
        list
    } else {
        resize(&delta, list, old_bytes, size_bytes, &path)?
    };
    Ok(Grown {
        delta,
        list,
        base: base.map(Arc::new),
    })
}

impl Grown {
    /// Another way to the same.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Self {
            delta: self.delta.try_clone().during("open", "a delta")?,
            list: self.list.try_clone()?,
            base: self.base.clone(),
        })
    }

    /// Writes the virtual disk, durably but for its name.
    pub fn write(&self, place: &Place<'_>) -> Result<()> {
        let Some(format) = place.format.to_write() else {
            return Ok(());
        };
        let file_name = place.format.file_name(place.name);
        durable::remove(place.in_tree, &file_name)?;
        let file = place
            .in_tree
            .create_file(&file_name, 0o600)
            .during("create", shown(&file_name))?;
        let parent = self.parent(place);
        let stands = if parent.is_some() {
            Stands::OnBase
        } else {
            Stands::Alone
        };
        let new = NewDisk {
            format,
            len_bytes: self.list.size_bytes(),
            id: uuid::Uuid::new_v4(),
            made_secs: place.made_secs,
            parent,
        };
        let writer = Writer::create(file, new).map_err(|error| place.failed(error))?;
        let mut conversion = Conversion {
            grown: self,
            place,
            writer,
            stands,
            piece_bytes: match place.format {
                VolumeFormat::Qcow2 => CLUSTER_BYTES,
                _ => PAGE_BYTES,
            },
        };
        for group in 0..group_count(self.list.size_bytes()) {
            conversion.group(group)?;
        }
        conversion.writer.finish().map_err(|error| place.failed(error))
    }

    /// The base's virtual disk, where the new one can stand on it.
    fn parent(&self, place: &Place<'_>) -> Option<Parent> {
        let base = self.base.as_ref()?;
        let VolumeReader::Virtual(disk) = &base.content else {
            return None;
        };
        let is_like = disk.format() == place.format.to_read() && disk.len_bytes() == self.list.size_bytes();
        if !is_like || disk.paths().count() >= MAX_CHAIN {
            return None;
        }
        let disk = disk.clone();
        let link = ParentLink::to(&disk, place.in_image(base.image.as_str())?);
        Some(Parent { disk, link })
    }
}

impl Place<'_> {
    fn path(&self) -> std::path::PathBuf {
        shown(&manifest::join_path(self.dir, self.name))
    }

    /// The volume's file in another image, as a path from the disk's directory; `None` where it can't be told as text.
    fn in_image(&self, image: &str) -> Option<String> {
        let file = self.format.file_name(self.name);
        let (dir, file) = (str::from_utf8(self.dir).ok()?, str::from_utf8(&file).ok()?);
        Some(match self.format {
            VolumeFormat::Raw | VolumeFormat::Qcow2 => format!("../../{image}/{dir}/{file}"),
            VolumeFormat::Vhdx | VolumeFormat::Vhd => format!("..\\..\\{image}\\{dir}\\{file}"),
        })
    }

    fn failed(&self, error: disk_image::Error) -> Error {
        Error::disk("write", self.path(), error)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    OnBase,
    Alone,
}

/// What a piece of a block is, seen from the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Same,
    Zeros,
    Data,
}

/// A virtual disk that is being written.
struct Conversion<'a> {
    grown: &'a Grown,
    place: &'a Place<'a>,
    writer: Writer,
    stands: Stands,
    /// What is compared within a block.
    piece_bytes: usize,
}

impl Conversion<'_> {
    fn group(&mut self, group: u64) -> Result<()> {
        let new = self.grown.list.group(group)?;
        let old = match &self.grown.base {
            Some(base) if group < group_count(base.list.size_bytes()) => base.list.group(group)?,
            _ => None,
        };
        if new.is_none() && (old.is_none() || self.stands == Stands::Alone) {
            return Ok(());
        }
        let first = group * GROUP_BLOCKS;
        let end = (first + GROUP_BLOCKS).min(manifest::content::block_count(self.grown.list.size_bytes()));
        for index in first..end {
            let at = (index - first) as usize;
            let hash = |hashes: &Option<Vec<BlockHash>>| {
                let hashes = hashes.as_ref();
                hashes.and_then(|hashes| hashes.get(at).copied()).unwrap_or(ZEROS)
            };
            self.block(index, hash(&new), hash(&old))?;
        }
        Ok(())
    }

    fn block(&mut self, index: u64, new: BlockHash, old: BlockHash) -> Result<()> {
        let start = index * BLOCK_BYTES;
        let end = (start + BLOCK_BYTES).min(self.grown.list.size_bytes());
        let is_bases = new == old && self.grown.base.is_some();
        match self.stands {
            Stands::OnBase if is_bases => return Ok(()),
            Stands::OnBase if new == ZEROS => {
                let written = self.writer.write_zeros(start..end);
                return written.map_err(|error| self.place.failed(error));
            }
            Stands::Alone if new == ZEROS => return Ok(()),
            _ => {}
        }
        let mut block = vec![0; (end - start) as usize];
        let read = match &self.grown.base {
            Some(base) if is_bases => base.content.read_exact_at(&mut block, start),
            _ => self.grown.delta.read_exact_at(&mut block, start),
        };
        read.during("read", self.place.path())?;
        if hash_volume_block(index, &block) != new {
            return Err(self.distrust());
        }
        let base = match (&self.grown.base, self.stands) {
            (Some(base), Stands::OnBase) => {
                let mut base_block = vec![0; block.len()];
                let read = base.content.read_exact_at(&mut base_block, start);
                read.during("read", self.place.path())?;
                Some(base_block)
            }
            _ => None,
        };
        self.pieces(start, &block, base.as_deref())
    }

    /// Writes what of a block is not as what the disk stands on.
    fn pieces(&mut self, start: u64, block: &[u8], base: Option<&[u8]>) -> Result<()> {
        let pieces = block.chunks(self.piece_bytes).enumerate().map(|(number, piece)| {
            let from = number * self.piece_bytes;
            match base {
                Some(base) if base[from..from + piece.len()] == *piece => Piece::Same,
                None if is_zero(piece) => Piece::Same,
                _ if is_zero(piece) => Piece::Zeros,
                _ => Piece::Data,
            }
        });
        let pieces: Vec<Piece> = pieces.collect();
        let mut first = 0;
        for run in pieces.chunk_by(|a, b| a == b) {
            let from = first * self.piece_bytes;
            first += run.len();
            let to = (first * self.piece_bytes).min(block.len());
            let at = start + from as u64;
            let written = match run[0] {
                Piece::Same => Ok(()),
                Piece::Zeros => self.writer.write_zeros(at..start + to as u64),
                Piece::Data => self.writer.write_at(&block[from..to], at),
            };
            written.map_err(|error| self.place.failed(error))?;
        }
        Ok(())
    }

    /// Takes the block list away, which is made anew when the image goes on.
    fn distrust(&self) -> Error {
        let removed = block_list_name(self.place.name).map(|list| durable::remove(self.place.in_tree, &list));
        match removed {
            Some(Err(error)) => error,
            _ => Error::corrupt(self.place.path(), "it does not have what its block list says"),
        }
    }
}
