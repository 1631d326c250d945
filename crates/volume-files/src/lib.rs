//! Files inside a volume, read without mounting it.
//!
//! Owns: finding, listing and reading files in ext2, ext3, ext4, NTFS, FAT12, FAT16, FAT32 and exFAT ([`open`], [`Files`]), and
//! writing them beneath a directory ([`extract`]). What is read is the volume as it lies there: no log is replayed.
//!
//! Never: writes to the volume; follows a symbolic link; lets a name or a target lead out of a directory; reads more of a
//! file, or of all directories on a walk, than the volume has bytes, whatever their maps say.

mod content;
mod error;
mod exfat;
mod ext;
pub mod extract;
mod fat;
mod files;
mod ntfs;
mod text;
mod walk;

pub use content::Content;
pub use error::{Error, Result};
pub use files::{Entry, Files, Kind, Owner, READ, Special, open};
pub use manifest::Timestamp;
pub use walk::Step;
