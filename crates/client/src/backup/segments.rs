//! Reading a large file: in segments of a few blocks, hashed by several threads, handed out in order.
//!
//! Memory: one segment for each thread and [`AHEAD`] more. Holes are not read, but hashed like zeros, for the
//! hash of a block depends on where it lies.

use std::collections::HashMap;
use std::ops::Range;

use manifest::content::hash_block;
use manifest::{BLOCK_BYTES, BlockHash};
use parking_lot::{Condvar, Mutex};

use crate::error::Error;
use crate::source::{EntryResult, FileReader, StreamError};

/// Read and handed out at once: four blocks.
pub(super) const SEGMENT_BYTES: u64 = 4 * BLOCK_BYTES;
/// Files from this size on are worth threads of their own.
const PARALLEL_FROM_BYTES: u64 = 8 << 20;
/// Segments that may wait to be taken.
const AHEAD: u64 = 2;

static ZEROS: [u8; BLOCK_BYTES as usize] = [0; BLOCK_BYTES as usize];

/// Why a file could not be read through.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The file itself can't be read: the backup goes on without it.
    File(file_tree::Error),
    /// The stream that the file was to be made of can't be: likewise.
    Stream(StreamError),
    /// The session is over.
    Session(Error),
}

impl From<file_tree::Error> for ReadError {
    fn from(error: file_tree::Error) -> Self {
        Self::File(error)
    }
}

impl From<StreamError> for ReadError {
    fn from(error: StreamError) -> Self {
        Self::Stream(error)
    }
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        Self::Session(error)
    }
}

/// Where a file has data and where holes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) size: u64,
    data: Vec<Range<u64>>,
}

/// A run of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Data(Range<u64>),
    Hole(Range<u64>),
}

impl Layout {
    /// Asks where the first `size` bytes have data.
    pub(super) fn of(reader: &dyn FileReader, size: u64) -> EntryResult<Self> {
        Ok(Self::new(size, reader.data_ranges()?))
    }

    /// Takes ranges of data in order.
    pub(super) fn new(size: u64, data: Vec<Range<u64>>) -> Self {
        let within = |range: Range<u64>| range.start.min(size)..range.end.min(size);
        Self {
            size,
            data: data
                .into_iter()
                .map(within)
                .filter(|range| !range.is_empty())
                .collect(),
        }
    }

    /// Cuts a range into runs of data and holes.
    pub(super) fn parts(&self, range: Range<u64>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut at = range.start;
        let first = self.data.partition_point(|data| data.end <= range.start);
        for data in &self.data[first..] {
            if data.start >= range.end {
                break;
            }
            let (start, end) = (data.start.max(at), data.end.min(range.end));
            if start > at {
                parts.push(Part::Hole(at..start));
            }
            parts.push(Part::Data(start..end));
            at = end;
        }
        if at < range.end {
            parts.push(Part::Hole(at..range.end));
        }
        parts
    }

    /// Whether any of a range is data.
    pub(super) fn has_data(&self, range: &Range<u64>) -> bool {
        let first = self.data.partition_point(|data| data.end <= range.start);
        self.data.get(first).is_some_and(|data| data.start < range.end)
    }

    fn segments(&self) -> u64 {
        self.size.div_ceil(SEGMENT_BYTES)
    }
}

/// A part of a file as it was read.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) range: Range<u64>,
    /// Hashes of its blocks.
    pub(super) blocks: Vec<BlockHash>,
    /// Empty where all is hole.
    bytes: Vec<u8>,
    /// The file ended before it should have.
    is_short: bool,
}

impl Segment {
    /// The bytes of a run of data within it.
    pub(super) fn data(&self, range: &Range<u64>) -> &[u8] {
        let start = (range.start - self.range.start) as usize;
        &self.bytes[start..start + (range.end - range.start) as usize]
    }

    /// Gives all of its bytes in order, zeros for holes.
    pub(super) fn each_run(&self, each: &mut dyn FnMut(&[u8])) {
        if !self.bytes.is_empty() {
            return each(&self.bytes);
        }
        for index in 0..self.blocks.len() {
            let block = self.block_range(index);
            each(&ZEROS[..(block.end - block.start) as usize]);
        }
    }

    /// The range of its `index`th block.
    pub(super) fn block_range(&self, index: usize) -> Range<u64> {
        let start = self.range.start + index as u64 * BLOCK_BYTES;
        start..(start + BLOCK_BYTES).min(self.range.end)
    }
}

/// Reads and hashes a whole file in segments, which `each` gets in order; gives the number of bytes there were.
pub(super) fn for_each_segment(
    reader: &dyn FileReader,
    layout: &Layout,
    threads: usize,
    each: &mut dyn FnMut(&Segment) -> Result<(), Error>,
) -> Result<u64, ReadError> {
    if threads < 2 || layout.size < PARALLEL_FROM_BYTES {
        return one_by_one(reader, layout, each);
    }
    let pipeline = Pipeline {
        state: Mutex::default(),
        done: Condvar::new(),
        room: Condvar::new(),
    };
    std::thread::scope(|scope| {
        let _stop = StopOnDrop(&pipeline);
        for _ in 0..threads {
            scope.spawn(|| pipeline.work(reader, layout, threads as u64 + AHEAD));
        }
        for index in 0..layout.segments() {
            let segment = pipeline.next(index)?;
            each(&segment)?;
            if segment.is_short {
                return Ok(segment.range.end);
            }
            pipeline.recycle(segment.bytes);
        }
        Ok(layout.size)
    })
}

fn one_by_one(
    reader: &dyn FileReader,
    layout: &Layout,
    each: &mut dyn FnMut(&Segment) -> Result<(), Error>,
) -> Result<u64, ReadError> {
    let mut buffer = Vec::new();
    for index in 0..layout.segments() {
        let segment = read_segment(reader, layout, index, buffer)?;
        each(&segment)?;
        if segment.is_short {
            return Ok(segment.range.end);
        }
        buffer = segment.bytes;
    }
    Ok(layout.size)
}

fn read_segment(
    reader: &dyn FileReader,
    layout: &Layout,
    index: u64,
    mut bytes: Vec<u8>,
) -> EntryResult<Segment> {
    let start = index * SEGMENT_BYTES;
    let mut range = start..(start + SEGMENT_BYTES).min(layout.size);
    let mut is_short = false;
    if layout.has_data(&range) {
        bytes.resize((range.end - range.start) as usize, 0);
        for part in layout.parts(range.clone()) {
            match part {
                Part::Hole(hole) => bytes[(hole.start - start) as usize..(hole.end - start) as usize].fill(0),
                Part::Data(data) => {
                    let buffer = &mut bytes[(data.start - start) as usize..(data.end - start) as usize];
                    let read_bytes = reader.read_at(buffer, data.start)?;
                    if read_bytes < buffer.len() {
                        range.end = data.start + read_bytes as u64;
                        is_short = true;
                        break;
                    }
                }
            }
        }
        bytes.truncate((range.end - range.start) as usize);
    } else {
        bytes.clear();
    }
    let blocks = hash_blocks(&range, &bytes);
    Ok(Segment {
        range,
        blocks,
        bytes,
        is_short,
    })
}

/// Hashes the blocks of a segment, whose bytes are empty where it is a hole.
fn hash_blocks(range: &Range<u64>, bytes: &[u8]) -> Vec<BlockHash> {
    let first = range.start / BLOCK_BYTES;
    let len = range.end - range.start;
    let hash = |number: u64| {
        let from = number * BLOCK_BYTES;
        let to = len.min(from + BLOCK_BYTES);
        let block = if bytes.is_empty() {
            &ZEROS[..(to - from) as usize]
        } else {
            &bytes[from as usize..to as usize]
        };
        hash_block(first + number, block)
    };
    (0..len.div_ceil(BLOCK_BYTES)).map(hash).collect()
}

/// Threads that read and hash ahead of the one that takes.
struct Pipeline {
    state: Mutex<Ahead>,
    done: Condvar,
    room: Condvar,
}

#[derive(Default)]
struct Ahead {
    /// The next segment that nobody reads.
    unclaimed: u64,
    taken: u64,
    segments: HashMap<u64, EntryResult<Segment>>,
    buffers: Vec<Vec<u8>>,
    stopped: bool,
}

struct StopOnDrop<'a>(&'a Pipeline);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.state.lock().stopped = true;
        self.0.room.notify_all();
    }
}

impl Pipeline {
    fn work(&self, reader: &dyn FileReader, layout: &Layout, limit: u64) {
        let mut state = self.state.lock();
        loop {
            while !state.stopped && state.unclaimed >= state.taken + limit {
                self.room.wait(&mut state);
            }
            if state.stopped || state.unclaimed == layout.segments() {
                return;
            }
            let index = state.unclaimed;
            state.unclaimed += 1;
            let buffer = state.buffers.pop().unwrap_or_default();
            drop(state);
            let segment = read_segment(reader, layout, index, buffer);
            state = self.state.lock();
            state.segments.insert(index, segment);
            self.done.notify_one();
        }
    }

    fn next(&self, index: u64) -> EntryResult<Segment> {
        let mut state = self.state.lock();
        loop {
            if let Some(segment) = state.segments.remove(&index) {
                state.taken = index + 1;
                self.room.notify_one();
                return segment;
            }
            self.done.wait(&mut state);
        }
    }

    fn recycle(&self, buffer: Vec<u8>) {
        self.state.lock().buffers.push(buffer);
    }
}

#[cfg(test)]
mod tests;
