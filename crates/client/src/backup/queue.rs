//! The files whose content is under way: announced, waiting for an answer, or ready for a sender.
//!
//! Bounds: at most the session's window of files that are not complete (or one directory, if it alone has
//! more), and at most [`MAX_OPEN_DIRS`] directories kept open for them. The lock is held for a moment only
//! and no other is taken under it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use manifest::Entry;
use manifest::delta::FileId;
use parking_lot::{Condvar, Mutex};
use wire::v1::answer::Verdict;

use super::merge::PlannedFile;
use crate::error::{Error, Result};
use crate::source::DirReader;

/// Directories, and so descriptors, that are kept open for files that are not complete.
const MAX_OPEN_DIRS: usize = 256;
/// Memory of the assembly's records that wait for content, beyond which nothing more is announced.
const MAX_WAITING_BYTES: usize = 48 << 20;
/// How many small files a sender takes at once.
const BATCH_FILES: usize = 32;
/// Condition variables are signalled without the lock in places; a missed signal costs no more than this.
const RECHECK: Duration = Duration::from_millis(100);

/// A file whose content is to be looked at.
pub(super) struct Work {
    pub(super) file: PlannedFile,
    pub(super) dir: Arc<OpenDir>,
}

/// A directory that stays open until its files are complete.
pub(super) struct OpenDir {
    pub(super) path: Box<[u8]>,
    pub(super) reader: Arc<dyn DirReader>,
    count: Arc<AtomicUsize>,
}

impl Drop for OpenDir {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a sender has to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    /// Send what the server does not have.
    Send,
    /// Hash it, for the server may have it.
    Hash,
}

/// Work for a sender.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) task: Task,
}

/// A file that waits for an answer.
enum Parked {
    /// The server was told its size.
    Announced(Work),
    /// The server was told its hash; the entry is what it becomes if the server has it.
    Offered(Work, Box<Entry>),
}

/// What a sender gets.
pub(super) enum Taken {
    /// Files to work on.
    Jobs(Vec<Job>),
    /// Nothing right now: what is buffered should go out.
    Nothing,
    /// Nothing any more.
    End,
}

/// What an answer leads to.
pub(super) enum Answered {
    /// A sender goes on with it.
    Queued,
    /// The server has it: it is complete, as this entry.
    Complete(Box<Entry>),
}

pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    open_dirs: Arc<AtomicUsize>,
    window_files: usize,
    small_bytes: u64,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Job>,
    parked: HashMap<FileId, Parked>,
    open_files: usize,
    waiting_bytes: usize,
    sealed: bool,
    stopped: bool,
}

impl Queue {
    pub(super) fn new(window_files: usize, small_bytes: u64) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            open_dirs: Arc::default(),
            window_files: window_files.max(1),
            small_bytes,
        }
    }

    /// Waits until `files` more may be announced.
    pub(super) fn wait_for_room(&self, files: usize) -> Result<()> {
        let mut state = self.state.lock();
        while !state.stopped && !self.has_room(&state, files) {
            self.room.wait_for(&mut state, RECHECK);
        }
        if state.stopped {
            Err(Error::Cancelled)
        } else {
            Ok(())
        }
    }

    fn has_room(&self, state: &State, files: usize) -> bool {
        state.open_files == 0
            || state.open_files + files <= self.window_files
                && state.waiting_bytes < MAX_WAITING_BYTES
                && self.open_dirs.load(Ordering::Relaxed) < MAX_OPEN_DIRS
    }

    /// Takes the files of a directory that has just been announced.
    pub(super) fn announce(&self, path: &[u8], reader: &Arc<dyn DirReader>, files: Vec<PlannedFile>) {
        if files.is_empty() {
            return;
        }
        self.open_dirs.fetch_add(1, Ordering::Relaxed);
        let dir = Arc::new(OpenDir {
            path: path.into(),
            reader: Arc::clone(reader),
            count: Arc::clone(&self.open_dirs),
        });
        let mut state = self.state.lock();
        state.open_files += files.len();
        for file in files {
            let asks = file.base.is_none() && file.entry.size() > self.small_bytes;
            let id = file.id;
            let work = Work {
                file,
                dir: Arc::clone(&dir),
            };
            if asks {
                state.parked.insert(id, Parked::Announced(work));
            } else {
                state.ready.push_back(Job {
                    work,
                    task: Task::Send,
                });
            }
        }
        drop(state);
        self.work.notify_all();
    }

    /// Takes the server's answer.
    pub(super) fn answer(&self, id: FileId, verdict: Verdict) -> Result<Answered> {
        const UNASKED: Error = Error::Protocol {
            what: "an answer to a question that was not asked",
        };
        let mut state = self.state.lock();
        let (work, task) = match (state.parked.remove(&id).ok_or(UNASKED)?, verdict) {
            (Parked::Announced(work) | Parked::Offered(work, _), Verdict::Send) => (work, Task::Send),
            (Parked::Announced(work), Verdict::Hash) => (work, Task::Hash),
            (Parked::Offered(_, entry), Verdict::Have) => return Ok(Answered::Complete(entry)),
            _ => return Err(UNASKED),
        };
        // In front, since the server has been waiting for it for longer than for what was announced since.
        state.ready.push_front(Job { work, task });
        drop(state);
        self.work.notify_one();
        Ok(Answered::Queued)
    }

    /// Sets a file aside until the server has answered to its hash.
    pub(super) fn offer(&self, work: Work, entry: Entry) {
        self.state
            .lock()
            .parked
            .insert(work.file.id, Parked::Offered(work, Box::new(entry)));
    }

    /// Notes that so many files are complete, and how much the assembly still holds back.
    pub(super) fn completed(&self, files: usize, waiting_bytes: usize) {
        let mut state = self.state.lock();
        state.open_files = state.open_files.saturating_sub(files);
        state.waiting_bytes = waiting_bytes;
        let ended = state.sealed && state.open_files == 0;
        drop(state);
        self.room.notify_all();
        if ended {
            self.work.notify_all();
        }
    }

    /// Notes how much the assembly holds back.
    pub(super) fn note_waiting(&self, waiting_bytes: usize) {
        self.state.lock().waiting_bytes = waiting_bytes;
    }

    /// Gives a sender its next files without waiting.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.state.lock();
        if state.stopped || state.sealed && state.open_files == 0 {
            return Taken::End;
        }
        let mut jobs = Vec::new();
        while let Some(job) = state.ready.pop_front() {
            let is_small = job.work.file.entry.size() <= self.small_bytes;
            if !is_small && !jobs.is_empty() {
                state.ready.push_front(job);
                break;
            }
            jobs.push(job);
            if !is_small || jobs.len() == BATCH_FILES {
                break;
            }
        }
        if jobs.is_empty() {
            Taken::Nothing
        } else {
            Taken::Jobs(jobs)
        }
    }

    /// Waits until [`Queue::take`] has something to say.
    pub(super) fn wait_for_work(&self) {
        let mut state = self.state.lock();
        while state.ready.is_empty() && !state.stopped && !(state.sealed && state.open_files == 0) {
            self.work.wait_for(&mut state, RECHECK);
        }
    }

    /// Notes that nothing more is announced.
    pub(super) fn seal(&self) {
        self.state.lock().sealed = true;
        self.work.notify_all();
    }

    /// Ends everything that waits here.
    pub(super) fn stop(&self) {
        let dropped = {
            let mut state = self.state.lock();
            state.stopped = true;
            (
                std::mem::take(&mut state.ready),
                std::mem::take(&mut state.parked),
            )
        };
        drop(dropped);
        self.work.notify_all();
        self.room.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }
}
