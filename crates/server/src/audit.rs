//! Writes down who changed what, when and from where.

use catalog::{Catalog, Change};
use tracing::{error, info};

use crate::clock::Clock;
use crate::core::Core;

/// Who does something, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// A user, a client, or the server itself.
    pub who: String,
    /// An address, or the administration socket.
    pub origin: String,
}

impl Actor {
    /// The server, by its own rules.
    pub fn server() -> Self {
        Self {
            who: "server".to_owned(),
            origin: "itself".to_owned(),
        }
    }
}

/// Notes a change, which has been made. That it can't be noted does not undo it.
pub fn note(core: &Core, actor: &Actor, action: &str, subject: &str, detail: &str) {
    record(&core.catalog, &core.clock, actor, action, subject, detail);
}

/// The same, for parts that work without a server around them.
pub fn record(catalog: &Catalog, clock: &Clock, actor: &Actor, action: &str, subject: &str, detail: &str) {
    info!(
        who = actor.who,
        origin = actor.origin,
        action,
        subject,
        detail,
        "a change was made"
    );
    let change = Change {
        at_ms: clock.now_ms(),
        who: actor.who.clone(),
        origin: actor.origin.clone(),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: detail.to_owned(),
    };
    if let Err(error) = catalog.record_change(&change) {
        error!(%error, "a change could not be noted in the audit log");
    }
}
