//! Weekly windows: as they are written, when the clocks change, and against a naive scan.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use policy::window::Windows;
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const WEEK_MS: i64 = 7 * 24 * HOUR_MS;

fn windows(text: &str) -> Windows {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("the zone is known")
}

/// An instant by its local time; of two that are alike, the earlier.
fn at(local: &str, zone: &TimeZone) -> i64 {
    let local: DateTime = local.parse().expect("a date and a time");
    let earlier = zone.to_ambiguous_zoned(local).earlier().expect("an instant");
    earlier.timestamp().as_millisecond()
}

#[test]
fn windows_are_shown_in_one_spelling() {
    let table = [
        ("Mon-Fri/19-7;Sat,Sun/0-24", "Mon-Fri/19-7;Sat,Sun/0-24"),
        (
            " mon - FRI / 19:00 - 07 ; sat,sun / 0-24 ",
            "Mon-Fri/19-7;Sat,Sun/0-24",
        ),
        ("1-5/19:30-7", "Mon-Fri/19:30-7"),
        ("Sat-Mon/8-18", "Sat-Mon/8-18"),
        ("1,6,7/8-18", "Sat-Mon/8-18"),
        ("Wed,Fri-Mon/8-9", "Wed,Fri-Mon/8-9"),
        ("Tue,Mon/20-24,0-6,0-6", "Mon,Tue/0-6,20-24"),
        ("7/23-0", "Sun/23-24"),
        ("1-7/0-24", "always"),
        ("1-7/12-11;1-7/11-12", "always"),
        ("ALWAYS", "always"),
        ("Never", "never"),
    ];
    for (text, shown) in table {
        assert_eq!(windows(text).to_string(), shown, "{text}");
    }
}

#[test]
fn a_text_that_is_wrong_is_answered_with_what_and_where() {
    let table = [
        ("", "column 1: `` is not a window"),
        ("8-18", "column 1: `8-18` is not a window"),
        ("Mon/8-18;", "column 10: `` is not a window"),
        ("Mon/8-18; never", "column 11: `never` is not a window"),
        ("Mon-Fry/8-18", "column 5: `Fry` is not a day"),
        ("0/8-18", "column 1: `0` is not a day"),
        ("Mon,8/8-18", "column 5: `8` is not a day"),
        ("/8-18", "column 1: `` is not a day"),
        ("Mon/", "column 5: `` are not hours"),
        ("Mon/8", "column 5: `8` are not hours"),
        ("Mon/8-18,9", "column 10: `9` are not hours"),
        ("Mon/8-25", "column 7: `25` is not a time of day"),
        ("Mon/24-7", "column 5: `24` is not a time of day"),
        ("Mon/8:60-18", "column 5: `8:60` is not a time of day"),
        ("Mon/8:5-18", "column 5: `8:5` is not a time of day"),
        ("Mon/8-24:01", "column 7: `24:01` is not a time of day"),
        ("Mon/+8-18", "column 5: `+8` is not a time of day"),
        ("Mon/8-18-20", "column 7: `18-20` is not a time of day"),
        ("Sat/1-2;Mon/7-7", "column 13: `7-7` ends when it begins"),
    ];
    for (text, what) in table {
        let error = text.parse::<Windows>().expect_err(text).to_string();
        assert!(error.starts_with(what), "{text}: {error}");
    }
}

#[test]
fn hours_past_midnight_belong_to_the_day_on_which_they_begin() {
    let berlin = zone("Europe/Berlin");
    let nights = windows("Fri/19-7");
    for (local, is_open) in [
        ("2026-03-06T06:59", false),
        ("2026-03-06T18:59", false),
        ("2026-03-06T19:00", true),
        ("2026-03-07T06:59", true),
        ("2026-03-07T07:00", false),
    ] {
        assert_eq!(nights.contains(at(local, &berlin), &berlin), is_open, "{local}");
    }
    let over_the_weeks_end = windows("Sun/19-7");
    assert!(over_the_weeks_end.contains(at("2026-03-09T06:59", &berlin), &berlin));
    assert_eq!(
        over_the_weeks_end.open_since(at("2026-03-09T03:00", &berlin), &berlin),
        Some(at("2026-03-08T19:00", &berlin))
    );
}

#[test]
fn windows_that_touch_are_one_opening() {
    let berlin = zone("Europe/Berlin");
    let weekend = windows("Fri/19-24;Sat/0-24;Sun/0-24;Mon/0-7");
    let sunday_ms = at("2026-03-08T12:00", &berlin);
    assert_eq!(
        weekend.open_until(sunday_ms, &berlin),
        Some(at("2026-03-09T07:00", &berlin))
    );
    assert_eq!(
        weekend.open_since(sunday_ms, &berlin),
        Some(at("2026-03-06T19:00", &berlin))
    );
    assert_eq!(weekend.next_open(sunday_ms, &berlin), Some(sunday_ms));
    assert_eq!(weekend.minutes_per_week(), 60 * (5 + 24 + 24 + 7));
    assert_eq!(weekend, windows("Mon/0-7;Sun,Sat/0-24;Fri/19-24;Sat/3-4"));
    assert_ne!(weekend, windows("Mon/0-7;Sun,Sat/0-24"));
}

#[test]
fn always_and_never_have_no_ends() {
    let berlin = zone("Europe/Berlin");
    for at_ms in [i64::MIN, 0, i64::MAX] {
        assert!(Windows::ALWAYS.contains(at_ms, &berlin) && !Windows::NEVER.contains(at_ms, &berlin));
        assert_eq!(Windows::ALWAYS.next_open(at_ms, &berlin), Some(at_ms));
        assert_eq!(Windows::ALWAYS.open_until(at_ms, &berlin), None);
        assert_eq!(Windows::ALWAYS.open_since(at_ms, &berlin), None);
        assert_eq!(Windows::NEVER.next_open(at_ms, &berlin), None);
        assert_eq!(Windows::NEVER.open_until(at_ms, &berlin), None);
    }
    assert_eq!(Windows::ALWAYS.minutes_per_week(), 10_080);
    assert_eq!(Windows::NEVER.minutes_per_week(), 0);
}

/// Where and from when, a window, the next opening, its end, and its length in minutes.
const AROUND_CHANGES: [(&str, &str, &str, &str, &str, i64); 14] = [
    // The clocks go from 2:00 to 3:00 on 29 March.
    (
        "Europe/Berlin",
        "2026-03-28T12:00",
        "Mon-Sun/2-3",
        "2026-03-30T02:00",
        "2026-03-30T03:00",
        60,
    ),
    (
        "Europe/Berlin",
        "2026-03-28T12:00",
        "Mon-Sun/2:30-4",
        "2026-03-29T03:00",
        "2026-03-29T04:00",
        60,
    ),
    (
        "Europe/Berlin",
        "2026-03-28T12:00",
        "Mon-Sun/1-2:30",
        "2026-03-29T01:00",
        "2026-03-29T03:00",
        60,
    ),
    (
        "Europe/Berlin",
        "2026-03-28T12:00",
        "Mon-Sun/1-4",
        "2026-03-29T01:00",
        "2026-03-29T04:00",
        120,
    ),
    (
        "Europe/Berlin",
        "2026-03-28T12:00",
        "Sat/19-7",
        "2026-03-28T19:00",
        "2026-03-29T07:00",
        11 * 60,
    ),
    // They go from 3:00 to 2:00 on 25 October.
    (
        "Europe/Berlin",
        "2026-10-24T12:00",
        "Mon-Sun/2-3",
        "2026-10-25T02:00",
        "2026-10-25T03:00",
        120,
    ),
    (
        "Europe/Berlin",
        "2026-10-24T12:00",
        "Sat/19-7",
        "2026-10-24T19:00",
        "2026-10-25T07:00",
        13 * 60,
    ),
    (
        "Europe/Berlin",
        "2026-10-24T12:00",
        "Mon-Sun/2:15-2:45",
        "2026-10-25T02:15",
        "2026-10-25T02:45",
        30,
    ),
    // By half an hour only: from 2:00 to 2:30 on 4 October, back to 1:30 on 5 April.
    (
        "Australia/Lord_Howe",
        "2026-10-03T12:00",
        "Sun/1-3",
        "2026-10-04T01:00",
        "2026-10-04T03:00",
        90,
    ),
    (
        "Australia/Lord_Howe",
        "2026-10-03T12:00",
        "Sun/2-2:30",
        "2026-10-11T02:00",
        "2026-10-11T02:30",
        30,
    ),
    (
        "Australia/Lord_Howe",
        "2026-04-04T12:00",
        "Sun/1-3",
        "2026-04-05T01:00",
        "2026-04-05T03:00",
        150,
    ),
    (
        "Asia/Kathmandu",
        "2026-01-01T12:00",
        "Fri/0:15-0:45",
        "2026-01-02T00:15",
        "2026-01-02T00:45",
        30,
    ),
    // 29 February of a leap year is a Thursday as any other.
    (
        "Europe/Berlin",
        "2024-02-28T12:00",
        "Thu/22-2",
        "2024-02-29T22:00",
        "2024-03-01T02:00",
        240,
    ),
    // 30 December 2011 was left out.
    (
        "Pacific/Apia",
        "2011-12-29T12:00",
        "Fri/8-18",
        "2012-01-06T08:00",
        "2012-01-06T18:00",
        600,
    ),
];

#[test]
fn windows_follow_the_clock_on_the_wall_when_it_is_moved() {
    for (name, from, text, opens, closes, minutes) in AROUND_CHANGES {
        let zone = zone(name);
        let window = windows(text);
        let opens_ms = window.next_open(at(from, &zone), &zone).expect("it opens");
        assert_eq!(opens_ms, at(opens, &zone), "{name} {text}: opens");
        let closes_ms = window.open_until(opens_ms, &zone).expect("it closes");
        assert_eq!(closes_ms - opens_ms, minutes * MINUTE_MS, "{name} {text}: length");
        let until_closes_ms = at(closes, &zone);
        let is_said = closes_ms == until_closes_ms || closes_ms == until_closes_ms + HOUR_MS;
        assert!(is_said, "{name} {text}: closes");
        assert_eq!(
            window.open_since(closes_ms - 1, &zone),
            Some(opens_ms),
            "{name} {text}: opened"
        );
    }
}

#[test]
fn a_window_within_the_hour_that_comes_twice_opens_twice() {
    let berlin = zone("Europe/Berlin");
    let window = windows("Sun/2:15-2:45");
    let first_ms = at("2026-10-25T02:15", &berlin);
    let first_closes_ms = window.open_until(first_ms, &berlin).expect("it closes");
    assert_eq!(first_closes_ms, first_ms + 30 * MINUTE_MS);
    assert_eq!(
        window.next_open(first_closes_ms, &berlin),
        Some(first_ms + HOUR_MS)
    );
}

#[test]
fn instants_beyond_the_calendar_do_no_harm() {
    let window = windows("Mon-Fri/19-7");
    for name in ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"] {
        let zone = zone(name);
        for at_ms in [
            i64::MIN,
            i64::MIN + 1,
            -400_000_000_000_000,
            400_000_000_000_000,
            i64::MAX - 1,
            i64::MAX,
        ] {
            let opens_ms = window.next_open(at_ms, &zone);
            assert!(opens_ms.is_none_or(|opens_ms| opens_ms >= at_ms && window.contains(opens_ms, &zone)));
            let closes_ms = window.open_until(at_ms, &zone);
            assert!(closes_ms.is_none_or(|closes_ms| closes_ms > at_ms));
            assert!(
                window
                    .open_since(at_ms, &zone)
                    .is_none_or(|since_ms| since_ms <= at_ms)
            );
        }
    }
}

const DAYS: [&str; 14] = [
    "Mon", "tue", "Wed", "THU", "Fri", "Sat", "Sun", "1", "2", "3", "4", "5", "6", "7",
];
const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];

prop_compose! {
    fn any_hours()(from in 0..1440_u32, to in 0..=1440_u32) -> String {
        let to = if to % 1440 == from { from + 1 } else { to };
        format!("{}:{:02}-{}:{:02}", from / 60, from % 60, to / 60, to % 60)
    }
}

fn any_days() -> impl Strategy<Value = String> {
    let day = prop::sample::select(&DAYS[..]);
    prop_oneof![
        day.clone().prop_map(str::to_owned),
        (day.clone(), day).prop_map(|(first, last)| format!("{first}-{last}")),
    ]
}

prop_compose! {
    fn any_term()(
        days in prop::collection::vec(any_days(), 1..3),
        hours in prop::collection::vec(any_hours(), 1..3),
    ) -> String {
        format!("{}/{}", days.join(","), hours.join(", "))
    }
}

fn any_windows() -> impl Strategy<Value = Windows> {
    prop::collection::vec(any_term(), 1..4).prop_map(|terms| windows(&terms.join("; ")))
}

fn any_zone() -> impl Strategy<Value = TimeZone> {
    prop::sample::select(&ZONES[..]).prop_map(zone)
}

/// Full minutes of years that have changes, and of the day that Apia left out.
fn any_minute_ms() -> impl Strategy<Value = i64> {
    (1_300_000_000_000 / MINUTE_MS..1_900_000_000_000 / MINUTE_MS).prop_map(|minute| minute * MINUTE_MS)
}

/// The minutes from an instant on, for as long as no window is shut without a change of the clocks.
fn minutes_from(from_ms: i64) -> impl Iterator<Item = i64> {
    (from_ms..=from_ms + 2 * WEEK_MS).step_by(MINUTE_MS as usize)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_shown_is_read_as_what_it_was(windows in any_windows()) {
        let shown = windows.to_string();
        let read: Windows = shown.parse().expect("it can be read");
        prop_assert_eq!(read.to_string(), shown);
        prop_assert_eq!(read, windows);
    }

    #[test]
    fn no_text_panics(text in "[a-zA-Z0-9:;,/@ -]{0,30}|.{0,20}") {
        let _ = text.parse::<Windows>();
    }

    #[test]
    fn openings_are_those_of_a_scan_minute_by_minute(
        windows in any_windows(), zone in any_zone(), from_ms in any_minute_ms(),
    ) {
        let is_open = |at_ms: &i64| windows.contains(*at_ms, &zone);
        let opens_ms = minutes_from(from_ms).find(is_open);
        prop_assert_eq!(windows.next_open(from_ms, &zone), opens_ms);
        let closes_ms = minutes_from(from_ms).find(|at_ms| !is_open(at_ms)).filter(|_| is_open(&from_ms));
        prop_assert_eq!(windows.open_until(from_ms, &zone), closes_ms);
        let back = (from_ms - 2 * WEEK_MS..=from_ms).rev().step_by(MINUTE_MS as usize);
        let opened_ms = back.take_while(is_open).last().filter(|_| closes_ms.is_some());
        prop_assert_eq!(windows.open_since(from_ms, &zone), opened_ms);
    }

    #[test]
    fn a_window_is_open_when_the_clock_shows_its_hours(
        day in 0..7_usize, from in 0..1440_i16, len in 1..1440_i16, zone in any_zone(), at_ms in any_minute_ms(),
    ) {
        let to = (from + len) % 1440;
        let text = format!("{}/{}:{:02}-{}:{:02}", DAYS[day], from / 60, from % 60, to / 60, to % 60);
        let local = jiff::Timestamp::from_millisecond(at_ms).expect("in range").to_zoned(zone.clone());
        let today = local.weekday().to_monday_zero_offset() as usize;
        let minute = i16::from(local.hour()) * 60 + i16::from(local.minute());
        let began_today = today == day && minute >= from && minute < from + len;
        let began_yesterday = (today + 6) % 7 == day && minute + 1440 < from + len;
        prop_assert_eq!(windows(&text).contains(at_ms, &zone), began_today || began_yesterday);
    }

    #[test]
    fn a_plain_week_is_open_for_the_minutes_that_are_said(windows in any_windows(), week in 0..2000_i64) {
        let monday_ms = 4 * 24 * HOUR_MS + week * WEEK_MS;
        let minutes = (monday_ms..monday_ms + WEEK_MS).step_by(MINUTE_MS as usize);
        let open = minutes.filter(|at_ms| windows.contains(*at_ms, &TimeZone::UTC)).count();
        prop_assert_eq!(open, windows.minutes_per_week() as usize);
    }
}
