//! btrfs (its documentation, "On-disk Format"): an extent tree of what is allocated, in addresses that a chunk tree leads to places on
//! devices.
//!
//! The superblock, at 64 KiB, with copies at 64 MiB and 256 GiB:
//! ```text
//! offset  size  field                         offset  size  field
//! 0x00    32    checksum of what follows      0xa4    8     generation of the chunk tree
//! 0x20    16    UUID                          0xb4    8     features, read-only compatible
//! 0x30    8     own place                     0xbc    8     features, incompatible
//! 0x38    8     flags                         0xc4    2     kind of checksum: 0 is CRC-32C
//! 0x40    8     "_BHRfS_M"                    0xc6    1     level of the root tree
//! 0x48    8     generation                    0xc7    1     level of the chunk tree
//! 0x50    8     root tree                     0xc9    8     number of this device
//! 0x58    8     chunk tree                    0xd1    8     its size
//! 0x60    8     log tree                      0x12b   256   label
//! 0x78    8     bytes used                    0x23b   16    UUID in the trees, if another
//! 0x90    4     bytes a sector                0x32b   2048  chunks of the chunk tree
//! 0x94    4     bytes a node
//! 0xa0    4     size of the chunks at the end
//! ```
//! What is on disk is whole at any time, since nothing is overwritten. What was synced since is in a log tree, which the extent tree
//! knows nothing of; and extents may lie where only another device can tell. Then all of the chunks on this device are
//! in use. SHA-256 and BLAKE2 are not checked; that each node is the right one is.

mod chunks;
mod extents;
mod tree;

use super::checksum::crc32c;
use super::ranges::Ranges;
use super::reader::{Reader, text, uuid_text};
use super::signs::damaged;
use super::xxhash::xxh64;
use super::{Condition, FileSystem, Volume};
use crate::source::{u16_at, u32_at, u64_at};
use crate::{Error, Result};
use chunks::Chunks;
use tree::{Reach, Root};

const STRUCTURE: &str = "btrfs superblock";
const AT_BYTES: u64 = 64 << 10;
const LEN_BYTES: u64 = 4096;
const COPIES_AT_BYTES: [u64; 3] = [AT_BYTES, 64 << 20, 256 << 30];
/// Nothing is ever allocated there; boot loaders may be.
const RESERVED_BYTES: u64 = 1 << 20;
/// All but zones (0x1000), the second extent tree (0x2000) and what came later.
const INCOMPAT_KNOWN: u64 = 0x1_4fff;
const INCOMPAT_METADATA_UUID: u64 = 0x400;
const INCOMPAT_STRIPE_TREE: u64 = 0x4000;
const RO_KNOWN: u64 = 0xf;
/// Written or being rewritten by tools: a dump of metadata, changed UUIDs, changed checksums.
const FLAGS_UNFINISHED: u64 = 0x7f << 33;

/// How a superblock and nodes are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checksums {
    Crc32c,
    XxHash,
    NotChecked,
}

/// A superblock whose fields fit each other and the volume.
#[derive(Debug)]
struct Superblock {
    checksums: Checksums,
    generation: u64,
    root: Root,
    chunk_root: Root,
    has_log: bool,
    has_stripe_tree: bool,
    bytes_used: u64,
    sector_bytes: u32,
    node_bytes: u64,
    device: u64,
    len_bytes: u64,
    node_uuid: [u8; 16],
    chunks: Vec<u8>,
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let Some(bytes) = raw(reader)? else {
        return Ok(None);
    };
    let superblock = Superblock::parse(&bytes, reader.len_bytes());
    let (len_bytes, block_bytes, condition) = match superblock {
        Ok(superblock) => {
            let condition = if superblock.has_log {
                Condition::Dirty
            } else {
                Condition::Clean
            };
            (superblock.len_bytes, superblock.sector_bytes, condition)
        }
        Err(error) => (0, 0, Condition::of(Err(error), Condition::Unknown)),
    };
    Ok(Some(Volume {
        file_system: FileSystem::Btrfs,
        label: text(&bytes[0x12b..0x22b]),
        id: uuid_text(&bytes[0x20..0x30]),
        len_bytes,
        block_bytes,
        condition,
    }))
}

/// The extents that are allocated, or all chunks.
pub(super) fn used(reader: &Reader) -> Result<Ranges> {
    let bytes = raw(reader)?.ok_or_else(|| Error::damaged(STRUCTURE, AT_BYTES, "it is gone"))?;
    let superblock = Superblock::parse(&bytes, reader.len_bytes())?;
    let chunks = Chunks::read(reader, &superblock)?;
    let mut ranges = Ranges::within(reader.len_bytes());
    ranges.add(0..RESERVED_BYTES);
    ranges.add(superblock.len_bytes..reader.len_bytes());
    for at in COPIES_AT_BYTES {
        ranges.add_len(at, LEN_BYTES);
    }
    let tells_all = !superblock.has_log && !superblock.has_stripe_tree;
    if !tells_all || extents::add(reader, &superblock, &chunks, &mut ranges)? == Reach::Elsewhere {
        chunks.add_all(&mut ranges);
    }
    // Nodes that were freed may have been overwritten while they were read.
    let after = raw(reader)?.map(|after| u64_at(&after, 0x48));
    if after != Some(superblock.generation) {
        return Err(Error::untrusted(
            "the btrfs has changed while its trees were read",
        ));
    }
    Ok(ranges)
}

fn raw(reader: &Reader) -> Result<Option<Vec<u8>>> {
    let bytes = reader.read_if_there(AT_BYTES, LEN_BYTES)?;
    Ok(bytes.filter(|bytes| &bytes[0x40..0x48] == b"_BHRfS_M"))
}

impl Superblock {
    fn parse(bytes: &[u8], volume_len_bytes: u64) -> Result<Self> {
        let fail = |reason: &str| damaged(STRUCTURE, AT_BYTES, reason);
        let checksums = match u16_at(bytes, 0xc4) {
            0 => Checksums::Crc32c,
            1 => Checksums::XxHash,
            2 | 3 => Checksums::NotChecked,
            _ => return fail("the kind of its checksum is not known"),
        };
        if !checksums.are_right(bytes) || u64_at(bytes, 0x30) != AT_BYTES {
            return fail("its checksum is wrong, or it is the copy of another place");
        }
        let incompat = u64_at(bytes, 0xbc);
        if incompat & !INCOMPAT_KNOWN != 0 || u64_at(bytes, 0xb4) & !RO_KNOWN != 0 {
            return Err(Error::untrusted("the btrfs has features that are not known"));
        }
        if u64_at(bytes, 0x38) & FLAGS_UNFINISHED != 0 {
            return Err(Error::untrusted("a tool has not finished its work on the btrfs"));
        }
        let chunks_bytes = u32_at(bytes, 0xa0) as usize;
        let Some(chunks) = bytes[0x32b..0x32b + 2048].get(..chunks_bytes) else {
            return fail("its chunks don't fit");
        };
        let node_uuid_at = if incompat & INCOMPAT_METADATA_UUID != 0 {
            0x23b
        } else {
            0x20
        };
        let superblock = Self {
            checksums,
            generation: u64_at(bytes, 0x48),
            root: Root {
                logical: u64_at(bytes, 0x50),
                generation: u64_at(bytes, 0x48),
                level: bytes[0xc6],
            },
            chunk_root: Root {
                logical: u64_at(bytes, 0x58),
                generation: u64_at(bytes, 0xa4),
                level: bytes[0xc7],
            },
            has_log: u64_at(bytes, 0x60) != 0,
            has_stripe_tree: incompat & INCOMPAT_STRIPE_TREE != 0,
            bytes_used: u64_at(bytes, 0x78),
            sector_bytes: u32_at(bytes, 0x90),
            node_bytes: u32_at(bytes, 0x94).into(),
            device: u64_at(bytes, 0xc9),
            len_bytes: u64_at(bytes, 0xd1),
            node_uuid: std::array::from_fn(|at| bytes[node_uuid_at + at]),
            chunks: chunks.to_vec(),
        };
        if !superblock.node_bytes.is_power_of_two() || !(4096..=64 << 10).contains(&superblock.node_bytes) {
            return fail("the size of its nodes is impossible");
        }
        if superblock.len_bytes > volume_len_bytes {
            return fail("the file system is larger than the volume");
        }
        Ok(superblock)
    }
}

impl Checksums {
    /// Whether a superblock or node has the checksum that it begins with.
    fn are_right(self, bytes: &[u8]) -> bool {
        let covered = &bytes[0x20..];
        match self {
            Self::Crc32c => crc32c(&[covered]) == u32_at(bytes, 0),
            Self::XxHash => xxh64(covered) == u64_at(bytes, 0),
            Self::NotChecked => true,
        }
    }
}
