//! Disks as bytes: partition tables, the formats of virtual disks, and whole disks assembled by cloning extents.
//!
//! Owns: [`table`] (MBR with logical partitions and GPT: read, described, checked) and [`synthetic`] (raw, VHD, VHDX,
//! qcow2 and VMDK around a disk's content, with as little of it copied as can be).
//!
//! Never: trusts a length, offset or count that it has not checked against the size of what it reads; knows where
//! backups lie; decides which disks are assembled.

mod error;
mod source;
pub mod synthetic;
pub mod table;

pub use error::{Error, Result};
pub use source::DiskSource;
