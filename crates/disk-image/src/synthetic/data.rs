//! Where a disk has content, as coarsely as a format can tell.

use std::ops::Range;

use crate::{DiskSource, Error, Result};

/// Finds where a source has data and adds it, as ranges of a disk whose `range` lies in the source from `offset_bytes` on.
///
/// Ranges are widened to multiples of `grain_bytes` of the disk, within `range`: what lies in one grain with data need not be looked at.
pub fn add_data<S: DiskSource + ?Sized>(
    source: &S,
    offset_bytes: u64,
    range: &Range<u64>,
    grain_bytes: u64,
    data: &mut Vec<Range<u64>>,
) -> Result<()> {
    let in_source = |at: u64| offset_bytes.saturating_add(at - range.start);
    let on_disk = |at: u64| range.start + (at - offset_bytes);
    let mut at = range.start;
    while at < range.end {
        let next = source.next_data(in_source(at)..in_source(range.end));
        let next = next.map_err(|source| Error::Io {
            action: "find data in",
            offset_bytes: at,
            len_bytes: range.end - at,
            source,
        })?;
        let Some(extent) = next else {
            break;
        };
        let start = on_disk(extent.start) / grain_bytes * grain_bytes;
        let end = on_disk(extent.end).next_multiple_of(grain_bytes);
        let found = start.max(at)..end.min(range.end);
        at = found.end;
        data.push(found);
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn grains_with_data_are_found_once_and_stay_within_the_range() {
        const KIB: u64 = 1 << 10;
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096 * KIB).unwrap();
        // Two in one grain, one that reaches into the next, one at the end.
        for (at, len) in [(256, 4), (300, 4), (500, 20), (4090, 6)] {
            file.write_all_at(&vec![1; (len * KIB) as usize], at * KIB)
                .unwrap();
        }
        let mut data = Vec::new();
        add_data(&file, 0, &(100 * KIB..4196 * KIB), 256 * KIB, &mut data).unwrap();
        let kib: Vec<_> = data
            .iter()
            .map(|range| (range.start / KIB, range.end / KIB))
            .collect();
        assert_eq!(kib, [(256, 512), (512, 768), (4096, 4196)]);
    }
}
