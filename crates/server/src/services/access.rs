//! Who calls, and what that caller may do. Asked anew on every call, so that a revocation counts at once.

use std::net::SocketAddr;

use catalog::Identity;
use policy::settings::UserRight;
use tonic::{Request, Status};
use wire::v1::BackupRef;

use crate::audit::Actor;
use crate::core::Core;
use crate::trust::Peer;

/// A caller that the server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The local administrator.
    Admin,
    /// An enrolled client that was not revoked.
    Client(String),
}

impl Caller {
    /// The caller of a request; refuses who is not enrolled or was revoked.
    pub fn of<T>(core: &Core, request: &Request<T>) -> Result<Self, Status> {
        let peer = match request.extensions().get::<Peer>() {
            Some(Peer::Admin) => return Ok(Self::Admin),
            Some(Peer::Client(peer)) => peer,
            Some(Peer::Anonymous(address)) => {
                tracing::warn!(%address, "a call without a client certificate was refused");
                return Err(Status::unauthenticated(
                    "this call needs a client certificate; enrol first",
                ));
            }
            None => return Err(Status::unauthenticated("the connection has no peer")),
        };
        match core
            .catalog
            .identify(&peer.fingerprint)
            .map_err(crate::error::Error::from)?
        {
            Identity::Active(client) if client.name == peer.name => Ok(Self::Client(client.name)),
            Identity::Active(_) | Identity::Unknown => {
                tracing::warn!(address = %peer.address, client = peer.name, "an unknown client was refused");
                Err(Status::unauthenticated(
                    "this server does not know this client; enrol it with a new token",
                ))
            }
            Identity::Revoked { client } => {
                tracing::warn!(address = %peer.address, client, "a revoked client was refused");
                Err(Status::unauthenticated(format!(
                    "the certificate of client {client} was revoked"
                )))
            }
        }
    }

    /// The client that calls; refuses the administrator.
    pub fn client(self) -> Result<String, Status> {
        match self {
            Self::Client(name) => Ok(name),
            Self::Admin => Err(Status::permission_denied("only a client can do this")),
        }
    }

    /// Refuses everybody but the administrator.
    pub fn admin(self) -> Result<(), Status> {
        match self {
            Self::Admin => Ok(()),
            Self::Client(_) => Err(Status::permission_denied(
                "only the administrator can do this, on the server's machine",
            )),
        }
    }

    /// Refuses a client whose own user may not do this. The administrator may do everything.
    pub fn may(&self, core: &Core, right: UserRight) -> Result<(), Status> {
        match self {
            Self::Admin => Ok(()),
            Self::Client(name) if core.policies.of(name).may(right) => Ok(()),
            Self::Client(name) => {
                tracing::warn!(client = name, right = right.word(), "a client's user was refused");
                Err(Status::permission_denied(format!(
                    "the server's settings don't let this client do that: user_may lacks {}",
                    right.word()
                )))
            }
        }
    }

    /// The client that a call is about: a client's own where it names none, and no other.
    pub fn about(&self, named: &str) -> Result<String, Status> {
        match self {
            Self::Client(own) if named.is_empty() || named == own => Ok(own.clone()),
            Self::Client(own) => {
                tracing::warn!(
                    client = own,
                    asked_for = named,
                    "a client asked for another's backups"
                );
                Err(Status::permission_denied("a client may only see its own backups"))
            }
            Self::Admin if named.is_empty() => {
                Err(Status::invalid_argument("name the client: CLIENT/BACKUP"))
            }
            Self::Admin => Ok(named.to_owned()),
        }
    }
}

/// Who calls and from where, for the audit log.
pub fn actor_of<T>(core: &Core, request: &Request<T>) -> Result<Actor, Status> {
    let who = match Caller::of(core, request)? {
        Caller::Admin => "administrator".to_owned(),
        Caller::Client(name) => format!("client {name}"),
    };
    let origin = match address_of(request) {
        Some(address) => address.to_string(),
        None => "administration socket".to_owned(),
    };
    Ok(Actor { who, origin })
}

/// Where a request came from, for the log.
pub fn address_of<T>(request: &Request<T>) -> Option<SocketAddr> {
    match request.extensions().get::<Peer>()? {
        Peer::Admin => None,
        Peer::Client(peer) => Some(peer.address),
        Peer::Anonymous(address) => Some(*address),
    }
}

/// Of which kind a name means the newest backup, if it means that.
fn newest_of(name: &str) -> Option<catalog::BackupKind> {
    match name {
        "" | "latest" | "current" => Some(catalog::BackupKind::File),
        "latest_image" => Some(catalog::BackupKind::Image),
        _ => None,
    }
}

/// The catalog's record of the committed backup that a reference means.
pub fn resolve(core: &Core, caller: &Caller, reference: &BackupRef) -> Result<catalog::Backup, Status> {
    let client = caller.about(&reference.client)?;
    if let Some(kind) = newest_of(&reference.name) {
        let filter = catalog::BackupFilter {
            kind: Some(kind),
            ..catalog::BackupFilter::committed_of(&client)
        };
        let newest = core
            .catalog
            .newest_backup(&filter)
            .map_err(crate::error::Error::from)?;
        return newest.ok_or_else(|| Status::not_found(format!("client {client} has no {kind} backup yet")));
    }
    let backup = core
        .catalog
        .backup(&client, &reference.name)
        .map_err(|error| match error {
            catalog::Error::UnknownBackup { .. } | catalog::Error::UnknownClient { .. } => {
                Status::not_found(error.to_string())
            }
            error => crate::error::Error::from(error).into(),
        })?;
    if backup.state == catalog::BackupState::Deleting {
        let what = match backup.trashed_ms {
            Some(_) => "is in the trash",
            None => "is being deleted",
        };
        return Err(Status::not_found(format!(
            "backup {client}/{} {what}",
            backup.name
        )));
    }
    Ok(backup)
}

/// The catalog's record of the backup in the trash that a reference means.
pub fn resolve_trashed(
    core: &Core,
    caller: &Caller,
    reference: &BackupRef,
) -> Result<catalog::Backup, Status> {
    let client = caller.about(&reference.client)?;
    let found = core.catalog.backup(&client, &reference.name);
    found
        .ok()
        .filter(|backup| backup.trashed_ms.is_some())
        .ok_or_else(|| {
            Status::not_found(format!(
                "there is no backup {client}/{} in the trash",
                reference.name
            ))
        })
}
