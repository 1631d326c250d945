//! What the clock on the wall shows, and when it is moved. Instants beyond the calendar have the offset of its end.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::MS_PER_WEEK;

/// The Unix epoch was a Thursday.
const EPOCH_SINCE_MONDAY_MS: i64 = 3 * 86_400_000;

/// The time since Monday's midnight that the clock shows.
pub fn since_monday_ms(at_ms: i64, zone: &TimeZone) -> i64 {
    let offset_ms = i64::from(zone.to_offset(timestamp(at_ms)).seconds()) * 1000;
    (at_ms.rem_euclid(MS_PER_WEEK) + EPOCH_SINCE_MONDAY_MS + offset_ms).rem_euclid(MS_PER_WEEK)
}

/// The first instant after another at which the clock may be moved.
pub fn next_shift_ms(at_ms: i64, zone: &TimeZone) -> Option<i64> {
    let shift = zone.following(timestamp(at_ms)).next()?;
    Some(shift.timestamp().as_millisecond()).filter(|shift_ms| *shift_ms > at_ms)
}

/// The last instant up to another, or that itself, at which the clock may have been moved.
pub fn last_shift_ms(at_ms: i64, zone: &TimeZone) -> Option<i64> {
    let shift = zone.preceding(timestamp(at_ms.saturating_add(1))).next()?;
    Some(shift.timestamp().as_millisecond())
}

fn timestamp(at_ms: i64) -> Timestamp {
    let outside = if at_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(at_ms).unwrap_or(outside)
}
