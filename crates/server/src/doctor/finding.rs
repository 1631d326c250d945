//! What was found, and how bad it is.

use std::fmt;

/// How bad a finding is; what is worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// All is well.
    Ok,
    /// It could be better.
    Advice,
    /// It will be trouble one day.
    Warning,
    /// It is trouble.
    Error,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What was looked at, how it is, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The word for what was looked at; it stays the same from version to version.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found, as a sentence without capital and full stop.
    pub what: String,
    /// What to do about it, unless all is well.
    pub advice: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, what: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            what: what.into(),
            advice: None,
        }
    }

    /// Something can be done about it.
    pub fn of(level: Level, check: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            check,
            level,
            what: what.into(),
            advice: Some(advice.into()),
        }
    }
}
