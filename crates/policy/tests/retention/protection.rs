//! What is never removed, and how minimums and maximums count.

use policy::archive::Until;
use policy::retention::{Bounds, Candidate, Rules, Use, Verification, plan};
use policy::schedule::Mode;

use super::generate::{DAY_MS, MONDAY_MS};

/// Backups of successive days, `f` for full and `i` for incremental.
fn days(modes: &str) -> Vec<Candidate<usize>> {
    let mode = |letter| match letter {
        'f' => Mode::Full,
        _ => Mode::Incremental,
    };
    (0..)
        .zip(modes.chars())
        .map(|(day, letter)| Candidate::new(day, MONDAY_MS + day as i64 * DAY_MS, mode(letter)))
        .collect()
}

fn told(backups: Vec<Candidate<usize>>, rules: &Rules) -> Vec<String> {
    let now_ms = MONDAY_MS + 1_000 * DAY_MS;
    plan(backups, rules, &jiff::tz::TimeZone::UTC, now_ms)
        .iter()
        .map(|verdict| format!("{} {:?}: {}", verdict.key, verdict.fate, verdict.reason))
        .collect()
}

const NONE_BUT_PROTECTED: Rules = Rules {
    at_most: Some(0),
    ..Rules::KEEP_ALL
};

#[test]
fn protections_are_told_in_their_order() {
    let mut backups = days("iiiiiii");
    let until_ms = MONDAY_MS + 1_000 * DAY_MS;
    backups[1].verification = Verification::Passed;
    backups[2].protection.archived = Some(Until::Time { at_ms: until_ms });
    backups[3].protection.archived = Some(Until::Time { at_ms: until_ms + 1 });
    backups[4].protection.in_use = Some(Use::Restore);
    backups[5].protection.hold = Some("the audit of 2026".into());
    backups[5].protection.archived = Some(Until::Forever);
    backups[6].protection.hold = Some("newest anyway".into());
    let expected = [
        "6 Keep: the newest",
        "5 Keep: held: the audit of 2026",
        "4 Keep: in use: it is being restored",
        "3 Keep: archived until 2029-09-23T00:00:00.001Z",
        "2 Remove: beyond the maximum (0)",
        "1 Keep: the newest that passed a verification",
        "0 Remove: beyond the maximum (0)",
    ];
    assert_eq!(told(backups, &NONE_BUT_PROTECTED), expected);
}

#[test]
fn only_the_newest_of_the_verified_is_protected() {
    let mut backups = days("iiii");
    backups[0].verification = Verification::Passed;
    backups[1].verification = Verification::Passed;
    backups[2].verification = Verification::Failed;
    let expected = [
        "3 Keep: the newest",
        "2 Remove: beyond the maximum (0)",
        "1 Keep: the newest that passed a verification",
        "0 Remove: beyond the maximum (0)",
    ];
    assert_eq!(told(backups, &NONE_BUT_PROTECTED), expected);
}

#[test]
fn minimums_of_each_mode_are_kept_beside_the_one_for_all() {
    let rules = Rules {
        at_least: 2,
        full: Bounds {
            at_least: 1,
            at_most: None,
        },
        incremental: Bounds {
            at_least: 3,
            at_most: None,
        },
        ..NONE_BUT_PROTECTED
    };
    let expected = [
        "5 Keep: the newest",
        "4 Keep: within the minimum (2)",
        "3 Keep: within the minimum (3 incremental)",
        "2 Keep: within the minimum (1 full)",
        "1 Remove: beyond the maximum (0)",
        "0 Remove: beyond the maximum (0)",
    ];
    assert_eq!(told(days("fifiii"), &rules), expected);
}

#[test]
fn maximums_of_each_mode_win_over_the_calendar() {
    let rules = Rules {
        daily: 100,
        full: Bounds {
            at_least: 0,
            at_most: Some(1),
        },
        incremental: Bounds {
            at_least: 0,
            at_most: Some(2),
        },
        ..Rules::KEEP_ALL
    };
    let expected = [
        "5 Keep: the newest",
        "4 Keep: the newest of day 2 of 100",
        "3 Keep: the newest of day 3 of 100",
        "2 Remove: beyond the maximum (2 incremental)",
        "1 Remove: beyond the maximum (1 full)",
        "0 Remove: beyond the maximum (2 incremental)",
    ];
    assert_eq!(told(days("ififii"), &rules), expected);
}

#[test]
fn what_is_protected_takes_its_place_within_a_maximum_first() {
    let rules = Rules {
        at_most: Some(2),
        ..Rules::KEEP_ALL
    };
    let mut backups = days("iiii");
    backups[0].verification = Verification::Passed;
    let expected = [
        "3 Keep: the newest",
        "2 Remove: beyond the maximum (2)",
        "1 Remove: beyond the maximum (2)",
        "0 Keep: the newest that passed a verification",
    ];
    assert_eq!(told(backups, &rules), expected);
}

#[test]
fn what_is_set_aside_counts_for_no_number_but_stands_for_its_day() {
    let mut backups = days("iiii");
    backups[2].protection.hold = Some("".into());
    let rules = Rules {
        at_least: 2,
        at_most: Some(2),
        ..Rules::KEEP_ALL
    };
    let expected = [
        "3 Keep: the newest",
        "2 Keep: held",
        "1 Keep: within the minimum (2)",
        "0 Remove: beyond the maximum (2)",
    ];
    assert_eq!(told(backups.clone(), &rules), expected);
    backups[1].started_ms = backups[2].started_ms;
    let daily = Rules {
        daily: 9,
        ..Rules::KEEP_ALL
    };
    let expected = [
        "3 Keep: the newest",
        "2 Keep: held",
        "1 Remove: no rule keeps it",
        "0 Keep: the newest of day 3 of 9",
    ];
    assert_eq!(told(backups, &daily), expected);
}
