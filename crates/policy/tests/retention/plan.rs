//! The rules that choose, and what holds for any set of backups.

use std::collections::HashSet;

use jiff::tz::{Offset, TimeZone};
use policy::Span;
use policy::retention::{Candidate, Fate, Reason, Rules, Verdict, plan};
use proptest::prelude::*;

use super::generate::*;
use super::model;

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
        "2 Keep: within the minimum (2)",
        "1 Keep: younger than 2 d 1 h",
        "0 Remove: no rule keeps it",
    ];
    assert_eq!(told, expected);
}

fn survivors(verdicts: &[Verdict<usize>]) -> Vec<&Verdict<usize>> {
    verdicts
        .iter()
        .filter(|verdict| verdict.fate == Fate::Keep)
        .collect()
}

/// Those that are kept, in the order in which they were handed in.
fn left(backups: &[Candidate<usize>], verdicts: &[Verdict<usize>]) -> Vec<Candidate<usize>> {
    let kept: HashSet<_> = survivors(verdicts).iter().map(|verdict| verdict.key).collect();
    backups
        .iter()
        .filter(|backup| kept.contains(&backup.key))
        .cloned()
        .collect()
}

proptest! {
    #[test]
    fn every_backup_is_judged_once_newest_first(
        backups in any_candidates(60), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let count = backups.len();
        let verdicts = plan(backups, &rules, &zone, now_ms);
        let keys: HashSet<_> = verdicts.iter().map(|verdict| verdict.key).collect();
        prop_assert_eq!((keys.len(), verdicts.len()), (count, count));
        prop_assert!(verdicts.is_sorted_by_key(|verdict| std::cmp::Reverse((verdict.started_ms, verdict.key))));
        prop_assert!(verdicts.iter().all(|verdict| verdict.fate == verdict.reason.fate()));
    }

    #[test]
    fn what_is_kept_is_what_the_rules_say(
        backups in any_candidates(60), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let verdicts = plan(backups.clone(), &rules, &zone, now_ms);
        let kept: HashSet<_> = survivors(&verdicts).iter().map(|verdict| verdict.key).collect();
        prop_assert_eq!(kept, model::kept(&backups, &rules, &zone, now_ms));
    }

    #[test]
    fn the_protected_are_never_removed_and_told_apart(
        backups in any_candidates(60), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let verdicts = plan(backups.clone(), &rules, &zone, now_ms);
        let newest_first: Vec<_> = verdicts.iter().map(|verdict| &backups[verdict.key]).collect();
        let protected = model::protected(&newest_first, &rules, now_ms);
        for verdict in &verdicts {
            prop_assert_eq!(verdict.reason.protects(), protected.contains(&verdict.key), "{:?}", verdict);
            prop_assert!(verdict.fate == Fate::Keep || !protected.contains(&verdict.key), "{:?}", verdict);
        }
    }

    #[test]
    fn no_more_are_kept_than_a_maximum_or_what_is_protected(
        backups in any_candidates(60), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let verdicts = plan(backups.clone(), &rules, &zone, now_ms);
        let counted: Vec<_> = survivors(&verdicts)
            .into_iter()
            .filter(|verdict| !model::is_set_aside(&backups[verdict.key], now_ms))
            .collect();
        if let Some(at_most) = rules.at_most {
            let protected = counted.iter().filter(|verdict| verdict.reason.protects()).count();
            prop_assert!(counted.len() <= protected.max(at_most as usize), "{:?}", counted);
        }
    }

    #[test]
    fn what_was_kept_is_kept_when_asked_again(
        backups in any_candidates(60), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let first = plan(backups.clone(), &rules, &zone, now_ms);
        let second = plan(left(&backups, &first), &rules, &zone, now_ms);
        prop_assert!(second.iter().all(|verdict| verdict.fate == Fate::Keep), "{:?}", second);
    }

    #[test]
    fn each_period_has_its_newest(
        starts in prop::collection::vec(any_start(), 0..60), count in 1..8_u32, zone in any_zone(),
    ) {
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
