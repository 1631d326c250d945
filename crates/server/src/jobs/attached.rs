//! The clients that hold a standing connection, and what they have been asked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use policy::schedule::{Link, Power};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use wire::v1::{
    SampleFile, SampleReply, SampleRequest, SampleVolume, SampledBlock, SampledFile, ServerCommand,
    server_command::Command,
};

use crate::error::{Error, Result};

/// Commands that may wait for a client that is slow to take them.
const QUEUED_COMMANDS: usize = 16;

/// What a client found when it hashed its source anew.
#[derive(Debug, Default)]
pub struct SampleOutcome {
    /// Of files.
    pub files: Vec<SampledFile>,
    /// Of blocks of volumes.
    pub blocks: Vec<SampledBlock>,
}

/// What a client told of its circumstances, and since when it is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Since when.
    pub connected_ms: i64,
    /// Where its power comes from.
    pub power: Power,
    /// What its connection costs.
    pub link: Link,
}

/// The standing connection of a client.
pub struct Attachment {
    number: u64,
    condition: Mutex<Condition>,
    takes_restores: bool,
    commands: mpsc::Sender<ServerCommand>,
    samples: Mutex<HashMap<u64, (SampleOutcome, oneshot::Sender<SampleOutcome>)>>,
    /// Set to end the connection: the client was revoked, or came again.
    pub detach: CancellationToken,
}

impl Attachment {
    /// Sends a command; fails where the connection is gone or the client doesn't take it.
    pub fn command(&self, command: Command) -> Result<()> {
        self.commands
            .try_send(ServerCommand {
                command: Some(command),
            })
            .map_err(|_| Error::Disconnected)
    }

    /// Whether the client can be asked to restore something.
    pub fn takes_restores(&self) -> bool {
        self.takes_restores
    }

    /// What the client told of its circumstances.
    pub fn condition(&self) -> Condition {
        *self.condition.lock()
    }

    /// Takes in what the client tells of its circumstances.
    pub fn set_condition(&self, power: Power, link: Link) {
        let mut condition = self.condition.lock();
        (condition.power, condition.link) = (power, link);
    }

    /// Takes in a part of an answer.
    pub fn sampled(&self, reply: SampleReply) {
        let mut samples = self.samples.lock();
        if let Some((found, _)) = samples.get_mut(&reply.request_id) {
            found.files.extend(reply.files);
            found.blocks.extend(reply.blocks);
            if reply.last
                && let Some((found, waiting)) = samples.remove(&reply.request_id)
            {
                // The one who asked may be gone: then nobody wants to know.
                let _ = waiting.send(found);
            }
        }
    }
}

/// A client that comes again so soon counts as one that was never gone.
const BLINK_MS: i64 = 120_000;

/// All standing connections by the clients' names.
#[derive(Default)]
pub struct Attached {
    clients: Mutex<HashMap<String, Arc<Attachment>>>,
    /// Since when those that have gone were connected, and when they went.
    gone: Mutex<HashMap<String, (i64, i64)>>,
    next: AtomicU64,
}

impl Attached {
    /// Takes a client in. An older connection of the same client ends: a client that lost its connection comes again
    /// before the server notices.
    pub fn attach(
        &self,
        client: &str,
        takes_restores: bool,
        now_ms: i64,
    ) -> (Arc<Attachment>, mpsc::Receiver<ServerCommand>) {
        let (commands, receiver) = mpsc::channel(QUEUED_COMMANDS);
        let before = self
            .clients
            .lock()
            .get(client)
            .map(|before| before.condition().connected_ms);
        let gone = self.gone.lock().remove(client);
        let blinked = gone.filter(|(_, left_ms)| now_ms.saturating_sub(*left_ms) < BLINK_MS);
        let connected_ms = before.or(blinked.map(|(since_ms, _)| since_ms)).unwrap_or(now_ms);
        let attachment = Arc::new(Attachment {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            condition: Mutex::new(Condition {
                connected_ms,
                power: Power::Unknown,
                link: Link::Unknown,
            }),
            takes_restores,
            commands,
            samples: Mutex::default(),
            detach: CancellationToken::new(),
        });
        let before = self.clients.lock().insert(client.to_owned(), attachment.clone());
        if let Some(before) = before {
            before.detach.cancel();
        }
        (attachment, receiver)
    }

    /// Takes a connection out, unless another has taken its place.
    pub fn leave(&self, client: &str, attachment: &Attachment, now_ms: i64) {
        let mut clients = self.clients.lock();
        if clients
            .get(client)
            .is_some_and(|current| current.number == attachment.number)
        {
            clients.remove(client);
            let since_ms = attachment.condition().connected_ms;
            self.gone.lock().insert(client.to_owned(), (since_ms, now_ms));
        }
    }

    /// The standing connection of a client.
    pub fn get(&self, client: &str) -> Result<Arc<Attachment>> {
        self.clients
            .lock()
            .get(client)
            .cloned()
            .ok_or_else(|| Error::NotConnected {
                client: client.to_owned(),
            })
    }

    /// Whether a client is connected.
    pub fn contains(&self, client: &str) -> bool {
        self.clients.lock().contains_key(client)
    }

    /// The names of all that are connected.
    pub fn names(&self) -> Vec<String> {
        self.clients.lock().keys().cloned().collect()
    }

    /// Asks a client for fresh hashes of files of its source, or of blocks of its volumes.
    pub async fn sample(
        &self,
        client: &str,
        files: Vec<SampleFile>,
        volumes: Vec<SampleVolume>,
    ) -> Result<SampleOutcome> {
        let attachment = self.get(client)?;
        let request_id = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        attachment
            .samples
            .lock()
            .insert(request_id, (SampleOutcome::default(), sender));
        attachment.command(Command::Sample(SampleRequest {
            request_id,
            files,
            volumes,
        }))?;
        tokio::select! {
            found = receiver => found.map_err(|_| Error::Disconnected),
            () = attachment.detach.cancelled() => Err(Error::Disconnected),
        }
    }
}
