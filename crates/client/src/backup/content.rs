//! Content that is too large to be held in memory: streamed, block by block.

use std::ops::Range;
use std::sync::Arc;

use file_tree::Stat;
use manifest::content::{BlockHasher, keeps_block_hashes};
use manifest::delta::FileId;
use manifest::{BlockHash, ContentHash};
use wire::v1::PieceStart;

use super::merge::BaseVersion;
use super::pieces::{PieceSink, PieceWriter};
use super::segments::{Layout, ReadError, Segment, for_each_segment};
use crate::error::Result;
use crate::source::{EntryResult, FileReader};

/// A file's content as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) size: u64,
    /// [`ContentHash::PENDING`] where less was left than a hash can be made of block by block.
    pub(crate) hash: ContentHash,
    /// As the manifest keeps them.
    pub(crate) block_hashes: Arc<[BlockHash]>,
    /// Whether the server has got it, all but the end.
    pub(super) is_sent: bool,
}

/// What the server has of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Nothing.
    Nothing,
    /// The base's version, or what an earlier try sent.
    Version {
        size: u64,
        hash: ContentHash,
        block_hashes: Arc<[BlockHash]>,
    },
}

impl Sent {
    fn nothing() -> Self {
        Self {
            state: State::Nothing,
        }
    }

    fn version(size: u64, hash: ContentHash, block_hashes: &Arc<[BlockHash]>) -> Self {
        Self {
            state: State::Version {
                size,
                hash,
                block_hashes: Arc::clone(block_hashes),
            },
        }
    }

    /// The base's version, if there is one.
    pub(super) fn base(base: Option<&BaseVersion>) -> Self {
        base.map_or_else(Self::nothing, |base| {
            Self::version(base.size, base.hash, &base.block_hashes)
        })
    }

    /// The base's block hashes, if it is this content that the server has.
    pub(super) fn hashes_of(&self, content: &Content) -> Option<Arc<[BlockHash]>> {
        match &self.state {
            State::Version { block_hashes, .. } if self.is_same(content) => Some(Arc::clone(block_hashes)),
            _ => None,
        }
    }

    /// Whether the server has this content already.
    pub(super) fn is_same(&self, content: &Content) -> bool {
        self.whole() == Some((content.size, content.hash))
    }

    /// Size and hash of what the server has.
    fn whole(&self) -> Option<(u64, ContentHash)> {
        match &self.state {
            State::Nothing => None,
            State::Version { size, hash, .. } => Some((*size, *hash)),
        }
    }

    /// The hashes of the blocks that the server has; `None` where they are not known.
    fn blocks(&self) -> Option<Arc<[BlockHash]>> {
        match &self.state {
            State::Version { block_hashes, .. } if !block_hashes.is_empty() => Some(Arc::clone(block_hashes)),
            _ => None,
        }
    }
}

/// Sends what differs from what the server has; without block hashes to compare with, everything.
///
/// Afterwards the server has what was read, up to the file's end.
pub(super) fn send_large(
    reader: &dyn FileReader,
    stat: &Stat,
    threads: usize,
    sent: &mut Sent,
    sink: &mut dyn PieceSink,
    file: FileId,
) -> Result<Content, ReadError> {
    let layout = Layout::of(reader, stat.size)?;
    let known = sent.blocks();
    if known.is_none() && sent.whole().is_some_and(|(size, _)| size == stat.size) {
        let content = read(reader, &layout, threads, &mut |_| Ok(()))?;
        if sent.whole() == Some((content.size, content.hash)) {
            return Ok(content);
        }
    }
    let start = if known.is_some() {
        PieceStart::Patch
    } else {
        PieceStart::New
    };
    let mut pieces = PieceWriter::begin(sink, file, start);
    let content = read(reader, &layout, threads, &mut |segment| match &known {
        None => pieces.range(&layout, segment, segment.range.clone()),
        Some(known) => send_differing(&mut pieces, &layout, segment, known),
    })?;
    pieces.pause()?;
    *sent = Sent::version(content.size, content.hash, &content.block_hashes);
    Ok(Content {
        is_sent: true,
        ..content
    })
}

/// Reads and hashes content and sends nothing.
pub(super) fn hash_large(reader: &dyn FileReader, stat: &Stat, threads: usize) -> Result<Content, ReadError> {
    let layout = Layout::of(reader, stat.size)?;
    read(reader, &layout, threads, &mut |_| Ok(()))
}

/// Sends the blocks of a segment whose hashes differ from those known, neighbours together. A patch is made
/// of whole blocks: one that is a hole in part is sent with its zeros.
fn send_differing(
    pieces: &mut PieceWriter<'_>,
    layout: &Layout,
    segment: &Segment,
    known: &[BlockHash],
) -> Result<()> {
    let first = (segment.range.start / manifest::BLOCK_BYTES) as usize;
    let mut data = segment.range.start..segment.range.start;
    for (index, hash) in segment.blocks.iter().enumerate() {
        let block = segment.block_range(index);
        let differs = known.get(first + index) != Some(hash);
        let has_data = layout.has_data(&block);
        if differs && has_data && data.end == block.start {
            data.end = block.end;
            continue;
        }
        flush(pieces, segment, &data)?;
        data = if differs && has_data {
            block.clone()
        } else {
            block.end..block.end
        };
        if differs && !has_data {
            pieces.hole(block)?;
        }
    }
    flush(pieces, segment, &data)
}

fn flush(pieces: &mut PieceWriter<'_>, segment: &Segment, data: &Range<u64>) -> Result<()> {
    if data.is_empty() {
        Ok(())
    } else {
        pieces.data(data.start, segment.data(data))
    }
}

/// Reads through a file, gives each segment on, and puts the hashes together.
fn read(
    reader: &dyn FileReader,
    layout: &Layout,
    threads: usize,
    each: &mut dyn FnMut(&Segment) -> Result<()>,
) -> Result<Content, ReadError> {
    let mut hashes = Hashes::for_size(layout.size);
    let size = for_each_segment(reader, layout, threads, &mut |segment| {
        hashes.add(segment);
        each(segment)
    })?;
    Ok(hashes.finish(size))
}

/// Collects the hashes of a file's blocks.
enum Hashes {
    Blocks(Vec<BlockHash>),
    /// The file has more blocks than are kept.
    Stream(Box<BlockHasher>),
}

impl Hashes {
    fn for_size(size: u64) -> Self {
        if keeps_block_hashes(size) {
            Self::Blocks(Vec::new())
        } else {
            Self::Stream(Box::default())
        }
    }

    fn add(&mut self, segment: &Segment) {
        match self {
            Self::Blocks(blocks) => blocks.extend_from_slice(&segment.blocks),
            Self::Stream(hasher) => segment.each_run(&mut |bytes| {
                hasher.update(bytes);
            }),
        }
    }

    fn finish(self, size: u64) -> Content {
        match self {
            Self::Blocks(blocks) => {
                let hash = ContentHash::from_blocks(size, &blocks).unwrap_or(ContentHash::PENDING);
                let kept = keeps_block_hashes(size) && hash != ContentHash::PENDING;
                let block_hashes = if kept { blocks.into() } else { Arc::default() };
                Content {
                    size,
                    hash,
                    block_hashes,
                    is_sent: false,
                }
            }
            Self::Stream(hasher) => {
                let hashed = hasher.finish();
                Content {
                    size: hashed.size,
                    hash: hashed.hash,
                    block_hashes: hashed.block_hashes,
                    is_sent: false,
                }
            }
        }
    }
}

/// Hashes the content of a file of any size; sends nothing.
pub(crate) fn hash_content(
    reader: &dyn FileReader,
    stat: &Stat,
    threads: usize,
    buffer: &mut Vec<u8>,
) -> EntryResult<Content> {
    if stat.size >= super::transfer::WHOLE_BELOW_BYTES {
        return match hash_large(reader, stat, threads) {
            Ok(content) => Ok(content),
            Err(ReadError::File(error)) => Err(error),
            Err(ReadError::Session(_) | ReadError::Stream(_)) => {
                unreachable!("nothing is sent, and a file is read")
            }
        };
    }
    buffer.resize(stat.size as usize, 0);
    let read_bytes = reader.read_at(buffer, 0)?;
    let hash = ContentHash::of(&buffer[..read_bytes]);
    Ok(Content {
        size: read_bytes as u64,
        hash,
        block_hashes: Arc::default(),
        is_sent: false,
    })
}
