//! What the threads and tasks of one image share.
//!
//! Lock order: none of the locks in here is taken while another is held.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use manifest::ContentHash;
use manifest::volume::VolumeHasher;
use parking_lot::Mutex;
use wire::v1::VolumeHash;

use super::Shared;
use super::hold::Holds;
use super::plan::VolumePlan;
use super::planner::{Planner, Work};
use crate::abort::Abort;
use crate::connection::DataDialler;
use crate::error::{Error, Result};
use crate::line::{Line, LineSetup};
use crate::monitor::{Monitor, Phase, Problem, Progress};
use crate::settings::CompressionSetting;

/// A running session.
pub(super) struct Session<'a> {
    pub(super) volumes: &'a [VolumePlan],
    pub(super) counts: &'a Counts,
    pub(super) setup: Setup,
    pub(super) abort: &'a Abort,
    holds: &'a Mutex<Holds>,
    planner: Mutex<Planner<'a>>,
    /// The hashes of groups, volume by volume.
    groups: Vec<Mutex<BTreeMap<u64, [u8; 32]>>>,
    connections: AtomicU32,
    problems: &'a Problems,
}

/// How content gets to the server.
pub(super) struct Setup {
    /// What data connections introduce themselves with.
    pub(super) key: Vec<u8>,
    pub(super) connections: usize,
    pub(super) compression: CompressionSetting,
    pub(super) dialler: DataDialler,
}

/// How far the work is.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) bytes_done: AtomicU64,
    pub(super) bytes_total: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
}

/// Problems that have still to be told to the server.
pub(super) struct Problems {
    pub(super) monitor: Arc<dyn Monitor>,
    waiting: Mutex<Vec<Problem>>,
}

impl Problems {
    pub(super) fn new(monitor: Arc<dyn Monitor>) -> Self {
        Self {
            monitor,
            waiting: Mutex::default(),
        }
    }

    pub(super) fn add(&self, problem: Problem) {
        self.monitor.problem(&problem);
        self.waiting.lock().push(problem);
    }

    /// Takes those out that wait.
    pub(super) fn take(&self) -> Vec<Problem> {
        std::mem::take(&mut *self.waiting.lock())
    }
}

impl Counts {
    /// The state of the work.
    pub(super) fn progress(&self, phase: Phase) -> Progress {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Progress {
            phase,
            bytes_done: load(&self.bytes_done),
            bytes_total: load(&self.bytes_total),
            bytes_sent: load(&self.bytes_sent),
            ..Progress::default()
        }
    }
}

impl<'a> Session<'a> {
    pub(super) fn begin(shared: &'a Shared, planner: Planner<'a>, setup: Setup) -> Self {
        Self {
            volumes: &shared.volumes,
            counts: &shared.counts,
            setup,
            abort: &shared.abort,
            holds: &shared.holds,
            planner: Mutex::new(planner),
            groups: shared.volumes.iter().map(|_| Mutex::default()).collect(),
            connections: AtomicU32::new(0),
            problems: &shared.problems,
        }
    }

    /// Ends the session: the first error counts.
    pub(super) fn fail(&self, error: Error) {
        self.abort.raise(error);
    }

    /// Whether the session has failed.
    pub(super) fn is_over(&self) -> bool {
        self.abort.is_raised()
    }

    /// Tells whether what can't be read comes of a snapshot that was lost, which fails, or is the disk's fault.
    pub(super) fn check_holds(&self) -> Result<()> {
        self.holds.lock().check()
    }

    /// The next group to be read.
    pub(super) fn next(&self) -> Result<Option<Work>> {
        self.planner.lock().next()
    }

    /// A data connection, which is opened once there is something to send.
    pub(super) fn line(&self) -> Line<'_> {
        Line::new(LineSetup {
            dialler: &self.setup.dialler,
            key: &self.setup.key,
            compression: self.setup.compression,
            connections: self.setup.connections,
            sent_bytes: &self.counts.bytes_sent,
            abort: self.abort,
        })
    }

    /// Notes a data connection that the server has to wait for.
    pub(super) fn count_connection(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn group_done(&self, volume: usize, group: u64, hash: [u8; 32]) {
        self.groups[volume].lock().insert(group, hash);
    }

    pub(super) fn problem(&self, problem: Problem) {
        self.problems.add(problem);
    }

    /// What all volumes have come to.
    pub(super) fn hashes(&self) -> Vec<VolumeHash> {
        let volumes = self.volumes.iter().zip(&self.groups);
        volumes
            .map(|(plan, groups)| {
                let mut hasher = VolumeHasher::new(plan.len_bytes());
                for (group, hash) in &*groups.lock() {
                    hasher.add(*group, hash);
                }
                let ContentHash(hash) = hasher.finish();
                VolumeHash {
                    volume_id: plan.id,
                    hash: hash.to_vec(),
                }
            })
            .collect()
    }
}
