//! The smallest pieces of the encoding: varints, and bytes behind their length.
//!
//! A varint is LEB128: seven bits a byte, the lowest first, the top bit set on all but the last byte; at
//! most ten bytes and never longer than needed.

use crate::error::{Error, Result};

/// Appends a varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends bytes behind their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Maps integers of small magnitude to small unsigned ones.
pub(crate) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// Undoes [`zigzag`].
pub(crate) fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads what the functions above have written.
#[derive(Debug, Clone)]
pub(crate) struct Input<'a> {
    rest: &'a [u8],
    part: &'static str,
}

impl<'a> Input<'a> {
    /// Begins to read `bytes`, which should be what `part` names.
    pub(crate) fn new(bytes: &'a [u8], part: &'static str) -> Self {
        Self { rest: bytes, part }
    }

    /// The error for what has just been read.
    #[cold]
    pub(crate) fn fault(&self, what: &'static str) -> Error {
        Error::malformed(self.part, what)
    }

    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn byte(&mut self) -> Result<u8> {
        let (&byte, rest) = self
            .rest
            .split_first()
            .ok_or_else(|| self.fault("it ends too early"))?;
        self.rest = rest;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64> {
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(self.fault("a number is over 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(self.fault("a number is longer than needed"));
                }
                return Ok(value);
            }
        }
        Err(self.fault("a number is over 64 bits"))
    }

    pub(crate) fn varint_u32(&mut self) -> Result<u32> {
        u32::try_from(self.varint()?).map_err(|_| self.fault("a number is over 32 bits"))
    }

    #[inline]
    pub(crate) fn take(&mut self, len_bytes: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self
            .rest
            .split_at_checked(len_bytes)
            .ok_or_else(|| self.fault("it ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.fault("it ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads bytes behind their length.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8]> {
        let len_bytes = usize::try_from(self.varint()?).map_err(|_| self.fault("it ends too early"))?;
        self.take(len_bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| self.fault("a text is not UTF-8"))
    }

    /// Reads the number of items that follow, each of at least `min_item_bytes`: never more than can be
    /// there.
    pub(crate) fn count(&mut self, min_item_bytes: usize) -> Result<usize> {
        let count = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if count > self.rest.len() / min_item_bytes {
            return Err(self.fault("it ends too early"));
        }
        Ok(count)
    }

    /// Checks that nothing is left.
    pub(crate) fn end(&self) -> Result<()> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.fault("bytes follow its end"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn overlong_varints_are_refused() {
        let bad: [&[u8]; 5] = [&[0x80, 0], &[0xff, 0x80, 0], &[0x80], &[0xff; 10], &[0xff; 11]];
        for bytes in bad {
            assert!(Input::new(bytes, "test").varint().is_err(), "{bytes:?}");
        }
        let mut most = vec![0xff; 9];
        most.push(1);
        assert_eq!(Input::new(&most, "test").varint().unwrap(), u64::MAX);
    }

    proptest! {
        #[test]
        fn varints_round_trip(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            let mut input = Input::new(&out, "test");
            prop_assert_eq!(input.varint().unwrap(), value);
            prop_assert!(input.end().is_ok());
            prop_assert_eq!(unzigzag(zigzag(value as i64)), value as i64);
        }

        #[test]
        fn there_is_one_varint_for_each_number(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut input = Input::new(&bytes, "test");
            if let Ok(value) = input.varint() {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..bytes.len() - input.remaining()]);
            }
        }
    }
}
