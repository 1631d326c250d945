//! API tokens: what scripts log in with. Only a token's hash is kept, as of [enrolment tokens](crate::NewToken).

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::columns::word_enum;
use crate::error::{Error, is_duplicate};
use crate::roles::{scope_columns, scope_from};
use crate::users::{self, user_from, user_id};
use crate::{Catalog, Scope, TokenHash, User};

/// A token's number; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApiTokenId(pub i64);

word_enum! {
    /// For whom a token holds.
    TokenReach {
        /// For all for whom its user's rights hold.
        All = "all",
        /// Of these for those that are listed. The list may have become empty.
        Listed = "listed",
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewApiToken {
    /// Its name, unique among the user's.
    pub name: String,
    /// What it is known by.
    pub hash: TokenHash,
    /// The rights that it is limited to, words separated by commas; `None` for all that its user has.
    pub rights: Option<String>,
    /// For whom alone it holds; `None` for no limit.
    pub scopes: Option<Vec<Scope>>,
    /// When it is made.
    pub created_ms: i64,
    /// From then on it is refused, if ever.
    pub expires_ms: Option<i64>,
}

/// A token as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// Its number.
    pub id: ApiTokenId,
    /// Its user's name.
    pub user: String,
    /// Its name.
    pub name: String,
    /// The rights that it is limited to.
    pub rights: Option<String>,
    /// For whom alone it holds.
    pub scopes: Option<Vec<Scope>>,
    /// When it was made.
    pub created_ms: i64,
    /// From then on it is refused, if ever.
    pub expires_ms: Option<i64>,
    /// When it was used last, about.
    pub last_used_ms: Option<i64>,
}

impl Catalog {
    /// Keeps a new token; fails with [`Error::UnknownUser`], [`Error::DuplicateApiToken`], or where it is for somebody unknown.
    pub fn create_api_token(&self, user: &str, token: &NewApiToken) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let user_id = user_id(transaction, user)?;
            let reach = match token.scopes {
                Some(_) => TokenReach::Listed,
                None => TokenReach::All,
            };
            let inserted = transaction.execute(
                "INSERT INTO api_tokens (user_id, name, hash, rights, reach, created_ms, expires_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    user_id,
                    token.name,
                    token.hash.0,
                    token.rights,
                    reach,
                    token.created_ms,
                    token.expires_ms
                ],
            );
            match inserted {
                Err(error) if is_duplicate(&error) => {
                    let name = token.name.clone();
                    return Err(Error::DuplicateApiToken { name }.into());
                }
                done => done?,
            };
            let id = transaction.last_insert_rowid();
            for scope in token.scopes.iter().flatten() {
                let (scope, owner_id) = scope_columns(transaction, scope)?;
                transaction.execute(
                    "INSERT INTO api_token_scopes (token_id, scope, owner_id) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO NOTHING",
                    params![id, scope, owner_id],
                )?;
            }
            Ok(())
        })
    }

    /// All tokens, or those of one user, by user and name.
    pub fn api_tokens(&self, user: Option<&str>) -> Result<Vec<ApiToken>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT api_tokens.*, users.name AS user FROM api_tokens JOIN users ON users.id = user_id
                  WHERE ?1 IS NULL OR users.name = ?1 ORDER BY users.name, api_tokens.name",
            )?;
            let rows = statement.query_map([user], |row| token_from(transaction, row))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The token of this hash, with its user; `None` where there is none.
    pub fn api_token(&self, hash: TokenHash) -> Result<Option<(ApiToken, User)>, Error> {
        self.connections.read(|transaction| {
            let found = transaction
                .prepare_cached(
                    "SELECT api_tokens.*, users.name AS user FROM api_tokens JOIN users ON users.id = user_id
                      WHERE hash = ?1",
                )?
                .query_row([hash.0], |row| {
                    Ok((token_from(transaction, row)?, row.get::<_, i64>("user_id")?))
                })
                .optional()?;
            let Some((token, user_id)) = found else {
                return Ok(None);
            };
            let user = transaction
                .prepare_cached(&format!("{} WHERE id = ?1", users::SELECT))?
                .query_row([user_id], user_from)?;
            Ok(Some((token, user)))
        })
    }

    /// Notes that a token was used.
    pub fn note_api_token_use(&self, id: ApiTokenId, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            transaction.execute(
                "UPDATE api_tokens SET last_used_ms = ?2 WHERE id = ?1",
                params![id.0, now_ms],
            )?;
            Ok(())
        })
    }

    /// Takes a token back; fails with [`Error::UnknownUser`] or [`Error::UnknownApiToken`].
    pub fn revoke_api_token(&self, user: &str, name: &str) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let user_id = user_id(transaction, user)?;
            let removed = transaction.execute(
                "DELETE FROM api_tokens WHERE user_id = ?1 AND name = ?2",
                params![user_id, name],
            )?;
            match removed {
                0 => Err(Error::UnknownApiToken { name: name.into() }.into()),
                _ => Ok(()),
            }
        })
    }
}

fn token_from(transaction: &Transaction<'_>, row: &Row<'_>) -> rusqlite::Result<ApiToken> {
    let id: i64 = row.get("id")?;
    let scopes = match row.get("reach")? {
        TokenReach::All => None,
        TokenReach::Listed => Some(scopes_of(transaction, id)?),
    };
    Ok(ApiToken {
        id: ApiTokenId(id),
        user: row.get("user")?,
        name: row.get("name")?,
        rights: row.get("rights")?,
        scopes,
        created_ms: row.get("created_ms")?,
        expires_ms: row.get("expires_ms")?,
        last_used_ms: row.get("last_used_ms")?,
    })
}

fn scopes_of(transaction: &Transaction<'_>, token: i64) -> rusqlite::Result<Vec<Scope>> {
    let mut statement = transaction.prepare_cached(
        "SELECT scope, coalesce(groups.name, clients.name) AS owner FROM api_token_scopes
           LEFT JOIN groups ON scope = 'group' AND groups.id = owner_id
           LEFT JOIN clients ON scope = 'client' AND clients.id = owner_id
          WHERE token_id = ?1 ORDER BY scope, owner",
    )?;
    let rows = statement.query_map([token], scope_from)?;
    rows.collect()
}
