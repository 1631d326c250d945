//! Swap space of Linux (`include/linux/swap.h`, `union swap_header`): a header in the first page, whose size is not written
//! anywhere but follows from where the signature lies.
//!
//! ```text
//! offset     size  field
//! 1024       4     version: 1
//! 1028       4     last page
//! 1032       4     number of bad pages
//! 1036       16    UUID
//! 1052       16    label
//! page - 10  10    "SWAPSPACE2"; "S1SUSPEND" where a system has been suspended to it
//! ```

use super::ranges::Ranges;
use super::reader::{Reader, text, uuid_text};
use super::{Choice, Condition, FileSystem, LeaveOut, Volume};
use crate::source::u32_at;
use crate::{Error, Result};

const STRUCTURE: &str = "swap header";
const SIGNATURE: &[u8] = b"SWAPSPACE2";
const SUSPENDED: &[u8] = b"S1SUSPEND\0";
const PAGES_BYTES: [u64; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

struct Header {
    page_bytes: u64,
    page: Vec<u8>,
    is_suspended: bool,
}

impl Header {
    fn read(reader: &Reader) -> Result<Option<Self>> {
        for page_bytes in PAGES_BYTES {
            let Some(signature) = reader.read_if_there(page_bytes - 10, 10)? else {
                break;
            };
            if signature == SIGNATURE || signature == SUSPENDED {
                let page = reader.read(STRUCTURE, 0, page_bytes)?;
                let is_suspended = signature == SUSPENDED;
                return Ok(Some(Self {
                    page_bytes,
                    page,
                    is_suspended,
                }));
            }
        }
        Ok(None)
    }

    fn len_bytes(&self) -> u64 {
        (u64::from(u32_at(&self.page, 1028)) + 1) * self.page_bytes
    }

    fn check(&self, volume_len_bytes: u64) -> Result<()> {
        let damaged = |reason: &str| Err(Error::damaged(STRUCTURE, 1024, reason));
        match self.len_bytes() {
            _ if u32_at(&self.page, 1024) != 1 => damaged("its version is not 1"),
            len_bytes if len_bytes > volume_len_bytes => damaged("it is larger than the volume"),
            _ => Ok(()),
        }
    }
}

pub(super) fn identify(reader: &Reader) -> Result<Option<Volume>> {
    let header = Header::read(reader)?;
    Ok(header.map(|header| Volume {
        file_system: FileSystem::Swap,
        label: text(&header.page[1052..1068]),
        id: uuid_text(&header.page[1036..1052]),
        len_bytes: header.len_bytes(),
        block_bytes: header.page_bytes as u32,
        condition: Condition::of(header.check(reader.len_bytes()), Condition::Unknown),
    }))
}

/// Everything, or the header and what lies behind the end.
pub(super) fn used(reader: &Reader, leave_out: LeaveOut) -> Result<Ranges> {
    let header = Header::read(reader)?;
    let header = header.ok_or_else(|| Error::damaged(STRUCTURE, 0, "it is gone"))?;
    header.check(reader.len_bytes())?;
    let mut ranges = Ranges::within(reader.len_bytes());
    // A header that announces a suspended system must not stand before zeros.
    if leave_out.swap == Choice::Omit && !header.is_suspended {
        ranges.add(0..header.page_bytes);
        ranges.add(header.len_bytes()..reader.len_bytes());
    } else {
        ranges.add(0..reader.len_bytes());
    }
    Ok(ranges)
}
