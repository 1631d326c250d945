//! Compressed clusters, of which the last few that were read are kept.

use std::io::Read as _;
use std::sync::Arc;

use flate2::{Decompress, FlushDecompress};
use parking_lot::Mutex;

use super::Pages;
use crate::{Error, Result};

const CLUSTER: &str = "compressed qcow2 cluster";
const SECTOR_BYTES: u64 = 512;
/// So many clusters are kept.
const KEPT: usize = 4;
/// A frame that wants a larger window than the largest cluster is none of QEMU's.
const MAX_WINDOW_LOG: u32 = 22;

/// How clusters are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    /// A deflate stream without a header.
    Deflate,
    /// A zstd frame.
    Zstd,
}

/// Where a compressed cluster lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::virtual_disk) struct Compressed {
    pub at_bytes: u64,
    /// It ends somewhere within that.
    pub max_bytes: u64,
}

impl Compressed {
    pub fn parse(entry: u64, cluster_bits: u32) -> Self {
        let place_bits = 62 - (cluster_bits - 8);
        let at_bytes = entry & ((1 << place_bits) - 1);
        let further = (entry & ((1 << 62) - 1)) >> place_bits;
        Self {
            at_bytes,
            max_bytes: (further + 1) * SECTOR_BYTES - at_bytes % SECTOR_BYTES,
        }
    }
}

/// A cluster and where it lies compressed.
type Kept = (u64, Arc<[u8]>);

pub(super) struct Decompressed {
    compression: Compression,
    cluster_bytes: usize,
    kept: Mutex<Vec<Kept>>,
}

impl Decompressed {
    pub fn new(compression: Compression, cluster_bits: u32) -> Self {
        Self {
            compression,
            cluster_bytes: 1 << cluster_bits,
            kept: Mutex::new(Vec::with_capacity(KEPT)),
        }
    }

    /// The content of a cluster.
    pub fn get(&self, cluster: Compressed, pages: &Pages) -> Result<Arc<[u8]>> {
        let found = |kept: &[Kept]| kept.iter().find(|(at, _)| *at == cluster.at_bytes).cloned();
        if let Some((_, content)) = found(&self.kept.lock()) {
            return Ok(content);
        }
        // At most twice a cluster, by the size of the entry's field.
        let there = pages.len_bytes().saturating_sub(cluster.at_bytes);
        let len = cluster.max_bytes.min(there) as usize;
        let compressed = pages.structure(CLUSTER, cluster.at_bytes, len)?;
        let content = self.decompress(&compressed).ok_or_else(|| {
            Error::damaged(CLUSTER, cluster.at_bytes, "it can't be decompressed to a cluster")
        })?;
        let content: Arc<[u8]> = content.into();
        let mut kept = self.kept.lock();
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((cluster.at_bytes, Arc::clone(&content)));
        Ok(content)
    }

    fn decompress(&self, compressed: &[u8]) -> Option<Vec<u8>> {
        let mut content = vec![0; self.cluster_bytes];
        match self.compression {
            Compression::Deflate => {
                let mut stream = Decompress::new(false);
                stream
                    .decompress(compressed, &mut content, FlushDecompress::Finish)
                    .ok()?;
                (stream.total_out() == self.cluster_bytes as u64).then_some(content)
            }
            Compression::Zstd => {
                let mut frame = zstd::stream::read::Decoder::with_buffer(compressed)
                    .ok()?
                    .single_frame();
                frame.window_log_max(MAX_WINDOW_LOG).ok()?;
                frame.read_exact(&mut content).ok()?;
                Some(content)
            }
        }
    }
}
