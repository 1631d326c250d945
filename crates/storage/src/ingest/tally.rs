//! What became of the entries of a growing backup: counts, and what should be reported.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::attributes::Fidelity;

/// How many lost paths are kept by name; beyond that they are only counted.
const LOST_KEPT: usize = 1000;

/// What an ingest has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Files whose content was received, in whole or in part.
    pub written_files: u64,
    /// Bytes of content received.
    pub written_bytes: u64,
    /// Files taken over from the base entry by entry. Those that a snapshot brought are not counted.
    pub carried_files: u64,
    /// Files taken over from another place in the storage.
    pub reused_files: u64,
    /// Entries whose metadata is in the manifest only, in part or in whole: the server may not, or the file system
    /// can't, set it.
    pub reduced_entries: u64,
    /// FIFOs and device nodes that are in the manifest only.
    pub absent_entries: u64,
    /// Entries whose content should have come from the base, or from a hard link's target, and was not there. Of the latter
    /// the manifest speaks all the same: it is complete when the links are made.
    pub lost_entries: u64,
    /// The first of them: paths within the backup.
    pub lost: Vec<Box<[u8]>>,
}

/// The counters behind an [`Outcome`], for many threads at once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    written_files: AtomicU64,
    written_bytes: AtomicU64,
    carried_files: AtomicU64,
    reused_files: AtomicU64,
    reduced_entries: AtomicU64,
    absent_entries: AtomicU64,
    lost_entries: AtomicU64,
    lost: Mutex<Vec<Box<[u8]>>>,
}

impl Tally {
    pub fn written_file(&self) {
        add(&self.written_files, 1);
    }

    pub fn written_bytes(&self, bytes: u64) {
        add(&self.written_bytes, bytes);
    }

    pub fn carried(&self) {
        add(&self.carried_files, 1);
    }

    pub fn reused(&self) {
        add(&self.reused_files, 1);
    }

    pub fn fidelity(&self, fidelity: Fidelity) {
        if fidelity == Fidelity::Reduced {
            add(&self.reduced_entries, 1);
        }
    }

    pub fn absent(&self) {
        add(&self.absent_entries, 1);
    }

    pub fn lost(&self, path: Box<[u8]>) {
        add(&self.lost_entries, 1);
        let mut lost = self.lost.lock();
        if lost.len() < LOST_KEPT {
            lost.push(path);
        }
    }

    pub fn outcome(&self) -> Outcome {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Outcome {
            written_files: get(&self.written_files),
            written_bytes: get(&self.written_bytes),
            carried_files: get(&self.carried_files),
            reused_files: get(&self.reused_files),
            reduced_entries: get(&self.reduced_entries),
            absent_entries: get(&self.absent_entries),
            lost_entries: get(&self.lost_entries),
            lost: self.lost.lock().clone(),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
