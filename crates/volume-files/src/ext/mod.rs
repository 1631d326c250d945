//! ext2, ext3 and ext4 (Linux, `Documentation/filesystems/ext4/`): inodes, directories as lists, content in extents or block maps.
//!
//! Directories are read block after block: the blocks of a hash tree look like empty ones to whoever does not know it
//! (`directory.rst`). An entry:
//! ```text
//! 0  4  inode; 0 is none          6  1  length of the name
//! 4  2  length of the entry       7  1  type, or the length's high byte
//!                                 8     name
//! ```

mod inline;
mod inode;
mod map;

use std::cell::RefCell;
use std::collections::HashSet;

use disk_image::volume::Reader;
use disk_image::volume::ext::{Inodes, Superblock};
use disk_image::{u16_at, u32_at};

use crate::content::{Each, Outflow};
use crate::files::{About, Kind, Letters, Names, Node, Owner, Special, Structure};
use crate::{Error, Result};

use inode::Inode;
use map::Extent;

const ROOT_INODE: u64 = 2;
const CONTENT: &str = "ext file";
const DIRECTORY: &str = "ext directory";
/// The kernel takes no longer ones.
const MAX_TARGET_BYTES: u64 = 4096;

/// An open ext.
pub(crate) struct Ext<'a> {
    reader: Reader<'a>,
    superblock: Superblock,
    inodes: RefCell<Inodes>,
}

impl<'a> Ext<'a> {
    pub(crate) fn open(reader: Reader<'a>) -> Result<Self> {
        Ok(Self {
            superblock: Superblock::read(&reader)?,
            inodes: RefCell::default(),
            reader,
        })
    }

    fn inode(&self, node: Node) -> Result<Inode> {
        let Node::Inode(number) = node else {
            return Err(Error::damaged("ext inode", 0, "it is none"));
        };
        let bytes = self
            .inodes
            .borrow_mut()
            .read(&self.reader, &self.superblock, number)?;
        Inode::parse(number, bytes)
    }

    /// Hands on the content of an inode of any type.
    fn pour(&self, inode: &Inode, each: Each<'_>) -> Result<()> {
        if inode.is_encrypted() {
            return Err(Error::unsupported("an encrypted file"));
        }
        let mut out = Outflow::new(&self.reader, CONTENT, inode.len_bytes(), each);
        if inode.has_inline_data() {
            out.bytes(inode.block_area())?;
            out.bytes(inline::rest(inode)?)?;
        } else {
            let block_bytes = self.superblock.block_bytes;
            map::each_extent(&self.reader, &self.superblock, inode, &mut |extent: Extent| {
                out.hole_to(extent.first.saturating_mul(block_bytes))?;
                match extent.start {
                    _ if out.is_complete() => Ok(()),
                    Some(start) => out.data(start * block_bytes, extent.blocks * block_bytes),
                    None => out.hole_to((extent.first + extent.blocks).saturating_mul(block_bytes)),
                }
            })?;
        }
        out.hole_to(u64::MAX)
    }

    /// All of a small content.
    fn whole(&self, inode: &Inode, most_bytes: u64) -> Result<Vec<u8>> {
        if inode.len_bytes() > most_bytes {
            return Err(inode.damaged("it is too long"));
        }
        let mut bytes = Vec::new();
        self.pour(inode, &mut |content| {
            match content {
                crate::Content::Data(data) => bytes.extend_from_slice(data),
                crate::Content::Hole(len_bytes) => bytes.resize(bytes.len() + len_bytes as usize, 0),
            }
            Ok(())
        })?;
        Ok(bytes)
    }

    fn target(&self, inode: &Inode) -> Result<Box<[u8]>> {
        let len_bytes = inode.len_bytes();
        // A short one lies where others have their map.
        let target = match inode.block_area().get(..len_bytes as usize) {
            Some(short) if len_bytes < 60 && !inode.is_mapped() => short.to_vec(),
            _ => self.whole(inode, MAX_TARGET_BYTES)?,
        };
        Ok(target.into())
    }

    fn kind(&self, inode: &Inode) -> Result<Kind> {
        Ok(match inode.file_type() {
            0x1000 => Kind::Special(Special::Fifo),
            0x2000 => Kind::Special(Special::CharDevice),
            0x4000 => Kind::Directory,
            0x6000 => Kind::Special(Special::BlockDevice),
            0x8000 => Kind::File,
            0xa000 => Kind::Link {
                target: self.target(inode)?,
            },
            0xc000 => Kind::Special(Special::Socket),
            _ => return Err(inode.damaged("its type is not known")),
        })
    }

    fn add_names(&self, inode: &Inode, block: &[u8], names: &mut Names) -> Result<()> {
        names.read_bytes += block.len() as u64;
        let mut rest = block;
        while rest.len() >= 8 {
            let len = match u16_at(rest, 4) {
                // What 16 bits can't tell.
                0 | u16::MAX if rest.len() > usize::from(u16::MAX) - 3 => rest.len(),
                len => usize::from(len),
            };
            let high = if self.superblock.has_entry_types {
                0
            } else {
                rest[7]
            };
            let name_len = usize::from(u16::from_le_bytes([rest[6], high]));
            let entry = rest.get(..len).filter(|entry| entry.len() >= 8);
            let entry = entry.ok_or_else(|| inode.damaged("an entry does not fit into its directory"))?;
            let number = u32_at(entry, 0);
            if number != 0 {
                let name = entry.get(8..8 + name_len).filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| inode.damaged("a name does not fit into its entry"))?;
                if name != b"." && name != b".." {
                    names.found.push((name.into(), Node::Inode(number.into())));
                }
            }
            rest = &rest[len..];
        }
        Ok(())
    }
}

impl Structure for Ext<'_> {
    fn letters(&self) -> Letters {
        Letters::Differ
    }

    fn root(&self) -> Node {
        Node::Inode(ROOT_INODE)
    }

    fn names(&self, directory: Node) -> Result<Names> {
        let inode = self.inode(directory)?;
        if inode.is_encrypted() {
            return Err(Error::unsupported("an encrypted directory"));
        }
        let mut names = Names::default();
        if inode.has_inline_data() {
            // The first four bytes are the parent's number.
            let (first, rest) = (inode.block_area(), inline::rest(&inode)?);
            self.add_names(&inode, &first[4..], &mut names)?;
            self.add_names(&inode, rest, &mut names)?;
            return Ok(names);
        }
        let block_bytes = self.superblock.block_bytes;
        let blocks = inode.len_bytes().div_ceil(block_bytes);
        let mut met = HashSet::new();
        map::each_extent(&self.reader, &self.superblock, &inode, &mut |extent: Extent| {
            let Some(start) = extent.start else {
                return Ok(());
            };
            for number in 0..extent.blocks.min(blocks.saturating_sub(extent.first)) {
                if !met.insert(start + number) {
                    return Err(inode.damaged("it has a block twice"));
                }
                let block = self
                    .reader
                    .read(DIRECTORY, (start + number) * block_bytes, block_bytes)?;
                self.add_names(&inode, &block, &mut names)?;
            }
            Ok(())
        })?;
        Ok(names)
    }

    fn about(&self, node: Node) -> Result<About> {
        let inode = self.inode(node)?;
        let kind = self.kind(&inode)?;
        let (uid, gid) = inode.owner();
        Ok(About {
            len_bytes: match kind {
                Kind::File | Kind::Link { .. } => inode.len_bytes(),
                _ => 0,
            },
            kind,
            mode: inode.mode(),
            owner: Some(Owner { uid, gid }),
            modified: inode.modified(),
        })
    }

    fn content(&self, file: Node, each: Each<'_>) -> Result<()> {
        self.pour(&self.inode(file)?, each)
    }
}
