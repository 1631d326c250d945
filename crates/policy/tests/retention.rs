//! Which backups stay: the rules by example, then for any set of backups.

use std::collections::HashSet;

use jiff::tz::{Offset, TimeZone};
use policy::Span;
use policy::retention::{Candidate, Fate, Reason, Rules, Verdict, emergency, plan};
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Midnight of a Monday, UTC.
const MONDAY_MS: i64 = 1_798_416_000_000;

fn candidates(starts_ms: &[i64]) -> Vec<Candidate<usize>> {
    starts_ms
        .iter()
        .enumerate()
        .map(|(key, &started_ms)| Candidate { key, started_ms })
        .collect()
}

fn kept(starts_ms: &[i64], rules: &Rules, zone: &TimeZone) -> Vec<usize> {
    let now_ms = starts_ms.iter().copied().max().unwrap_or(0);
    let mut kept: Vec<_> = plan(candidates(starts_ms), rules, zone, now_ms)
        .into_iter()
        .filter(|verdict| verdict.fate == Fate::Keep)
        .map(|verdict| verdict.key)
        .collect();
    kept.sort_unstable();
    kept
}

fn daily(daily: u32) -> Rules {
    Rules {
        daily,
        ..Rules::KEEP_ALL
    }
}

#[test]
fn the_newest_of_each_day_is_kept() {
    let starts: Vec<_> = (0..12).map(|number| MONDAY_MS + number * 6 * HOUR_MS).collect();
    assert_eq!(kept(&starts, &daily(2), &TimeZone::UTC), [7, 11]);
    assert_eq!(kept(&starts, &daily(9), &TimeZone::UTC), [3, 7, 11]);
    // Seven hours east the last of a day is the one of 12:00 UTC.
    let east = TimeZone::fixed(Offset::constant(7));
    assert_eq!(kept(&starts, &daily(9), &east), [2, 6, 10, 11]);
}

#[test]
fn days_without_a_backup_do_not_count() {
    let starts = [MONDAY_MS, MONDAY_MS + 100 * DAY_MS, MONDAY_MS + 300 * DAY_MS];
    assert_eq!(kept(&starts, &daily(2), &TimeZone::UTC), [1, 2]);
}

#[test]
fn weeks_begin_on_monday() {
    let starts = [MONDAY_MS - 1, MONDAY_MS, MONDAY_MS + 6 * DAY_MS];
    let rules = Rules {
        weekly: 5,
        ..Rules::KEEP_ALL
    };
    assert_eq!(kept(&starts, &rules, &TimeZone::UTC), [0, 2]);
}

#[test]
fn both_hours_of_one_name_are_kept_when_the_clock_is_put_back() {
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
    // 25 October 2026, 02:30 summer time and 02:30 winter time.
    let starts = [1_792_888_200_000, 1_792_891_800_000];
    let rules = Rules {
        hourly: 2,
        ..Rules::KEEP_ALL
    };
    assert_eq!(kept(&starts, &rules, &berlin), [0, 1]);
}

#[test]
fn without_a_choosing_rule_all_are_kept_up_to_the_limit() {
    let starts: Vec<_> = (0..6).map(|number| MONDAY_MS + number * DAY_MS).collect();
    assert_eq!(kept(&starts, &Rules::KEEP_ALL, &TimeZone::UTC).len(), 6);
    let rules = Rules {
        at_most: Some(2),
        ..Rules::KEEP_ALL
    };
    assert_eq!(kept(&starts, &rules, &TimeZone::UTC), [4, 5]);
    let contradiction = Rules {
        at_most: Some(0),
        at_least: 3,
        ..Rules::KEEP_ALL
    };
    assert_eq!(kept(&starts, &contradiction, &TimeZone::UTC), [3, 4, 5]);
}

#[test]
fn reasons_say_what_kept_a_backup_longest() {
    let starts: Vec<_> = (0..4).map(|number| MONDAY_MS + number * DAY_MS).collect();
    let rules = Rules {
        at_least: 2,
        within: Some(Span::hours(49)),
        daily: 3,
        ..Rules::KEEP_ALL
    };
    let now_ms = MONDAY_MS + 3 * DAY_MS;
    let told: Vec<_> = plan(candidates(&starts), &rules, &TimeZone::UTC, now_ms)
        .iter()
        .map(|verdict| format!("{} {:?}: {}", verdict.key, verdict.fate, verdict.reason))
        .collect();
    let expected = [
        "3 Keep: the newest",
        "2 Keep: at least 2 are kept",
        "1 Keep: younger than 2 d 1 h",
        "0 Remove: no rule keeps it",
    ];
    assert_eq!(told, expected);
}

#[test]
fn an_emergency_takes_the_unwanted_first_and_spares_the_least() {
    let starts: Vec<_> = [0, 1, 24, 25, 48, 49]
        .iter()
        .map(|hours| MONDAY_MS + hours * HOUR_MS)
        .collect();
    let rules = Rules {
        at_least: 1,
        ..daily(2)
    };
    let order: Vec<_> = emergency(candidates(&starts), &rules, &TimeZone::UTC, MONDAY_MS)
        .into_iter()
        .map(|verdict| verdict.key)
        .collect();
    assert_eq!(order, [0, 1, 2, 4, 3]);
}

fn any_starts() -> impl Strategy<Value = Vec<i64>> {
    let usual = MONDAY_MS - 900 * DAY_MS..MONDAY_MS;
    prop_oneof![
        8 => prop::collection::vec(usual, 0..60),
        1 => prop::collection::vec(any::<i64>(), 0..20),
    ]
}

prop_compose! {
    fn any_rules()(
        at_least in 0..10_u32,
        at_most in prop::option::of(0..30_u32),
        within in prop::option::of(0..100_u64),
        calendar in [0..5_u32, 0..5_u32, 0..5_u32, 0..5_u32, 0..5_u32],
    ) -> Rules {
        let [hourly, daily, weekly, monthly, yearly] = calendar;
        Rules { at_least, at_most, within: within.map(Span::days), hourly, daily, weekly, monthly, yearly }
    }
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop_oneof![
        Just(TimeZone::UTC),
        (-12..=14_i8).prop_map(|hours| TimeZone::fixed(Offset::constant(hours))),
        Just(TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone")),
    ]
}

fn survivors(verdicts: &[Verdict<usize>]) -> Vec<&Verdict<usize>> {
    verdicts
        .iter()
        .filter(|verdict| verdict.fate == Fate::Keep)
        .collect()
}

proptest! {
    #[test]
    fn every_backup_is_judged_once_newest_first(
        starts in any_starts(), rules in any_rules(), zone in any_zone(), now_ms in any::<i64>(),
    ) {
        let verdicts = plan(candidates(&starts), &rules, &zone, now_ms);
        let keys: HashSet<_> = verdicts.iter().map(|verdict| verdict.key).collect();
        prop_assert_eq!((keys.len(), verdicts.len()), (starts.len(), starts.len()));
        prop_assert!(verdicts.is_sorted_by(|newer, older| newer.started_ms >= older.started_ms));
    }

    #[test]
    fn the_newest_and_the_least_are_never_removed(
        starts in any_starts(), rules in any_rules(), zone in any_zone(), now_ms in any::<i64>(),
    ) {
        let verdicts = plan(candidates(&starts), &rules, &zone, now_ms);
        let spared = starts.len().min(rules.at_least.max(1) as usize);
        prop_assert!(verdicts[..spared].iter().all(|verdict| verdict.fate == Fate::Keep));
        let spared: HashSet<_> = verdicts[..spared].iter().map(|verdict| verdict.key).collect();
        let victims = emergency(candidates(&starts), &rules, &zone, now_ms);
        prop_assert!(victims.iter().all(|victim| !spared.contains(&victim.key)));
        prop_assert_eq!(victims.len() + spared.len(), starts.len());
    }

    #[test]
    fn no_more_are_kept_than_the_limit_or_the_least(
        starts in any_starts(), rules in any_rules(), zone in any_zone(), now_ms in any::<i64>(),
    ) {
        let verdicts = plan(candidates(&starts), &rules, &zone, now_ms);
        if let Some(at_most) = rules.at_most {
            prop_assert!(survivors(&verdicts).len() <= at_most.max(rules.at_least).max(1) as usize);
        }
    }

    #[test]
    fn what_was_kept_is_kept_when_asked_again(
        starts in any_starts(), rules in any_rules(), zone in any_zone(), now_ms in any::<i64>(),
    ) {
        let first = plan(candidates(&starts), &rules, &zone, now_ms);
        let mut left: Vec<_> = survivors(&first)
            .into_iter()
            .map(|verdict| Candidate { key: verdict.key, started_ms: verdict.started_ms })
            .collect();
        left.reverse();
        let second = plan(left, &rules, &zone, now_ms);
        prop_assert!(second.iter().all(|verdict| verdict.fate == Fate::Keep), "{:?}", second);
    }

    #[test]
    fn each_period_has_its_newest(starts in any_starts(), count in 1..8_u32, zone in any_zone()) {
        let rules = Rules { monthly: count, ..Rules::KEEP_ALL };
        let verdicts = plan(candidates(&starts), &rules, &zone, 0);
        let kept = survivors(&verdicts);
        prop_assert!(kept.len() <= count as usize);
        for (position, verdict) in kept.iter().enumerate().skip(1) {
            let of_month = matches!(
                verdict.reason, Reason::NewestOf { number, .. } if number as usize == position + 1
            );
            prop_assert!(of_month, "{:?}", verdict);
        }
    }
}
