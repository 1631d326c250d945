//! The rules as they are written down, one after the other and slowly, to compare with.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use policy::retention::{Candidate, Rules, Verification};
use policy::schedule::Mode;

/// The places of the backups that are kept.
pub fn kept(backups: &[Candidate<usize>], rules: &Rules, zone: &TimeZone, now_ms: i64) -> HashSet<usize> {
    let mut newest_first: Vec<_> = backups.iter().collect();
    newest_first.sort_by_key(|backup| (backup.started_ms, backup.key));
    newest_first.reverse();
    let protected = protected(&newest_first, rules, now_ms);
    let chosen = chosen(&newest_first, rules, zone, now_ms);
    let counts = |backup: &Candidate<usize>| !is_set_aside(backup, now_ms);
    let mut kept = protected;
    for backup in newest_first.iter().filter(|backup| chosen.contains(&backup.key)) {
        if kept.contains(&backup.key) {
            continue;
        }
        let room = limits(rules).into_iter().all(|(mode, _, at_most)| {
            let concerned = |other: &Candidate<usize>| mode.is_none_or(|mode| mode == other.mode);
            let taken = newest_first
                .iter()
                .filter(|other| kept.contains(&other.key) && counts(other) && concerned(other))
                .count();
            !concerned(backup) || at_most.is_none_or(|at_most| taken < at_most as usize)
        });
        if room {
            kept.insert(backup.key);
        }
    }
    kept
}

pub fn is_set_aside(backup: &Candidate<usize>, now_ms: i64) -> bool {
    let protection = &backup.protection;
    protection.hold.is_some() || protection.archived.is_some_and(|until| until.covers(now_ms))
}

/// What nothing may remove: rules 1 to 4.
pub fn protected(newest_first: &[&Candidate<usize>], rules: &Rules, now_ms: i64) -> HashSet<usize> {
    let newest = newest_first.iter().take(1);
    let fixed = newest_first
        .iter()
        .filter(|backup| is_set_aside(backup, now_ms) || backup.protection.in_use.is_some());
    let verified = newest_first
        .iter()
        .filter(|backup| backup.verification == Verification::Passed)
        .take(1);
    let least = limits(rules).into_iter().flat_map(|(mode, at_least, _)| {
        newest_first
            .iter()
            .filter(move |backup| mode.is_none_or(|mode| mode == backup.mode))
            .filter(|backup| !is_set_aside(backup, now_ms))
            .take(at_least as usize)
    });
    newest
        .chain(fixed)
        .chain(verified)
        .chain(least)
        .map(|backup| backup.key)
        .collect()
}

fn limits(rules: &Rules) -> [(Option<Mode>, u32, Option<u32>); 3] {
    [
        (None, rules.at_least, rules.at_most),
        (Some(Mode::Full), rules.full.at_least, rules.full.at_most),
        (
            Some(Mode::Incremental),
            rules.incremental.at_least,
            rules.incremental.at_most,
        ),
    ]
}

/// Gives the name of an hour, day, week, month or year.
type Naming = fn(&Zoned) -> String;

/// Rule 5.
fn chosen(newest_first: &[&Candidate<usize>], rules: &Rules, zone: &TimeZone, now_ms: i64) -> HashSet<usize> {
    let named: [(u32, Naming); 5] = [
        (rules.hourly, |at| at.strftime("%F %H %z").to_string()),
        (rules.daily, |at| at.strftime("%F").to_string()),
        (rules.weekly, |at| at.strftime("%G-%V").to_string()),
        (rules.monthly, |at| at.strftime("%Y-%m").to_string()),
        (rules.yearly, |at| at.strftime("%Y").to_string()),
    ];
    let is_young = |backup: &&&Candidate<usize>| {
        let age_ms = i128::from(now_ms) - i128::from(backup.started_ms);
        rules
            .within
            .is_some_and(|within| age_ms.max(0) < i128::from(within.len_ms))
    };
    let mut chosen: HashSet<_> = newest_first
        .iter()
        .filter(is_young)
        .map(|backup| backup.key)
        .collect();
    for (count, name) in named {
        let mut names = HashSet::new();
        for backup in newest_first {
            let name = name(&local(backup.started_ms, zone));
            if names.len() < count as usize && names.insert(name) {
                chosen.insert(backup.key);
            }
        }
    }
    if rules.within.is_none() && named.iter().all(|(count, _)| *count == 0) {
        chosen.extend(newest_first.iter().map(|backup| backup.key));
    }
    chosen
}

fn local(instant_ms: i64, zone: &TimeZone) -> Zoned {
    let end = if instant_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    Timestamp::from_millisecond(instant_ms)
        .unwrap_or(end)
        .to_zoned(zone.clone())
}
