//! Clients and the certificates that they are known by.
//!
//! A client is *active* (it holds a valid certificate), *revoked* (its last one was taken back) or *adopted*
//! (only its backups are known, after a rebuild). Whatever it is, it may be *disabled*, or *removed* until it goes for good. It never goes
//! while it has backups.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use crate::columns::{self, word_enum};
use crate::error::{Error, Failure, is_duplicate};
use crate::roles::forget_client;
use crate::{BackupState, Catalog};

/// A certificate's SHA-256 or BLAKE3 fingerprint; the catalog only compares it.
pub type Fingerprint = [u8; 32];

word_enum! {
    /// Whether a client may connect.
    ClientState {
        /// It holds a valid certificate.
        Active = "active",
        /// Its certificate was taken back.
        Revoked = "revoked",
        /// It is known from its backups only and has no certificate on record.
        Adopted = "adopted",
        /// It may not connect until it is enabled again. The table has that beside the state.
        Disabled = "disabled",
        /// It is about to go with all its backups. The table has that beside the state.
        Removed = "removed",
    }
}

/// What keeps a client from connecting although it holds a valid certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// It is disabled.
    Disabled,
    /// It is removed.
    Removed,
}

/// What identifies a client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The serial number as in the certificate, big-endian.
    pub serial: Vec<u8>,
    /// The fingerprint of the whole certificate.
    pub fingerprint: Fingerprint,
}

/// A client as the catalog knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its unique name.
    pub name: String,
    /// What people call it, where that is something else.
    pub display_name: Option<String>,
    /// Whether it may connect.
    pub state: ClientState,
    /// The certificate that it is known by; only an active one has it.
    pub certificate: Option<Certificate>,
    /// As the client told it last; empty if never.
    pub operating_system: String,
    /// The client's version of Perennial, as it told it last; empty if never.
    pub version: String,
    /// When it enrolled last.
    pub enrolled_ms: Option<i64>,
    /// When it was revoked, if it is.
    pub revoked_ms: Option<i64>,
    /// When it was connected last.
    pub last_seen_ms: Option<i64>,
    /// Until when its backups rest.
    pub paused_until_ms: Option<i64>,
    /// Since when it is disabled, if it is.
    pub disabled_ms: Option<i64>,
    /// Since when it is removed, if it is.
    pub removed_ms: Option<i64>,
}

/// A client with the figures that a list shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientOverview {
    /// The client.
    pub client: Client,
    /// Its committed backups.
    pub backups: u64,
    /// The name of the newest of them.
    pub newest: Option<String>,
    /// When that began.
    pub newest_ms: Option<i64>,
    /// The group that it is in.
    pub group: Option<String>,
}

/// What a client tells about itself when it connects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Its operating system.
    pub operating_system: String,
    /// Its version of Perennial.
    pub version: String,
}

/// Whom a certificate belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// To this client, which may connect.
    Active(Box<Client>),
    /// To this client once; it was taken back or replaced.
    Revoked {
        /// The client's name.
        client: String,
    },
    /// To this client, which may not connect for now.
    Barred {
        /// The client's name.
        client: String,
        /// What bars it.
        bar: Bar,
    },
    /// To nobody that the catalog knows.
    Unknown,
}

impl Catalog {
    /// All clients by name.
    pub fn clients(&self) -> Result<Vec<ClientOverview>, Error> {
        self.overviews(None)
    }

    /// The client of this name with its figures; fails with [`Error::UnknownClient`].
    pub fn client_overview(&self, name: &str) -> Result<ClientOverview, Error> {
        let found = self.overviews(Some(name))?.pop();
        found.ok_or_else(|| Error::UnknownClient {
            name: name.to_owned(),
        })
    }

    fn overviews(&self, name: Option<&str>) -> Result<Vec<ClientOverview>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT clients.*,
                        (SELECT count(*) FROM backups
                          WHERE client_id = clients.id AND state = ?1) AS backups,
                        (SELECT name FROM backups
                          WHERE client_id = clients.id AND state = ?1
                          ORDER BY started_ms DESC, id DESC LIMIT 1) AS newest,
                        (SELECT max(started_ms) FROM backups
                          WHERE client_id = clients.id AND state = ?1) AS newest_ms,
                        (SELECT name FROM groups WHERE id = group_id) AS group_name
                   FROM clients WHERE ?2 IS NULL OR name = ?2 ORDER BY name",
            )?;
            let rows = statement.query_map(params![BackupState::Committed, name], |row| {
                Ok(ClientOverview {
                    client: client_from(row)?,
                    backups: columns::count(row, "backups")?,
                    newest: row.get("newest")?,
                    newest_ms: row.get("newest_ms")?,
                    group: row.get("group_name")?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The names of the clients that have backups, in whatever state.
    pub fn clients_with_backups(&self) -> Result<Vec<String>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT name FROM clients WHERE EXISTS (SELECT 1 FROM backups WHERE client_id = clients.id) ORDER BY name",
            )?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// The client of this name; fails with [`Error::UnknownClient`].
    pub fn client(&self, name: &str) -> Result<Client, Error> {
        self.connections.read(|transaction| {
            find(transaction, name)?
                .ok_or_else(|| unknown(name))
                .map(|(_, client)| client)
        })
    }

    /// Tells whom a certificate belongs to.
    pub fn identify(&self, fingerprint: &Fingerprint) -> Result<Identity, Error> {
        self.connections.read(|transaction| {
            let active = transaction
                .prepare_cached("SELECT * FROM clients WHERE certificate_fingerprint = ?1")?
                .query_row([fingerprint], client_from)
                .optional()?;
            if let Some(client) = active {
                return Ok(identity(client));
            }
            let revoked = transaction
                .prepare_cached(
                    "SELECT clients.name FROM revoked_certificates
                       JOIN clients ON clients.id = client_id WHERE fingerprint = ?1",
                )?
                .query_row([fingerprint], |row| row.get(0))
                .optional()?;
            Ok(revoked.map_or(Identity::Unknown, |client| Identity::Revoked { client }))
        })
    }

    /// Gives a client another certificate (a renewal, or the return of an adopted client); the one that it had
    /// counts as revoked from now on.
    ///
    /// A revoked client does not come back this way but by a token: [`Error::UnknownClient`].
    pub fn replace_certificate(
        &self,
        name: &str,
        certificate: &Certificate,
        now_ms: i64,
    ) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let (id, client) = find(transaction, name)?.ok_or_else(|| unknown(name))?;
            if client.state == ClientState::Revoked {
                return Err(unknown(name));
            }
            retire_certificate(transaction, id, now_ms)?;
            certify(transaction, id, certificate)
        })
    }

    /// Takes the client's certificate back. A client that is revoked already stays as it is.
    pub fn revoke_client(&self, name: &str, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let (id, client) = find(transaction, name)?.ok_or_else(|| unknown(name))?;
            if client.state == ClientState::Revoked {
                return Ok(());
            }
            retire_certificate(transaction, id, now_ms)?;
            transaction.execute(
                "UPDATE clients SET state = ?2, revoked_ms = ?3 WHERE id = ?1",
                params![id, ClientState::Revoked, now_ms],
            )?;
            Ok(())
        })
    }

    /// Notes that the client is connected, and what it told about itself.
    pub fn client_seen(&self, name: &str, sighting: &Sighting, now_ms: i64) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE clients SET operating_system = ?2, version = ?3, last_seen_ms = ?4 WHERE name = ?1",
                params![name, sighting.operating_system, sighting.version, now_ms],
            )?;
            if changed == 0 { Err(unknown(name)) } else { Ok(()) }
        })
    }

    /// Lets a client's backups rest until then, or with `None` go on.
    pub fn pause_client(&self, name: &str, until_ms: Option<i64>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE clients SET paused_until_ms = ?2 WHERE name = ?1",
                params![name, until_ms],
            )?;
            if changed == 0 { Err(unknown(name)) } else { Ok(()) }
        })
    }

    /// Lets a client connect no more since then, or with `None` again. What was said before of one that is disabled already stays.
    pub fn disable_client(&self, name: &str, since_ms: Option<i64>) -> Result<(), Error> {
        self.bar(name, "disabled_ms", since_ms)
    }

    /// Marks a client as removed since then, or with `None` takes it back. What was said before of one that is removed already stays.
    pub fn remove_client(&self, name: &str, since_ms: Option<i64>) -> Result<(), Error> {
        self.bar(name, "removed_ms", since_ms)
    }

    /// Says what people call a client; `None` for its name. Fails with [`Error::DuplicateClient`] where another client is called so.
    pub fn rename_client(&self, name: &str, display_name: Option<&str>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let duplicate = || Error::DuplicateClient {
                name: display_name.unwrap_or_default().to_owned(),
            };
            let is_anothers: bool = transaction.query_row(
                "SELECT EXISTS (SELECT 1 FROM clients WHERE name = ?2 AND name <> ?1)",
                params![name, display_name],
                |row| row.get(0),
            )?;
            if is_anothers {
                return Err(duplicate().into());
            }
            let update = transaction.execute(
                "UPDATE clients SET display_name = ?2 WHERE name = ?1",
                params![name, display_name],
            );
            match update {
                Err(error) if is_duplicate(&error) => Err(duplicate().into()),
                Ok(0) => Err(unknown(name)),
                done => Ok(done.map(drop)?),
            }
        })
    }

    fn bar(&self, name: &str, column: &str, since_ms: Option<i64>) -> Result<(), Error> {
        self.connections.write(|transaction| {
            let since = match since_ms {
                Some(_) => format!("coalesce({column}, ?2)"),
                None => "?2".to_owned(),
            };
            let statement = format!("UPDATE clients SET {column} = {since} WHERE name = ?1");
            match transaction.execute(&statement, params![name, since_ms])? {
                0 => Err(unknown(name)),
                _ => Ok(()),
            }
        })
    }

    /// Forgets a client that is removed and has no backup left in any state, with all that was about it. Returns whether it is gone.
    pub fn forget_client(&self, name: &str) -> Result<bool, Error> {
        self.connections.write(|transaction| {
            let id = id_of(transaction, name)?;
            let is_free: bool = transaction.query_row(
                "SELECT removed_ms IS NOT NULL
                    AND NOT EXISTS (SELECT 1 FROM backups WHERE client_id = ?1)
                    AND NOT EXISTS (SELECT 1 FROM moves WHERE client_id = ?1)
                    AND NOT EXISTS (SELECT 1 FROM pool_links WHERE client_id = ?1)
                   FROM clients WHERE id = ?1",
                [id],
                |row| row.get(0),
            )?;
            if !is_free {
                return Ok(false);
            }
            forget_client(transaction, id)?;
            transaction.execute(
                "DELETE FROM settings WHERE layer = 'client' AND owner_id = ?1",
                [id],
            )?;
            for table in ["revoked_certificates", "jobs", "waits", "usage"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE client_id = ?1"), [id])?;
            }
            transaction.execute("DELETE FROM clients WHERE id = ?1", [id])?;
            Ok(true)
        })
    }

    /// Serial numbers of all certificates that were taken back or replaced.
    pub fn revoked_serials(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.connections.read(|transaction| {
            let mut statement = transaction
                .prepare_cached("SELECT serial FROM revoked_certificates ORDER BY revoked_ms, serial")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

pub(crate) fn unknown(name: &str) -> Failure {
    Error::UnknownClient {
        name: name.to_owned(),
    }
    .into()
}

pub(crate) fn find(transaction: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<(i64, Client)>> {
    transaction
        .prepare_cached("SELECT * FROM clients WHERE name = ?1")?
        .query_row([name], |row| Ok((row.get("id")?, client_from(row)?)))
        .optional()
}

/// The row id of a client that must be there.
pub(crate) fn id_of(transaction: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    transaction
        .prepare_cached("SELECT id FROM clients WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .ok_or_else(|| unknown(name))
}

/// The row id of a client that is made *adopted* where it is not known.
pub(crate) fn id_or_adopt(transaction: &Transaction<'_>, name: &str) -> Result<i64, Failure> {
    transaction.execute(
        "INSERT INTO clients (name, state) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
        params![name, ClientState::Adopted],
    )?;
    id_of(transaction, name)
}

/// Moves the certificate that a client has, if any, to the revoked ones.
///
/// The client's state no longer agrees with its certificate's absence until the caller has set one of them, which
/// the table's CHECK demands at once: so it is set to revoked here.
pub(crate) fn retire_certificate(
    transaction: &Transaction<'_>,
    client_id: i64,
    now_ms: i64,
) -> Result<(), Failure> {
    transaction.execute(
        "INSERT INTO revoked_certificates (serial, fingerprint, client_id, revoked_ms)
         SELECT certificate_serial, certificate_fingerprint, id, ?2
           FROM clients WHERE id = ?1 AND certificate_serial IS NOT NULL",
        params![client_id, now_ms],
    )?;
    transaction.execute(
        "UPDATE clients SET state = ?2, certificate_serial = NULL, certificate_fingerprint = NULL
          WHERE id = ?1",
        params![client_id, ClientState::Revoked],
    )?;
    Ok(())
}

/// Makes a client active with this certificate, which nobody may ever have had.
pub(crate) fn certify(
    transaction: &Transaction<'_>,
    client_id: i64,
    certificate: &Certificate,
) -> Result<(), Failure> {
    let revoked: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM revoked_certificates WHERE serial = ?1 OR fingerprint = ?2)",
        params![certificate.serial, certificate.fingerprint],
        |row| row.get(0),
    )?;
    if revoked {
        return Err(Error::DuplicateCertificate.into());
    }
    let update = transaction.execute(
        "UPDATE clients SET state = ?2, certificate_serial = ?3, certificate_fingerprint = ?4, revoked_ms = NULL,
                disabled_ms = NULL, removed_ms = NULL
          WHERE id = ?1",
        params![client_id, ClientState::Active, certificate.serial, certificate.fingerprint],
    );
    match update {
        Ok(_) => Ok(()),
        Err(error) if is_duplicate(&error) => Err(Error::DuplicateCertificate.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whom a certificate belongs to that is valid.
fn identity(client: Client) -> Identity {
    let bar = match client.state {
        ClientState::Disabled => Bar::Disabled,
        ClientState::Removed => Bar::Removed,
        ClientState::Active | ClientState::Revoked | ClientState::Adopted => {
            return Identity::Active(Box::new(client));
        }
    };
    Identity::Barred {
        client: client.name,
        bar,
    }
}

/// Whether a client may connect, from the columns that say so.
pub(crate) fn state_from(row: &Row<'_>) -> rusqlite::Result<ClientState> {
    let is_set = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.is_some());
    Ok(match (is_set("removed_ms")?, is_set("disabled_ms")?) {
        (true, _) => ClientState::Removed,
        (false, true) => ClientState::Disabled,
        (false, false) => row.get("state")?,
    })
}

fn client_from(row: &Row<'_>) -> rusqlite::Result<Client> {
    let serial: Option<Vec<u8>> = row.get("certificate_serial")?;
    let fingerprint: Option<Fingerprint> = row.get("certificate_fingerprint")?;
    Ok(Client {
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        state: state_from(row)?,
        certificate: serial
            .zip(fingerprint)
            .map(|(serial, fingerprint)| Certificate { serial, fingerprint }),
        operating_system: row.get("operating_system")?,
        version: row.get("version")?,
        enrolled_ms: row.get("enrolled_ms")?,
        revoked_ms: row.get("revoked_ms")?,
        last_seen_ms: row.get("last_seen_ms")?,
        paused_until_ms: row.get("paused_until_ms")?,
        disabled_ms: row.get("disabled_ms")?,
        removed_ms: row.get("removed_ms")?,
    })
}
