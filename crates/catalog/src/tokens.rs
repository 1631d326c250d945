//! Tokens and what they buy: a place among the clients.
//!
//! Only a token's hash is kept. A token has 256 random bits, so a plain hash of it can't be reversed and needs no
//! salt.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::clients::{Certificate, Client, ClientState, certify, find, retire_certificate, unknown};
use crate::error::{Error, Failure, is_duplicate};
use crate::{Catalog, Sighting};

/// The BLAKE3 hash of a token's secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// Hashes a secret, which must have at least 128 random bits.
    pub fn of(secret: &[u8]) -> Self {
        Self(*blake3::hash(secret).as_bytes())
    }
}

/// A token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What it is known by.
    pub hash: TokenHash,
    /// The only client that may use it. Without this it is good for names that nobody has had.
    pub client: Option<String>,
    /// How many clients may use it.
    pub max_uses: u32,
    /// What clients that are installed with it back up; none for what is usual. None has a line break in it.
    pub sources: Vec<String>,
    /// When it is made.
    pub created_ms: i64,
    /// From then on it is refused.
    pub expires_ms: i64,
}

/// A token as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is known by.
    pub hash: TokenHash,
    /// The only client that may use it.
    pub client: Option<String>,
    /// How many clients may use it.
    pub max_uses: u32,
    /// How many have.
    pub uses: u32,
    /// What clients that are installed with it back up; none for what is usual.
    pub sources: Vec<String>,
    /// When it was made.
    pub created_ms: i64,
    /// From then on it is refused.
    pub expires_ms: i64,
    /// When it was used, last.
    pub used_ms: Option<i64>,
    /// The client that used it, last.
    pub used_by: Option<String>,
}

/// A client that asks for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// The name that it wants.
    pub client: String,
    /// The certificate that it will be known by.
    pub certificate: Certificate,
    /// What it tells about itself.
    pub sighting: Sighting,
}

/// What a token was good for. All but *accepted* leave everything as it was, the token too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redeem {
    /// The client is active from now on, the token is used.
    Accepted(Box<Client>),
    /// No such token.
    Unknown,
    /// It was not used in time.
    Expired,
    /// It was used before, as often as it may be.
    AlreadyUsed {
        /// The client that used it, last.
        by: String,
    },
    /// It is meant for a client of another name.
    MeantForAnother {
        /// That name.
        client: String,
    },
    /// There is, or was, a client of this name, and the token is not bound to it: whoever gets the name gets to
    /// read its backups.
    NameTaken,
}

impl Catalog {
    /// Keeps a new token.
    pub fn create_token(&self, token: &NewToken) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let insert = transaction.execute(
                "INSERT INTO tokens (hash, client_name, created_ms, expires_ms, max_uses, sources)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    token.hash.0,
                    token.client,
                    token.created_ms,
                    token.expires_ms,
                    token.max_uses,
                    token.sources.join("\n")
                ],
            );
            match insert {
                Ok(_) => Ok(()),
                Err(error) if is_duplicate(&error) => Err(Error::DuplicateToken.into()),
                Err(error) => Err(error.into()),
            }
        })
    }

    /// All tokens, used and expired ones too, oldest first.
    pub fn tokens(&self) -> Result<Vec<Token>, Error> {
        self.connections.read(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT * FROM tokens ORDER BY created_ms, hash")?;
            let rows = statement.query_map([], token_from)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// A token, as long as it is good for something; what [`Catalog::enrol`] would say where it is not.
    pub fn good_token(&self, hash: TokenHash, now_ms: i64) -> Result<Result<Token, Redeem>, Error> {
        self.connections
            .read(|transaction| Ok(good(transaction, hash, now_ms)?))
    }

    /// Forgets tokens that expired before this time, used or not. Returns how many.
    pub fn prune_tokens(&self, expired_before_ms: i64) -> Result<u64, Error> {
        self.connections.write(|transaction| {
            let removed =
                transaction.execute("DELETE FROM tokens WHERE expires_ms < ?1", [expired_before_ms])?;
            Ok(removed as u64)
        })
    }

    /// Tells what [`Catalog::enrol`] would say, without using the token up: for a refusal before a certificate is made.
    ///
    /// `Ok(None)` where it would be accepted.
    pub fn preview_enrolment(
        &self,
        hash: TokenHash,
        client: &str,
        now_ms: i64,
    ) -> Result<Option<Redeem>, Error> {
        self.connections
            .read(|transaction| Ok(refusal(transaction, hash, client, now_ms)?))
    }

    /// Uses a token and makes the client active, both or neither.
    ///
    /// A client that was there before keeps its backups; the certificate that it had counts as revoked.
    pub fn enrol(&self, hash: TokenHash, enrolment: &Enrolment, now_ms: i64) -> Result<Redeem, Error> {
        self.connections.write(|transaction| {
            if let Some(refused) = refusal(transaction, hash, &enrolment.client, now_ms)? {
                return Ok(refused);
            }
            transaction.execute(
                "UPDATE tokens SET used_ms = ?2, used_by = ?3, uses = uses + 1 WHERE hash = ?1",
                params![hash.0, now_ms, enrolment.client],
            )?;
            let client = place_client(transaction, enrolment, now_ms)?;
            Ok(Redeem::Accepted(Box::new(client)))
        })
    }
}

fn good(
    transaction: &Transaction<'_>,
    hash: TokenHash,
    now_ms: i64,
) -> rusqlite::Result<Result<Token, Redeem>> {
    let token = transaction
        .prepare_cached("SELECT * FROM tokens WHERE hash = ?1")?
        .query_row([hash.0], token_from)
        .optional()?;
    Ok(match token {
        None => Err(Redeem::Unknown),
        Some(Token {
            uses,
            max_uses,
            used_by: Some(by),
            ..
        }) if uses >= max_uses => Err(Redeem::AlreadyUsed { by }),
        Some(token) if token.expires_ms <= now_ms => Err(Redeem::Expired),
        Some(token) => Ok(token),
    })
}

fn refusal(
    transaction: &Transaction<'_>,
    hash: TokenHash,
    client: &str,
    now_ms: i64,
) -> rusqlite::Result<Option<Redeem>> {
    Ok(match good(transaction, hash, now_ms)? {
        Err(refused) => Some(refused),
        Ok(Token {
            client: Some(bound), ..
        }) => (bound != client).then_some(Redeem::MeantForAnother { client: bound }),
        Ok(_) => find(transaction, client)?.map(|_| Redeem::NameTaken),
    })
}

fn place_client(
    transaction: &Transaction<'_>,
    enrolment: &Enrolment,
    now_ms: i64,
) -> Result<Client, Failure> {
    // Revoked until it has its certificate, later in this transaction.
    transaction.execute(
        "INSERT INTO clients (name, state) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        params![enrolment.client, ClientState::Revoked],
    )?;
    let id = crate::clients::id_of(transaction, &enrolment.client)?;
    retire_certificate(transaction, id, now_ms)?;
    certify(transaction, id, &enrolment.certificate)?;
    transaction.execute(
        "UPDATE clients SET operating_system = ?2, version = ?3, enrolled_ms = ?4 WHERE id = ?1",
        params![
            id,
            enrolment.sighting.operating_system,
            enrolment.sighting.version,
            now_ms
        ],
    )?;
    let (_, client) = find(transaction, &enrolment.client)?.ok_or_else(|| unknown(&enrolment.client))?;
    Ok(client)
}

fn token_from(row: &Row<'_>) -> rusqlite::Result<Token> {
    let sources: String = row.get("sources")?;
    Ok(Token {
        hash: TokenHash(row.get("hash")?),
        client: row.get("client_name")?,
        max_uses: row.get("max_uses")?,
        uses: row.get("uses")?,
        sources: sources.split_terminator('\n').map(str::to_owned).collect(),
        created_ms: row.get("created_ms")?,
        expires_ms: row.get("expires_ms")?,
        used_ms: row.get("used_ms")?,
        used_by: row.get("used_by")?,
    })
}
