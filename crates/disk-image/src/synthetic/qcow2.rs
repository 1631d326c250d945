//! qcow2, version 3 (QEMU, docs/interop/qcow2.txt). All fields are big endian.
//!
//! ```text
//! cluster 0   header
//! ...         level-1 table, level-2 tables, refcount table, refcount blocks
//! ...         the disk's content, each cluster at its own offset from here
//! ```
//! Clusters without content are holes in the file, and not counted.

use std::collections::BTreeMap;

use super::{Disk, Piece, Plan, check_limit, put};
use crate::Result;

const LIMIT_BYTES: u64 = 64 << 40;
const HEADER_BYTES: usize = 112;
const MIN_CLUSTER_BITS: u32 = 16;
const MAX_CLUSTER_BITS: u32 = 21;
/// Clusters grow until a disk has no more than this of them, so that its tables stay small.
const CLUSTERS_AIM: u64 = 1 << 18;
/// Counts have 16 bits.
const REFCOUNT_ORDER: u32 = 4;
/// The cluster is referred to once and may be written in place.
const COPIED: u64 = 1 << 63;

/// Where everything lies, in clusters.
struct Layout {
    cluster_bits: u32,
    /// Level-2 tables: the index of each in the level-1 table.
    second_level: BTreeMap<u64, u64>,
    first_level_at: u64,
    refcount_table_at: u64,
    refcount_table_clusters: u64,
    refcount_blocks_at: u64,
    refcount_blocks: Vec<u64>,
    content_at: u64,
    clusters: u64,
}

pub(super) fn plan(disk: &Disk) -> Result<Plan> {
    check_limit("qcow2", disk, LIMIT_BYTES)?;
    let layout = Layout::of(disk, cluster_bits(disk.len_bytes));
    let cluster_bytes = layout.cluster_bytes();
    let mut pieces = vec![Piece::structure(0, layout.header(disk))];
    pieces.push(Piece::structure(
        layout.first_level_at * cluster_bytes,
        layout.first_level(disk),
    ));
    pieces.extend(layout.second_level(disk));
    pieces.extend(layout.refcounts(disk));
    pieces.sort_by_key(|piece| piece.at_bytes);
    let content_at = layout.content_at * cluster_bytes;
    let runs = disk.blocks(cluster_bytes);
    pieces.extend(Piece::blocks(content_at, &runs, disk, cluster_bytes));
    Ok(Plan {
        len_bytes: (layout.content_at + layout.clusters) * cluster_bytes,
        pieces,
    })
}

/// The smallest clusters for which the tables stay small.
fn cluster_bits(disk_len_bytes: u64) -> u32 {
    let mut cluster_bits = MIN_CLUSTER_BITS;
    while cluster_bits < MAX_CLUSTER_BITS && disk_len_bytes >> cluster_bits > CLUSTERS_AIM {
        cluster_bits += 1;
    }
    cluster_bits
}

pub(super) fn cluster_bytes(disk_len_bytes: u64) -> u64 {
    1 << cluster_bits(disk_len_bytes)
}

impl Layout {
    fn of(disk: &Disk, cluster_bits: u32) -> Self {
        let cluster_bytes = 1u64 << cluster_bits;
        let clusters = disk.len_bytes.div_ceil(cluster_bytes);
        let entries = cluster_bytes / 8;
        let runs = disk.blocks(cluster_bytes);
        let first_level_clusters = (clusters.div_ceil(entries) * 8).div_ceil(cluster_bytes).max(1);
        let first_level_at = 1;
        let mut next = first_level_at + first_level_clusters;
        let mut second_level = BTreeMap::new();
        for run in &runs {
            for table in run.start / entries..=(run.end - 1) / entries {
                second_level.entry(table).or_insert_with(|| {
                    next += 1;
                    next - 1
                });
            }
        }
        let mut layout = Self {
            cluster_bits,
            second_level,
            first_level_at,
            refcount_table_at: next,
            refcount_table_clusters: 1,
            refcount_blocks_at: 0,
            refcount_blocks: Vec::new(),
            content_at: 0,
            clusters,
        };
        layout.place_refcounts(&runs, next);
        layout
    }

    /// The counts count their own clusters too, so their place is found by trying.
    fn place_refcounts(&mut self, runs: &[std::ops::Range<u64>], next: u64) {
        let per_block = self.cluster_bytes() / 2;
        loop {
            self.refcount_blocks_at = next + self.refcount_table_clusters;
            self.content_at = self.refcount_blocks_at + self.refcount_blocks.len() as u64;
            let metadata = 0..=(self.content_at - 1) / per_block;
            let content = runs.iter().flat_map(|run| {
                let (first, last) = (self.content_at + run.start, self.content_at + run.end - 1);
                first / per_block..=last / per_block
            });
            let mut needed: Vec<u64> = metadata.chain(content).collect();
            needed.sort_unstable();
            needed.dedup();
            let table_bytes = needed.last().map_or(1, |last| last + 1) * 8;
            let table_clusters = table_bytes.div_ceil(self.cluster_bytes());
            let is_enough =
                needed.len() <= self.refcount_blocks.len() && table_clusters <= self.refcount_table_clusters;
            if is_enough {
                // Some may be left over: free clusters.
                needed.resize(self.refcount_blocks.len(), u64::MAX);
                self.refcount_blocks = needed;
                return;
            }
            let more = needed.len().max(self.refcount_blocks.len());
            self.refcount_blocks.resize(more, u64::MAX);
            self.refcount_table_clusters = table_clusters.max(self.refcount_table_clusters);
        }
    }

    fn cluster_bytes(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn header(&self, disk: &Disk) -> Vec<u8> {
        let cluster_bytes = self.cluster_bytes();
        let first_level_entries = self.clusters.div_ceil(cluster_bytes / 8);
        let mut header = vec![0; HEADER_BYTES];
        put(&mut header, 0, b"QFI\xfb");
        put(&mut header, 4, &3u32.to_be_bytes());
        put(&mut header, 20, &self.cluster_bits.to_be_bytes());
        put(&mut header, 24, &disk.len_bytes.to_be_bytes());
        put(&mut header, 36, &(first_level_entries as u32).to_be_bytes());
        put(
            &mut header,
            40,
            &(self.first_level_at * cluster_bytes).to_be_bytes(),
        );
        put(
            &mut header,
            48,
            &(self.refcount_table_at * cluster_bytes).to_be_bytes(),
        );
        put(
            &mut header,
            56,
            &(self.refcount_table_clusters as u32).to_be_bytes(),
        );
        put(&mut header, 96, &REFCOUNT_ORDER.to_be_bytes());
        put(&mut header, 100, &(HEADER_BYTES as u32).to_be_bytes());
        // The end of the header's extensions, of which there are none.
        header.extend([0; 8]);
        header
    }

    fn first_level(&self, disk: &Disk) -> Vec<u8> {
        let entries = disk
            .len_bytes
            .div_ceil(self.cluster_bytes())
            .div_ceil(self.cluster_bytes() / 8);
        let mut table = vec![0; entries as usize * 8];
        for (index, cluster) in &self.second_level {
            let entry = (cluster * self.cluster_bytes()) | COPIED;
            put(&mut table, *index as usize * 8, &entry.to_be_bytes());
        }
        table
    }

    fn second_level(&self, disk: &Disk) -> Vec<Piece> {
        let cluster_bytes = self.cluster_bytes();
        let entries = cluster_bytes / 8;
        let mut tables: BTreeMap<u64, Vec<u8>> = self
            .second_level
            .keys()
            .map(|table| (*table, vec![0; cluster_bytes as usize]))
            .collect();
        for cluster in disk.blocks(cluster_bytes).into_iter().flatten() {
            let entry = ((self.content_at + cluster) * cluster_bytes) | COPIED;
            if let Some(table) = tables.get_mut(&(cluster / entries)) {
                put(table, (cluster % entries) as usize * 8, &entry.to_be_bytes());
            }
        }
        let placed = tables.into_iter().zip(self.second_level.values());
        placed
            .map(|((_, table), at)| Piece::structure(at * cluster_bytes, table))
            .collect()
    }

    fn refcounts(&self, disk: &Disk) -> Vec<Piece> {
        let cluster_bytes = self.cluster_bytes();
        let per_block = cluster_bytes / 2;
        let mut table = vec![0; (self.refcount_table_clusters * cluster_bytes) as usize];
        let mut blocks: BTreeMap<u64, (u64, Vec<u8>)> = BTreeMap::new();
        for (index, of) in self.refcount_blocks.iter().enumerate() {
            let at = (self.refcount_blocks_at + index as u64) * cluster_bytes;
            if *of != u64::MAX {
                put(&mut table, *of as usize * 8, &at.to_be_bytes());
                blocks.insert(*of, (at, vec![0; cluster_bytes as usize]));
            }
        }
        let content = disk.blocks(cluster_bytes).into_iter().flatten();
        let is_left_over = |cluster: &u64| {
            let index = cluster.checked_sub(self.refcount_blocks_at);
            let block = index.and_then(|index| self.refcount_blocks.get(index as usize));
            block == Some(&u64::MAX)
        };
        let metadata = (0..self.content_at).filter(|cluster| !is_left_over(cluster));
        let used = metadata.chain(content.map(|cluster| self.content_at + cluster));
        for cluster in used {
            if let Some((_, block)) = blocks.get_mut(&(cluster / per_block)) {
                put(block, (cluster % per_block) as usize * 2, &1u16.to_be_bytes());
            }
        }
        let mut pieces = vec![Piece::structure(self.refcount_table_at * cluster_bytes, table)];
        pieces.extend(
            blocks
                .into_values()
                .map(|(at, block)| Piece::structure(at, block)),
        );
        pieces
    }
}
