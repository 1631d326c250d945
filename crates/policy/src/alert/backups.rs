//! How the backups of a client are found.

use super::{Finding, Found, What};
use crate::standing::Standing;

/// Whether a client that has no backup should have had one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The first one may still come.
    Awaited,
    /// It has been missing since long.
    Missing,
}

/// How the last backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastBackup {
    /// With all that there was to back up, or there is none.
    Whole,
    /// Without what could not be read.
    WithProblems,
}

/// What is known of one kind of backups of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backups {
    /// How the client stands with them.
    pub standing: Standing,
    /// Whether the first should have been made.
    pub first: First,
    /// How the last one ended.
    pub last: LastBackup,
    /// Whether they are paused.
    pub is_paused: bool,
}

/// Tells what is wrong with one kind of backups of a client: the worst of it.
pub fn of_backups(backups: &Backups) -> Found {
    let wrong = |what| Found::Wrong(Finding::of(what));
    if backups.is_paused && backups.standing != Standing::Off {
        return Found::Resting;
    }
    match (backups.standing, backups.first, backups.last) {
        (Standing::Off, ..) => Found::Unwatched,
        (Standing::Failing, ..) => wrong(What::BackupFailed),
        (Standing::Late, ..) => wrong(What::ClientLate),
        (Standing::Never, First::Missing, _) => wrong(What::ClientNever),
        (Standing::Never, First::Awaited, _) => Found::Well,
        (Standing::Fine, _, LastBackup::WithProblems) => wrong(What::BackupProblems),
        (Standing::Fine, _, LastBackup::Whole) => Found::Well,
    }
}
