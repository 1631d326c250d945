//! Archives of a selection of a backup: zip, tar and tar.zst as they are sent, made of entries and content, never held.
//!
//! Owns: which entries of a backup a [`Selection`] has and what they are called in the archive ([`Members`]), the three formats
//! ([`Format`]), and how long an archive will be before any of it is made ([`planned_len`]).
//!
//! ```text
//! paths ─▶ Selection ─▶ Members (from the manifest) ─▶ Archive ─▶ whoever receives it
//!                                      content, opened when it is needed ─┘
//! ```
//!
//! The same selection of the same backup gives the same bytes, so that a download that was cut off goes on with
//! [`Archive::resume`]: what the receiver has is made again and dropped. That holds as long as [`Format::revision`] stays.
//!
//! Never: follows a symbolic link; lets a name lead out of where an archive is extracted; asks a clock; reads content for what is
//! dropped anyway, where the format allows that; ends an archive that lacks something as if it were whole.

mod archive;
mod content;
mod error;
mod format;
mod members;
mod output;
mod selection;
mod tar;
mod zip;

pub use archive::{Archive, planned_len};
pub use error::{Error, Result};
pub use format::Format;
pub use members::{Member, Members};
pub use selection::Selection;
