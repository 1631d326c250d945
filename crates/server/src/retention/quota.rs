//! Keeping clients to their quotas: who takes more of a storage than the settings allow gives up its oldest backups, as far as
//! nothing protects them.
//!
//! What counts is what deleting all of a client's backups would free: what it has in common with others costs nobody more.

use std::sync::Arc;

use catalog::Backup;
use policy::quota::{Account, Deletion, Quota, Rest, Scope, Settlement, Usage, to_meet};
use storage::{BackupName, ClientName, Store};

use super::candidates::{Belongings, belongings_in, owners};
use super::trash::delete_for_good;
use crate::audit::{self, Actor};
use crate::core::Core;
use crate::error::Result;
use crate::storages::OpenStorage;

/// Deletes what clients have too much in a storage. Returns how many backups went; what can't be met is told.
pub fn keep_to(
    core: &Arc<Core>,
    storage: &OpenStorage,
    is_cancelled: &dyn Fn() -> bool,
    tell: impl Fn(&str),
) -> Result<u64> {
    let capacity_bytes = storage.store.space()?.total_bytes;
    let mut gone = 0;
    for client in owners(core, None)? {
        let quota = core.policies.of(&client).quota;
        if quota == Quota::Off || is_cancelled() {
            continue;
        }
        let of_client = belongings_in(core, &client, storage.id)?;
        if of_client.is_empty() {
            continue;
        }
        let name: ClientName = client.parse()?;
        let Some(used) = storage.store.used_by(&name) else {
            tell(&format!(
                "what {client} takes of the storage is not known yet: its quota of {quota} is left for the next cleanup"
            ));
            continue;
        };
        let usage = Usage {
            used_bytes: used.exclusive_bytes,
            capacity_bytes,
        };
        let settled = settle(&storage.store, client, of_client, usage);
        for deletion in needed(&storage.store, &settled.deletions, quota.excess_bytes(usage)) {
            gone += u64::from(give_up(core, deletion, &tell));
        }
        for unmet in &settled.unmet {
            if let (Scope::Client(client), Rest::Shortfall { .. }) = (&unmet.over.scope, unmet.rest) {
                tell(&format!("{client} has {unmet}"));
            }
        }
    }
    Ok(gone)
}

/// What a client would have to give up if nothing of what it deletes was shared among its backups: more than enough.
fn settle(store: &Store, client: String, of_client: Belongings, usage: Usage) -> Settlement<String, Backup> {
    let freed = |backup: &Backup| {
        let (client, name) = (backup.client.parse().ok()?, backup.name.parse().ok()?);
        store.sizes(&client, &name).map(|sizes| sizes.exclusive_bytes)
    };
    let Belongings {
        rules,
        mut series,
        mut trash,
    } = of_client;
    for candidate in series.iter_mut().flat_map(|series| &mut series.backups) {
        candidate.freed_bytes = freed(&candidate.key);
    }
    for trashed in &mut trash {
        trashed.freed_bytes = freed(&trashed.key);
    }
    let account = Account {
        client,
        quota: rules.quota,
        used_bytes: usage.used_bytes,
        trash,
        series,
    };
    to_meet(Quota::Off, usage, vec![account], &jiff::tz::TimeZone::UTC, 0)
}

/// So many of these, in their order, that the storage has as much less: several that share what nobody else has free more
/// together than each by itself.
fn needed<'a>(
    store: &Store,
    deletions: &'a [Deletion<String, Backup>],
    excess_bytes: u64,
) -> &'a [Deletion<String, Backup>] {
    let names: Option<Vec<(ClientName, BackupName)>> = deletions
        .iter()
        .map(|deletion| Some((deletion.client.parse().ok()?, deletion.key.name.parse().ok()?)))
        .collect();
    let Some(names) = names else {
        return &[];
    };
    let counts: Vec<usize> = (0..=deletions.len()).collect();
    let count = counts.partition_point(|count| {
        let freed_bytes = store.freed_by(&names[..*count]);
        freed_bytes.is_some_and(|freed_bytes| freed_bytes < excess_bytes)
    });
    &deletions[..count.min(deletions.len())]
}

fn give_up(core: &Arc<Core>, deletion: &Deletion<String, Backup>, tell: &impl Fn(&str)) -> bool {
    let backup = &deletion.key;
    let named = format!("{}/{}", backup.client, backup.name);
    match delete_for_good(core, backup) {
        Ok(()) => {
            tell(&format!("{named} is given up: {deletion}"));
            audit::note(
                core,
                &Actor::server(),
                "backup-give-up",
                &named,
                &deletion.to_string(),
            );
            true
        }
        Err(error) => {
            tell(&format!("{named} can't be given up: {}", error.chain()));
            false
        }
    }
}
