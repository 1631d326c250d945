//! What can go wrong with a disk.

use std::io;
use std::path::PathBuf;

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
    /// A file system is sound as far as can be seen, but its maps of used blocks must not be relied on.
    #[error("{reason}")]
    Untrusted {
        /// Why not.
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
    /// A disk has no volume of this name.
    #[error("there is no volume {name} in the backup of this disk")]
    NoSuchVolume {
        /// The name.
        name: String,
    },
    /// A target does not hold what is to be restored.
    #[error("the target has {len_bytes} bytes and {needed_bytes} are needed")]
    TooSmall {
        /// What it has.
        len_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
    /// A target is in use.
    #[error("{} is in use: it is mounted, or part of another device", path.display())]
    InUse {
        /// The target.
        path: std::path::PathBuf,
    },
    /// Where the content comes from could not give it.
    #[error("the content of {file} can't be had")]
    Content {
        /// Which file.
        file: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody wanted it to end.
    #[error("cancelled")]
    Cancelled,
    /// The file is sound, but uses what can't be read here.
    #[error("{format} with {feature} is not supported")]
    Unsupported {
        /// The format's name.
        format: &'static str,
        /// What it uses.
        feature: String,
    },
    /// The parent of a differencing disk can't be found.
    #[error("the parent of {} is missing; it is known as {}", child.display(), names.join(", "))]
    ParentMissing {
        /// The differencing disk.
        child: PathBuf,
        /// What it calls its parent.
        names: Vec<String>,
    },
    /// What was found for a parent is another disk.
    #[error("the parent of {} is another disk than {}: {reason}", child.display(), parent.display())]
    OtherParent {
        /// The differencing disk.
        child: PathBuf,
        /// What was taken for its parent.
        parent: PathBuf,
        /// In what they differ.
        reason: String,
    },
    /// The parent of a differencing disk can't be opened.
    #[error("cannot open the parent of {}", child.display())]
    Parent {
        /// The differencing disk.
        child: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More differencing disks stand on each other than are followed, or they form a circle.
    #[error("{} has more than {limit} parents, or is its own", child.display())]
    ChainTooLong {
        /// The disk that was to be opened.
        child: PathBuf,
        /// How many are followed.
        limit: usize,
    },
    /// Sharing extents failed in a way that copying would not mend.
    #[error("extents can't be shared")]
    Share(#[source] cow_fs::Error),
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { source, .. } => source,
            Error::Damaged { .. } => Self::new(io::ErrorKind::InvalidData, error),
            Error::Unsupported { .. } => Self::new(io::ErrorKind::Unsupported, error),
            other => Self::other(other),
        }
    }
}

impl Error {
    pub(crate) fn untrusted(reason: impl Into<String>) -> Self {
        Self::Untrusted {
            reason: reason.into(),
        }
    }

    /// What a structure says can't be.
    pub fn damaged(structure: &'static str, offset_bytes: u64, reason: impl Into<String>) -> Self {
        Self::Damaged {
            structure,
            offset_bytes,
            reason: reason.into(),
        }
    }
}
