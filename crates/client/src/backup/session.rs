//! What the threads and tasks of one backup share.
//!
//! Lock order: none of the locks in here, in the queue or in the outbox is taken while another is held.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use manifest::Entry;
use manifest::assemble::{Assembler, Outcome};
use manifest::delta::FileId;
use parking_lot::{Condvar, Mutex};
use wire::v1::Answer;

use super::links::LinkTable;
use super::outbox::Outbox;
use super::queue::{Answered, Queue};
use crate::abort::Abort;
use crate::cache::Cache;
use crate::connection::DataDialler;
use crate::error::{Error, Result};
use crate::line::{Line, LineSetup};
use crate::monitor::{Monitor, Phase, Problem, Progress};
use crate::settings::CompressionSetting;

/// A running session.
pub(super) struct Session {
    /// What data connections introduce themselves with.
    pub(super) key: Vec<u8>,
    pub(super) connections: usize,
    pub(super) hash_threads: usize,
    pub(super) compression: CompressionSetting,
    pub(super) dialler: DataDialler,
    pub(super) cache: Arc<Cache>,
    pub(super) monitor: Arc<dyn Monitor>,
    pub(super) queue: Queue,
    pub(super) outbox: Arc<Outbox>,
    pub(super) links: Arc<Mutex<LinkTable>>,
    pub(super) counts: Counts,
    assembler: Mutex<Option<Assembler<File>>>,
    abort: Abort,
    received: Mutex<bool>,
    received_changed: Condvar,
}

/// How far the work is.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) files_done: AtomicU64,
    pub(super) files_total: AtomicU64,
    pub(super) bytes_done: AtomicU64,
    pub(super) bytes_total: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    /// The directory that the walk is in.
    pub(super) path: Mutex<Vec<u8>>,
}

/// What a session begins with.
pub(super) struct Beginning {
    pub(super) key: Vec<u8>,
    pub(super) connections: usize,
    pub(super) hash_threads: usize,
    pub(super) compression: CompressionSetting,
    pub(super) window_files: usize,
    pub(super) small_bytes: u64,
    pub(super) dialler: DataDialler,
    pub(super) cache: Arc<Cache>,
    pub(super) monitor: Arc<dyn Monitor>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) assembler: Assembler<File>,
}

impl Session {
    pub(super) fn begin(beginning: Beginning) -> Self {
        Self {
            key: beginning.key,
            connections: beginning.connections,
            hash_threads: beginning.hash_threads,
            compression: beginning.compression,
            dialler: beginning.dialler,
            cache: beginning.cache,
            monitor: beginning.monitor,
            queue: Queue::new(beginning.window_files, beginning.small_bytes),
            outbox: beginning.outbox,
            links: Arc::default(),
            counts: Counts::default(),
            assembler: Mutex::new(Some(beginning.assembler)),
            abort: Abort::default(),
            received: Mutex::new(false),
            received_changed: Condvar::new(),
        }
    }

    /// Ends the session: the first error counts, everybody who waits or transfers is let go.
    pub(super) fn fail(&self, error: Error) {
        self.abort.raise(error);
        // Whoever has just seen that it is not over waits by now.
        drop(self.received.lock());
        self.received_changed.notify_all();
        self.queue.stop();
        self.outbox.stop();
    }

    /// Waits for the session to fail, and takes the cause.
    pub(super) async fn failed(&self) -> Error {
        self.abort.cause().await
    }

    /// Whether the session has failed.
    pub(super) fn is_over(&self) -> bool {
        self.abort.is_raised()
    }

    /// A data connection, which is opened once there is something to send.
    pub(super) fn line(&self) -> Line<'_> {
        Line::new(LineSetup {
            dialler: &self.dialler,
            key: &self.key,
            compression: self.compression,
            connections: self.connections,
            sent_bytes: &self.counts.bytes_sent,
            abort: &self.abort,
        })
    }

    /// Notes that the server has everything.
    pub(super) fn note_received(&self) {
        *self.received.lock() = true;
        self.received_changed.notify_all();
    }

    /// Waits until the server has everything, or the session is over.
    pub(super) fn wait_until_received(&self) {
        let mut received = self.received.lock();
        while !*received && !self.is_over() {
            self.received_changed.wait(&mut received);
        }
    }

    /// Adds to the manifest.
    pub(super) fn assemble(
        &self,
        add: impl FnOnce(&mut Assembler<File>) -> manifest::Result<()>,
    ) -> Result<()> {
        let mut assembler = self.assembler.lock();
        let assembler = assembler.as_mut().ok_or(Error::Cancelled)?;
        add(assembler)?;
        Ok(())
    }

    /// Completes files: the entry that each became, or `None` where it was dropped.
    pub(super) fn complete(&self, files: Vec<(FileId, Option<Box<Entry>>)>) -> Result<()> {
        let count = files.len();
        let mut waiting_bytes = 0;
        self.assemble(|assembler| {
            for (file, entry) in files {
                let outcome = entry.map_or(Outcome::Dropped, |entry| Outcome::Stored(*entry));
                assembler.complete(file, outcome)?;
            }
            waiting_bytes = assembler.waiting_bytes();
            Ok(())
        })?;
        self.counts.files_done.fetch_add(count as u64, Ordering::Relaxed);
        self.queue.completed(count, waiting_bytes);
        Ok(())
    }

    /// Takes the manifest out, to be finished.
    pub(super) fn take_assembler(&self) -> Result<Assembler<File>> {
        self.assembler.lock().take().ok_or(Error::Cancelled)
    }

    /// Takes the server's answers.
    pub(super) fn answer(&self, answers: Vec<Answer>) -> Result<()> {
        let mut complete = Vec::new();
        for answer in answers {
            let id = FileId(answer.file_id);
            if let Answered::Complete(entry) = self.queue.answer(id, answer.verdict())? {
                self.counts.bytes_done.fetch_add(entry.size(), Ordering::Relaxed);
                complete.push((id, Some(entry)));
            }
        }
        if complete.is_empty() {
            Ok(())
        } else {
            self.complete(complete)
        }
    }

    /// Tells a problem to both sides.
    pub(super) fn report(&self, problem: &Problem) {
        self.monitor.problem(problem);
        self.outbox.problem(problem);
    }

    /// How far the work is.
    pub(super) fn progress(&self, phase: Phase) -> Progress {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &self.counts;
        let (files_done, bytes_done) = (load(&counts.files_done), load(&counts.bytes_done));
        Progress {
            phase,
            files_done,
            files_total: load(&counts.files_total).max(files_done),
            bytes_done,
            bytes_total: load(&counts.bytes_total).max(bytes_done),
            bytes_sent: load(&counts.bytes_sent),
            current_path: counts.path.lock().clone(),
        }
    }
}
