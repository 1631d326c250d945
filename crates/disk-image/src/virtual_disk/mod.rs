//! Virtual disks as files: raw, VHD, VHDX and qcow2, with the parents that differencing ones stand on, read as one disk.
//!
//! Owns: what the formats' structures say ([`VirtualDisk`], one private module per format), which ranges of a disk are data,
//! zeros, or the parent's ([`VirtualDisk::extents`]), whether a parent is the right one, new dynamic and differencing files
//! ([`mod@write`]), and taking a file out of a chain ([`absorb_parent`]).
//!
//! Never: opens a parent by itself (they come from a [`ParentResolver`], so the caller decides what may be read); holds
//! a table in memory whose size a file claims (tables are read by pages, of which a fixed number is kept).

mod bits;
mod extents;
mod file;
mod merge;
mod parent;
mod qcow2;
mod raw;
mod vhd;
mod vhdx;
pub mod write;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uuid::Uuid;

pub use extents::{Extent, ExtentKind, Extents};
pub use file::{ImageFile, ImageSource};
pub use merge::{Absorbed, absorb_parent};
pub use parent::{NoParents, ParentLink, ParentResolver, ParentWanted, SameDirectory};

use crate::{DiskSource, Error, Result};
use file::Pages;
use qcow2::Compressed;

/// So many files stand on each other at most.
pub const MAX_LAYERS: usize = 256;

/// What a virtual disk's file is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileFormat {
    /// The disk's bytes and nothing else.
    Raw,
    /// VHD: fixed, dynamic or differencing.
    Vhd,
    /// VHDX: fixed, dynamic or differencing.
    Vhdx,
    /// qcow2, version 2 or 3.
    Qcow2,
}

/// A virtual disk, opened for reading: a file and those that it stands on. Clones share them.
#[derive(Clone)]
pub struct VirtualDisk {
    /// The file that was opened first, each other the parent of the one before.
    layers: Vec<Arc<Layer>>,
}

struct Layer {
    path: PathBuf,
    image: Image,
}

enum Image {
    Raw(raw::Raw),
    Vhd(vhd::Vhd),
    Vhdx(vhdx::Vhdx),
    Qcow2(qcow2::Qcow2),
}

/// Where a part of a disk is found, seen from one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At an offset of the file.
    File(u64),
    /// In a compressed cluster, from a byte of it on.
    Compressed(Compressed, u64),
    /// Nowhere: it reads as zeros.
    Zeros,
    /// In the parent, at the same offset of the disk.
    Parent,
}

/// A part of a disk that lies in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    place: Place,
    /// Never 0, and never more than was asked for.
    len_bytes: u64,
}

impl VirtualDisk {
    /// Opens a file and all that it stands on.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::Unsupported`] for what the files say; [`Error::ParentMissing`], [`Error::OtherParent`],
    /// [`Error::Parent`] and [`Error::ChainTooLong`] for how they hang together.
    pub fn open(file: ImageFile, format: FileFormat, parents: &dyn ParentResolver) -> Result<Self> {
        let mut layers = vec![Arc::new(Layer::open(file, format)?)];
        while let Some(child) = layers.last().cloned()
            && let Some(link) = child.image.parent()
        {
            if layers.len() == MAX_LAYERS {
                return Err(Error::ChainTooLong {
                    child: layers[0].path.clone(),
                    limit: MAX_LAYERS,
                });
            }
            let file = parent::resolve(&child.path, link, parents)?;
            let found = Layer::open(file, link.format)?;
            parent::check(&child, link, &found)?;
            layers.push(Arc::new(found));
        }
        Ok(Self { layers })
    }

    /// The disk's size in bytes.
    pub fn len_bytes(&self) -> u64 {
        self.layers[0].image.len_bytes()
    }

    /// What the first file is written in.
    pub fn format(&self) -> FileFormat {
        self.layers[0].image.format()
    }

    /// What identifies the first file to its children, where the format has that: VHD's unique id, VHDX's data write GUID.
    pub fn id(&self) -> Option<Uuid> {
        self.layers[0].image.id()
    }

    /// What the first file says of its parent.
    pub fn parent(&self) -> Option<&ParentLink> {
        self.layers[0].image.parent()
    }

    /// The files: the first, its parent, and so on.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.layers.iter().map(|layer| layer.path.as_path())
    }

    /// Fills the buffer from an offset of the disk.
    ///
    /// # Errors
    /// [`Error::Io`], also where the range leaves the disk; [`Error::Damaged`] where a structure on the way is.
    pub fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> Result<()> {
        let wanted = buffer.len() as u64;
        let end = offset_bytes.checked_add(wanted);
        if end.is_none_or(|end| end > self.len_bytes()) {
            return Err(Error::Io {
                action: "read",
                offset_bytes,
                len_bytes: wanted,
                source: io::ErrorKind::UnexpectedEof.into(),
            });
        }
        let mut done = 0;
        while done < buffer.len() {
            let left = (buffer.len() - done) as u64;
            let (layer, run) = self.locate(offset_bytes + done as u64, left, self.layers.len())?;
            // No longer than what is left of the buffer.
            let part = &mut buffer[done..done + run.len_bytes as usize];
            self.layers[layer].image.read(run.place, part)?;
            done += part.len();
        }
        Ok(())
    }

    /// What of a range the first file has itself, in order and without gaps.
    pub fn extents(&self, range: Range<u64>) -> Extents<'_> {
        Extents::of(self, range, 1)
    }

    /// What of a range has content, wherever in the chain: there is no [`ExtentKind::Parent`] in it.
    pub fn content(&self, range: Range<u64>) -> Extents<'_> {
        Extents::of(self, range, self.layers.len())
    }

    /// When the first file was made, in seconds since 1970, where the format has that.
    pub fn made_secs(&self) -> Option<u64> {
        match &self.layers[0].image {
            Image::Vhd(vhd) => Some(vhd.made_secs()),
            Image::Raw(_) | Image::Vhdx(_) | Image::Qcow2(_) => None,
        }
    }

    /// What the first file and its parent have themselves.
    fn extents_of_two(&self) -> Extents<'_> {
        Extents::of(self, 0..self.len_bytes(), self.layers.len().min(2))
    }

    /// The parent's parent, and what the parent says of it.
    fn grandparent(&self) -> Option<(Self, ParentLink)> {
        let link = self.layers.get(1)?.image.parent()?;
        let layers = self.layers.get(2..)?.to_vec();
        Some((Self { layers }, link.clone()))
    }

    /// The place of what begins at an offset within the disk, looked for in the first `depth` files, and which has it.
    fn locate(&self, offset_bytes: u64, max_bytes: u64, depth: usize) -> Result<(usize, Run)> {
        let mut len_bytes = max_bytes.min(self.len_bytes().saturating_sub(offset_bytes));
        for (index, layer) in self.layers.iter().enumerate().take(depth) {
            let within = layer.image.len_bytes().saturating_sub(offset_bytes);
            if within == 0 {
                // A parent may be shorter.
                let place = Place::Zeros;
                return Ok((index, Run { place, len_bytes }));
            }
            let run = layer.image.locate(offset_bytes, len_bytes.min(within))?;
            len_bytes = run.len_bytes;
            if run.place != Place::Parent {
                return Ok((index, run));
            }
        }
        let place = if depth < self.layers.len() {
            Place::Parent
        } else {
            Place::Zeros
        };
        Ok((depth.saturating_sub(1), Run { place, len_bytes }))
    }
}

impl fmt::Debug for VirtualDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtualDisk")
            .field("format", &self.format())
            .field("len_bytes", &self.len_bytes())
            .field("paths", &self.paths().collect::<Vec<_>>())
            .finish()
    }
}

impl DiskSource for VirtualDisk {
    fn len_bytes(&self) -> io::Result<u64> {
        Ok(self.len_bytes())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        Ok(self.read_at(buffer, offset_bytes)?)
    }

    fn next_data(&self, within: Range<u64>) -> io::Result<Option<Range<u64>>> {
        for extent in self.content(within) {
            let extent = extent?;
            if extent.kind == ExtentKind::Data {
                return Ok(Some(extent.range));
            }
        }
        Ok(None)
    }
}

impl FileFormat {
    /// Tells the format by what a file begins or ends with; what none knows is raw.
    ///
    /// A raw disk may begin with anything, also with another format's signature: whoever knows the format doesn't ask.
    pub fn probe<S: DiskSource + ?Sized>(source: &S) -> io::Result<Self> {
        let len_bytes = source.len_bytes()?;
        let mut start = [0; 8];
        if len_bytes < 512 {
            return Ok(Self::Raw);
        }
        source.read_exact_at(&mut start, 0)?;
        if start == *vhdx::FILE_MAGIC {
            return Ok(Self::Vhdx);
        }
        if start[..4] == *qcow2::MAGIC {
            return Ok(Self::Qcow2);
        }
        let mut end = [0; 8];
        source.read_exact_at(&mut end, len_bytes - 512)?;
        Ok(match [start, end].contains(vhd::FOOTER_MAGIC) {
            true => Self::Vhd,
            false => Self::Raw,
        })
    }
}

impl Layer {
    fn open(file: ImageFile, format: FileFormat) -> Result<Self> {
        let pages = Pages::open(file.source)?;
        let image = match format {
            FileFormat::Raw => Image::Raw(raw::Raw::open(pages)),
            FileFormat::Vhd => Image::Vhd(vhd::Vhd::open(pages)?),
            FileFormat::Vhdx => Image::Vhdx(vhdx::Vhdx::open(pages)?),
            FileFormat::Qcow2 => Image::Qcow2(qcow2::Qcow2::open(pages)?),
        };
        Ok(Self {
            path: file.path,
            image,
        })
    }
}

impl Image {
    fn format(&self) -> FileFormat {
        match self {
            Self::Raw(_) => FileFormat::Raw,
            Self::Vhd(_) => FileFormat::Vhd,
            Self::Vhdx(_) => FileFormat::Vhdx,
            Self::Qcow2(_) => FileFormat::Qcow2,
        }
    }

    fn len_bytes(&self) -> u64 {
        match self {
            Self::Raw(raw) => raw.len_bytes(),
            Self::Vhd(vhd) => vhd.len_bytes(),
            Self::Vhdx(vhdx) => vhdx.len_bytes(),
            Self::Qcow2(qcow2) => qcow2.len_bytes(),
        }
    }

    fn id(&self) -> Option<Uuid> {
        match self {
            Self::Raw(_) | Self::Qcow2(_) => None,
            Self::Vhd(vhd) => Some(vhd.id()),
            Self::Vhdx(vhdx) => Some(vhdx.data_write_id()),
        }
    }

    fn parent(&self) -> Option<&ParentLink> {
        match self {
            Self::Raw(_) => None,
            Self::Vhd(vhd) => vhd.parent(),
            Self::Vhdx(vhdx) => vhdx.parent(),
            Self::Qcow2(qcow2) => qcow2.parent(),
        }
    }

    /// The place of what begins at an offset; both it and the length lie within the disk, and the length is not 0.
    fn locate(&self, offset_bytes: u64, max_bytes: u64) -> Result<Run> {
        match self {
            Self::Raw(raw) => raw.locate(offset_bytes, max_bytes),
            Self::Vhd(vhd) => vhd.locate(offset_bytes, max_bytes),
            Self::Vhdx(vhdx) => vhdx.locate(offset_bytes, max_bytes),
            Self::Qcow2(qcow2) => qcow2.locate(offset_bytes, max_bytes),
        }
    }

    /// The first part of a run that is either a hole of the file, and thus zeros, or none.
    fn without_holes(&self, run: Run) -> Result<Run> {
        // Clusters of qcow2 are too small to ask for each, and are not there where they are zeros.
        let (Place::File(at), Self::Vhd(_) | Self::Vhdx(_)) = (run.place, self) else {
            return Ok(run);
        };
        let end = at.saturating_add(run.len_bytes);
        let (place, until) = match self.pages().next_data(at..end)? {
            Some(data) if data.start <= at => (run.place, data.end.min(end)),
            Some(data) => (Place::Zeros, data.start.min(end)),
            None => (Place::Zeros, end),
        };
        // A file that changes under way must not stop the reader from moving on.
        let len_bytes = until.saturating_sub(at).max(1);
        Ok(Run { place, len_bytes })
    }

    fn read(&self, place: Place, buffer: &mut [u8]) -> Result<()> {
        match (place, self) {
            (Place::File(at), _) => self.pages().read_padded(buffer, at),
            (Place::Compressed(cluster, skip), Self::Qcow2(qcow2)) => {
                qcow2.read_compressed(cluster, skip, buffer)
            }
            (Place::Compressed(..) | Place::Zeros | Place::Parent, _) => {
                buffer.fill(0);
                Ok(())
            }
        }
    }

    fn pages(&self) -> &Pages {
        match self {
            Self::Raw(raw) => raw.pages(),
            Self::Vhd(vhd) => vhd.pages(),
            Self::Vhdx(vhdx) => vhdx.pages(),
            Self::Qcow2(qcow2) => qcow2.pages(),
        }
    }
}
