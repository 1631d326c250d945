//! What was told of what is wrong, and the messages that follow from it: one transaction, so that nothing is told twice or never.

use rusqlite::{Row, Transaction, params};

use crate::channels::ChannelId;
use crate::error::Failure;
use crate::{Catalog, Error};

/// What was told last of something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldRecord {
    /// What it is about, as a word for programs; unique.
    pub subject: String,
    /// What is wrong, as a word for programs.
    pub what: String,
    /// Which things are concerned, as JSON.
    pub about: String,
    /// Since when something is wrong.
    pub since_ms: i64,
    /// When it was told last.
    pub told_ms: i64,
}

/// A message for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The channel. One that is gone gets nothing.
    pub channel: ChannelId,
    /// The message, as JSON.
    pub content: String,
    /// Whether it takes the place of those that have failed before.
    pub precedence: Precedence,
}

/// What a message does to those of its channel that have failed and wait for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precedence {
    /// It goes after them.
    After,
    /// It makes them worthless: it is a sign of life, and only the last one counts.
    Replaces,
}

/// Something that is told, and what is to be remembered of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telling {
    /// What was told of a subject takes the place of what was told of it before.
    pub told: Vec<ToldRecord>,
    /// Of these subjects nothing is wrong any more.
    pub forgotten: Vec<String>,
    /// What goes out.
    pub messages: Vec<NewMessage>,
    /// Channels whose reports now tell what there was until then.
    pub reported: Vec<(ChannelId, i64)>,
}

impl Telling {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Messages that may wait for one channel: with more, the oldest are given up.
const MOST_WAITING: i64 = 1_000;

impl Catalog {
    /// What was told of all that is wrong, by subject.
    pub fn told(&self) -> Result<Vec<ToldRecord>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached("SELECT * FROM told ORDER BY subject")?;
            let rows = statement.query_map([], told_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Queues messages and remembers what was told, all of it or nothing.
    pub fn tell(&self, telling: &Telling, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            for told in &telling.told {
                remember(transaction, told)?;
            }
            let mut forget = transaction.prepare_cached("DELETE FROM told WHERE subject = ?1")?;
            for subject in &telling.forgotten {
                forget.execute([subject])?;
            }
            for message in &telling.messages {
                queue(transaction, message, now_ms)?;
            }
            let mut report =
                transaction.prepare_cached("UPDATE channels SET reported_ms = ?2 WHERE id = ?1")?;
            for (channel, until_ms) in &telling.reported {
                report.execute(params![channel.0, until_ms])?;
            }
            Ok(())
        })
    }
}

fn remember(transaction: &Transaction<'_>, told: &ToldRecord) -> Result<(), Failure> {
    transaction
        .prepare_cached(
            "INSERT INTO told (subject, what, about, since_ms, told_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (subject) DO UPDATE SET what = excluded.what, about = excluded.about,
                 since_ms = excluded.since_ms, told_ms = excluded.told_ms",
        )?
        .execute(params![
            told.subject,
            told.what,
            told.about,
            told.since_ms,
            told.told_ms
        ])?;
    Ok(())
}

fn queue(transaction: &Transaction<'_>, message: &NewMessage, now_ms: i64) -> Result<(), Failure> {
    let channel = message.channel.0;
    if message.precedence == Precedence::Replaces {
        transaction
            .prepare_cached(
                "DELETE FROM outbox WHERE channel_id = ?1 AND state = 'waiting' AND failures > 0",
            )?
            .execute([channel])?;
    }
    let queued = transaction
        .prepare_cached(
            "INSERT INTO outbox (channel_id, content, state, queued_ms, failures, next_try_ms)
             SELECT id, ?2, 'waiting', ?3, 0, ?3 FROM channels WHERE id = ?1",
        )?
        .execute(params![channel, message.content, now_ms])?;
    if queued > 0 {
        transaction
            .prepare_cached(
                "UPDATE outbox SET state = 'given up', ended_ms = ?3, error = 'too many messages were waiting'
                  WHERE id IN (SELECT id FROM outbox WHERE channel_id = ?1 AND state = 'waiting'
                                ORDER BY id DESC LIMIT -1 OFFSET ?2)",
            )?
            .execute(params![channel, MOST_WAITING, now_ms])?;
    }
    Ok(())
}

fn told_from(row: &Row<'_>) -> rusqlite::Result<ToldRecord> {
    Ok(ToldRecord {
        subject: row.get("subject")?,
        what: row.get("what")?,
        about: row.get("about")?,
        since_ms: row.get("since_ms")?,
        told_ms: row.get("told_ms")?,
    })
}
