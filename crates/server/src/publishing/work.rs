//! The job that makes a disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use catalog::{Backup, JobEnd, JobKind};
use disk_image::synthetic::{Assembled, assemble_watched};
use parking_lot::Mutex;
use serde_json::json;
use storage::PublishedDisk;
use tracing::info;
use wire::v1::{Problem, Progress};

use super::room::Room;
use super::stay::{all, until_ms};
use super::wanted::{RAW_ENDING, Wanted};
use crate::core::Core;
use crate::doctor::size;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order, finished};
use crate::services::views;

/// How far it is is told, and looked whether there is still room, each time that so much more is done.
const STEP_BYTES: u64 = 32 << 20;

/// Begins to publish what is wanted of an image, as a job on a thread of its own. One that is published already is not made again, and
/// a client has one made at a time.
pub fn start(core: &Arc<Core>, image: Backup, wanted: Wanted) -> Result<Arc<LiveJob>> {
    if let Some(job) = core.board.live_of(JobKind::Publish, &image.client) {
        return Err(Error::Busy {
            what: format!("client {}", image.client),
            why: format!(
                "job {} is making a virtual disk of it; wait until that has ended",
                job.id
            ),
        });
    }
    refuse_twice(core, &image, &wanted)?;
    let job = core.board.queue(Order {
        subject: Some(image.name.clone()),
        reason: Some(wanted.to_string()),
        ..Order::of(JobKind::Publish, &image.client)
    })?;
    let (made_by, making) = (core.clone(), job.clone());
    let work = move || run(&made_by, &making, &image, &wanted);
    let spawned = std::thread::Builder::new().name("publish".into()).spawn(work);
    if let Err(source) = spawned {
        let error = Error::Io {
            action: "start a thread for",
            path: "publishing a disk".into(),
            source,
        };
        core.board.fail(&job, &error);
        return Err(error);
    }
    Ok(job)
}

fn refuse_twice(core: &Core, image: &Backup, wanted: &Wanted) -> Result<()> {
    let is_it = |disk: &PublishedDisk| {
        disk.client.as_str() == image.client
            && disk.backup.as_str() == image.name
            && disk.disk == wanted.disk
            && disk.volume == wanted.volume
            && disk.format == wanted.format.to_string()
    };
    match all(core)?.into_iter().find(|(_, disk)| is_it(disk)) {
        Some((_, disk)) => Err(Error::Published {
            what: format!("{}/{}: {wanted}", image.client, image.name),
            id: disk.id,
        }),
        None => Ok(()),
    }
}

fn run(core: &Arc<Core>, job: &Arc<LiveJob>, image: &Backup, wanted: &Wanted) {
    let made = core
        .board
        .begin(job)
        .and_then(|()| make(core, job, image, wanted));
    match made {
        Ok((disk, done)) => {
            info!(id = %disk.id, client = image.client, name = image.name, %wanted, "a disk is published");
            let figures = json!({
                "id": disk.id.as_str(),
                "file": disk.file,
                "bytes": disk.len_bytes,
                "shared_bytes": done.shared_bytes,
                "copied_bytes": disk.copied_bytes,
                "until_ms": until_ms(core, &disk),
            });
            let message = format!(
                "{} is published as {}: {} are shared with the image, {} were written",
                disk.file,
                disk.id,
                size(done.shared_bytes),
                size(disk.copied_bytes)
            );
            let ended = finished(message, known_damage(core, image, wanted));
            core.board
                .end_with(job, JobEnd::Done, Some(&figures.to_string()), ended);
        }
        Err(error) => core.board.fail(job, &error),
    }
}

/// Makes the disk; what fails leaves nothing.
fn make(core: &Core, job: &LiveJob, image: &Backup, wanted: &Wanted) -> Result<(PublishedDisk, Assembled)> {
    let tree = core.open_backup(image)?;
    let storage = core.storages.of(image)?;
    let description = wanted.describe(&tree)?;
    let files = wanted.open(&tree, &description)?;
    let made_ms = core.clock.now_ms();
    let made_secs = core.clock.now().as_second().unsigned_abs();
    let id = uuid::Uuid::new_v4();
    let disk = files.disk(&description, wanted.format, id, made_secs);
    let plan = wanted
        .format
        .plan(&disk.map_err(Error::Disk)?)
        .map_err(Error::Disk)?;
    let room = Room::of(&storage.store, core.policies.server().min_free);
    let needed_bytes = room.needed_bytes(&plan, &description, &files)?;
    room.check(needed_bytes)?;
    let (client, name) = (tree.client(), tree.name());
    let file = PublishedDisk::file_name(
        client,
        name,
        &wanted.disk,
        wanted.volume.as_deref(),
        &wanted.ending(),
    );
    let new = storage.store.publish(&file)?;
    let watch = Watch {
        core,
        job,
        room,
        needed_bytes,
        total_bytes: description.len_bytes,
        done_bytes: AtomicU64::new(0),
        lacking: Mutex::default(),
    };
    watch.tell("assembling", 0);
    let done = assemble_watched(&plan, &files.parts(&description), new.file(), &watch);
    let done = done.map_err(|error| watch.why(error))?;
    watch.tell("finishing", description.len_bytes);
    watch.check()?;
    let made = PublishedDisk {
        id: new.id().clone(),
        client: client.clone(),
        backup: name.clone(),
        disk: wanted.disk.clone(),
        volume: wanted.volume.clone(),
        format: wanted.format.to_string(),
        file,
        len_bytes: plan.len_bytes,
        made_ms,
        shared_bytes: done.shared_bytes,
        copied_bytes: done.copied_bytes + done.structure_bytes,
    };
    new.finish(&made)?;
    Ok((made, done))
}

/// What is known to be damaged of that which was published: whoever takes it should know.
fn known_damage(core: &Core, image: &Backup, wanted: &Wanted) -> Vec<Problem> {
    let disk = format!("{}/", wanted.disk);
    let place = match &wanted.volume {
        Some(volume) => format!("{disk}{volume}{}", RAW_ENDING),
        None => disk,
    };
    let damage = core.catalog.damage(Some(&image.client)).unwrap_or_default();
    let of_it = damage
        .iter()
        .filter(|damage| damage.backup == image.id && damage.path.starts_with(place.as_bytes()));
    of_it.map(views::damage_problem).collect()
}

/// Tells how far it is, and ends it where it is cancelled or there is no more room.
struct Watch<'a> {
    core: &'a Core,
    job: &'a LiveJob,
    room: Room<'a>,
    needed_bytes: u64,
    total_bytes: u64,
    done_bytes: AtomicU64,
    lacking: Mutex<Option<Error>>,
}

impl Watch<'_> {
    fn tell(&self, phase: &str, bytes_done: u64) {
        self.job.progress(Progress {
            phase: phase.into(),
            bytes_done: bytes_done.min(self.total_bytes),
            bytes_total: self.total_bytes,
            ..Progress::default()
        });
    }

    fn check(&self) -> Result<()> {
        match self.job.cancel.is_cancelled() || self.core.shutdown.is_cancelled() {
            true => Err(Error::Cancelled),
            false => Ok(()),
        }
    }

    /// Why it ended.
    fn why(&self, error: disk_image::Error) -> Error {
        match (error, self.lacking.lock().take()) {
            (disk_image::Error::Cancelled, Some(lacking)) => lacking,
            (disk_image::Error::Cancelled, None) => Error::Cancelled,
            (error, _) => Error::Disk(error),
        }
    }
}

impl disk_image::Progress for Watch<'_> {
    fn done(&self, len_bytes: u64) {
        let before = self.done_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        let done = before + len_bytes;
        if before / STEP_BYTES == done / STEP_BYTES {
            return;
        }
        self.tell("assembling", done);
        // Others write, too.
        let lacking = match self.room.is_exhausted() {
            Ok(false) => return,
            Ok(true) => Error::NoRoom {
                needed_bytes: self.needed_bytes,
                usable_bytes: 0,
            },
            Err(error) => error,
        };
        *self.lacking.lock() = Some(lacking);
    }

    fn is_cancelled(&self) -> bool {
        self.check().is_err() || self.lacking.lock().is_some()
    }
}
