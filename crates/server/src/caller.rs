//! Who calls, and what that caller may do, whatever way the call has come in. Asked anew on every call, so that a revocation
//! counts at once.
//!
//! Three kinds: whoever may open the administration socket may do everything; an enrolled client what is about itself, as far as
//! the settings let its user; a user what he was granted.

use std::sync::Arc;

use catalog::{Bar, Identity};
use policy::access::{Refusal, Right, Subject};

use crate::accounts::Principal;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::trust::{ClientPeer, Peer};

/// A caller that the server knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// The local administrator.
    Admin,
    /// An enrolled client that was not revoked.
    Client(String),
    /// A user who has shown who he is.
    User(Arc<Principal>),
}

impl Caller {
    /// Who calls over a connection, perhaps with a token; fails with [`Error::Unauthenticated`]. A token counts where the
    /// connection says nothing.
    pub fn identify(core: &Core, peer: &Peer, token: Option<&str>) -> Result<Self> {
        match (peer, token) {
            (Peer::Admin, _) => Ok(Self::Admin),
            (Peer::Client(peer), _) => identify_client(core, peer),
            (Peer::Anonymous(address), Some(token)) => {
                let known = core.accounts.authenticate(&core.policies.server(), token);
                let known = known.inspect_err(|error| {
                    tracing::warn!(%address, why = error.chain(), "a token was refused");
                });
                Ok(Self::User(Arc::new(known?)))
            }
            (Peer::Anonymous(address), None) => {
                tracing::warn!(%address, "a call without a client certificate was refused");
                Err(unauthenticated(
                    "this call needs a client certificate, or a user's token; enrol or log in first",
                ))
            }
        }
    }

    /// Who the caller is by now, for what lasts long; fails where a user is welcome no more.
    pub fn renew(&mut self, core: &Core) -> Result<()> {
        if let Self::User(principal) = self {
            *principal = Arc::new(core.accounts.renew(&core.policies.server(), principal)?);
        }
        Ok(())
    }

    /// The client that calls; refuses all others.
    pub fn client(self) -> Result<String> {
        match self {
            Self::Client(name) => Ok(name),
            Self::Admin | Self::User(_) => Err(denied("only a client can do this")),
        }
    }

    /// Refuses whoever may not do this to the server as a whole.
    pub fn may(&self, core: &Core, right: Right) -> Result<()> {
        self.may_to(core, right, Subject::Server)
    }

    /// Refuses whoever may not do this to a client. Whether there is such a client is not asked.
    pub fn may_for(&self, core: &Core, right: Right, client: &str) -> Result<()> {
        let group = core.policies.group_of(client);
        let subject = Subject::Client {
            name: client,
            group: group.as_deref(),
        };
        self.may_to(core, right, subject)
    }

    /// Refuses whoever may not do this to something.
    pub fn may_to(&self, core: &Core, right: Right, subject: Subject<'_>) -> Result<()> {
        match self {
            Self::Admin => Ok(()),
            Self::Client(own) => client_may(core, own, right, subject),
            Self::User(principal) => match principal.may(right, subject) {
                Ok(why) => {
                    tracing::debug!(who = principal.who(), %right, %subject, %why, "a user may");
                    Ok(())
                }
                Err(refusal) => Err(refused(principal, right, Some(subject), &refusal)),
            },
        }
    }

    /// Refuses whoever may not do this to anything: what is asked before it is known what a call is about.
    pub fn may_somewhere(&self, rights: &[Right]) -> Result<()> {
        let Self::User(principal) = self else {
            return Ok(());
        };
        let mut first = None;
        for right in rights {
            match principal.has(*right) {
                Ok(()) => return Ok(()),
                Err(refusal) => first = first.or(Some((*right, refusal))),
            }
        }
        match first {
            Some((right, refusal)) => Err(refused(principal, right, None, &refusal)),
            None => Ok(()),
        }
    }

    /// Whether this is to be among what a caller is shown of all clients.
    pub fn sees(&self, core: &Core, client: &str) -> bool {
        self.can(core, Right::See, client)
    }

    /// Whether a caller may do something to a client; where he may not, nothing is said of it.
    pub fn can(&self, core: &Core, right: Right, client: &str) -> bool {
        let group = core.policies.group_of(client);
        let subject = Subject::Client {
            name: client,
            group: group.as_deref(),
        };
        self.can_to(core, right, subject)
    }

    /// The same of whatever it is.
    pub fn can_to(&self, core: &Core, right: Right, subject: Subject<'_>) -> bool {
        match self {
            Self::Admin => true,
            Self::Client(own) => client_may(core, own, right, subject).is_ok(),
            Self::User(principal) => principal.may(right, subject).is_ok(),
        }
    }

    /// The client that a call is about: a client's own where it names none, and no other.
    pub fn about(&self, named: &str) -> Result<String> {
        match self {
            Self::Client(own) if named.is_empty() || named == own => Ok(own.clone()),
            Self::Client(own) => {
                tracing::warn!(
                    client = own,
                    asked_for = named,
                    "a client asked for another's backups"
                );
                Err(denied("a client may only see its own backups"))
            }
            Self::Admin | Self::User(_) if named.is_empty() => Err(Error::Invalid {
                why: "name the client: CLIENT/BACKUP".to_owned(),
            }),
            Self::Admin | Self::User(_) => Ok(named.to_owned()),
        }
    }

    /// Who calls, in a sentence such as why a job was begun.
    pub fn in_words(&self) -> String {
        match self {
            Self::Admin => "the administrator".to_owned(),
            Self::Client(_) => "the client's user".to_owned(),
            Self::User(principal) => principal.who(),
        }
    }

    /// Who calls, for the audit log.
    pub fn who(&self) -> String {
        match self {
            Self::Admin => "administrator".to_owned(),
            Self::Client(name) => format!("client {name}"),
            Self::User(principal) => principal.who(),
        }
    }
}

fn identify_client(core: &Core, peer: &ClientPeer) -> Result<Caller> {
    match core.catalog.identify(&peer.fingerprint)? {
        Identity::Active(client) if client.name == peer.name => Ok(Caller::Client(client.name)),
        Identity::Active(_) | Identity::Unknown => {
            tracing::warn!(address = %peer.address, client = peer.name, "an unknown client was refused");
            Err(unauthenticated(
                "this server does not know this client; enrol it with a new token",
            ))
        }
        Identity::Barred { client, bar } => {
            let what = match bar {
                Bar::Disabled => "disabled",
                Bar::Removed => "removed",
            };
            tracing::info!(address = %peer.address, client, what, "a client that may not connect was refused");
            Err(denied(&format!("client {client} is {what} on the server")))
        }
        Identity::Revoked { client } => {
            tracing::warn!(address = %peer.address, client, "a revoked client was refused");
            Err(Error::Unauthenticated {
                why: format!("the certificate of client {client} was revoked"),
            })
        }
    }
}

/// Refuses a client what is not about itself, and what its own user may not do.
fn client_may(core: &Core, own: &str, right: Right, subject: Subject<'_>) -> Result<()> {
    let is_own = matches!(subject, Subject::Client { name, .. } if name == own);
    if !is_own {
        return Err(denied("a client may only see and change what is its own"));
    }
    match right {
        Right::See | Right::Browse | Right::Logs => Ok(()),
        right => match right.of_own_user() {
            Some(right) if core.policies.of(own).may(right) => Ok(()),
            Some(right) => {
                tracing::warn!(client = own, right = right.word(), "a client's user was refused");
                Err(Error::Denied {
                    why: format!(
                        "the server's settings don't let this client do that: user_may lacks {}",
                        right.word()
                    ),
                })
            }
            None => Err(only_for_administrators()),
        },
    }
}

/// What a client is told that asks for something that is never about itself.
pub fn only_for_administrators() -> Error {
    denied("only the administrator can do this, on the server's machine, or a user who has the right")
}

fn refused(principal: &Principal, right: Right, subject: Option<Subject<'_>>, refusal: &Refusal) -> Error {
    let user = &principal.user;
    let of = subject
        .map(|subject| format!(" to {subject}"))
        .unwrap_or_default();
    tracing::warn!(who = principal.who(), %right, of, why = %refusal, "a user was refused");
    Error::Denied {
        why: format!("user {user} may not do that{of}: {refusal}"),
    }
}

fn denied(why: &str) -> Error {
    Error::Denied { why: why.to_owned() }
}

fn unauthenticated(why: &str) -> Error {
    Error::Unauthenticated { why: why.to_owned() }
}
