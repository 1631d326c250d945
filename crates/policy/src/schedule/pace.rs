//! When interval and window of one mode allow a backup, apart from how the client is doing.
//!
//! With a time-dependent interval there is no one instant at which a backup becomes due: each length that the interval can have
//! is looked at by itself, while it is the one that counts.

use jiff::tz::TimeZone;

use super::jitter::Jitter;
use super::{Interval, ModeRules};
use crate::Span;

/// How far after it could be due a backup is looked for within its window. Both come every week, but for hours that are
/// skipped.
const LOOK_AHEAD: Span = Span::days(22);

/// What an interval counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// There is no backup.
    NoBackup,
    /// There is no full backup, only others.
    NoFullBackup,
    /// A backup began then.
    Backup(i64),
}

/// The rules of one mode, and what its interval counts from.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// The rules.
    pub rules: &'a ModeRules,
    /// What the interval counts from.
    pub since: Since,
    /// Where window and interval are at home.
    pub zone: &'a TimeZone,
}

impl Pace<'_> {
    /// The lengths that the interval can have.
    pub fn lengths(&self) -> impl Iterator<Item = Span> {
        self.rules
            .interval
            .values()
            .filter_map(|interval| match interval {
                Interval::Off => None,
                Interval::Every(every) => Some(*every),
            })
    }

    /// When an interval of that length has passed.
    pub fn ripe_ms(&self, every: Span) -> i64 {
        match self.since {
            Since::NoBackup | Since::NoFullBackup => i64::MIN,
            Since::Backup(began_ms) => every.after(began_ms),
        }
    }

    /// The first instant from `from_ms` on at which the interval that counts has passed.
    pub fn due_ms(&self, from_ms: i64) -> Option<i64> {
        let due = |every| self.due_by_ms(every, from_ms.max(self.ripe_ms(every)));
        self.lengths().filter_map(due).min()
    }

    /// The first instant from `from_ms` on at which the interval has that length.
    pub fn due_by_ms(&self, every: Span, from_ms: i64) -> Option<i64> {
        let counts = |interval: &Interval| *interval == Interval::Every(every);
        self.rules.interval.next_where(from_ms, self.zone, counts)
    }

    /// The first instant from `from_ms` on at which the interval has that length, the window is open, and the jitter after its
    /// opening has passed.
    pub fn in_window_ms(&self, every: Span, from_ms: i64, jitter: Jitter) -> Option<i64> {
        let last_ms = LOOK_AHEAD.after(from_ms);
        let mut at_ms = from_ms;
        while at_ms <= last_ms {
            let due_ms = self.due_by_ms(every, at_ms)?;
            let open_ms = self.rules.window.next_open(due_ms, self.zone)?;
            let spread_ms = self.spread_ms(open_ms, jitter);
            if spread_ms == due_ms {
                return Some(due_ms);
            }
            at_ms = spread_ms;
        }
        None
    }

    /// The first instant from `at_ms` on, at which a window is open, at which the jitter after its opening has passed. That takes
    /// no more than half of the window.
    pub fn spread_ms(&self, at_ms: i64, jitter: Jitter) -> i64 {
        let window = &self.rules.window;
        if jitter.wait().len_ms == 0 {
            return at_ms;
        }
        let opened_ms = window.open_since(at_ms, self.zone);
        let opening = opened_ms.zip(window.open_until(at_ms, self.zone));
        let Some((opened_ms, closes_ms)) = opening else {
            return at_ms;
        };
        let half = Span {
            len_ms: Span::between(opened_ms, closes_ms).len_ms / 2,
        };
        jitter.wait_within(half).after(opened_ms).max(at_ms)
    }

    /// When a backup begins that nothing else holds back.
    pub fn on_time_ms(&self) -> Option<i64> {
        let begins = |every| self.in_window_ms(every, self.ripe_ms(every), Jitter::NONE);
        self.lengths().filter_map(begins).min()
    }
}
