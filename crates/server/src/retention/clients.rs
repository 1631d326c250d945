//! Clients that are removed: they go with all their backups once there has been time to take them back.

use std::sync::Arc;

use catalog::{Backup, BackupFilter, ClientState};
use tracing::info;

use super::trash::{check, delete_for_good};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::publishing;

/// Removes a client; the cleanup lets it go later. One of whose backups any is held or archived is refused.
pub fn remove_client(core: &Core, name: &str) -> Result<()> {
    core.catalog.client(name)?;
    for backup in backups_of(core, name)? {
        match check(core, &backup) {
            Err(Error::Protected { what, why }) if backup.held_for.is_some() || backup.archived.is_some() => {
                return Err(Error::Protected {
                    what: format!("client {name}"),
                    why: format!("{what} has to stay: {why}"),
                });
            }
            _ => {}
        }
    }
    Ok(core.catalog.remove_client(name, Some(core.clock.now_ms()))?)
}

/// The backups of clients whose time is over, and clients that have none left any more are forgotten. Returns the outcome of each
/// deletion.
pub fn let_go(core: &Arc<Core>) -> Result<Vec<(Backup, Result<()>)>> {
    let keep = core.policies.server().removed_keep;
    let now_ms = core.clock.now_ms();
    let mut outcomes = Vec::new();
    for overview in core.catalog.clients()? {
        let client = overview.client;
        let is_over = client
            .removed_ms
            .is_some_and(|removed_ms| keep.after(removed_ms) <= now_ms);
        if client.state != ClientState::Removed || !is_over {
            continue;
        }
        let mut backups = backups_of(core, &client.name)?;
        // What others stand on goes last.
        backups.sort_by_key(|backup| std::cmp::Reverse((backup.started_ms, backup.id.0)));
        for backup in backups {
            let outcome = delete_for_good(core, &backup);
            outcomes.push((backup, outcome));
        }
        publishing::remove_of_client(core, &client.name)?;
        if core.catalog.forget_client(&client.name)? {
            info!(client = client.name, "a client that was removed is gone for good");
        }
    }
    Ok(outcomes)
}

/// All that it has, but for what is being deleted already.
fn backups_of(core: &Core, name: &str) -> Result<Vec<Backup>> {
    let filter = BackupFilter {
        client: Some(name.to_owned()),
        ..BackupFilter::default()
    };
    let mut backups = core.catalog.backups(&filter)?;
    backups.retain(|backup| backup.state == catalog::BackupState::Committed || backup.trashed_ms.is_some());
    Ok(backups)
}
