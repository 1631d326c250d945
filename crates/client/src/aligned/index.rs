//! The index of an aligned stream, and the tail of fixed size that it ends with.

use manifest::{BLOCK_BYTES, ContentHash};

use super::AlignedError;

/// The unit that chunks are placed in: a block.
pub(crate) const SLOT_BYTES: u64 = BLOCK_BYTES;
/// The version that is written.
pub(super) const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"PERNSTRM";
const TAIL_BYTES: usize = 104;
const CHUNK_BYTES: usize = 40;
/// What of the tail its own hash is over.
const HASHED_TAIL_BYTES: usize = 72;

/// A part of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// The slot that it begins with.
    pub(crate) slot: u32,
    /// 1 up to the size of a slot.
    pub(crate) len_bytes: u32,
    pub(crate) hash: ContentHash,
}

/// All of a file that is not chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Index {
    /// Slots before the index.
    pub(crate) slots: u32,
    /// In the stream's order.
    pub(crate) chunks: Vec<Chunk>,
    /// Of the whole stream.
    pub(crate) hash: ContentHash,
}

/// The end of a file, of fixed size: it says how large the index before it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(super) slots: u32,
    pub(super) chunks: u64,
    pub(super) stream_bytes: u64,
    hash: ContentHash,
    own_hash: ContentHash,
}

impl Index {
    /// The length of the stream.
    pub(crate) fn stream_bytes(&self) -> u64 {
        self.chunks.iter().map(|chunk| u64::from(chunk.len_bytes)).sum()
    }

    /// The index and the tail as they follow the slots.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.chunks.len() * CHUNK_BYTES + TAIL_BYTES);
        for chunk in &self.chunks {
            out.extend(chunk.slot.to_le_bytes());
            out.extend(chunk.len_bytes.to_le_bytes());
            out.extend(chunk.hash.0);
        }
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((SLOT_BYTES as u32).to_le_bytes());
        out.extend(u64::from(self.slots).to_le_bytes());
        out.extend((self.chunks.len() as u64).to_le_bytes());
        out.extend(self.stream_bytes().to_le_bytes());
        out.extend(self.hash.0);
        let own_hash = ContentHash::of(&out);
        out.extend(own_hash.0);
        out
    }

    /// Reads what [`Index::encode`] has written.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, AlignedError> {
        let start = bytes
            .len()
            .checked_sub(TAIL_BYTES)
            .ok_or(AlignedError::NotAligned)?;
        let (entries, tail) = bytes.split_at(start);
        let tail = Tail::decode(tail)?;
        if entries.len() as u64 != tail.index_bytes()? {
            return Err(AlignedError::damaged(
                "the index has another length than it should",
            ));
        }
        if ContentHash::of(&bytes[..start + HASHED_TAIL_BYTES]) != tail.own_hash {
            return Err(AlignedError::damaged("the index is not what was written"));
        }
        let chunks: Vec<Chunk> = entries.as_chunks::<CHUNK_BYTES>().0.iter().map(chunk).collect();
        let fits =
            |chunk: &Chunk| chunk.slot < tail.slots && (1..=SLOT_BYTES).contains(&u64::from(chunk.len_bytes));
        let index = Self {
            slots: tail.slots,
            chunks,
            hash: tail.hash,
        };
        if !index.chunks.iter().all(fits) || index.stream_bytes() != tail.stream_bytes {
            return Err(AlignedError::damaged("the index contradicts itself"));
        }
        Ok(index)
    }
}

impl Tail {
    pub(super) const LEN_BYTES: usize = TAIL_BYTES;

    /// Reads the last bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, AlignedError> {
        if bytes.len() != TAIL_BYTES || bytes[..8] != MAGIC {
            return Err(AlignedError::NotAligned);
        }
        let version = number_u32(bytes, 8);
        if version != VERSION {
            return Err(AlignedError::Version { version });
        }
        let slots = u32::try_from(number_u64(bytes, 16));
        if u64::from(number_u32(bytes, 12)) != SLOT_BYTES {
            return Err(AlignedError::damaged(
                "its slots have another size than slots have",
            ));
        }
        Ok(Self {
            slots: slots.map_err(|_| AlignedError::damaged("it has too many slots"))?,
            chunks: number_u64(bytes, 24),
            stream_bytes: number_u64(bytes, 32),
            hash: hash(bytes, 40),
            own_hash: hash(bytes, HASHED_TAIL_BYTES),
        })
    }

    /// The length of the index without the tail.
    pub(super) fn index_bytes(&self) -> Result<u64, AlignedError> {
        let bytes = self.chunks.checked_mul(CHUNK_BYTES as u64);
        bytes.ok_or_else(|| AlignedError::damaged("it has too many chunks"))
    }
}

fn chunk(bytes: &[u8; CHUNK_BYTES]) -> Chunk {
    Chunk {
        slot: number_u32(bytes, 0),
        len_bytes: number_u32(bytes, 4),
        hash: hash(bytes, 8),
    }
}

fn number_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*array(bytes, at))
}

fn number_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*array(bytes, at))
}

fn hash(bytes: &[u8], at: usize) -> ContentHash {
    ContentHash(*array(bytes, at))
}

/// Bytes at an offset that was checked to be within.
fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..]
        .first_chunk()
        .expect("the fields lie within what was measured")
}
