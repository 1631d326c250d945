//! What becomes of a backup, and why.

use std::fmt;
use std::sync::Arc;

use super::calendar::Period;
use super::candidate::Use;
use crate::Span;
use crate::archive::Until;
use crate::schedule::Mode;

/// What becomes of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Why a backup is kept or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Kept: it is the newest.
    Newest,
    /// Kept: a person holds it.
    Held {
        /// What that person said.
        why: Arc<str>,
    },
    /// Kept: it is archived.
    Archived(Until),
    /// Kept: it is in use.
    InUse(Use),
    /// Kept: no newer one has passed a verification.
    NewestVerified,
    /// Kept: it is among the newest.
    AmongNewest {
        /// So many are kept at least.
        at_least: u32,
        /// Of this mode; `None` for both together.
        mode: Option<Mode>,
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
        /// Of this mode; `None` for both together.
        mode: Option<Mode>,
    },
    /// Removed: no rule keeps it.
    NotWanted,
}

impl Reason {
    /// What becomes of a backup for this reason.
    pub fn fate(&self) -> Fate {
        match self {
            Self::BeyondMost { .. } | Self::NotWanted => Fate::Remove,
            _ => Fate::Keep,
        }
    }

    /// Tells whether this keeps a backup also when space runs out.
    pub fn protects(&self) -> bool {
        match self {
            Self::Newest
            | Self::Held { .. }
            | Self::Archived(_)
            | Self::InUse(_)
            | Self::NewestVerified
            | Self::AmongNewest { .. } => true,
            Self::Within(_)
            | Self::NewestOf { .. }
            | Self::NoRule
            | Self::BeyondMost { .. }
            | Self::NotWanted => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newest => f.write_str("the newest"),
            Self::Held { why } if why.is_empty() => f.write_str("held"),
            Self::Held { why } => write!(f, "held: {why}"),
            Self::Archived(until) => write!(f, "archived {until}"),
            Self::InUse(used) => write!(f, "in use: {used}"),
            Self::NewestVerified => f.write_str("the newest that passed a verification"),
            Self::AmongNewest { at_least, mode } => {
                write!(f, "within the minimum ({})", Number(*at_least, *mode))
            }
            Self::Within(span) => write!(f, "younger than {span}"),
            Self::NewestOf { period, number, of } => write!(f, "the newest of {period} {number} of {of}"),
            Self::NoRule => f.write_str("no rule removes it"),
            Self::BeyondMost { at_most, mode } => {
                write!(f, "beyond the maximum ({})", Number(*at_most, *mode))
            }
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

/// So many backups, of one mode or of both.
struct Number(u32, Option<Mode>);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            None => write!(f, "{}", self.0),
            Some(mode) => write!(f, "{} {mode}", self.0),
        }
    }
}
