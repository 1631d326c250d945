//! The header of a qcow2 file, and the extensions behind it.
//!
//! ```text
//! 0   4   "QFI\xfb"                       72   8   features that must be understood (version 3 from here on)
//! 4   4   version                         80   8   compatible features
//! 8   8   where the parent's name is      88   8   features that a writer must understand
//! 16  4   its length                      96   4   size of counts
//! 20  4   cluster bits                    100  4   length of the header
//! 24  8   size of the disk                104  1   compression
//! 32  4   encryption
//! 36  4   entries of the level-1 table    extensions: type, length, content to a multiple of 8
//! 40  8   where it is
//! ```

use super::compressed::Compression;
use super::{FORMAT, Pages, TABLE};
use crate::source::{be_u32_at, be_u64_at};
use crate::virtual_disk::{FileFormat, ParentLink};
use crate::{Error, Result};

pub(in crate::virtual_disk) const MAGIC: &[u8; 4] = b"QFI\xfb";
const HEADER: &str = "qcow2 header";
const MIN_BYTES: usize = 72;
const VERSION_3_BYTES: usize = 104;
const MAX_NAME_BYTES: usize = 1023;
const MAX_EXTENSIONS: usize = 64;
const PARENT_FORMAT: u32 = 0xe279_2aca;
/// Features that change nothing for a reader: counts are not up to date; something else is known to be damaged.
const HARMLESS: u64 = 0b11;
const COMPRESSION: u64 = 1 << 3;
const NAMED: [(u64, &str); 2] = [
    (1 << 2, "an external data file"),
    (1 << 4, "extended level-2 entries"),
];

pub(super) struct Header {
    pub version: u32,
    pub cluster_bits: u32,
    pub len_bytes: u64,
    pub first_level_at: u64,
    first_level_bytes: u64,
    pub compression: Compression,
    pub parent: Option<ParentLink>,
}

impl Header {
    pub fn read(pages: &Pages) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(HEADER, 0, reason);
        let available = pages.len_bytes().min(VERSION_3_BYTES as u64 + 8) as usize;
        let bytes = pages.structure(HEADER, 0, available.max(MIN_BYTES))?;
        if bytes[..4] != *MAGIC {
            return Err(damaged("it has no signature"));
        }
        let version = be_u32_at(&bytes, 4);
        if ![2, 3].contains(&version) {
            return Err(unsupported(format!("version {version}")));
        }
        if be_u32_at(&bytes, 32) != 0 {
            return Err(unsupported("encryption"));
        }
        let cluster_bits = be_u32_at(&bytes, 20);
        if !(9..=21).contains(&cluster_bits) {
            return Err(damaged("the size of its clusters is impossible"));
        }
        let mut header = Self {
            version,
            cluster_bits,
            len_bytes: be_u64_at(&bytes, 24),
            first_level_at: be_u64_at(&bytes, 40),
            first_level_bytes: u64::from(be_u32_at(&bytes, 36)) * 8,
            compression: Compression::Deflate,
            parent: None,
        };
        header.check_first_level(pages)?;
        let mut header_bytes = MIN_BYTES;
        if version == 3 {
            if bytes.len() < VERSION_3_BYTES {
                return Err(damaged("the file is too short for it"));
            }
            header_bytes = be_u32_at(&bytes, 100) as usize;
            header.take_features(&bytes, header_bytes)?;
        }
        header.parent = header.parent_link(&bytes, header_bytes, pages)?;
        Ok(header)
    }

    fn check_first_level(&self, pages: &Pages) -> Result<()> {
        let damaged = |reason: &str| Error::damaged(TABLE, self.first_level_at, reason);
        let covered_bits = 2 * self.cluster_bits - 3;
        let needed = self.len_bytes >> covered_bits;
        if i64::try_from(self.len_bytes).is_err() || needed > u64::from(u32::MAX) {
            return Err(damaged("the disk's size is impossible"));
        }
        let needed = self.len_bytes.div_ceil(1 << covered_bits);
        if needed * 8 > self.first_level_bytes {
            return Err(damaged("it is too small for the disk"));
        }
        let is_aligned = self.first_level_at.is_multiple_of(1 << self.cluster_bits);
        let is_behind = self.first_level_at >= 1 << self.cluster_bits || self.first_level_bytes == 0;
        if !is_aligned || !is_behind || !pages.has(self.first_level_at, self.first_level_bytes) {
            return Err(damaged("it is misplaced or lies beyond the end of the file"));
        }
        Ok(())
    }

    fn take_features(&mut self, bytes: &[u8], header_bytes: usize) -> Result<()> {
        let is_possible = (VERSION_3_BYTES..=1 << self.cluster_bits).contains(&header_bytes);
        if !is_possible || !header_bytes.is_multiple_of(8) {
            return Err(Error::damaged(HEADER, 0, "its length is impossible"));
        }
        let features = be_u64_at(bytes, 72);
        for (feature, name) in NAMED {
            if features & feature != 0 {
                return Err(unsupported(name));
            }
        }
        let unknown = features & !(HARMLESS | COMPRESSION);
        if unknown != 0 {
            return Err(unsupported(format!("the unknown features {unknown:#x}")));
        }
        if features & COMPRESSION != 0 && header_bytes > VERSION_3_BYTES {
            self.compression = match bytes.get(VERSION_3_BYTES) {
                Some(0) => Compression::Deflate,
                Some(1) => Compression::Zstd,
                other => return Err(unsupported(format!("compression {other:?}"))),
            };
        }
        Ok(())
    }

    fn parent_link(&self, bytes: &[u8], header_bytes: usize, pages: &Pages) -> Result<Option<ParentLink>> {
        let (name_at, name_len) = (be_u64_at(bytes, 8), be_u32_at(bytes, 16) as usize);
        if name_at == 0 {
            return Ok(None);
        }
        let first_cluster = 1 << self.cluster_bits;
        let is_placed = name_at < first_cluster && name_at + name_len as u64 <= first_cluster;
        if !is_placed || !(1..=MAX_NAME_BYTES).contains(&name_len) {
            return Err(Error::damaged(HEADER, name_at, "the parent's name is misplaced"));
        }
        let name = pages.structure(HEADER, name_at, name_len)?;
        let name = String::from_utf8_lossy(&name).into_owned();
        // Without it one would have to guess, and a raw parent may begin with anything.
        let format = parent_format(header_bytes as u64, first_cluster, pages)?;
        Ok(Some(ParentLink {
            format,
            names: vec![name],
            ids: Vec::new(),
        }))
    }

    /// Whether a range touches the header's cluster or the level-1 table. It may reach beyond any end.
    pub fn overlaps(&self, at: u64, len: u64) -> bool {
        let end = at.saturating_add(len);
        let table_end = self.first_level_at + self.first_level_bytes;
        at < 1 << self.cluster_bits || (at < table_end && self.first_level_at < end)
    }
}

/// Goes through the extensions for the parent's format.
fn parent_format(mut at: u64, end: u64, pages: &Pages) -> Result<FileFormat> {
    for _ in 0..MAX_EXTENSIONS {
        if at + 8 > end {
            break;
        }
        let extension = pages.structure(HEADER, at, 8)?;
        let (kind, len) = (be_u32_at(&extension, 0), u64::from(be_u32_at(&extension, 4)));
        if kind == 0 {
            break;
        }
        if at + 8 + len > end {
            return Err(Error::damaged(
                HEADER,
                at,
                "an extension leaves the first cluster",
            ));
        }
        if kind == PARENT_FORMAT {
            // Within a cluster, thus at most 2 MiB.
            let name = pages.structure(HEADER, at + 8, len as usize)?;
            return match name.as_slice() {
                b"raw" => Ok(FileFormat::Raw),
                b"qcow2" => Ok(FileFormat::Qcow2),
                b"vpc" => Ok(FileFormat::Vhd),
                b"vhdx" => Ok(FileFormat::Vhdx),
                other => Err(unsupported(format!(
                    "a parent in the format {}",
                    String::from_utf8_lossy(&other[..other.len().min(32)])
                ))),
            };
        }
        at += 8 + len.next_multiple_of(8);
    }
    Err(unsupported("a parent whose format it does not tell"))
}

fn unsupported(feature: impl Into<String>) -> Error {
    Error::Unsupported {
        format: FORMAT,
        feature: feature.into(),
    }
}
