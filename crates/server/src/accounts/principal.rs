//! A user who has shown who he is.

use catalog::{ApiTokenId, SessionId, TokenHash, UserId};
use policy::access::{self, Allowed, Grant, Limits, Refusal, Right, Subject};

/// A user who has shown who he is, with all that decides what he may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// His number.
    pub id: UserId,
    /// His name.
    pub user: String,
    /// What he was granted.
    pub grants: Vec<Grant>,
    /// How he has shown it.
    pub by: By,
    /// What the token is known by that he has shown.
    pub(super) token: TokenHash,
}

/// How a user has shown who he is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// With the token of a log-in.
    Session(SessionId),
    /// With an API token.
    Token {
        /// Its number.
        id: ApiTokenId,
        /// Its name.
        name: String,
        /// What it is limited to.
        limits: Limits,
    },
}

impl Principal {
    /// Whether he may do something.
    pub fn may(&self, right: Right, subject: Subject<'_>) -> Result<Allowed, Refusal> {
        access::decide(&self.grants, self.limits(), right, subject)
    }

    /// Whether he may do something at all, to whatever it is.
    pub fn has(&self, right: Right) -> Result<(), Refusal> {
        access::has_anywhere(&self.grants, self.limits(), right)
    }

    /// What his API token is limited to, if he came with one.
    pub fn limits(&self) -> Option<&Limits> {
        match &self.by {
            By::Session(_) => None,
            By::Token { limits, .. } => Some(limits),
        }
    }

    /// The session that he came with.
    pub fn session(&self) -> Option<SessionId> {
        match self.by {
            By::Session(id) => Some(id),
            By::Token { .. } => None,
        }
    }

    /// Who he is, for the audit log.
    pub fn who(&self) -> String {
        match &self.by {
            By::Session(_) => format!("user {}", self.user),
            By::Token { name, .. } => format!("user {}, token {name}", self.user),
        }
    }
}
