//! Archives a new backup where a rule says so.

use catalog::{Archived, ArchivedUntil, Backup};
use policy::archive::{self, Until};
use tracing::{info, warn};

use super::candidates::{mode_of, target_of};
use crate::core::Core;
use crate::error::Result;

/// Archives a backup that has just been committed, if one of its client's rules is due. What fails costs the archive, not the
/// backup.
pub fn archive(core: &Core, backup: &Backup) {
    if let Err(error) = try_archive(core, backup) {
        let (client, name) = (&backup.client, &backup.name);
        warn!(
            client,
            name,
            error = error.chain(),
            "a backup could not be archived"
        );
    }
}

fn try_archive(core: &Core, backup: &Backup) -> Result<()> {
    let rules = core.policies.of(&backup.client);
    let judged = archive::Backup {
        target: target_of(backup.kind),
        mode: mode_of(backup.mode),
        started_ms: backup.started_ms,
    };
    let mut until: Option<Until> = None;
    let mut by = Vec::new();
    for rule in &rules.archive {
        let text = rule.to_string();
        let last_ms = core.catalog.last_archived_ms(&backup.client, &text)?;
        let decision = archive::due(rule, last_ms, &judged);
        if decision.until.is_some() {
            until = until.max(decision.until);
            by.push(text);
        }
    }
    let Some(until) = until else { return Ok(()) };
    let archived = Archived {
        until: match until {
            Until::Time { at_ms } => ArchivedUntil::Time { at_ms },
            Until::Forever => ArchivedUntil::Forever,
        },
        by: by.join("; "),
    };
    core.catalog.set_archived(backup.id, Some(&archived))?;
    info!(client = backup.client, name = backup.name, by = archived.by, %until, "a backup was archived");
    Ok(())
}
