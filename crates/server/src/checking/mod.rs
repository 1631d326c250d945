//! Checking backups by schedule: all content is read again and compared with its hashes, what lies in the same place of the device once;
//! what is damaged is put right, as far as the content is to be had.
//!
//! ```text
//! due ─▶ read, compared ─▶ sound
//!                └───────▶ damaged ─▶ mended from an identical file ─▶ sound at the next check
//!                               └───▶ doubted: the client's next backup sends it anew ─▶ mended from that
//! ```
//! One check runs at a time. One that its window cuts short goes on in the next with the backups that it has not come to.

mod mend;
mod run;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use catalog::{JobKind, StorageId};
use policy::Span;

use crate::core::Core;
use crate::error::{Error, Result};
use crate::jobs::{LiveJob, Order};

/// How often is looked whether something is due.
const LOOK_EVERY: Span = Span::hours(1);

/// What is remembered between looks.
#[derive(Default)]
pub struct Checking {
    looked_ms: AtomicI64,
    /// Whether content has come in that damaged files may be put right from.
    may_mend: AtomicBool,
}

impl Checking {
    /// A backup of a client was made that has damaged files.
    pub fn has_new_content(&self) {
        self.may_mend.store(true, Ordering::Relaxed);
    }
}

/// Which backups are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Those whose turn it is, as long as the window is open.
    DueInWindow,
    /// Those whose turn it is.
    Due,
    /// All.
    Everything,
    /// None; what is known to be damaged is put right.
    NothingButMend,
}

/// What a check is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Only this client's backups.
    pub client: Option<String>,
    /// Only those in this storage.
    pub storage: Option<StorageId>,
    /// Which of them.
    pub extent: Extent,
}

/// Begins a check if backups are due and its window is open, and mends if there is something to mend from.
pub fn look(core: &Arc<Core>) -> Result<()> {
    let now_ms = core.clock.now_ms();
    let looked_ms = core.checking.looked_ms.load(Ordering::Relaxed);
    let is_time = looked_ms > now_ms || LOOK_EVERY.after(looked_ms) <= now_ms;
    let may_mend = core.checking.may_mend.load(Ordering::Relaxed);
    if !(is_time || may_mend) || core.board.live_of(JobKind::Check, "").is_some() {
        return Ok(());
    }
    if is_time {
        core.checking.looked_ms.store(now_ms, Ordering::Relaxed);
    }
    let task = |extent| Task {
        client: None,
        storage: None,
        extent,
    };
    let rules = core.policies.server();
    let is_open = rules.check_window.contains(now_ms, &core.clock.zone());
    if is_time && is_open && is_something_due(core, now_ms)? {
        return start(core, task(Extent::DueInWindow), "backups are due for a check").map(drop);
    }
    if may_mend {
        core.checking.may_mend.store(false, Ordering::Relaxed);
        let reason = "what is damaged may be put right from a new backup";
        return start(core, task(Extent::NothingButMend), reason).map(drop);
    }
    Ok(())
}

/// Whether the check of any client's backups is due.
fn is_something_due(core: &Core, now_ms: i64) -> Result<bool> {
    let oldest = core.catalog.oldest_checks()?;
    Ok(oldest.iter().any(|(client, sound_ms)| {
        let interval = core.policies.of(client).check_interval;
        interval.is_some_and(|interval| interval.after(*sound_ms) <= now_ms)
    }))
}

/// Begins a check, as a job on a thread of its own.
pub fn start(core: &Arc<Core>, task: Task, reason: &str) -> Result<Arc<LiveJob>> {
    let job = core.board.queue(Order {
        kind: JobKind::Check,
        client: None,
        subject: task.client.clone(),
        mode: None,
        reason: Some(reason.to_owned()),
    })?;
    let (checked, checking) = (core.clone(), job.clone());
    let work = move || run::run(&checked, &checking, &task);
    let spawned = std::thread::Builder::new().name("check".into()).spawn(work);
    if let Err(source) = spawned {
        let error = Error::Io {
            action: "start a thread for",
            path: "a check".into(),
            source,
        };
        core.board.fail(&job, &error);
        return Err(error);
    }
    Ok(job)
}
