//! What has happened to one target of a client.

use super::{Mode, Rules};
use crate::Span;

/// What has happened. The times are those at which committed backups began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// The last full backup.
    pub full_ms: Option<i64>,
    /// The last incremental backup.
    pub incremental_ms: Option<i64>,
    /// Failures since the last backup that was committed.
    pub failures: Option<Failures>,
}

/// Tries that came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How many there were in a row.
    pub count: u32,
    /// When the one that was noted last ended. If that is in the future, a clock was put back, and no try waits for it.
    pub last_ms: i64,
}

impl History {
    /// The history of committed backups, in the order in which they were committed, without failures.
    ///
    /// Backups from the future are left out: while they are the last, each decision would count their interval from its own
    /// present, and nothing would be due until that future has come. If there are no others, one more full backup is made. And
    /// what was committed after them counts, even when their time has come.
    pub fn of(began: impl IntoIterator<Item = (Mode, i64)>, now_ms: i64) -> Self {
        let mut history = Self::default();
        for (mode, began_ms) in began.into_iter().filter(|(_, began_ms)| *began_ms <= now_ms) {
            match mode {
                Mode::Full => history.full_ms = Some(began_ms),
                Mode::Incremental => history.incremental_ms = Some(began_ms),
            }
        }
        history
    }

    /// When the last backup of any mode began, as seen from `now_ms`.
    pub(crate) fn last_any_ms(&self, now_ms: i64) -> Option<i64> {
        self.last_full_ms(now_ms)
            .max(self.incremental_ms.map(|last_ms| last_ms.min(now_ms)))
    }

    /// When the last full backup began, as seen from `now_ms`.
    pub(crate) fn last_full_ms(&self, now_ms: i64) -> Option<i64> {
        self.full_ms.map(|last_ms| last_ms.min(now_ms))
    }

    /// The failures that the next try waits for, and how long it waits after the last.
    pub(crate) fn back_off(&self, rules: &Rules, now_ms: i64) -> Option<(Failures, Span)> {
        let failures = self
            .failures
            .filter(|failures| failures.count > 0 && failures.last_ms <= now_ms)?;
        let doublings = (failures.count - 1).min(63);
        let wait_ms = rules.retry_first.len_ms.saturating_mul(1 << doublings);
        let wait = Span { len_ms: wait_ms }.min(rules.retry_most);
        Some((failures, wait))
    }
}
