//! Reading, walking and writing trees of files beneath a directory descriptor, with full metadata.
//!
//! Everything is relative to an open [`Dir`]: no path is followed through a symbolic link, none leaves its
//! directory, and neither the length of a path nor the depth of a tree matters. Used by the client to read
//! sources and to restore, and by the storage to write backups.
//!
//! - [`Dir`], [`Listing`]: open, list, create, rename and remove by name
//! - [`walk`]: all directories of a set of sources in manifest order, scanned ahead in parallel
//! - [`filter`]: what a walk leaves out
//! - [`metadata`]: owner, mode, times, attributes, access lists and flags, read and applied
//! - [`SourceFile`]: a regular file that is read while others may change it
//!
//! This crate decides nothing: what to remove and what to keep is the caller's. It touches no environment
//! variable, no working directory and no umask.

mod arena;
mod create;
mod dir;
mod error;
pub mod filter;
mod list;
pub mod metadata;
mod name;
mod names;
mod remove;
mod source_file;
mod stat;
pub mod walk;

pub use create::DeviceKind;
pub use dir::{Access, Dir};
pub use error::{Error, Operation, Result};
pub use filter::Filter;
pub use list::{Listed, Listing};
pub use name::{NAME_MAX_BYTES, check_name, check_path, shown, split_last};
pub use names::Names;
pub use remove::Subvolumes;
pub use source_file::SourceFile;
pub use stat::{Attributes, DeviceNumber, FileType, Identity, Stat};
pub use walk::Walk;

/// What the kernel answers; part of [`Error`] and [`metadata::NotApplied`].
pub use rustix::io::Errno;
