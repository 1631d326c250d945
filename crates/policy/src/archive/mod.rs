//! Which backups are archived: taken out of the ordinary coming and going, until a time or for ever.
//!
//! An [`ArchiveRule`] has a text: what it is for, how often, and for how long.
//!
//! ```text
//! every 30d keep 1y
//! full file every 90d keep forever
//! image every 1w keep 90d
//! ```
//!
//! Intervals count from the start of the last backup that this rule archived to the start of the next.

mod rule;

use std::cmp::Ordering;
use std::fmt;

use jiff::Timestamp;

pub use rule::{ArchiveRule, Keep, ParseRuleError, What};

use crate::schedule::Mode;
use crate::{Span, Target};

/// Until when a backup is archived; the later one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    /// Until this time, which is no longer part of it.
    Time {
        /// That time.
        at_ms: i64,
    },
    /// For ever.
    Forever,
}

impl Until {
    /// Tells whether a backup is still archived at an instant.
    pub fn covers(&self, now_ms: i64) -> bool {
        match self {
            Self::Time { at_ms } => *at_ms > now_ms,
            Self::Forever => true,
        }
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("for ever"),
            Self::Time { at_ms } => match Timestamp::from_millisecond(*at_ms) {
                Ok(at) => write!(f, "until {at}"),
                Err(_) if *at_ms < 0 => f.write_str("until before the calendar"),
                Err(_) => f.write_str("until beyond the calendar"),
            },
        }
    }
}

/// A backup that was committed and that a rule may archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What it is of.
    pub target: Target,
    /// Full or incremental.
    pub mode: Mode,
    /// When it began.
    pub started_ms: i64,
}

/// Why a backup is archived or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not archived: the rule is for others.
    OtherBackups(What),
    /// Archived: the rule has archived none yet.
    First,
    /// Archived: the interval has passed.
    Interval {
        /// The interval's length.
        every: Span,
        /// Since the start of the last one.
        elapsed: Span,
    },
    /// Archived: the last one began so far in the future that a clock must have been put back.
    ClockPutBack,
    /// Not archived: the interval has not passed.
    TooSoon {
        /// The interval's length.
        every: Span,
        /// Since the start of the last one.
        elapsed: Span,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherBackups(what) => write!(f, "the rule is for {what} backups"),
            Self::First => f.write_str("the rule has archived no backup yet"),
            Self::Interval { every, elapsed } => {
                write!(f, "one every {every}, the last began {elapsed} before")
            }
            Self::ClockPutBack => f.write_str("the last archived one began in the future"),
            Self::TooSoon { every, elapsed } => {
                write!(f, "only one every {every}, the last began {elapsed} before")
            }
        }
    }
}

/// Whether a backup is archived, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Until when; `None` if it is not archived.
    pub until: Option<Until>,
    /// Why.
    pub reason: Reason,
}

/// Decides whether a rule archives a backup. `last_ms` is when the last one that this rule archived began.
///
/// Where several rules archive one backup, the greatest [`Until`] holds.
pub fn due(rule: &ArchiveRule, last_ms: Option<i64>, backup: &Backup) -> Decision {
    let reason = if !rule.what.includes(backup.target, backup.mode) {
        Reason::OtherBackups(rule.what)
    } else {
        last_ms.map_or(Reason::First, |last_ms| {
            since(rule.every, last_ms, backup.started_ms)
        })
    };
    let until = match reason {
        Reason::OtherBackups(_) | Reason::TooSoon { .. } => None,
        Reason::First | Reason::Interval { .. } | Reason::ClockPutBack => Some(match rule.keep {
            Keep::Forever => Until::Forever,
            Keep::For(span) => Until::Time {
                at_ms: span.after(backup.started_ms),
            },
        }),
    };
    Decision { until, reason }
}

/// Tells from when on a backup that begins will be archived by a rule: the next one of those it is for.
pub fn next_ms(rule: &ArchiveRule, last_ms: Option<i64>, now_ms: i64) -> i64 {
    match last_ms {
        Some(last_ms) if matches!(since(rule.every, last_ms, now_ms), Reason::TooSoon { .. }) => {
            rule.every.after(last_ms)
        }
        _ => now_ms,
    }
}

/// What the interval says. A last one ahead counts while it is less than the interval ahead: two backups may end in
/// another order than they began.
fn since(every: Span, last_ms: i64, started_ms: i64) -> Reason {
    let distance = Span {
        len_ms: last_ms.abs_diff(started_ms),
    };
    let elapsed = Span::between(last_ms, started_ms);
    match (distance.cmp(&every), last_ms <= started_ms) {
        (Ordering::Less, _) => Reason::TooSoon { every, elapsed },
        (_, true) => Reason::Interval { every, elapsed },
        (_, false) => Reason::ClockPutBack,
    }
}
