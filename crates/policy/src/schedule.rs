//! When the next backup of a client is due, whether a full or an incremental one, and why.
//!
//! Intervals count from the start of one backup to the start of the next, so that a daily backup stays at its
//! hour. A time in the future (a clock that was put back) counts as now: it delays a backup by one interval at
//! most. After a failure the next try waits, twice as long each time.

use std::fmt;

use crate::Span;

/// What a backup trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing: all is read again.
    Full,
    /// What its base told about unchanged files.
    Incremental,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        })
    }
}

/// How often something happens by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Never.
    Off,
    /// Each time this has passed.
    Every(Span),
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Between any backup and the next incremental one.
    pub incremental: Interval,
    /// Between full backups.
    pub full: Interval,
    /// The wait after a first failure.
    pub retry_first: Span,
    /// The longest wait after a failure.
    pub retry_most: Span,
}

impl Default for Rules {
    /// Incremental every 5 hours, full every 30 days, a failure is retried after 5 minutes to 1 hour.
    fn default() -> Self {
        Self {
            incremental: Interval::Every(Span::hours(5)),
            full: Interval::Every(Span::days(30)),
            retry_first: Span::minutes(5),
            retry_most: Span::hours(1),
        }
    }
}

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
    /// When the last one ended.
    pub last_ms: i64,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Begin.
    Now(Mode),
    /// Begin then, if nothing changes until then.
    Later {
        /// What will be begun.
        mode: Mode,
        /// When.
        at_ms: i64,
    },
    /// Nothing is to be done.
    Never,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Both intervals are off.
    Off,
    /// There is no backup yet.
    FirstBackup,
    /// There is no full backup; those that are there were taken over from elsewhere.
    NoFullBackup,
    /// The interval has passed, or will have.
    Interval {
        /// The interval's length.
        every: Span,
        /// Since the last backup that it counts from.
        elapsed: Span,
    },
    /// It would be due, but the last tries failed.
    Failed {
        /// How many tries.
        count: u32,
        /// How long to wait after the last.
        wait: Span,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("scheduled backups are switched off"),
            Self::FirstBackup => f.write_str("there is no backup yet"),
            Self::NoFullBackup => f.write_str("there is no full backup yet"),
            Self::Interval { every, elapsed } => {
                write!(f, "one every {every}, the last began {elapsed} ago")
            }
            Self::Failed { count: 1, wait } => write!(f, "the last try failed, the next one waits {wait}"),
            Self::Failed { count, wait } => {
                write!(f, "the last {count} tries failed, the next one waits {wait}")
            }
        }
    }
}

/// What to do next, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do next.
    pub due: Due,
    /// Why.
    pub reason: Reason,
}

/// Decides when the next backup begins.
pub fn next(rules: &Rules, history: &History, now_ms: i64) -> Decision {
    let Some(wish) = wish(rules, history, now_ms) else {
        return Decision {
            due: Due::Never,
            reason: Reason::Off,
        };
    };
    let wish = match history.failures.filter(|failures| failures.count > 0) {
        Some(failures) => held_back(wish, rules, failures, now_ms),
        None => wish,
    };
    let due = match wish.at_ms <= now_ms {
        true => Due::Now(wish.mode),
        false => Due::Later {
            mode: wish.mode,
            at_ms: wish.at_ms,
        },
    };
    Decision {
        due,
        reason: wish.reason,
    }
}

#[derive(Clone, Copy)]
struct Wish {
    mode: Mode,
    at_ms: i64,
    reason: Reason,
}

/// The earlier of the full and the incremental backup; the full one, if both are due.
fn wish(rules: &Rules, history: &History, now_ms: i64) -> Option<Wish> {
    let last_full_ms = history.full_ms.map(|last_ms| last_ms.min(now_ms));
    let last_any_ms = last_full_ms.max(history.incremental_ms.map(|last_ms| last_ms.min(now_ms)));
    if rules.full == Interval::Off && rules.incremental == Interval::Off {
        return None;
    }
    let Some(last_any_ms) = last_any_ms else {
        return Some(Wish {
            mode: Mode::Full,
            at_ms: now_ms,
            reason: Reason::FirstBackup,
        });
    };
    let full = match (rules.full, last_full_ms) {
        (Interval::Off, _) => None,
        (Interval::Every(_), None) => Some(Wish {
            mode: Mode::Full,
            at_ms: now_ms,
            reason: Reason::NoFullBackup,
        }),
        (Interval::Every(every), Some(last_ms)) => Some(after(Mode::Full, every, last_ms, now_ms)),
    };
    let incremental = match rules.incremental {
        Interval::Off => None,
        Interval::Every(every) => Some(after(Mode::Incremental, every, last_any_ms, now_ms)),
    };
    match (full, incremental) {
        (Some(full), Some(incremental)) => Some(if full.at_ms <= incremental.at_ms.max(now_ms) {
            full
        } else {
            incremental
        }),
        (full, incremental) => full.or(incremental),
    }
}

fn after(mode: Mode, every: Span, last_ms: i64, now_ms: i64) -> Wish {
    let reason = Reason::Interval {
        every,
        elapsed: Span::between(last_ms, now_ms),
    };
    Wish {
        mode,
        at_ms: every.after(last_ms),
        reason,
    }
}

fn held_back(wish: Wish, rules: &Rules, failures: Failures, now_ms: i64) -> Wish {
    let doublings = failures.count.saturating_sub(1).min(63);
    let wait_ms = rules
        .retry_first
        .len_ms
        .saturating_mul(1 << doublings)
        .min(rules.retry_most.len_ms);
    let wait = Span { len_ms: wait_ms };
    let at_ms = wait.after(failures.last_ms.min(now_ms));
    if at_ms <= wish.at_ms.max(now_ms) {
        return wish;
    }
    Wish {
        at_ms,
        reason: Reason::Failed {
            count: failures.count,
            wait,
        },
        ..wish
    }
}
