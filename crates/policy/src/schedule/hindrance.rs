//! What holds a backup back.

use std::fmt;

use crate::Span;
use crate::window::Windows;

/// What holds a backup back. The text leaves the time out at which it ends; see [`Hindrance::ends_ms`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// The interval is off, at all times or at present.
    SwitchedOff,
    /// The client is not connected.
    NotConnected,
    /// The client runs on its battery.
    OnBattery,
    /// What the client sends is counted and paid for.
    Metered,
    /// Scheduled backups are paused.
    Paused {
        /// Until when.
        until_ms: i64,
    },
    /// No window is open.
    OutsideWindow {
        /// The windows.
        window: Windows,
        /// When the next one opens. `None` if none ever does while the backup is due.
        opens_ms: Option<i64>,
    },
    /// The last tries failed.
    Failed {
        /// How many.
        count: u32,
        /// How long the next one waits after the last.
        wait: Span,
        /// Until when that is.
        until_ms: i64,
    },
    /// The client has connected only now.
    StartDelay {
        /// How long it is left alone.
        wait: Span,
        /// Until when that is.
        until_ms: i64,
    },
    /// Other clients could begin at the same time.
    Jitter {
        /// When it is this client's turn.
        until_ms: i64,
    },
    /// A full backup goes before an incremental one.
    FullFirst,
}

impl Hindrance {
    /// When it ends, as far as that can be told.
    pub fn ends_ms(&self) -> Option<i64> {
        match self {
            Self::SwitchedOff | Self::NotConnected | Self::OnBattery | Self::Metered | Self::FullFirst => {
                None
            }
            Self::OutsideWindow { opens_ms, .. } => *opens_ms,
            Self::Paused { until_ms }
            | Self::Failed { until_ms, .. }
            | Self::StartDelay { until_ms, .. }
            | Self::Jitter { until_ms } => Some(*until_ms),
        }
    }
}

impl fmt::Display for Hindrance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SwitchedOff => f.write_str("switched off"),
            Self::NotConnected => f.write_str("the client is not connected"),
            Self::OnBattery => f.write_str("the client runs on battery"),
            Self::Metered => f.write_str("the client's link is metered"),
            Self::Paused { .. } => f.write_str("paused"),
            Self::OutsideWindow { window, .. } => write!(f, "outside of its window {window}"),
            Self::Failed { count: 1, wait, .. } => {
                write!(f, "the last try failed, the next one waits {wait}")
            }
            Self::Failed { count, wait, .. } => {
                write!(f, "the last {count} tries failed, the next one waits {wait}")
            }
            Self::StartDelay { wait, .. } => {
                write!(f, "the client is left alone for {wait} after it connects")
            }
            Self::Jitter { .. } => f.write_str("clients do not begin all at once"),
            Self::FullFirst => f.write_str("a full backup goes first"),
        }
    }
}
