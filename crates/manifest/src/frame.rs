//! Frames: runs of records, compressed together, each by itself readable.
//!
//! ```text
//! offset  size  field
//! 0       4     "FRAM"
//! 4       4     length of the body in bytes, little endian
//! 8       4     length of the packed body in bytes, little endian; equal to the first: not compressed
//! 12      4     number of records, little endian
//! 16      16    BLAKE3, cut to 16 bytes, of the 12 bytes from offset 4 on and of the packed body
//! 32      p     packed body: zstd, or the body itself
//! ```
//!
//! The body is a sequence of records, each behind its length as a varint.

use std::ops::Range;
use std::sync::Arc;

use crate::codec::Input;
use crate::error::{Error, Result};
use crate::record::{MAX_RECORD_BYTES, RawRecord};

/// A frame is cut when its body has reached this size.
pub(crate) const TARGET_BODY_BYTES: usize = 256 << 10;
/// The longest body: one record of the greatest length behind a body that was not full.
pub(crate) const MAX_BODY_BYTES: usize = MAX_RECORD_BYTES + TARGET_BODY_BYTES + 16;
pub(crate) const HEAD_BYTES: usize = 32;
pub(crate) const CHECKSUM_BYTES: usize = 16;
/// A body that would shrink more than this is not compressed, so that a reader can tell from the packed
/// length how much memory it may take.
const MAX_RATIO: usize = 1024;
const MARKER: [u8; 4] = *b"FRAM";
const LEVEL: i32 = 1;

/// BLAKE3 cut to 16 bytes.
pub(crate) fn checksum(parts: [&[u8]; 2]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hasher.update(part);
    });
    let mut cut = [0; CHECKSUM_BYTES];
    cut.copy_from_slice(&hasher.finalize().as_bytes()[..CHECKSUM_BYTES]);
    cut
}

/// What stands in front of a packed body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) body_bytes: u32,
    pub(crate) packed_bytes: u32,
    pub(crate) records: u32,
    checksum: [u8; CHECKSUM_BYTES],
}

impl Head {
    /// Decodes a head and checks that its lengths are possible.
    pub(crate) fn decode(bytes: &[u8; HEAD_BYTES]) -> Result<Self> {
        let mut input = Input::new(bytes, "frame");
        if input.array()? != MARKER {
            return Err(input.fault("it doesn't begin as a frame does"));
        }
        let mut word = || input.array().map(u32::from_le_bytes);
        let (body_bytes, packed_bytes, records) = (word()?, word()?, word()?);
        let head = Self {
            body_bytes,
            packed_bytes,
            records,
            checksum: input.array()?,
        };
        let (body, packed) = (body_bytes as usize, packed_bytes as usize);
        if packed > body || body > MAX_BODY_BYTES || body > packed.saturating_mul(MAX_RATIO) {
            return Err(input.fault("its lengths are impossible"));
        }
        // A record has a length, a path's length and a count.
        if records == 0 || records as usize > body / 3 {
            return Err(input.fault("its number of records is impossible"));
        }
        Ok(head)
    }

    fn lengths(&self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.body_bytes.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.packed_bytes.to_le_bytes());
        bytes[8..].copy_from_slice(&self.records.to_le_bytes());
        bytes
    }

    fn encode(&self) -> [u8; HEAD_BYTES] {
        let mut bytes = [0; HEAD_BYTES];
        bytes[..4].copy_from_slice(&MARKER);
        bytes[4..16].copy_from_slice(&self.lengths());
        bytes[16..].copy_from_slice(&self.checksum);
        bytes
    }
}

/// A frame in memory.
#[derive(Debug)]
pub(crate) struct Frame {
    body: Vec<u8>,
    /// As it lies in the file, head included; empty where it comes from none.
    encoded: Vec<u8>,
    records: usize,
}

impl Frame {
    /// A body that is in no file.
    pub(crate) fn unpacked(body: Vec<u8>) -> Self {
        Self {
            body,
            encoded: Vec::new(),
            records: 0,
        }
    }

    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Gives the record that begins at `at` in the body, the `index`th of the frame, and where the next
    /// begins.
    pub(crate) fn record(self: &Arc<Self>, at: usize, index: usize) -> Result<(RawRecord, usize)> {
        let mut input = Input::new(&self.body[at..], "frame");
        let len_bytes = input.bytes()?.len();
        let end = self.body.len() - input.remaining();
        let range: Range<usize> = end - len_bytes..end;
        if (index + 1 == self.records) != (end == self.body.len()) {
            return Err(input.fault("its number of records is wrong"));
        }
        Ok((RawRecord::within(Arc::clone(self), range, index)?, end))
    }
}

/// Packs bodies.
pub(crate) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    encoded: Vec<u8>,
}

impl Packer {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Compressor::new(LEVEL)?,
            encoded: Vec::new(),
        })
    }

    /// Gives a frame as it should lie in the file.
    pub(crate) fn pack(&mut self, body: &[u8], records: u32) -> Result<&[u8]> {
        self.encoded.clear();
        self.encoded.resize(HEAD_BYTES, 0);
        self.encoded
            .reserve_exact(zstd::zstd_safe::compress_bound(body.len()));
        let mut target = std::io::Cursor::new(std::mem::take(&mut self.encoded));
        target.set_position(HEAD_BYTES as u64);
        let len = self.zstd.compress_to_buffer(body, &mut target)?;
        self.encoded = target.into_inner();
        if len >= body.len() || len.saturating_mul(MAX_RATIO) < body.len() {
            self.encoded.truncate(HEAD_BYTES);
            self.encoded.extend_from_slice(body);
        }
        let (head, packed) = self.encoded.split_at_mut(HEAD_BYTES);
        let mut fields = Head {
            body_bytes: body.len() as u32,
            packed_bytes: packed.len() as u32,
            records,
            checksum: [0; CHECKSUM_BYTES],
        };
        fields.checksum = checksum([&fields.lengths(), packed]);
        head.copy_from_slice(&fields.encode());
        Ok(&self.encoded)
    }
}

/// Unpacks frames.
pub(crate) struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
}

impl Unpacker {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            zstd: zstd::bulk::Decompressor::new()?,
        })
    }

    /// Checks and unpacks a frame from its head and all of its bytes, head included.
    pub(crate) fn unpack(&mut self, head: &Head, encoded: Vec<u8>) -> Result<Frame> {
        let fault = |what| Error::malformed("frame", what);
        let packed = &encoded[HEAD_BYTES..];
        if checksum([&head.lengths(), packed]) != head.checksum {
            return Err(fault("its checksum is wrong"));
        }
        let body_bytes = head.body_bytes as usize;
        let mut body = Vec::with_capacity(body_bytes);
        if packed.len() == body_bytes {
            body.extend_from_slice(packed);
        } else {
            self.zstd
                .decompress_to_buffer(packed, &mut body)
                .map_err(|_| fault("it can't be decompressed"))?;
        }
        if body.len() != body_bytes {
            return Err(fault("its length is wrong"));
        }
        Ok(Frame {
            body,
            encoded,
            records: head.records as usize,
        })
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Packer").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Unpacker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Unpacker").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(body_bytes: u32, packed_bytes: u32, records: u32) -> Result<Head> {
        Head::decode(
            &Head {
                body_bytes,
                packed_bytes,
                records,
                checksum: [0; CHECKSUM_BYTES],
            }
            .encode(),
        )
    }

    #[test]
    fn lengths_that_can_not_be_are_refused() {
        assert!(head(1024, 1, 1).is_ok());
        assert!(head(1025, 1, 1).is_err(), "more than memory should be taken for");
        assert!(head(10, 11, 1).is_err(), "packed is longer");
        assert!(head(u32::MAX, u32::MAX, 1).is_err());
        assert!(head(MAX_BODY_BYTES as u32 + 1, 1 << 28, 1).is_err());
        assert!(head(100, 100, 0).is_err());
        assert!(head(100, 100, 34).is_err(), "more records than there is room for");
    }

    #[test]
    fn what_shrinks_hardly_or_too_much_is_not_compressed() {
        let mut packer = Packer::new().unwrap();
        let noise: Vec<u8> = (0..100_000u32)
            .flat_map(|at| blake3::hash(&at.to_le_bytes()).as_bytes()[..4].to_vec())
            .collect();
        for body in [noise, vec![0; 10 << 20]] {
            let encoded = packer.pack(&body, 1).unwrap().to_vec();
            assert_eq!(encoded.len(), HEAD_BYTES + body.len());
            let head = Head::decode(encoded.first_chunk().unwrap()).unwrap();
            assert_eq!(
                Unpacker::new().unwrap().unpack(&head, encoded).unwrap().body(),
                body
            );
        }
    }

    #[test]
    fn a_body_that_is_longer_or_shorter_than_said_is_refused() {
        let mut packer = Packer::new().unwrap();
        let encoded = packer
            .pack(&[b"0123456789".repeat(100)].concat(), 1)
            .unwrap()
            .to_vec();
        let good = Head::decode(encoded.first_chunk().unwrap()).unwrap();
        for body_bytes in [good.body_bytes - 1, good.body_bytes + 1] {
            let mut head = Head { body_bytes, ..good };
            head.checksum = checksum([&head.lengths(), &encoded[HEAD_BYTES..]]);
            assert!(Unpacker::new().unwrap().unpack(&head, encoded.clone()).is_err());
        }
    }
}
