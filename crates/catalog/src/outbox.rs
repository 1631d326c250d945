//! Messages on their way, and what became of them.
//!
//! ```text
//! waiting ─ it arrived ─▶ delivered
//!  │ ▲ └─── it can't ───▶ given up
//!  └─┘ it failed: another try later
//! ```
//! Those of one channel go one after the other, so that they arrive in order. What some of a mail's recipients are still to get
//! holds up nobody else.

use rusqlite::{OptionalExtension, Row, params};

use crate::channels::ChannelId;
use crate::columns::word_enum;
use crate::{Catalog, Error};

word_enum! {
    /// Where a message is.
    MessageState {
        /// It is to be delivered.
        Waiting = "waiting",
        /// It has arrived.
        Delivered = "delivered",
        /// It did not arrive and is not tried again.
        GivenUp = "given up",
    }
}

/// A message's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MessageId(pub i64);

/// A message as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxMessage {
    /// Its number.
    pub id: MessageId,
    /// The channel that it is for.
    pub channel: ChannelId,
    /// That channel's name.
    pub channel_name: String,
    /// The message, as JSON.
    pub content: String,
    /// Who is still to get it, as JSON, if the others have it.
    pub recipients: Option<String>,
    /// Where it is.
    pub state: MessageState,
    /// Since when it is here.
    pub queued_ms: i64,
    /// How often its delivery has failed.
    pub failures: u32,
    /// When it is tried again.
    pub next_try_ms: i64,
    /// When it arrived or was given up.
    pub ended_ms: Option<i64>,
    /// Why it did not arrive at the last try, or not at everybody.
    pub error: Option<String>,
}

/// What became of a try to deliver a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    /// It has arrived.
    Delivered {
        /// Who did not get it, and why, where that is so.
        remark: Option<String>,
    },
    /// It is tried again.
    Retry {
        /// When.
        next_try_ms: i64,
        /// Why it failed.
        error: String,
        /// Who is still to get it, as JSON, if the others have it.
        recipients: Option<String>,
    },
    /// It is not tried again.
    GivenUp {
        /// Why it failed.
        error: String,
    },
}

impl Catalog {
    /// Messages whose time has come: of each channel the oldest, and those that only some recipients are still to get.
    pub fn due_messages(&self, now_ms: i64, limit: u32) -> Result<Vec<OutboxMessage>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "{SELECT} WHERE outbox.state = 'waiting' AND next_try_ms <= ?1 AND {FIRST}
                  ORDER BY next_try_ms, outbox.id LIMIT ?2"
            ))?;
            let rows = statement.query_map(params![now_ms, limit], message_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// When the next message is to be tried, if there is any.
    pub fn next_delivery_ms(&self) -> Result<Option<i64>, Error> {
        self.connections.read(|transaction| {
            let sql = format!("SELECT min(next_try_ms) FROM outbox WHERE state = 'waiting' AND {FIRST}");
            Ok(transaction
                .prepare_cached(&sql)?
                .query_row([], |row| row.get(0))?)
        })
    }

    /// Records what became of a try. A message that is gone, as with its channel, is no error.
    pub fn end_delivery(&self, id: MessageId, end: &DeliveryEnd, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            match end {
                DeliveryEnd::Delivered { remark } => transaction.execute(
                    "UPDATE outbox SET state = 'delivered', ended_ms = ?2, error = ?3 WHERE id = ?1",
                    params![id.0, now_ms, remark],
                ),
                DeliveryEnd::Retry {
                    next_try_ms,
                    error,
                    recipients,
                } => transaction.execute(
                    "UPDATE outbox SET failures = failures + 1, next_try_ms = ?2, error = ?3,
                            recipients = coalesce(?4, recipients) WHERE id = ?1",
                    params![id.0, next_try_ms, error, recipients],
                ),
                DeliveryEnd::GivenUp { error } => transaction.execute(
                    "UPDATE outbox SET state = 'given up', failures = failures + 1, ended_ms = ?2, error = ?3
                      WHERE id = ?1",
                    params![id.0, now_ms, error],
                ),
            }?;
            Ok(())
        })
    }

    /// Lists messages, newest first, at most so many.
    pub fn messages(&self, state: Option<MessageState>, limit: u32) -> Result<Vec<OutboxMessage>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "{SELECT} WHERE (?1 IS NULL OR outbox.state = ?1) ORDER BY outbox.id DESC LIMIT ?2"
            ))?;
            let rows = statement.query_map(params![state, limit], message_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// How many messages are in a state.
    pub fn count_messages(&self, state: MessageState) -> Result<u64, Error> {
        self.connections.read(|transaction| {
            let count: i64 = transaction
                .prepare_cached("SELECT count(*) FROM outbox WHERE state = ?1")?
                .query_row([state], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    /// How many messages wait for a channel.
    pub fn count_waiting(&self, channel: ChannelId) -> Result<u64, Error> {
        self.connections.read(|transaction| {
            let count: i64 = transaction
                .prepare_cached("SELECT count(*) FROM outbox WHERE channel_id = ?1 AND state = 'waiting'")?
                .query_row([channel.0], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    /// Forgets messages that arrived or were given up before this time. Returns how many.
    pub fn prune_messages(&self, ended_before_ms: i64) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let removed = transaction.execute("DELETE FROM outbox WHERE ended_ms < ?1", [ended_before_ms])?;
            Ok(removed as u64)
        })
    }

    /// The newest message to a channel that has ended or failed.
    pub fn last_message(&self, channel: ChannelId) -> Result<Option<OutboxMessage>, Error> {
        self.connections.read(|transaction| {
            let sql = format!(
                "{SELECT} WHERE channel_id = ?1 AND (outbox.state <> 'waiting' OR failures > 0)
                  ORDER BY outbox.id DESC LIMIT 1"
            );
            let mut statement = transaction.prepare_cached(&sql)?;
            Ok(statement.query_row([channel.0], message_from).optional()?)
        })
    }
}

const SELECT: &str =
    "SELECT outbox.*, channels.name AS channel_name FROM outbox JOIN channels ON channels.id = channel_id";

/// Whether no message of the channel has to go before.
const FIRST: &str = "(recipients IS NOT NULL OR outbox.id = (SELECT min(earlier.id) FROM outbox AS earlier
    WHERE earlier.channel_id = outbox.channel_id AND earlier.state = 'waiting' AND earlier.recipients IS NULL))";

fn message_from(row: &Row<'_>) -> rusqlite::Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: MessageId(row.get("id")?),
        channel: ChannelId(row.get("channel_id")?),
        channel_name: row.get("channel_name")?,
        content: row.get("content")?,
        recipients: row.get("recipients")?,
        state: row.get("state")?,
        queued_ms: row.get("queued_ms")?,
        failures: row.get("failures")?,
        next_try_ms: row.get("next_try_ms")?,
        ended_ms: row.get("ended_ms")?,
        error: row.get("error")?,
    })
}
