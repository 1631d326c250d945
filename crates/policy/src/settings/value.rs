//! The values of settings.

use std::fmt;
use std::str::FromStr;

use crate::Span;
use crate::archive::ArchiveRule;
use crate::quota::Quota;
use crate::schedule::Interval;
use crate::timed::Timed;
use crate::window::Windows;

/// The value of a setting. Shown, it is the text that it is read from.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// How often something happens.
    Interval(Timed<Interval>),
    /// A span of time; `None` for off.
    Span(Option<Span>),
    /// Weekly windows.
    Windows(Windows),
    /// How many; `None` for off.
    Count(Option<u32>),
    /// A whole number.
    Number(i32),
    /// A word.
    Word(&'static str),
    /// Words.
    Words(Vec<&'static str>),
    /// A share of the storage.
    Quota(Quota),
    /// A speed.
    Rate(Timed<Rate>),
    /// Rules for archiving.
    ArchiveRules(Vec<ArchiveRule>),
    /// What somebody has called something.
    Name(String),
}

impl Value {
    /// This list with the items of another added; a value that is no list is replaced.
    pub(super) fn extended(self, added: Self) -> Self {
        match (self, added) {
            (Self::Words(mut words), Self::Words(more)) => {
                for word in more {
                    if !words.contains(&word) {
                        words.push(word);
                    }
                }
                Self::Words(words)
            }
            (Self::ArchiveRules(mut rules), Self::ArchiveRules(more)) => {
                for rule in more {
                    if !rules.contains(&rule) {
                        rules.push(rule);
                    }
                }
                Self::ArchiveRules(rules)
            }
            (_, added) => added,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(interval) => write!(f, "{interval:#}"),
            Self::Span(Some(span)) => write!(f, "{span:#}"),
            Self::Count(Some(count)) => count.fmt(f),
            Self::Span(None) | Self::Count(None) => f.write_str("off"),
            Self::Windows(windows) => windows.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
            Self::Words(words) if words.is_empty() => f.write_str("none"),
            Self::Words(words) => f.write_str(&words.join(",")),
            Self::Name(name) => f.write_str(name),
            Self::Quota(quota) => quota.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::ArchiveRules(rules) if rules.is_empty() => f.write_str("none"),
            Self::ArchiveRules(rules) => {
                for (position, rule) in rules.iter().enumerate() {
                    let separator = if position == 0 { "" } else { "; " };
                    write!(f, "{separator}{rule}")?;
                }
                Ok(())
            }
        }
    }
}

/// A speed, or none that is too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bytes per second; `None` for no limit.
    pub bytes_per_s: Option<u64>,
}

/// A text is no speed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no speed")]
pub struct ParseRateError {
    text: String,
}

/// By name, the longest first: what comes after the number, and how many bytes per second it stands for.
const RATE_UNITS: [(&str, u64); 10] = [
    ("kbit", 1_000 / 8),
    ("mbit", 1_000_000 / 8),
    ("gbit", 1_000_000_000 / 8),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("b", 1),
];

impl FromStr for Rate {
    type Err = ParseRateError;

    /// Reads `10M` or `10MiB/s` (binary units, bytes), `80Mbit` or `80Mbit/s` (decimal units, bits), or `off`.
    fn from_str(text: &str) -> Result<Self, ParseRateError> {
        let wrong = || ParseRateError {
            text: text.to_owned(),
        };
        let lower = text.trim().to_lowercase();
        if lower == "off" {
            return Ok(Self { bytes_per_s: None });
        }
        let lower = lower.strip_suffix("/s").unwrap_or(&lower);
        let (number, unit_bytes) = RATE_UNITS
            .iter()
            .find_map(|(unit, bytes)| Some((lower.strip_suffix(unit)?.trim(), *bytes)))
            .ok_or_else(wrong)?;
        let number: u64 = number.parse().map_err(|_| wrong())?;
        match number.checked_mul(unit_bytes) {
            Some(bytes_per_s) if bytes_per_s > 0 => Ok(Self {
                bytes_per_s: Some(bytes_per_s),
            }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.bytes_per_s else {
            return f.write_str("off");
        };
        let (unit, unit_bytes) = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1_u64)]
            .into_iter()
            .find(|(_, unit_bytes)| bytes.is_multiple_of(*unit_bytes))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}/s", bytes / unit_bytes)
    }
}

/// Something that a client's own user may be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserRight {
    /// Start an incremental file backup.
    StartIncrementalFile,
    /// Start a full file backup.
    StartFullFile,
    /// Start an incremental image backup.
    StartIncrementalImage,
    /// Start a full image backup.
    StartFullImage,
    /// Have files given back.
    Restore,
    /// Have backups verified.
    Verify,
    /// Let the client's backups rest.
    Pause,
    /// Change settings that reach down to the user.
    Settings,
}

impl UserRight {
    /// The word for it in the setting `user_may`.
    pub fn word(self) -> &'static str {
        match self {
            Self::StartIncrementalFile => "start-incremental-file",
            Self::StartFullFile => "start-full-file",
            Self::StartIncrementalImage => "start-incremental-image",
            Self::StartFullImage => "start-full-image",
            Self::Restore => "restore",
            Self::Verify => "verify",
            Self::Pause => "pause",
            Self::Settings => "settings",
        }
    }
}
