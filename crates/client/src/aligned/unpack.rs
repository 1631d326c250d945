//! Giving a stream back.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt as _;

use manifest::ContentHash;
use manifest::content::BlockHasher;

use super::AlignedError;
use super::index::{Index, SLOT_BYTES, Tail};

/// What was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unpacked {
    /// The length of the stream.
    pub stream_bytes: u64,
    /// Its hash.
    pub hash: ContentHash,
}

/// Writes the stream that an aligned file holds, and proves it by its hashes.
///
/// Fails with [`AlignedError::NotAligned`] before anything is written where the file does not end as an aligned stream does, and with
/// [`AlignedError::Damaged`] where what it holds is not what was put into it; the chunks before that have been written then.
pub fn unpack(file: &File, out: &mut dyn Write) -> Result<Unpacked, AlignedError> {
    let index = read_index(file)?;
    let mut buffer = vec![0; SLOT_BYTES as usize];
    let mut hasher = BlockHasher::new();
    for (number, chunk) in index.chunks.iter().enumerate() {
        let bytes = &mut buffer[..chunk.len_bytes as usize];
        file.read_exact_at(bytes, u64::from(chunk.slot) * SLOT_BYTES)?;
        if ContentHash::of(bytes) != chunk.hash {
            let what = format!("chunk {number}, in slot {}, is not what was written", chunk.slot);
            return Err(AlignedError::damaged(what));
        }
        hasher.update(bytes);
        out.write_all(bytes)?;
    }
    let hashed = hasher.finish();
    if hashed.hash != index.hash {
        return Err(AlignedError::damaged("the stream is not what was written"));
    }
    Ok(Unpacked {
        stream_bytes: hashed.size,
        hash: hashed.hash,
    })
}

fn read_index(file: &File) -> Result<Index, AlignedError> {
    let file_bytes = file.metadata()?.len();
    let tail_at = file_bytes.checked_sub(Tail::LEN_BYTES as u64);
    let tail_at = tail_at.ok_or(AlignedError::NotAligned)?;
    let mut tail = vec![0; Tail::LEN_BYTES];
    file.read_exact_at(&mut tail, tail_at)?;
    let tail = Tail::decode(&tail)?;
    let index_at = u64::from(tail.slots) * SLOT_BYTES;
    // The file's own length bounds what is allocated.
    if tail_at.checked_sub(index_at) != Some(tail.index_bytes()?) {
        return Err(AlignedError::damaged(
            "the file has another length than it should",
        ));
    }
    let mut bytes = vec![0; (file_bytes - index_at) as usize];
    file.read_exact_at(&mut bytes, index_at)?;
    Index::decode(&bytes)
}
