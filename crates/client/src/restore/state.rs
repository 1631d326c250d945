//! What the threads of one restore share: what is wanted and has not arrived, and how far it is.
//!
//! Bounds: at most [`WINDOW_FILES`] files asked for and not complete, and at most [`MAX_OPEN_DIRS`]
//! directories kept open for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use file_tree::metadata::{Apply, Owners, Prior, Target, apply};
use file_tree::{Dir, Names};
use manifest::{InodeFlags, Metadata};
use parking_lot::{Condvar, Mutex};
use tokio::sync::mpsc;
use wire::v1::RestoreRequest;
use wire::v1::restore_request::Request;

use super::incoming::Incoming;
use super::refusals::Refusals;
use super::{OwnerMapping, Restored};
use crate::abort::Abort;
use crate::connection::DataDialler;
use crate::error::{Error, Result, explain};
use crate::monitor::{Monitor, Phase, Problem, ProblemKind, Progress};

const WINDOW_FILES: usize = 4096;
/// Directories, and so descriptors, that are kept open for files that have not arrived.
const MAX_OPEN_DIRS: usize = 256;
const RECHECK: Duration = Duration::from_millis(100);
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// A running restore.
pub(super) struct State {
    pub(super) key: Vec<u8>,
    pub(super) connections: usize,
    pub(super) dialler: DataDialler,
    pub(super) monitor: Arc<dyn Monitor>,
    pub(super) target: Dir,
    pub(super) abort: Abort,
    pub(super) refusals: Refusals,
    pub(super) counts: Counts,
    requests: mpsc::Sender<RestoreRequest>,
    owners: OwnerMapping,
    names: Names,
    wishes: Mutex<Wishes>,
    changed: Condvar,
    open_dirs: Arc<AtomicUsize>,
    progressed: Mutex<Instant>,
    /// Files that are to be protected once nothing is done with them any more.
    protected: Mutex<Vec<(Box<[u8]>, Metadata)>>,
}

/// What a restore begins with.
pub(super) struct Beginning {
    pub(super) key: Vec<u8>,
    pub(super) connections: usize,
    pub(super) dialler: DataDialler,
    pub(super) monitor: Arc<dyn Monitor>,
    pub(super) requests: mpsc::Sender<RestoreRequest>,
    pub(super) target: Dir,
    pub(super) owners: OwnerMapping,
    pub(super) names: Names,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) files_written: AtomicU64,
    pub(super) files_kept: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) bytes_done: AtomicU64,
    pub(super) bytes_fetched: AtomicU64,
    problems: AtomicU64,
    files_total: AtomicU64,
    bytes_total: AtomicU64,
}

#[derive(Default)]
struct Wishes {
    /// Asked for, and not begun to arrive.
    asked: HashMap<u64, Incoming>,
    /// Asked for, and not complete.
    open: usize,
    last_id: u64,
    ended: bool,
}

/// A directory of the target that files arrive in.
pub(super) struct OpenDir {
    pub(super) dir: Dir,
    /// Its path from the target.
    pub(super) path: Box<[u8]>,
    /// What entries that are created in it have already.
    pub(super) prior: Prior,
    count: Arc<AtomicUsize>,
}

impl Drop for OpenDir {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl State {
    pub(super) fn new(beginning: Beginning) -> Self {
        Self {
            key: beginning.key,
            connections: beginning.connections,
            dialler: beginning.dialler,
            monitor: beginning.monitor,
            target: beginning.target,
            abort: Abort::default(),
            refusals: Refusals::default(),
            counts: Counts::default(),
            requests: beginning.requests,
            owners: beginning.owners,
            names: beginning.names,
            wishes: Mutex::default(),
            changed: Condvar::new(),
            open_dirs: Arc::default(),
            protected: Mutex::default(),
            progressed: Mutex::new(Instant::now()),
        }
    }

    /// Ends the restore: the first error counts.
    pub(super) fn fail(&self, error: Error) {
        self.abort.raise(error);
        let dropped = std::mem::take(&mut self.wishes.lock().asked);
        drop(dropped);
        self.changed.notify_all();
    }

    /// Opens a directory for the files that will arrive in it.
    pub(super) fn hold_open(&self, dir: Dir, path: &[u8], prior: Prior) -> Arc<OpenDir> {
        self.open_dirs.fetch_add(1, Ordering::Relaxed);
        Arc::new(OpenDir {
            dir,
            path: path.into(),
            prior,
            count: Arc::clone(&self.open_dirs),
        })
    }

    /// Waits until another file may be asked for.
    pub(super) fn wait_for_room(&self) -> Result<()> {
        let mut wishes = self.wishes.lock();
        while !self.abort.is_raised() && wishes.open > 0 && !self.has_room(&wishes) {
            self.changed.wait_for(&mut wishes, RECHECK);
        }
        if self.abort.is_raised() {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    /// Whether another file may be asked for without waiting.
    pub(super) fn has_room_now(&self) -> bool {
        self.has_room(&self.wishes.lock())
    }

    fn has_room(&self, wishes: &Wishes) -> bool {
        // One is the directory that is being worked on.
        wishes.open < WINDOW_FILES && self.open_dirs.load(Ordering::Relaxed) <= MAX_OPEN_DIRS
    }

    /// Notes what is about to be asked for and gives it an id.
    pub(super) fn wish(&self, incoming: Incoming) -> u64 {
        let mut wishes = self.wishes.lock();
        wishes.last_id += 1;
        wishes.open += 1;
        let id = wishes.last_id;
        wishes.asked.insert(id, incoming);
        drop(wishes);
        self.changed.notify_all();
        id
    }

    /// Takes what was asked for under an id, once.
    pub(super) fn arriving(&self, id: u64) -> Result<Incoming> {
        let incoming = self.wishes.lock().asked.remove(&id);
        incoming.ok_or(Error::Protocol {
            what: "content that was not asked for, or that came twice",
        })
    }

    /// Notes that something that was asked for is complete, whatever became of it.
    pub(super) fn complete(&self) {
        self.wishes.lock().open -= 1;
        self.changed.notify_all();
        self.tell_progress(Phase::Transferring);
    }

    /// Waits for the first wish; false if there will be none.
    pub(super) fn wait_for_wishes(&self) -> bool {
        let mut wishes = self.wishes.lock();
        while !self.abort.is_raised() && wishes.last_id == 0 && !wishes.ended {
            self.changed.wait_for(&mut wishes, RECHECK);
        }
        wishes.last_id > 0 && !self.abort.is_raised()
    }

    /// Whether all that was and will be asked for is complete.
    pub(super) fn has_everything(&self) -> bool {
        let wishes = self.wishes.lock();
        wishes.ended && wishes.open == 0
    }

    /// Sends a request; waits while too many are on their way.
    pub(super) fn request(&self, request: Request) -> Result<()> {
        let request = RestoreRequest {
            request: Some(request),
        };
        self.requests
            .blocking_send(request)
            .map_err(|_| Error::interrupted("the server ended the restore"))
    }

    /// Waits for all that was asked for, and tells the server that nothing follows.
    pub(super) fn end_of_wishes(&self) -> Result<()> {
        let mut wishes = self.wishes.lock();
        wishes.ended = true;
        self.changed.notify_all();
        while !self.abort.is_raised() && wishes.open > 0 {
            self.changed.wait_for(&mut wishes, RECHECK);
        }
        drop(wishes);
        if self.abort.is_raised() {
            return Err(Error::Cancelled);
        }
        self.request(Request::Finish(wire::v1::RestoreFinish {}))
    }

    /// How metadata is applied to something that is still to be renamed or linked: without protecting flags.
    pub(super) fn apply(&self, prior: Prior) -> Apply<'_> {
        Apply {
            flags: InodeFlags::KEPT.without(InodeFlags::PROTECTING),
            ..self.apply_all(prior)
        }
    }

    /// Notes that a file is to have the protecting flags of its metadata in the end.
    pub(super) fn protect_later(&self, path: Box<[u8]>, metadata: &Metadata) {
        if metadata.flags.has_any(InodeFlags::PROTECTING) {
            self.protected.lock().push((path, metadata.clone()));
        }
    }

    /// Gives the flags that were held back.
    pub(super) fn protect(&self) {
        for (path, metadata) in self.protected.lock().drain(..) {
            let applied = self.target.locate(&path).and_then(|(dir, name)| {
                apply(Target::At(&dir, name), &metadata, self.apply_all(Prior::Unknown))
            });
            match applied {
                Ok(refused) => self.refusals.note(&path, &refused),
                Err(error) => self.report_error(ProblemKind::Metadata, &path, &error),
            }
        }
    }

    /// How metadata is applied to something with which nothing more is done.
    pub(super) fn apply_all(&self, prior: Prior) -> Apply<'_> {
        let owners = match self.owners {
            OwnerMapping::ByName => Owners::ByName(&self.names),
            OwnerMapping::Numeric => Owners::Numeric,
        };
        Apply {
            owners,
            prior,
            flags: InodeFlags::KEPT,
        }
    }

    /// Reports a problem with the entry at a path from the target.
    pub(super) fn report(&self, kind: ProblemKind, path: &[u8], message: impl std::fmt::Display) {
        self.counts.problems.fetch_add(1, Ordering::Relaxed);
        self.monitor.problem(&Problem::new(kind, path, message));
    }

    /// Reports that an entry failed, with all that led to it.
    pub(super) fn report_error(&self, kind: ProblemKind, path: &[u8], error: &dyn std::error::Error) {
        self.report(kind, path, explain(error));
    }

    /// Notes how much there is to do.
    pub(super) fn expect(&self, files: u64, bytes: u64) {
        self.counts.files_total.store(files, Ordering::Relaxed);
        self.counts.bytes_total.store(bytes, Ordering::Relaxed);
    }

    /// Tells the monitor how far it is, if that was not just done.
    pub(super) fn tell_progress(&self, phase: Phase) {
        let Some(mut progressed) = self.progressed.try_lock() else {
            return;
        };
        if progressed.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        *progressed = Instant::now();
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let files_done = load(&counts.files_written) + load(&counts.files_kept) + load(&counts.skipped);
        let bytes_done = load(&counts.bytes_done);
        self.monitor.progress(&Progress {
            phase,
            files_done,
            files_total: load(&counts.files_total).max(files_done),
            bytes_done,
            bytes_total: load(&counts.bytes_total).max(bytes_done),
            bytes_sent: load(&counts.bytes_fetched),
            current_path: Vec::new(),
        });
    }

    /// What was done.
    pub(super) fn summary(&self) -> Restored {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Restored {
            files_written: load(&self.counts.files_written),
            files_kept: load(&self.counts.files_kept),
            skipped: load(&self.counts.skipped),
            bytes_fetched: load(&self.counts.bytes_fetched),
            problems: load(&self.counts.problems),
        }
    }
}
