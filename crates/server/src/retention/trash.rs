//! Deleting backups, into the trash where they may stay for a while, and back.

use std::sync::Arc;

use catalog::{ArchivedUntil, Backup, BackupFilter, BackupKind, BackupState};
use policy::Span;
use tracing::{info, warn};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::removal;

/// Deletes a committed backup: into the trash, if its client's settings have one. Returns until when it can be had back.
///
/// One that is held or archived is refused.
pub fn delete(core: &Arc<Core>, backup: &Backup) -> Result<Option<i64>> {
    match core.policies.of(&backup.client).trash_keep {
        Some(Span { len_ms: 0 }) | None => delete_for_good(core, backup).map(|()| None),
        Some(keep) => {
            check(core, backup)?;
            let now_ms = core.clock.now_ms();
            core.catalog.trash(backup, now_ms)?;
            repoint(core, backup);
            info!(
                client = backup.client,
                name = backup.name,
                "a backup was put into the trash"
            );
            Ok(Some(keep.after(now_ms)))
        }
    }
}

/// Deletes a backup that is committed or in the trash, past recovery.
pub fn delete_for_good(core: &Arc<Core>, backup: &Backup) -> Result<()> {
    check(core, backup)?;
    removal::delete(core, backup)
}

/// Takes a backup out of the trash.
pub fn restore(core: &Core, backup: &Backup) -> Result<()> {
    core.catalog.restore_from_trash(backup)?;
    repoint(core, backup);
    info!(
        client = backup.client,
        name = backup.name,
        "a backup was taken out of the trash"
    );
    Ok(())
}

/// What is in the trash, and until when each can be had back, as long as there is space.
pub fn trash(core: &Core, client: Option<&str>) -> Result<Vec<(Backup, i64)>> {
    let filter = BackupFilter {
        client: client.map(str::to_owned),
        state: Some(BackupState::Deleting),
        ..BackupFilter::default()
    };
    let backups = core.catalog.backups(&filter)?.into_iter();
    let until = |backup: Backup| {
        let deleted_ms = backup.trashed_ms?;
        let keep = core.policies.of(&backup.client).trash_keep;
        let until_ms = keep.map_or(deleted_ms, |keep| keep.after(deleted_ms));
        Some((backup, until_ms))
    };
    Ok(backups.filter_map(until).collect())
}

/// Refuses what must stay. What the catalog says now counts: between a plan and the last of its deletions somebody may have
/// held a backup, or taken it out of the trash.
pub fn check(core: &Core, planned: &Backup) -> Result<()> {
    let refused = |why: String| {
        let what = format!("backup {}/{}", planned.client, planned.name);
        Err(Error::Protected { what, why })
    };
    let backup = &core.catalog.backup(&planned.client, &planned.name)?;
    if (backup.id, backup.state, backup.trashed_ms) != (planned.id, planned.state, planned.trashed_ms) {
        return refused("it was deleted, or taken out of the trash, meanwhile".into());
    }
    if let Some(reason) = &backup.held_for {
        return refused(format!("it is held: {reason}"));
    }
    let now_ms = core.clock.now_ms();
    match backup.archived.as_ref().map(|archived| archived.until) {
        Some(ArchivedUntil::Forever) => refused("it is archived for ever".into()),
        Some(ArchivedUntil::Time { at_ms }) if at_ms > now_ms => {
            let until = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::MAX);
            refused(format!("it is archived until {until}"))
        }
        _ => removal::check_base(core, backup),
    }
}

/// Lets `current` point to the newest file backup that is not in the trash, if there is one.
fn repoint(core: &Core, changed: &Backup) {
    if changed.kind != BackupKind::File {
        return;
    }
    let attempt = || -> Result<()> {
        let newest = core.catalog.newest_backup(&BackupFilter {
            kind: Some(BackupKind::File),
            storage: Some(changed.storage),
            ..BackupFilter::committed_of(&changed.client)
        })?;
        if let Some(newest) = newest {
            let storage = core.storages.of(&newest)?;
            storage
                .store
                .point_current(&newest.client.parse()?, &newest.name.parse()?)?;
        }
        Ok(())
    };
    if let Err(error) = attempt() {
        warn!(
            client = changed.client,
            error = error.chain(),
            "the link to the newest backup could not be set"
        );
    }
}
