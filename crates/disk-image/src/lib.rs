//! Disks as bytes: partition tables, the formats of virtual disks, and whole disks assembled by cloning extents.
//!
//! Owns: [`table`] (MBR with logical partitions and GPT: read, described, checked), [`volume`] (which file system lies in a
//! volume, and which of its bytes are in use), [`description`] (what a backup says of a disk), [`restore`] (a disk or volume
//! onto a device or into a file), [`synthetic`] (raw, VHD, VHDX, qcow2 and VMDK around a disk's content, with as little of it
//! copied as can be) and [`virtual_disk`] (raw, VHD, VHDX and qcow2 read, chains of differencing disks included; the last three
//! written, and taken out of their chains).
//!
//! Never: trusts a length, offset or count that it has not checked against the size of what it reads; knows where
//! backups lie; decides which disks are assembled.

pub mod description;
mod error;
mod progress;
pub mod restore;
mod source;
pub mod synthetic;
pub mod table;
mod view;
pub mod virtual_disk;
pub mod volume;

pub use error::{Error, Result};
pub use progress::{Progress, Unwatched};
pub use source::{DiskSource, u16_at, u32_at, u64_at};
pub use view::DiskView;
