//! Files of the root directory whose content may be left out: page, swap and hibernation files.
//!
//! An entry in a directory may be an old one, so the record itself is asked for its name. A file name: 0 directory, 0x40 length in
//! units (u8), 0x42 units.

use std::ops::Range;

use super::data::Data;
use super::index::each_name;
use super::mft::{Mft, RECORD_MASK};
use super::record::{AttributeKind, Record};
use crate::Result;
use crate::source::{u16_at, u64_at};
use crate::volume::{Choice, LeaveOut};

const ROOT_RECORD: u64 = 5;
/// No root directory is larger than that by any reason.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Of each name there may be old entries besides. More would be an attempt to keep us busy.
const MAX_REFERENCES: usize = 16;

/// The places of what is left out. What can't be read is not left out.
pub(super) fn ranges(mft: &Mft, leave_out: LeaveOut) -> Result<Vec<Range<u64>>> {
    let cluster_bytes = mft.boot().cluster_bytes;
    let mut out = Vec::new();
    for reference in references(mft, leave_out)? {
        let Ok(record) = mft.record(reference & RECORD_MASK) else {
            continue;
        };
        if !is_the_file(mft, &record, reference, leave_out) {
            continue;
        }
        if let Ok(Some(
            data @ Data::Runs {
                is_compressed: false, ..
            },
        )) = mft.data(&record, AttributeKind::Data, &[])
        {
            let bytes = |run: Range<u64>| run.start * cluster_bytes..run.end * cluster_bytes;
            out.extend(data.clusters().map(bytes));
        }
    }
    Ok(out)
}

fn is_left_out(name: &[u16], leave_out: LeaveOut) -> bool {
    let name = String::from_utf16_lossy(name).to_ascii_lowercase();
    match name.as_str() {
        "pagefile.sys" | "swapfile.sys" => leave_out.swap == Choice::Omit,
        "hiberfil.sys" => leave_out.hibernation == Choice::Omit,
        _ => false,
    }
}

fn is_the_file(mft: &Mft, record: &Record, reference: u64, leave_out: LeaveOut) -> bool {
    let names = mft.values(record, AttributeKind::FileName).unwrap_or_default();
    let is_named = names.iter().any(|value| {
        let is_in_root = value.len() >= 8 && u64_at(value, 0) & RECORD_MASK == ROOT_RECORD;
        is_in_root && name_in(value).is_some_and(|name| is_left_out(&name, leave_out))
    });
    record.is_in_use() && u64::from(record.sequence()) == reference >> 48 && is_named
}

/// References to the records of all entries with such a name.
fn references(mft: &Mft, leave_out: LeaveOut) -> Result<Vec<u64>> {
    let mut found = Vec::new();
    each_name(mft, &mft.record(ROOT_RECORD)?, MAX_INDEX_BYTES, &mut |entry| {
        if is_left_out(&entry.units(), leave_out) {
            found.push(entry.reference);
        }
    })?;
    found.sort_unstable();
    found.dedup();
    found.truncate(MAX_REFERENCES);
    Ok(found)
}

/// The name within a file name attribute.
fn name_in(value: &[u8]) -> Option<Vec<u16>> {
    let units = usize::from(*value.get(0x40)?);
    let name = value.get(0x42..0x42 + units * 2)?;
    Some(name.chunks_exact(2).map(|unit| u16_at(unit, 0)).collect())
}
