//! A growing set of byte ranges that stays small.
//!
//! What is added in order is merged at once; the rest when the list has doubled. A list that would still grow too long
//! swallows the smallest gaps: free bytes are called used then, which costs reading them and nothing else.

use std::ops::Range;

/// At most so many ranges remain: 64 MiB of them.
const MAX_RANGES: usize = 4 << 20;
/// Merging is not worth its while for fewer.
const FEW_RANGES: usize = 64 << 10;

/// The set.
#[derive(Debug)]
pub(super) struct Ranges {
    list: Vec<Range<u64>>,
    len_bytes: u64,
    /// Gaps up to this size are swallowed.
    gap_bytes: u64,
    merge_at: usize,
    max: usize,
}

impl Ranges {
    /// An empty set within a volume of a size.
    pub(super) fn within(len_bytes: u64) -> Self {
        Self::with_most(len_bytes, MAX_RANGES)
    }

    fn with_most(len_bytes: u64, max: usize) -> Self {
        Self {
            list: Vec::new(),
            len_bytes,
            gap_bytes: 0,
            merge_at: FEW_RANGES.min(max),
            max,
        }
    }

    /// Adds a range, cut off at the volume's end.
    pub(super) fn add(&mut self, range: Range<u64>) {
        let range = range.start..range.end.min(self.len_bytes);
        if range.is_empty() {
            return;
        }
        if let Some(last) = self.list.last_mut()
            && touches(last, &range, self.gap_bytes)
        {
            last.end = last.end.max(range.end);
            return;
        }
        if self.list.len() >= self.merge_at {
            self.merge();
        }
        self.list.push(range);
    }

    /// Adds what begins at an offset; one that can't be is cut off like any other.
    pub(super) fn add_len(&mut self, start: u64, len_bytes: u64) {
        self.add(start..start.saturating_add(len_bytes));
    }

    /// Takes ranges out, in any order.
    pub(super) fn remove(&mut self, mut out: Vec<Range<u64>>) {
        out.retain(|range| !range.is_empty());
        out.sort_unstable_by_key(|range| range.start);
        self.merge();
        let mut out = out.into_iter().peekable();
        let mut left = Vec::with_capacity(self.list.len());
        for range in &self.list {
            let mut start = range.start;
            while let Some(gone) = out.peek().filter(|gone| gone.start < range.end) {
                if start < gone.start {
                    left.push(start..gone.start);
                }
                start = start.max(gone.end);
                if gone.end > range.end {
                    break;
                }
                out.next();
            }
            if start < range.end {
                left.push(start..range.end);
            }
        }
        self.list = left;
    }

    /// The ranges, in order, none empty or touching another.
    pub(super) fn finish(mut self) -> Vec<Range<u64>> {
        self.merge();
        self.list.shrink_to_fit();
        self.list
    }

    fn merge(&mut self) {
        self.list.sort_unstable_by_key(|range| range.start);
        self.swallow();
        while self.list.len() > self.max / 2 {
            self.gap_bytes = (self.gap_bytes * 2).max(512);
            self.swallow();
        }
        self.merge_at = (self.list.len() * 2).clamp(FEW_RANGES.min(self.max), self.max);
    }

    fn swallow(&mut self) {
        let gap_bytes = self.gap_bytes;
        self.list.dedup_by(|next, kept| {
            let merges = touches(kept, next, gap_bytes);
            if merges {
                kept.end = kept.end.max(next.end);
            }
            merges
        });
    }
}

/// Whether a range that does not begin before another one goes on from it.
fn touches(range: &Range<u64>, next: &Range<u64>, gap_bytes: u64) -> bool {
    next.start >= range.start && next.start <= range.end.saturating_add(gap_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_merged_in_whatever_order_they_come() {
        let mut ranges = Ranges::within(100);
        for range in [50..60, 0..10, 10..20, 55..70, 90..200, 30..30, 19..21] {
            ranges.add(range);
        }
        assert_eq!(ranges.finish(), [0..21, 50..70, 90..100]);
    }

    #[test]
    fn what_is_removed_is_gone_and_nothing_else() {
        let mut ranges = Ranges::within(100);
        for range in [0..20, 30..40, 50..60, 70..80] {
            ranges.add(range);
        }
        ranges.remove(vec![55..75, 5..10, 35..36, 12..14, 13..15]);
        assert_eq!(
            ranges.finish(),
            [0..5, 10..12, 15..20, 30..35, 36..40, 50..55, 75..80]
        );
    }

    #[test]
    fn a_list_that_would_grow_too_long_swallows_gaps_and_loses_nothing() {
        let mut ranges = Ranges::with_most(u64::MAX, 1000);
        for number in 0..100_000_u64 {
            ranges.add_len(number * 8192, 4096);
        }
        let list = ranges.finish();
        assert!(list.len() <= 1000, "{}", list.len());
        for number in 0..100_000_u64 {
            let at = list.partition_point(|range| range.end <= number * 8192);
            assert!(list[at].contains(&(number * 8192)), "{number}");
            assert!(list[at].end >= number * 8192 + 4096);
        }
    }
}
