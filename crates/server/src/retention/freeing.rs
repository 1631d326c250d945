//! What would go if more space were wanted: the order of an emergency, without one.

use catalog::Backup;
use policy::retention::{Sacrifice, emergency};

use super::candidates::Estate;
use super::usage::freed_by;
use crate::core::Core;
use crate::error::Result;
use crate::storages::OpenStorage;

/// What would go, in that order.
#[derive(Debug)]
pub struct Freeing {
    /// The fewest backups from the order's beginning that are enough; all that may go where they are not.
    pub sacrifices: Vec<Sacrifice<Backup>>,
    /// What they would free together; `None` while that is not known.
    pub freed_bytes: Option<u64>,
    /// Whether it is enough.
    pub is_enough: bool,
}

/// Plans to free so much of a storage.
pub fn plan_freeing(core: &Core, storage: &OpenStorage, bytes: u64) -> Result<Freeing> {
    let Estate { trash, series } = Estate::in_storage(core, storage.id)?;
    let order = emergency(trash, series, &core.clock.zone(), core.clock.now_ms());
    let mut sacrifices: Vec<_> = order.collect();
    let backups: Vec<Backup> = sacrifices.iter().map(|sacrifice| sacrifice.key.clone()).collect();
    let freed_by_first = |count: usize| freed_by(core, &backups[..count]);
    let all = freed_by_first(backups.len())?;
    let Some(all_bytes) = all.filter(|all_bytes| *all_bytes >= bytes) else {
        return Ok(Freeing {
            sacrifices,
            freed_bytes: all,
            is_enough: false,
        });
    };
    // What the first of them free grows with their number.
    let (mut too_few, mut enough, mut freed_bytes) = (None, backups.len(), all_bytes);
    while enough > too_few.map_or(0, |few: usize| few + 1) {
        let middle = too_few.map_or(0, |few: usize| few + 1).midpoint(enough);
        match freed_by_first(middle)? {
            Some(freed) if freed >= bytes => (enough, freed_bytes) = (middle, freed),
            _ => too_few = Some(middle),
        }
    }
    sacrifices.truncate(enough);
    Ok(Freeing {
        sacrifices,
        freed_bytes: Some(freed_bytes),
        is_enough: true,
    })
}
