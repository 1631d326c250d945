//! Any backups, rules and zones.

use std::sync::Arc;

use jiff::tz::{Offset, TimeZone};
use policy::Span;
use policy::archive::Until;
use policy::retention::{Bounds, Candidate, Protection, Rules, Use, Verification};
use policy::schedule::Mode;
use proptest::prelude::*;

pub const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// Midnight of a Monday, UTC.
pub const MONDAY_MS: i64 = 1_798_416_000_000;

pub fn berlin() -> TimeZone {
    TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone")
}

/// Incremental backups that nothing protects, with their places as keys.
pub fn candidates(starts_ms: &[i64]) -> Vec<Candidate<usize>> {
    starts_ms
        .iter()
        .enumerate()
        .map(|(key, &started_ms)| Candidate::new(key, started_ms, Mode::Incremental))
        .collect()
}

pub fn any_start() -> impl Strategy<Value = i64> {
    prop_oneof![
        20 => MONDAY_MS - 900 * DAY_MS..MONDAY_MS,
        // Close together, so that hours and days have several.
        20 => MONDAY_MS - 3 * DAY_MS..MONDAY_MS,
        // Several at once.
        10 => (-100..0_i64).prop_map(|hours| MONDAY_MS + hours * HOUR_MS),
        1 => any::<i64>(),
    ]
}

pub fn any_mode() -> impl Strategy<Value = Mode> {
    prop_oneof![1 => Just(Mode::Full), 3 => Just(Mode::Incremental)]
}

fn any_until() -> impl Strategy<Value = Until> {
    prop_oneof![
        3 => (MONDAY_MS - 100 * DAY_MS..MONDAY_MS + 100 * DAY_MS).prop_map(|at_ms| Until::Time { at_ms }),
        1 => Just(Until::Forever),
    ]
}

fn any_use() -> impl Strategy<Value = Use> {
    prop_oneof![Just(Use::Base), Just(Use::Restore), Just(Use::Serve)]
}

fn any_verification() -> impl Strategy<Value = Verification> {
    prop_oneof![
        12 => Just(Verification::Never),
        1 => Just(Verification::Passed),
        2 => Just(Verification::Failed),
    ]
}

prop_compose! {
    pub fn any_candidate()(
        started_ms in any_start(),
        mode in any_mode(),
        hold in prop::option::weighted(0.05, Just(Arc::from("a case"))),
        archived in prop::option::weighted(0.1, any_until()),
        in_use in prop::option::weighted(0.05, any_use()),
        verification in any_verification(),
        freed_bytes in prop::option::weighted(0.8, 0..100_u64),
    ) -> Candidate<usize> {
        Candidate {
            protection: Protection { hold, archived, in_use },
            verification,
            freed_bytes,
            ..Candidate::new(0, started_ms, mode)
        }
    }
}

/// Up to so many backups, with their places as keys.
pub fn any_candidates(most: usize) -> impl Strategy<Value = Vec<Candidate<usize>>> {
    prop::collection::vec(any_candidate(), 0..=most).prop_map(|mut backups| {
        (0..).zip(&mut backups).for_each(|(key, backup)| backup.key = key);
        backups
    })
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    (0..4_u32, prop::option::weighted(0.3, 0..12_u32))
        .prop_map(|(at_least, at_most)| Bounds { at_least, at_most })
}

prop_compose! {
    pub fn any_rules()(
        at_least in 0..10_u32,
        at_most in prop::option::of(0..30_u32),
        full in any_bounds(),
        incremental in any_bounds(),
        within in prop::option::of(0..100_u64),
        calendar in [0..5_u32, 0..5_u32, 0..5_u32, 0..5_u32, 0..5_u32],
    ) -> Rules {
        let [hourly, daily, weekly, monthly, yearly] = calendar;
        let within = within.map(Span::days);
        Rules { at_least, at_most, full, incremental, within, hourly, daily, weekly, monthly, yearly }
    }
}

pub fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop_oneof![
        Just(TimeZone::UTC),
        (-12..=14_i8).prop_map(|hours| TimeZone::fixed(Offset::constant(hours))),
        Just(berlin()),
        // Half an hour of daylight saving.
        Just(TimeZone::posix("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0").expect("a zone")),
    ]
}

/// A time about which things happen.
pub fn any_now() -> impl Strategy<Value = i64> {
    prop_oneof![9 => MONDAY_MS - 30 * DAY_MS..MONDAY_MS + 30 * DAY_MS, 1 => any::<i64>()]
}
