//! The base of a backup that resumes an interrupted one.

use std::io::Write;

use crate::error::Result;
use crate::path::compare_paths;
use crate::reader::{ReadAt, Reader};
use crate::record::RawRecord;
use crate::writer::Writer;

/// Where the directories of a resumed base came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Directories that the interrupted backup had completed.
    pub completed: u64,
    /// Directories of its base that it had not come to.
    pub untouched: u64,
}

/// Writes the base of a resumed backup: the directories that the interrupted one had completed, then those
/// of its base that it can't have touched.
///
/// `touched_up_to` is the largest path that it may have touched; base directories up to there are left out,
/// unless it is `None`, as are those up to the last completed one. The outcome is in manifest order, but a
/// directory need not be listed by its parent.
pub fn resume<W: Write, S: ReadAt>(
    partial: impl IntoIterator<Item = RawRecord>,
    base: Option<&Reader<S>>,
    touched_up_to: Option<&[u8]>,
    out: &mut Writer<W>,
) -> Result<Resumed> {
    let mut resumed = Resumed::default();
    for record in partial {
        out.push_raw(&record)?;
        resumed.completed += 1;
    }
    let completed_up_to = out.last_path().map(Box::<[u8]>::from);
    let Some(base) = base else { return Ok(resumed) };
    let after = match (completed_up_to.as_deref(), touched_up_to) {
        (Some(a), Some(b)) => Some(if compare_paths(a, b).is_lt() { b } else { a }),
        (a, b) => a.or(b),
    };
    for record in base.raw_records_from(after.unwrap_or(b""))? {
        let record = record?;
        if after.is_some_and(|after| compare_paths(record.path(), after).is_le()) {
            continue;
        }
        out.push_raw(&record)?;
        resumed.untouched += 1;
    }
    Ok(resumed)
}
