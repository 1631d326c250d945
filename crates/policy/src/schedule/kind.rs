//! The four kinds of backup: of files or of volumes, full or incremental.

use std::fmt;

use crate::Target;

/// What a backup trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing: all is read again.
    Full,
    /// What its base told about what is unchanged.
    Incremental,
}

impl Mode {
    /// Both of them, in the order in which they go.
    pub const ALL: [Self; 2] = [Self::Full, Self::Incremental];
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        })
    }
}

/// Target and mode of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// What is backed up.
    pub target: Target,
    /// What it trusts.
    pub mode: Mode,
}

impl Kind {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::new(Target::Files, Mode::Full),
        Self::new(Target::Files, Mode::Incremental),
        Self::new(Target::Image, Mode::Full),
        Self::new(Target::Image, Mode::Incremental),
    ];

    /// The kind of a target's backup in a mode.
    pub const fn new(target: Target, mode: Mode) -> Self {
        Self { target, mode }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.mode, self.target) {
            (Mode::Full, Target::Files) => "full file backup",
            (Mode::Full, Target::Image) => "full image backup",
            (Mode::Incremental, Target::Files) => "incremental file backup",
            (Mode::Incremental, Target::Image) => "incremental image backup",
        })
    }
}
