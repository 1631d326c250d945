//! The content of a file that is read once, from a stream: sent block by block as it comes, as far as it differs from the base.
//!
//! Nobody knows beforehand how much will come, and nothing can be read again. A stream of less than [`HEAD_BYTES`] is held in memory;
//! of a longer one, a few blocks are.

use std::sync::Arc;

use manifest::content::{BlockHasher, hash_block, keeps_block_hashes};
use manifest::delta::FileId;
use manifest::{BLOCK_BYTES, BlockHash, ContentHash};
use wire::v1::PieceStart;

use super::content::Content;
use super::merge::BaseVersion;
use super::pieces::{PieceSink, PieceWriter};
use super::segments::ReadError;
use crate::aligned::{Cutter, Index, Placement, SLOT_BYTES};
use crate::error::Result;
use crate::settings::Alignment;
use crate::source::{StreamError, StreamReader};

/// So much is read before anything is sent: what is shorter has no blocks to compare.
const HEAD_BYTES: usize = super::transfer::WHOLE_BELOW_BYTES as usize;
/// What is read at once after that: whole blocks.
const READ_BYTES: usize = 4 * BLOCK_BYTES as usize;

static ZERO_BLOCK: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

/// What the content of a stream is sent with.
pub(super) struct Setting<'a> {
    pub(super) sink: &'a mut dyn PieceSink,
    pub(super) file: FileId,
    pub(super) base: Option<&'a BaseVersion>,
    /// The index of the base's version, or of one like it: what it says is not believed, but tried first.
    pub(super) last: Option<&'a Index>,
    /// Whether the backup goes on.
    pub(super) is_wanted: &'a dyn Fn() -> bool,
    /// Is told how many bytes more have been read.
    pub(super) progress: &'a dyn Fn(u64),
}

/// What has been sent; only the file's end is missing.
pub(super) struct Streamed {
    pub(super) content: Content,
    /// Of an aligned stream, the index as it is in the file.
    pub(super) index: Option<Vec<u8>>,
}

/// Reads a stream to its end and sends what the server does not have.
pub(super) fn send_stream(
    stream: &mut dyn StreamReader,
    setting: Setting<'_>,
) -> Result<Streamed, ReadError> {
    let mut source = Source {
        stream,
        is_wanted: setting.is_wanted,
        progress: setting.progress,
    };
    let mut head = vec![0; HEAD_BYTES];
    let head_bytes = source.fill(&mut head)?;
    head.truncate(head_bytes);
    let base = setting
        .base
        .filter(|base| head_bytes == HEAD_BYTES && !base.block_hashes.is_empty());
    let writer = BlockWriter::begin(setting.sink, setting.file, base);
    match source.stream.alignment() {
        Alignment::Off => send_plain(&mut source, head, writer),
        Alignment::Blocks => {
            let fits =
                |last: &&Index| base.is_some_and(|base| last.slots as usize <= base.block_hashes.len());
            let last = setting.last.filter(fits);
            send_aligned(&mut source, &head, writer, last)
        }
    }
}

/// What is still to come of a stream.
struct Source<'a> {
    stream: &'a mut dyn StreamReader,
    is_wanted: &'a dyn Fn() -> bool,
    progress: &'a dyn Fn(u64),
}

impl Source<'_> {
    /// Reads what there is next; 0 at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let len_bytes = self.stream.read(buffer, self.is_wanted)?;
        (self.progress)(len_bytes as u64);
        Ok(len_bytes)
    }

    /// Reads until the buffer is full or the stream ends.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, StreamError> {
        let mut len_bytes = 0;
        while len_bytes < buffer.len() {
            match self.read(&mut buffer[len_bytes..])? {
                0 => break,
                more => len_bytes += more,
            }
        }
        Ok(len_bytes)
    }
}

/// Sends a stream as it is.
fn send_plain(
    source: &mut Source<'_>,
    head: Vec<u8>,
    mut writer: BlockWriter<'_>,
) -> Result<Streamed, ReadError> {
    let mut buffer = head;
    let mut number = 0;
    let mut size = 0;
    loop {
        for block in buffer.chunks(BLOCK_BYTES as usize) {
            writer.block(number, block)?;
            number += 1;
        }
        size += buffer.len() as u64;
        // A block that is not whole is the last one.
        if buffer.is_empty() || !buffer.len().is_multiple_of(BLOCK_BYTES as usize) {
            break;
        }
        buffer.resize(READ_BYTES, 0);
        let len_bytes = source.fill(&mut buffer)?;
        buffer.truncate(len_bytes);
    }
    Ok(Streamed {
        content: writer.finish(size)?,
        index: None,
    })
}

/// Sends a stream cut into chunks, each in a block of its own, and the index behind them.
fn send_aligned(
    source: &mut Source<'_>,
    head: &[u8],
    writer: BlockWriter<'_>,
    last: Option<&Index>,
) -> Result<Streamed, ReadError> {
    let mut slots = Slots {
        writer,
        placement: Placement::after(last),
        padded: Vec::with_capacity(SLOT_BYTES as usize),
    };
    let mut cutter = Cutter::default();
    let mut hasher = BlockHasher::new();
    let mut buffer = vec![0; READ_BYTES];
    cutter.add(head);
    hasher.update(head);
    loop {
        while let Some(chunk) = cutter.next() {
            slots.chunk(chunk)?;
        }
        let len_bytes = source.read(&mut buffer)?;
        if len_bytes == 0 {
            break;
        }
        cutter.add(&buffer[..len_bytes]);
        hasher.update(&buffer[..len_bytes]);
    }
    while let Some(chunk) = cutter.rest() {
        slots.chunk(chunk)?;
    }
    slots.finish(hasher.finish().hash)
}

/// The slots of an aligned stream while they are filled.
struct Slots<'a> {
    writer: BlockWriter<'a>,
    placement: Placement,
    /// A chunk and the zeros up to the end of its slot.
    padded: Vec<u8>,
}

impl Slots<'_> {
    fn chunk(&mut self, bytes: &[u8]) -> Result<(), ReadError> {
        let place = self.placement.place(bytes).ok_or(StreamError::TooLong)?;
        if !place.is_placed {
            self.padded.clear();
            self.padded.extend_from_slice(bytes);
            self.padded.resize(SLOT_BYTES as usize, 0);
            self.writer
                .padded(u64::from(place.slot), &self.padded, bytes.len())?;
        }
        Ok(())
    }

    /// Empties the slots that nothing lies in any more, and adds the index.
    fn finish(mut self, hash: ContentHash) -> Result<Streamed, ReadError> {
        let (index, emptied) = self.placement.finish(hash);
        for slot in emptied {
            self.writer.zeros(u64::from(slot))?;
        }
        let encoded = index.encode();
        let first = u64::from(index.slots);
        for (number, block) in (first..).zip(encoded.chunks(BLOCK_BYTES as usize)) {
            self.writer.block(number, block)?;
        }
        let size = first * SLOT_BYTES + encoded.len() as u64;
        Ok(Streamed {
            content: self.writer.finish(size)?,
            index: Some(encoded),
        })
    }
}

/// Sends blocks: all of a new file, or those that differ from the base's.
struct BlockWriter<'a> {
    pieces: PieceWriter<'a>,
    sums: Sums,
}

/// The hashes of what the file has become so far.
enum Sums {
    /// All of it comes, in order.
    New(Box<BlockHasher>),
    /// The base's blocks, some of them replaced.
    Patch(Vec<BlockHash>),
}

impl<'a> BlockWriter<'a> {
    fn begin(sink: &'a mut dyn PieceSink, file: FileId, base: Option<&BaseVersion>) -> Self {
        let (start, sums) = match base {
            Some(base) => (PieceStart::Patch, Sums::Patch(base.block_hashes.to_vec())),
            None => (PieceStart::New, Sums::New(Box::default())),
        };
        Self {
            pieces: PieceWriter::begin(sink, file, start),
            sums,
        }
    }

    /// Takes a block. Only the last of a file may be shorter.
    fn block(&mut self, number: u64, bytes: &[u8]) -> Result<()> {
        self.padded(number, bytes, bytes.len())
    }

    /// Takes a block that ends with zeros behind its first `data_bytes`.
    fn padded(&mut self, number: u64, bytes: &[u8], data_bytes: usize) -> Result<()> {
        let start = number * BLOCK_BYTES;
        match &mut self.sums {
            Sums::New(hasher) => {
                hasher.update(bytes);
                self.pieces.data(start, &bytes[..data_bytes])?;
                self.pieces
                    .hole(start + data_bytes as u64..start + bytes.len() as u64)
            }
            Sums::Patch(blocks) => {
                if replace(blocks, number, hash_block(number, bytes)) {
                    self.pieces.data(start, bytes)?;
                }
                Ok(())
            }
        }
    }

    /// Takes a block of zeros.
    fn zeros(&mut self, number: u64) -> Result<()> {
        let start = number * BLOCK_BYTES;
        match &mut self.sums {
            Sums::New(_) => self.padded(number, &ZERO_BLOCK, 0),
            Sums::Patch(blocks) => {
                if replace(blocks, number, hash_block(number, &ZERO_BLOCK)) {
                    self.pieces.hole(start..start + BLOCK_BYTES)?;
                }
                Ok(())
            }
        }
    }

    /// Sends what is held back; the file then has `size` bytes.
    fn finish(self, size: u64) -> Result<Content> {
        self.pieces.pause()?;
        let (hash, block_hashes) = match self.sums {
            Sums::New(hasher) => {
                let hashed = hasher.finish();
                (hashed.hash, hashed.block_hashes)
            }
            Sums::Patch(mut blocks) => {
                blocks.truncate(size.div_ceil(BLOCK_BYTES) as usize);
                let hash = ContentHash::from_blocks(size, &blocks)
                    .expect("a patched file has more than one block, and all were hashed");
                let kept = if keeps_block_hashes(size) {
                    blocks
                } else {
                    Vec::new()
                };
                (hash, Arc::from(kept))
            }
        };
        Ok(Content {
            size,
            hash,
            block_hashes,
            is_sent: true,
        })
    }
}

/// Puts the hash of a block in its place, and tells whether it is another than before.
fn replace(blocks: &mut Vec<BlockHash>, number: u64, hash: BlockHash) -> bool {
    let number = number as usize;
    assert!(number <= blocks.len(), "blocks behind the end follow one another");
    match blocks.get_mut(number) {
        Some(known) if *known == hash => false,
        Some(known) => {
            *known = hash;
            true
        }
        None => {
            blocks.push(hash);
            true
        }
    }
}

#[cfg(test)]
mod tests;
