//! How long a removed backup can be had back.

use policy::retention::Use;
use policy::retention::trash::{Trashed, plan};
use policy::{Span, Target};
use proptest::prelude::*;

use super::generate::{DAY_MS, MONDAY_MS};

fn trashed(key: usize, days_ago: i64, freed_bytes: Option<u64>) -> Trashed<usize> {
    Trashed {
        key,
        target: Target::Files,
        deleted_ms: MONDAY_MS - days_ago * DAY_MS,
        keep: Span::days(7),
        in_use: None,
        freed_bytes,
    }
}

fn told(trash: Vec<Trashed<usize>>, needed_bytes: u64) -> Vec<String> {
    plan(trash, MONDAY_MS, needed_bytes)
        .iter()
        .map(|verdict| format!("{} {:?}: {}", verdict.key, verdict.fate, verdict.reason))
        .collect()
}

#[test]
fn what_is_past_its_time_goes_unless_it_is_in_use() {
    let mut served = trashed(3, 20, None);
    served.in_use = Some(Use::Serve);
    let trash = vec![
        trashed(0, 6, None),
        trashed(1, 7, None),
        trashed(2, 8, None),
        served,
    ];
    let expected = [
        "3 Keep: in use: it is being served",
        "2 Remove: was in the trash for 7 d",
        "1 Remove: was in the trash for 7 d",
        "0 Keep: can be had back for another 1 d",
    ];
    assert_eq!(told(trash, 0), expected);
}

#[test]
fn the_first_removed_go_before_their_time_until_there_is_enough() {
    let trash = vec![
        trashed(0, 1, Some(10)),
        trashed(1, 2, Some(10)),
        trashed(2, 3, None),
        trashed(3, 8, Some(10)),
    ];
    let expected = |fates: [&str; 4]| -> Vec<String> { fates.map(String::from).into() };
    assert_eq!(
        told(trash.clone(), 10),
        expected([
            "3 Remove: was in the trash for 7 d",
            "2 Keep: can be had back for another 4 d",
            "1 Keep: can be had back for another 5 d",
            "0 Keep: can be had back for another 6 d",
        ])
    );
    assert_eq!(
        told(trash, 11),
        expected([
            "3 Remove: was in the trash for 7 d",
            "2 Remove: space is needed",
            "1 Remove: space is needed",
            "0 Keep: can be had back for another 6 d",
        ])
    );
}

proptest! {
    #[test]
    fn nothing_goes_for_space_that_the_rest_gives(
        ages in prop::collection::vec((0..20_i64, prop::option::of(0..50_u64)), 0..20), needed_bytes in 0..300_u64,
    ) {
        let trash: Vec<_> = ages
            .iter()
            .enumerate()
            .map(|(key, (days_ago, freed_bytes))| trashed(key, *days_ago, *freed_bytes))
            .collect();
        let freed = |keys: &[usize]| -> u64 { keys.iter().filter_map(|key| trash[*key].freed_bytes).sum() };
        let verdicts = plan(trash.clone(), MONDAY_MS, needed_bytes);
        let gone: Vec<_> = verdicts
            .iter()
            .filter(|verdict| verdict.reason.fate() == policy::retention::Fate::Remove)
            .map(|verdict| verdict.key)
            .collect();
        let for_space = verdicts.iter().rfind(|verdict| {
            verdict.reason == policy::retention::trash::Reason::SpaceNeeded
        });
        prop_assert!(freed(&gone) >= needed_bytes || gone.len() == trash.len());
        if let Some(last) = for_space {
            let others: Vec<_> = gone.iter().copied().filter(|key| *key != last.key).collect();
            prop_assert!(freed(&others) < needed_bytes);
        }
    }
}
