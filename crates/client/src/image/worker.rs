//! A worker: one thread that reads groups of blocks, hashes them, and sends what the server has otherwise.

use std::ops::Range;
use std::sync::atomic::Ordering;

use manifest::volume::{ZEROS, blocks_of_group, hash_group, hash_volume_block};
use manifest::{BLOCK_BYTES, BlockHash};
use wire::v1::Piece;

use super::device::{Buffer, Device, room_bytes};
use super::plan::VolumePlan;
use super::planner::Work;
use super::session::Session;
use crate::error::Result;
use crate::line::Line;
use crate::monitor::{Problem, ProblemKind};

/// Read and sent at once: four blocks.
const SEGMENT_BLOCKS: u64 = 4;
/// Ranges with less between them are read as one.
const MAX_GAP_BYTES: u64 = 64 << 10;

/// Works until nothing is left or the session ends; what fails here ends the session.
pub(super) fn run(session: &Session<'_>) {
    let mut worker = Worker {
        session,
        line: session.line(),
        reading: Reading::new(),
    };
    if let Err(error) = worker.work() {
        session.fail(error);
    }
}

struct Worker<'a, 's> {
    session: &'a Session<'s>,
    line: Line<'a>,
    /// What is being looked at of the volume.
    reading: Reading,
}

/// Memory that a segment of a volume is read into.
pub(super) struct Reading {
    window: Buffer,
}

impl Reading {
    pub(super) fn new() -> Self {
        Self {
            window: Buffer::new(room_bytes((SEGMENT_BLOCKS * BLOCK_BYTES) as usize)),
        }
    }
}

impl Worker<'_, '_> {
    fn work(&mut self) -> Result<()> {
        while !self.session.is_over() {
            let Some(work) = self.session.next()? else {
                if self.line.is_open() {
                    self.session.count_connection();
                }
                return self.line.close();
            };
            self.group(&work)?;
        }
        Ok(())
    }

    fn group(&mut self, work: &Work) -> Result<()> {
        let plan = &self.session.volumes[work.volume];
        let blocks = blocks_of_group(plan.len_bytes(), work.group);
        let mut hashes = Vec::with_capacity((blocks.end - blocks.start) as usize);
        let mut used = &plan.used[work.used.clone()];
        let mut start = blocks.start;
        while start < blocks.end && !self.session.is_over() {
            let segment = start..(start + SEGMENT_BLOCKS).min(blocks.end);
            let bytes = segment.start * BLOCK_BYTES..(segment.end * BLOCK_BYTES).min(plan.len_bytes());
            while used.first().is_some_and(|range| range.end <= bytes.start) {
                used = &used[1..];
            }
            let here = &used[..used.partition_point(|range| range.start < bytes.end)];
            let base = work.base.as_deref().map(|base| {
                let first = (segment.start - blocks.start) as usize;
                &base[first..first + (segment.end - segment.start) as usize]
            });
            if here.is_empty() && base.is_none() {
                hashes.extend(segment.clone().map(|_| ZEROS));
            } else {
                self.segment(plan, &bytes, here, base, &mut hashes)?;
            }
            start = segment.end;
        }
        if let Some(hash) = hash_group(&hashes) {
            self.session.group_done(work.volume, work.group, hash);
        }
        Ok(())
    }

    /// Reads, hashes and sends one segment.
    fn segment(
        &mut self,
        plan: &VolumePlan,
        bytes: &Range<u64>,
        used: &[Range<u64>],
        base: Option<&[BlockHash]>,
        hashes: &mut Vec<BlockHash>,
    ) -> Result<()> {
        let (segment, bad) = self.reading.read(plan, bytes, used);
        if !bad.is_empty() {
            self.session.check_holds()?;
        }
        for (bad, error) in bad {
            let (from, to) = (bad.start - plan.range.start, bad.end - plan.range.start);
            let message = format!(
                "bytes {from} to {} can't be read: {error}; the image has zeros there",
                to - 1
            );
            self.session
                .problem(Problem::new(ProblemKind::Unreadable, plan.path.clone(), message));
        }
        let first_block = bytes.start / BLOCK_BYTES;
        let blocks = self.reading.window.as_mut()[segment.clone()].chunks(BLOCK_BYTES as usize);
        let found: Vec<BlockHash> = (first_block..)
            .zip(blocks)
            .map(|(index, block)| hash_volume_block(index, block))
            .collect();
        let mut at = 0;
        let state = |index: usize| match base.map_or(ZEROS, |base| base[index]) {
            known if known == found[index] => Change::Same,
            _ if found[index] == ZEROS => Change::Freed,
            _ => Change::Data,
        };
        while at < found.len() {
            let change = state(at);
            let end = (at + 1..found.len())
                .find(|&next| state(next) != change)
                .unwrap_or(found.len());
            self.send(plan, bytes, segment.start, at..end, change)?;
            at = end;
        }
        let used_bytes: u64 = used
            .iter()
            .map(|range| range.end.min(bytes.end) - range.start.max(bytes.start))
            .sum();
        self.session
            .counts
            .bytes_done
            .fetch_add(used_bytes, Ordering::Relaxed);
        hashes.extend(found);
        Ok(())
    }

    /// Sends what has become of some of a segment's blocks; the segment begins at `lead` in the window.
    fn send(
        &mut self,
        plan: &VolumePlan,
        bytes: &Range<u64>,
        lead: usize,
        blocks: Range<usize>,
        change: Change,
    ) -> Result<()> {
        let from = blocks.start * BLOCK_BYTES as usize;
        let to = (blocks.end * BLOCK_BYTES as usize).min((bytes.end - bytes.start) as usize);
        let piece = Piece {
            file_id: plan.id,
            offset_bytes: bytes.start + from as u64,
            ..Piece::default()
        };
        match change {
            Change::Same => Ok(()),
            Change::Data => self
                .line
                .piece(piece, &self.reading.window.as_mut()[lead + from..lead + to]),
            Change::Freed => {
                let hole_len_bytes = (to - from) as u64;
                self.line.piece(
                    Piece {
                        hole_len_bytes,
                        ..piece
                    },
                    &[],
                )
            }
        }
    }
}

/// Reads what is used of a block; all else is zeros.
pub(super) fn read_block<'a>(
    plan: &VolumePlan,
    bytes: &Range<u64>,
    reading: &'a mut Reading,
) -> std::io::Result<&'a [u8]> {
    let first = plan.used.partition_point(|range| range.end <= bytes.start);
    let last = plan.used.partition_point(|range| range.start < bytes.end);
    let (place, bad) = reading.read(plan, bytes, &plan.used[first..last.max(first)]);
    match bad.into_iter().next() {
        Some((_, error)) => Err(error),
        None => Ok(&reading.window.as_mut()[place]),
    }
}

/// Ranges of a device that could not be read.
type Bad = Vec<(Range<u64>, std::io::Error)>;

impl Reading {
    /// Brings a segment into the window; says where in that it is, and what of it could not be read. That, and what is not used, is zeros.
    fn read(&mut self, plan: &VolumePlan, bytes: &Range<u64>, used: &[Range<u64>]) -> (Range<usize>, Bad) {
        let mut bad = Bad::new();
        let (begin, lead) = Device::window(plan.range.start + bytes.start);
        let segment = lead..lead + (bytes.end - bytes.start) as usize;
        let mut free = bytes.start;
        let mut first = 0;
        while first < used.len() {
            let mut last = first;
            while last + 1 < used.len() && used[last + 1].start - used[last].end <= MAX_GAP_BYTES {
                last += 1;
            }
            let span = used[first].start.max(bytes.start)..used[last].end.min(bytes.end);
            let on_device = plan.range.start + span.start..plan.range.start + span.end;
            bad.extend(plan.device.read(self.window.as_mut(), begin, on_device));
            for range in &used[first..=last] {
                self.clear(bytes, lead, free..range.start);
                free = range.end;
            }
            first = last + 1;
        }
        self.clear(bytes, lead, free..bytes.end);
        (segment, bad)
    }

    /// Makes what is not used of a segment zeros.
    fn clear(&mut self, bytes: &Range<u64>, lead: usize, free: Range<u64>) {
        let free = free.start.max(bytes.start)..free.end.min(bytes.end);
        if free.start < free.end {
            let from = lead + (free.start - bytes.start) as usize;
            let to = lead + (free.end - bytes.start) as usize;
            self.window.as_mut()[from..to].fill(0);
        }
    }
}

/// What has become of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Same,
    Data,
    Freed,
}
