//! How often each cluster of a qcow2 file is referred to: a table that leads to blocks of counts, 16 bits each.

use super::{CLUSTER_BYTES, Out};
use crate::source::be_u64_at;
use crate::{Error, Result};

/// So many clusters are counted in a block.
const PER_BLOCK: u64 = CLUSTER_BYTES / 2;

#[derive(Debug)]
pub(super) struct Counts {
    table_at: u64,
    table_bytes: u64,
}

impl Counts {
    /// A table that is large enough for whatever a disk's file can come to.
    pub fn of(table_at: u64, disk_len_bytes: u64) -> Self {
        // Content that can't be compressed, and as much again for all tables.
        let clusters = disk_len_bytes / CLUSTER_BYTES * 2 + PER_BLOCK;
        let table_bytes = (clusters.div_ceil(PER_BLOCK) * 8).next_multiple_of(CLUSTER_BYTES);
        Self {
            table_at,
            table_bytes,
        }
    }

    pub fn table_at(&self) -> u64 {
        self.table_at
    }

    pub fn table_bytes(&self) -> u64 {
        self.table_bytes
    }

    /// Counts one reference. Where that takes a new block at the file's end, returns the block's cluster, which is to be
    /// counted too.
    pub fn count(&self, cluster: u64, out: &Out, end: &mut u64) -> Result<Option<u64>> {
        let entry_at = self.table_at + cluster / PER_BLOCK * 8;
        let mut block_at = be_u64_at(&out.entry::<8>(entry_at)?, 0);
        let mut new = None;
        if block_at == 0 {
            block_at = *end;
            *end += CLUSTER_BYTES;
            out.write(&block_at.to_be_bytes(), entry_at)?;
            new = Some(block_at / CLUSTER_BYTES);
        }
        let count_at = block_at + cluster % PER_BLOCK * 2;
        let count = u16::from_be_bytes(out.entry::<2>(count_at)?);
        // A cluster has room for fewer packed ones than that, as none is compressed to a single byte.
        let count = count.checked_add(1).ok_or(Error::Misplaced {
            offset_bytes: cluster * CLUSTER_BYTES,
        })?;
        out.write(&count.to_be_bytes(), count_at)?;
        Ok(new)
    }
}
