//! The manifest: the sorted list of all that a backup holds.
//!
//! A manifest is a sequence of **directory records** in manifest order (depth-first, children by name
//! bytes), cut into compressed frames, with a header in front and an index behind. Its bytes are described
//! in `docs/formats/manifest.md`. This crate owns that format, the operations that turn one manifest into
//! the next ([`delta`], [`assemble`], [`compose`]), their comparison ([`diff`]) and the hashes of content
//! ([`content`]) and of volumes ([`volume`]).
//!
//! It touches neither the network nor the tree that a manifest describes, and never holds a whole manifest in
//! memory. Everything it decodes is taken for hostile: lengths are checked before memory is allocated, there
//! is one encoding for each value, and what breaks the order or the rules for names is an [`Error`].

pub mod assemble;
pub mod compose;
pub mod content;
pub mod delta;
pub mod diff;
pub mod volume;

mod codec;
mod entry;
mod envelope;
mod error;
mod frame;
mod header;
mod path;
mod reader;
mod record;
mod writer;

pub use content::{BLOCK_BYTES, BLOCK_HASHES_FROM_BYTES, BLOCK_HASHES_UP_TO_BYTES, BlockHash, ContentHash};
pub use entry::{DirRecord, Entry, InodeFlags, Kind, MAX_BLOCK_HASHES_BYTES, Metadata, Timestamp, Xattr};
pub use error::{Error, Result};
pub use header::{BackupKind, Conclusion, Header, Problem, STREAMED, Source, Summary, Totals};
pub use path::{
    MAX_NAME_BYTES, MAX_PATH_BYTES, check_name, check_path, compare_paths, is_beneath, join_path, split_path,
};
pub use reader::{Partial, RawRecords, ReadAt, Reader, Records, read_partial};
pub use record::{
    Entries, EntryRef, KindRef, MAX_RECORD_BYTES, RawRecord, decode_entry, decode_record, encode_entry,
    encode_record,
};
pub use writer::Writer;
