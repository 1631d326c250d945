//! Backups that were removed but can still be had back: they stay for a while, or until space is needed.

use std::fmt;

use super::candidate::Use;
use super::verdict::Fate;
use crate::{Span, Target};

/// A backup that was removed and is not gone yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trashed<K> {
    /// What the caller knows it by.
    pub key: K,
    /// What it is of.
    pub target: Target,
    /// When it was removed.
    pub deleted_ms: i64,
    /// How long it can be had back from then on.
    pub keep: Span,
    /// Whether it is in use all the same.
    pub in_use: Option<Use>,
    /// What its end alone would free, where that is known.
    pub freed_bytes: Option<u64>,
}

impl<K> Trashed<K> {
    /// The same backup, known by something else.
    pub(crate) fn map_key<L>(self, key: impl FnOnce(K) -> L) -> Trashed<L> {
        Trashed {
            key: key(self.key),
            target: self.target,
            deleted_ms: self.deleted_ms,
            keep: self.keep,
            in_use: self.in_use,
            freed_bytes: self.freed_bytes,
        }
    }
}

/// Why a backup stays in the trash or goes for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Kept: it can still be had back.
    Undo {
        /// For so long.
        left: Span,
    },
    /// Kept: it is in use.
    InUse(Use),
    /// Gone: its time is over.
    Expired {
        /// So long it was kept.
        keep: Span,
    },
    /// Gone: space is needed.
    SpaceNeeded,
}

impl Reason {
    /// What becomes of a backup for this reason.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Undo { .. } | Self::InUse(_) => Fate::Keep,
            Self::Expired { .. } | Self::SpaceNeeded => Fate::Remove,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undo { left } => write!(f, "can be had back for another {left}"),
            Self::InUse(used) => write!(f, "in use: {used}"),
            Self::Expired { keep } => write!(f, "was in the trash for {keep}"),
            Self::SpaceNeeded => f.write_str("space is needed"),
        }
    }
}

/// What becomes of one backup in the trash, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict<K> {
    /// What the caller knows it by.
    pub key: K,
    /// What becomes of it.
    pub fate: Fate,
    /// Why.
    pub reason: Reason,
}

/// Judges what is in the trash, the first removed first.
///
/// What is past its time goes. If that frees less than `needed_bytes`, others go before their time until it is
/// enough; what frees an unknown amount counts as freeing nothing.
pub fn plan<K>(trash: Vec<Trashed<K>>, now_ms: i64, needed_bytes: u64) -> Vec<Verdict<K>> {
    let mut oldest_first = trash;
    oldest_first.sort_by_key(|trashed| trashed.deleted_ms);
    let past_time = oldest_first
        .iter()
        .filter(|trashed| at_rest(trashed, now_ms).fate() == Fate::Remove)
        .fold(0_u64, |bytes, trashed| bytes.saturating_add(freed_bytes(trashed)));
    let mut missing_bytes = needed_bytes.saturating_sub(past_time);
    let judge = |trashed: Trashed<K>| {
        let reason = match at_rest(&trashed, now_ms) {
            Reason::Undo { .. } if missing_bytes > 0 => {
                missing_bytes = missing_bytes.saturating_sub(freed_bytes(&trashed));
                Reason::SpaceNeeded
            }
            reason => reason,
        };
        Verdict {
            key: trashed.key,
            fate: reason.fate(),
            reason,
        }
    };
    oldest_first.into_iter().map(judge).collect()
}

/// What becomes of it as long as there is space.
fn at_rest<K>(trashed: &Trashed<K>, now_ms: i64) -> Reason {
    let until_ms = trashed.keep.after(trashed.deleted_ms);
    match trashed.in_use {
        Some(used) => Reason::InUse(used),
        None if until_ms <= now_ms => Reason::Expired { keep: trashed.keep },
        None => Reason::Undo {
            left: Span::between(now_ms, until_ms),
        },
    }
}

fn freed_bytes<K>(trashed: &Trashed<K>) -> u64 {
    trashed.freed_bytes.unwrap_or(0)
}
