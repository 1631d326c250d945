//! Hashing blocks of volumes anew, so that the server can compare: the end-to-end check of an image.

use std::collections::BTreeMap;

use disk_image::volume::LeaveOut;
use manifest::BLOCK_BYTES;
use manifest::volume::hash_volume_block;
use wire::v1::sampled_file::Outcome;
use wire::v1::{SampleVolume, SampledBlock};

use super::plan::{self, DiskPlan, VolumePlan};
use super::worker::{Reading, read_block};
use crate::cancel::Cancel;
use crate::error::{Result, explain};

/// Hashes the blocks that are asked for, as the volumes have them now, and hands each volume's out. Blocks; returns early when it is
/// cancelled.
pub(crate) fn answer(
    volumes: &[SampleVolume],
    leave_out: LeaveOut,
    cancel: &Cancel,
    reply: &dyn Fn(Vec<SampledBlock>),
) {
    let mut disks: BTreeMap<&str, Result<Vec<DiskPlan>>> = BTreeMap::new();
    for volume in volumes {
        let planned = disks
            .entry(&volume.disk)
            .or_insert_with(|| plan::plan(std::slice::from_ref(&volume.disk), leave_out, None));
        let blocks = match planned {
            Ok(disks) => match find(disks, volume) {
                Some(plan) => hash(plan, volume, cancel),
                None => all(volume, Outcome::Missing, "the disk has no such volume any more"),
            },
            Err(error) => all(volume, Outcome::Missing, &explain(error)),
        };
        if cancel.is_cancelled() {
            return;
        }
        reply(blocks);
    }
}

fn find<'a>(disks: &'a [DiskPlan], wanted: &SampleVolume) -> Option<&'a VolumePlan> {
    let mut volumes = disks.iter().flat_map(|disk| &disk.volumes);
    volumes.find(|plan| plan.path == wanted.path && plan.len_bytes() == wanted.size_bytes)
}

fn all(volume: &SampleVolume, outcome: Outcome, reason: &str) -> Vec<SampledBlock> {
    let answer = |block: &u64| SampledBlock {
        path: volume.path.clone(),
        block: *block,
        outcome: outcome.into(),
        hash: Vec::new(),
        reason: reason.to_owned(),
    };
    volume.blocks.iter().map(answer).collect()
}

fn hash(plan: &VolumePlan, volume: &SampleVolume, cancel: &Cancel) -> Vec<SampledBlock> {
    let mut reading = Reading::new();
    let mut answers = Vec::with_capacity(volume.blocks.len());
    for &block in &volume.blocks {
        if cancel.is_cancelled() {
            break;
        }
        let start = block.saturating_mul(BLOCK_BYTES).min(plan.len_bytes());
        let bytes = start..(start + BLOCK_BYTES).min(plan.len_bytes());
        let mut answer = SampledBlock {
            path: volume.path.clone(),
            block,
            ..SampledBlock::default()
        };
        if bytes.is_empty() {
            answer.outcome = Outcome::Missing.into();
            answer.reason = "the volume has no such block".to_owned();
        } else {
            match read_block(plan, &bytes, &mut reading) {
                Ok(content) => answer.hash = hash_volume_block(block, content).0.to_vec(),
                Err(error) => {
                    answer.outcome = Outcome::Unreadable.into();
                    answer.reason = error.to_string();
                }
            }
        }
        answers.push(answer);
    }
    answers
}
