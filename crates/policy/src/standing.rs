//! How a client stands, for the people who look after it.
//!
//! It is late when several backups in a row are missing: those that intervals and windows would have had begin since the last
//! one. So a client that is backed up on Saturdays only is not late on Friday, nor is one that has a pause at night.

use std::fmt;
use std::num::NonZeroU8;

use jiff::tz::TimeZone;

use crate::Span;
use crate::schedule::pace::{Pace, Since};
use crate::schedule::{History, Rules};

/// After how many missing backups in a row a client is late, if nothing else is said.
pub const USUALLY_LATE_AFTER: NonZeroU8 = NonZeroU8::new(3).expect("3 is not 0");

/// How a target of a client stands. What is worse is greater, so that the maximum is how the client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Scheduled backups are switched off.
    Off,
    /// Backups are made on time, or nearly so.
    Fine,
    /// There is no backup yet.
    Never,
    /// There has been no backup for too long.
    Late,
    /// The last try failed.
    Failing,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Off => "off",
            Self::Fine => "fine",
            Self::Never => "never",
            Self::Late => "late",
            Self::Failing => "failing",
        })
    }
}

/// How a target of a client stands, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assessment {
    /// How it stands.
    pub standing: Standing,
    /// Why.
    pub reason: Reason,
}

/// Why a target stands as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Scheduled backups are switched off.
    Off,
    /// There is no backup yet.
    NoBackup,
    /// The last backup began so long ago.
    LastBackup {
        /// How long.
        elapsed: Span,
    },
    /// So many backups that should have been made since the last one were not.
    Missing {
        /// How many: as many as make it late.
        count: NonZeroU8,
        /// How long ago the last one began.
        elapsed: Span,
    },
    /// The last tries failed.
    Failed {
        /// How many.
        count: u32,
        /// How long ago the last backup began, if there is one.
        elapsed: Option<Span>,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("scheduled backups are switched off"),
            Self::NoBackup => f.write_str("there is no backup yet"),
            Self::LastBackup { elapsed } => write!(f, "the last backup began {elapsed} ago"),
            Self::Missing {
                count: NonZeroU8::MIN,
                elapsed,
            } => write!(f, "a backup is missing, the last one began {elapsed} ago"),
            Self::Missing { count, elapsed } => {
                write!(
                    f,
                    "{count} backups in a row are missing, the last one began {elapsed} ago"
                )
            }
            Self::Failed { count, elapsed } => {
                match count {
                    1 => f.write_str("the last try failed, ")?,
                    _ => write!(f, "the last {count} tries failed, ")?,
                }
                match elapsed {
                    Some(elapsed) => write!(f, "the last backup began {elapsed} ago"),
                    None => f.write_str("there is no backup yet"),
                }
            }
        }
    }
}

/// Tells how a target of a client stands, which is late after so many missing backups. A time in the future counts as now.
pub fn standing(
    rules: &Rules,
    history: &History,
    late_after: NonZeroU8,
    zone: &TimeZone,
    now_ms: i64,
) -> Assessment {
    let assessed = |standing, reason| Assessment { standing, reason };
    if rules.are_off() {
        return assessed(Standing::Off, Reason::Off);
    }
    let last_ms = history.last_any_ms(now_ms);
    let elapsed = last_ms.map(|last_ms| Span::between(last_ms, now_ms));
    if let Some(failures) = history.failures.filter(|failures| failures.count > 0) {
        let count = failures.count;
        return assessed(Standing::Failing, Reason::Failed { count, elapsed });
    }
    let Some((last_ms, elapsed)) = last_ms.zip(elapsed) else {
        return assessed(Standing::Never, Reason::NoBackup);
    };
    let count = late_after;
    match late_ms(rules, last_ms, count, zone) {
        Some(late_ms) if late_ms < now_ms => assessed(Standing::Late, Reason::Missing { count, elapsed }),
        _ => assessed(Standing::Fine, Reason::LastBackup { elapsed }),
    }
}

/// When the last of so many backups should have begun, each at its time after the one before. `None` if that is never.
fn late_ms(rules: &Rules, last_ms: i64, count: NonZeroU8, zone: &TimeZone) -> Option<i64> {
    let rules = match rules.incremental.is_off() {
        true => &rules.full,
        false => &rules.incremental,
    };
    (0..count.get()).try_fold(last_ms, |began_ms, _| {
        let since = Since::Backup(began_ms);
        Pace { rules, since, zone }.on_time_ms()
    })
}
