//! Users: their names, passwords and second factors, and when they logged in.
//!
//! Of a password there is only its hash, in a form whose meaning is for the server to say. The secret of a second factor must be
//! there as it is; it is in no place but the database, whose file is for its owner only.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::columns::{count, word_enum};
use crate::error::{Error, Failure, is_duplicate};
use crate::{Catalog, TokenHash};

/// A user's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(pub i64);

word_enum! {
    /// Whether a user gets in.
    UserState {
        /// With a password or a token.
        Active = "active",
        /// In no way.
        Disabled = "disabled",
    }
}

word_enum! {
    /// Whether a second factor is asked for.
    TotpState {
        /// Not yet: the user has not shown that he has it.
        Pending = "pending",
        /// At each log-in.
        Active = "active",
    }
}

/// A user's second factor.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    /// What its codes are made from.
    pub secret: Vec<u8>,
    /// Whether it is asked for.
    pub state: TotpState,
    /// The time step of the last code that was taken; none of it or before is taken again.
    pub last_step: Option<i64>,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totp")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// A user as the catalog knows him.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// His number.
    pub id: UserId,
    /// His name.
    pub name: String,
    /// Whether he gets in.
    pub state: UserState,
    /// The hash of his password; without one he gets in with tokens only.
    pub password_hash: Option<String>,
    /// His second factor, if he has one.
    pub totp: Option<Totp>,
    /// How many recovery codes he has left.
    pub recovery_codes: u64,
    /// When he was added.
    pub created_ms: i64,
    /// When he logged in last.
    pub last_log_in_ms: Option<i64>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

pub(crate) const SELECT: &str = "SELECT users.*,
        (SELECT count(*) FROM recovery_codes WHERE user_id = users.id) AS recovery_codes FROM users";

impl Catalog {
    /// All users by name.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!("{SELECT} ORDER BY name"))?;
            let rows = statement.query_map([], user_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The user of this name; fails with [`Error::UnknownUser`].
    pub fn user(&self, name: &str) -> Result<User, Error> {
        self.find_user(name)?
            .ok_or_else(|| Error::UnknownUser { name: name.into() })
    }

    /// The user of this name, if there is one.
    pub fn find_user(&self, name: &str) -> Result<Option<User>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!("{SELECT} WHERE name = ?1"))?;
            Ok(statement.query_row([name], user_from).optional()?)
        })
    }

    /// Adds a user, who may do nothing yet; fails with [`Error::DuplicateUser`].
    pub fn add_user(&self, name: &str, password_hash: Option<&str>, now_ms: i64) -> Result<UserId, Error> {
        self.connections.write(|transaction| {
            let inserted = transaction.execute(
                "INSERT INTO users (name, state, password_hash, created_ms) VALUES (?1, ?2, ?3, ?4)",
                params![name, UserState::Active, password_hash, now_ms],
            );
            match inserted {
                Err(error) if is_duplicate(&error) => Err(Error::DuplicateUser { name: name.into() }.into()),
                done => Ok(done.map(|_| UserId(transaction.last_insert_rowid()))?),
            }
        })
    }

    /// Removes a user with all grants, tokens and sessions; fails with [`Error::UnknownUser`].
    pub fn remove_user(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, name)?;
            transaction.execute("DELETE FROM users WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// Lets a user in, or no more; then his sessions end. Fails with [`Error::UnknownUser`].
    pub fn set_user_state(&self, name: &str, state: UserState) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, name)?;
            transaction.execute("UPDATE users SET state = ?2 WHERE id = ?1", params![id, state])?;
            if state == UserState::Disabled {
                transaction.execute("DELETE FROM sessions WHERE user_id = ?1", [id])?;
            }
            Ok(())
        })
    }

    /// Gives a user another password; all his sessions end but the one named. Fails with [`Error::UnknownUser`].
    pub fn set_password(
        &self,
        name: &str,
        password_hash: &str,
        kept: Option<crate::SessionId>,
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, name)?;
            transaction.execute(
                "UPDATE users SET password_hash = ?2 WHERE id = ?1",
                params![id, password_hash],
            )?;
            transaction.execute(
                "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2",
                params![id, kept.map(|kept| kept.0)],
            )?;
            Ok(())
        })
    }

    /// Puts another hash of the same password in the place of one, unless the password was changed since.
    pub fn rehash_password(&self, user: UserId, old: &str, new: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2",
                params![user.0, old, new],
            )?;
            Ok(())
        })
    }

    /// Gives a user a second factor, which is not asked for before it is activated. Fails with [`Error::UnknownUser`].
    pub fn begin_totp(&self, name: &str, secret: &[u8]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, name)?;
            transaction.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [id])?;
            transaction.execute(
                "UPDATE users SET totp_secret = ?2, totp_state = ?3, totp_step = NULL WHERE id = ?1",
                params![id, secret, TotpState::Pending],
            )?;
            Ok(())
        })
    }

    /// Has the second factor asked for from now on. `step` is that of the code that was shown.
    pub fn activate_totp(&self, user: UserId, step: i64, recovery_codes: &[TokenHash]) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE users SET totp_state = ?2, totp_step = ?3 WHERE id = ?1 AND totp_secret IS NOT NULL",
                params![user.0, TotpState::Active, step],
            )?;
            transaction.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [user.0])?;
            let mut insert =
                transaction.prepare_cached("INSERT INTO recovery_codes (user_id, hash) VALUES (?1, ?2)")?;
            for code in recovery_codes {
                insert.execute(params![user.0, code.0])?;
            }
            Ok(())
        })
    }

    /// Takes a user's second factor away, with its recovery codes; fails with [`Error::UnknownUser`].
    pub fn remove_totp(&self, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let id = user_id(transaction, name)?;
            transaction.execute("DELETE FROM recovery_codes WHERE user_id = ?1", [id])?;
            transaction.execute(
                "UPDATE users SET totp_secret = NULL, totp_state = NULL, totp_step = NULL WHERE id = ?1",
                [id],
            )?;
            Ok(())
        })
    }

    /// Notes that a code of this time step was taken. Returns `false` where one of it, or of a later one, was taken before.
    pub fn spend_totp_step(&self, user: UserId, step: i64) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            let updated = transaction.execute(
                "UPDATE users SET totp_step = ?2 WHERE id = ?1 AND (totp_step IS NULL OR totp_step < ?2)",
                params![user.0, step],
            )?;
            Ok(updated > 0)
        })
    }

    /// Uses a recovery code up. Returns `false` where the user has no such code.
    pub fn spend_recovery_code(&self, user: UserId, code: TokenHash) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            let removed = transaction.execute(
                "DELETE FROM recovery_codes WHERE user_id = ?1 AND hash = ?2",
                params![user.0, code.0],
            )?;
            Ok(removed > 0)
        })
    }
}

/// The row id of a user who must be there.
pub(crate) fn user_id(transaction: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    transaction
        .prepare_cached("SELECT id FROM users WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::UnknownUser { name: name.into() }.into())
}

pub(crate) fn user_from(row: &Row<'_>) -> rusqlite::Result<User> {
    let secret: Option<Vec<u8>> = row.get("totp_secret")?;
    let totp = match secret {
        Some(secret) => Some(Totp {
            secret,
            state: row.get("totp_state")?,
            last_step: row.get("totp_step")?,
        }),
        None => None,
    };
    Ok(User {
        id: UserId(row.get("id")?),
        name: row.get("name")?,
        state: row.get("state")?,
        password_hash: row.get("password_hash")?,
        totp,
        recovery_codes: count(row, "recovery_codes")?,
        created_ms: row.get("created_ms")?,
        last_log_in_ms: row.get("last_log_in_ms")?,
    })
}
