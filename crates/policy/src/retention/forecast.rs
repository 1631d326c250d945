//! What the rules will remove in the days to come, by running them ahead of time.

use jiff::tz::TimeZone;

use super::candidate::{Candidate, Protection};
use super::plan::{Dated, judge, newest_first};
use super::rules::Rules;
use super::verdict::{Fate, Reason};
use crate::Span;
use crate::archive::Until;
use crate::schedule::Mode;

/// How far ahead a forecast looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Where it begins.
    pub now_ms: i64,
    /// So many days of 24 hours later it ends.
    pub days: u32,
}

/// A backup that will probably be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// When it begins; from then on it counts.
    pub started_ms: i64,
    /// Full or incremental.
    pub mode: Mode,
    /// Whether it will be archived.
    pub archived: Option<Until>,
}

/// Which backup a forecast speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Which<K> {
    /// One that is there.
    Existing(K),
    /// The expected one of this index.
    Expected(usize),
}

/// A removal that is to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure<K> {
    /// What goes.
    pub backup: Which<K>,
    /// When it began, or will have.
    pub started_ms: i64,
    /// The cleanup that will remove it.
    pub at_ms: i64,
    /// Why.
    pub reason: Reason,
}

/// Tells which backups of one client and target will go when, the next first and the oldest of one cleanup first.
///
/// `cleanups_ms` gives the times at which cleanup runs, ascending; it may go on for ever. Those before the horizon
/// begins, and those out of order, are passed over. A cleanup removes what [`plan`](super::plan()) would remove at that
/// time. What is in use is taken to be so at the beginning of the horizon and no longer.
pub fn forecast<K>(
    backups: Vec<Candidate<K>>,
    expected: &[Expected],
    rules: &Rules,
    zone: &TimeZone,
    cleanups_ms: impl IntoIterator<Item = i64>,
    horizon: Horizon,
) -> Vec<Departure<K>> {
    let end_ms = Span::days(u64::from(horizon.days)).after(horizon.now_ms);
    let existing = backups
        .into_iter()
        .map(|candidate| candidate.map_key(Which::Existing));
    let expected = expected.iter().enumerate().map(to_come);
    let mut there = newest_first(existing.chain(expected).collect(), zone);
    let mut departures = Vec::new();
    let mut next_ms = horizon.now_ms;
    for at_ms in cleanups_ms.into_iter().take_while(|at_ms| *at_ms <= end_ms) {
        if at_ms < next_ms {
            continue;
        }
        next_ms = at_ms;
        if at_ms > horizon.now_ms {
            there
                .iter_mut()
                .for_each(|dated| dated.candidate.protection.in_use = None);
        }
        there = clean_up(there, rules, at_ms, &mut departures);
    }
    departures
}

fn to_come<K>((index, expected): (usize, &Expected)) -> Candidate<Which<K>> {
    Candidate {
        protection: Protection {
            archived: expected.archived,
            ..Protection::default()
        },
        ..Candidate::new(Which::Expected(index), expected.started_ms, expected.mode)
    }
}

/// Runs one cleanup and gives back what it leaves.
fn clean_up<K>(
    there: Vec<Dated<Which<K>>>,
    rules: &Rules,
    at_ms: i64,
    departures: &mut Vec<Departure<K>>,
) -> Vec<Dated<Which<K>>> {
    let has_begun = |dated: &Dated<Which<K>>| match dated.candidate.key {
        Which::Existing(_) => true,
        Which::Expected(_) => dated.candidate.started_ms <= at_ms,
    };
    let begun: Vec<_> = there.iter().filter(|dated| has_begun(dated)).collect();
    let mut reasons = judge(&begun, rules, at_ms).into_iter();
    let mut left = Vec::with_capacity(there.len());
    let first = departures.len();
    for dated in there {
        let reason = if has_begun(&dated) { reasons.next() } else { None };
        match reason.filter(|reason| reason.fate() == Fate::Remove) {
            None => left.push(dated),
            Some(reason) => departures.push(Departure {
                backup: dated.candidate.key,
                started_ms: dated.candidate.started_ms,
                at_ms,
                reason,
            }),
        }
    }
    departures[first..].reverse();
    left
}
