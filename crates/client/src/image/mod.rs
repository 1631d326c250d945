//! Image backups, from the client's side.
//!
//! What is named is found on the machine and looked at ([`plan`], [`machine`]): partition tables, file systems and which of
//! their bytes are in use; what is written to meanwhile is held still where that can be ([`hold`]). Then a few workers ([`worker`]) take groups of 1024 blocks from the [`planner`], each with the hashes of
//! what the server has; they read what is used ([`device`]), hash it, and send the blocks that differ, each worker over a data
//! connection of its own.
//!
//! Memory: a segment for each worker, a hash for each group, and the list of used ranges.

mod device;
mod fetch;
mod hold;
mod machine;
mod plan;
mod planner;
pub(crate) mod sample;
mod session;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use disk_image::volume::{Choice, LeaveOut};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::v1::image_reply::Reply;
use wire::v1::image_request::Request;
use wire::v1::{
    BackupMode, BlockHashesRequest, Committed, DiskInfo, ImageBegin, ImageFinish, ImageReply, ImageRequest,
    ImageSession, Problems as WireProblems, VolumeInfo,
};

pub use fetch::ImageReader;
pub use hold::HELD;

use crate::abort::Abort;
use crate::backup::{Job, Mode};
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::hooks::Hold;
use crate::monitor::{Level, Monitor, Phase, Problem, ProblemKind};
use crate::settings::{CompressionSetting, ImageSettings};

use hold::Holds;
use plan::{DiskPlan, NOT_CONSISTENT, VolumePlan};
use planner::{BaseGroup, FromServer, Planner};
use session::{Counts, Problems, Session, Setup};

/// Messages that may wait in the stream to the server, and groups of hashes from it.
const QUEUED_MESSAGES: usize = 8;
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);
/// The server's own words are worth waiting for a moment when a data connection breaks.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the workers of a session that is over are waited for.
const WORKERS_END: Duration = Duration::from_secs(10);

/// Makes image backups.
#[derive(Clone)]
pub struct ImageBackup {
    /// What the client's settings say.
    pub settings: ImageSettings,
    /// A directory that the client writes to, whose file system is never frozen.
    pub own_dir: PathBuf,
    /// Whether content is compressed on its way.
    pub compression: CompressionSetting,
    /// Threads that read and hash; `None` for one per core.
    pub threads: Option<usize>,
    /// Is told what happens.
    pub monitor: Arc<dyn Monitor>,
    /// Ends it early; the server keeps what it has for the next time.
    pub cancel: Cancel,
}

impl ImageBackup {
    /// Finds these volumes, or those in the settings where there are none, and holds them still as well as can be.
    ///
    /// Fails with [`Error::UnknownVolume`], [`Error::VolumeUnreadable`], [`Error::BadDisk`] and [`Error::SnapshotRequired`].
    pub async fn hold(&self, volumes: &[String]) -> Result<HeldVolumes> {
        let (disks, holds) = self.plan(volumes).await?;
        Ok(HeldVolumes { disks, holds })
    }

    /// Makes an image of what is held and returns once the server has committed it.
    ///
    /// Fails with [`Error::Interrupted`] where the connection was lost, which a further call takes up again.
    pub async fn run(&self, connection: &Connection, job: Job, held: HeldVolumes) -> Result<Committed> {
        let HeldVolumes { mut disks, holds } = held;
        let begin = begin(job, &disks);
        let volumes = disks.iter_mut().flat_map(|disk| disk.volumes.drain(..));
        let shared = Arc::new(Shared {
            counts: Counts::default(),
            abort: Abort::default(),
            problems: Problems::new(Arc::clone(&self.monitor)),
            volumes: volumes.collect(),
            holds: Mutex::new(holds),
        });
        let outcome = self.run_session(connection, begin, &disks, &shared).await;
        // ORDER: the devices are closed, then the snapshots removed, which takes a moment.
        let _ = tokio::task::spawn_blocking(move || drop(shared)).await;
        outcome
    }

    /// Runs the session, and returns when nobody works on it any more.
    async fn run_session(
        &self,
        connection: &Connection,
        begin: ImageBegin,
        disks: &[DiskPlan],
        shared: &Arc<Shared>,
    ) -> Result<Committed> {
        let (requests, mut replies) = self.open(connection, begin).await?;
        let granted = match self.next(&mut replies).await? {
            Reply::Session(session) => session,
            _ => {
                return Err(Error::Protocol {
                    what: "something else than a session was granted",
                });
            }
        };
        self.announce(&granted);
        self.tell_inconsistent(disks, &shared.problems);
        let used = shared.volumes.iter().map(VolumePlan::used_bytes).sum();
        shared.counts.bytes_total.store(used, Ordering::Relaxed);
        let (hashes, from_server) = mpsc::channel(QUEUED_MESSAGES);
        let fetching = tokio::spawn(fetch(
            connection.clone(),
            granted.session.clone(),
            Arc::clone(shared),
            hashes,
        ));
        let mut working = self.start_workers(connection, &granted, shared, from_server);
        let outcome = self.follow(shared, &mut working, &requests, &mut replies).await;
        if outcome.is_err() {
            shared.abort.raise(Error::Cancelled);
        }
        fetching.abort();
        let _ = fetching.await;
        if !working.is_finished() {
            // One that waits for a disk can't be stopped.
            let _ = tokio::time::timeout(WORKERS_END, working).await;
        }
        outcome
    }

    async fn plan(&self, volumes: &[String]) -> Result<(Vec<DiskPlan>, Holds)> {
        self.monitor.progress(&crate::Progress::default());
        let names = if volumes.is_empty() {
            self.settings.volumes.clone()
        } else {
            volumes.to_vec()
        };
        let leave_out = leave_out(&self.settings);
        let mut holds = Holds::new(&self.settings, &self.own_dir);
        blocking(move || Ok((plan::plan(&names, leave_out, Some(&mut holds))?, holds))).await
    }

    /// Opens the session: says which volumes there are.
    async fn open(
        &self,
        connection: &Connection,
        begin: ImageBegin,
    ) -> Result<(mpsc::Sender<ImageRequest>, Streaming<ImageReply>)> {
        let (requests, stream) = mpsc::channel(QUEUED_MESSAGES);
        requests
            .try_send(request(Request::Begin(begin)))
            .map_err(|_| Error::interrupted("the stream ended before it began"))?;
        let mut images = connection.images();
        let starting = images.image_backup(ReceiverStream::new(stream));
        let replies = tokio::select! {
            () = self.cancel.cancelled() => return Err(Error::Cancelled),
            replies = starting => replies.map_err(|status| Error::from_status(&status))?.into_inner(),
        };
        Ok((requests, replies))
    }

    fn announce(&self, granted: &ImageSession) {
        let base = match (granted.base_name.is_empty(), granted.resumed) {
            (_, true) => "going on where the last one was interrupted".to_owned(),
            (true, false) => "the first one".to_owned(),
            (false, false) => format!("based on {}", granted.base_name),
        };
        self.monitor
            .log(Level::Info, &format!("image {} has begun, {base}", granted.name));
    }

    /// Says of volumes that change while they are read that they do.
    fn tell_inconsistent(&self, disks: &[DiskPlan], problems: &Problems) {
        for disk in disks {
            for (_, volume) in disk.description.volumes() {
                if volume.consistency.starts_with(NOT_CONSISTENT) {
                    let path = format!("{}/{}", disk.description.name, volume.file);
                    problems.add(Problem::new(
                        ProblemKind::ChangedWhileRead,
                        path,
                        &volume.consistency,
                    ));
                }
            }
        }
    }

    /// Starts the workers. They end with what is to be told to the server, or with `None` if the session failed.
    fn start_workers(
        &self,
        connection: &Connection,
        granted: &ImageSession,
        shared: &Arc<Shared>,
        from_server: mpsc::Receiver<FromServer>,
    ) -> tokio::task::JoinHandle<Option<ImageFinish>> {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.unwrap_or(cores).max(1);
        let setup = Setup {
            key: granted.session.clone(),
            connections: (granted.data_connections as usize).clamp(1, threads),
            compression: self.compression,
            dialler: connection.dialler().clone(),
        };
        let shared = Arc::clone(shared);
        tokio::task::spawn_blocking(move || {
            let planner = Planner::new(&shared.volumes, from_server);
            let session = Session::begin(&shared, planner, setup);
            std::thread::scope(|scope| {
                for _ in 0..session.setup.connections {
                    scope.spawn(|| worker::run(&session));
                }
            });
            (!session.is_over()).then(|| ImageFinish {
                data_connections: session.connections(),
                volumes: session.hashes(),
            })
        })
    }

    /// Sees the session through to its commit.
    async fn follow(
        &self,
        shared: &Arc<Shared>,
        working: &mut tokio::task::JoinHandle<Option<ImageFinish>>,
        requests: &mpsc::Sender<ImageRequest>,
        replies: &mut Streaming<ImageReply>,
    ) -> Result<Committed> {
        let mut ticks = interval_at(Instant::now() + Duration::from_millis(100), PROGRESS_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut phase = Phase::Transferring;
        let mut is_working = true;
        loop {
            tokio::select! {
                biased;
                () = self.cancel.cancelled() => return Err(Error::Cancelled),
                error = shared.abort.cause() => return Err(last_words(replies, error).await),
                done = &mut *working, if is_working => {
                    is_working = false;
                    if let Ok(Some(finish)) = done {
                        let held = Arc::clone(shared);
                        blocking(move || held.holds.lock().release()).await?;
                        tell(shared, phase, requests).await;
                        send(requests, Request::Finish(finish)).await?;
                    }
                }
                reply = self.next(replies) => match reply? {
                    Reply::Received(_) => phase = Phase::Finishing,
                    Reply::Committed(committed) => return Ok(committed),
                    Reply::Session(_) => {
                        return Err(Error::Protocol { what: "a second session was granted" });
                    }
                },
                _ = ticks.tick() => {
                    // Who holds them is asking LVM, and will tell.
                    shared.holds.try_lock().map_or(Ok(()), |mut holds| holds.watch())?;
                    self.monitor.progress(&shared.counts.progress(phase));
                    tell(shared, phase, requests).await;
                }
            }
        }
    }

    async fn next(&self, replies: &mut Streaming<ImageReply>) -> Result<Reply> {
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::Cancelled),
            reply = next_reply(replies) => reply,
        }
    }
}

/// What the settings say is left out.
pub(crate) fn leave_out(settings: &ImageSettings) -> LeaveOut {
    let choice = |omit: bool| if omit { Choice::Omit } else { Choice::Keep };
    LeaveOut {
        swap: choice(settings.omit_swap),
        hibernation: choice(settings.omit_hibernation),
    }
}

/// Volumes that are held still for one image. Dropping them lets them go.
pub struct HeldVolumes {
    disks: Vec<DiskPlan>,
    // ORDER: after the volumes, whose devices must be closed when this is dropped.
    holds: Holds,
}

impl HeldVolumes {
    /// How they are held.
    pub(crate) fn hold(&self) -> Hold {
        let is_consistent = |disk: &DiskPlan| !disk.consistency().starts_with(NOT_CONSISTENT);
        if self.holds.is_freezing() {
            Hold::Frozen
        } else if self.disks.iter().all(is_consistent) {
            Hold::Snapshot
        } else {
            Hold::Partial
        }
    }
}

/// What outlives the threads that work on it.
struct Shared {
    counts: Counts,
    abort: Abort,
    problems: Problems,
    volumes: Vec<VolumePlan>,
    // ORDER: after the volumes, whose devices must be closed when this is dropped.
    holds: Mutex<Holds>,
}

/// Does something that takes its time on a thread of its own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Error::Protocol {
        what: "a thread of the client panicked",
    })?
}

async fn next_reply(replies: &mut Streaming<ImageReply>) -> Result<Reply> {
    match replies.message().await {
        Ok(Some(ImageReply { reply: Some(reply) })) => Ok(reply),
        Ok(Some(ImageReply { reply: None })) => Err(Error::Protocol {
            what: "an empty reply",
        }),
        Ok(None) => Err(Error::interrupted("the server ended the backup without a reason")),
        Err(status) => Err(Error::from_status(&status)),
    }
}

/// Tells the server how far it is, and what problems there are. If it does not listen any more, that is found elsewhere.
async fn tell(shared: &Shared, phase: Phase, requests: &mpsc::Sender<ImageRequest>) {
    let problems = shared.problems.take();
    if !problems.is_empty() {
        let problems = problems.iter().map(Problem::to_wire).collect();
        let _ = send(requests, Request::Problems(WireProblems { problems })).await;
    }
    let progress = shared.counts.progress(phase).to_wire();
    let _ = send(requests, Request::Progress(progress)).await;
}

async fn send(requests: &mpsc::Sender<ImageRequest>, content: Request) -> Result<()> {
    requests
        .send(request(content))
        .await
        .map_err(|_| Error::interrupted("the server takes no requests any more"))
}

fn request(request: Request) -> ImageRequest {
    ImageRequest {
        request: Some(request),
    }
}

/// What the server says about the end of a session that failed here, if it says something.
async fn last_words(replies: &mut Streaming<ImageReply>, error: Error) -> Error {
    if !matches!(error, Error::Interrupted { .. }) {
        return error;
    }
    let ended = async {
        loop {
            if let Err(words) = next_reply(replies).await {
                return words;
            }
        }
    };
    match tokio::time::timeout(LAST_WORDS, ended).await {
        Ok(words) if !matches!(words, Error::Interrupted { .. }) => words,
        _ => error,
    }
}

/// Fetches the hashes of what the server has, volume by volume, for the planner.
async fn fetch(
    connection: Connection,
    session: Vec<u8>,
    shared: Arc<Shared>,
    hashes: mpsc::Sender<FromServer>,
) {
    if let Err(error) = fetch_all(&connection, &session, &shared.volumes, &hashes).await {
        shared.abort.raise(error);
    }
}

async fn fetch_all(
    connection: &Connection,
    session: &[u8],
    volumes: &[VolumePlan],
    hashes: &mpsc::Sender<FromServer>,
) -> Result<()> {
    for volume in volumes {
        let request = BlockHashesRequest {
            session: session.to_vec(),
            volume_id: volume.id,
        };
        let reply = connection.images().fetch_block_hashes(request).await;
        let mut groups = reply.map_err(|status| Error::from_status(&status))?.into_inner();
        loop {
            let message = groups.message().await;
            let message = message.map_err(|status| Error::from_status(&status))?;
            let from_server = match &message {
                None => FromServer::End,
                Some(group) => FromServer::Group(BaseGroup {
                    group: group.group,
                    hashes: planner::decode(&group.hashes).ok_or(Error::Protocol {
                        what: "block hashes of odd length",
                    })?,
                }),
            };
            if hashes.send(from_server).await.is_err() {
                // The workers have ended.
                return Ok(());
            }
            if message.is_none() {
                break;
            }
        }
    }
    Ok(())
}

fn begin(job: Job, disks: &[DiskPlan]) -> ImageBegin {
    ImageBegin {
        protocol: *wire::version::SPOKEN.end(),
        job_id: job.id,
        mode: match job.mode {
            Mode::Incremental => BackupMode::Incremental.into(),
            Mode::Full => BackupMode::Full.into(),
        },
        disks: disks.iter().map(disk_info).collect(),
    }
}

fn disk_info(disk: &DiskPlan) -> DiskInfo {
    DiskInfo {
        name: disk.description.name.clone(),
        description: disk.description.to_json(),
        volumes: disk
            .volumes
            .iter()
            .map(|volume| VolumeInfo {
                volume_id: volume.id,
                name: volume.name.clone(),
                size_bytes: volume.len_bytes(),
            })
            .collect(),
        path: plan::path_bytes(&disk.path),
        consistency: disk.consistency(),
    }
}
