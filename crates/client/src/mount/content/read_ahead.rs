//! What is fetched before it is asked for: who reads a file from its begin to its end gets ever more of it in advance, who jumps about
//! gets nothing.

use std::ops::Range;

use manifest::{BLOCK_BYTES, content::block_count};

/// The kernel reads ahead itself, with several questions at once that may come in another order.
const DISORDER_BYTES: u64 = 1 << 20;
/// The most that is fetched in advance.
const MOST_BLOCKS: u64 = 32;

/// How an open file has been read so far.
#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    /// Where the next read would begin.
    next_bytes: u64,
    window_blocks: u64,
    /// The first block that was not fetched in advance.
    fetched_to: u64,
}

impl ReadAhead {
    /// Takes note of a read, and gives the blocks to be fetched in advance; `limit_blocks` is the most of them.
    pub(super) fn after(&mut self, read: &Range<u64>, size: u64, limit_blocks: u64) -> Range<u64> {
        if read.start.abs_diff(self.next_bytes) > DISORDER_BYTES {
            *self = Self {
                next_bytes: read.end,
                ..Self::default()
            };
            return 0..0;
        }
        self.next_bytes = self.next_bytes.max(read.end);
        let limit_blocks = limit_blocks.min(MOST_BLOCKS);
        self.window_blocks = (self.window_blocks * 2).max(1).min(limit_blocks);
        let reached = self.next_bytes.div_ceil(BLOCK_BYTES);
        let from = self.fetched_to.max(reached);
        let to = (reached + self.window_blocks).min(block_count(size));
        // Many blocks at once, rather than each by itself.
        let is_worth_it = to == block_count(size) || (to.saturating_sub(from)) * 2 >= self.window_blocks;
        if from >= to || !is_worth_it {
            return 0..0;
        }
        self.fetched_to = to;
        from..to
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: u64 = BLOCK_BYTES;

    /// Reads a block and tells what is fetched in advance.
    fn read(ahead: &mut ReadAhead, block: u64, size_blocks: u64) -> Range<u64> {
        ahead.after(&(block * STEP..(block + 1) * STEP), size_blocks * STEP, 1000)
    }

    #[test]
    fn who_reads_on_gets_ever_more_and_each_block_once() {
        let mut ahead = ReadAhead::default();
        let mut fetched = Vec::new();
        for block in 0..200 {
            let range = read(&mut ahead, block, 200);
            assert!(range.end <= block + 1 + MOST_BLOCKS, "block {block}: {range:?}");
            fetched.extend(range);
        }
        assert_eq!(
            fetched,
            (1..200).collect::<Vec<_>>(),
            "all but the first, in order"
        );
    }

    #[test]
    fn who_jumps_gets_nothing_until_he_reads_on() {
        let mut ahead = ReadAhead::default();
        assert_eq!(read(&mut ahead, 500, 1000), 0..0);
        assert_eq!(read(&mut ahead, 100, 1000), 0..0);
        assert_eq!(read(&mut ahead, 101, 1000), 102..103);
    }

    #[test]
    fn the_limit_is_kept_and_the_end_not_passed() {
        let mut ahead = ReadAhead::default();
        for block in 0..50 {
            let range = ahead.after(&(block * STEP..(block + 1) * STEP), 50 * STEP - 1, 2);
            assert!(range.end - range.start <= 2 && range.end <= 50, "{range:?}");
        }
        assert_eq!(
            ReadAhead::default().after(&(0..STEP), 100 * STEP, 0),
            0..0,
            "there is no room"
        );
    }
}
