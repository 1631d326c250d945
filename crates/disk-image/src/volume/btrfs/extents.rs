//! The extent tree: each extent of data and each node that is allocated.
//!
//! The root tree has an item for it: 160 generation, 176 address, 238 level (u8). Its own items have the address as object, and as
//! offset the size, or of nodes, whose size is known, the level.

use super::Superblock;
use super::chunks::Chunks;
use super::tree::{Key, Nodes, Reach, Root};
use crate::source::u64_at;
use crate::volume::ranges::Ranges;
use crate::volume::reader::Reader;
use crate::{Error, Result};

const STRUCTURE: &str = "btrfs extent tree";
const EXTENT_TREE: Key = Key {
    object: 2,
    kind: 132,
    offset: 0,
};
const EXTENT_ITEM: u8 = 168;
const METADATA_ITEM: u8 = 169;

/// Adds what all extents have on this device.
pub(super) fn add(
    reader: &Reader,
    superblock: &Superblock,
    chunks: &Chunks,
    ranges: &mut Ranges,
) -> Result<Reach> {
    let nodes = Nodes::new(reader, superblock, chunks);
    let Some(item) = nodes.find(superblock.root, &EXTENT_TREE)? else {
        return Ok(Reach::Elsewhere);
    };
    let item = item.filter(|item| item.len() > 238);
    let item = item.ok_or_else(|| Error::damaged(STRUCTURE, 0, "the root tree does not have it"))?;
    let root = Root {
        logical: u64_at(&item, 176),
        generation: u64_at(&item, 160),
        level: item[238],
    };
    let mut sum = 0_u64;
    let mut end = 0;
    let reach = nodes.walk(root, &mut |key, _| {
        let len_bytes = match key.kind {
            EXTENT_ITEM => key.offset,
            METADATA_ITEM => superblock.node_bytes,
            _ => return Ok(()),
        };
        if key.object < end {
            return Err(Error::damaged(STRUCTURE, key.object, "its extents overlap"));
        }
        chunks
            .of(key.object, len_bytes)?
            .add(key.object, len_bytes, ranges);
        // Within a chunk, so it does not overflow; neither do all that are in order.
        end = key.object + len_bytes;
        sum += len_bytes;
        Ok(())
    })?;
    if reach == Reach::All && sum != superblock.bytes_used {
        return Err(Error::damaged(
            STRUCTURE,
            root.logical,
            "it has not as many bytes as the superblock says",
        ));
    }
    Ok(reach)
}
