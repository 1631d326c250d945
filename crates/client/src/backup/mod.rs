//! File backups, from the client's side.
//!
//! One thread walks the source and compares it with the base ([`scan`], [`merge`]); it tells the server what
//! has changed and queues the files whose content must be looked at. A few senders read, hash and send those
//! ([`sender`], [`transfer`]), each over a data connection of its own. Both sides put the same manifest
//! together; at the end they compare its digest.
//!
//! Everything is bounded: files under way by the window that the server gives, directories kept open, bytes
//! of operations not sent yet, and what the manifest holds back.

mod base;
mod content;
mod conversation;
#[cfg(test)]
pub(crate) mod fake;
mod lineage;
mod links;
mod merge;
mod outbox;
mod pieces;
mod queue;
mod scan;
mod segments;
mod sender;
mod session;
mod stream;
mod transfer;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use manifest::assemble::Assembler;
use manifest::{BackupKind, Conclusion, ContentHash, Header, Timestamp, Writer};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use wire::v1::ingest_request::Request;
use wire::v1::{BackupMode, Committed, IngestBegin, IngestFinish, IngestRequest, IngestSession, SourceInfo};

pub(crate) use base::{fetch, open};
pub(crate) use content::{Content, hash_content};
pub use merge::Mode;
pub(crate) use pieces::lost;

use crate::cache::{Cache, Part};
use crate::cancel::Cancel;
use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::monitor::{Level, Monitor, Phase, Problem, ProblemKind};
use crate::settings::CompressionSetting;
use crate::source::{BackupSource, HeldSource};

use base::Base;
use conversation::Conversation;
use merge::Merge;
use outbox::Outbox;
use scan::Scan;
use session::{Beginning, Session};

/// Messages that may wait in the stream to the server.
const STREAM_MESSAGES: usize = 8;
/// The most threads that hash one large file.
const MAX_HASH_THREADS: usize = 8;
/// Files up to a size that is sent without asking are held in memory, whatever the server says.
const MAX_SMALL_BYTES: u64 = 256 << 10;
/// The server's own words are worth waiting for a moment when a data connection breaks.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How often progress is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// Which backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// The server's job; 0 where the client begins by itself.
    pub id: u64,
    /// How much of the base is trusted.
    pub mode: Mode,
}

/// Makes file backups of one source.
#[derive(Clone)]
pub struct FileBackup {
    /// What is backed up.
    pub source: Arc<dyn BackupSource>,
    /// The manifests that this client holds.
    pub cache: Arc<Cache>,
    /// Whether content is compressed on its way.
    pub compression: CompressionSetting,
    /// Threads that read and hash; `None` for one per core.
    pub threads: Option<usize>,
    /// Is told what happens.
    pub monitor: Arc<dyn Monitor>,
    /// Ends it early; the server keeps what it has for the next time.
    pub cancel: Cancel,
}

impl FileBackup {
    /// Makes a backup of what is held and returns once the server has committed it.
    ///
    /// Fails with [`Error::Interrupted`] where the connection was lost, which a further call takes up again.
    /// Whatever it fails with, the source is let go and nothing of the client's has changed.
    pub async fn run(
        &self,
        connection: &Connection,
        job: Job,
        held: Box<dyn HeldSource>,
    ) -> Result<Committed> {
        let opening = self.begin(connection, job, &*held).await?;
        let mut conversation = opening.conversation;
        let session = Arc::new(opening.session);
        let (walk_ended, pump) = (
            self.start_walk(&session, held, opening.merge, opening.base),
            opening.pump,
        );
        let pump = tokio::spawn(session.outbox.clone().pump(pump));
        let outcome = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Error::Cancelled),
            outcome = conversation.follow(&session, self.report_progress(&session)) => outcome,
            error = session.failed() => Err(last_words(&mut conversation, error).await),
        };
        if outcome.is_err() {
            session.fail(Error::Cancelled);
        }
        let assembled = walk_ended.await.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        });
        pump.abort();
        let committed = outcome.inspect_err(|error| self.forget_damaged(error, opening.base_digest))?;
        match assembled? {
            Some(digest) if committed.digest == digest.0 => self.cache.keep(opening.part, digest)?,
            _ => {
                let text = "client and server came to different manifests; the server's counts";
                self.monitor.log(Level::Warning, text);
            }
        }
        Ok(committed)
    }

    /// Holds the source still, as well as can be.
    pub async fn hold(&self) -> Result<Box<dyn HeldSource>> {
        let (source, monitor) = (Arc::clone(&self.source), Arc::clone(&self.monitor));
        monitor.progress(&crate::Progress::default());
        let held = tokio::task::spawn_blocking(move || source.begin(&*monitor)).await;
        held.map_err(|_| Error::Protocol {
            what: "a thread of the client panicked",
        })?
    }

    /// Opens the session: says what is to be backed up, gets the base.
    async fn begin(&self, connection: &Connection, job: Job, held: &dyn HeldSource) -> Result<Opening> {
        let (pump, requests) = mpsc::channel(STREAM_MESSAGES);
        let begin = IngestBegin {
            protocol: *wire::version::SPOKEN.end(),
            job_id: job.id,
            mode: match job.mode {
                Mode::Incremental => BackupMode::Incremental.into(),
                Mode::Full => BackupMode::Full.into(),
            },
            sources: held.sources().iter().map(source_info).collect(),
            cached: self
                .cache
                .digests()?
                .iter()
                .map(|digest| digest.0.to_vec())
                .collect(),
        };
        let request = IngestRequest {
            request: Some(Request::Begin(begin)),
        };
        pump.try_send(request)
            .map_err(|_| Error::interrupted("the stream ended before it began"))?;
        let mut backups = connection.backups();
        let starting = backups.file_backup(ReceiverStream::new(requests));
        let replies = tokio::select! {
            () = self.cancel.cancelled() => return Err(Error::Cancelled),
            replies = starting => replies.map_err(|status| Error::from_status(&status))?.into_inner(),
        };
        let mut conversation = Conversation::new(replies);
        let granted = tokio::select! {
            () = self.cancel.cancelled() => return Err(Error::Cancelled),
            granted = conversation.session() => granted?,
        };
        let base = base::obtain(connection, &self.cache, &granted).await?;
        self.announce(&granted);
        let part = self.cache.create()?;
        let writer = Writer::create(part.file()?, &header(connection, job, held, &granted))?;
        let session = self.session(connection, &granted, Assembler::new(writer));
        let small_bytes = u64::from(granted.small_file_bytes).min(MAX_SMALL_BYTES);
        let merge = Merge::new(job.mode, small_bytes, Arc::clone(&session.links)).doubting(granted.doubted);
        if let Some(base) = &base {
            let files = base.reader.totals().entries();
            session
                .counts
                .files_total
                .store(files, std::sync::atomic::Ordering::Relaxed);
        }
        let base_digest = base.as_ref().map(|base| base.reader.digest());
        Ok(Opening {
            conversation,
            session,
            merge,
            base,
            base_digest,
            part,
            pump,
        })
    }

    fn session(
        &self,
        connection: &Connection,
        granted: &IngestSession,
        assembler: Assembler<std::fs::File>,
    ) -> Session {
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = self.threads.unwrap_or(cores).max(1);
        let connections = (granted.data_connections as usize).clamp(1, threads.max(2));
        Session::begin(Beginning {
            key: granted.session.clone(),
            connections,
            hash_threads: threads.min(MAX_HASH_THREADS),
            compression: self.compression,
            window_files: granted.window_files as usize,
            small_bytes: u64::from(granted.small_file_bytes).min(MAX_SMALL_BYTES),
            dialler: connection.dialler().clone(),
            cache: Arc::clone(&self.cache),
            monitor: Arc::clone(&self.monitor),
            outbox: Arc::new(Outbox::default()),
            assembler,
        })
    }

    fn announce(&self, granted: &IngestSession) {
        let base = match (granted.base_digest.is_empty(), granted.resumed) {
            (_, true) => "going on where the last one was interrupted".to_owned(),
            (true, false) => "the first one".to_owned(),
            (false, false) => format!("based on {}", granted.base_name),
        };
        self.monitor
            .log(Level::Info, &format!("backup {} has begun, {base}", granted.name));
    }

    /// Starts the thread that walks and the senders; it ends with the digest of what was assembled, or `None`
    /// if the session failed.
    fn start_walk(
        &self,
        session: &Arc<Session>,
        held: Box<dyn HeldSource>,
        merge: Merge,
        base: Option<Base>,
    ) -> tokio::task::JoinHandle<Option<ContentHash>> {
        let session = Arc::clone(session);
        tokio::task::spawn_blocking(move || {
            let walked = walk_and_send(&session, &*held, merge, base.as_ref());
            // The source is let go as soon as all of it is with the server; other than by that it is by
            // failure.
            if walked.is_ok() {
                session.wait_until_received();
            }
            drop(held);
            walked.map_err(|error| session.fail(error)).ok()
        })
    }

    fn report_progress<'a>(&'a self, session: &'a Session) -> impl Fn(Phase) + 'a {
        move |phase| {
            let progress = session.progress(phase);
            self.monitor.progress(&progress);
            session.outbox.progress(progress.to_wire());
        }
    }

    /// Removes the base from the cache if it is what the backup failed by.
    fn forget_damaged(&self, error: &Error, base: Option<ContentHash>) {
        let damaged = matches!(
            error,
            Error::Manifest(manifest::Error::Damaged { .. } | manifest::Error::Malformed { .. })
        );
        if let Some(digest) = base.filter(|_| damaged)
            && let Err(error) = self.cache.discard(digest)
        {
            tracing::warn!(%error, "a damaged manifest stays in the cache");
        }
    }
}

/// What is there once a session has begun.
struct Opening {
    conversation: Conversation,
    session: Session,
    merge: Merge,
    base: Option<Base>,
    base_digest: Option<ContentHash>,
    part: Part,
    pump: mpsc::Sender<IngestRequest>,
}

/// Walks the source while the senders send; tells the server the end and gives the digest of the manifest.
fn walk_and_send(
    session: &Arc<Session>,
    held: &dyn HeldSource,
    merge: Merge,
    base: Option<&Base>,
) -> Result<ContentHash> {
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        for _ in 0..session.connections {
            senders.push(scope.spawn(|| sender::run(session)));
        }
        let scan = Scan::new(&**session, merge, base.map(|base| &base.reader));
        let scanned = scan.run(held);
        match scanned {
            Ok(()) => session.queue.seal(),
            Err(error) => session.fail(error),
        }
    });
    if session.is_over() {
        return Err(Error::Cancelled);
    }
    let mut assembler = session.take_assembler()?;
    for path in assembler.take_lost_links() {
        session.report(&Problem::new(
            ProblemKind::Vanished,
            path,
            "the file that this is a link to was lost",
        ));
    }
    let (summary, _) = assembler.finish(&Conclusion::default())?;
    session.outbox.finish(IngestFinish {
        digest: summary.digest.0.to_vec(),
    });
    Ok(summary.digest)
}

/// What the server says about the end of a session that failed here, if it says something.
async fn last_words(conversation: &mut Conversation, error: Error) -> Error {
    if !matches!(error, Error::Interrupted { .. }) {
        return error;
    }
    match tokio::time::timeout(LAST_WORDS, conversation.end()).await {
        Ok(Some(words)) if !matches!(words, Error::Interrupted { .. }) => words,
        _ => error,
    }
}

fn source_info(source: &manifest::Source) -> SourceInfo {
    SourceInfo {
        name: source.name.to_vec(),
        path: source.path.to_vec(),
        consistency: source.consistency.clone(),
    }
}

/// What the client's own copy of the manifest says of itself; only the records are compared.
fn header(connection: &Connection, job: Job, held: &dyn HeldSource, granted: &IngestSession) -> Header {
    Header {
        client: connection.identity().name().to_owned(),
        name: granted.name.clone(),
        kind: match job.mode {
            Mode::Full => BackupKind::Full,
            Mode::Incremental => BackupKind::Incremental,
        },
        started: Timestamp::default(),
        base: (!granted.base_name.is_empty()).then(|| granted.base_name.clone()),
        sources: held.sources().to_vec(),
        server_id: connection.identity().server_id().to_owned(),
    }
}

/// One directory of [`full_listing`]: its record, its pending files by place, their reader and what was seen
/// of each.
#[cfg(test)]
pub(crate) type FullListing = (
    manifest::DirRecord,
    Vec<(usize, manifest::delta::FileId)>,
    Arc<dyn crate::source::DirReader>,
    Vec<file_tree::Stat>,
);

/// Lists a source as its first backup would, for tests.
#[cfg(test)]
pub(crate) fn full_listing(held: &dyn HeldSource) -> Vec<FullListing> {
    let mut merge = Merge::new(Mode::Full, 0, Arc::default());
    let mut problems = Vec::new();
    let mut list = |dir: crate::source::SourceDir| {
        let step = merge.directory(&dir, None, &mut problems);
        let Ok(merge::Step::Changed(changed)) = step else {
            panic!("a directory without base is new");
        };
        let applied = changed.delta.apply(None).expect("what is new fits");
        let stats = changed.files.iter().map(|file| file.stat).collect();
        (applied.record, applied.pending, dir.reader, stats)
    };
    held.walk()
        .expect("the source can be walked")
        .map(&mut list)
        .collect()
}
