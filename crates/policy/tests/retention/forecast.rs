//! Cleanups that are to come.

use jiff::tz::TimeZone;
use policy::archive::Until;
use policy::retention::{Candidate, Departure, Expected, Fate, Horizon, Rules, Use, Which, forecast, plan};
use policy::schedule::Mode;
use proptest::prelude::*;

use super::generate::*;

fn expected(started_ms: i64) -> Expected {
    Expected {
        started_ms,
        mode: Mode::Incremental,
        archived: None,
    }
}

const KEEP_TWO: Rules = Rules {
    at_most: Some(2),
    ..Rules::KEEP_ALL
};

const THREE_DAYS: Horizon = Horizon {
    now_ms: MONDAY_MS,
    days: 3,
};

fn told(departures: &[Departure<usize>]) -> Vec<String> {
    departures
        .iter()
        .map(|departure| {
            let days = (departure.at_ms - MONDAY_MS) / DAY_MS;
            format!("{:?} after {days} days: {}", departure.backup, departure.reason)
        })
        .collect()
}

/// One cleanup each day from `MONDAY_MS` on, for ever.
fn each_day() -> impl Iterator<Item = i64> {
    (0..).map(|day| MONDAY_MS + day * DAY_MS)
}

#[test]
fn expected_backups_push_out_those_that_are_there_and_go_in_their_turn() {
    let there = candidates(&[MONDAY_MS - 2 * DAY_MS, MONDAY_MS - DAY_MS]);
    let coming: Vec<_> = (0..9)
        .map(|day| expected(MONDAY_MS + day * DAY_MS + HOUR_MS))
        .collect();
    let departures = forecast(there, &coming, &KEEP_TWO, &TimeZone::UTC, each_day(), THREE_DAYS);
    let expected = [
        "Existing(0) after 1 days: beyond the maximum (2)",
        "Existing(1) after 2 days: beyond the maximum (2)",
        "Expected(0) after 3 days: beyond the maximum (2)",
    ];
    assert_eq!(told(&departures), expected);
}

#[test]
fn protections_end_in_their_time() {
    let mut there = candidates(&[0, 1, 2, 3, 4].map(|hour| MONDAY_MS - 9 * DAY_MS + hour * HOUR_MS));
    there[0].protection.archived = Some(Until::Time {
        at_ms: MONDAY_MS + 2 * DAY_MS,
    });
    there[1].protection.archived = Some(Until::Forever);
    there[2].protection.in_use = Some(Use::Base);
    let rules = Rules {
        at_most: Some(1),
        ..Rules::KEEP_ALL
    };
    let departures = forecast(there, &[], &rules, &TimeZone::UTC, each_day(), THREE_DAYS);
    let expected = [
        "Existing(3) after 0 days: beyond the maximum (1)",
        "Existing(2) after 1 days: beyond the maximum (1)",
        "Existing(0) after 2 days: beyond the maximum (1)",
    ];
    assert_eq!(told(&departures), expected);
}

#[test]
fn an_expected_backup_that_is_archived_stays() {
    let archived = Expected {
        archived: Some(Until::Forever),
        ..expected(MONDAY_MS + 1)
    };
    let coming = [archived, expected(MONDAY_MS + 2), expected(MONDAY_MS + 3)];
    let rules = Rules {
        at_most: Some(1),
        ..Rules::KEEP_ALL
    };
    let none: Vec<Candidate<usize>> = Vec::new();
    let departures = forecast(none, &coming, &rules, &TimeZone::UTC, each_day(), THREE_DAYS);
    assert_eq!(
        told(&departures),
        ["Expected(1) after 1 days: beyond the maximum (1)"]
    );
}

#[test]
fn an_expected_backup_counts_from_the_moment_it_begins() {
    let there = candidates(&[MONDAY_MS - DAY_MS]);
    let coming = [expected(MONDAY_MS + DAY_MS)];
    let rules = Rules {
        at_most: Some(1),
        ..Rules::KEEP_ALL
    };
    let departures = forecast(there, &coming, &rules, &TimeZone::UTC, each_day(), THREE_DAYS);
    assert_eq!(
        told(&departures),
        ["Existing(0) after 1 days: beyond the maximum (1)"]
    );
}

#[test]
fn cleanups_outside_the_horizon_or_out_of_order_are_passed_over() {
    let there = candidates(&[0, 1, 2, 3].map(|hour| MONDAY_MS + hour * HOUR_MS));
    let rules = Rules {
        within: Some(policy::Span::days(3)),
        ..Rules::KEEP_ALL
    };
    let end_ms = MONDAY_MS + 3 * DAY_MS;
    let times = [MONDAY_MS - 9 * DAY_MS, end_ms, end_ms - 1, end_ms + 1, end_ms];
    let departures = forecast(there, &[], &rules, &TimeZone::UTC, times, THREE_DAYS);
    assert_eq!(told(&departures), ["Existing(0) after 3 days: no rule keeps it"]);
}

/// Runs [`plan`] at each cleanup on what is there then.
fn day_by_day(
    mut there: Vec<Candidate<Which<usize>>>,
    expected: &[Expected],
    rules: &Rules,
    zone: &TimeZone,
    cleanups_ms: &[i64],
    now_ms: i64,
) -> Vec<(Which<usize>, i64)> {
    let mut gone = Vec::new();
    let mut before_ms = None;
    for &at_ms in cleanups_ms {
        for (index, expected) in expected.iter().enumerate() {
            let is_new = before_ms.is_none_or(|before_ms| expected.started_ms > before_ms);
            if is_new && expected.started_ms <= at_ms {
                let mut made = Candidate::new(Which::Expected(index), expected.started_ms, expected.mode);
                made.protection.archived = expected.archived;
                there.push(made);
            }
        }
        before_ms = Some(at_ms);
        if at_ms > now_ms {
            there
                .iter_mut()
                .for_each(|backup| backup.protection.in_use = None);
        }
        let verdicts = plan(there.clone(), rules, zone, at_ms);
        let removed: Vec<_> = verdicts
            .iter()
            .rev()
            .filter(|verdict| verdict.fate == Fate::Remove)
            .map(|verdict| verdict.key)
            .collect();
        there.retain(|backup| !removed.contains(&backup.key));
        gone.extend(removed.into_iter().map(|key| (key, at_ms)));
    }
    gone
}

fn existing(backups: &[Candidate<usize>]) -> Vec<Candidate<Which<usize>>> {
    backups
        .iter()
        .map(|backup| Candidate {
            protection: backup.protection.clone(),
            verification: backup.verification,
            ..Candidate::new(Which::Existing(backup.key), backup.started_ms, backup.mode)
        })
        .collect()
}

/// Backups in the days to come, each at a time of its own and in order.
fn any_expected() -> impl Strategy<Value = Vec<Expected>> {
    let later = prop::collection::btree_map(
        MONDAY_MS..MONDAY_MS + 30 * DAY_MS,
        (any_mode(), prop::option::weighted(0.1, Just(Until::Forever))),
        0..20,
    );
    later.prop_map(|later| {
        later
            .into_iter()
            .map(|(started_ms, (mode, archived))| Expected {
                started_ms,
                mode,
                archived,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn one_cleanup_now_removes_what_the_plan_does(
        backups in any_candidates(40), rules in any_rules(), zone in any_zone(), now_ms in any_now(),
    ) {
        let horizon = Horizon { now_ms, days: 9 };
        let departures: Vec<_> = forecast(backups.clone(), &[], &rules, &zone, [now_ms], horizon)
            .into_iter()
            .map(|departure| (departure.backup, departure.started_ms, departure.reason))
            .collect();
        let removed: Vec<_> = plan(backups, &rules, &zone, now_ms)
            .into_iter()
            .rev()
            .filter(|verdict| verdict.fate == Fate::Remove)
            .map(|verdict| (Which::Existing(verdict.key), verdict.started_ms, verdict.reason))
            .collect();
        prop_assert_eq!(departures, removed);
    }

    #[test]
    fn a_forecast_is_the_plan_of_each_day(
        backups in any_candidates(40),
        expected in any_expected(),
        rules in any_rules(),
        zone in any_zone(),
        cleanups in prop::collection::btree_set(MONDAY_MS..MONDAY_MS + 30 * DAY_MS, 0..15),
    ) {
        let cleanups: Vec<_> = cleanups.into_iter().collect();
        let horizon = Horizon { now_ms: MONDAY_MS, days: 30 };
        let departures = forecast(backups.clone(), &expected, &rules, &zone, cleanups.clone(), horizon);
        let told: Vec<_> = departures.iter().map(|departure| (departure.backup, departure.at_ms)).collect();
        let lived = day_by_day(existing(&backups), &expected, &rules, &zone, &cleanups, MONDAY_MS);
        prop_assert_eq!(told, lived);
    }
}
