//! Copies of the catalog: what stays, whatever there is.

use jiff::{Timestamp, ToSpan as _};
use policy::catalog_copies::{MONTHS_KEPT, NEWEST_KEPT, superseded};
use proptest::prelude::*;

const FIRST: &str = "2026-01-15T03:00:00Z";

fn after_days(days: i64) -> Timestamp {
    let first: Timestamp = FIRST.parse().expect("a time");
    first.checked_add((days * 24).hours()).expect("is in range")
}

/// The days of the copies that are left after so many nights, each with its copy and its cleanup.
fn kept_after(nights: i64) -> Vec<i64> {
    let mut kept: Vec<i64> = Vec::new();
    for night in 0..nights {
        kept.push(night);
        let gone = superseded(kept.iter().map(|day| (*day, after_days(*day))));
        kept.retain(|day| !gone.contains(day));
    }
    kept
}

#[test]
fn after_a_year_there_is_a_week_and_half_a_year_of_months() {
    let dates: Vec<String> = kept_after(365)
        .into_iter()
        .map(|day| after_days(day).strftime("%m-%d").to_string())
        .collect();
    assert_eq!(
        dates,
        [
            "08-31", "09-30", "10-31", "11-30", "12-31", "01-08", "01-09", "01-10", "01-11", "01-12",
            "01-13", "01-14"
        ]
    );
}

#[test]
fn the_first_copies_all_stay() {
    assert_eq!(kept_after(7), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(kept_after(8), [1, 2, 3, 4, 5, 6, 7]);
}

proptest! {
    /// The newest stay, no month of the newest ones is without its newest copy, and there are never many.
    #[test]
    fn little_is_kept_and_enough(days in prop::collection::btree_set(0_i64..2000, 0..60)) {
        let days: Vec<i64> = days.into_iter().collect();
        let gone = superseded(days.iter().map(|day| (*day, after_days(*day))));
        prop_assert!(gone.is_sorted());
        let kept: Vec<i64> = days.iter().copied().filter(|day| !gone.contains(day)).collect();
        prop_assert!(kept.len() < NEWEST_KEPT + MONTHS_KEPT);
        prop_assert!(kept.ends_with(&days[days.len().saturating_sub(NEWEST_KEPT)..]));
        // Doing it again changes nothing.
        prop_assert!(superseded(kept.iter().map(|day| (*day, after_days(*day)))).is_empty());
    }
}
