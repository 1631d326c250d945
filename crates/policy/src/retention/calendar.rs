//! Hours, days, weeks, months and years, as a zone has them.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::rules::Rules;
use super::verdict::Reason;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

/// A stretch of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Period {
    /// From a full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

impl Period {
    /// All of them, the shortest first.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        })
    }
}

/// What the calendar and the clock on the wall said at an instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct LocalTime {
    /// Seconds since 1970-01-01 00:00 of that calendar.
    wall_s: i64,
    offset_s: i32,
    year: i16,
    month: i8,
}

impl LocalTime {
    /// Looks it up. Instants beyond the calendar count as its ends.
    pub(super) fn at(instant_ms: i64, zone: &TimeZone) -> Self {
        let outside = if instant_ms < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        };
        let instant = Timestamp::from_millisecond(instant_ms).unwrap_or(outside);
        let offset = zone.to_offset(instant);
        let date = offset.to_datetime(instant).date();
        Self {
            wall_s: instant.as_millisecond().div_euclid(1_000) + i64::from(offset.seconds()),
            offset_s: offset.seconds(),
            year: date.year(),
            month: date.month(),
        }
    }

    fn stretch(&self, period: Period) -> Stretch {
        let day = self.wall_s.div_euclid(DAY_S);
        match period {
            // The offset tells the two hours apart that have one name when a clock is put back.
            Period::Hour => Stretch(self.wall_s.div_euclid(HOUR_S), self.offset_s),
            Period::Day => Stretch(day, 0),
            // Day 0 was a Thursday.
            Period::Week => Stretch((day + 3).div_euclid(7), 0),
            Period::Month => Stretch(i64::from(self.year) * 12 + i64::from(self.month), 0),
            Period::Year => Stretch(i64::from(self.year), 0),
        }
    }
}

/// One hour, day, week, month or year: equal for two instants within it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stretch(i64, i32);

/// Counts, from the newest backup to the oldest, the periods that have one.
pub(super) struct Calendar<'a> {
    rules: &'a Rules,
    counted: [Counted; 5],
}

/// How far the periods of one sort have been counted.
struct Counted {
    period: Period,
    number: u32,
    last: Option<Stretch>,
}

impl<'a> Calendar<'a> {
    /// Begins to count.
    pub(super) fn new(rules: &'a Rules) -> Self {
        let counted = Period::ALL.map(|period| Counted {
            period,
            number: 0,
            last: None,
        });
        Self { rules, counted }
    }

    /// Counts the next older backup for every sort of period and tells the longest that it is kept for: the one that
    /// keeps it for the longest time.
    pub(super) fn count(&mut self, started: &LocalTime) -> Option<Reason> {
        let mut reason = None;
        for counted in &mut self.counted {
            let of = self.rules.count(counted.period);
            let stretch = started.stretch(counted.period);
            if counted.number >= of || counted.last == Some(stretch) {
                continue;
            }
            counted.last = Some(stretch);
            counted.number += 1;
            reason = Some(Reason::NewestOf {
                period: counted.period,
                number: counted.number,
                of,
            });
        }
        reason
    }
}
