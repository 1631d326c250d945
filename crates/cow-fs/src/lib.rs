//! What Linux file systems can do with extents instead of bytes, behind safe and typed functions.
//!
//! Owns: whole-file and range clones, hole punching, extent maps and their comparison, what files hold of their device, inode flags, btrfs
//! subvolumes, renames that exchange or refuse to replace, and the probe that finds out by trying which of these a
//! directory's file system offers. [`sys`](self) (private) is the only module of the workspace that contains `unsafe`.
//!
//! Never: decides what is kept or deleted, follows a policy, or prints. Each function does one thing to
//! descriptors that the caller opened, and reports failure as an [`Error`] that tells *unsupported*, *denied*,
//! *busy*, *not found* and *no space* apart, so that a caller can choose another way without looking at errno.

mod allocations;
pub mod btrfs;
mod error;
mod extents;
mod inode;
mod name;
mod probe;
mod reflink;
mod rename;
mod same_data;
mod sys;

pub use allocations::{Allocation, AllocationSource, Allocations, allocation_source, allocations};
pub use error::{Error, Operation, Result};
pub use extents::{
    DataExtents, Extent, PhysicalExtent, PhysicalExtents, data_extents, data_extents_from, physical_extents,
    punch_hole, shared_bytes,
};
pub use inode::{
    InodeFlags, freeze_file_system, inode_flags, replace_inode_flags, set_inode_flags, start_writeback,
    sync_file_system, thaw_file_system,
};
pub use probe::{Capabilities, FileSystem, Refusal, probe};
pub use reflink::{clone_file, clone_range, copy_range};
pub use rename::{rename_exchange, rename_noreplace};
pub use same_data::{Sameness, same_data};
