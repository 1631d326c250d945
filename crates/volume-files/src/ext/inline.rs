//! Content in the inode itself (`inlinedata.rst`, `attributes.rst`): 60 bytes in place of the map, the rest as an extended attribute.
//!
//! Behind the inode's fields: 0xea020000, then entries, up to one that begins with four zero bytes:
//! ```text
//! 0  1  length of the name             4  4  inode that has the value; 0 is this one
//! 1  1  name space: 7 is "system."     8  4  length of the value
//! 2  2  offset of the value, from     16     name
//!       the first entry
//! ```

use disk_image::{u16_at, u32_at};

use super::inode::{BASE_BYTES, Inode};
use crate::Result;

const MAGIC: u32 = 0xea02_0000;
const SYSTEM: u8 = 7;

/// The content behind the first 60 bytes; none is no error.
pub(super) fn rest(inode: &Inode) -> Result<&[u8]> {
    let at = BASE_BYTES + inode.extra_bytes();
    let Some(area) = inode.bytes().get(at..).filter(|area| area.len() >= 4) else {
        return Ok(&[]);
    };
    if u32_at(area, 0) != MAGIC {
        return Ok(&[]);
    }
    let entries = &area[4..];
    let mut left = entries;
    while left.len() >= 16 && u32_at(left, 0) != 0 {
        let name_len = usize::from(left[0]);
        let name = left.get(16..16 + name_len).unwrap_or_default();
        if left[1] == SYSTEM && name == b"data" && u32_at(left, 4) == 0 {
            let from = usize::from(u16_at(left, 2));
            let end = from.checked_add(u32_at(left, 8) as usize);
            let value = end.and_then(|end| entries.get(from..end));
            return value.ok_or_else(|| inode.damaged("its content does not fit into it"));
        }
        left = left.get(16 + name_len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(&[])
}
