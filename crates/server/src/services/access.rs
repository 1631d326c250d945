//! The caller of a request, as the gate has found it, and what a request is about.

use std::collections::HashMap;
use std::net::SocketAddr;

use policy::access::Right;
use tonic::{Request, Status};
use wire::v1::BackupRef;

use crate::audit::Actor;
use crate::caller::Caller;
use crate::core::Core;
use crate::trust::Peer;

/// The caller of a request; refuses whom the gate has not let through.
pub fn caller_of<T>(request: &Request<T>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| Status::unauthenticated("nobody knows who calls"))
}

/// Who calls and from where, for the audit log.
pub fn actor_of<T>(request: &Request<T>) -> Result<Actor, Status> {
    let origin = match address_of(request) {
        Some(address) => address.to_string(),
        None => "administration socket".to_owned(),
    };
    Ok(Actor {
        who: caller_of(request)?.who(),
        origin,
    })
}

/// Where a request came from, for the log.
pub fn address_of<T>(request: &Request<T>) -> Option<SocketAddr> {
    match request.extensions().get::<Peer>()? {
        Peer::Admin => None,
        Peer::Client(peer) => Some(peer.address),
        Peer::Anonymous(address) => Some(*address),
    }
}

/// Which clients a caller sees, each decided once: for long lists.
pub struct Seen<'a> {
    core: &'a Core,
    caller: &'a Caller,
    decided: HashMap<String, bool>,
}

impl<'a> Seen<'a> {
    /// What this caller sees.
    pub fn of(core: &'a Core, caller: &'a Caller) -> Self {
        Self {
            core,
            caller,
            decided: HashMap::new(),
        }
    }

    /// Whether the caller sees this client.
    pub fn has(&mut self, client: &str) -> bool {
        if let Some(decided) = self.decided.get(client) {
            return *decided;
        }
        let decided = self.caller.sees(self.core, client);
        self.decided.insert(client.to_owned(), decided);
        decided
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

/// What is not known is told as such.
fn or_unknown(error: catalog::Error) -> Status {
    match error {
        catalog::Error::UnknownBackup { .. } | catalog::Error::UnknownClient { .. } => {
            Status::not_found(error.to_string())
        }
        error => crate::error::Error::from(error).into(),
    }
}

/// The catalog's record of the committed backup that a reference means; refuses whoever may not do this to its client.
pub fn resolve(
    core: &Core,
    caller: &Caller,
    right: Right,
    reference: &BackupRef,
) -> Result<catalog::Backup, Status> {
    let client = caller.about(&reference.client)?;
    caller.may_for(core, right, &client)?;
    if let Some(kind) = newest_of(&reference.name) {
        let filter = catalog::BackupFilter {
            kind: Some(kind),
            ..catalog::BackupFilter::committed_of(&client)
        };
        if let Some(newest) = core.catalog.newest_backup(&filter).map_err(or_unknown)? {
            return Ok(newest);
        }
        // One that is not there has none either, but that is not what is wrong.
        core.catalog.client(&client).map_err(or_unknown)?;
        return Err(Status::not_found(format!(
            "client {client} has no {kind} backup yet"
        )));
    }
    let backup = core
        .catalog
        .backup(&client, &reference.name)
        .map_err(or_unknown)?;
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

/// The catalog's record of the backup in the trash that a reference means; refuses likewise.
pub fn resolve_trashed(
    core: &Core,
    caller: &Caller,
    right: Right,
    reference: &BackupRef,
) -> Result<catalog::Backup, Status> {
    let client = caller.about(&reference.client)?;
    caller.may_for(core, right, &client)?;
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
