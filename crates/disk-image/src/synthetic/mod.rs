//! Virtual disks around content that lies elsewhere: a [`Plan`] says which structures of the format go where in the file and
//! where in it the disk's content lies, and [`assemble`] makes the file, sharing extents wherever the offsets allow it.
//!
//! Every planner lays the content so that it can be shared: at multiples of [`ALIGN_BYTES`] in the file, as it is on the disk.

mod assemble;
mod data;
mod qcow2;
pub(crate) mod vhd;
pub(crate) mod vhdx;
mod vmdk;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use uuid::Uuid;

pub use assemble::{Assembled, Content, Part, assemble, assemble_watched};
pub use data::add_data;
pub use vmdk::descriptor as vmdk_descriptor;

use crate::{Error, Result};

/// What file systems share extents in.
pub const ALIGN_BYTES: u64 = 4096;
pub(crate) const SECTOR_BYTES: u64 = 512;

/// A format of virtual disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The disk's bytes and nothing else.
    Raw,
    /// VHD, fixed: the bytes and a footer.
    VhdFixed,
    /// VHD, dynamic: blocks of 2 MiB where there is content.
    VhdDynamic,
    /// VHDX, dynamic.
    Vhdx,
    /// qcow2, version 3.
    Qcow2,
    /// VMDK, one flat extent: the raw bytes, with a [descriptor](vmdk_descriptor) in a file of its own.
    VmdkFlat,
}

/// What a disk is, besides its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Its size, in whole sectors.
    pub len_bytes: u64,
    /// Where it has content, in order; all else reads as zeros. [`Format::grain_bytes`] says how finely this is to be known.
    pub data: Vec<Range<u64>>,
    /// Identifies the virtual disk within its format.
    pub id: Uuid,
    /// When it was made, in seconds since 1970.
    pub made_secs: u64,
}

/// What a file consists of. What no piece says is a hole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The size of the file.
    pub len_bytes: u64,
    /// In order of their place in the file.
    pub pieces: Vec<Piece>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it lies in the file.
    pub at_bytes: u64,
    /// What it is.
    pub content: PieceContent,
}

/// What a part of a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PieceContent {
    /// A structure of the format.
    Structure(Vec<u8>),
    /// This range of the disk.
    Disk(Range<u64>),
    /// The page that lies in the file already at this place, which is shared where that can be.
    SamePage(u64),
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Raw,
        Self::VhdFixed,
        Self::VhdDynamic,
        Self::Vhdx,
        Self::Qcow2,
        Self::VmdkFlat,
    ];

    /// Lays out a file of this format.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the format can't hold the disk, [`Error::PartialSector`] if its size is no multiple of 512,
    /// [`Error::Misplaced`] if its ranges of data are out of order or leave it.
    pub fn plan(self, disk: &Disk) -> Result<Plan> {
        disk.check()?;
        match self {
            Self::Raw | Self::VmdkFlat => Ok(Plan {
                len_bytes: disk.len_bytes,
                pieces: vec![Piece::disk(0, 0..disk.len_bytes)],
            }),
            Self::VhdFixed => vhd::fixed(disk),
            Self::VhdDynamic => vhd::dynamic(disk),
            Self::Vhdx => vhdx::dynamic(disk),
            Self::Qcow2 => qcow2::plan(disk),
        }
    }

    /// How finely it tells where a disk of this size has content. It takes no note of that at all where this is the disk's size.
    pub fn grain_bytes(self, disk_len_bytes: u64) -> u64 {
        match self {
            Self::Raw | Self::VmdkFlat | Self::VhdFixed => disk_len_bytes.max(1),
            Self::VhdDynamic => vhd::BLOCK_BYTES,
            Self::Vhdx => vhdx::block_bytes(disk_len_bytes),
            Self::Qcow2 => qcow2::cluster_bytes(disk_len_bytes),
        }
    }

    /// What its files' names end with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::VhdFixed | Self::VhdDynamic => "vhd",
            Self::Vhdx => "vhdx",
            Self::Qcow2 => "qcow2",
            Self::VmdkFlat => "vmdk",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Raw => "raw",
            Self::VhdFixed => "vhd-fixed",
            Self::VhdDynamic => "vhd",
            Self::Vhdx => "vhdx",
            Self::Qcow2 => "qcow2",
            Self::VmdkFlat => "vmdk",
        })
    }
}

/// A text names no format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no format of virtual disks: raw, vhd, vhd-fixed, vhdx, qcow2, vmdk")]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let mut all = Self::ALL.into_iter();
        all.find(|format| format.to_string() == text)
            .ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

impl Disk {
    pub(crate) fn check(&self) -> Result<()> {
        if !self.len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(Error::PartialSector {
                len_bytes: self.len_bytes,
                sector_bytes: SECTOR_BYTES,
            });
        }
        let mut end = 0;
        for data in &self.data {
            if data.start < end || data.end <= data.start || data.end > self.len_bytes {
                return Err(Error::Misplaced {
                    offset_bytes: data.start,
                });
            }
            end = data.end;
        }
        Ok(())
    }

    /// The numbers of the blocks of a size that have content, in runs.
    fn blocks(&self, block_bytes: u64) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        for data in &self.data {
            let run = data.start / block_bytes..data.end.div_ceil(block_bytes);
            match runs.last_mut() {
                Some(last) if run.start <= last.end => last.end = last.end.max(run.end),
                _ => runs.push(run),
            }
        }
        runs
    }

    /// The part of some blocks that lies within the disk.
    fn within(&self, blocks: &Range<u64>, block_bytes: u64) -> Range<u64> {
        blocks.start * block_bytes..(blocks.end * block_bytes).min(self.len_bytes)
    }
}

impl Piece {
    pub(crate) fn structure(at_bytes: u64, bytes: Vec<u8>) -> Self {
        Self {
            at_bytes,
            content: PieceContent::Structure(bytes),
        }
    }

    /// All blocks of some runs, which lie in the file at `at_bytes` as on the disk: the holes between them cost nothing.
    fn blocks(at_bytes: u64, runs: &[Range<u64>], disk: &Disk, block_bytes: u64) -> Option<Self> {
        let all = runs.first()?.start..runs.last()?.end;
        let at = at_bytes + all.start * block_bytes;
        Some(Self::disk(at, disk.within(&all, block_bytes)))
    }

    fn disk(at_bytes: u64, range: Range<u64>) -> Self {
        Self {
            at_bytes,
            content: PieceContent::Disk(range),
        }
    }
}

/// Refuses what a format can't hold.
pub(crate) fn check_limit(format: &'static str, disk: &Disk, limit_bytes: u64) -> Result<()> {
    if disk.len_bytes > limit_bytes {
        return Err(Error::TooLarge {
            format,
            len_bytes: disk.len_bytes,
            limit_bytes,
        });
    }
    Ok(())
}

/// Writes a field of a structure.
pub(crate) fn put(structure: &mut [u8], at: usize, field: &[u8]) {
    structure[at..at + field.len()].copy_from_slice(field);
}
