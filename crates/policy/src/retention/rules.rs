//! What is wanted: minimums, maximums, and what the calendar chooses.

use super::calendar::Period;
use super::verdict::Reason;
use crate::Span;
use crate::schedule::Mode;

/// What is wanted. A count of 0 switches a rule off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many are kept at least.
    pub at_least: u32,
    /// No more than so many are kept; `None` for no limit.
    pub at_most: Option<u32>,
    /// How many full ones.
    pub full: Bounds,
    /// How many incremental ones.
    pub incremental: Bounds,
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

/// How many backups of one mode are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// So many are kept at least.
    pub at_least: u32,
    /// No more than so many are kept; `None` for no limit.
    pub at_most: Option<u32>,
}

impl Bounds {
    /// Any number.
    pub const NONE: Self = Self {
        at_least: 0,
        at_most: None,
    };
}

impl Rules {
    /// Keeps everything.
    pub const KEEP_ALL: Self = Self {
        at_least: 0,
        at_most: None,
        full: Bounds::NONE,
        incremental: Bounds::NONE,
        within: None,
        hourly: 0,
        daily: 0,
        weekly: 0,
        monthly: 0,
        yearly: 0,
    };

    /// How many periods of a sort have a backup that is kept for them.
    pub(super) fn count(&self, period: Period) -> u32 {
        match period {
            Period::Hour => self.hourly,
            Period::Day => self.daily,
            Period::Week => self.weekly,
            Period::Month => self.monthly,
            Period::Year => self.yearly,
        }
    }

    /// Tells whether any rule picks some backups out of all.
    pub(super) fn chooses(&self) -> bool {
        self.within.is_some() || Period::ALL.iter().any(|period| self.count(*period) > 0)
    }

    /// The minimum that one more backup helps to reach, where so many newer ones are there.
    pub(super) fn least(&self, newer: &Tally, mode: Mode) -> Option<Reason> {
        let at_least = |scope: Option<Mode>| self.bounds(scope).at_least;
        [None, Some(mode)]
            .into_iter()
            .find(|scope| newer.count(*scope) < at_least(*scope))
            .map(|scope| Reason::AmongNewest {
                at_least: at_least(scope),
                mode: scope,
            })
    }

    /// The maximum that one more backup exceeds, where so many are kept.
    pub(super) fn most(&self, kept: &Tally, mode: Mode) -> Option<Reason> {
        [None, Some(mode)].into_iter().find_map(|scope| {
            let at_most = self.bounds(scope).at_most?;
            (kept.count(scope) >= at_most).then_some(Reason::BeyondMost { at_most, mode: scope })
        })
    }

    fn bounds(&self, scope: Option<Mode>) -> Bounds {
        match scope {
            None => Bounds {
                at_least: self.at_least,
                at_most: self.at_most,
            },
            Some(Mode::Full) => self.full,
            Some(Mode::Incremental) => self.incremental,
        }
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

/// How many backups were counted, by mode.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    full: u32,
    incremental: u32,
}

impl Tally {
    /// Counts one more.
    pub(super) fn add(&mut self, mode: Mode) {
        let count = match mode {
            Mode::Full => &mut self.full,
            Mode::Incremental => &mut self.incremental,
        };
        *count = count.saturating_add(1);
    }

    fn count(&self, scope: Option<Mode>) -> u32 {
        match scope {
            None => self.full.saturating_add(self.incremental),
            Some(Mode::Full) => self.full,
            Some(Mode::Incremental) => self.incremental,
        }
    }
}
