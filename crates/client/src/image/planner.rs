//! What is to be read next: the groups of all volumes in order, each with the hashes that the server has of it.

use std::ops::Range;

use manifest::volume::{GROUP_BYTES, HASH_BYTES, blocks_of_group};
use manifest::{BlockHash, volume};
use tokio::sync::mpsc;

use super::plan::VolumePlan;
use crate::error::{Error, Result};

/// The server's hashes of one group.
#[derive(Debug)]
pub(super) struct BaseGroup {
    pub(super) group: u64,
    pub(super) hashes: Vec<BlockHash>,
}

/// What comes of the hashes of a volume.
#[derive(Debug)]
pub(super) enum FromServer {
    Group(BaseGroup),
    /// The volume has no more.
    End,
}

/// A group to be read.
#[derive(Debug)]
pub(super) struct Work {
    /// Which of the volumes.
    pub(super) volume: usize,
    pub(super) group: u64,
    /// What the server has; `None` if that is zeros.
    pub(super) base: Option<Vec<BlockHash>>,
    /// Which of the volume's used ranges begin there, or reach into it.
    pub(super) used: Range<usize>,
}

/// Gives out work in order.
pub(super) struct Planner<'a> {
    volumes: &'a [VolumePlan],
    hashes: mpsc::Receiver<FromServer>,
    volume: usize,
    /// Where in the volume it is.
    group: u64,
    /// The first used range that is not behind that.
    used: usize,
    /// What came of the volume's hashes and is still ahead.
    base: Ahead,
}

enum Ahead {
    Unknown,
    Group(BaseGroup),
    Nothing,
}

impl<'a> Planner<'a> {
    /// Begins with the first volume. The hashes come volume by volume in the same order.
    pub(super) fn new(volumes: &'a [VolumePlan], hashes: mpsc::Receiver<FromServer>) -> Self {
        Self {
            volumes,
            hashes,
            volume: 0,
            group: 0,
            used: 0,
            base: Ahead::Unknown,
        }
    }

    /// The next group that has content here or there; `None` when there are no more. Blocks until the server has told what it has.
    pub(super) fn next(&mut self) -> Result<Option<Work>> {
        while let Some(plan) = self.volumes.get(self.volume) {
            if matches!(self.base, Ahead::Unknown) {
                self.base = self.receive(plan)?;
            }
            let here = plan.used.get(self.used);
            let here = here.map(|range| (range.start / GROUP_BYTES).max(self.group));
            let there = match &self.base {
                Ahead::Group(base) => Some(base.group),
                _ => None,
            };
            let Some(group) = here.into_iter().chain(there).min() else {
                (self.volume, self.group, self.used) = (self.volume + 1, 0, 0);
                self.base = Ahead::Unknown;
                continue;
            };
            let base = match std::mem::replace(&mut self.base, Ahead::Unknown) {
                Ahead::Group(base) if base.group == group => Some(base.hashes),
                other => {
                    self.base = other;
                    None
                }
            };
            return Ok(Some(self.work(plan, group, base)));
        }
        Ok(None)
    }

    fn work(&mut self, plan: &VolumePlan, group: u64, base: Option<Vec<BlockHash>>) -> Work {
        let end = (group + 1).saturating_mul(GROUP_BYTES);
        let first = self.used;
        let last = first + plan.used[first..].partition_point(|range| range.start < end);
        // A range that reaches beyond the group's end is met again.
        let passed = plan.used[first..last].partition_point(|range| range.end <= end);
        self.used = first + passed;
        self.group = group + 1;
        Work {
            volume: self.volume,
            group,
            base,
            used: first..last,
        }
    }

    fn receive(&mut self, plan: &VolumePlan) -> Result<Ahead> {
        let Some(message) = self.hashes.blocking_recv() else {
            // Whoever was to send them has failed, and told why.
            return Err(Error::Cancelled);
        };
        match message {
            FromServer::End => Ok(Ahead::Nothing),
            FromServer::Group(base) => {
                let blocks = blocks_of_group(plan.len_bytes(), base.group);
                let fits = base.group >= self.group && base.hashes.len() as u64 == blocks.end - blocks.start;
                if fits && !blocks.is_empty() {
                    Ok(Ahead::Group(base))
                } else {
                    Err(Error::Protocol {
                        what: "block hashes that don't fit the volume",
                    })
                }
            }
        }
    }
}

/// Hashes as a message carries them; `None` if their number is none.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<BlockHash>> {
    let (hashes, rest) = bytes.as_chunks::<{ HASH_BYTES as usize }>();
    let fits = rest.is_empty() && hashes.len() as u64 <= volume::GROUP_BLOCKS;
    fits.then(|| hashes.iter().map(|hash| BlockHash(*hash)).collect())
}
