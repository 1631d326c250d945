//! Which backups are kept, which are removed, and why.
//!
//! The rules are asked for the backups of one client and one kind. They are applied in this order:
//!
//! 1. The newest backup is kept, whatever the rules say.
//! 2. The newest [`Rules::at_least`] are kept.
//! 3. Those younger than [`Rules::within`], and the newest of each of the last so many hours, days, ISO weeks,
//!    months and years *that have a backup*, are kept. Without any such rule, all are.
//! 4. Of those that are left more than [`Rules::at_most`], the oldest are removed: the limit wins over 3, not over 1 and 2.
//!
//! Any backup can be removed without harm to the others, so a base needs no protection.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::Span;

/// What is wanted. A count of 0 switches a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many are kept at least.
    pub at_least: u32,
    /// No more than so many are kept; `None` for no limit.
    pub at_most: Option<u32>,
    /// All that are younger are kept.
    pub within: Option<Span>,
    /// One for each of so many hours is kept.
    pub hourly: u32,
    /// One for each of so many days.
    pub daily: u32,
    /// One for each of so many ISO weeks.
    pub weekly: u32,
    /// One for each of so many months.
    pub monthly: u32,
    /// One for each of so many years.
    pub yearly: u32,
}

impl Rules {
    /// Keeps everything.
    pub const KEEP_ALL: Self = Self {
        at_least: 0,
        at_most: None,
        within: None,
        hourly: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
    };

    fn count(&self, period: Period) -> u32 {
        match period {
            Period::Hour => self.hourly,
            Period::Day => self.daily,
            Period::Week => self.weekly,
            Period::Month => self.monthly,
            Period::Year => self.yearly,
        }
    }

    fn chooses(&self) -> bool {
        self.within.is_some() || PERIODS.iter().any(|period| self.count(*period) > 0)
    }
}

impl Default for Rules {
    /// All of the last 2 days, then one for each of 30 days, 8 weeks, 12 months and 5 years; never less than 5.
    fn default() -> Self {
        Self {
            at_least: 5,
            within: Some(Span::days(2)),
            daily: 30,
            weekly: 8,
            monthly: 12,
            yearly: 5,
            ..Self::KEEP_ALL
        }
    }
}

/// A committed backup that is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<K> {
    /// What the caller knows it by.
    pub key: K,
    /// When it began.
    pub started_ms: i64,
}

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

const PERIODS: [Period; 5] = [
    Period::Hour,
    Period::Day,
    Period::Week,
    Period::Month,
    Period::Year,
];

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

/// What becomes of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Why a backup is kept or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Kept: it is the newest.
    Newest,
    /// Kept: it is among the newest.
    AmongNewest {
        /// So many are kept at least.
        at_least: u32,
    },
    /// Kept: it is young.
    Within(Span),
    /// Kept: it is the newest of a stretch of the calendar.
    NewestOf {
        /// Which stretch.
        period: Period,
        /// Its number, counted from the newest: 1 or more.
        number: u32,
        /// So many of them are kept.
        of: u32,
    },
    /// Kept: no rule chooses.
    NoRule,
    /// Removed: there are more than that.
    BeyondMost {
        /// So many are kept at most.
        at_most: u32,
    },
    /// Removed: no rule keeps it.
    NotWanted,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the newest"),
            Self::AmongNewest { at_least } => write!(f, "at least {at_least} are kept"),
            Self::Within(span) => write!(f, "younger than {span}"),
            Self::NewestOf { period, number, of } => write!(f, "the newest of {period} {number} of {of}"),
            Self::NoRule => f.write_str("no rule removes it"),
            Self::BeyondMost { at_most } => write!(f, "no more than {at_most} are kept"),
            Self::NotWanted => f.write_str("no rule keeps it"),
        }
    }
}

/// What becomes of one backup, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<K> {
    /// What the caller knows it by.
    pub key: K,
    /// When it began.
    pub started_ms: i64,
    /// What becomes of it.
    pub fate: Fate,
    /// Why.
    pub reason: Reason,
}

/// Judges backups of one client and kind. The verdicts come newest first; of two that began at once, the one
/// that came later in `backups` counts as newer.
pub fn plan<K>(backups: Vec<Candidate<K>>, rules: &Rules, zone: &TimeZone, now_ms: i64) -> Vec<Verdict<K>> {
    let mut newest_first = backups;
    newest_first.reverse();
    // Stable: what came later stays ahead.
    newest_first.sort_by_key(|candidate| std::cmp::Reverse(candidate.started_ms));
    let starts: Vec<i64> = newest_first
        .iter()
        .map(|candidate| candidate.started_ms)
        .collect();
    let mut reasons = reasons_to_keep(&starts, rules, zone, now_ms);
    limit(&mut reasons, rules);
    let judge = |(candidate, judged): (Candidate<K>, Judged)| {
        let (fate, reason) = match judged {
            Judged::Keep(reason) => (Fate::Keep, reason),
            Judged::Remove(reason) => (Fate::Remove, reason),
        };
        Verdict {
            key: candidate.key,
            started_ms: candidate.started_ms,
            fate,
            reason,
        }
    };
    newest_first.into_iter().zip(reasons).map(judge).collect()
}

/// The order in which backups may be given up when the storage is full: first those that the rules remove anyway,
/// then others, always the oldest first; never the newest, nor the newest [`Rules::at_least`].
pub fn emergency<K>(
    backups: Vec<Candidate<K>>,
    rules: &Rules,
    zone: &TimeZone,
    now_ms: i64,
) -> Vec<Verdict<K>> {
    let mut oldest_first = plan(backups, rules, zone, now_ms);
    oldest_first.reverse();
    oldest_first.retain(|verdict| !matches!(verdict.reason, Reason::Newest | Reason::AmongNewest { .. }));
    // Stable: the oldest stay ahead.
    oldest_first.sort_by_key(|verdict| verdict.fate != Fate::Remove);
    oldest_first
}

#[derive(Clone, Copy)]
enum Judged {
    Keep(Reason),
    Remove(Reason),
}

fn reasons_to_keep(starts_ms: &[i64], rules: &Rules, zone: &TimeZone, now_ms: i64) -> Vec<Judged> {
    let mut periods = PERIODS.map(|period| Kept {
        period,
        number: 0,
        last: None,
    });
    let mut judged = Vec::with_capacity(starts_ms.len());
    for (rank, &started_ms) in (0_u32..).zip(starts_ms) {
        let calendar = newest_of_a_period(&mut periods, rules, zone, started_ms);
        let within = rules
            .within
            .filter(|within| Span::between(started_ms, now_ms) < *within);
        judged.push(if rank == 0 {
            Judged::Keep(Reason::Newest)
        } else if rank < rules.at_least {
            Judged::Keep(Reason::AmongNewest {
                at_least: rules.at_least,
            })
        } else if let Some(within) = within {
            Judged::Keep(Reason::Within(within))
        } else if let Some(reason) = calendar {
            Judged::Keep(reason)
        } else if rules.chooses() {
            Judged::Remove(Reason::NotWanted)
        } else {
            Judged::Keep(Reason::NoRule)
        });
    }
    judged
}

/// How far the backups of one sort of period have been counted.
struct Kept {
    period: Period,
    number: u32,
    last: Option<Stretch>,
}

/// Counts the backup for every sort of period and tells the longest for which it is kept: the one that keeps it
/// for the longest time.
fn newest_of_a_period(
    periods: &mut [Kept],
    rules: &Rules,
    zone: &TimeZone,
    started_ms: i64,
) -> Option<Reason> {
    let mut reason = None;
    for kept in periods {
        let of = rules.count(kept.period);
        let stretch = stretch(kept.period, zone, started_ms);
        if kept.number >= of || kept.last == Some(stretch) {
            continue;
        }
        kept.last = Some(stretch);
        kept.number += 1;
        reason = Some(Reason::NewestOf {
            period: kept.period,
            number: kept.number,
            of,
        });
    }
    reason
}

/// One hour, day, week, month or year: equal for two instants within it. The last number is the offset from UTC, which
/// tells the two hours apart that have one name when a clock is put back.
type Stretch = (i16, i16, i8, i32);

fn stretch(period: Period, zone: &TimeZone, started_ms: i64) -> Stretch {
    let outside = if started_ms < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let instant = Timestamp::from_millisecond(started_ms).unwrap_or(outside);
    let local = instant.to_zoned(zone.clone());
    match period {
        Period::Hour => (
            local.year(),
            local.day_of_year(),
            local.hour(),
            local.offset().seconds(),
        ),
        Period::Day => (local.year(), local.day_of_year(), 0, 0),
        Period::Week => {
            let week = local.date().iso_week_date();
            (week.year(), i16::from(week.week()), 0, 0)
        }
        Period::Month => (local.year(), i16::from(local.month()), 0, 0),
        Period::Year => (local.year(), 0, 0, 0),
    }
}

fn limit(judged: &mut [Judged], rules: &Rules) {
    let Some(at_most) = rules.at_most else { return };
    let mut kept = 0;
    for judged in judged {
        match judged {
            Judged::Keep(Reason::Newest | Reason::AmongNewest { .. }) => kept += 1,
            Judged::Keep(_) if kept < at_most => kept += 1,
            Judged::Keep(_) => *judged = Judged::Remove(Reason::BeyondMost { at_most }),
            Judged::Remove(_) => {}
        }
    }
}
