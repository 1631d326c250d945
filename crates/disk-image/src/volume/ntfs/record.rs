//! One record of the master file table, and the attributes in it.
//!
//! ```text
//! record                              attribute
//! 0x00  4  "FILE"                     0x00  4  type; all bits set ends the list
//! 0x04  2  offset of the fixups       0x04  4  length
//! 0x06  2  their number               0x08  1  0 is resident
//! 0x10  2  sequence number            0x09  1  length of the name in units
//! 0x14  2  first attribute            0x0a  2  offset of the name
//! 0x16  2  flags: 1 is in use,        0x0c  2  flags: the low byte is compression,
//!          2 is a directory                    0x4000 encryption
//! 0x18  4  bytes in use               resident:     0x10 4 length, 0x14 2 offset of the value
//!                                     not resident: 0x10 8 first VCN, 0x18 8 last VCN, 0x20 2 offset of the runs,
//!                                                   0x30 8 size, 0x38 8 written size
//! ```
//! The last two bytes of each 512 are kept among the fixups; in their place is a number that is the same for all.

use std::ops::Range;

use super::data::Run;
use crate::source::{u16_at, u32_at, u64_at};
use crate::{Error, Result};

const STRUCTURE: &str = "NTFS record";
const STRIDE_BYTES: usize = 512;

/// The types of attributes that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "their names are those that NTFS has for them")]
pub enum AttributeKind {
    StandardInformation = 0x10,
    List = 0x20,
    FileName = 0x30,
    VolumeName = 0x60,
    VolumeInformation = 0x70,
    Data = 0x80,
    IndexRoot = 0x90,
    IndexAllocation = 0xa0,
    Bitmap = 0xb0,
    ReparsePoint = 0xc0,
}

/// A record whose fixups were right.
pub struct Record {
    offset_bytes: u64,
    bytes: Vec<u8>,
}

/// An attribute, bounds of which were checked.
pub(super) struct Attribute<'a> {
    bytes: &'a [u8],
    offset_bytes: u64,
}

impl Record {
    pub(super) fn parse(offset_bytes: u64, mut bytes: Vec<u8>) -> Result<Self> {
        undo_fixups(STRUCTURE, b"FILE", offset_bytes, &mut bytes)?;
        Ok(Self { offset_bytes, bytes })
    }

    /// Whether it is that of a file or directory that exists.
    pub fn is_in_use(&self) -> bool {
        u16_at(&self.bytes, 0x16) & 1 != 0
    }

    /// Whether it is a directory's.
    pub fn is_directory(&self) -> bool {
        u16_at(&self.bytes, 0x16) & 2 != 0
    }

    /// How often it was used anew; references to it have the same number.
    pub fn sequence(&self) -> u16 {
        u16_at(&self.bytes, 0x10)
    }

    /// The attributes of a kind and name.
    pub(super) fn attributes(&self, kind: AttributeKind, name: &[u16]) -> Result<Vec<Attribute<'_>>> {
        let mut found = Vec::new();
        let mut at = usize::from(u16_at(&self.bytes, 0x14));
        let fail = || Error::damaged(STRUCTURE, self.offset_bytes, "an attribute does not fit");
        // Each attribute has 16 bytes at least, so that this ends.
        loop {
            let code = self.bytes.get(at..at + 4).ok_or_else(fail)?;
            if code == [0xff; 4] {
                return Ok(found);
            }
            let head = self.bytes.get(at..at + 16).ok_or_else(fail)?;
            let len = u32_at(head, 4) as usize;
            let end = at.checked_add(len).filter(|_| len >= 16);
            let bytes = end.and_then(|end| self.bytes.get(at..end)).ok_or_else(fail)?;
            let attribute = Attribute {
                bytes,
                offset_bytes: self.offset_bytes,
            };
            if u32_at(code, 0) == kind as u32 && attribute.has_name(name) {
                found.push(attribute);
            }
            at += len;
        }
    }

    /// The value of an unnamed attribute that lies in the record.
    ///
    /// # Errors
    /// [`Error::Damaged`] if an attribute does not fit.
    pub fn resident(&self, kind: AttributeKind) -> Result<Option<&[u8]>> {
        let attributes = self.attributes(kind, &[])?;
        attributes.first().map(Attribute::value).transpose()
    }
}

impl<'a> Attribute<'a> {
    pub(super) fn is_resident(&self) -> bool {
        self.bytes[8] == 0
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.bytes[12] != 0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.bytes[13] & 0x40 != 0
    }

    fn has_name(&self, name: &[u16]) -> bool {
        let from = usize::from(u16_at(self.bytes, 10));
        let len = usize::from(self.bytes[9]);
        let own = self.bytes.get(from..from + len * 2);
        len == name.len()
            && (len == 0 || own.is_some_and(|own| (0..len).all(|unit| u16_at(own, unit * 2) == name[unit])))
    }

    /// The value of a resident one.
    pub(super) fn value(&self) -> Result<&'a [u8]> {
        let value = self.bytes.get(0x10..0x16).filter(|_| self.is_resident());
        let value = value.and_then(|head| {
            let from = usize::from(u16_at(head, 4));
            self.bytes.get(from..from.checked_add(u32_at(head, 0) as usize)?)
        });
        value.ok_or_else(|| self.fail("a value does not fit"))
    }

    /// First VCN, size and written size of one that is not resident. The sizes are those of the whole only in the first part.
    pub(super) fn extent(&self) -> Result<(u64, u64, u64)> {
        if self.is_resident() || self.bytes.len() < 0x40 {
            return Err(self.fail("an attribute lacks its runs"));
        }
        Ok([0x10, 0x30, 0x38].map(|at| u64_at(self.bytes, at)).into())
    }

    /// The runs of one that is not resident, all within the volume.
    pub(super) fn runs(&self, clusters: u64) -> Result<Vec<Run>> {
        let (mut vcn, _, _) = self.extent()?;
        let fail = || self.fail("its runs make no sense");
        let mut at = usize::from(u16_at(self.bytes, 0x20));
        let mut lcn = 0_i64;
        let mut runs = Vec::new();
        loop {
            let head = *self.bytes.get(at).ok_or_else(fail)?;
            if head == 0 {
                break;
            }
            let (len_bytes, lcn_bytes) = (usize::from(head & 15), usize::from(head >> 4));
            let len = self
                .number(at + 1, len_bytes)
                .and_then(|len| u64::try_from(len).ok());
            let len = len.filter(|len| *len > 0).ok_or_else(fail)?;
            let delta = self.number(at + 1 + len_bytes, lcn_bytes).ok_or_else(fail)?;
            let mut start = None;
            if lcn_bytes > 0 {
                lcn = lcn.checked_add(delta).ok_or_else(fail)?;
                let first = u64::try_from(lcn).ok();
                let fits = |first: &u64| first.checked_add(len).is_some_and(|end| end <= clusters);
                start = Some(first.filter(fits).ok_or_else(fail)?);
            }
            let end = vcn.checked_add(len).ok_or_else(fail)?;
            runs.push(Run {
                vcns: vcn..end,
                start,
            });
            vcn = end;
            at += 1 + len_bytes + lcn_bytes;
        }
        Ok(runs)
    }

    /// A number with a sign in up to 8 bytes; none are 0.
    fn number(&self, at: usize, len: usize) -> Option<i64> {
        let bytes = self.bytes.get(at..at + len).filter(|_| len <= 8)?;
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut whole = [if is_negative { 0xff } else { 0 }; 8];
        whole[..len].copy_from_slice(bytes);
        Some(i64::from_le_bytes(whole))
    }

    fn fail(&self, reason: &str) -> Error {
        Error::damaged(STRUCTURE, self.offset_bytes, reason)
    }
}

/// Checks a structure's signature and puts back the last two bytes of each 512.
pub(super) fn undo_fixups(
    structure: &'static str,
    magic: &[u8; 4],
    offset_bytes: u64,
    bytes: &mut [u8],
) -> Result<()> {
    let fail = |reason| Err(Error::damaged(structure, offset_bytes, reason));
    if bytes.len() < STRIDE_BYTES || &bytes[..4] != magic {
        return fail("it has no signature");
    }
    let (from, count) = (usize::from(u16_at(bytes, 4)), usize::from(u16_at(bytes, 6)));
    let fixups: Range<usize> = from..from + count * 2;
    if count != bytes.len() / STRIDE_BYTES + 1 || fixups.end > STRIDE_BYTES - 2 {
        return fail("its fixups don't fit");
    }
    let fixups = bytes[fixups].to_vec();
    for (sector, fixup) in bytes
        .chunks_exact_mut(STRIDE_BYTES)
        .zip(fixups[2..].chunks_exact(2))
    {
        let place = &mut sector[STRIDE_BYTES - 2..];
        if place != &fixups[..2] {
            return fail("it was not written as a whole");
        }
        place.copy_from_slice(fixup);
    }
    Ok(())
}
