//! What waits for its slot, and what the due backups of clients waited for last.

use std::collections::HashMap;
use std::sync::Arc;

use catalog::{BackupKind, BackupMode, Catalog, Wait};
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::start::Wanted;
use crate::error::Result;
use crate::jobs::LiveJob;

/// A backup that somebody asked for and that has not begun.
pub struct Pending {
    /// Its job.
    pub job: Arc<LiveJob>,
    /// When it was asked for.
    pub since_ms: i64,
    /// What to do when its turn has come.
    pub turn: Turn,
}

/// What to do when the turn of a backup has come.
pub enum Turn {
    /// Ask the client to make it.
    Ask(Wanted),
    /// Tell the client, which waits, that it may begin.
    LetIn(oneshot::Sender<()>),
}

/// What the schedule remembers from one look to the next.
#[derive(Default)]
pub struct Schedule {
    pending: Mutex<Vec<Pending>>,
    waits: Mutex<HashMap<WaitKey, Wait>>,
    woken: Notify,
}

/// Whose backup waits, and of which kind and mode it is.
pub(super) type WaitKey = (String, BackupKind, BackupMode);

impl Schedule {
    /// Something has changed: what is due is looked at again at once.
    pub fn look_again(&self) {
        self.woken.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.woken.notified().await;
    }

    pub(super) fn add(&self, pending: Pending) {
        self.pending.lock().push(pending);
        self.look_again();
    }

    /// Takes all that wait, to decide on them; those that have to wait on are put back.
    pub(super) fn take_pending(&self) -> Vec<Pending> {
        std::mem::take(&mut self.pending.lock())
    }

    pub(super) fn put_back(&self, pending: Vec<Pending>) {
        let mut waiting = self.pending.lock();
        let since = std::mem::replace(&mut *waiting, pending);
        waiting.extend(since);
    }

    /// Remembers the waits that lasted when the server ended.
    pub fn load(catalog: &Catalog) -> Result<Self> {
        let open = catalog.open_waits()?.into_iter();
        let waits = open.map(|(client, wait)| ((client, wait.kind, wait.mode), wait));
        Ok(Self {
            waits: Mutex::new(waits.collect()),
            ..Self::default()
        })
    }

    /// Compares what the due backups of all clients wait for with the look before. Returns what has changed.
    pub(super) fn compare_waits(&self, now: HashMap<WaitKey, String>, now_ms: i64) -> Vec<(String, Wait)> {
        let mut waits = self.waits.lock();
        let mut changed = Vec::new();
        waits.retain(|key, wait| {
            let lasts = now.contains_key(key);
            if !lasts {
                let ended = Wait {
                    until_ms: Some(now_ms),
                    ..wait.clone()
                };
                changed.push((key.0.clone(), ended));
            }
            lasts
        });
        for (key, reason) in now {
            let before = waits.get(&key);
            if before.is_some_and(|before| before.reason == reason) {
                continue;
            }
            let wait = Wait {
                kind: key.1,
                mode: key.2,
                reason,
                from_ms: before.map_or(now_ms, |before| before.from_ms),
                until_ms: None,
            };
            changed.push((key.0.clone(), wait.clone()));
            waits.insert(key, wait);
        }
        changed
    }
}
