//! When the next backup of a client is due, whether a full or an incremental one, and why.
//!
//! Intervals count from the start of one backup to the start of the next, so that a daily backup stays at its
//! hour. After a failure the next try waits, twice as long each time. Files and images are decided apart.
//!
//! A full backup goes before an incremental one when both may begin. One that is due but held back, by its window or
//! by a battery, does not hold back the incremental one. The first backup is a full one; where full backups are
//! switched off it follows the rules of incremental ones.
//!
//! What lets many clients go at once – a window that opens, a connection, the end of a pause – is followed by the jitter: a
//! wait of the client's own. It is not added to the interval, which would carry a daily backup around the clock.
//!
//! A time in the future (a clock that was put back) counts as now, so see [`History::of`].

mod course;
mod decision;
mod hindrance;
mod history;
mod jitter;
mod kind;
mod outlook;
pub(crate) mod pace;
mod rules;

use jiff::tz::TimeZone;

use crate::Target;

pub use decision::{Decision, Due, Reason, next};
pub use hindrance::Hindrance;
pub use history::{Failures, History};
pub use kind::{Kind, Mode};
pub use outlook::{Outlook, outlook};
pub use rules::{Allowance, Interval, ModeRules, Rules};

/// One target of one client at one instant: all that is decided from.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// What is to be backed up.
    pub target: Target,
    /// What is wanted.
    pub rules: &'a Rules,
    /// What has happened.
    pub history: &'a History,
    /// How the client is doing.
    pub situation: &'a Situation,
    /// A number that stays with the client, such as its id: it settles where in the jitter the client lies.
    pub seed: u64,
    /// Where windows and time-dependent intervals are at home.
    pub zone: &'a TimeZone,
    /// The present.
    pub now_ms: i64,
}

/// How a client is doing at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Since when it is connected. A connection that was lost and came back at once is best taken for one.
    pub connected_since_ms: Option<i64>,
    /// What it runs on.
    pub power: Power,
    /// How it reaches the server.
    pub link: Link,
    /// Until when its scheduled backups are paused.
    pub paused_until_ms: Option<i64>,
}

/// What a client runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Power {
    /// The mains.
    Mains,
    /// Its battery.
    Battery,
    /// It does not say; it counts as mains.
    #[default]
    Unknown,
}

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Link {
    /// What it sends costs nothing.
    Free,
    /// What it sends is counted and paid for.
    Metered,
    /// It does not say; it counts as free.
    #[default]
    Unknown,
}
