//! Committed backups that are to be judged, and what protects them.

use std::fmt;
use std::sync::Arc;

use crate::archive::Until;
use crate::schedule::Mode;

/// A committed backup that is to be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<K> {
    /// What the caller knows it by.
    pub key: K,
    /// When it began.
    pub started_ms: i64,
    /// Full or incremental.
    pub mode: Mode,
    /// What keeps it from being removed.
    pub protection: Protection,
    /// What is known of its soundness.
    pub verification: Verification,
    /// What its removal alone would free, where that is known.
    pub freed_bytes: Option<u64>,
}

impl<K> Candidate<K> {
    /// A backup that nothing protects and of which nothing more is known.
    pub fn new(key: K, started_ms: i64, mode: Mode) -> Self {
        Self {
            key,
            started_ms,
            mode,
            protection: Protection::default(),
            verification: Verification::Never,
            freed_bytes: None,
        }
    }

    /// The same backup, known by something else.
    pub(crate) fn map_key<L>(self, key: impl FnOnce(K) -> L) -> Candidate<L> {
        Candidate {
            key: key(self.key),
            started_ms: self.started_ms,
            mode: self.mode,
            protection: self.protection,
            verification: self.verification,
            freed_bytes: self.freed_bytes,
        }
    }
}

/// What keeps a backup from being removed, whatever the rules choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Protection {
    /// A person holds it, for the reason given.
    pub hold: Option<Arc<str>>,
    /// It is archived.
    pub archived: Option<Until>,
    /// It is in use at this moment.
    pub in_use: Option<Use>,
}

impl Protection {
    /// Tells whether the backup is out of the ordinary coming and going: held or archived.
    pub(super) fn sets_aside(&self, now_ms: i64) -> bool {
        self.hold.is_some() || self.archived.is_some_and(|until| until.covers(now_ms))
    }
}

/// What a backup is in use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Use {
    /// A backup that is running grows from it.
    Base,
    /// It is being restored.
    Restore,
    /// Its volumes or files are being served.
    Serve,
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Base => "a running backup grows from it",
            Self::Restore => "it is being restored",
            Self::Serve => "it is being served",
        })
    }
}

/// What the last verification of a backup said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verification {
    /// There was none.
    #[default]
    Never,
    /// All that the backup should hold was there.
    Passed,
    /// Something was missing or wrong.
    Failed,
}
