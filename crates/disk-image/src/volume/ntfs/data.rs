//! The content of an attribute: in its record, or in runs of clusters.

use std::ops::Range;

use super::Boot;
use crate::volume::reader::Reader;
use crate::{Error, Result};

const STRUCTURE: &str = "NTFS attribute";

/// A run of clusters within the volume, as was checked.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its place in the attribute.
    pub vcns: Range<u64>,
    /// Its place in the volume; a hole has none.
    pub start: Option<u64>,
}

/// The content.
#[derive(Debug)]
pub enum Data {
    /// In the record.
    Resident(Vec<u8>),
    /// In clusters.
    Runs {
        /// Where, in order and without gaps.
        runs: Vec<Run>,
        /// Its size.
        len_bytes: u64,
        /// How much of it was ever written; what follows is zeros.
        written_bytes: u64,
        /// Whether the clusters hold it compressed.
        is_compressed: bool,
        /// Whether the clusters hold it encrypted.
        is_encrypted: bool,
    },
}

impl Data {
    /// How much of it was ever written.
    pub fn written_bytes(&self) -> u64 {
        match self {
            Self::Resident(bytes) => bytes.len() as u64,
            Self::Runs {
                len_bytes,
                written_bytes,
                ..
            } => *len_bytes.min(written_bytes),
        }
    }

    /// Its size.
    pub fn len_bytes(&self) -> u64 {
        match self {
            Self::Resident(bytes) => bytes.len() as u64,
            Self::Runs { len_bytes, .. } => *len_bytes,
        }
    }

    /// Its clusters.
    pub(super) fn clusters(&self) -> impl Iterator<Item = Range<u64>> {
        let runs = match self {
            Self::Resident(_) => &[][..],
            Self::Runs { runs, .. } => runs,
        };
        clusters_of(runs)
    }

    /// Whether some of its clusters are in two places, which those of no real file are.
    pub(super) fn has_clusters_twice(&self) -> bool {
        let mut clusters: Vec<_> = self.clusters().map(|run| (run.start, run.end)).collect();
        clusters.sort_unstable();
        clusters.windows(2).any(|pair| pair[0].1 > pair[1].0)
    }

    /// Reads a part, which the caller has checked to be small.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is not so much, or it lies beyond the volume's end.
    pub fn read(&self, reader: &Reader, boot: &Boot, offset_bytes: u64, len_bytes: u64) -> Result<Vec<u8>> {
        match self {
            Self::Resident(bytes) => {
                let end = offset_bytes.saturating_add(len_bytes);
                let part = bytes.get(offset_bytes as usize..end as usize);
                part.map(<[u8]>::to_vec)
                    .ok_or_else(|| Error::damaged(STRUCTURE, 0, "it is too short"))
            }
            Self::Runs { runs, .. } => read_runs(runs, reader, boot, offset_bytes, len_bytes),
        }
    }
}

pub(super) fn clusters_of(runs: &[Run]) -> impl Iterator<Item = Range<u64>> {
    runs.iter()
        .filter_map(|run| Some(run.start?..run.start? + (run.vcns.end - run.vcns.start)))
}

/// Reads from runs that follow each other without a gap.
pub(super) fn read_runs(
    runs: &[Run],
    reader: &Reader,
    boot: &Boot,
    offset_bytes: u64,
    len_bytes: u64,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < len_bytes {
        let at = offset_bytes.saturating_add(bytes.len() as u64);
        let (vcn, within) = (at / boot.cluster_bytes, at % boot.cluster_bytes);
        let index = runs.partition_point(|run| run.vcns.end <= vcn);
        let run = runs.get(index).filter(|run| run.vcns.contains(&vcn));
        let run = run.ok_or_else(|| Error::damaged(STRUCTURE, at, "it is too short"))?;
        let rest = (run.vcns.end - vcn).saturating_mul(boot.cluster_bytes) - within;
        let len = rest.min(len_bytes - bytes.len() as u64);
        match run.start {
            Some(start) => {
                let from = (start + vcn - run.vcns.start) * boot.cluster_bytes + within;
                bytes.extend(reader.read(STRUCTURE, from, len)?);
            }
            None => bytes.resize(bytes.len() + len as usize, 0),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_in_two_places_are_found_and_holes_are_none() {
        let data = |starts: &[Option<u64>]| Data::Runs {
            runs: (0..)
                .zip(starts)
                .map(|(number, start)| Run {
                    vcns: number * 10..number * 10 + 10,
                    start: *start,
                })
                .collect(),
            len_bytes: 0,
            written_bytes: 0,
            is_compressed: false,
            is_encrypted: false,
        };
        assert!(!data(&[Some(30), None, None, Some(10), Some(20)]).has_clusters_twice());
        assert!(data(&[Some(30), Some(10), Some(39)]).has_clusters_twice());
        assert!(data(&[Some(30), None, Some(30)]).has_clusters_twice());
    }
}
