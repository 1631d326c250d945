//! Aligned streams: the output of a command, kept so that what is the same in the next output lies where it lay.
//!
//! The stream is cut where its content says so ([`cut`]), each chunk lies at the begin of a block of the file ([`placement`]), and an
//! index at the file's end says in which order they are read ([`index`]). [`unpack`] gives the stream back. The format is described in
//! docs/formats/stream.md.

mod cut;
mod index;
mod placement;
mod unpack;

pub(crate) use cut::Cutter;
pub(crate) use index::{Index, SLOT_BYTES};
pub(crate) use placement::Placement;
pub use unpack::{Unpacked, unpack};

/// What the names of aligned streams end with in a backup.
pub const SUFFIX: &str = ".aligned";

/// Why a file can't be read as an aligned stream.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignedError {
    /// It does not end as an aligned stream does.
    #[error("it is no aligned stream")]
    NotAligned,
    /// It was written by a later version.
    #[error("it is of version {version}, and only version {} is known", index::VERSION)]
    Version {
        /// Its version.
        version: u32,
    },
    /// It is damaged.
    #[error("the aligned stream is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// It can't be read, or what comes out of it not written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl AlignedError {
    fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged {
            what: what.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
