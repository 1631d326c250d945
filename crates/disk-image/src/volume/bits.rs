//! Bitmaps whose lowest bit comes first, as ext, NTFS and exFAT have them.

use std::ops::Range;

/// Calls back with each run of bits that are set, among the first `count`; the bitmap has at least as many.
pub(super) fn each_run(bits: &[u8], count: u64, mut each: impl FnMut(Range<u64>)) {
    let count = count.min(bits.len() as u64 * 8);
    let mut at = 0;
    while at < count {
        let start = find(bits, at, count, Wanted::Set);
        at = find(bits, start, count, Wanted::Clear);
        if start < at {
            each(start..at);
        }
    }
}

/// Counts the bits that are clear among the first `count`.
pub(super) fn clear(bits: &[u8], count: u64) -> u64 {
    let mut set = 0;
    each_run(bits, count, |run| set += run.end - run.start);
    count - set
}

/// Tells whether a bit is set; one that is not there is not.
pub(super) fn is_set(bits: &[u8], at: u64) -> bool {
    let byte = usize::try_from(at / 8).ok().and_then(|byte| bits.get(byte));
    byte.is_some_and(|byte| byte >> (at % 8) & 1 == 1)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Set,
    Clear,
}

/// The first bit from `from` on that is as wanted, else `count`.
fn find(bits: &[u8], from: u64, count: u64, wanted: Wanted) -> u64 {
    let mut at = from;
    while at < count {
        let word = word(bits, at / 64);
        let word = if wanted == Wanted::Set { word } else { !word };
        let rest = word >> (at % 64);
        if rest != 0 {
            return (at + u64::from(rest.trailing_zeros())).min(count);
        }
        at = (at / 64 + 1) * 64;
    }
    count
}

/// 64 bits; those behind the bitmap's end are clear.
fn word(bits: &[u8], index: u64) -> u64 {
    let at = index as usize * 8;
    let mut word = [0; 8];
    let len = bits.len().saturating_sub(at).min(8);
    word[..len].copy_from_slice(&bits[at..at + len]);
    u64::from_le_bytes(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_are_those_that_one_finds_bit_by_bit(
            bits in prop::collection::vec(prop_oneof![Just(0_u8), Just(255), any::<u8>()], 0..40),
            cut in 0_u64..20,
        ) {
            let count = (bits.len() as u64 * 8).saturating_sub(cut);
            let mut found = Vec::new();
            each_run(&bits, count, |run| found.push(run));
            prop_assert!(found.windows(2).all(|pair| pair[0].end < pair[1].start));
            for at in 0..count {
                prop_assert_eq!(found.iter().any(|run| run.contains(&at)), is_set(&bits, at));
            }
            let set = (0..count).filter(|at| is_set(&bits, *at)).count() as u64;
            prop_assert_eq!(clear(&bits, count), count - set);
        }
    }
}
