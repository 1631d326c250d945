//! New virtual disks for storage that can't share extents: dynamic or, with a parent, differencing VHD and VHDX, and qcow2 of compressed
//! clusters.
//!
//! What is written goes to the file at once; no table is held in memory. Until [`Writer::finish`] the file is of no use, and
//! after it, durable.

mod out;
mod qcow2;
mod vhd;
mod vhdx;

use std::fs::File;
use std::ops::Range;

use uuid::Uuid;

use super::{ParentLink, VirtualDisk};
use crate::synthetic::{Disk, SECTOR_BYTES, check_limit};
use crate::{DiskSource, Error, Result};
use out::Out;

/// What is copied is looked at for zeros in pieces of that size.
const PIECE_BYTES: usize = 64 << 10;
static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

/// What a new disk is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WriteFormat {
    /// VHD: blocks of 2 MiB, of which a bitmap tells the sectors that are there.
    Vhd,
    /// VHDX: likewise, with blocks of 1 MiB or more.
    Vhdx,
    /// qcow2: clusters of 64 KiB, compressed with zstd. What is written twice is refused.
    Qcow2,
}

impl WriteFormat {
    /// Fails unless a disk of this size can be written.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::PartialSector`].
    pub fn check_len(self, len_bytes: u64) -> Result<()> {
        let disk = Disk {
            len_bytes,
            data: Vec::new(),
            id: Uuid::nil(),
            made_secs: 0,
        };
        disk.check()?;
        match self {
            Self::Vhd => check_limit("VHD", &disk, crate::synthetic::vhd::LIMIT_BYTES),
            Self::Vhdx => check_limit("VHDX", &disk, crate::synthetic::vhdx::LIMIT_BYTES),
            Self::Qcow2 => check_limit("qcow2", &disk, qcow2::LIMIT_BYTES),
        }
    }
}

/// A disk that is to be written.
#[derive(Debug)]
pub struct NewDisk {
    /// What it is written in.
    pub format: WriteFormat,
    /// Its size, in whole sectors of 512 bytes.
    pub len_bytes: u64,
    /// By which its children will know it, where the format has that: see [`VirtualDisk::id`].
    pub id: Uuid,
    /// When it was made, in seconds since 1970.
    pub made_secs: u64,
    /// What it stands on; what is not written reads as that.
    pub parent: Option<Parent>,
}

/// What a new disk stands on.
#[derive(Debug)]
pub struct Parent {
    /// The parent itself.
    pub disk: VirtualDisk,
    /// What the new disk says of it.
    pub link: ParentLink,
}

/// A disk that is being written. Any order will do, but for qcow2 a cluster must be written in one go.
#[derive(Debug)]
pub struct Writer {
    format: Writing,
    len_bytes: u64,
}

#[derive(Debug)]
enum Writing {
    Vhd(vhd::Writing),
    Vhdx(vhdx::Writing),
    Qcow2(Box<qcow2::Writing>),
}

/// What is put somewhere on a disk.
#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    Data(&'a [u8]),
    Zeros(u64),
}

impl Writer {
    /// Begins a disk in a new, empty file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::PartialSector`] for its size; [`Error::Unsupported`] for a parent of another kind than
    /// the format can have.
    pub fn create(file: File, new: NewDisk) -> Result<Self> {
        let disk = Disk {
            len_bytes: new.len_bytes,
            data: Vec::new(),
            id: new.id,
            made_secs: new.made_secs,
        };
        disk.check()?;
        let out = Out::new(file);
        let format = match new.format {
            WriteFormat::Vhd => Writing::Vhd(vhd::Writing::create(out, &disk, new.parent)?),
            WriteFormat::Vhdx => Writing::Vhdx(vhdx::Writing::create(out, &disk, new.parent)?),
            WriteFormat::Qcow2 => Writing::Qcow2(Box::new(qcow2::Writing::create(out, &disk, new.parent)?)),
        };
        Ok(Self {
            format,
            len_bytes: new.len_bytes,
        })
    }

    /// Writes whole sectors.
    ///
    /// # Errors
    /// [`Error::PartialSector`]; [`Error::Misplaced`] where the range leaves the disk or, with qcow2, was written before.
    pub fn write_at(&mut self, bytes: &[u8], offset_bytes: u64) -> Result<()> {
        self.change(Change::Data(bytes), offset_bytes)
    }

    /// Makes a range of whole sectors read as zeros, whatever the parent has there.
    ///
    /// # Errors
    /// As [`Self::write_at`].
    pub fn write_zeros(&mut self, range: Range<u64>) -> Result<()> {
        let len_bytes = range.end.saturating_sub(range.start);
        self.change(Change::Zeros(len_bytes), range.start)
    }

    /// Copies a range from a source that has it at the same place; what is zeros there takes no space.
    ///
    /// # Errors
    /// As [`Self::write_at`], and [`Error::Io`] where it can't be read.
    pub fn copy_from<S: DiskSource + ?Sized>(&mut self, source: &S, range: Range<u64>) -> Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut at = range.start;
        while at < range.end {
            // Pieces end where clusters do.
            let end = (at + 1).next_multiple_of(PIECE_BYTES as u64).min(range.end);
            let piece = &mut buffer[..(end - at) as usize];
            source.read_exact_at(piece, at).map_err(|source| Error::Io {
                action: "read",
                offset_bytes: at,
                len_bytes: end - at,
                source,
            })?;
            if is_zeros(piece) {
                self.write_zeros(at..end)?;
            } else {
                self.write_at(piece, at)?;
            }
            at = end;
        }
        Ok(())
    }

    /// Completes the file, and returns when it is durable. Its name may not be yet.
    pub fn finish(self) -> Result<()> {
        match self.format {
            Writing::Vhd(vhd) => vhd.finish(),
            Writing::Vhdx(vhdx) => vhdx.finish(),
            Writing::Qcow2(qcow2) => qcow2.finish(),
        }
    }

    fn change(&mut self, change: Change<'_>, offset_bytes: u64) -> Result<()> {
        let len_bytes = change.len_bytes();
        let end = offset_bytes.checked_add(len_bytes);
        if end.is_none_or(|end| end > self.len_bytes) {
            return Err(Error::Misplaced { offset_bytes });
        }
        for bytes in [offset_bytes, len_bytes] {
            if !bytes.is_multiple_of(SECTOR_BYTES) {
                return Err(Error::PartialSector {
                    len_bytes: bytes,
                    sector_bytes: SECTOR_BYTES,
                });
            }
        }
        let block_bytes = match &self.format {
            Writing::Vhd(_) => vhd::BLOCK_BYTES,
            Writing::Vhdx(vhdx) => vhdx.block_bytes(),
            Writing::Qcow2(_) => qcow2::CLUSTER_BYTES,
        };
        let (mut at, mut rest) = (offset_bytes, change);
        while rest.len_bytes() > 0 {
            let (part, later) = rest.split(block_bytes - at % block_bytes);
            match &mut self.format {
                Writing::Vhd(vhd) => vhd.change(part, at)?,
                Writing::Vhdx(vhdx) => vhdx.change(part, at)?,
                Writing::Qcow2(qcow2) => qcow2.change(part, at)?,
            }
            at += part.len_bytes();
            rest = later;
        }
        Ok(())
    }
}

impl Change<'_> {
    fn len_bytes(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }

    /// The first bytes, and the others.
    fn split(self, at_most_bytes: u64) -> (Self, Self) {
        let first = at_most_bytes.min(self.len_bytes());
        match self {
            Self::Data(bytes) => {
                let (first, others) = bytes.split_at(first as usize);
                (Self::Data(first), Self::Data(others))
            }
            Self::Zeros(len) => (Self::Zeros(first), Self::Zeros(len - first)),
        }
    }
}

fn is_zeros(bytes: &[u8]) -> bool {
    bytes
        .chunks(PIECE_BYTES)
        .all(|chunk| *chunk == ZEROS[..chunk.len()])
}

/// What a differencing VHD or VHDX says of its parent, which must be of the same format.
fn check_parent(name: &'static str, parent: &Parent, format: super::FileFormat) -> Result<Uuid> {
    match parent.link.ids.first() {
        Some(id) if parent.link.format == format => Ok(*id),
        _ => Err(Error::Unsupported {
            format: name,
            feature: "a parent of another format".into(),
        }),
    }
}

/// The parent's name as Windows writes it, relative to the child's directory.
fn windows_name(link: &ParentLink) -> String {
    let name = link.names.first().map_or("", String::as_str);
    match name.starts_with(".\\") || name.contains(':') {
        true => name.to_owned(),
        false => format!(".\\{name}"),
    }
}
