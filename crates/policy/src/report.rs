//! When a report is due.

use jiff::ToSpan as _;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// How often there is a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Once a day.
    Day,
    /// Once a week, on this day.
    Week(Weekday),
}

/// When reports are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rhythm {
    /// How often.
    pub every: Every,
    /// At which hour of the day, from 0 to 23.
    pub hour: i8,
}

/// The longest that one has to look back for an hour of a weekday.
const DAYS_BACK: i64 = 8;

/// Decides whether a report is due. The last one told what there was until `last_ms`; several that were missed since, as by a
/// server that was off, are one. Where a clock change skips the hour, it is the next one.
pub fn due(rhythm: Rhythm, last_ms: i64, zone: &TimeZone, now_ms: i64) -> bool {
    latest_ms(rhythm, zone, now_ms).is_some_and(|latest_ms| latest_ms > last_ms)
}

/// The last moment, now or before, at which a report is to be made.
fn latest_ms(rhythm: Rhythm, zone: &TimeZone, now_ms: i64) -> Option<i64> {
    let today = jiff::Timestamp::from_millisecond(now_ms)
        .ok()?
        .to_zoned(zone.clone())
        .date();
    (0..=DAYS_BACK).find_map(|days| {
        let date = today.checked_sub(days.days()).ok()?;
        let fits = match rhythm.every {
            Every::Day => true,
            Every::Week(weekday) => date.weekday() == weekday,
        };
        let moment = date
            .at(rhythm.hour.clamp(0, 23), 0, 0, 0)
            .to_zoned(zone.clone())
            .ok()?;
        let at_ms = moment.timestamp().as_millisecond();
        (fits && at_ms <= now_ms).then_some(at_ms)
    })
}
