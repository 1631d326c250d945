//! Log-ins: the sessions that they begin, from where users have logged in, and what has failed.

use rusqlite::{OptionalExtension, Row, params};

use crate::columns::{count, stored};
use crate::error::Error;
use crate::users::{self, user_from, user_id};
use crate::{Catalog, TokenHash, User, UserId};

/// A session's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub i64);

/// A session to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSession {
    /// Whose.
    pub user: UserId,
    /// What its token is known by.
    pub hash: TokenHash,
    /// From where.
    pub address: String,
    /// With which program, in its own words.
    pub program: String,
}

/// A session as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogInSession {
    /// Its number.
    pub id: SessionId,
    /// Its user's name.
    pub user: String,
    /// When it began.
    pub created_ms: i64,
    /// When it was used last, about.
    pub last_used_ms: i64,
    /// From where it was begun.
    pub address: String,
    /// With which program, in its own words.
    pub program: String,
}

/// What failed of a name from an address. An empty name stands for all names, an empty address for all addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedLogIns {
    /// Of whom.
    pub user_name: String,
    /// From where.
    pub address: String,
    /// How often.
    pub failures: u64,
    /// When last.
    pub last_ms: i64,
    /// Until when log-ins are refused.
    pub locked_until_ms: i64,
}

impl Catalog {
    /// Begins a session, and notes when and from where its user has logged in; `known_as` is what is remembered of the address.
    pub fn begin_session(
        &self,
        session: &NewSession,
        known_as: &str,
        now_ms: i64,
    ) -> Result<SessionId, Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "INSERT INTO sessions (user_id, hash, created_ms, last_used_ms, address, program)
                 VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
                params![
                    session.user.0,
                    session.hash.0,
                    now_ms,
                    session.address,
                    session.program
                ],
            )?;
            let id = SessionId(transaction.last_insert_rowid());
            transaction.execute(
                "UPDATE users SET last_log_in_ms = ?2 WHERE id = ?1",
                params![session.user.0, now_ms],
            )?;
            transaction.execute(
                "INSERT INTO known_addresses (user_id, address, last_ms) VALUES (?1, ?2, ?3)
                 ON CONFLICT (user_id, address) DO UPDATE SET last_ms = excluded.last_ms",
                params![session.user.0, known_as, now_ms],
            )?;
            Ok(id)
        })
    }

    /// The session of this hash, with its user; `None` where there is none.
    pub fn session(&self, hash: TokenHash) -> Result<Option<(LogInSession, User)>, Error> {
        self.connections.read(|transaction| {
            let found = transaction
                .prepare_cached(
                    "SELECT sessions.*, users.name AS user FROM sessions JOIN users ON users.id = user_id
                      WHERE hash = ?1",
                )?
                .query_row([hash.0], |row| {
                    Ok((session_from(row)?, row.get::<_, i64>("user_id")?))
                })
                .optional()?;
            let Some((session, user_id)) = found else {
                return Ok(None);
            };
            let user = transaction
                .prepare_cached(&format!("{} WHERE id = ?1", users::SELECT))?
                .query_row([user_id], user_from)?;
            Ok(Some((session, user)))
        })
    }

    /// All sessions, or those of one user, the newest first. Those that have run out are among them until they are pruned.
    pub fn sessions(&self, user: Option<&str>) -> Result<Vec<LogInSession>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT sessions.*, users.name AS user FROM sessions JOIN users ON users.id = user_id
                  WHERE ?1 IS NULL OR users.name = ?1 ORDER BY sessions.id DESC",
            )?;
            let rows = statement.query_map([user], session_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Notes that a session was used.
    pub fn note_session_use(&self, id: SessionId, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE sessions SET last_used_ms = ?2 WHERE id = ?1",
                params![id.0, now_ms],
            )?;
            Ok(())
        })
    }

    /// Ends a session. Returns whose it was, if there was one.
    pub fn end_session(&self, id: SessionId) -> Result<Option<String>, Error> {
        self.connections.write(|transaction| {
            let user = transaction
                .query_row(
                    "SELECT users.name FROM sessions JOIN users ON users.id = user_id WHERE sessions.id = ?1",
                    [id.0],
                    |row| row.get(0),
                )
                .optional()?;
            transaction.execute("DELETE FROM sessions WHERE id = ?1", [id.0])?;
            Ok(user)
        })
    }

    /// Ends all sessions of a user. Returns how many there were; fails with [`Error::UnknownUser`].
    pub fn end_sessions(&self, user: &str) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, user)?;
            let removed = transaction.execute("DELETE FROM sessions WHERE user_id = ?1", [id])?;
            Ok(removed as u64)
        })
    }

    /// Forgets sessions that were begun, or used last, before these times, and addresses from where nobody has logged in since.
    pub fn prune_sessions(
        &self,
        begun_before_ms: i64,
        used_before_ms: i64,
        known_before_ms: i64,
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "DELETE FROM sessions WHERE created_ms < ?1 OR last_used_ms < ?2",
                params![begun_before_ms, used_before_ms],
            )?;
            transaction.execute(
                "DELETE FROM known_addresses WHERE last_ms < ?1",
                [known_before_ms],
            )?;
            Ok(())
        })
    }

    /// Whether a user has logged in from there.
    pub fn knows_address(&self, user: UserId, address: &str) -> Result<bool, Error> {
        self.connections.read(|transaction| {
            let known = transaction
                .prepare_cached("SELECT 1 FROM known_addresses WHERE user_id = ?1 AND address = ?2")?
                .exists(params![user.0, address])?;
            Ok(known)
        })
    }

    /// What failed of a name from an address.
    pub fn failed_log_ins(&self, user_name: &str, address: &str) -> Result<Option<FailedLogIns>, Error> {
        self.connections.read(|transaction| {
            let found = transaction
                .prepare_cached("SELECT * FROM failed_log_ins WHERE user_name = ?1 AND address = ?2")?
                .query_row([user_name, address], failed_from)
                .optional()?;
            Ok(found)
        })
    }

    /// All that failed and is not forgotten, by name and address.
    pub fn all_failed_log_ins(&self) -> Result<Vec<FailedLogIns>, Error> {
        self.connections.read(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT * FROM failed_log_ins ORDER BY user_name, address")?;
            let rows = statement.query_map([], failed_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Keeps what failed, and forgets what was over by then.
    pub fn note_failed_log_ins(&self, failed: &[FailedLogIns], over_before_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "DELETE FROM failed_log_ins WHERE max(last_ms, locked_until_ms) < ?1",
                [over_before_ms],
            )?;
            let mut put = transaction.prepare_cached(
                "INSERT INTO failed_log_ins (user_name, address, failures, last_ms, locked_until_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (user_name, address) DO UPDATE SET failures = excluded.failures,
                    last_ms = excluded.last_ms, locked_until_ms = excluded.locked_until_ms",
            )?;
            for failed in failed {
                put.execute(params![
                    failed.user_name,
                    failed.address,
                    stored("failed log-ins", failed.failures)?,
                    failed.last_ms,
                    failed.locked_until_ms
                ])?;
            }
            Ok(())
        })
    }

    /// Forgets what failed of a name from an address.
    pub fn forget_failed_log_ins(&self, user_name: &str, address: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "DELETE FROM failed_log_ins WHERE user_name = ?1 AND address = ?2",
                [user_name, address],
            )?;
            Ok(())
        })
    }

    /// Forgets all that failed of a name, and of whomever from the addresses where it failed. Returns how many locks and counts
    /// that were.
    pub fn unlock_log_ins(&self, user_name: &str) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let removed = transaction.execute(
                "DELETE FROM failed_log_ins WHERE user_name = ?1 OR (user_name = '' AND address IN
                    (SELECT address FROM failed_log_ins WHERE user_name = ?1 AND address <> ''))",
                [user_name],
            )?;
            Ok(removed as u64)
        })
    }
}

fn session_from(row: &Row<'_>) -> rusqlite::Result<LogInSession> {
    Ok(LogInSession {
        id: SessionId(row.get("id")?),
        user: row.get("user")?,
        created_ms: row.get("created_ms")?,
        last_used_ms: row.get("last_used_ms")?,
        address: row.get("address")?,
        program: row.get("program")?,
    })
}

fn failed_from(row: &Row<'_>) -> rusqlite::Result<FailedLogIns> {
    Ok(FailedLogIns {
        user_name: row.get("user_name")?,
        address: row.get("address")?,
        failures: count(row, "failures")?,
        last_ms: row.get("last_ms")?,
        locked_until_ms: row.get("locked_until_ms")?,
    })
}
