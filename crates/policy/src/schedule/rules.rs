//! What is wanted of one target's backups.

use std::fmt;
use std::str::FromStr;

use super::Mode;
use crate::Target;
use crate::timed::Timed;
use crate::window::Windows;
use crate::{Error, Span};

/// How often something happens by itself: `5h`, or `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interval {
    /// Never.
    Off,
    /// Each time this has passed.
    Every(Span),
}

impl FromStr for Interval {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().eq_ignore_ascii_case("off") {
            return Ok(Self::Off);
        }
        match text.parse()? {
            Span { len_ms: 0 } => Err(Error::ZeroInterval),
            every => Ok(Self::Every(every)),
        }
    }
}

impl fmt::Display for Interval {
    /// Shows the span as it shows itself; the alternate form is exact.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Every(span) => span.fmt(f),
        }
    }
}

/// Whether something may be done where it costs more than usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allowance {
    /// It may.
    Allowed,
    /// It waits.
    Withheld,
}

/// What is wanted of one target's backups in one mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeRules {
    /// Between a full backup and the next; between any backup and the next incremental one.
    pub interval: Timed<Interval>,
    /// When it may begin.
    pub window: Windows,
    /// Whether it may begin while the client runs on its battery.
    pub on_battery: Allowance,
    /// Whether it may begin while what the client sends is counted and paid for.
    pub on_metered: Allowance,
}

impl ModeRules {
    /// At this interval, with nothing that holds it back.
    pub fn every(interval: Interval) -> Self {
        Self {
            interval: Timed::constant(interval),
            window: Windows::ALWAYS,
            on_battery: Allowance::Allowed,
            on_metered: Allowance::Allowed,
        }
    }

    /// Tells whether it never happens by itself.
    pub fn is_off(&self) -> bool {
        self.interval.values().all(|interval| *interval == Interval::Off)
    }
}

/// What is wanted of one target's backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// For full backups.
    pub full: ModeRules,
    /// For incremental backups.
    pub incremental: ModeRules,
    /// The wait after a first failure.
    pub retry_first: Span,
    /// The longest wait after a failure.
    pub retry_most: Span,
    /// The wait after the client has connected.
    pub start_delay: Span,
    /// What clients that could begin at once are spread over. It is never more than a tenth of the interval, nor more than half
    /// of an opened window, and a client's first backup has none.
    pub jitter: Span,
    /// A backup that is overdue by this does not wait for its window. A first backup is as overdue as can be.
    pub catch_up_after: Option<Span>,
}

impl Rules {
    /// What is good for most: files every 5 hours, volumes every 7 days, all again every 30 days, unless on battery or on a
    /// metered link. A failure is retried after 5 minutes to 1 hour, and clients are spread over 10 minutes.
    pub fn usual(target: Target) -> Self {
        let incremental = match target {
            Target::Files => Span::hours(5),
            Target::Image => Span::days(7),
        };
        Self {
            full: ModeRules {
                on_battery: Allowance::Withheld,
                on_metered: Allowance::Withheld,
                ..ModeRules::every(Interval::Every(Span::days(30)))
            },
            incremental: ModeRules::every(Interval::Every(incremental)),
            retry_first: Span::minutes(5),
            retry_most: Span::hours(1),
            start_delay: Span::minutes(0),
            jitter: Span::minutes(10),
            catch_up_after: None,
        }
    }

    /// The rules of one mode.
    pub fn of(&self, mode: Mode) -> &ModeRules {
        match mode {
            Mode::Full => &self.full,
            Mode::Incremental => &self.incremental,
        }
    }

    /// Tells whether no backup of the target happens by itself.
    pub fn are_off(&self) -> bool {
        self.full.is_off() && self.incremental.is_off()
    }
}
