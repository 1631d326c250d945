//! Values that depend on the time of the week.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use policy::schedule::Interval;
use policy::timed::Timed;
use policy::{Error, Span};
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;

fn timed(text: &str) -> Timed<Interval> {
    Timed::parse(text, str::parse).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").expect("the zone is known")
}

fn at(local: &str) -> i64 {
    let local: DateTime = local.parse().expect("a date and a time");
    let zoned = local.to_zoned(berlin()).expect("an instant");
    zoned.timestamp().as_millisecond()
}

#[test]
fn the_most_specific_window_counts_then_the_first() {
    let table = [
        ("5h;1h@Mon-Fri/8-18", "2026-03-04T12:00", "1 h"),
        ("5h;1h@Mon-Fri/8-18", "2026-03-04T18:00", "5 h"),
        ("1h@Mon-Fri/8-18;5h", "2026-03-07T12:00", "5 h"),
        ("5h;1h@Mon-Fri/8-18;2h@Wed/12-13", "2026-03-04T12:30", "2 h"),
        ("5h;2h@Wed/12-13;1h@Mon-Fri/8-18", "2026-03-04T12:30", "2 h"),
        ("5h;1h@Wed/8-18;2h@Wed/9-19", "2026-03-04T12:30", "1 h"),
        ("5h;2h@Wed/9-19;1h@Wed/8-18", "2026-03-04T12:30", "2 h"),
        ("5h;off@always", "2026-03-04T12:30", "off"),
        ("5h;off@never", "2026-03-04T12:30", "5 h"),
    ];
    for (text, local, value) in table {
        assert_eq!(
            timed(text).at(at(local), &berlin()).to_string(),
            value,
            "{text} {local}"
        );
    }
}

#[test]
fn another_item_counts_from_its_window_on() {
    let text = "5h;1h@Mon-Fri/8-18;2h@Wed/12-13";
    let mut local = at("2026-03-03T20:00");
    for change in ["04T08:00", "04T12:00", "04T13:00", "04T18:00", "05T08:00"] {
        local = timed(text).next_change(local, &berlin()).expect("it changes");
        assert_eq!(local, at(&format!("2026-03-{change}")));
    }
    assert_eq!(Timed::constant(1).next_change(0, &berlin()), None);
    assert_eq!(timed("5h;1h@always").next_change(0, &berlin()), None);
    // An exception that never counts changes nothing.
    let hidden = timed("5h;1h@Wed/8-18;2h@Wed/8-18");
    let morning_ms = at("2026-03-04T08:00");
    assert_eq!(
        hidden.next_change(morning_ms, &berlin()),
        Some(at("2026-03-04T18:00"))
    );
}

#[test]
fn a_value_is_found_when_it_counts_next() {
    let intervals = timed("off;5h@Sat,Sun/0-24;1h@Sun/8-18");
    let next = |from: &str, wanted: &str| {
        intervals.next_where(at(from), &berlin(), |value| value.to_string() == wanted)
    };
    assert_eq!(next("2026-03-04T12:00", "off"), Some(at("2026-03-04T12:00")));
    assert_eq!(next("2026-03-04T12:00", "5 h"), Some(at("2026-03-07T00:00")));
    assert_eq!(next("2026-03-04T12:00", "1 h"), Some(at("2026-03-08T08:00")));
    assert_eq!(next("2026-03-04T12:00", "2 h"), None);
    let hidden = timed("5h;1h@Wed/8-18;2h@Wed/8-18");
    assert_eq!(
        hidden.next_where(0, &berlin(), |value| value.to_string() == "2 h"),
        None
    );
}

#[test]
fn values_come_with_the_usual_one_first() {
    let timed = timed("1h@Sat/8-18;5h;off@Sun/8-18");
    let values: Vec<_> = timed.values().map(ToString::to_string).collect();
    assert_eq!(values, ["5 h", "1 h", "off"]);
    assert_eq!(timed.to_string(), "5 h;1 h@Sat/8-18;off@Sun/8-18");
    assert_eq!(format!("{timed:#}"), "5h;1h@Sat/8-18;off@Sun/8-18");
}

#[test]
fn a_text_that_is_wrong_is_answered_with_what_and_where() {
    let table = [
        ("", "column 1: the value `` can't be read"),
        ("1h@Mon/8-18", "each value has a window"),
        ("5h; 1h", "column 5: `1h` is a second value without a window"),
        ("5h;x@Mon/8-18", "column 4: the value `x` can't be read"),
        ("5h;1h@Mon", "column 7: `Mon` is not a window"),
        (
            "5h;1h@Mon/8-18;Tue/8-18",
            "column 16: `Tue/8-18` is a second value",
        ),
    ];
    for (text, what) in table {
        let error = Timed::<Interval>::parse(text, str::parse).expect_err(text);
        assert!(error.to_string().starts_with(what), "{text}: {error}");
    }
    let zero = Timed::<Interval>::parse("0h", str::parse).expect_err("no interval");
    let Error::Value { source, .. } = zero else {
        panic!("{zero}")
    };
    assert_eq!(
        source.to_string(),
        "an interval of 0 never ends: `off` switches it off"
    );
}

const WINDOWS: [&str; 7] = [
    "Mon-Fri/8-18",
    "Wed/12-13",
    "Sat,Sun/0-24",
    "Mon-Sun/22-6:30",
    "Sun/2-3",
    "Sat,Sun/19-24,0-7",
    "always",
];

prop_compose! {
    fn any_timed()(
        usual in any_interval(),
        exceptions in prop::collection::vec((any_interval(), prop::sample::select(&WINDOWS[..])), 0..4),
    ) -> Timed<Interval> {
        let exceptions = exceptions.iter().map(|(value, window)| format!(";{value:#}@{window}"));
        timed(&format!("{usual:#}{}", exceptions.collect::<String>()))
    }
}

fn any_interval() -> impl Strategy<Value = Interval> {
    prop_oneof![
        Just(Interval::Off),
        (1..u64::MAX).prop_map(|len_ms| Interval::Every(Span { len_ms })),
        (1..9_u64).prop_map(|hours| Interval::Every(Span::hours(hours))),
    ]
}

proptest! {
    #[test]
    fn the_exact_form_is_read_as_what_it_was(timed in any_timed()) {
        let read = Timed::<Interval>::parse(&format!("{timed:#}"), str::parse).expect("it can be read");
        prop_assert_eq!(read, timed);
    }

    #[test]
    fn until_the_next_change_the_value_stays(timed in any_timed(), minute in 25_000_000..31_000_000_i64) {
        let (berlin, from_ms) = (berlin(), minute * MINUTE_MS);
        let change_ms = timed.next_change(from_ms, &berlin);
        let until_ms = change_ms.unwrap_or(from_ms + 15 * 1440 * MINUTE_MS);
        prop_assert!(until_ms > from_ms);
        for at_ms in (from_ms..until_ms).step_by(15 * MINUTE_MS as usize) {
            prop_assert_eq!(timed.at(at_ms, &berlin), timed.at(from_ms, &berlin));
        }
    }

    #[test]
    fn no_text_panics(text in "[0-9a-zA-Z:;,/@ -]{0,30}|.{0,20}") {
        let _ = Timed::<Interval>::parse(&text, str::parse);
    }

    #[test]
    fn no_instant_panics(timed in any_timed(), at_ms in any::<i64>()) {
        timed.at(at_ms, &berlin());
        prop_assert!(timed.next_change(at_ms, &berlin()).is_none_or(|change_ms| change_ms > at_ms));
    }
}
