//! Moving clients' backups to another storage, while backups go on.
//!
//! ```text
//! copying ── nothing is lacking, no backup is being made ──▶ moved ── old copies deleted ──▶ over
//!    └─ given up: copies deleted ──▶ over
//! ```
//! That a client is being moved is in the catalog until it is moved or given up, so that a restart goes on with it. Until then its backups
//! lie where they were, and new ones go there too; they are copied in another round.
//!
//! Clients that are moved together are copied together, in the order in which their backups were made: so each finds in the new place what it
//! shares with those of the others.

mod work;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use catalog::{BackupFilter, JobId, JobKind, StorageId};
use parking_lot::Mutex;
use tracing::{info, warn};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order};
use crate::storages::OpenStorage;

/// Moves that wait for their turn.
#[derive(Default)]
pub struct Moving {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Batch>,
    is_running: bool,
}

/// Clients that are moved together.
struct Batch {
    jobs: Vec<Arc<LiveJob>>,
    to: StorageId,
}

/// Lets the backups of these clients go to a storage. Returns the job of each.
pub fn begin(core: &Arc<Core>, clients: &[String], to: &OpenStorage) -> Result<Vec<(String, JobId)>> {
    let mut begun = Vec::new();
    for client in clients {
        core.catalog.client(client)?;
        if let Some(job) = core.board.live_of(JobKind::Move, client) {
            return Err(Error::Busy {
                what: format!("client {client}"),
                why: format!("job {} is moving it", job.id),
            });
        }
    }
    let mut jobs = Vec::new();
    for client in clients {
        core.catalog.begin_move(client, to.id, core.clock.now_ms())?;
        let job = queue(core, client, to, "the administrator asked for it")?;
        begun.push((client.clone(), job.id));
        jobs.push(job);
    }
    wait_for_turn(core, Batch { jobs, to: to.id })?;
    Ok(begun)
}

/// The clients that have backups in a storage.
pub fn clients_in(core: &Core, storage: StorageId) -> Result<Vec<String>> {
    let filter = BackupFilter {
        storage: Some(storage),
        ..BackupFilter::default()
    };
    let backups = core.catalog.backups(&filter)?;
    let mut clients: Vec<String> = backups.into_iter().map(|backup| backup.client).collect();
    clients.dedup();
    Ok(clients)
}

/// Goes on with the moves that a server before this one did not finish.
pub fn take_up(core: &Arc<Core>) -> Result<()> {
    let mut batches: BTreeMap<StorageId, Vec<Arc<LiveJob>>> = BTreeMap::new();
    for of in core.catalog.moves()? {
        match core.storages.get(of.to) {
            Ok(to) => {
                info!(client = of.client, to = to.name(), "a move goes on");
                let reason = "it goes on where the last run of the server ended";
                let job = queue(core, &of.client, &to, reason)?;
                batches.entry(of.to).or_default().push(job);
            }
            Err(error) => {
                warn!(client = of.client, error = error.chain(), "a move can't go on");
            }
        }
    }
    batches
        .into_iter()
        .try_for_each(|(to, jobs)| wait_for_turn(core, Batch { jobs, to }))
}

/// Goes on with a move that was cut short.
pub fn again(core: &Arc<Core>, client: &str, reason: &str) -> Result<Arc<LiveJob>> {
    let moves = core.catalog.moves()?;
    let Some(of) = moves.into_iter().find(|of| of.client == client) else {
        return Err(Error::NotFound {
            what: "move under way of client",
            name: client.to_owned(),
        });
    };
    let to = core.storages.get(of.to)?;
    let job = queue(core, client, &to, reason)?;
    let jobs = vec![job.clone()];
    wait_for_turn(core, Batch { jobs, to: to.id })?;
    Ok(job)
}

/// Gives up the move of a client, or of all: what was copied is removed. Returns whose moves were given up.
pub fn give_up(core: &Arc<Core>, client: Option<&str>) -> Result<Vec<String>> {
    let mut given_up = Vec::new();
    for of in core.catalog.moves()? {
        if client.is_some_and(|client| client != of.client) {
            continue;
        }
        if let Some(job) = core.board.live_of(JobKind::Move, &of.client) {
            job.cancel.cancel();
            if !job.has_begun() {
                core.board.fail(&job, &Error::Cancelled);
            }
            core.board.wait_closed(JobKind::Move, &of.client);
        }
        core.catalog.give_up_move(&of.client)?;
        if let Ok(to) = core.storages.get(of.to) {
            work::give_up(core, &of.client, &to)?;
        }
        given_up.push(of.client);
    }
    Ok(given_up)
}

fn queue(core: &Core, client: &str, to: &OpenStorage, reason: &str) -> Result<Arc<LiveJob>> {
    core.board.queue(Order {
        subject: Some(format!("to {}", to.name())),
        reason: Some(reason.to_owned()),
        ..Order::of(JobKind::Move, client)
    })
}

/// Lets a batch wait for those before it; they are done one by one, on one thread that ends with the last.
fn wait_for_turn(core: &Arc<Core>, batch: Batch) -> Result<()> {
    let mut state = core.moving.state.lock();
    state.waiting.push_back(batch);
    if state.is_running {
        return Ok(());
    }
    let moving = core.clone();
    let spawned = std::thread::Builder::new()
        .name("moving".into())
        .spawn(move || work_off(&moving));
    match spawned {
        Ok(_) => {
            state.is_running = true;
            Ok(())
        }
        Err(source) => {
            let error = Error::Io {
                action: "start a thread for",
                path: "moving clients".into(),
                source,
            };
            for batch in state.waiting.drain(..) {
                batch.jobs.iter().for_each(|job| core.board.fail(job, &error));
            }
            Err(error)
        }
    }
}

fn work_off(core: &Arc<Core>) {
    loop {
        let next = {
            let mut state = core.moving.state.lock();
            let next = state.waiting.pop_front();
            state.is_running = next.is_some();
            next
        };
        match next {
            Some(batch) => work::run(core, batch.jobs, batch.to),
            None => return,
        }
    }
}
