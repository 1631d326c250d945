//! When reports are due.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use policy::report::{Every, Rhythm, due};
use proptest::prelude::*;

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("the zone is known")
}

fn at(local: &str) -> i64 {
    let local: DateTime = local.parse().expect("a date and a time");
    local
        .to_zoned(berlin())
        .expect("an instant")
        .timestamp()
        .as_millisecond()
}

#[test]
fn a_report_is_due_once_each_time_that_its_hour_comes() {
    let daily = |hour| Rhythm {
        every: Every::Day,
        hour,
    };
    let mondays = Rhythm {
        every: Every::Week(Weekday::Monday),
        hour: 7,
    };
    let table = [
        (daily(7), "2026-03-04T06:00", "2026-03-04T06:59", false),
        (daily(7), "2026-03-04T06:00", "2026-03-04T07:00", true),
        (daily(7), "2026-03-04T07:00", "2026-03-04T23:00", false),
        (daily(7), "2026-03-04T07:00", "2026-03-05T06:59", false),
        (daily(7), "2026-03-04T07:00", "2026-03-05T07:00", true),
        // Several that were missed are one, which is made as soon as there is somebody to make it.
        (daily(7), "2026-03-01T07:00", "2026-03-05T03:00", true),
        (daily(7), "2026-03-05T03:00", "2026-03-05T06:00", false),
        // There is no 2:30 on 29 March, and two of them on 25 October.
        (daily(2), "2026-03-28T02:00", "2026-03-29T01:59", false),
        (daily(2), "2026-03-28T02:00", "2026-03-29T03:00", true),
        (daily(2), "2026-10-25T02:00", "2026-10-25T23:00", false),
        // 2 March is a Monday.
        (mondays, "2026-03-02T07:00", "2026-03-09T06:59", false),
        (mondays, "2026-03-02T07:00", "2026-03-09T07:00", true),
        (mondays, "2026-02-02T07:00", "2026-03-07T07:00", true),
        // The clock was put back.
        (daily(7), "2026-03-10T07:00", "2026-03-04T08:00", false),
    ];
    for (rhythm, last, now, wanted) in table {
        assert_eq!(
            due(rhythm, at(last), &berlin(), at(now)),
            wanted,
            "{rhythm:?}, {last}, {now}"
        );
    }
}

proptest! {
    #[test]
    fn one_that_was_made_now_is_not_due_now(now_ms in 0i64..4_000_000_000_000, hour in 0i8..24) {
        for every in [Every::Day, Every::Week(Weekday::Friday)] {
            let rhythm = Rhythm { every, hour };
            prop_assert!(!due(rhythm, now_ms, &berlin(), now_ms));
            prop_assert!(due(rhythm, now_ms - 8 * 86_400_000, &berlin(), now_ms));
        }
    }
}
