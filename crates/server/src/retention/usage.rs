//! What clients take of the storages: now, and sampled once a day for the charts.

use std::collections::BTreeMap;

use catalog::{Backup, SpaceSample, StorageId, UsageSample};
use policy::forecast::Forecast;
use storage::{BackupName, ClientName};

use crate::core::Core;
use crate::error::Result;
use crate::storages::OpenStorage;

/// What was longer ago says little of what comes.
const LOOK_BACK_MS: i64 = 42 * 86_400_000;

/// What clients take of the storages.
#[derive(Debug, Default)]
pub struct Usage {
    /// By client and storage.
    pub samples: Vec<UsageSample>,
    /// What the backups of all clients together take of each storage, content alone.
    pub totals: Vec<(StorageId, u64)>,
}

/// What the clients, or the one, take of all storages that are open; without those of which it is not known yet.
pub fn measure(core: &Core, client: Option<&str>) -> Result<Usage> {
    let mut usage = Usage::default();
    for storage in core.storages.all() {
        measure_in(core, &storage, client, &mut usage)?;
    }
    Ok(usage)
}

/// Keeps what the clients take now, and how full the storages are.
pub fn take_sample(core: &Core) -> Result<()> {
    core.catalog.add_usage(&measure(core, None)?.samples)?;
    for storage in core.storages.all() {
        let space = storage.store.space()?;
        core.catalog.add_space(&SpaceSample {
            storage: storage.id,
            at_ms: core.clock.now_ms(),
            total_bytes: space.total_bytes,
            free_bytes: space.free_bytes,
        })?;
    }
    Ok(())
}

/// When a storage is full if it goes on as in the last weeks; `None` while nobody knows.
pub fn forecast(core: &Core, storage: &OpenStorage) -> Result<Option<Forecast>> {
    let now_ms = core.clock.now_ms();
    let samples = core
        .catalog
        .space(storage.id, now_ms.saturating_sub(LOOK_BACK_MS))?;
    let space = storage.store.space()?;
    let used = samples
        .iter()
        .map(|sample| (sample.at_ms, sample.total_bytes.saturating_sub(sample.free_bytes)))
        .chain([(now_ms, space.total_bytes.saturating_sub(space.free_bytes))]);
    Ok(policy::forecast::of(used, space.total_bytes))
}

/// What deleting all of these would free; `None` while that is not known.
pub fn freed_by(core: &Core, backups: &[Backup]) -> Result<Option<u64>> {
    let mut of_storages: BTreeMap<StorageId, Vec<(ClientName, BackupName)>> = BTreeMap::new();
    for backup in backups {
        let names = of_storages.entry(backup.storage).or_default();
        names.push((backup.client.parse()?, backup.name.parse()?));
    }
    let mut total: Option<u64> = Some(0);
    for (id, names) in of_storages {
        let freed = core.storages.get(id)?.store.freed_by(&names);
        total = total.zip(freed).map(|(total, freed)| total.saturating_add(freed));
    }
    Ok(total)
}

fn measure_in(core: &Core, storage: &OpenStorage, client: Option<&str>, usage: &mut Usage) -> Result<()> {
    let at_ms = core.clock.now_ms();
    let Some(used) = storage.store.used_by_each() else {
        return Ok(());
    };
    usage.totals.push((storage.id, used.all_bytes));
    for (client, size) in core.catalog.logical_sizes(storage.id, client)? {
        let used = used.clients.get(&client.parse()?).copied().unwrap_or_default();
        usage.samples.push(UsageSample {
            at_ms,
            client,
            storage: storage.id,
            backups: size.backups,
            bytes_logical: size.bytes,
            bytes_exclusive: used.exclusive_bytes,
            bytes_shared: used.shared_bytes,
        });
    }
    Ok(())
}
