//! The channels, and the way into the outbox.

use std::sync::Arc;
use std::time::Duration;

use catalog::{Catalog, Channel, ChannelId, NewMessage, Precedence, Telling};
use notify::{Message, Roots};
use parking_lot::{Condvar, Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tracing::error;

use super::audience::{Audience, Concern};
use super::carrier::{Carrier, Opened};
use crate::clock::Clock;
use crate::error::{Error, Result};

/// What is set for a channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChannelSettings {
    /// What carries its messages.
    pub carrier: Carrier,
    /// What it wants to know.
    pub audience: Audience,
}

/// A channel that is in use.
#[derive(Debug, Clone)]
pub struct ChannelEntry {
    /// Its number.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// What is set for it.
    pub settings: ChannelSettings,
    pub(super) opened: Opened,
}

impl ChannelEntry {
    /// Whether it takes messages; a ping takes none.
    pub fn takes_messages(&self) -> bool {
        !matches!(self.opened, Opened::Ping(_))
    }
}

/// What is in the outbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// A message.
    Message(Box<Message>),
    /// A sign of life.
    Ping {
        /// Which.
        signal: Sign,
        /// What is kept with it.
        log: String,
    },
}

/// A sign of life, as it lies in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sign {
    /// A backup begins.
    Start,
    /// It was made.
    Success,
    /// It was not made.
    Failure,
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Failure => "failure",
        })
    }
}

/// Knows the channels and queues what is for them.
pub struct Teller {
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: Clock,
    roots: Roots,
    channels: RwLock<Arc<Vec<ChannelEntry>>>,
    bell: Bell,
}

/// Wakes the thread that delivers.
#[derive(Default)]
struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Default)]
struct BellState {
    is_rung: bool,
    is_over: bool,
}

/// Why a wait for messages is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Woken {
    /// There may be something to deliver.
    Deliver,
    /// The server ends.
    End,
}

impl Teller {
    /// Reads the channels. Those that this version can't use are left out, which is logged.
    pub fn load(catalog: Arc<Catalog>, clock: Clock) -> Result<Self> {
        let teller = Self {
            catalog,
            clock,
            roots: Roots::system(),
            channels: RwLock::default(),
            bell: Bell::default(),
        };
        teller.reload()?;
        Ok(teller)
    }

    /// Reads them anew: something was changed.
    pub fn reload(&self) -> Result<()> {
        let open = |channel: Channel| match self.open(&channel) {
            Ok(entry) => Some(entry),
            Err(failed) => {
                error!(
                    channel = channel.name,
                    error = failed.chain(),
                    "a channel can't be used"
                );
                None
            }
        };
        let channels: Vec<ChannelEntry> = self.catalog.channels()?.into_iter().filter_map(open).collect();
        let has_listener = channels.iter().any(ChannelEntry::takes_messages);
        *self.channels.write() = Arc::new(channels);
        match has_listener {
            true => Ok(()),
            false => self.forget_all(),
        }
    }

    /// Forgets what was told: nobody is there who has heard it, and the next one to come hears of all that is wrong.
    fn forget_all(&self) -> Result<()> {
        let told = self.catalog.told()?;
        self.tell(&Telling {
            forgotten: told.into_iter().map(|record| record.subject).collect(),
            ..Telling::default()
        })
    }

    /// Whether there is anybody to tell something.
    pub fn has_listener(&self) -> bool {
        self.channels().iter().any(ChannelEntry::takes_messages)
    }

    fn open(&self, channel: &Channel) -> Result<ChannelEntry> {
        let settings: ChannelSettings =
            serde_json::from_str(&channel.settings).map_err(|source| Error::ChannelSettings {
                name: channel.name.clone(),
                source,
            })?;
        Ok(ChannelEntry {
            id: channel.id,
            name: channel.name.clone(),
            created_ms: channel.created_ms,
            opened: settings.carrier.open(&self.roots)?,
            settings,
        })
    }

    /// The channels, by name.
    pub fn channels(&self) -> Arc<Vec<ChannelEntry>> {
        self.channels.read().clone()
    }

    /// The channel of this name.
    pub fn channel(&self, name: &str) -> Option<ChannelEntry> {
        self.channels()
            .iter()
            .find(|channel| channel.name == name)
            .cloned()
    }

    /// Makes a channel; fails where what is set makes no sense, or the name is taken.
    pub fn add(&self, name: &str, settings: &ChannelSettings) -> Result<()> {
        settings.carrier.open(&self.roots)?;
        let text = serde_json::to_string(settings).expect("what is set is plain data");
        self.catalog.create_channel(name, &text, self.clock.now_ms())?;
        self.reload()
    }

    /// Changes what is set for a channel; fails where that makes no sense, or there is none of this name.
    pub fn set(&self, name: &str, settings: &ChannelSettings) -> Result<()> {
        settings.carrier.open(&self.roots)?;
        let text = serde_json::to_string(settings).expect("what is set is plain data");
        self.catalog.set_channel(name, &text)?;
        self.reload()
    }

    /// Removes a channel with what is on its way to it.
    pub fn remove(&self, name: &str) -> Result<()> {
        self.catalog.delete_channel(name)?;
        self.reload()
    }

    /// Queues what is told, remembers that it was, and has it delivered.
    pub(super) fn tell(&self, telling: &Telling) -> Result<()> {
        if telling.is_empty() {
            return Ok(());
        }
        self.catalog.tell(telling, self.clock.now_ms())?;
        self.ring();
        Ok(())
    }

    /// Has the outbox looked at.
    pub fn ring(&self) {
        self.bell.state.lock().is_rung = true;
        self.bell.rung.notify_one();
    }

    /// Ends the thread that delivers, once it is done with what it has begun.
    pub fn end(&self) {
        self.bell.state.lock().is_over = true;
        self.bell.rung.notify_one();
    }

    /// Whether the server ends.
    pub(super) fn is_over(&self) -> bool {
        self.bell.state.lock().is_over
    }

    /// Waits until somebody rings, or for so long.
    pub(super) fn wait(&self, at_most: Duration) -> Woken {
        let mut state = self.bell.state.lock();
        if !state.is_rung && !state.is_over {
            self.bell.rung.wait_for(&mut state, at_most);
        }
        state.is_rung = false;
        match state.is_over {
            true => Woken::End,
            false => Woken::Deliver,
        }
    }

    /// The group of a client: what a channel wants to know may depend on it.
    pub(super) fn group_of(&self, client: &str) -> Option<String> {
        match self.catalog.memberships() {
            Ok(memberships) => memberships.get(client).cloned().flatten(),
            Err(failed) => {
                error!(client, %failed, "the group of a client could not be found out");
                None
            }
        }
    }
}

impl Content {
    /// The message of a channel's outbox that carries this.
    pub(super) fn to(&self, channel: &ChannelEntry) -> NewMessage {
        NewMessage {
            channel: channel.id,
            content: serde_json::to_string(self).expect("what is queued is plain data"),
            precedence: match self {
                Self::Message(_) => Precedence::After,
                Self::Ping { .. } => Precedence::Replaces,
            },
        }
    }
}

/// A client and its group.
pub(super) fn concern<'a>(name: &'a str, group: Option<&'a str>) -> Concern<'a> {
    Concern::Client { name, group }
}
