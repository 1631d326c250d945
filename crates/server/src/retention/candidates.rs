//! Backups as `policy` judges them.

use std::collections::BTreeMap;
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

/// What all clients have, or one, by name.
pub fn belongings(core: &Core, client: Option<&str>) -> Result<BTreeMap<String, Belongings>> {
    gather(
        core,
        &BackupFilter {
            client: client.map(str::to_owned),
            ..BackupFilter::default()
        },
    )
}

/// What all clients have in a storage, by name.
pub fn belongings_in(core: &Core, storage: StorageId) -> Result<BTreeMap<String, Belongings>> {
    gather(
        core,
        &BackupFilter {
            storage: Some(storage),
            ..BackupFilter::default()
        },
    )
}

fn gather(core: &Core, filter: &BackupFilter) -> Result<BTreeMap<String, Belongings>> {
    let mut found: BTreeMap<String, Belongings> = BTreeMap::new();
    for backup in core.catalog.backups(filter)? {
        let of_client = found.entry(backup.client.clone()).or_insert_with(|| {
            let rules = core.policies.of(&backup.client);
            Belongings {
                series: Target::ALL.map(|target| empty(target, &rules)).into(),
                trash: Vec::new(),
                rules,
            }
        });
        match (backup.state, backup.trashed_ms) {
            (BackupState::Committed, _) => {
                let target = target_of(backup.kind);
                let series = of_client.series.iter_mut().find(|series| series.target == target);
                series
                    .into_iter()
                    .for_each(|series| series.backups.push(candidate(backup.clone())));
            }
            (BackupState::Deleting, Some(deleted_ms)) => {
                let trashed = trashed(backup, deleted_ms, &of_client.rules);
                of_client.trash.push(trashed);
            }
            (BackupState::Deleting, None) => {}
        }
    }
    Ok(found)
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
    /// What all clients have together.
    pub fn of_all(core: &Core) -> Result<Self> {
        belongings(core, None).map(Self::from)
    }

    /// What all clients have together in a storage.
    pub fn in_storage(core: &Core, storage: StorageId) -> Result<Self> {
        belongings_in(core, storage).map(Self::from)
    }
}

impl From<BTreeMap<String, Belongings>> for Estate {
    fn from(of_clients: BTreeMap<String, Belongings>) -> Self {
        let mut estate = Self::default();
        for of_client in of_clients.into_values() {
            estate.trash.extend(of_client.trash);
            estate.series.extend(of_client.series);
        }
        estate
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
