//! Putting the storage right: the storage says what is wrong and mends it, the catalog's counts follow.

use std::collections::BTreeMap;

use catalog::{Catalog, PoolLinks, StorageId};
use storage::{ClientName, Finding, Monitor, Remedy, Store};
use tracing::{info, warn};
use wire::v1::RepairStep;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::storages::OpenStorage;

/// Finds what is out of order in a storage and, where `apply` is set, mends it. Returns one step for each finding.
pub fn repair(core: &Core, storage: &OpenStorage, apply: bool) -> Result<Vec<RepairStep>> {
    let plan = storage.store.plan_repair(&Warnings)?;
    if !apply {
        return Ok(plan
            .steps
            .iter()
            .map(|(finding, remedy)| step(finding, *remedy))
            .collect());
    }
    let repaired = storage.store.apply_repair(&plan);
    info!(
        done = repaired.done.len(),
        failed = repaired.failed.len(),
        "the storage was repaired"
    );
    let mut steps = Vec::new();
    for (finding, remedy) in &plan.steps {
        let mut step = step(finding, *remedy);
        step.done = repaired.done.contains(finding);
        if let Some((_, error)) = repaired.failed.iter().find(|(failed, _)| failed == finding) {
            step.error = error.to_string();
        }
        steps.push(step);
    }
    for client in storage.store.clients()? {
        recount(&core.catalog, (storage.id, &storage.store), &client)?;
    }
    storage.housekeeping.refresh();
    Ok(steps)
}

struct Warnings;

impl Monitor for Warnings {
    fn problem(&self, error: &storage::Error) {
        warn!(%error, "part of the storage could not be looked at");
    }
}

fn step(finding: &Finding, remedy: Remedy) -> RepairStep {
    let action = match remedy {
        Remedy::RenameBack => "give it its name back",
        Remedy::Trash => "move it to the trash",
        Remedy::Relink => "make the link anew",
        Remedy::CorrectList => "correct the list",
        Remedy::RewriteList => "write the list anew",
        Remedy::Protect => "make it read-only",
        Remedy::None => "look at it yourself",
    };
    RepairStep {
        finding: finding.to_string(),
        action: action.into(),
        ..RepairStep::default()
    }
}

/// Counts a client's links into the pool of a storage anew, from what is there.
pub fn recount(catalog: &Catalog, (id, store): (StorageId, &Store), client: &ClientName) -> Result<()> {
    let mut links = BTreeMap::<String, u64>::new();
    for name in store.backups(client)? {
        for link in store.pool_links(client, &name)? {
            *links.entry(link.pool.as_str().to_owned()).or_default() += 1;
        }
    }
    let found: Vec<PoolLinks> = links
        .into_iter()
        .map(|(pool, links)| PoolLinks { pool, links })
        .collect();
    match catalog.replace_pool_links(id, client.as_str(), &found) {
        // A client that has backups and no record is taken in at the next start.
        Ok(()) | Err(catalog::Error::UnknownClient { .. }) => Ok(()),
        Err(error) => Err(Error::from(error)),
    }
}
