//! Links of NTFS: reparse points ([MS-FSCC] 2.1.2), and those that Interix and ntfs-3g write as system files.
//!
//! ```text
//! 0  4  tag                    8   2  offset of the target    12  2  offset of its other form
//! 4  2  length behind 8 bytes  10  2  its length              14  2  its length
//!                              16  4  flags: 1 is relative; symbolic links only
//! ```
//! Names follow. The other form is the one to be shown; of a link of WSL there is a version and then the target in UTF-8.

use disk_image::{u16_at, u32_at};

use crate::text::utf8;
use crate::{Error, Result};

/// What Windows takes.
pub(super) const MAX_REPARSE_BYTES: u64 = 16 << 10;

const MOUNT_POINT: u32 = 0xa000_0003;
const SYMLINK: u32 = 0xa000_000c;
const WSL_SYMLINK: u32 = 0xa000_001d;
const DEDUPLICATED: u32 = 0x8000_0013;
const COMPACTED: u32 = 0x8000_0017;
const INTERIX: &[u8] = b"IntxLNK\x01";

/// What a reparse point means.
pub(super) enum Reparse {
    /// A link.
    Link(Vec<u8>),
    /// A file whose content is not where that of others is; why, in words.
    Elsewhere(String),
    /// Nothing that matters for reading.
    Other,
}

/// Reads a reparse point.
pub(super) fn target(bytes: &[u8]) -> Result<Reparse> {
    let fail = || Error::damaged("NTFS reparse point", 0, "it is too short");
    let tag = u32_at(bytes.get(..8).ok_or_else(fail)?, 0);
    let names_at = match tag {
        MOUNT_POINT => 16,
        SYMLINK => 20,
        WSL_SYMLINK => return Ok(Reparse::Link(bytes.get(12..).ok_or_else(fail)?.to_vec())),
        DEDUPLICATED => return Ok(Reparse::Elsewhere("Windows has deduplicated it".into())),
        COMPACTED => return Ok(Reparse::Elsewhere("Windows has compacted it".into())),
        _ => return Ok(Reparse::Other),
    };
    let head = bytes.get(..names_at).ok_or_else(fail)?;
    let name = |at: usize| {
        let from = names_at + usize::from(u16_at(head, at));
        bytes
            .get(from..from + usize::from(u16_at(head, at + 2)))
            .ok_or_else(fail)
    };
    let shown = name(12)?;
    let chosen = if shown.is_empty() { name(8)? } else { shown };
    Ok(Reparse::Link(with_slashes(chosen)))
}

/// The target of a system file with this content, if it is a link.
pub(super) fn interix(content: &[u8]) -> Option<Vec<u8>> {
    let units = content.strip_prefix(INTERIX)?;
    Some(utf8(&units_of(units)))
}

fn with_slashes(name: &[u8]) -> Vec<u8> {
    let slashed = units_of(name).into_iter().map(|unit| match unit {
        0x5c => u16::from(b'/'),
        other => other,
    });
    utf8(&slashed.collect::<Vec<_>>())
}

fn units_of(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|unit| u16_at(unit, 0)).collect()
}
