//! Which of the backups that wait for a slot may start.
//!
//! They take turns by priority, which rises by one for each full hour that a backup is overdue, so that none waits for ever; then
//! by how long they are overdue. A backup that finds no slot of its own sort does not hold back those behind it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;

use crate::Span;
use crate::Target;

const STEP: Span = Span::hours(1);

/// How many backups may run at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of all sorts.
    pub all: u32,
    /// Of files.
    pub files: u32,
    /// Of volumes.
    pub images: u32,
    /// Of one client.
    pub per_client: u32,
}

impl Default for Limits {
    /// 10 in all, of which 10 of files and 2 of volumes; one of a client.
    fn default() -> Self {
        Self {
            all: 10,
            files: 10,
            images: 2,
            per_client: 1,
        }
    }
}

/// A backup that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running<C> {
    /// Whose it is.
    pub client: C,
    /// What is backed up.
    pub target: Target,
}

/// A backup that waits for a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting<C> {
    /// Whose it is.
    pub client: C,
    /// What is backed up.
    pub target: Target,
    /// What is higher goes first.
    pub priority: i32,
    /// Since when it is due.
    pub due_ms: i64,
}

/// What becomes of a backup that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its place among those that were handed in.
    pub index: usize,
    /// What it does.
    pub answer: Answer,
}

/// What a backup does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It starts.
    Start,
    /// It waits.
    Wait(Reason),
}

/// Why a backup waits. Those that start before it count as running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// As many of the client run as may.
    Client {
        /// How many run.
        running: u32,
        /// How many may.
        limit: u32,
    },
    /// As many of all sorts run as may.
    All {
        /// How many run.
        running: u32,
        /// How many may.
        limit: u32,
    },
    /// As many of its sort run as may.
    Target {
        /// Which sort.
        target: Target,
        /// How many run.
        running: u32,
        /// How many may.
        limit: u32,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client { limit: 1, .. } => f.write_str("another backup of the client runs"),
            Self::Client { running, limit } => write!(f, "{running} of {limit} backups of the client run"),
            Self::All { running, limit } => write!(f, "{running} of {limit} backups run"),
            Self::Target {
                target: Target::Files,
                running,
                limit,
            } => write!(f, "{running} of {limit} file backups run"),
            Self::Target {
                target: Target::Image,
                running,
                limit,
            } => write!(f, "{running} of {limit} images run"),
        }
    }
}

/// Decides which backups start now. The turns come in the order in which the backups take them.
pub fn admit<C: Eq + Hash>(
    limits: &Limits,
    running: &[Running<C>],
    waiting: &[Waiting<C>],
    now_ms: i64,
) -> Vec<Turn> {
    let mut slots = Slots::new(limits);
    for job in running {
        slots.take(&job.client, job.target);
    }
    let mut order: Vec<usize> = (0..waiting.len()).collect();
    // Stable: of equals the first goes first.
    order.sort_by_key(|index| {
        let job = &waiting[*index];
        (Reverse(risen_priority(job, now_ms)), job.due_ms)
    });
    let turn = |index: usize| {
        let job = &waiting[index];
        let answer = match slots.refusal(&job.client, job.target) {
            Some(reason) => Answer::Wait(reason),
            None => {
                slots.take(&job.client, job.target);
                Answer::Start
            }
        };
        Turn { index, answer }
    };
    order.into_iter().map(turn).collect()
}

fn risen_priority<C>(job: &Waiting<C>, now_ms: i64) -> i64 {
    let steps = Span::between(job.due_ms, now_ms).len_ms / STEP.len_ms;
    i64::from(job.priority).saturating_add_unsigned(steps)
}

/// How many run.
struct Slots<'a, C> {
    limits: &'a Limits,
    all: u32,
    files: u32,
    images: u32,
    clients: HashMap<&'a C, u32>,
}

impl<'a, C: Eq + Hash> Slots<'a, C> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            all: 0,
            files: 0,
            images: 0,
            clients: HashMap::new(),
        }
    }

    fn take(&mut self, client: &'a C, target: Target) {
        self.all += 1;
        *self.of_target(target) += 1;
        *self.clients.entry(client).or_default() += 1;
    }

    fn refusal(&mut self, client: &C, target: Target) -> Option<Reason> {
        let limits = self.limits;
        let (running, limit) = (self.clients.get(client).copied().unwrap_or(0), limits.per_client);
        if running >= limit {
            return Some(Reason::Client { running, limit });
        }
        let (running, limit) = (self.all, limits.all);
        if running >= limit {
            return Some(Reason::All { running, limit });
        }
        let limit = match target {
            Target::Files => limits.files,
            Target::Image => limits.images,
        };
        let running = *self.of_target(target);
        (running >= limit).then_some(Reason::Target {
            target,
            running,
            limit,
        })
    }

    fn of_target(&mut self, target: Target) -> &mut u32 {
        match target {
            Target::Files => &mut self.files,
            Target::Image => &mut self.images,
        }
    }
}
