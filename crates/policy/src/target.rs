//! What backups are of.

use std::fmt;

/// What is backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Files.
    Files,
    /// Volumes.
    Image,
}

impl Target {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Files, Self::Image];
}

/// The word for it before "backup".
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Files => "file",
            Self::Image => "image",
        })
    }
}
