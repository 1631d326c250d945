//! Judges the backups of one client and target as they are at one instant.

use std::cmp::Reverse;

use jiff::tz::TimeZone;

use super::calendar::{Calendar, LocalTime};
use super::candidate::{Candidate, Verification};
use super::rules::{Rules, Tally};
use super::verdict::{Fate, Reason, Verdict};
use crate::Span;

/// Judges backups of one client and target. The verdicts come newest first; of two that began at once, the one
/// that came later in `backups` counts as newer.
pub fn plan<K>(backups: Vec<Candidate<K>>, rules: &Rules, zone: &TimeZone, now_ms: i64) -> Vec<Verdict<K>> {
    judged(backups, rules, zone, now_ms)
        .map(|(candidate, reason)| Verdict {
            key: candidate.key,
            started_ms: candidate.started_ms,
            fate: reason.fate(),
            reason,
        })
        .collect()
}

/// The backups with what the rules say of them, newest first.
pub(super) fn judged<K>(
    backups: Vec<Candidate<K>>,
    rules: &Rules,
    zone: &TimeZone,
    now_ms: i64,
) -> impl DoubleEndedIterator<Item = (Candidate<K>, Reason)> + ExactSizeIterator + use<K> {
    let dated = newest_first(backups, zone);
    let reasons = judge(&dated.iter().collect::<Vec<_>>(), rules, now_ms);
    let candidates = dated.into_iter().map(|dated| dated.candidate);
    candidates.zip(reasons)
}

/// A backup with what the calendar said when it began.
pub(super) struct Dated<K> {
    pub(super) candidate: Candidate<K>,
    started: LocalTime,
}

/// Puts backups in the order in which they are judged.
pub(super) fn newest_first<K>(backups: Vec<Candidate<K>>, zone: &TimeZone) -> Vec<Dated<K>> {
    let mut dated: Vec<_> = backups
        .into_iter()
        .rev()
        .map(|candidate| Dated {
            started: LocalTime::at(candidate.started_ms, zone),
            candidate,
        })
        .collect();
    // Stable: what came later stays ahead.
    dated.sort_by_key(|dated| Reverse(dated.candidate.started_ms));
    dated
}

/// Applies the rules to backups, newest first, and gives a reason for each of them.
pub(super) fn judge<K>(newest_first: &[&Dated<K>], rules: &Rules, now_ms: i64) -> Vec<Reason> {
    let newest_verified = newest_first
        .iter()
        .position(|dated| dated.candidate.verification == Verification::Passed);
    let mut calendar = Calendar::new(rules);
    let mut newer = Tally::default();
    let mut reasons = Vec::with_capacity(newest_first.len());
    for (rank, dated) in newest_first.iter().enumerate() {
        let candidate = &dated.candidate;
        let of_calendar = calendar.count(&dated.started);
        let set_aside = candidate.protection.sets_aside(now_ms);
        let reason = if rank == 0 {
            Reason::Newest
        } else if let Some(reason) = protecting(candidate, now_ms) {
            reason
        } else if newest_verified == Some(rank) {
            Reason::NewestVerified
        } else if let Some(reason) = rules.least(&newer, candidate.mode) {
            reason
        } else {
            chosen(candidate, of_calendar, rules, now_ms)
        };
        if !set_aside {
            newer.add(candidate.mode);
        }
        reasons.push(reason);
    }
    limit(&mut reasons, newest_first, rules, now_ms);
    reasons
}

/// What protects a backup whatever the others are.
fn protecting<K>(candidate: &Candidate<K>, now_ms: i64) -> Option<Reason> {
    let protection = &candidate.protection;
    let held = protection
        .hold
        .as_ref()
        .map(|why| Reason::Held { why: why.clone() });
    let archived = protection.archived.filter(|until| until.covers(now_ms));
    held.or(archived.map(Reason::Archived))
        .or(protection.in_use.map(Reason::InUse))
}

/// What the rules that choose say.
fn chosen<K>(candidate: &Candidate<K>, of_calendar: Option<Reason>, rules: &Rules, now_ms: i64) -> Reason {
    let age = Span::between(candidate.started_ms, now_ms);
    if let Some(within) = rules.within.filter(|within| age < *within) {
        return Reason::Within(within);
    }
    let otherwise = if rules.chooses() {
        Reason::NotWanted
    } else {
        Reason::NoRule
    };
    of_calendar.unwrap_or(otherwise)
}

/// Removes the oldest of what is kept and not protected, down to the maximums.
fn limit<K>(reasons: &mut [Reason], newest_first: &[&Dated<K>], rules: &Rules, now_ms: i64) {
    let mut kept = Tally::default();
    // What is protected takes its places first, wherever it stands.
    for (reason, dated) in reasons.iter().zip(newest_first) {
        if reason.protects() && !dated.candidate.protection.sets_aside(now_ms) {
            kept.add(dated.candidate.mode);
        }
    }
    for (reason, dated) in reasons.iter_mut().zip(newest_first) {
        if reason.protects() || reason.fate() == Fate::Remove {
            continue;
        }
        match rules.most(&kept, dated.candidate.mode) {
            Some(beyond) => *reason = beyond,
            None => kept.add(dated.candidate.mode),
        }
    }
}
