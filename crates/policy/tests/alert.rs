//! What people are told, and when.

use std::collections::BTreeSet;

use policy::Span;
use policy::alert::{
    Backups, Copies, Copying, Exhaustion, Finding, First, Found, LastBackup, LastCopy, Level, News,
    SpaceLimits, Step, Told, What, decide, of_backups, of_copies, of_space,
};
use policy::quota::Quota;
use policy::standing::Standing;
use proptest::prelude::*;

const HOUR_MS: i64 = 3_600_000;

fn wrong(what: What) -> Found {
    Found::Wrong(Finding::of(what))
}

fn damaged(names: &[&str]) -> Found {
    Found::Wrong(Finding {
        what: What::VerificationFailed,
        about: names.iter().map(|name| (*name).to_owned()).collect(),
    })
}

/// A run of findings, and what people hear of it.
type Case<'a> = (&'a [&'a Found], &'a [(i64, News)]);

/// What a run of findings, one per hour, makes people hear.
fn heard(findings: &[Found], repeat: Option<Span>) -> Vec<(i64, News)> {
    let mut told: Option<Told> = None;
    let mut heard = Vec::new();
    for (hour, found) in (0..).zip(findings) {
        match decide(found, told.as_ref(), repeat, hour * HOUR_MS) {
            Step::Quiet => {}
            Step::Note(now) => told = now,
            Step::Tell(news, now) => {
                heard.push((hour, news));
                told = now;
            }
        }
    }
    heard
}

#[test]
fn it_is_told_once_until_it_changes() {
    use What::{BackupFailed, ClientLate};
    let (well, failed, late) = (Found::Well, wrong(BackupFailed), wrong(ClientLate));
    let right = |was, since_ms| News::Right { was, since_ms };
    let changed = |was| News::Changed { was };
    #[rustfmt::skip]
    let table: &[Case<'_>] = &[
        (&[&well, &well], &[]),
        (&[&failed, &failed, &failed], &[(0, News::Wrong)]),
        (&[&well, &failed, &failed, &well, &well], &[(1, News::Wrong), (3, right(BackupFailed, HOUR_MS))]),
        (&[&late, &failed, &failed, &well],
            &[(0, News::Wrong), (1, changed(ClientLate)), (3, right(BackupFailed, 0))]),
        (&[&failed, &well, &failed], &[(0, News::Wrong), (1, right(BackupFailed, 0)), (2, News::Wrong)]),
        // What rests stays as it was told; what nobody wants to know is forgotten.
        (&[&failed, &Found::Resting, &failed, &well], &[(0, News::Wrong), (3, right(BackupFailed, 0))]),
        (&[&failed, &Found::Unwatched, &well], &[(0, News::Wrong)]),
        (&[&failed, &Found::Unwatched, &failed], &[(0, News::Wrong), (2, News::Wrong)]),
        (&[&wrong(What::BackupsGivenUp), &well, &wrong(What::BackupsGivenUp)],
            &[(0, News::Wrong), (2, News::Wrong)]),
    ];
    for (findings, wanted) in table {
        let findings: Vec<Found> = findings.iter().map(|found| (*found).clone()).collect();
        assert_eq!(heard(&findings, None), *wanted, "{findings:?}");
    }
}

#[test]
fn more_damage_is_told_and_less_is_not() {
    let findings = [
        damaged(&["a"]),
        damaged(&["a", "b"]),
        damaged(&["b"]),
        damaged(&["a", "b"]),
        Found::Well,
    ];
    let was = What::VerificationFailed;
    assert_eq!(
        heard(&findings, None),
        [
            (0, News::Wrong),
            (1, News::Changed { was }),
            (3, News::Changed { was }),
            (4, News::Right { was, since_ms: 0 }),
        ]
    );
}

#[test]
fn a_reminder_comes_when_it_is_wanted() {
    let findings = vec![wrong(What::ClientLate); 8];
    let reminder = || News::Reminder { since_ms: 0 };
    assert_eq!(
        heard(&findings, Some(Span::hours(3))),
        [(0, News::Wrong), (3, reminder()), (6, reminder())]
    );
    assert_eq!(heard(&findings, Some(Span::hours(0))), [(0, News::Wrong)]);
}

#[test]
fn a_clock_that_was_put_back_delays_a_reminder_by_no_more_than_its_span() {
    let found = wrong(What::ClientLate);
    let told = Told {
        finding: Finding::of(What::ClientLate),
        since_ms: 0,
        told_ms: 1000 * HOUR_MS,
    };
    let repeat = Some(Span::hours(2));
    let Step::Note(Some(noted)) = decide(&found, Some(&told), repeat, HOUR_MS) else {
        panic!("nothing was noted");
    };
    assert!(matches!(
        decide(&found, Some(&noted), repeat, 3 * HOUR_MS),
        Step::Tell(News::Reminder { .. }, Some(_))
    ));
}

#[test]
fn of_a_clients_backups_the_worst_is_told() {
    let table = [
        (
            Standing::Off,
            First::Missing,
            LastBackup::WithProblems,
            Found::Unwatched,
        ),
        (Standing::Fine, First::Awaited, LastBackup::Whole, Found::Well),
        (
            Standing::Fine,
            First::Awaited,
            LastBackup::WithProblems,
            wrong(What::BackupProblems),
        ),
        (Standing::Never, First::Awaited, LastBackup::Whole, Found::Well),
        (
            Standing::Never,
            First::Missing,
            LastBackup::Whole,
            wrong(What::ClientNever),
        ),
        (
            Standing::Late,
            First::Awaited,
            LastBackup::WithProblems,
            wrong(What::ClientLate),
        ),
        (
            Standing::Failing,
            First::Missing,
            LastBackup::WithProblems,
            wrong(What::BackupFailed),
        ),
    ];
    for (standing, first, last, wanted) in table {
        let backups = |is_paused| Backups {
            standing,
            first,
            last,
            is_paused,
        };
        assert_eq!(of_backups(&backups(false)), wanted, "{standing}");
        let resting = match standing {
            Standing::Off => Found::Unwatched,
            _ => Found::Resting,
        };
        assert_eq!(of_backups(&backups(true)), resting, "{standing}");
    }
}

#[test]
fn space_at_the_edge_is_told_once() {
    let of = |free_bytes, told| {
        let space = SpaceLimits {
            free_bytes,
            total_bytes: 1000,
            alert_free: "10%".parse().expect("a quota"),
        };
        of_space(&space, Exhaustion::NotYet, told)
    };
    let low = wrong(What::SpaceLow);
    assert_eq!(of(100, None), Found::Well);
    assert_eq!(of(99, None), low);
    assert_eq!(of(109, Some(What::SpaceLow)), low);
    assert_eq!(of(110, Some(What::SpaceLow)), Found::Well);
    assert_eq!(of(105, Some(What::SpaceOut)), low);
}

#[test]
fn space_is_out_when_nothing_can_be_given_up_whatever_is_set() {
    let space = SpaceLimits {
        free_bytes: 0,
        total_bytes: 1000,
        alert_free: Quota::Off,
    };
    assert_eq!(of_space(&space, Exhaustion::NotYet, None), Found::Well);
    assert_eq!(
        of_space(&space, Exhaustion::Exhausted, None),
        wrong(What::SpaceOut)
    );
}

#[test]
fn words_read_back_and_have_a_level() {
    for what in What::ALL {
        assert_eq!(what.word().parse(), Ok(what));
    }
    assert!("backup".parse::<What>().is_err());
    assert_eq!(What::BackupProblems.level(), Level::Warning);
    assert_eq!(What::BackupFailed.level(), Level::Failure);
    let words: BTreeSet<&str> = What::ALL.map(What::word).into();
    assert_eq!(words.len(), What::ALL.len());
}

fn any_found() -> impl Strategy<Value = Found> {
    let about = prop::collection::btree_set("[ab]", 0..3);
    prop_oneof![
        Just(Found::Well),
        Just(Found::Resting),
        Just(Found::Unwatched),
        (prop::sample::select(What::ALL.to_vec()), about)
            .prop_map(|(what, about)| Found::Wrong(Finding { what, about })),
    ]
}

proptest! {
    /// Whatever happens: each "right again" follows something that was told as wrong, and the same thing seen twice is told once.
    #[test]
    fn what_is_right_again_was_told_as_wrong(findings in prop::collection::vec(any_found(), 0..40)) {
        let mut is_wrong = false;
        for (_, news) in heard(&findings, None) {
            match news {
                News::Wrong => is_wrong = true,
                News::Changed { .. } => prop_assert!(is_wrong),
                News::Right { .. } => {
                    prop_assert!(is_wrong);
                    is_wrong = false;
                }
                News::Reminder { .. } => prop_assert!(false, "nobody wanted one"),
            }
        }
    }

    #[test]
    fn seeing_the_same_twice_is_quiet(found in any_found(), now_ms in 0..HOUR_MS) {
        let told = match decide(&found, None, None, now_ms) {
            Step::Tell(_, told) | Step::Note(told) => told,
            Step::Quiet => None,
        };
        prop_assert_eq!(decide(&found, told.as_ref(), None, now_ms + 1), Step::Quiet);
    }
}

#[test]
fn copies_of_the_catalog_are_missed_when_one_failed_or_none_came_in_time() {
    const DAY_MS: i64 = 24 * HOUR_MS;
    let nightly = Copies {
        copying: Copying::Nightly,
        last: LastCopy::Made,
        newest_ms: Some(100 * DAY_MS),
        started_ms: 90 * DAY_MS,
        now_ms: 101 * DAY_MS,
    };
    let missed = wrong(What::CatalogNotCopied);
    #[rustfmt::skip]
    let table = [
        (nightly, Found::Well),
        (Copies { last: LastCopy::Failed, ..nightly }, missed.clone()),
        (Copies { now_ms: 103 * DAY_MS, ..nightly }, Found::Well),
        (Copies { now_ms: 103 * DAY_MS + 1, ..nightly }, missed.clone()),
        (Copies { newest_ms: None, ..nightly }, missed),
        // A new server, and one that was off for long.
        (Copies { newest_ms: None, started_ms: 100 * DAY_MS, ..nightly }, Found::Well),
        (Copies { newest_ms: Some(0), started_ms: 99 * DAY_MS, ..nightly }, Found::Well),
        (Copies { copying: Copying::Off, last: LastCopy::Failed, ..nightly }, Found::Unwatched),
        (Copies { copying: Copying::Off, newest_ms: None, ..nightly }, Found::Unwatched),
    ];
    for (copies, expected) in table {
        assert_eq!(of_copies(&copies), expected, "{copies:?}");
    }
}
