//! Writing a disk, or single volumes, back onto a device or into a file.
//!
//! ```text
//! description ─▶ plan (sizes, places, table) ─▶ write ─▶ sync ─▶ read again and compare
//! ```
//! What is restored becomes exactly what the image has, zeros included: what lay on the target before is overwritten or freed.
//! Where the content comes from – files here, or a server – is a matter of [`Content`].

mod plan;
mod target;
mod write;

pub use plan::{Place, Plan, Wish};
pub use target::{InUse, Target};
pub use write::{Differences, Restored, restore, verify};

use std::ops::Range;

pub use crate::table::Growth;
use crate::{DiskSource, Error, Result};

/// A run of a volume's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// So many zeros.
    Zeros(u64),
}

impl Run<'_> {
    /// Its length.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Zeros(len_bytes) => *len_bytes,
        }
    }
}

/// What gives the content of an image's files.
pub trait Content {
    /// Gives the content of a raw image from its begin to its end, run by run.
    fn read(&mut self, file: &str, each: &mut dyn FnMut(Run<'_>) -> Result<()>) -> Result<()>;
}

/// Gives the content of a sparse file or a virtual disk; holes are zeros that need not be read.
///
/// # Errors
/// [`Error::Io`] where it can't be read, and what `each` fails with.
pub fn read_sparse<S: DiskSource + ?Sized>(
    file: &S,
    each: &mut dyn FnMut(Run<'_>) -> Result<()>,
) -> Result<()> {
    let size = crate::source::len(file)?;
    read_range(file, 0..size, each)
}

/// Gives the content of a range of a sparse file.
fn read_range<S: DiskSource + ?Sized>(
    file: &S,
    range: Range<u64>,
    each: &mut dyn FnMut(Run<'_>) -> Result<()>,
) -> Result<()> {
    let io = |offset_bytes, len_bytes| {
        move |source| Error::Io {
            action: "read",
            offset_bytes,
            len_bytes,
            source,
        }
    };
    let mut buffer = vec![0; 1 << 20];
    let mut at = range.start;
    while let Some(data) = file
        .next_data(at..range.end)
        .map_err(|source| io(at, range.end.saturating_sub(at))(source))?
    {
        if data.start > at {
            each(Run::Zeros(data.start - at))?;
            at = data.start;
        }
        while at < data.end {
            let rest = data.end - at;
            let len = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
            file.read_exact_at(&mut buffer[..len], at)
                .map_err(io(at, len as u64))?;
            each(Run::Data(&buffer[..len]))?;
            at += len as u64;
        }
    }
    if range.end > at {
        each(Run::Zeros(range.end - at))?;
    }
    Ok(())
}
