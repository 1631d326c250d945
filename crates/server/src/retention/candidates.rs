//! Backups as `policy` judges them.

use std::sync::Arc;

use catalog::{
    ArchivedUntil, Backup, BackupFilter, BackupKind, BackupMode, BackupState, StorageId, Verified,
};
use policy::Target;
use policy::archive::Until;
use policy::retention::trash::Trashed;
use policy::retention::{Candidate, Protection, Series, Verification};
use policy::schedule::Mode;
use policy::settings::ClientRules;

use crate::core::Core;
use crate::error::Result;

/// All that one client has.
pub struct Belongings {
    /// What holds for it.
    pub rules: Arc<ClientRules>,
    /// Its backups by target, without those in the trash.
    pub series: Vec<Series<Backup>>,
    /// What it has in the trash.
    pub trash: Vec<Trashed<Backup>>,
}

impl Belongings {
    /// Whether that is nothing.
    pub fn is_empty(&self) -> bool {
        self.trash.is_empty() && self.series.iter().all(|series| series.backups.is_empty())
    }
}

/// The clients that have backups, or of these the one.
pub fn owners(core: &Core, client: Option<&str>) -> Result<Vec<String>> {
    match client {
        Some(client) => Ok(vec![client.to_owned()]),
        None => Ok(core.catalog.clients_with_backups()?),
    }
}

/// What a client has.
pub fn belongings(core: &Core, client: &str) -> Result<Belongings> {
    gather(core, client, None)
}

/// What a client has in a storage.
pub fn belongings_in(core: &Core, client: &str, storage: StorageId) -> Result<Belongings> {
    gather(core, client, Some(storage))
}

fn gather(core: &Core, client: &str, storage: Option<StorageId>) -> Result<Belongings> {
    let rules = core.policies.of(client);
    let mut series = Target::ALL.map(|target| empty(target, &rules));
    let mut trash = Vec::new();
    let filter = BackupFilter {
        client: Some(client.to_owned()),
        storage,
        ..BackupFilter::default()
    };
    for backup in core.catalog.backups(&filter)? {
        match (backup.state, backup.trashed_ms) {
            (BackupState::Committed, _) => {
                let target = target_of(backup.kind);
                if let Some(series) = series.iter_mut().find(|series| series.target == target) {
                    series.backups.push(candidate(backup));
                }
            }
            (BackupState::Deleting, Some(deleted_ms)) => trash.push(trashed(backup, deleted_ms, &rules)),
            (BackupState::Deleting, None) => {}
        }
    }
    Ok(Belongings {
        rules,
        series: series.into(),
        trash,
    })
}

/// What all clients have together.
#[derive(Default)]
pub struct Estate {
    /// What is in the trash.
    pub trash: Vec<Trashed<Backup>>,
    /// All other backups.
    pub series: Vec<Series<Backup>>,
}

impl Estate {
    /// What all clients have together in a storage.
    pub fn in_storage(core: &Core, storage: StorageId) -> Result<Self> {
        let mut estate = Self::default();
        for client in owners(core, None)? {
            let of_client = belongings_in(core, &client, storage)?;
            estate.trash.extend(of_client.trash);
            estate.series.extend(of_client.series);
        }
        Ok(estate)
    }
}

fn empty(target: Target, rules: &ClientRules) -> Series<Backup> {
    Series {
        target,
        rules: *rules.retention(target),
        backups: Vec::new(),
    }
}

/// A backup in the trash. Without a time to keep it, what is there from before goes at once.
fn trashed(backup: Backup, deleted_ms: i64, rules: &ClientRules) -> Trashed<Backup> {
    Trashed {
        target: target_of(backup.kind),
        deleted_ms,
        keep: rules.trash_keep.unwrap_or(policy::Span::minutes(0)),
        in_use: None,
        freed_bytes: None,
        key: backup,
    }
}

/// A backup that is to be judged.
pub fn candidate(backup: Backup) -> Candidate<Backup> {
    let archived = backup.archived.as_ref().map(|archived| match archived.until {
        ArchivedUntil::Time { at_ms } => Until::Time { at_ms },
        ArchivedUntil::Forever => Until::Forever,
    });
    Candidate {
        started_ms: backup.started_ms,
        mode: mode_of(backup.mode),
        protection: Protection {
            hold: backup.held_for.as_deref().map(Arc::from),
            archived,
            in_use: None,
        },
        verification: match backup.verification.map(|verification| verification.found) {
            None => Verification::Never,
            Some(Verified::Passed) => Verification::Passed,
            Some(Verified::Failed) => Verification::Failed,
        },
        freed_bytes: None,
        key: backup,
    }
}

/// What a backup is of, in `policy`'s words.
pub fn target_of(kind: BackupKind) -> Target {
    match kind {
        BackupKind::File => Target::Files,
        BackupKind::Image => Target::Image,
    }
}

/// What a backup trusted, in `policy`'s words.
pub fn mode_of(mode: BackupMode) -> Mode {
    match mode {
        BackupMode::Full => Mode::Full,
        BackupMode::Incremental => Mode::Incremental,
    }
}
