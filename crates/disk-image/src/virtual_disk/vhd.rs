//! VHD ("Virtual Hard Disk Image Format Specification", Microsoft, 2006, "Hard Disk Footer Format" and "Dynamic Disk Header Format").
//!
//! All fields are big endian. The footer is the file's last sector; all but fixed disks have a copy of it in front.
//!
//! ```text
//! footer                                   header of dynamic and differencing disks
//! 0    8   "conectix"                      0    8    "cxsparse"
//! 12   4   version, 0x00010000             16   8    where the table is
//! 16   8   where the header is             24   4    version, 0x00010000
//! 48   8   size of the disk                28   4    entries of the table
//! 60   4   2 fixed, 3 dynamic, 4 differ.   32   4    size of a block
//! 64   4   checksum                        36   4    checksum
//! 68   16  unique id                       40   16   unique id of the parent
//!                                          64   512  name of the parent, UTF-16
//!                                          576  8*24 locators: 0 code, 8 length, 16 where
//! ```
//! An entry of the table is the sector of a block, which is a bitmap of its sectors, then its content.

use uuid::Uuid;

use super::bits::BitOrder;
use super::file::Pages;
use super::{FileFormat, ParentLink, Place, Run};
use crate::source::{array_at, be_u32_at, be_u64_at, u16_at};
use crate::synthetic::vhd::EPOCH_SECS;
use crate::{Error, Result};

pub(super) const FOOTER_MAGIC: &[u8; 8] = b"conectix";
const HEADER_MAGIC: &[u8; 8] = b"cxsparse";
const FOOTER: &str = "VHD footer";
const HEADER: &str = "VHD header";
const TABLE: &str = "VHD block table";
const FOOTER_BYTES: usize = 512;
const HEADER_BYTES: usize = 1024;
const VERSION: u32 = 0x0001_0000;
const SECTOR_BYTES: u64 = 512;
/// 2040 GiB, the format's limit.
const LIMIT_BYTES: u64 = 2040 << 30;
const MAX_BLOCK_BYTES: u64 = 256 << 20;
const MAX_NAME_BYTES: usize = 4096;
const ABSENT: u32 = u32::MAX;
/// So much of a bitmap is looked at at once.
const BITMAP_STEP_BYTES: u64 = 512;
/// Paths of Windows: relative ones first, as files are moved together.
const LOCATORS: [&[u8; 4]; 2] = [b"W2ru", b"W2ku"];

pub(super) struct Vhd {
    pages: Pages,
    len_bytes: u64,
    id: Uuid,
    made_secs: u64,
    blocks: Option<Blocks>,
    parent: Option<ParentLink>,
}

/// Where a dynamic or differencing disk has its content.
struct Blocks {
    header_at: u64,
    table_at: u64,
    table_bytes: u64,
    block_bytes: u64,
    bitmap_bytes: u64,
}

struct Footer {
    header_at: u64,
    len_bytes: u64,
    kind: Kind,
    id: Uuid,
    made_secs: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Fixed,
    Dynamic,
    Differencing,
}

impl Vhd {
    pub fn open(pages: Pages) -> Result<Self> {
        let footer = read_footer(&pages)?;
        let (len_bytes, id) = (footer.len_bytes, footer.id);
        let (mut blocks, mut parent) = (None, None);
        if footer.kind == Kind::Fixed {
            if !pages.has(0, len_bytes + FOOTER_BYTES as u64) {
                return Err(Error::damaged(FOOTER, 0, "the disk is larger than its file"));
            }
        } else {
            let header = pages.structure(HEADER, footer.header_at, HEADER_BYTES)?;
            blocks = Some(Blocks::parse(&header, &footer, &pages)?);
            if footer.kind == Kind::Differencing {
                parent = Some(parent_link(&header, &pages)?);
            }
        }
        Ok(Self {
            pages,
            len_bytes,
            id,
            made_secs: footer.made_secs,
            blocks,
            parent,
        })
    }

    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    pub fn len_bytes(&self) -> u64 {
        self.len_bytes
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    pub fn made_secs(&self) -> u64 {
        self.made_secs
    }

    pub fn parent(&self) -> Option<&ParentLink> {
        self.parent.as_ref()
    }

    pub fn locate(&self, offset_bytes: u64, max_bytes: u64) -> Result<Run> {
        let Some(blocks) = &self.blocks else {
            let place = Place::File(offset_bytes);
            return Ok(Run {
                place,
                len_bytes: max_bytes,
            });
        };
        let elsewhere = if self.parent.is_some() {
            Place::Parent
        } else {
            Place::Zeros
        };
        let within = offset_bytes % blocks.block_bytes;
        let len_bytes = max_bytes.min(blocks.block_bytes - within);
        let Some(block_at) = self.block_at(blocks, offset_bytes / blocks.block_bytes)? else {
            let place = elsewhere;
            return Ok(Run { place, len_bytes });
        };
        let (has_it, run_bytes) = self.bitmap_run(blocks, block_at, within)?;
        let place = if has_it {
            Place::File(block_at + blocks.bitmap_bytes + within)
        } else {
            elsewhere
        };
        let len_bytes = len_bytes.min(run_bytes);
        Ok(Run { place, len_bytes })
    }

    /// Where a block begins, if it is there.
    fn block_at(&self, blocks: &Blocks, block: u64) -> Result<Option<u64>> {
        let entry_at = blocks.table_at + block * 4;
        let sector = self.pages.be_u32(entry_at)?;
        if sector == ABSENT {
            return Ok(None);
        }
        let damaged = |reason: &str| Error::damaged(TABLE, entry_at, format!("block {block} {reason}"));
        let at = u64::from(sector) * SECTOR_BYTES;
        // The last block may end where the disk does.
        let content = (self.len_bytes - block * blocks.block_bytes).min(blocks.block_bytes);
        let len = blocks.bitmap_bytes + content;
        if !self.pages.has(at, len) {
            return Err(damaged("lies beyond the end of the file"));
        }
        let structures = [
            (0, FOOTER_BYTES as u64),
            (blocks.header_at, HEADER_BYTES as u64),
            (blocks.table_at, blocks.table_bytes),
        ];
        if structures
            .iter()
            .any(|(start, bytes)| at < start + bytes && *start < at + len)
        {
            return Err(damaged("overlaps the structures of the file"));
        }
        Ok(Some(at))
    }

    /// Whether the block has a byte of its content, and for how many bytes that stays so.
    fn bitmap_run(&self, blocks: &Blocks, block_at: u64, within: u64) -> Result<(bool, u64)> {
        let sector = within / SECTOR_BYTES;
        let from = sector / 8;
        let step = BITMAP_STEP_BYTES.min(blocks.bitmap_bytes - from);
        let mut bitmap = [0; BITMAP_STEP_BYTES as usize];
        let bitmap = &mut bitmap[..step as usize];
        self.pages.table(bitmap, block_at + from)?;
        let (has_it, sectors) = BitOrder::HighFirst.run(bitmap, (sector % 8) as usize);
        Ok((has_it, sectors as u64 * SECTOR_BYTES - within % SECTOR_BYTES))
    }
}

/// Reads the footer, or its copy in front where it is damaged.
fn read_footer(pages: &Pages) -> Result<Footer> {
    let last_at = pages.len_bytes().saturating_sub(FOOTER_BYTES as u64);
    let last = pages.structure(FOOTER, last_at, FOOTER_BYTES)?;
    Footer::parse(&last, last_at).or_else(|error| {
        let copy = pages.structure(FOOTER, 0, FOOTER_BYTES)?;
        match Footer::parse(&copy, 0) {
            Ok(footer) if footer.kind != Kind::Fixed => Ok(footer),
            _ => Err(error),
        }
    })
}

impl Footer {
    fn parse(bytes: &[u8], at: u64) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(FOOTER, at, reason);
        if bytes[..8] != FOOTER_MAGIC[..] {
            return Err(damaged("it has no signature"));
        }
        if checksum(bytes, 64) != be_u32_at(bytes, 64) {
            return Err(damaged("its checksum is wrong"));
        }
        check_version(be_u32_at(bytes, 12))?;
        let kind = match be_u32_at(bytes, 60) {
            2 => Kind::Fixed,
            3 => Kind::Dynamic,
            4 => Kind::Differencing,
            other => {
                let feature = format!("disk type {other}");
                return Err(Error::Unsupported {
                    format: "VHD",
                    feature,
                });
            }
        };
        let len_bytes = be_u64_at(bytes, 48);
        if !len_bytes.is_multiple_of(SECTOR_BYTES) {
            return Err(damaged("the disk's size is no whole number of sectors"));
        }
        if len_bytes > LIMIT_BYTES {
            return Err(Error::TooLarge {
                format: "VHD",
                len_bytes,
                limit_bytes: LIMIT_BYTES,
            });
        }
        Ok(Self {
            header_at: be_u64_at(bytes, 16),
            len_bytes,
            kind,
            id: Uuid::from_bytes(array_at(bytes, 68)),
            made_secs: u64::from(be_u32_at(bytes, 24)) + EPOCH_SECS,
        })
    }
}

impl Blocks {
    fn parse(header: &[u8], footer: &Footer, pages: &Pages) -> Result<Self> {
        let damaged = |reason: &str| Error::damaged(HEADER, footer.header_at, reason);
        if header[..8] != HEADER_MAGIC[..] {
            return Err(damaged("it has no signature"));
        }
        if checksum(header, 36) != be_u32_at(header, 36) {
            return Err(damaged("its checksum is wrong"));
        }
        check_version(be_u32_at(header, 24))?;
        let block_bytes = u64::from(be_u32_at(header, 32));
        if !block_bytes.is_power_of_two() || !(SECTOR_BYTES..=MAX_BLOCK_BYTES).contains(&block_bytes) {
            return Err(damaged("the size of its blocks is impossible"));
        }
        let entries = u64::from(be_u32_at(header, 28));
        if entries < footer.len_bytes.div_ceil(block_bytes) {
            return Err(damaged("its table is too small for the disk"));
        }
        let table_at = be_u64_at(header, 16);
        let table_bytes = entries * 4;
        if !pages.has(table_at, table_bytes) {
            return Err(damaged("its table lies beyond the end of the file"));
        }
        let header_at = footer.header_at;
        let in_header = table_at < header_at + HEADER_BYTES as u64 && header_at < table_at + table_bytes;
        if header_at < FOOTER_BYTES as u64 || table_at < FOOTER_BYTES as u64 || in_header {
            return Err(damaged("its structures overlap"));
        }
        Ok(Self {
            header_at,
            table_at,
            table_bytes,
            block_bytes,
            bitmap_bytes: (block_bytes / SECTOR_BYTES)
                .div_ceil(8)
                .next_multiple_of(SECTOR_BYTES),
        })
    }
}

fn check_version(version: u32) -> Result<()> {
    // The lower half counts compatible changes.
    if version >> 16 != VERSION >> 16 {
        return Err(Error::Unsupported {
            format: "VHD",
            feature: format!("version {}.{}", version >> 16, version & 0xffff),
        });
    }
    Ok(())
}

/// What a header says of the parent. Its time stamp is not looked at: it is that of the file, and lost when that is copied.
fn parent_link(header: &[u8], pages: &Pages) -> Result<ParentLink> {
    let mut names = Vec::new();
    for code in LOCATORS {
        for locator in header[576..576 + 8 * 24].chunks_exact(24) {
            let (len, at) = (be_u32_at(locator, 8) as usize, be_u64_at(locator, 16));
            if locator[..4] == *code && (1..=MAX_NAME_BYTES).contains(&len) {
                let bytes = pages.structure("VHD parent locator", at, len)?;
                names.push(utf16((0..len / 2).map(|unit| u16_at(&bytes, unit * 2))));
            }
        }
    }
    names.push(utf16(
        (0..256).map(|unit| u16_at(header, 64 + unit * 2).swap_bytes()),
    ));
    names.retain(|name| !name.is_empty());
    names.dedup();
    Ok(ParentLink {
        format: FileFormat::Vhd,
        names,
        ids: vec![Uuid::from_bytes(array_at(header, 40))],
    })
}

fn utf16(units: impl Iterator<Item = u16>) -> String {
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// The complement of the sum of all bytes but those of the checksum itself.
fn checksum(structure: &[u8], own_at: usize) -> u32 {
    let bytes = structure.iter().enumerate();
    let others = bytes.filter(|(at, _)| !(own_at..own_at + 4).contains(at));
    !others.map(|(_, byte)| u32::from(*byte)).sum::<u32>()
}
