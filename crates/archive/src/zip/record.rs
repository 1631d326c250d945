//! What a zip says of a member: in front of its content, behind it, and in the central directory.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use manifest::{Kind, Timestamp};

use crate::error::{Error, Result};
use crate::members::Member;

/// Needed for directories.
const VERSION_2_0: u16 = 20;
/// Needed for zip64.
pub const VERSION_4_5: u16 = 45;
/// Made by a program on Unix that knows zip64; so the external attributes have a mode.
const MADE_BY: u16 = 3 << 8 | VERSION_4_5;
const METHOD_STORED: u16 = 0;

const FLAG_DESCRIPTOR: u16 = 1 << 3;
const FLAG_UTF8: u16 = 1 << 11;

const EXTRA_ZIP64: u16 = 0x0001;
const EXTRA_TIMESTAMP: u16 = 0x5455;
const EXTRA_UNIX: u16 = 0x7875;

/// What stands for a number that is in the zip64 extra field.
const ELSEWHERE: u32 = u32::MAX;
/// External attributes: what MS-DOS knows a directory by.
const DOS_DIRECTORY: u32 = 0x10;

/// A member, as a zip describes it.
pub struct Record {
    name: Vec<u8>,
    mtime: Timestamp,
    uid: u32,
    gid: u32,
    /// Type and permission bits (st_mode).
    mode: u32,
    offset_bytes: u64,
    /// The length of its content.
    pub size_bytes: u64,
    /// Of its content.
    pub checksum: Checksum,
}

/// CRC-32 of content, and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// In front of the content.
    Known(u32),
    /// Behind the content, which has not been read yet.
    Follows,
    /// Behind the content, which has been.
    Followed(u32),
}

impl Record {
    /// That of a member whose header begins at an offset, without content.
    pub fn new(member: &Member, offset_bytes: u64) -> Result<Self> {
        let (kind, metadata) = (&member.entry.kind, &member.entry.metadata);
        let mut name = text(&member.name);
        if *kind == Kind::Directory {
            name.push('/');
        }
        if u16::try_from(name.len()).is_err() {
            let path = member.name.clone();
            return Err(Error::PathTooLong { path });
        }
        Ok(Self {
            name: name.into_bytes(),
            mtime: metadata.mtime,
            uid: metadata.uid,
            gid: metadata.gid,
            mode: file_type(kind) | metadata.mode,
            offset_bytes,
            size_bytes: 0,
            checksum: Checksum::Known(0),
        })
    }

    /// What stands in front of the content.
    pub fn local_header(&self) -> Vec<u8> {
        let extra = self.local_extra();
        let mut out = Vec::with_capacity(128 + self.name.len());
        put_u32(&mut out, 0x0403_4b50);
        self.put_heading(&mut out, if self.is_large() { VERSION_4_5 } else { VERSION_2_0 });
        let (crc, size) = match self.checksum {
            Checksum::Known(crc) => (crc, small(self.size_bytes)),
            // APPNOTE 4.3.9.2: that sizes are long in the descriptor is told by the extra field, which takes this.
            _ if self.is_large() => (0, ELSEWHERE),
            _ => (0, 0),
        };
        for number in [crc, size, size] {
            put_u32(&mut out, number);
        }
        put_u16(&mut out, short(self.name.len()));
        put_u16(&mut out, short(extra.len()));
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
        out
    }

    /// What stands behind content whose checksum was not known in advance.
    pub fn descriptor(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(24);
        put_u32(&mut out, 0x0807_4b50);
        put_u32(&mut out, self.crc());
        for _ in ["compressed", "uncompressed"] {
            if self.is_large() {
                put_u64(&mut out, self.size_bytes);
            } else {
                put_u32(&mut out, small(self.size_bytes));
            }
        }
        out
    }

    /// What stands in the central directory.
    pub fn central_header(&self) -> Vec<u8> {
        let extra = self.central_extra();
        let mut out = Vec::with_capacity(128 + self.name.len());
        put_u32(&mut out, 0x0201_4b50);
        put_u16(&mut out, MADE_BY);
        let is_zip64 = self.is_large() || self.is_far();
        self.put_heading(&mut out, if is_zip64 { VERSION_4_5 } else { VERSION_2_0 });
        let size = small(self.size_bytes);
        for number in [self.crc(), size, size] {
            put_u32(&mut out, number);
        }
        put_u16(&mut out, short(self.name.len()));
        put_u16(&mut out, short(extra.len()));
        for _ in ["length of comment", "disk", "internal attributes"] {
            put_u16(&mut out, 0);
        }
        let for_dos = if self.name.ends_with(b"/") {
            DOS_DIRECTORY
        } else {
            0
        };
        put_u32(&mut out, self.mode << 16 | for_dos);
        put_u32(&mut out, small(self.offset_bytes));
        out.extend_from_slice(&self.name);
        out.extend_from_slice(&extra);
        out
    }

    /// What local and central header have in common: version, flags, method and time.
    fn put_heading(&self, out: &mut Vec<u8>, version: u16) {
        let descriptor = match self.checksum {
            Checksum::Known(_) => 0,
            Checksum::Follows | Checksum::Followed(_) => FLAG_DESCRIPTOR,
        };
        let (date, time) = dos_time(self.mtime);
        for number in [version, FLAG_UTF8 | descriptor, METHOD_STORED, time, date] {
            put_u16(out, number);
        }
    }

    fn local_extra(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        if self.is_large() {
            put_extra(&mut out, EXTRA_ZIP64, &[0; 16]);
        }
        self.put_unix(&mut out);
        out
    }

    fn central_extra(&self) -> Vec<u8> {
        let mut long = Vec::with_capacity(24);
        if self.is_large() {
            put_u64(&mut long, self.size_bytes);
            put_u64(&mut long, self.size_bytes);
        }
        if self.is_far() {
            put_u64(&mut long, self.offset_bytes);
        }
        let mut out = Vec::with_capacity(64);
        if !long.is_empty() {
            put_extra(&mut out, EXTRA_ZIP64, &long);
        }
        self.put_unix(&mut out);
        out
    }

    /// Time and owner, as Info-ZIP keeps them.
    fn put_unix(&self, out: &mut Vec<u8>) {
        if let Ok(secs) = i32::try_from(self.mtime.secs) {
            const HAS_MTIME: u8 = 1;
            let [a, b, c, d] = secs.to_le_bytes();
            put_extra(out, EXTRA_TIMESTAMP, &[HAS_MTIME, a, b, c, d]);
        }
        // Its version, and the length of each number that follows.
        let mut owner = vec![1, 4];
        put_u32(&mut owner, self.uid);
        owner.push(4);
        put_u32(&mut owner, self.gid);
        put_extra(out, EXTRA_UNIX, &owner);
    }

    fn crc(&self) -> u32 {
        match self.checksum {
            Checksum::Known(crc) | Checksum::Followed(crc) => crc,
            Checksum::Follows => 0,
        }
    }

    fn is_large(&self) -> bool {
        self.size_bytes >= u64::from(ELSEWHERE)
    }

    fn is_far(&self) -> bool {
        self.offset_bytes >= u64::from(ELSEWHERE)
    }
}

/// A name as text. What is not UTF-8 becomes `%XX`, so that names that differ there go on differing.
fn text(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len() + 1);
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            write!(text, "%{byte:02X}").expect("a string takes everything");
        }
    }
    text
}

/// The type bits of st_mode.
fn file_type(kind: &Kind) -> u32 {
    match kind {
        Kind::Directory => 0o040_000,
        Kind::Symlink { .. } => 0o120_000,
        _ => 0o100_000,
    }
}

/// Date and time of MS-DOS, in UTC, for want of a time zone. It knows the years from 1980 to 2107, and every other second.
fn dos_time(time: Timestamp) -> (u16, u16) {
    const EARLIEST: (u16, u16) = (1 << 5 | 1, 0);
    const LATEST: (u16, u16) = (127 << 9 | 12 << 5 | 31, 23 << 11 | 59 << 5 | 29);
    let Ok(time_utc) = jiff::Timestamp::from_second(time.secs) else {
        return if time.secs < 0 { EARLIEST } else { LATEST };
    };
    let utc: DateTime = Offset::UTC.to_datetime(time_utc);
    // Each is less than its bits can hold.
    let [month, day, hour, minute, second] =
        [utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second()].map(i8::unsigned_abs);
    match u16::try_from(utc.year() - 1980) {
        Err(_) => EARLIEST,
        Ok(year) if year > 127 => LATEST,
        Ok(year) => (
            year << 9 | u16::from(month) << 5 | u16::from(day),
            u16::from(hour) << 11 | u16::from(minute) << 5 | u16::from(second / 2),
        ),
    }
}

fn put_extra(out: &mut Vec<u8>, id: u16, value: &[u8]) {
    put_u16(out, id);
    put_u16(out, short(value.len()));
    out.extend_from_slice(value);
}

/// A number, or what stands for one that is elsewhere.
pub fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(ELSEWHERE)
}

fn short(len: usize) -> u16 {
    u16::try_from(len).expect("names are checked, and extra fields are short")
}

/// Appends two bytes, little endian.
pub fn put_u16(out: &mut Vec<u8>, number: u16) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends four bytes, little endian.
pub fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Appends eight bytes, little endian.
pub fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dos(secs: i64) -> (u16, u16) {
        dos_time(Timestamp { secs, nanos: 0 })
    }

    #[test]
    fn times_are_kept_within_what_dos_knows() {
        // 2026-11-29 06:50:55 UTC
        let date = 46 << 9 | 11 << 5 | 29;
        let time = 6 << 11 | 50 << 5 | 27;
        assert_eq!(dos(1_795_935_055), (date, time));
        let earliest = (1 << 5 | 1, 0);
        assert_eq!([dos(0), dos(i64::MIN), dos(315_532_799)], [earliest; 3]);
        assert_eq!(dos(315_532_800), earliest);
        assert_eq!(dos(4_354_819_198), dos(i64::MAX));
        assert_eq!(dos(4_354_819_200), dos(i64::MAX));
    }

    #[test]
    fn names_become_text() {
        assert_eq!(text("Grüße".as_bytes()), "Grüße");
        assert_eq!(text(b"a\xffb\xc3"), "a%FFb%C3");
    }
}
