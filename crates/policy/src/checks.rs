//! When backups are read again and compared with their hashes.
//!
//! Backups of a client share most of what they hold, and what they share is read once if they are checked together. So a client's backups
//! become due together: when one is, those go along whose turn would come before long.

use crate::Span;

/// A backup that may have to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkable<K> {
    /// What the caller knows it by.
    pub key: K,
    /// When it was checked last, or made: what arrives is proven by its hashes.
    pub sound_ms: i64,
}

/// Of one client's backups, those that are to be checked now, in the order given; none if none is due.
///
/// One that was to be checked in the future – a clock that was put back – waits no longer than an interval.
pub fn due<K>(backups: Vec<Checkable<K>>, interval: Span, now_ms: i64) -> Vec<K> {
    let age = |backup: &Checkable<K>| Span::between(backup.sound_ms.min(now_ms), now_ms);
    let oldest = backups.iter().map(age).max();
    if oldest.is_none_or(|oldest| oldest < interval) {
        return Vec::new();
    }
    let soon = Span {
        len_ms: interval.len_ms / 2,
    };
    let goes_along = |backup: &Checkable<K>| age(backup) >= soon;
    let chosen = backups.into_iter().filter(goes_along);
    chosen.map(|backup| backup.key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 86_400_000;

    fn chosen(days: &[i64], now_day: i64) -> Vec<usize> {
        let backups = days.iter().enumerate().map(|(key, day)| Checkable {
            key,
            sound_ms: day * DAY_MS,
        });
        due(backups.collect(), Span::days(90), now_day * DAY_MS)
    }

    #[test]
    fn nothing_is_checked_before_something_is_due() {
        assert_eq!(chosen(&[], 1000), [0; 0]);
        assert_eq!(chosen(&[0, 10, 80], 89), [0; 0]);
    }

    #[test]
    fn what_is_due_takes_those_along_whose_turn_is_not_far() {
        assert_eq!(chosen(&[0, 10, 44, 46, 90], 90), [0, 1, 2]);
        assert_eq!(chosen(&[0, 0, 45], 90), [0, 1, 2]);
    }

    #[test]
    fn what_a_check_that_was_cut_short_has_done_is_not_done_again() {
        assert_eq!(chosen(&[90, 90, 0, 1], 90), [2, 3]);
    }

    #[test]
    fn a_clock_that_was_put_back_makes_nothing_wait_for_ever() {
        assert_eq!(chosen(&[1000], 100), [0; 0]);
        assert_eq!(chosen(&[1000, 0], 100), [1]);
    }
}
