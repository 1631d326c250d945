//! The ustar header of a member: 512 bytes, numbers in octal digits. What does not fit in goes into the records before it.
//!
//! | offset | bytes | | offset | bytes | |
//! |---|---|---|---|---|---|
//! | 0 | 100 | name | 157 | 100 | link target |
//! | 100 | 8 | mode | 257 | 8 | magic and version |
//! | 108 | 8 | owner | 265 | 32 | owner's name |
//! | 116 | 8 | group | 297 | 32 | group's name |
//! | 124 | 12 | size | 329 | 8 | major number |
//! | 136 | 12 | mtime | 337 | 8 | minor number |
//! | 148 | 8 | checksum | 345 | 155 | prefix of the name |
//! | 156 | 1 | type | | | |

use std::borrow::Cow;

use manifest::{Metadata, Timestamp};

use super::pax::Records;

/// Everything in a tar is a multiple of this.
pub const BLOCK_BYTES: usize = 512;

const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
/// One less than there are, for readers that want a NUL behind.
const OWNER_NAME_BYTES: usize = 31;
/// The largest number of seven octal digits.
const MAX_7: u64 = 0o7_777_777;
/// The largest number of eleven octal digits.
const MAX_11: u64 = 0o77_777_777_777;

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// A regular file.
    File = b'0',
    /// A further name of a file.
    Link = b'1',
    /// A symbolic link.
    Symlink = b'2',
    /// A character device node.
    CharDevice = b'3',
    /// A block device node.
    BlockDevice = b'4',
    /// A directory.
    Directory = b'5',
    /// A named pipe.
    Fifo = b'6',
    /// The records of the member that follows.
    Records = b'x',
}

/// A member's header.
#[derive(Debug)]
pub struct Header<'a> {
    kind: Type,
    mode: u32,
    owner: (u32, u32),
    mtime: Timestamp,
    prefix: Cow<'a, [u8]>,
    name: Cow<'a, [u8]>,
    link: &'a [u8],
    user: &'a str,
    group: &'a str,
    /// The length of the content that follows.
    pub size_bytes: u64,
    /// Major and minor number.
    pub device: (u32, u32),
}

impl<'a> Header<'a> {
    /// One with neither name nor content.
    pub fn new(kind: Type, metadata: &Metadata) -> Self {
        Self {
            kind,
            mode: metadata.mode,
            owner: (metadata.uid, metadata.gid),
            mtime: metadata.mtime,
            prefix: Cow::default(),
            name: Cow::default(),
            link: b"",
            user: "",
            group: "",
            size_bytes: 0,
            device: (0, 0),
        }
    }

    /// That of the records of a member.
    pub fn of_records(member: &[u8], len: usize) -> Header<'static> {
        let mut name = b"PaxHeaders/".to_vec();
        name.extend_from_slice(member);
        name.truncate(NAME_BYTES);
        let metadata = Metadata {
            mode: 0o644,
            ..Metadata::default()
        };
        Header {
            name: name.into(),
            size_bytes: len as u64,
            ..Header::new(Type::Records, &metadata)
        }
    }

    /// Sets the path; adds it to the records if it is too long or not ASCII.
    pub fn name(&mut self, path: Cow<'a, [u8]>, records: &mut Records) {
        let split = if path.is_ascii() { split(&path) } else { None };
        match split {
            Some(0) => self.name = path,
            Some(at) => {
                self.prefix = path[..at].to_vec().into();
                self.name = path[at + 1..].to_vec().into();
            }
            None => {
                records.add_text("path", &path);
                self.name = path[..path.len().min(NAME_BYTES)].to_vec().into();
            }
        }
    }

    /// Sets what a link leads to; adds it to the records if it is too long or not ASCII.
    pub fn link(&mut self, target: &'a [u8], records: &mut Records) {
        if target.len() > NAME_BYTES || !target.is_ascii() {
            records.add_text("linkpath", target);
        }
        self.link = &target[..target.len().min(NAME_BYTES)];
    }

    /// Sets the owner's name; adds it to the records if it is too long or not ASCII.
    pub fn user(&mut self, name: &'a str, records: &mut Records) {
        self.user = fitting(name, "uname", records);
    }

    /// Sets the group's name; adds it to the records if it is too long or not ASCII.
    pub fn group(&mut self, name: &'a str, records: &mut Records) {
        self.group = fitting(name, "gname", records);
    }

    /// Adds the numbers to the records that are too large or too precise.
    pub fn exceed(&self, records: &mut Records) {
        let (uid, gid) = self.owner;
        let (major, minor) = self.device;
        let numbers = [
            ("size", self.size_bytes, MAX_11),
            ("uid", u64::from(uid), MAX_7),
            ("gid", u64::from(gid), MAX_7),
            ("SCHILY.devmajor", u64::from(major), MAX_7),
            ("SCHILY.devminor", u64::from(minor), MAX_7),
        ];
        for (key, number, limit) in numbers {
            if number > limit {
                records.add(key, number.to_string().as_bytes());
            }
        }
        let is_octal = u64::try_from(self.mtime.secs).is_ok_and(|secs| secs <= MAX_11);
        if !is_octal || self.mtime.nanos > 0 {
            records.add("mtime", decimal(self.mtime).as_bytes());
        }
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &self.name);
        put(100, &octal_7(self.mode));
        put(108, &octal_7(self.owner.0));
        put(116, &octal_7(self.owner.1));
        put(124, &octal_11(self.size_bytes));
        put(136, &octal_11(u64::try_from(self.mtime.secs).unwrap_or(0)));
        put(148, b"        ");
        put(156, &[self.kind as u8]);
        put(157, self.link);
        put(257, b"ustar\x0000");
        put(265, self.user.as_bytes());
        put(297, self.group.as_bytes());
        put(329, &octal_7(self.device.0));
        put(337, &octal_7(self.device.1));
        put(345, &self.prefix);
        let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
        // Six digits, NUL and the space that is there.
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        block
    }
}

/// Where a path is cut into prefix and name; 0 if it is a name as a whole, `None` if it does not fit.
fn split(path: &[u8]) -> Option<usize> {
    if path.len() <= NAME_BYTES {
        return Some(0);
    }
    let fits =
        |&at: &usize| (1..=PREFIX_BYTES).contains(&at) && (2..=NAME_BYTES + 1).contains(&(path.len() - at));
    let slashes = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| at).find(fits)
}

fn fitting<'a>(name: &'a str, key: &'static str, records: &mut Records) -> &'a str {
    if name.len() <= OWNER_NAME_BYTES && name.is_ascii() {
        return name;
    }
    records.add(key, name.as_bytes());
    ""
}

/// The nearest number that fits in, and NUL.
fn octal_7(number: u32) -> [u8; 8] {
    octal(u64::from(number).min(MAX_7))
}

/// The nearest number that fits in, and NUL.
fn octal_11(number: u64) -> [u8; 12] {
    octal(number.min(MAX_11))
}

fn octal<const LEN: usize>(mut number: u64) -> [u8; LEN] {
    let mut digits = [0; LEN];
    for digit in digits[..LEN - 1].iter_mut().rev() {
        *digit = b'0' + (number & 7) as u8;
        number >>= 3;
    }
    digits
}

/// Seconds with as many digits behind the point as it takes. Nanoseconds count forward, digits of a negative number backward.
fn decimal(time: Timestamp) -> String {
    let digits = |secs: i64, nanos: u32| {
        let number = format!("{secs}.{nanos:09}");
        number.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match time {
        Timestamp { secs, nanos: 0 } => secs.to_string(),
        Timestamp { secs: -1, nanos } => format!("-{}", digits(0, 1_000_000_000 - nanos)),
        Timestamp { secs, nanos } if secs < 0 => digits(secs + 1, 1_000_000_000 - nanos),
        Timestamp { secs, nanos } => digits(secs, nanos),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_decimal() {
        let of = |secs, nanos| decimal(Timestamp { secs, nanos });
        assert_eq!(of(12, 340_000_000), "12.34");
        assert_eq!(of(12, 5), "12.000000005");
        assert_eq!(of(1 << 40, 0), "1099511627776");
        assert_eq!(of(-1, 500_000_000), "-0.5");
        assert_eq!(of(-5, 1), "-4.999999999");
        assert_eq!(of(-5, 0), "-5");
        assert_eq!(of(i64::MIN, 0), "-9223372036854775808");
        assert_eq!(of(i64::MIN, 900_000_000), "-9223372036854775807.1");
    }

    #[test]
    fn paths_are_cut_where_both_parts_fit() {
        let path = |lens: &[usize]| {
            let parts: Vec<String> = lens.iter().map(|&len| "x".repeat(len)).collect();
            parts.join("/").into_bytes()
        };
        assert_eq!(split(&path(&[100])), Some(0));
        assert_eq!(split(&path(&[101])), None);
        assert_eq!(split(&path(&[155, 100])), Some(155));
        assert_eq!(split(&path(&[156, 100])), None);
        assert_eq!(split(&path(&[155, 101])), None);
        assert_eq!(split(&path(&[50, 50, 50])), Some(101));
        // The slash of a directory is no place to cut: nothing would be left of the name.
        assert_eq!(split(&path(&[155, 0])), None);
        assert_eq!(split(&path(&[20, 90, 0])), Some(20));
    }
}
