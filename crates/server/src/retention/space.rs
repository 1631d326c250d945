//! What goes when space runs out, one backup at a time until there is enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use catalog::Backup;
use policy::quota::Quota;
use policy::retention::{Sacrifice, emergency};
use storage::Space;
use tracing::{error, warn};

use super::candidates::Estate;
use super::trash::delete_for_good;
use crate::audit::{self, Actor};
use crate::core::Core;
use crate::error::Result;
use crate::publishing;
use crate::storages::OpenStorage;

/// How long the file system may take to free what was deleted.
const FREEING_TIMEOUT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What space is wanted for.
pub struct Wanted<'a> {
    /// Where.
    pub storage: &'a Arc<OpenStorage>,
    /// Why, in words.
    pub why: &'a str,
    /// Whether it is still lacking.
    pub is_lacking: &'a dyn Fn(Space) -> bool,
    /// Whether nobody wants it any more.
    pub is_over: &'a dyn Fn() -> bool,
}

/// Gives up backups until there is as much free space in each storage as the settings ask for, on threads of their own.
pub fn look(core: &Arc<Core>) -> Result<()> {
    let mut looked = Ok(());
    for storage in core.storages.all() {
        // One that can't be looked at is no reason to leave another full.
        looked = looked.and(look_at(core, &storage));
    }
    looked
}

fn look_at(core: &Arc<Core>, storage: &Arc<OpenStorage>) -> Result<()> {
    let min_free = core.policies.server().min_free;
    let emergency = &storage.emergency;
    if !is_lacking(min_free, storage.store.space()?) {
        emergency.told.store(false, Ordering::Relaxed);
        return Ok(());
    }
    if emergency.runs.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    let (running, full) = (core.clone(), storage.clone());
    let work = move || {
        if let Err(error) = clear(&running, &full, min_free) {
            error!(error = error.chain(), "the emergency cleanup failed");
        }
        full.emergency.runs.store(false, Ordering::Release);
    };
    let spawned = std::thread::Builder::new().name("emergency".into()).spawn(work);
    spawned.map(drop).map_err(|source| {
        emergency.runs.store(false, Ordering::Release);
        crate::Error::Io {
            action: "start a thread for",
            path: "an emergency cleanup".into(),
            source,
        }
    })
}

/// Whether an emergency cleanup runs, and whether it has been said that nothing is left to give up.
#[derive(Default)]
pub struct Emergency {
    runs: AtomicBool,
    told: AtomicBool,
}

impl Emergency {
    /// Whether space is lacking and nothing is left to give up.
    pub fn is_exhausted(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }
}

fn is_lacking(min_free: Quota, space: Space) -> bool {
    min_free
        .limit_bytes(space.total_bytes)
        .is_some_and(|least_bytes| space.free_bytes < least_bytes)
}

fn clear(core: &Arc<Core>, storage: &Arc<OpenStorage>, min_free: Quota) -> Result<()> {
    let lacking = |space| is_lacking(min_free, space);
    let wanted = Wanted {
        storage,
        why: &format!("less than {min_free} of the storage {} is free", storage.name()),
        is_lacking: &lacking,
        is_over: &|| core.shutdown.is_cancelled(),
    };
    give_up_until(core, &wanted, |text| warn!("{text}"))?;
    if lacking(storage.store.space()?) && !storage.emergency.told.swap(true, Ordering::Relaxed) {
        error!(
            why = wanted.why,
            "space runs out, and all that is left is protected: no backup can be given up"
        );
    }
    Ok(())
}

/// Gives up published disks, then backups in the order that `policy` says, until space is no longer lacking. Returns how many backups
/// went.
pub fn give_up_until(core: &Arc<Core>, wanted: &Wanted<'_>, tell: impl Fn(&str)) -> Result<u64> {
    let mut gone = 0;
    let store = &wanted.storage.store;
    if !(wanted.is_lacking)(store.space()?) {
        return Ok(gone);
    }
    if let Err(error) = give_up_published(wanted, &tell) {
        tell(&format!("published disks can't be given up: {}", error.chain()));
    }
    if !(wanted.is_lacking)(store.space()?) {
        return Ok(gone);
    }
    let Estate { trash, series } = Estate::in_storage(core, wanted.storage.id)?;
    for sacrifice in emergency(trash, series, &core.clock.zone(), core.clock.now_ms()) {
        if (wanted.is_over)() {
            break;
        }
        if give_up(core, wanted, &sacrifice, &tell) {
            gone += 1;
            wait_until_freed(wanted);
        }
        if !(wanted.is_lacking)(store.space()?) {
            break;
        }
    }
    Ok(gone)
}

/// Gives up published disks, the oldest first: they can be made again, and a backup can't.
fn give_up_published(wanted: &Wanted<'_>, tell: &impl Fn(&str)) -> Result<()> {
    for placed in publishing::in_storage(wanted.storage)? {
        if (wanted.is_over)() || !(wanted.is_lacking)(wanted.storage.store.space()?) {
            break;
        }
        publishing::remove(&placed)?;
        tell(&format!(
            "the published disk {} is given up since {}",
            placed.1.file, wanted.why
        ));
        wait_until_freed(wanted);
    }
    Ok(())
}

fn give_up(
    core: &Arc<Core>,
    wanted: &Wanted<'_>,
    sacrifice: &Sacrifice<Backup>,
    tell: &impl Fn(&str),
) -> bool {
    let backup = &sacrifice.key;
    let named = format!("{}/{}", backup.client, backup.name);
    match delete_for_good(core, backup) {
        Ok(()) => {
            tell(&format!(
                "{named} is given up since {}: {}",
                wanted.why, sacrifice.why
            ));
            let detail = format!("{}: {}", wanted.why, sacrifice.why);
            audit::note(core, &Actor::server(), "backup-give-up", &named, &detail);
            true
        }
        Err(error) => {
            tell(&format!("{named} can't be given up: {}", error.chain()));
            false
        }
    }
}

/// Waits for the file system, which frees what was deleted in the background: giving up another backup meanwhile would be too
/// much.
fn wait_until_freed(wanted: &Wanted<'_>) {
    let begun = Instant::now();
    let is_enough = || {
        wanted
            .storage
            .store
            .space()
            .is_ok_and(|space| !(wanted.is_lacking)(space))
    };
    while begun.elapsed() < FREEING_TIMEOUT && !(wanted.is_over)() && !is_enough() {
        if wanted.storage.housekeeping.is_idle() {
            return;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
