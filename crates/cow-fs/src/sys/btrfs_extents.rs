//! The extents of a file as btrfs keeps them: `BTRFS_IOC_TREE_SEARCH_V2` for `struct btrfs_file_extent_item`
//! (`linux/btrfs_tree.h`). Needs `CAP_SYS_ADMIN`.

use std::os::fd::BorrowedFd;

use rustix::io::Result;
use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

use super::btrfs::{BTRFS_IOCTL_MAGIC, SearchKey};

/// Room for about 190 items. The longest single item, an inline extent, is shorter than a page.
const BUFFER_BYTES: usize = 16 << 10;
/// `struct btrfs_ioctl_search_header`: transid, objectid, offset (64 bits each), type, len (32 bits each).
const ITEM_HEADER_BYTES: usize = 32;
/// `struct btrfs_file_extent_item` of anything but an inline extent.
const EXTENT_ITEM_BYTES: usize = 53;

/// `BTRFS_EXTENT_DATA_KEY`.
const EXTENT_DATA_KEY: u32 = 108;
/// `BTRFS_FILE_EXTENT_INLINE`.
const FILE_EXTENT_INLINE: u8 = 0;

/// Places within a `struct btrfs_file_extent_item`.
const TYPE_AT: usize = 20;
const DISK_BYTENR_AT: usize = 21;
const DISK_NUM_BYTES_AT: usize = 29;

/// `struct btrfs_ioctl_search_args_v2` without its array.
#[repr(C)]
struct SearchHeader {
    key: SearchKey,
    buffer_bytes: u64,
}

/// `struct btrfs_ioctl_search_args_v2` with room for a batch of items.
#[repr(C)]
struct SearchArgsV2 {
    header: SearchHeader,
    buffer: [u8; BUFFER_BYTES],
}

// The number encodes the header's size only; the array's length is told in `buffer_bytes`.
const TREE_SEARCH_V2: Opcode = opcode::read_write::<SearchHeader>(BTRFS_IOCTL_MAGIC, 17);
const _: () = assert!(TREE_SEARCH_V2 == 0xc070_9411);
const _: () = assert!(size_of::<SearchArgsV2>() == 112 + BUFFER_BYTES);

/// A reference of a file to an extent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileExtent {
    pub(crate) offset_bytes: u64,
    /// Begin and length of the whole extent on the disk, of which the file may use a part.
    pub(crate) disk_bytenr: u64,
    pub(crate) disk_num_bytes: u64,
}

/// Extents of a file, and where to go on.
#[derive(Debug, Default)]
pub(crate) struct FileExtentBatch {
    pub(crate) extents: Vec<FileExtent>,
    /// `None` after the last.
    pub(crate) next_offset_bytes: Option<u64>,
}

/// Reads the extents of the inode in the subvolume that `fd` lies in, from an offset on. Holes and inline extents,
/// which have no place of their own on the disk, are left out.
pub(crate) fn file_extents(fd: BorrowedFd<'_>, inode: u64, start_bytes: u64) -> Result<FileExtentBatch> {
    let mut args = Box::new(SearchArgsV2 {
        header: SearchHeader {
            key: SearchKey::items_of(inode, EXTENT_DATA_KEY, start_bytes),
            buffer_bytes: BUFFER_BYTES as u64,
        },
        buffer: [0; BUFFER_BYTES],
    });
    // SAFETY: TREE_SEARCH_V2 reads the header and writes it back together with at most `buffer_bytes` behind it;
    // `SearchArgsV2` is that layout with exactly so many, and is borrowed mutably for the call. Every bit pattern is
    // valid for its integers.
    unsafe { ioctl(fd, Updater::<TREE_SEARCH_V2, SearchArgsV2>::new(&mut args))? };
    Ok(parse(&args.buffer, args.header.key.nr_items()))
}

fn parse(buffer: &[u8], items: u32) -> FileExtentBatch {
    let mut batch = FileExtentBatch::default();
    let mut at = 0;
    let mut last_offset_bytes = None;
    for _ in 0..items {
        let Some(header) = buffer.get(at..at + ITEM_HEADER_BYTES) else {
            break;
        };
        let offset_bytes = u64::from_ne_bytes(fixed(header, 16));
        let len_bytes = u32::from_ne_bytes(fixed(header, 28)) as usize;
        at += ITEM_HEADER_BYTES;
        let Some(item) = buffer.get(at..at + len_bytes) else {
            break;
        };
        at += len_bytes;
        last_offset_bytes = Some(offset_bytes);
        if len_bytes < EXTENT_ITEM_BYTES || item[TYPE_AT] == FILE_EXTENT_INLINE {
            continue;
        }
        // On disk, and so in items, integers are little endian.
        let disk_bytenr = u64::from_le_bytes(fixed(item, DISK_BYTENR_AT));
        if disk_bytenr != 0 {
            batch.extents.push(FileExtent {
                offset_bytes,
                disk_bytenr,
                disk_num_bytes: u64::from_le_bytes(fixed(item, DISK_NUM_BYTES_AT)),
            });
        }
    }
    // The kernel ends a batch where the next item has no room: where one would have had, there is none. Items behind
    // the first are never inline.
    let had_room = buffer.len() - at >= ITEM_HEADER_BYTES + EXTENT_ITEM_BYTES;
    batch.next_offset_bytes = match last_offset_bytes {
        Some(last) if !had_room => last.checked_add(1),
        _ => None,
    };
    batch
}

fn fixed<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut fixed = [0; N];
    fixed.copy_from_slice(&bytes[at..at + N]);
    fixed
}
