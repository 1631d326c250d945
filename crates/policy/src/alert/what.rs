//! What can be wrong.

use std::fmt;
use std::str::FromStr;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Somebody should look into it.
    Warning,
    /// Something failed.
    Failure,
}

/// What can be wrong with a client or the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The last try to back up failed.
    BackupFailed,
    /// There has been no backup for too long.
    ClientLate,
    /// A client that is there for long has never been backed up.
    ClientNever,
    /// The last backup lacks what could not be read.
    BackupProblems,
    /// A verification found damage.
    VerificationFailed,
    /// There is little free space.
    SpaceLow,
    /// Space runs out, and nothing is left that may be given up.
    SpaceOut,
    /// Backups were given up for space.
    BackupsGivenUp,
    /// The cleanup failed.
    CleanupFailed,
    /// A storage that the server knows is not there.
    StorageMissing,
    /// There is no new copy of the catalog.
    CatalogNotCopied,
}

impl What {
    /// Everything that can be wrong.
    pub const ALL: [Self; 11] = [
        Self::BackupFailed,
        Self::ClientLate,
        Self::ClientNever,
        Self::BackupProblems,
        Self::VerificationFailed,
        Self::SpaceLow,
        Self::SpaceOut,
        Self::BackupsGivenUp,
        Self::CleanupFailed,
        Self::StorageMissing,
        Self::CatalogNotCopied,
    ];

    /// The word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::BackupFailed => "backup-failed",
            Self::ClientLate => "client-late",
            Self::ClientNever => "client-never",
            Self::BackupProblems => "backup-problems",
            Self::VerificationFailed => "verification-failed",
            Self::SpaceLow => "space-low",
            Self::SpaceOut => "space-out",
            Self::BackupsGivenUp => "backups-given-up",
            Self::CleanupFailed => "cleanup-failed",
            Self::StorageMissing => "storage-missing",
            Self::CatalogNotCopied => "catalog-not-copied",
        }
    }

    /// How bad it is.
    pub fn level(self) -> Level {
        match self {
            Self::BackupProblems | Self::ClientNever | Self::SpaceLow | Self::BackupsGivenUp => {
                Level::Warning
            }
            Self::BackupFailed
            | Self::ClientLate
            | Self::VerificationFailed
            | Self::SpaceOut
            | Self::CleanupFailed
            | Self::StorageMissing
            | Self::CatalogNotCopied => Level::Failure,
        }
    }

    /// Whether nothing is told when it is over, since it is something that happened and not a state.
    pub fn passes_quietly(self) -> bool {
        self == Self::BackupsGivenUp
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A word that stands for nothing that can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is none of the things that can be wrong")]
pub struct UnknownWhat;

impl FromStr for What {
    type Err = UnknownWhat;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|what| what.word() == word);
        known.ok_or(UnknownWhat)
    }
}
