//! How a client stands.

use std::num::NonZeroU8;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use policy::Target;
use policy::schedule::{Failures, History, Interval, ModeRules, Rules};
use policy::standing::{Assessment, Standing, USUALLY_LATE_AFTER, standing};
use policy::timed::Timed;
use proptest::prelude::*;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("the zone is known")
}

fn at(local: &str) -> i64 {
    let local: DateTime = local.parse().expect("a date and a time");
    let zoned = local.to_zoned(berlin()).expect("an instant");
    zoned.timestamp().as_millisecond()
}

fn rules(interval: &str, window: &str) -> Rules {
    let interval = Timed::parse(interval, str::parse::<Interval>).expect("an interval");
    let incremental = ModeRules {
        interval,
        window: window.parse().expect("windows"),
        ..ModeRules::every(Interval::Off)
    };
    Rules {
        incremental,
        ..Rules::usual(Target::Files)
    }
}

fn last(began: &str) -> History {
    History {
        full_ms: Some(at(began)),
        ..History::default()
    }
}

fn assess(rules: &Rules, history: &History, now: &str) -> Assessment {
    standing(rules, history, USUALLY_LATE_AFTER, &berlin(), at(now))
}

#[test]
fn a_client_is_late_when_the_third_backup_in_a_row_is_missing() {
    let table = [
        // The interval, the window, the last backup, and when it is late.
        ("5h", "always", "2026-03-04T12:00", "2026-03-05T03:00"),
        (
            "5h;1h@Mon-Fri/8-18",
            "always",
            "2026-03-04T12:00",
            "2026-03-04T15:00",
        ),
        // On Friday evening the interval of the night counts: at 22:00, 3:00 and 8:00.
        (
            "5h;1h@Mon-Fri/8-18",
            "always",
            "2026-03-06T17:30",
            "2026-03-07T08:30",
        ),
        // The weekend does not count: Monday at 8:00, 9:00 and 10:00.
        (
            "off;1h@Mon-Fri/8-18",
            "always",
            "2026-03-06T17:30",
            "2026-03-09T10:00",
        ),
        // Saturday at 0:00, 5:00 and 10:00.
        ("5h", "Sat/0-24", "2026-02-28T23:00", "2026-03-07T10:00"),
        ("7d", "Sat/0-24", "2026-02-28T23:00", "2026-03-21T23:00"),
        // In the night of the change: 19:00, 0:00 and 6:00 by the clock on the wall.
        ("5h", "Mon-Sun/19-7", "2026-03-28T06:00", "2026-03-29T06:00"),
    ];
    for (interval, window, began, late) in table {
        let rules = rules(interval, window);
        let history = last(began);
        let standing_at = |now_ms| standing(&rules, &history, USUALLY_LATE_AFTER, &berlin(), now_ms).standing;
        assert_eq!(standing_at(at(late)), Standing::Fine, "{interval} {window}");
        assert_eq!(standing_at(at(late) + 1), Standing::Late, "{interval} {window}");
    }
}

#[test]
fn a_standing_has_its_reason() {
    let rules = rules("5h", "always");
    let told = |history: &History, now: &str| {
        let Assessment { standing, reason } = assess(&rules, history, now);
        format!("{standing}: {reason}")
    };
    let history = last("2026-03-04T12:00");
    assert_eq!(
        told(&history, "2026-03-04T13:00"),
        "fine: the last backup began 1 h ago"
    );
    assert_eq!(
        told(&history, "2026-03-06T12:00"),
        "late: 3 backups in a row are missing, the last one began 2 d ago"
    );
    assert_eq!(
        told(&History::default(), "2026-03-04T12:00"),
        "never: there is no backup yet"
    );
    let failures = |count| {
        Some(Failures {
            count,
            last_ms: at("2026-03-04T12:30"),
        })
    };
    let failing = History {
        failures: failures(1),
        ..history
    };
    assert_eq!(
        told(&failing, "2026-03-04T13:00"),
        "failing: the last try failed, the last backup began 1 h ago"
    );
    let never_worked = History {
        failures: failures(4),
        ..History::default()
    };
    assert_eq!(
        told(&never_worked, "2026-03-04T13:00"),
        "failing: the last 4 tries failed, there is no backup yet"
    );
    let off = Rules {
        full: ModeRules::every(Interval::Off),
        incremental: ModeRules::every(Interval::Off),
        ..rules.clone()
    };
    assert_eq!(assess(&off, &failing, "2026-03-04T13:00").standing, Standing::Off);
}

#[test]
fn where_incremental_backups_are_off_full_ones_count() {
    let rules = rules("off", "always");
    let history = last("2026-03-04T12:00");
    assert_eq!(
        assess(&rules, &history, "2026-06-02T12:00").standing,
        Standing::Fine
    );
    assert_eq!(
        assess(&rules, &history, "2026-06-02T13:01").standing,
        Standing::Late
    );
}

#[test]
fn the_worst_is_the_greatest() {
    let table = [
        Standing::Off,
        Standing::Fine,
        Standing::Never,
        Standing::Late,
        Standing::Failing,
    ];
    assert!(table.is_sorted());
}

#[test]
fn a_backup_from_the_future_counts_as_now() {
    let history = last("2030-03-04T12:00");
    assert_eq!(
        assess(&rules("5h", "always"), &history, "2026-03-04T12:00").standing,
        Standing::Fine
    );
}

proptest! {
    #[test]
    fn without_windows_a_client_is_late_after_so_many_intervals(
        every_ms in 1..100_000_000_000_u64, count in 1..=u8::MAX, elapsed_ms in 0..3_000_000_000_000_i64,
    ) {
        let rules = rules(&format!("{every_ms}ms"), "always");
        let count = NonZeroU8::new(count).expect("not 0");
        let history = last("2026-03-04T12:00");
        let now_ms = at("2026-03-04T12:00") + elapsed_ms;
        let is_late = standing(&rules, &history, count, &berlin(), now_ms).standing == Standing::Late;
        prop_assert_eq!(is_late, elapsed_ms as u64 > every_ms * u64::from(count.get()));
    }

    #[test]
    fn no_instant_panics(full_ms in any::<i64>(), now_ms in any::<i64>(), count in 1..=u8::MAX) {
        let history = History { full_ms: Some(full_ms), ..History::default() };
        let count = NonZeroU8::new(count).expect("not 0");
        for (interval, window) in [("5h", "Mon-Fri/19-7"), ("off;500000000y@Sat/8-18", "Sat/9-12")] {
            standing(&rules(interval, window), &history, count, &berlin(), now_ms);
        }
    }
}
