//! Which copies of the catalog are kept: the newest ones, and one of each month for a while.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How many of the newest copies are kept.
pub const NEWEST_KEPT: usize = 7;
/// For how many months the newest copy of the month is kept.
pub const MONTHS_KEPT: usize = 6;

/// The copies that need not be kept any longer, of those made at these times, in their order.
///
/// Months count in UTC, and only those that have a copy: a server that was off for a year loses none by it, nor does one whose
/// clock is wrong.
pub fn superseded<T>(copies: impl IntoIterator<Item = (T, Timestamp)>) -> Vec<T> {
    let mut copies: Vec<_> = copies.into_iter().collect();
    copies.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    let mut months = BTreeSet::new();
    let mut gone = Vec::new();
    for (rank, (copy, at)) in copies.into_iter().enumerate() {
        let date = at.to_zoned(TimeZone::UTC).date();
        let is_newest_of_month = months.len() < MONTHS_KEPT && months.insert((date.year(), date.month()));
        if rank >= NEWEST_KEPT && !is_newest_of_month {
            gone.push(copy);
        }
    }
    gone.reverse();
    gone
}
