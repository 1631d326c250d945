//! The work of a move: copy what is lacking until nothing is, then let the catalog know, then remove what is left.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use catalog::{Backup, BackupFilter, BackupKind, BackupState, JobEnd, JobKind, Moved, StorageId};
use serde_json::json;
use storage::{
    BackupName, BackupTree, ClientName, Copied, ImageIngest, Monitor, TransferOptions, Transferred,
};
use tracing::{info, warn};
use wire::v1::log_line::Level;
use wire::v1::{LogLine, Problem, Progress};

use crate::core::{Core, with_patience};
use crate::error::{Error, Result};
use crate::image::{ImageChoice, assemble_derived};
use crate::jobs::{LiveJob, finished};
use crate::repair;
use crate::storages::OpenStorage;

/// How long to wait before looking again whether a client's backup is over.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
const TELL_EVERY: Duration = Duration::from_millis(300);

/// A client that is being moved.
struct ClientMove {
    job: Arc<LiveJob>,
    tally: Tally,
}

/// Moves clients, blocking, and ends their jobs.
pub fn run(core: &Arc<Core>, jobs: Vec<Arc<LiveJob>>, to: StorageId) {
    let mut moves = Vec::new();
    for job in jobs {
        let begun = check_cancelled(core, &job).and_then(|()| core.board.begin(&job));
        match begun {
            Ok(()) => moves.push(ClientMove {
                job,
                tally: Tally::default(),
            }),
            Err(error) => core.board.fail(&job, &error),
        }
    }
    if moves.len() > 1
        && let Ok(to) = core.storages.get(to)
    {
        moves = copy_together(core, moves, &to);
    }
    for ClientMove { job, mut tally } in moves {
        let target = core.storages.get(to);
        let moved = target.and_then(|to| move_client(core, &job, &to, &mut tally));
        end(core, &job, moved.map(|()| tally));
    }
}

fn end(core: &Core, job: &LiveJob, moved: Result<Tally>) {
    match moved {
        Ok(tally) => {
            let figures = json!({
                "backups_copied": tally.backups,
                "bytes_read": tally.read_bytes,
                "damaged_files": tally.damaged.len(),
            });
            let message = format!("{} backups copied", tally.backups);
            let ended = finished(message, tally.damaged);
            core.board
                .end_with(job, JobEnd::Done, Some(&figures.to_string()), ended);
        }
        // The catalog has the move still: the next start goes on.
        Err(Error::Storage(storage::Error::Cancelled)) => core.board.fail(job, &Error::Cancelled),
        Err(error) => core.board.fail(job, &error),
    }
}

/// Copies what several clients have in the order in which it was made: what one has taken over from another is there when it comes.
/// Returns those moves that go on; what was made meanwhile, or could not be listed, each has to copy by itself.
fn copy_together(core: &Arc<Core>, mut moves: Vec<ClientMove>, to: &OpenStorage) -> Vec<ClientMove> {
    let mut wanted: HashSet<(StorageId, String, BackupName)> = HashSet::new();
    let mut totals: HashMap<String, u64> = HashMap::new();
    for ClientMove { job, .. } in &moves {
        for (from, names) in lacking(core, &job.client, to).unwrap_or_default() {
            *totals.entry(job.client.clone()).or_default() += names.len() as u64;
            wanted.extend(names.into_iter().map(|name| (from, job.client.clone(), name)));
        }
    }
    let clients: Vec<ClientName> = moves.iter().filter_map(|of| of.job.client.parse().ok()).collect();
    for from in core.storages.all() {
        let Ok(order) = from.store.transfer_order(&clients) else {
            continue;
        };
        for (client, name) in order {
            if !wanted.contains(&(from.id, client.as_str().to_owned(), name.clone())) {
                continue;
            }
            let Some(at) = moves.iter().position(|of| of.job.client == client.as_str()) else {
                continue;
            };
            let ClientMove { job, tally } = &mut moves[at];
            let total = totals.get(client.as_str()).copied().unwrap_or_default();
            let watch = Watch::new(core, job, (tally.backups, total));
            if let Err(error) = copy(core, (&from, to), (&client, &name), &watch, tally) {
                let ClientMove { job, .. } = moves.remove(at);
                end(core, &job, Err(error));
            }
        }
    }
    moves
}

#[derive(Default)]
struct Tally {
    backups: u64,
    read_bytes: u64,
    damaged: Vec<Problem>,
}

fn move_client(core: &Arc<Core>, job: &Arc<LiveJob>, to: &OpenStorage, tally: &mut Tally) -> Result<()> {
    let client: ClientName = job.client.parse()?;
    loop {
        copy_lacking(core, job, to, tally)?;
        // New backups begin after this, and where the settings say then.
        let placing = core.placing.write();
        if is_being_backed_up(core, &job.client) {
            drop(placing);
            job.waits_for(Some("a backup of the client that is being made".to_owned()));
            std::thread::sleep(LOOK_AGAIN);
            check_cancelled(core, job)?;
            continue;
        }
        job.waits_for(None);
        drop_strays(core, &client, to)?;
        let there: Vec<String> = to
            .store
            .backups(&client)?
            .iter()
            .map(ToString::to_string)
            .collect();
        let is_placed = core
            .storage_for(&job.client)
            .is_ok_and(|storage| storage.id == to.id);
        let placement = (!is_placed).then(|| to.name());
        let moved = core
            .catalog
            .finish_move(&job.client, to.id, &there, placement.as_deref())?;
        if moved == Moved::Done {
            core.policies.reload()?;
            break;
        }
    }
    storage::crash::point("catalog knows the move");
    say(job, Level::Info, format!("all backups lie in {} now", to.name()));
    info!(client = job.client, to = to.name(), "a client was moved");
    repair::recount(&core.catalog, (to.id, &to.store), &client)?;
    point_current(core, &job.client, to)?;
    core.schedule.look_again();
    remove_left(core, job, &client, to);
    Ok(())
}

/// Copies what the catalog knows in other storages and the new one has not, in an order in which each has what it grew from.
fn copy_lacking(core: &Arc<Core>, job: &Arc<LiveJob>, to: &OpenStorage, tally: &mut Tally) -> Result<()> {
    let client: ClientName = job.client.parse()?;
    let mut there = to.store.backups(&client)?;
    for (from, mut names) in lacking(core, &job.client, to)? {
        names.retain(|name| !there.contains(name));
        if names.is_empty() {
            continue;
        }
        let from = core.storages.get(from)?;
        let order = from.store.transfer_order(std::slice::from_ref(&client))?;
        let order = order.into_iter().map(|(_, name)| name);
        let order: Vec<BackupName> = order.filter(|name| names.contains(name)).collect();
        let total = order.len() as u64 + tally.backups;
        for name in order {
            let watch = Watch::new(core, job, (tally.backups, total));
            copy(core, (&from, to), (&client, &name), &watch, tally)?;
            there.push(name);
        }
    }
    Ok(())
}

/// The backups in other storages that are to be moved, by storage.
fn lacking(core: &Core, client: &str, to: &OpenStorage) -> Result<Vec<(StorageId, Vec<BackupName>)>> {
    let filter = BackupFilter {
        client: Some(client.to_owned()),
        ..BackupFilter::default()
    };
    let mut found: Vec<(StorageId, Vec<BackupName>)> = Vec::new();
    for backup in core.catalog.backups(&filter)? {
        if backup.storage == to.id || is_going(&backup) {
            continue;
        }
        let name: BackupName = backup.name.parse()?;
        match found.iter_mut().find(|(storage, _)| *storage == backup.storage) {
            Some((_, names)) => names.push(name),
            None => found.push((backup.storage, vec![name])),
        }
    }
    Ok(found)
}

/// Whether a backup is on its way out for good.
fn is_going(backup: &Backup) -> bool {
    backup.state == BackupState::Deleting && backup.trashed_ms.is_none()
}

fn copy(
    core: &Arc<Core>,
    (from, to): (&OpenStorage, &OpenStorage),
    (client, name): (&ClientName, &BackupName),
    watch: &Watch<'_>,
    tally: &mut Tally,
) -> Result<()> {
    let derive = |ingest: &ImageIngest, image: &BackupTree| {
        let derived = assemble_derived(core, (client.as_str(), to), ingest, image, watch.job);
        if let Err(error) = derived {
            let text = format!(
                "{name}: its virtual disks could not be assembled: {}",
                error.chain()
            );
            say(watch.job, Level::Warning, text);
        }
    };
    let options = TransferOptions {
        volume_format: ImageChoice::of(&core.policies.of(client.as_str())).format,
        derive: Some(&derive),
        ..TransferOptions::default()
    };
    let transferred =
        with_patience(|| storage::transfer(&from.store, &to.store, client, name, &options, watch));
    let copied: Box<Copied> = match transferred {
        Ok(Transferred::AlreadyThere) => return Ok(()),
        Ok(Transferred::Copied(copied)) => copied,
        // It was deleted since it was listed.
        Err(Error::Storage(storage::Error::UnknownBackup { .. })) => return Ok(()),
        Err(error) => return Err(error),
    };
    tally.backups += 1;
    tally.read_bytes += copied.read_bytes;
    say(
        watch.job,
        Level::Info,
        format!("{name} is copied, {} bytes were read for it", copied.read_bytes),
    );
    for path in copied.damaged {
        tally.damaged.push(Problem {
            path: path.into_vec(),
            kind: "content".into(),
            message: format!("is damaged in {name}, and was copied as it is"),
        });
    }
    to.housekeeping.committed(copied.committed);
    Ok(())
}

fn is_being_backed_up(core: &Core, client: &str) -> bool {
    let kinds = [JobKind::FileBackup, JobKind::ImageBackup];
    kinds
        .iter()
        .any(|kind| core.board.live_of(*kind, client).is_some())
}

fn check_cancelled(core: &Core, job: &LiveJob) -> Result<()> {
    match job.cancel.is_cancelled() || core.shutdown.is_cancelled() {
        true => Err(Error::Cancelled),
        false => Ok(()),
    }
}

/// Removes copies of what was deleted after it had been copied: nobody would know of them, and the next start would take them for
/// backups. No backup of the client may be under way, which nobody knows of either.
fn drop_strays(core: &Core, client: &ClientName, to: &OpenStorage) -> Result<()> {
    for name in to.store.backups(client)? {
        let is_stray = match core.catalog.backup(client.as_str(), name.as_str()) {
            Ok(backup) => backup.storage != to.id && is_going(&backup),
            Err(catalog::Error::UnknownBackup { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        if is_stray {
            info!(%client, %name, "the copy of a backup that was deleted meanwhile is removed");
            with_patience(|| to.store.delete(client, &name))?;
        }
    }
    Ok(())
}

/// Leads the link to the newest file backup.
fn point_current(core: &Core, client: &str, to: &OpenStorage) -> Result<()> {
    let newest = core.catalog.newest_backup(&BackupFilter {
        kind: Some(BackupKind::File),
        storage: Some(to.id),
        ..BackupFilter::committed_of(client)
    })?;
    if let Some(newest) = newest {
        to.store
            .point_current(&newest.client.parse()?, &newest.name.parse()?)?;
    }
    Ok(())
}

/// Removes from the other storages what has been moved. What can't be removed now goes at the next start.
fn remove_left(core: &Arc<Core>, job: &LiveJob, client: &ClientName, to: &OpenStorage) {
    for other in core.storages.all().iter().filter(|other| other.id != to.id) {
        let removed =
            remove_copies(core, client.as_str(), other).and_then(|()| discard_incomplete(client, other));
        if let Err(error) = removed {
            let why = error.chain();
            say(
                job,
                Level::Warning,
                format!("what is left in {} could not be removed: {why}", other.name()),
            );
        }
    }
}

/// What was interrupted there can't go on any more.
fn discard_incomplete(client: &ClientName, storage: &OpenStorage) -> Result<()> {
    for kind in [storage::BackupKind::File, storage::BackupKind::Image] {
        with_patience(|| storage.store.discard_incomplete(client, kind))?;
    }
    Ok(())
}

/// Removes what was copied for a move that is given up.
pub fn give_up(core: &Arc<Core>, client: &str, to: &OpenStorage) -> Result<()> {
    let _placing = core.placing.write();
    if !is_being_backed_up(core, client) {
        drop_strays(core, &client.parse()?, to)?;
    }
    remove_copies(core, client, to)
}

/// Removes from a storage those of a client's backups that lie in another one.
fn remove_copies(core: &Arc<Core>, client: &str, storage: &OpenStorage) -> Result<()> {
    let owner: ClientName = client.parse()?;
    let mut names = storage.store.backups(&owner)?;
    // An image goes before those that it stands on.
    names.reverse();
    for name in names {
        match core.catalog.backup(client, name.as_str()) {
            Ok(backup) if backup.storage != storage.id => {}
            Ok(_) => continue,
            // It has just been made, or what it is a copy of has just been deleted.
            Err(catalog::Error::UnknownBackup { .. }) => continue,
            Err(error) => return Err(error.into()),
        }
        match with_patience(|| storage.store.delete(&owner, &name)) {
            Ok(()) | Err(Error::Storage(storage::Error::UnknownBackup { .. })) => {}
            Err(error) => return Err(error),
        }
    }
    storage.housekeeping.refresh();
    Ok(())
}

fn say(job: &LiveJob, level: Level, text: String) {
    job.log(LogLine {
        level: level.into(),
        text,
    });
}

/// Tells how far a copy is, and ends it when somebody wants that.
struct Watch<'a> {
    core: &'a Core,
    job: &'a Arc<LiveJob>,
    backups: (u64, u64),
    bytes: Cell<u64>,
    told: Cell<Instant>,
}

impl<'a> Watch<'a> {
    fn new(core: &'a Core, job: &'a Arc<LiveJob>, backups: (u64, u64)) -> Self {
        Self {
            core,
            job,
            backups,
            bytes: Cell::new(0),
            told: Cell::new(Instant::now()),
        }
    }
}

impl Monitor for Watch<'_> {
    fn is_cancelled(&self) -> bool {
        check_cancelled(self.core, self.job).is_err()
    }

    fn copied(&self, path: &[u8], len_bytes: u64) {
        self.bytes.set(self.bytes.get() + len_bytes);
        if self.told.get().elapsed() < TELL_EVERY {
            return;
        }
        self.told.set(Instant::now());
        let (done, total) = self.backups;
        self.job.progress(Progress {
            phase: format!("copying backup {} of {total}", done + 1),
            bytes_done: self.bytes.get(),
            current_path: path.to_vec(),
            ..Progress::default()
        });
    }

    fn problem(&self, error: &storage::Error) {
        warn!(%error, "a backup is damaged and is copied as it is");
        say(self.job, Level::Warning, error.to_string());
    }
}
