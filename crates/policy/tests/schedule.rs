//! When backups are due: the rules by example, then for any history.

use policy::Span;
use policy::schedule::{Due, Failures, History, Interval, Mode, Reason, Rules, next};
use proptest::prelude::*;

const NOW_MS: i64 = 1_800_000_000_000;

fn ago(span: Span) -> Option<i64> {
    Some(NOW_MS - span.len_ms as i64)
}

fn decide(history: History) -> (Due, String) {
    let decision = next(&Rules::default(), &history, NOW_MS);
    (decision.due, decision.reason.to_string())
}

#[test]
fn the_first_backup_is_full_and_due_at_once() {
    assert_eq!(
        decide(History::default()),
        (Due::Now(Mode::Full), "there is no backup yet".into())
    );
    let rules = Rules {
        full: Interval::Off,
        ..Rules::default()
    };
    assert_eq!(
        next(&rules, &History::default(), NOW_MS).due,
        Due::Now(Mode::Full)
    );
}

#[test]
fn an_incremental_follows_any_backup() {
    let history = History {
        full_ms: ago(Span::hours(2)),
        ..History::default()
    };
    let (due, reason) = decide(history);
    assert_eq!(
        due,
        Due::Later {
            mode: Mode::Incremental,
            at_ms: NOW_MS + Span::hours(3).len_ms as i64
        }
    );
    assert_eq!(reason, "one every 5 h, the last began 2 h ago");

    let history = History {
        full_ms: ago(Span::days(2)),
        incremental_ms: ago(Span::hours(5)),
        failures: None,
    };
    assert_eq!(decide(history).0, Due::Now(Mode::Incremental));
}

#[test]
fn a_full_backup_goes_before_an_incremental_one() {
    let history = History {
        full_ms: ago(Span::days(31)),
        incremental_ms: ago(Span::hours(9)),
        failures: None,
    };
    assert_eq!(
        decide(history),
        (
            Due::Now(Mode::Full),
            "one every 30 d, the last began 31 d ago".into()
        )
    );
    let history = History {
        incremental_ms: ago(Span::hours(1)),
        ..History::default()
    };
    assert_eq!(
        decide(history),
        (Due::Now(Mode::Full), "there is no full backup yet".into())
    );
}

#[test]
fn switched_off_is_never_due() {
    let rules = Rules {
        full: Interval::Off,
        incremental: Interval::Off,
        ..Rules::default()
    };
    let decision = next(&rules, &History::default(), NOW_MS);
    assert_eq!((decision.due, decision.reason), (Due::Never, Reason::Off));

    let rules = Rules {
        full: Interval::Off,
        ..Rules::default()
    };
    let history = History {
        full_ms: ago(Span::days(400)),
        incremental_ms: ago(Span::hours(6)),
        failures: None,
    };
    assert_eq!(next(&rules, &history, NOW_MS).due, Due::Now(Mode::Incremental));
}

#[test]
fn tries_after_failures_are_ever_further_apart() {
    let waits = [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (200, 60)];
    for (count, minutes) in waits {
        let history = History {
            failures: Some(Failures {
                count,
                last_ms: NOW_MS,
            }),
            ..History::default()
        };
        let at_ms = NOW_MS + Span::minutes(minutes).len_ms as i64;
        assert_eq!(
            decide(history).0,
            Due::Later {
                mode: Mode::Full,
                at_ms
            },
            "{count} failures"
        );
    }
    let history = History {
        failures: Some(Failures {
            count: 2,
            last_ms: NOW_MS,
        }),
        ..History::default()
    };
    assert_eq!(
        decide(history).1,
        "the last 2 tries failed, the next one waits 10 min"
    );
}

fn any_ms() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), NOW_MS - 10_000_000_000..NOW_MS + 10_000_000_000]
}

fn any_interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        Just(Interval::Off),
        any::<u64>().prop_map(|len_ms| Interval::Every(Span { len_ms })),
        (0..5_000_000_000_u64).prop_map(|len_ms| Interval::Every(Span { len_ms })),
    ]
}

prop_compose! {
    fn any_rules()(full in any_interval(), incremental in any_interval()) -> Rules {
        Rules { full, incremental, ..Rules::default() }
    }
}

prop_compose! {
    fn any_history()(
        full_ms in prop::option::of(any_ms()),
        incremental_ms in prop::option::of(any_ms()),
        failures in prop::option::of((any::<u32>(), any_ms())),
    ) -> History {
        let failures = failures.map(|(count, last_ms)| Failures { count, last_ms });
        History { full_ms, incremental_ms, failures }
    }
}

fn shortest(rules: &Rules) -> Option<Span> {
    [rules.full, rules.incremental]
        .into_iter()
        .filter_map(|interval| match interval {
            Interval::Off => None,
            Interval::Every(span) => Some(span),
        })
        .min()
}

proptest! {
    #[test]
    fn what_comes_later_is_in_the_future_and_due_then(
        rules in any_rules(), history in any_history(), now_ms in any_ms(),
    ) {
        if let Due::Later { mode, at_ms } = next(&rules, &history, now_ms).due {
            prop_assert!(at_ms > now_ms);
            // Only histories of the past: what lies in the future counts as now, and now moves on.
            let past = |time: Option<i64>| time.is_none_or(|time_ms| time_ms <= now_ms);
            if past(history.full_ms) && past(history.incremental_ms)
                && past(history.failures.map(|failures| failures.last_ms))
            {
                let then = next(&rules, &history, at_ms).due;
                prop_assert!(matches!(then, Due::Now(then) if then == mode || then == Mode::Full), "{then:?}");
            }
        }
    }

    #[test]
    fn nothing_waits_longer_than_the_shortest_interval_and_the_longest_retry(
        rules in any_rules(), history in any_history(), now_ms in any_ms(),
    ) {
        match (next(&rules, &history, now_ms).due, shortest(&rules)) {
            (Due::Never, shortest) => prop_assert_eq!(shortest, None),
            (Due::Later { at_ms, .. }, Some(shortest)) => {
                prop_assert!(at_ms <= shortest.max(rules.retry_most).after(now_ms));
            }
            (_, shortest) => prop_assert!(shortest.is_some()),
        }
    }

    #[test]
    fn every_reason_can_be_shown(rules in any_rules(), history in any_history(), now_ms in any_ms()) {
        prop_assert!(!next(&rules, &history, now_ms).reason.to_string().is_empty());
    }
}
