//! The order in which backups are given up when space runs out.

use std::fmt;

use jiff::tz::TimeZone;

use super::candidate::Candidate;
use super::plan::judged;
use super::rules::Rules;
use super::trash::Trashed;
use super::verdict::{Fate, Reason};
use crate::Target;

/// The backups of one client and target, with the rules for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series<K> {
    /// What they are of.
    pub target: Target,
    /// What is wanted of them.
    pub rules: Rules,
    /// All that are committed and not in the trash.
    pub backups: Vec<Candidate<K>>,
}

impl<K> Series<K> {
    /// The same series, its backups known by something else.
    pub(crate) fn map_keys<L>(self, mut key: impl FnMut(K) -> L) -> Series<L> {
        let backups = self.backups.into_iter();
        Series {
            target: self.target,
            rules: self.rules,
            backups: backups.map(|candidate| candidate.map_key(&mut key)).collect(),
        }
    }
}

/// A backup that may be given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sacrifice<K> {
    /// What the caller knows it by.
    pub key: K,
    /// What it is of.
    pub target: Target,
    /// What its end alone would free, where that is known.
    pub freed_bytes: Option<u64>,
    /// Why it, and not another one.
    pub why: Why,
}

/// Why a backup is given up when its turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was removed before.
    InTrash,
    /// The rules remove it anyway.
    Unwanted(Reason),
    /// It would be kept if there were space.
    Oldest(Target),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InTrash => f.write_str("already in the trash"),
            Self::Unwanted(reason) => write!(f, "not wanted anyway: {reason}"),
            Self::Oldest(target) => write!(f, "the oldest {target} backup that nothing protects"),
        }
    }
}

/// Puts what may be given up in order, over all clients and targets that are handed in.
///
/// First comes what is in the trash, the first removed first; then what the rules remove anyway; then what they would
/// keep. Of each of these two, images come before files, and the oldest first. What
/// [`Reason::protects`] says is protected never comes.
///
/// Whoever needs space gives up one, looks at the space, and goes on or stops. Asking again at the same time with
/// what is left gives the rest of the same order.
pub fn emergency<K>(
    trash: Vec<Trashed<K>>,
    series: Vec<Series<K>>,
    zone: &TimeZone,
    now_ms: i64,
) -> impl ExactSizeIterator<Item = Sacrifice<K>> + use<K> {
    let mut turns: Vec<_> = trash.into_iter().filter_map(of_trash).collect();
    for series in series {
        let target = series.target;
        let judged = judged(series.backups, &series.rules, zone, now_ms).rev();
        turns.extend(judged.filter_map(|(candidate, reason)| of_series(target, candidate, reason)));
    }
    // Stable: of those that began at once, the older stays ahead.
    turns.sort_by_key(|(turn, _)| *turn);
    turns.into_iter().map(|(_, sacrifice)| sacrifice)
}

/// What decides whose turn it is; the fields count in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    stage: Stage,
    place: Place,
    since_ms: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Trash,
    Unwanted,
    Wanted,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Any,
    Image,
    File,
}

fn of_trash<K>(trashed: Trashed<K>) -> Option<(Turn, Sacrifice<K>)> {
    if trashed.in_use.is_some() {
        return None;
    }
    let turn = Turn {
        stage: Stage::Trash,
        place: Place::Any,
        since_ms: trashed.deleted_ms,
    };
    let sacrifice = Sacrifice {
        key: trashed.key,
        target: trashed.target,
        freed_bytes: trashed.freed_bytes,
        why: Why::InTrash,
    };
    Some((turn, sacrifice))
}

fn of_series<K>(target: Target, candidate: Candidate<K>, reason: Reason) -> Option<(Turn, Sacrifice<K>)> {
    if reason.protects() {
        return None;
    }
    let (stage, why) = match reason.fate() {
        Fate::Remove => (Stage::Unwanted, Why::Unwanted(reason)),
        Fate::Keep => (Stage::Wanted, Why::Oldest(target)),
    };
    let turn = Turn {
        stage,
        place: match target {
            Target::Image => Place::Image,
            Target::Files => Place::File,
        },
        since_ms: candidate.started_ms,
    };
    let sacrifice = Sacrifice {
        key: candidate.key,
        target,
        freed_bytes: candidate.freed_bytes,
        why,
    };
    Some((turn, sacrifice))
}
