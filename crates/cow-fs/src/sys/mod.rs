//! The kernel interfaces that rustix has no safe function for. The only `unsafe` of the workspace.
//!
//! Each function takes borrowed descriptors and plain values, copies them into the structure that the kernel's header
//! defines, and hands out plain values; no pointer leaves this module. Structures are `repr(C)`, contain no padding
//! that the kernel would read, and their sizes are asserted against the header's ioctl numbers.
#![allow(unsafe_code, reason = "ioctls need it, and this is the one place for them")]

mod btrfs;
mod btrfs_extents;
mod clone;
mod fiemap;
mod freeze;

pub(crate) use btrfs::{
    SUBVOLUME_READ_ONLY, commit_transaction, create_subvolume, delete_subvolume, root_item_exists,
    set_subvolume_flags, snapshot_subvolume, subvolume_flags, subvolume_id,
};
pub(crate) use btrfs_extents::{FileExtent, FileExtentBatch, file_extents};
pub(crate) use clone::clone_range;
pub(crate) use fiemap::{
    FIEMAP_EXTENT_DATA_INLINE, FIEMAP_EXTENT_DELALLOC, FIEMAP_EXTENT_ENCODED, FIEMAP_EXTENT_LAST,
    FIEMAP_EXTENT_SHARED, FIEMAP_EXTENT_UNKNOWN, FIEMAP_EXTENT_UNWRITTEN, FiemapBatch, fiemap,
};
pub(crate) use freeze::{freeze, thaw};
