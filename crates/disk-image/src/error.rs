//! What can go wrong with a disk.

use std::io;

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a disk could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk can't be read or written.
    #[error("cannot {action} {len_bytes} bytes at offset {offset_bytes}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        offset_bytes: u64,
        /// How much.
        len_bytes: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A structure on the disk contradicts itself or the disk.
    #[error("the {structure} at offset {offset_bytes} is damaged: {reason}")]
    Damaged {
        /// Which structure.
        structure: &'static str,
        /// Where it lies.
        offset_bytes: u64,
        /// What does not fit.
        reason: String,
    },
    /// The disk is larger than a format can hold.
    #[error("a disk of {len_bytes} bytes is too large for {format}, which holds {limit_bytes}")]
    TooLarge {
        /// The format's name.
        format: &'static str,
        /// The disk's size.
        len_bytes: u64,
        /// The format's limit.
        limit_bytes: u64,
    },
    /// A disk's size is no whole number of sectors.
    #[error("a disk of {len_bytes} bytes does not end with a sector of {sector_bytes}")]
    PartialSector {
        /// The disk's size.
        len_bytes: u64,
        /// The size of a sector.
        sector_bytes: u64,
    },
    /// Parts of a disk overlap, lie outside of it, or are out of order.
    #[error("the part of the disk at offset {offset_bytes} overlaps another or lies outside of the disk")]
    Misplaced {
        /// Where it begins.
        offset_bytes: u64,
    },
    /// Sharing extents failed in a way that copying would not mend.
    #[error("extents can't be shared")]
    Share(#[source] cow_fs::Error),
}

impl Error {
    pub(crate) fn damaged(structure: &'static str, offset_bytes: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            structure,
            offset_bytes,
            reason: reason.into(),
        }
    }
}
