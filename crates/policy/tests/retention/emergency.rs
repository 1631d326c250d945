//! What is given up when space runs out.

use std::collections::HashSet;

use jiff::tz::TimeZone;
use policy::archive::Until;
use policy::retention::trash::Trashed;
use policy::retention::{Candidate, Rules, Sacrifice, Series, Use, Verification, emergency, plan};
use policy::{Span, Target};
use proptest::prelude::*;

use super::generate::*;
use super::model;

fn trashed<K>(key: K, deleted_ms: i64) -> Trashed<K> {
    Trashed {
        key,
        target: Target::Files,
        deleted_ms,
        keep: Span::days(9),
        in_use: None,
        freed_bytes: Some(7),
    }
}

fn told(order: impl Iterator<Item = Sacrifice<&'static str>>) -> Vec<String> {
    order
        .map(|sacrifice| format!("{}: {}", sacrifice.key, sacrifice.why))
        .collect()
}

fn named(names: &[&'static str], first_ms: i64) -> Vec<Candidate<&'static str>> {
    (0..)
        .zip(names)
        .map(|(day, name)| {
            Candidate::new(
                *name,
                first_ms + day * DAY_MS,
                policy::schedule::Mode::Incremental,
            )
        })
        .collect()
}

#[test]
fn trash_goes_first_then_the_unwanted_then_images_then_files() {
    let rules = Rules {
        daily: 3,
        ..Rules::KEEP_ALL
    };
    let files = Series {
        target: Target::Files,
        rules,
        backups: named(&["a-file-1", "a-file-2", "a-file-3", "a-file-4"], MONDAY_MS),
    };
    let images = Series {
        target: Target::Image,
        rules,
        backups: named(
            &["b-image-1", "b-image-2", "b-image-3", "b-image-4"],
            MONDAY_MS + HOUR_MS,
        ),
    };
    let others = Series {
        target: Target::Image,
        rules: Rules {
            at_least: 2,
            ..Rules::KEEP_ALL
        },
        backups: named(&["c-image-1", "c-image-2", "c-image-3"], MONDAY_MS + 2 * HOUR_MS),
    };
    let mut served = trashed("served", 1);
    served.in_use = Some(Use::Serve);
    let trash = vec![trashed("trash-2", 2), trashed("trash-1", 1), served];
    let order = emergency(trash, vec![files, images, others], &TimeZone::UTC, MONDAY_MS);
    assert_eq!(order.len(), 9);
    let expected = [
        "trash-1: already in the trash",
        "trash-2: already in the trash",
        "b-image-1: not wanted anyway: no rule keeps it",
        "a-file-1: not wanted anyway: no rule keeps it",
        "c-image-1: the oldest image backup that nothing protects",
        "b-image-2: the oldest image backup that nothing protects",
        "b-image-3: the oldest image backup that nothing protects",
        "a-file-2: the oldest file backup that nothing protects",
        "a-file-3: the oldest file backup that nothing protects",
    ];
    assert_eq!(told(order), expected);
}

#[test]
fn the_protected_are_not_given_up() {
    let mut backups = named(
        &["held", "archived", "was-archived", "base", "verified", "newest"],
        MONDAY_MS,
    );
    backups[0].protection.hold = Some("evidence".into());
    backups[1].protection.archived = Some(Until::Forever);
    backups[2].protection.archived = Some(Until::Time { at_ms: MONDAY_MS });
    backups[3].protection.in_use = Some(Use::Base);
    backups[4].verification = Verification::Passed;
    let series = Series {
        target: Target::Files,
        rules: Rules::KEEP_ALL,
        backups,
    };
    let order = emergency(Vec::new(), vec![series], &TimeZone::UTC, MONDAY_MS);
    let expected = ["was-archived: the oldest file backup that nothing protects"];
    assert_eq!(told(order), expected);
}

#[test]
fn of_two_that_began_at_once_the_older_goes_first() {
    let mut backups = named(&["older", "newer", "newest"], MONDAY_MS);
    backups[1].started_ms = MONDAY_MS;
    let series = Series {
        target: Target::Files,
        rules: Rules::KEEP_ALL,
        backups,
    };
    let order = emergency(Vec::new(), vec![series], &TimeZone::UTC, MONDAY_MS);
    let keys: Vec<_> = order.map(|sacrifice| sacrifice.key).collect();
    assert_eq!(keys, ["older", "newer"]);
}

type Key = (usize, usize);

fn any_series() -> impl Strategy<Value = Vec<Series<Key>>> {
    let target = prop_oneof![Just(Target::Files), Just(Target::Image)];
    let one = (target, any_rules(), any_candidates(25));
    prop::collection::vec(one, 0..4).prop_map(|all| {
        let keyed = |number: usize, backups: Vec<Candidate<usize>>| {
            let keyed = |backup: Candidate<usize>| Candidate {
                protection: backup.protection,
                verification: backup.verification,
                freed_bytes: backup.freed_bytes,
                ..Candidate::new((number, backup.key), backup.started_ms, backup.mode)
            };
            backups.into_iter().map(keyed).collect()
        };
        all.into_iter()
            .enumerate()
            .map(|(number, (target, rules, backups))| Series {
                target,
                rules,
                backups: keyed(number, backups),
            })
            .collect()
    })
}

fn without(series: &[Series<Key>], gone: &[Key]) -> Vec<Series<Key>> {
    let mut left = series.to_vec();
    left.iter_mut()
        .for_each(|series| series.backups.retain(|backup| !gone.contains(&backup.key)));
    left
}

proptest! {
    #[test]
    fn all_but_the_protected_have_their_turn(
        series in any_series(), zone in any_zone(), now_ms in any_now(),
    ) {
        let mut spared = HashSet::new();
        for (number, series) in series.iter().enumerate() {
            let verdicts = plan(series.backups.clone(), &series.rules, &zone, now_ms);
            let unkeyed: Vec<_> = verdicts
                .iter()
                .filter_map(|verdict| series.backups.iter().find(|backup| backup.key == verdict.key))
                .map(|backup| Candidate {
                    protection: backup.protection.clone(),
                    verification: backup.verification,
                    ..Candidate::new(backup.key.1, backup.started_ms, backup.mode)
                })
                .collect();
            let newest_first: Vec<_> = unkeyed.iter().collect();
            let protected = model::protected(&newest_first, &series.rules, now_ms);
            spared.extend(protected.into_iter().map(|key| (number, key)));
        }
        let all: HashSet<_> = series.iter().flat_map(|series| &series.backups).map(|backup| backup.key).collect();
        let given_up: HashSet<_> = emergency(Vec::new(), series, &zone, now_ms).map(|next| next.key).collect();
        prop_assert_eq!(given_up, &all - &spared);
    }

    #[test]
    fn whoever_asks_again_goes_on_where_it_stopped(
        series in any_series(), zone in any_zone(), now_ms in any_now(), taken in 0..20_usize,
    ) {
        let order: Vec<_> = emergency(Vec::new(), series.clone(), &zone, now_ms).map(|next| next.key).collect();
        let (gone, rest) = order.split_at(taken.min(order.len()));
        let again: Vec<_> = emergency(Vec::new(), without(&series, gone), &zone, now_ms)
            .map(|next| next.key)
            .collect();
        prop_assert_eq!(&again, rest);
    }
}
