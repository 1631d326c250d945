//! Names of a FAT: long ones in entries of their own before the short one, last part first.

use disk_image::u16_at;

use crate::text::utf8;

const LAST: u8 = 0x40;
/// 255 units.
const MAX_PARTS: u8 = 20;
const UNITS_PER_PART: usize = 13;
const SMALL_NAME: u8 = 8;
const SMALL_EXTENSION: u8 = 16;
/// Stands for 0xe5, which would mean that the entry was deleted.
const FOR_DELETED: u8 = 5;

/// A long name whose parts come in.
#[derive(Default)]
pub(super) struct LongName {
    units: Vec<u16>,
    /// The number of the part that came last; 0 where parts were missing.
    part: u8,
    checksum: u8,
}

impl LongName {
    /// Takes the next part.
    pub(super) fn add(&mut self, entry: &[u8]) {
        let (number, checksum) = (entry[0] & 0x3f, entry[13]);
        if entry[0] & LAST != 0 && (1..=MAX_PARTS).contains(&number) {
            *self = Self {
                units: vec![0; usize::from(number) * UNITS_PER_PART],
                part: number + 1,
                checksum,
            };
        }
        if number == 0 || number + 1 != self.part || checksum != self.checksum {
            *self = Self::default();
            return;
        }
        let places = (1..11)
            .step_by(2)
            .chain((14..26).step_by(2))
            .chain((28..32).step_by(2));
        let from = usize::from(number - 1) * UNITS_PER_PART;
        for (unit, place) in self.units[from..].iter_mut().zip(places) {
            *unit = u16_at(entry, place);
        }
        self.part = number;
    }

    /// The name of a short entry: the long one if it is whole and belongs to it.
    pub(super) fn finish(self, entry: &[u8]) -> Vec<u8> {
        let sum = entry[..11]
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        let end = self
            .units
            .iter()
            .position(|unit| *unit == 0)
            .unwrap_or(self.units.len());
        if self.part == 1 && sum == self.checksum && end > 0 {
            return utf8(&self.units[..end]);
        }
        short(entry)
    }
}

fn short(entry: &[u8]) -> Vec<u8> {
    let part = |bytes: &[u8], is_small: bool| {
        let end = bytes
            .iter()
            .rposition(|byte| *byte != b' ')
            .map_or(0, |last| last + 1);
        let part = bytes[..end].to_vec();
        if is_small { part.to_ascii_lowercase() } else { part }
    };
    let mut name = part(&entry[..8], entry[12] & SMALL_NAME != 0);
    if let Some(first) = name.first_mut().filter(|first| **first == FOR_DELETED) {
        *first = 0xe5;
    }
    let extension = part(&entry[8..11], entry[12] & SMALL_EXTENSION != 0);
    if !extension.is_empty() {
        name.push(b'.');
        name.extend(extension);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_those_of_their_short_ones_only() {
        let mut part = [0; 32];
        part[0] = LAST | 1;
        part[11] = 0x0f;
        part[1..5].copy_from_slice(&[b'a', 0, b'b', 0]);
        let mut short = [b' '; 32];
        short[..2].copy_from_slice(b"XY");
        short[12] = 0;
        let checksum = short[..11]
            .iter()
            .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
        for (own, expected) in [(checksum, &b"ab"[..]), (checksum ^ 1, b"XY")] {
            part[13] = own;
            let mut long = LongName::default();
            long.add(&part);
            assert_eq!(long.finish(&short), expected);
        }
        // The first of two parts is missing.
        part[0] = LAST | 2;
        part[13] = checksum;
        let mut long = LongName::default();
        long.add(&part);
        assert_eq!(long.finish(&short), b"XY");
    }

    #[test]
    fn short_names_have_a_dot_and_may_be_of_small_letters() {
        let entry = |name: &[u8; 11], flags: u8| {
            let mut entry = [0; 32];
            entry[..11].copy_from_slice(name);
            entry[12] = flags;
            LongName::default().finish(&entry)
        };
        assert_eq!(entry(b"README  TXT", 0), b"README.TXT");
        assert_eq!(entry(b"README  TXT", 8), b"readme.TXT");
        assert_eq!(entry(b"README  TXT", 16), b"README.txt");
        assert_eq!(entry(b"A B        ", 0), b"A B");
        assert_eq!(entry(b"\x05X         ", 0), b"\xe5X");
    }
}
