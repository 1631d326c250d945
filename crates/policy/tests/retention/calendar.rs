//! Dates that are easily got wrong: zones, clocks that are changed, leap days, ends of years.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use policy::retention::{Fate, Rules, plan};

use super::generate::{berlin, candidates};

struct Case {
    what: &'static str,
    rules: Rules,
    zone: TimeZone,
    starts: &'static [&'static str],
    kept: &'static [&'static str],
}

fn check(case: &Case) {
    let at_ms = |text: &&str| text.parse::<Timestamp>().expect(text).as_millisecond();
    let starts: Vec<_> = case.starts.iter().map(at_ms).collect();
    let mut kept: Vec<_> = plan(candidates(&starts), &case.rules, &case.zone, i64::MAX)
        .into_iter()
        .filter(|verdict| verdict.fate == Fate::Keep)
        .map(|verdict| case.starts[verdict.key])
        .collect();
    kept.reverse();
    assert_eq!(kept, case.kept, "{}", case.what);
}

const DAILY: Rules = Rules {
    daily: 9,
    ..Rules::KEEP_ALL
};
const HOURLY: Rules = Rules {
    hourly: 9,
    ..Rules::KEEP_ALL
};
const WEEKLY: Rules = Rules {
    weekly: 9,
    ..Rules::KEEP_ALL
};
const MONTHLY: Rules = Rules {
    monthly: 9,
    ..Rules::KEEP_ALL
};
const YEARLY: Rules = Rules {
    yearly: 9,
    ..Rules::KEEP_ALL
};

#[test]
fn days_and_hours_are_those_of_the_zone() {
    let cases = [
        Case {
            what: "midnight in Berlin in winter is 23:00 UTC",
            rules: DAILY,
            zone: berlin(),
            starts: &[
                "2027-01-10T22:59:59Z",
                "2027-01-10T23:00:00Z",
                "2027-01-11T22:59:59Z",
            ],
            kept: &["2027-01-10T22:59:59Z", "2027-01-11T22:59:59Z"],
        },
        Case {
            what: "and 22:00 UTC in summer",
            rules: DAILY,
            zone: berlin(),
            starts: &[
                "2027-07-10T21:59:59Z",
                "2027-07-10T22:00:00Z",
                "2027-07-11T21:59:59Z",
            ],
            kept: &["2027-07-10T21:59:59Z", "2027-07-11T21:59:59Z"],
        },
        Case {
            what: "the day of 25 hours is one day",
            rules: DAILY,
            zone: berlin(),
            starts: &[
                "2026-10-24T22:00:00Z",
                "2026-10-25T22:59:59Z",
                "2026-10-25T23:00:00Z",
            ],
            kept: &["2026-10-25T22:59:59Z", "2026-10-25T23:00:00Z"],
        },
        Case {
            what: "the day of 23 hours is one day",
            rules: DAILY,
            zone: berlin(),
            starts: &[
                "2027-03-27T23:00:00Z",
                "2027-03-28T21:59:59Z",
                "2027-03-28T22:00:00Z",
            ],
            kept: &["2027-03-28T21:59:59Z", "2027-03-28T22:00:00Z"],
        },
        Case {
            what: "two hours of one name, 02:30 summer time and 02:30 winter time",
            rules: HOURLY,
            zone: berlin(),
            starts: &[
                "2026-10-25T00:10:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:30:00Z",
            ],
            kept: &["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"],
        },
        Case {
            what: "01:59 and 03:00 where an hour is left out",
            rules: HOURLY,
            zone: berlin(),
            starts: &[
                "2027-03-28T00:30:00Z",
                "2027-03-28T00:59:00Z",
                "2027-03-28T01:00:00Z",
            ],
            kept: &["2027-03-28T00:59:00Z", "2027-03-28T01:00:00Z"],
        },
        Case {
            what: "hours of a zone that is a quarter of an hour off",
            rules: HOURLY,
            zone: TimeZone::fixed(Offset::from_seconds(20_700).expect("an offset")),
            starts: &[
                "2027-01-01T00:14:59Z",
                "2027-01-01T00:15:00Z",
                "2027-01-01T01:14:59Z",
            ],
            kept: &["2027-01-01T00:14:59Z", "2027-01-01T01:14:59Z"],
        },
        Case {
            what: "before 1970, too",
            rules: DAILY,
            zone: TimeZone::UTC,
            starts: &[
                "1969-12-30T23:59:59Z",
                "1969-12-31T00:00:00Z",
                "1969-12-31T23:59:59.999Z",
            ],
            kept: &["1969-12-30T23:59:59Z", "1969-12-31T23:59:59.999Z"],
        },
    ];
    cases.iter().for_each(check);
}

#[test]
fn months_and_years_end_where_the_calendar_says() {
    let cases = [
        Case {
            what: "29 February belongs to February",
            rules: MONTHLY,
            zone: TimeZone::UTC,
            starts: &[
                "2028-02-28T12:00:00Z",
                "2028-02-29T23:59:59Z",
                "2028-03-01T00:00:00Z",
            ],
            kept: &["2028-02-29T23:59:59Z", "2028-03-01T00:00:00Z"],
        },
        Case {
            what: "29 February is a day of its own",
            rules: DAILY,
            zone: TimeZone::UTC,
            starts: &[
                "2028-02-28T12:00:00Z",
                "2028-02-29T12:00:00Z",
                "2028-03-01T12:00:00Z",
            ],
            kept: &[
                "2028-02-28T12:00:00Z",
                "2028-02-29T12:00:00Z",
                "2028-03-01T12:00:00Z",
            ],
        },
        Case {
            what: "one month of two years is two months",
            rules: MONTHLY,
            zone: TimeZone::UTC,
            starts: &["2026-05-05T00:00:00Z", "2027-05-05T00:00:00Z"],
            kept: &["2026-05-05T00:00:00Z", "2027-05-05T00:00:00Z"],
        },
        Case {
            what: "December and January are two months",
            rules: MONTHLY,
            zone: TimeZone::UTC,
            starts: &["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"],
            kept: &["2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"],
        },
        Case {
            what: "the new year comes earlier in Berlin",
            rules: YEARLY,
            zone: berlin(),
            starts: &[
                "2026-12-31T22:59:59Z",
                "2026-12-31T23:00:00Z",
                "2027-12-31T22:59:59Z",
            ],
            kept: &["2026-12-31T22:59:59Z", "2027-12-31T22:59:59Z"],
        },
    ];
    cases.iter().for_each(check);
}

#[test]
fn weeks_go_from_monday_to_sunday_also_across_years() {
    let cases = [
        Case {
            what: "Sunday and Monday",
            rules: WEEKLY,
            zone: TimeZone::UTC,
            starts: &[
                "2026-12-27T23:59:59Z",
                "2026-12-28T00:00:00Z",
                "2027-01-03T23:59:59Z",
            ],
            kept: &["2026-12-27T23:59:59Z", "2027-01-03T23:59:59Z"],
        },
        Case {
            what: "week 53 of 2026 goes on to 3 January 2027",
            rules: WEEKLY,
            zone: TimeZone::UTC,
            starts: &[
                "2026-12-31T12:00:00Z",
                "2027-01-01T12:00:00Z",
                "2027-01-04T00:00:00Z",
            ],
            kept: &["2027-01-01T12:00:00Z", "2027-01-04T00:00:00Z"],
        },
        Case {
            what: "30 December 2024 is in week 1 of 2025",
            rules: WEEKLY,
            zone: TimeZone::UTC,
            starts: &[
                "2024-12-29T12:00:00Z",
                "2024-12-30T12:00:00Z",
                "2025-01-05T12:00:00Z",
            ],
            kept: &["2024-12-29T12:00:00Z", "2025-01-05T12:00:00Z"],
        },
        Case {
            what: "week 1 of 1970 began in 1969",
            rules: WEEKLY,
            zone: TimeZone::UTC,
            starts: &[
                "1969-12-28T23:59:59Z",
                "1969-12-29T00:00:00Z",
                "1970-01-04T23:59:59Z",
            ],
            kept: &["1969-12-28T23:59:59Z", "1970-01-04T23:59:59Z"],
        },
    ];
    cases.iter().for_each(check);
}
