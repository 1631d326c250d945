//! Comparing a random sample of an image's blocks with what the client's volumes have now.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::Backup;
use disk_image::DiskSource as _;
use disk_image::description::DiskDescription;
use manifest::volume::hash_volume_block;
use manifest::{BLOCK_BYTES, Kind, Reader};
use rand::RngExt as _;
use storage::{BackupName, BackupTree, VolumeReader};
use wire::v1::sampled_file::Outcome;
use wire::v1::{Problem, SampleVolume, SampledBlock};

use super::TOLD_PROBLEMS;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::image::description_in;
use crate::jobs::LiveJob;

/// Blocks that a client is asked for at a time.
const BATCH_BLOCKS: usize = 2000;

/// What was picked: the questions, and the answers that are right.
struct Picked {
    questions: Vec<SampleVolume>,
    hashes: HashMap<(Vec<u8>, u64), [u8; 32]>,
}

/// Whether a manifest is an image's.
pub(super) fn is_image(manifest: &Reader) -> bool {
    let name: Result<BackupName, _> = manifest.header().name.parse();
    name.is_ok_and(|name| name.kind() == storage::BackupKind::Image)
}

/// Asks the client for a share of the blocks of its volumes, and compares. Returns how many were compared.
pub(super) async fn sample(
    core: &Arc<Core>,
    job: &LiveJob,
    backup: &Backup,
    percent: f64,
    problems: &mut Vec<Problem>,
) -> Result<u64> {
    if backup.kind != catalog::BackupKind::Image {
        return Ok(0);
    }
    let (opener, of) = (core.clone(), backup.clone());
    let picking = tokio::task::spawn_blocking(move || pick(&opener.open_backup(&of)?, percent));
    let picked = picking.await.map_err(|_| Error::Cancelled)??;
    let mut compared = 0;
    for question in batches(picked.questions) {
        let found = tokio::select! {
            found = core.attached.sample(&backup.client, Vec::new(), vec![question]) => found?,
            () = job.cancel.cancelled() => return Err(Error::Cancelled),
        };
        for block in &found.blocks {
            let Some(hash) = picked.hashes.get(&(block.path.clone(), block.block)) else {
                continue;
            };
            compared += 1;
            if let Some(problem) = judge(block, hash)
                && problems.len() < TOLD_PROBLEMS
            {
                problems.push(problem);
            }
        }
    }
    Ok(compared)
}

/// A random share of the blocks that are not holes, at least one of each volume that has any.
fn pick(tree: &BackupTree, percent: f64) -> Result<Picked> {
    let share = (percent / 100.0).clamp(0.0, 1.0);
    let mut random = rand::rng();
    let mut picked = Picked {
        questions: Vec::new(),
        hashes: HashMap::new(),
    };
    for record in tree.manifest().records() {
        let record = record?;
        let Some(disk) = described(tree, &record.path)? else {
            continue;
        };
        for entry in &record.entries {
            let Kind::Volume { size, .. } = entry.kind else {
                continue;
            };
            let path = manifest::join_path(&record.path, &entry.name).to_vec();
            let volume = tree.open_volume(&path)?;
            let mut blocks = Vec::new();
            let mut spare = None;
            let mut read_to = 0;
            while let Some(data) = volume.next_data(read_to..size).map_err(unreadable)? {
                read_to = data.end;
                for block in data.start / BLOCK_BYTES..data.end.div_ceil(BLOCK_BYTES) {
                    if blocks.last() == Some(&block) {
                        continue;
                    }
                    if random.random_bool(share) {
                        blocks.push(block);
                    } else {
                        spare.get_or_insert(block);
                    }
                }
            }
            if blocks.is_empty() {
                blocks.extend(spare);
            }
            for &block in &blocks {
                picked
                    .hashes
                    .insert((path.clone(), block), hash(&volume, block, size)?);
            }
            picked.questions.push(SampleVolume {
                disk: disk.path.clone(),
                path,
                size_bytes: size,
                blocks,
            });
        }
    }
    Ok(picked)
}

fn described(tree: &BackupTree, dir: &[u8]) -> Result<Option<DiskDescription>> {
    let text = description_in(tree, dir)?;
    let parsed = text.map(|text| DiskDescription::parse(&text)).transpose();
    parsed.map_err(Error::Disk)
}

fn unreadable(source: std::io::Error) -> Error {
    Error::Io {
        action: "read",
        path: "an image".into(),
        source,
    }
}

fn hash(volume: &VolumeReader, block: u64, size: u64) -> Result<[u8; 32]> {
    let start = block * BLOCK_BYTES;
    let mut bytes = vec![0; BLOCK_BYTES.min(size - start) as usize];
    volume.read_exact_at(&mut bytes, start).map_err(unreadable)?;
    Ok(hash_volume_block(block, &bytes).0)
}

/// Cuts questions so that no message becomes too long.
fn batches(questions: Vec<SampleVolume>) -> impl Iterator<Item = SampleVolume> {
    questions.into_iter().flat_map(|question| {
        let blocks: Vec<Vec<u64>> = question
            .blocks
            .chunks(BATCH_BLOCKS)
            .map(<[u64]>::to_vec)
            .collect();
        blocks.into_iter().map(move |blocks| SampleVolume {
            blocks,
            ..question.clone()
        })
    })
}

fn judge(found: &SampledBlock, hash: &[u8; 32]) -> Option<Problem> {
    let (kind, message) = match found.outcome() {
        Outcome::Hashed if found.hash == hash => return None,
        Outcome::Hashed | Outcome::Changed => {
            let text =
                "the volume has other content there: it has changed since, or one of the two is damaged";
            ("content", text.to_owned())
        }
        Outcome::Missing => ("missing", found.reason.clone()),
        Outcome::Unreadable => ("unreadable", found.reason.clone()),
    };
    Some(Problem {
        path: found.path.clone(),
        kind: kind.into(),
        message: format!("block {}: {message}", found.block),
    })
}
