//! Taking in an image backup: volumes that grow, unseen, out of those of the last image until they are committed.
//!
//! The tree of an image backup has a directory for each disk; in it lie the volumes' raw images, beside each its block
//! list ([`manifest::volume`]), and small files that describe the disk. Block lists and whatever else is assembled from the
//! rest are *derived*: they are in the tree and not in the manifest, and any of them may be missing.
//!
//! Where extents can't be shared, volumes are virtual disks that stand on those of the last image ([`grown`]), and what lies beside
//! their block lists in the tree are these. The manifest has them as raw images all the same; [`VolumeReader`] reads either. An image on
//! which others stand is taken out of their chains before it goes ([`dependents`]).
//!
//! On btrfs the tree begins as a snapshot of the last image's, elsewhere each volume as a clone (or, without clones, a copy) of its
//! last version. Of a volume that is there only blocks are overwritten, so any number of threads may write different ones.
//!
//! **A block list that is in the growing tree is right.** Those of the base are compared with its manifest before they are used. A
//! block that is written is first said to be unknown, then written, then said to be what it is, so that a list is right also
//! when the process has been killed in between; after a power loss all lists are removed. Where a list is missing it is
//! made anew from the volume.

mod base;
mod begin;
mod block_list;
mod commit;
mod dependents;
mod format;
mod grown;
mod reader;
mod state;
mod transferred;
mod volume;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use file_tree::{Access, Dir};
use manifest::{ContentHash, Reader};
use parking_lot::Mutex;

use crate::durable;
use crate::error::{During as _, Error, Result, shown};
use crate::names::{BackupName, ClientName};
use crate::store::Shared;
use crate::usage::Claim;

pub(crate) use base::right_list;
pub(crate) use block_list::BlockList;

use base::BaseImage;
use grown::Grown;

pub(crate) use dependents::{dependents, free_dependents};
pub use format::{UnknownVolumeFormat, VolumeFormat};
pub(crate) use reader::VolumeOf;
pub use reader::{VolumeReader, open_volume_at};
pub(crate) use state::State;
pub use volume::VolumeSink;

/// What the names of raw images end with.
pub const RAW_SUFFIX: &[u8] = b".raw";
/// What the names of block lists have in place of that.
pub const BLOCK_LIST_SUFFIX: &[u8] = b".blocks";

/// An image backup that is being taken in. Dropped without [`commit`](ImageIngest::commit), it stays and can be resumed.
#[derive(Debug)]
pub struct ImageIngest {
    shared: Arc<Shared>,
    client: ClientName,
    /// `incomplete-images/CLIENT`.
    work: Dir,
    /// The growing tree. Open since before the first write, so that `syncfs` reports errors of all of them.
    tree: Dir,
    /// The image that volumes are carried from, one by one.
    base: Option<BaseImage>,
    base_name: Option<BackupName>,
    is_resumed: bool,
    format: VolumeFormat,
    content: Mutex<Content>,
    _claim: Claim,
}

/// Directory and name of a file.
type InTree = (Box<[u8]>, Box<[u8]>);
/// Sizes and hashes of volumes by path.
type VolumeHashes = BTreeMap<Box<[u8]>, (u64, ContentHash)>;

/// What the manifest will list.
#[derive(Debug, Default)]
struct Content {
    /// Volumes and files, by directory and name.
    entries: BTreeMap<InTree, Listed>,
    /// Volume hashes of the base.
    base_hashes: VolumeHashes,
    /// What is to become virtual disks, by directory and name.
    grown: BTreeMap<InTree, Grown>,
}

#[derive(Debug, Clone)]
enum Listed {
    Volume(Option<(u64, ContentHash)>),
    File { size: u64, hash: ContentHash },
}

impl ImageIngest {
    /// The image that this one grows from, if there is one.
    pub fn base_name(&self) -> Option<&BackupName> {
        self.base_name.as_ref()
    }

    /// Whether an interrupted image goes on.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// What its volumes will be kept in.
    pub fn volume_format(&self) -> VolumeFormat {
        self.format
    }

    /// Opens a volume for writing, with what is known of it from an earlier session or the base. The path is that of its raw
    /// image: a directory and a name that ends with [`RAW_SUFFIX`].
    ///
    /// Fails with [`Error::InvalidEntry`] for any other path, and for one that has been opened already; with [`Error::Volume`] for a
    /// size that the format can't have.
    pub fn open_volume(&self, path: &[u8], size_bytes: u64) -> Result<VolumeSink> {
        let (dir, name) = split(path)?;
        if block_list_name(name).is_none() {
            return Err(Error::invalid_entry(path, "a volume's name ends with .raw"));
        }
        self.list(dir, name, Listed::Volume(None), path)?;
        let in_tree = durable::ensure_dir(&self.tree, dir, 0o700)?;
        let sink = VolumeSink::open(self, &in_tree, dir, name, size_bytes)?;
        Ok(sink)
    }

    /// Ends a volume: what the manifest will say of it. Returns its hash, as the block list has it.
    pub fn close_volume(&self, volume: &VolumeSink) -> Result<ContentHash> {
        let hash = volume.hash()?;
        let (dir, name) = split(volume.path())?;
        let key: InTree = (dir.into(), name.into());
        let listed = Listed::Volume(Some((volume.size_bytes(), hash)));
        let grown = volume.to_convert()?;
        let mut content = self.content.lock();
        content.entries.insert(key.clone(), listed);
        content.grown.extend(grown.map(|grown| (key, grown)));
        Ok(hash)
    }

    /// Writes a small file, such as the description of a disk, in place of one that may be there.
    pub fn put_file(&self, path: &[u8], content: &[u8]) -> Result<()> {
        let (dir, name) = split(path)?;
        let listed = Listed::File {
            size: content.len() as u64,
            hash: ContentHash::of(content),
        };
        self.list(dir, name, listed, path)?;
        let dir = durable::ensure_dir(&self.tree, dir, 0o700)?;
        durable::remove(&dir, name)?;
        let file = dir.create_file(name, 0o600).during("create", shown(path))?;
        std::io::Write::write_all(&mut &file, content).during("write", shown(path))
    }

    /// Opens a volume of the growing tree for reading; only where volumes are [raw](VolumeFormat::Raw).
    pub fn read_volume(&self, path: &[u8]) -> Result<File> {
        let (dir, name) = split(path)?;
        let dir = self.tree.child(dir).during("open", shown(path))?;
        crate::tree::open_regular(&dir, name)
    }

    /// Creates a derived file in the tree's root, in place of one that may be there.
    pub fn create_derived(&self, name: &str) -> Result<File> {
        manifest::check_name(name.as_bytes())
            .map_err(|_| Error::invalid_entry(name.as_bytes(), "it is no name"))?;
        durable::remove(&self.tree, name.as_bytes())?;
        self.tree
            .create_file(name.as_bytes(), 0o600)
            .during("create", name)
    }

    /// Takes a derived file away again.
    pub fn remove_derived(&self, name: &str) -> Result<()> {
        durable::remove(&self.tree, name.as_bytes())
    }

    fn list(&self, dir: &[u8], name: &[u8], listed: Listed, path: &[u8]) -> Result<()> {
        let mut content = self.content.lock();
        let key = (dir.into(), name.into());
        if content.entries.insert(key, listed).is_some() {
            return Err(Error::invalid_entry(path, "it is there twice"));
        }
        Ok(())
    }
}

/// Fails unless a volume of this size can be kept in a format.
pub(crate) fn check_size(format: VolumeFormat, path: &[u8], size_bytes: u64) -> Result<()> {
    let checked = format
        .to_write()
        .map_or(Ok(()), |format| format.check_len(size_bytes));
    checked.map_err(|error| Error::disk("store", shown(path), error))
}

/// Cuts a path into directory and name, which is all that an image has.
pub(crate) fn split(path: &[u8]) -> Result<(&[u8], &[u8])> {
    let invalid = || Error::invalid_entry(path, "an image has files in directories of its root only");
    let slash = path.iter().position(|&byte| byte == b'/').ok_or_else(invalid)?;
    let (dir, name) = (&path[..slash], &path[slash + 1..]);
    for part in [dir, name] {
        manifest::check_name(part).map_err(|_| invalid())?;
    }
    Ok((dir, name))
}

/// The name of a raw image's block list.
pub(crate) fn block_list_name(raw: &[u8]) -> Option<Vec<u8>> {
    let stem = raw.strip_suffix(RAW_SUFFIX).filter(|stem| !stem.is_empty())?;
    Some([stem, BLOCK_LIST_SUFFIX].concat())
}

/// Sizes and hashes of the volumes that a manifest lists, by path.
fn volumes_of(manifest: &Reader) -> manifest::Result<VolumeHashes> {
    let mut volumes = BTreeMap::new();
    for record in manifest.records() {
        let record = record?;
        for entry in &record.entries {
            if let manifest::Kind::Volume { size, hash } = entry.kind {
                volumes.insert(manifest::join_path(&record.path, &entry.name), (size, hash));
            }
        }
    }
    Ok(volumes)
}

/// Opens a file for reading and writing; creates it where it isn't there.
fn open_or_create(dir: &Dir, name: &[u8]) -> Result<(File, Found)> {
    match dir.open_file(name, Access::ReadWrite) {
        Err(error) if error.is_not_found() => {
            let file = dir.create_file(name, 0o600).during("create", shown(name))?;
            Ok((file, Found::New))
        }
        opened => Ok((opened.during("open", shown(name))?, Found::There)),
    }
}

/// Whether a file was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    New,
}
