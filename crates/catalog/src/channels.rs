//! Whom the server tells something: channels, as words whose meaning is for the server to say.
//!
//! What is set for a channel holds passwords and keys. It is in no place but the database, whose file is for its owner only.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::error::{Failure, is_duplicate};
use crate::{Catalog, Error};

/// A channel's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId(pub i64);

/// A channel as the catalog knows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its number.
    pub id: ChannelId,
    /// Its name.
    pub name: String,
    /// What is set for it, as JSON, with secrets.
    pub settings: String,
    /// When it was made.
    pub created_ms: i64,
    /// Until when its reports tell what there was.
    pub reported_ms: i64,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Catalog {
    /// All channels by name.
    pub fn channels(&self) -> Result<Vec<Channel>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached("SELECT * FROM channels ORDER BY name")?;
            let rows = statement.query_map([], channel_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Creates a channel; fails with [`Error::DuplicateChannel`] where there is one of this name.
    pub fn create_channel(&self, name: &str, settings: &str, now_ms: i64) -> Result<ChannelId, Error> {
        self.connections.write(|transaction| {
            let inserted = transaction.execute(
                "INSERT INTO channels (name, settings, created_ms, reported_ms) VALUES (?1, ?2, ?3, ?3)",
                params![name, settings, now_ms],
            );
            match inserted {
                Err(error) if is_duplicate(&error) => {
                    Err(Error::DuplicateChannel { name: name.into() }.into())
                }
                done => Ok(done.map(|_| ChannelId(transaction.last_insert_rowid()))?),
            }
        })
    }

    /// Changes what is set for a channel; fails with [`Error::UnknownChannel`]. What is on its way to it stays.
    pub fn set_channel(&self, name: &str, settings: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = channel_id(transaction, name)?;
            transaction.execute(
                "UPDATE channels SET settings = ?2 WHERE id = ?1",
                params![id, settings],
            )?;
            Ok(())
        })
    }

    /// Deletes a channel with the messages that are on their way to it; fails with [`Error::UnknownChannel`].
    pub fn delete_channel(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = channel_id(transaction, name)?;
            transaction.execute("DELETE FROM channels WHERE id = ?1", [id])?;
            Ok(())
        })
    }
}

/// The number of the channel of this name.
fn channel_id(transaction: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    transaction
        .query_row("SELECT id FROM channels WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?
        .ok_or_else(|| Error::UnknownChannel { name: name.into() }.into())
}

fn channel_from(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        id: ChannelId(row.get("id")?),
        name: row.get("name")?,
        settings: row.get("settings")?,
        created_ms: row.get("created_ms")?,
        reported_ms: row.get("reported_ms")?,
    })
}
