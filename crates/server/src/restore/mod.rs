//! A restore on its way out: the client says which files it wants, data connections bring them.
//!
//! One thread per data connection takes files from a bounded queue, so what waits in memory is bounded by the
//! queue and one frame for each connection. The backup is only read.

pub mod asked;
mod sender;

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender};
use parking_lot::Mutex;
use storage::BackupTree;
use tokio::sync::mpsc;
use tonic::Status;
use tracing::{debug, warn};
use wire::v1::{FailedFile, RestoreReply, WantedFile, restore_reply::Reply};

use crate::error::{Error, Result};
use crate::sessions::{DataReader, DataSession};

/// Data connections of one restore.
pub const DATA_CONNECTIONS: u32 = 4;
/// Wanted files that may wait; a client that asks for more waits.
const QUEUED_FILES: usize = 4096;

/// Where the answers to the client go.
pub type Replies = mpsc::Sender<Result<RestoreReply, Status>>;

/// A restore session.
pub struct Session {
    token: [u8; 32],
    client: String,
    tree: BackupTree,
    wanted: Mutex<Option<Sender<WantedFile>>>,
    queue: Receiver<WantedFile>,
    replies: Replies,
    connections: Mutex<Vec<TcpStream>>,
    open: AtomicUsize,
    ended: tokio::sync::Notify,
}

impl Session {
    /// Creates a session in which `client` reads `tree`.
    pub fn create(client: String, tree: BackupTree, replies: Replies) -> Self {
        let (wanted, queue) = crossbeam_channel::bounded(QUEUED_FILES);
        Self {
            token: rand::random(),
            client,
            tree,
            wanted: Mutex::new(Some(wanted)),
            queue,
            replies,
            connections: Mutex::default(),
            open: AtomicUsize::new(0),
            ended: tokio::sync::Notify::new(),
        }
    }

    /// Queues files, blocking while the queue is full.
    pub fn want(&self, files: Vec<WantedFile>) -> Result<()> {
        let wanted = self.wanted.lock().clone().ok_or(Error::Disconnected)?;
        for file in files {
            wanted.send(file).map_err(|_| Error::Disconnected)?;
        }
        Ok(())
    }

    /// No more files are wanted: the connections end when the queue is empty.
    pub fn finish(&self) {
        self.wanted.lock().take();
    }

    /// Waits until every data connection has ended.
    pub async fn wait_ended(&self) {
        loop {
            let notified = self.ended.notified();
            if self.open.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Ends the data connections at once.
    pub fn shut_down(&self) {
        self.finish();
        // What is still queued is wanted by nobody.
        while self.queue.try_recv().is_ok() {}
        for connection in self.connections.lock().drain(..) {
            // The peer may have closed it already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    fn failed(&self, file_id: u64, reason: String) {
        let reply = RestoreReply {
            reply: Some(Reply::Failed(FailedFile { file_id, reason })),
        };
        // A client that is gone needs no answer.
        let _ = self.replies.blocking_send(Ok(reply));
    }
}

impl DataSession for Session {
    fn client(&self) -> &str {
        &self.client
    }

    fn token(&self) -> &[u8] {
        &self.token
    }

    fn serve(self: Arc<Self>, mut reader: DataReader) {
        if self.open.fetch_add(1, Ordering::AcqRel) >= DATA_CONNECTIONS as usize {
            warn!(
                client = self.client,
                "a restore opened more data connections than it may"
            );
        } else {
            self.connections.lock().extend(reader.handle());
            let sent = reader
                .into_writer(&self.token)
                .and_then(|writer| sender::send(&self, writer));
            if let Err(error) = sent {
                debug!(
                    client = self.client,
                    error = error.chain(),
                    "a restore's data connection ended early"
                );
            }
        }
        self.open.fetch_sub(1, Ordering::AcqRel);
        self.ended.notify_waiters();
    }
}
