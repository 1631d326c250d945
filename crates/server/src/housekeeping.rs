//! What can wait until a backup is committed or deleted: filling the content index, pooling directories, removing
//! what was deleted, counting what backups take. One thread, and another that counts, since that may take long and nobody waits
//! for it; a restart does again what was left undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use catalog::{Catalog, PoolLinks, StorageId};
use crossbeam_channel::{Receiver, Sender};
use parking_lot::{Condvar, Mutex};
use storage::{Committed, Monitor, PoolChange, PoolChangeKind, Store};
use tracing::{debug, warn};

use crate::error::{Error, Result};
use crate::repair;

/// How long a new backup waits for the index to know the ones before.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before looking again for space that the kernel is still freeing.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

enum Chore {
    Committed(Box<Committed>),
    Refresh,
    End,
}

/// The queue of chores.
pub struct Housekeeping {
    chores: Sender<Chore>,
    shared: Arc<Shared>,
    thread: Mutex<Option<std::thread::JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    unsettled: Mutex<usize>,
    settled: Condvar,
    /// Whether the file system is still freeing what was deleted.
    waiting: AtomicBool,
    ending: AtomicBool,
}

impl Monitor for Shared {
    fn is_cancelled(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    fn problem(&self, error: &storage::Error) {
        warn!(%error, "housekeeping met a problem");
    }
}

impl Housekeeping {
    /// Starts the thread that does the chores of a storage.
    pub fn start(id: StorageId, store: Arc<Store>, catalog: Arc<Catalog>) -> std::io::Result<Self> {
        let (chores, queue) = crossbeam_channel::unbounded();
        let shared = Arc::new(Shared::default());
        let worker = Worker {
            id,
            store,
            catalog,
            queue,
            shared: shared.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("housekeeping".into())
            .spawn(move || worker.work())?;
        Ok(Self {
            chores,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// A backup was committed: its content is to be found by later ones, its unchanged directories may be pooled.
    pub fn committed(&self, committed: Committed) {
        self.queue(Chore::Committed(Box::new(committed)));
    }

    /// Something was deleted, or the index forgotten: the storage is to be brought up to date.
    pub fn refresh(&self) {
        self.queue(Chore::Refresh);
    }

    /// Ends the thread at the next point where that does no harm, and waits for it.
    pub fn end(&self) {
        self.shared.ending.store(true, Ordering::Relaxed);
        self.queue(Chore::End);
        if let Some(thread) = self.thread.lock().take() {
            // A thread that panicked has told so itself.
            let _ = thread.join();
        }
    }

    /// Whether nothing is queued, nor waits for the file system to free what was deleted.
    pub fn is_idle(&self) -> bool {
        *self.shared.unsettled.lock() == 0 && !self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Waits, not for ever, until what was queued so far is done.
    pub fn settle_index(&self) {
        let mut unsettled = self.shared.unsettled.lock();
        while *unsettled > 0 {
            if self
                .shared
                .settled
                .wait_for(&mut unsettled, SETTLE_TIMEOUT)
                .timed_out()
            {
                debug!("the content index is not up to date yet");
                return;
            }
        }
    }

    fn queue(&self, chore: Chore) {
        *self.shared.unsettled.lock() += 1;
        // The thread ends only after `end`: what is not done then is done at the next start.
        let _ = self.chores.send(chore);
    }
}

struct Worker {
    id: StorageId,
    store: Arc<Store>,
    catalog: Arc<Catalog>,
    queue: Receiver<Chore>,
    shared: Arc<Shared>,
}

impl Worker {
    fn work(&self) {
        // One call that waits is as good as many.
        let (wake, woken) = crossbeam_channel::bounded(1);
        std::thread::scope(|scope| {
            let counting = std::thread::Builder::new()
                .name("counting".into())
                .spawn_scoped(scope, || self.count_when(woken));
            if let Err(error) = counting {
                warn!(%error, "nothing counts what backups take");
            }
            self.do_chores(&wake);
            drop(wake);
        });
    }

    fn do_chores(&self, wake: &Sender<()>) {
        let mut waiting = false;
        loop {
            let chore = if waiting {
                match self.queue.recv_timeout(LOOK_AGAIN) {
                    Ok(chore) => Some(chore),
                    Err(crossbeam_channel::RecvTimeoutError::Timeout) => None,
                    Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return,
                }
            } else {
                match self.queue.recv() {
                    Ok(chore) => Some(chore),
                    Err(_) => return,
                }
            };
            let is_queued = chore.is_some();
            let done = match chore {
                Some(Chore::End) => {
                    self.settle_all();
                    return;
                }
                Some(Chore::Committed(committed)) => self.after_commit(&committed).and_then(|()| self.reap()),
                Some(Chore::Refresh) | None => self.reap(),
            };
            waiting = match done {
                Ok(waiting) => waiting,
                Err(Error::Storage(storage::Error::Cancelled)) => false,
                Err(error) => {
                    warn!(error = error.chain(), "housekeeping failed");
                    false
                }
            };
            self.shared.waiting.store(waiting, Ordering::Relaxed);
            if is_queued {
                *self.shared.unsettled.lock() -= 1;
                self.shared.settled.notify_all();
                // Full, it is woken anyway.
                let _ = wake.try_send(());
            }
        }
    }

    /// Whoever waits is not to wait for a thread that has ended.
    fn settle_all(&self) {
        *self.shared.unsettled.lock() = 0;
        self.shared.settled.notify_all();
    }

    fn after_commit(&self, committed: &Committed) -> Result<()> {
        self.record(&committed.pool_changes)?;
        match self.store.pool_backup(&committed.client, &committed.name) {
            Ok(changes) => self.record(&changes),
            // The client is backed up again already: the next backup's pass does it.
            Err(storage::Error::Busy { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns whether something is left that has to be looked at again.
    fn reap(&self) -> Result<bool> {
        let reaped = self.store.reap(&*self.shared)?;
        for (client, name) in &reaped.indexed {
            debug!(%client, %name, "taken into the content index");
        }
        for (client, name) in &reaped.removed {
            debug!(%client, %name, "nothing of the deleted backup is left");
        }
        self.record(&reaped.pool_changes)?;
        self.catalog.restock();
        Ok(!reaped.waiting.is_empty())
    }

    /// Counts what backups take of the storage whenever it is woken, to the end of the chores.
    fn count_when(&self, woken: Receiver<()>) {
        for () in woken {
            match self.count() {
                Ok(()) | Err(Error::Storage(storage::Error::Cancelled)) => {}
                Err(error) => warn!(error = error.chain(), "counting what backups take failed"),
            }
        }
    }

    fn count(&self) -> Result<()> {
        if !self.store.tells_sizes() {
            return Ok(());
        }
        self.store.account(&*self.shared)?;
        // What was found first counts: later the base may be gone.
        for backup in self.catalog.unmeasured_backups(self.id)? {
            let (Ok(client), Ok(name)) = (backup.client.parse(), backup.name.parse()) else {
                continue;
            };
            if let Some(bytes) = self.store.stored_new_bytes(&client, &name) {
                self.catalog.set_stored_new(backup.id, bytes)?;
            }
        }
        Ok(())
    }

    /// Keeps the count of links to pooled directories in the catalog.
    fn record(&self, changes: &[PoolChange]) -> Result<()> {
        for of_client in changes.chunk_by(|one, next| one.client == next.client) {
            let client = &of_client[0].client;
            let counted: Vec<_> = of_client.iter().map(counted).collect();
            match self.catalog.change_pool_links(self.id, client.as_str(), &counted) {
                Ok(unlinked) => {
                    self.catalog.forget_pools(self.id, client.as_str(), &unlinked)?;
                }
                // A server that was killed had not counted all that it had linked.
                Err(catalog::Error::PoolUnderflow { .. }) => {
                    repair::recount(&self.catalog, (self.id, &self.store), client)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// A change as the catalog takes it.
fn counted(change: &PoolChange) -> catalog::PoolChange {
    let links = PoolLinks {
        pool: change.pool.as_str().to_owned(),
        links: 1,
    };
    match change.kind {
        PoolChangeKind::Linked => catalog::PoolChange::Added(links),
        PoolChangeKind::Unlinked => catalog::PoolChange::Taken(links),
    }
}
