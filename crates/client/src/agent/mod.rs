//! The agent: holds the standing connection to the server and does what it commands, one backup at a time.
//!
//! A job has a connection of its own, so it outlives the loss of the standing one, and the other way round.
//! Whatever the server or the network do, the agent comes back: soon where that may help, slowly where
//! somebody has to do something first.

mod backoff;
mod commands;
mod job;
mod joining;
mod restores;
mod turn;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1::client_event::Event;
use wire::v1::{ClientEvent, ClientHello, Committed, Condition};

use crate::backup::{FileBackup, Job, Mode};
use crate::cache::Cache;
use crate::cancel::Cancel;
use crate::condition;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::identity::{ClientInfo, Identity};
use crate::image::ImageBackup;
use crate::monitor::Monitor;
use crate::settings::{CompressionSetting, HookSettings, ImageSettings};
use crate::source::LocalSource;

use backoff::Backoff;
use commands::Attached;
use job::Running;

pub use joining::{join, waits_to_join};
pub use restores::{RestoreSetting, Restores, socket_path};

/// Events that may wait in the stream to the server.
const STREAM_EVENTS: usize = 64;
/// A connection that lasted so long counts as good: the next loss is the first again.
const GOOD_AFTER: Duration = Duration::from_secs(60);

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The files that the settings name.
    Files,
    /// These volumes; none for those in the settings.
    Image(Vec<String>),
}

/// A client that does what its server asks for.
#[derive(Clone)]
pub struct Agent {
    /// Who this client is.
    pub identity: Arc<Identity>,
    /// What it backs up.
    pub source: Arc<LocalSource>,
    /// The manifests that it holds.
    pub cache: Arc<Cache>,
    /// What its images hold.
    pub image: ImageSettings,
    /// Commands that run around its backups.
    pub hooks: HookSettings,
    /// What its server asks it to restore.
    pub restores: Arc<Restores>,
    /// Whether content is compressed on its way.
    pub compression: CompressionSetting,
    /// Threads that read and hash; `None` for one per core.
    pub threads: Option<usize>,
    /// What the client says of itself.
    pub info: ClientInfo,
    /// Is told what happens.
    pub monitor: Arc<dyn Monitor>,
    /// Ends the agent, and what it is doing.
    pub cancel: Cancel,
}

impl Agent {
    /// Stays connected and does what the server commands, until it is cancelled.
    pub async fn run(&self) {
        let mut running = Running::default();
        let mut backoff = Backoff::new();
        let restoring = tokio::spawn(restores::run(self.clone(), running.updates.clone()));
        let answering = tokio::spawn(restores::serve(self.clone(), running.updates.clone()));
        loop {
            let started = tokio::time::Instant::now();
            let outcome = tokio::select! {
                () = self.cancel.cancelled() => break,
                outcome = self.stay_attached(&mut running) => outcome,
            };
            if started.elapsed() >= GOOD_AFTER {
                backoff = Backoff::new();
            }
            let error = outcome
                .err()
                .unwrap_or_else(|| Error::interrupted("the server ended it"));
            if backoff
                .try_again(&error, &*self.monitor, &self.cancel)
                .await
                .is_err()
            {
                break;
            }
        }
        running.end().await;
        // A panic in them has been told on the way.
        let _ = (restoring.await, answering.await);
    }

    /// Makes one backup that the client begins by itself, and returns once it is committed.
    ///
    /// A lost connection is taken up again several times before it fails with [`Error::Interrupted`].
    pub async fn run_once(&self, mode: Mode, what: What) -> Result<Committed> {
        let job = Job { id: 0, mode };
        job::run(self, job, &what, Arc::clone(&self.monitor), self.cancel.clone()).await
    }

    /// Attaches to the server and serves it until the connection ends.
    async fn stay_attached(&self, running: &mut Running) -> Result<()> {
        let connection = Connection::open(Arc::clone(&self.identity)).await?;
        let (events, stream) = mpsc::channel(STREAM_EVENTS);
        let condition = tokio::task::spawn_blocking(condition::look).await;
        let condition = condition.unwrap_or_default();
        let hello = ClientEvent {
            event: Some(Event::Hello(self.hello(condition))),
        };
        events
            .try_send(hello)
            .map_err(|_| Error::interrupted("the stream ended before it began"))?;
        let commands = connection.control().attach(ReceiverStream::new(stream)).await;
        let commands = commands
            .map_err(|status| match status.code() {
                tonic::Code::FailedPrecondition => Error::Version {
                    message: status.message().to_owned(),
                },
                _ => Error::from_status(&status),
            })?
            .into_inner();
        Attached::new(self, commands, events, condition)
            .serve(running)
            .await
    }

    fn hello(&self, condition: Condition) -> ClientHello {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        ClientHello {
            protocol_min: *wire::version::SPOKEN.start(),
            protocol_max: *wire::version::SPOKEN.end(),
            client_version: self.info.version.clone(),
            operating_system: self.info.operating_system.clone(),
            host_name: self.info.host_name.clone(),
            clock_ms: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            condition: Some(condition),
            takes_restores: true,
        }
    }

    fn image_backup(&self, monitor: Arc<dyn Monitor>, cancel: Cancel) -> ImageBackup {
        ImageBackup {
            settings: self.image.clone(),
            own_dir: self.identity.dir().to_owned(),
            compression: self.compression,
            threads: self.threads,
            monitor,
            cancel,
        }
    }

    fn file_backup(&self, monitor: Arc<dyn Monitor>, cancel: Cancel) -> FileBackup {
        FileBackup {
            source: Arc::clone(&self.source) as Arc<dyn crate::source::BackupSource>,
            cache: Arc::clone(&self.cache),
            compression: self.compression,
            threads: self.threads,
            monitor,
            cancel,
        }
    }

    fn thread_count(&self) -> usize {
        self.threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }
}
