//! Whether somebody may do something.

use std::collections::BTreeSet;
use std::fmt;

use super::right::{Reach, Right};

/// For whom a grant or a token holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// For all clients, those to come too, and for the server.
    Everything,
    /// For the clients of this group, as they are at the time.
    Group(String),
    /// For this client.
    Client(String),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Client(name) => write!(f, "client {name}"),
        }
    }
}

/// What something is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The server as a whole.
    Server,
    /// What holds for all clients of a group.
    Group(&'a str),
    /// A client.
    Client {
        /// Its name.
        name: &'a str,
        /// The group that it is in.
        group: Option<&'a str>,
    },
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server => f.write_str("the server"),
            Self::Group(name) => write!(f, "group {name}"),
            Self::Client { name, .. } => write!(f, "client {name}"),
        }
    }
}

impl Scope {
    /// Whether it holds for this.
    pub fn covers(&self, subject: Subject<'_>) -> bool {
        match (self, subject) {
            (Self::Everything, _) => true,
            (Self::Group(own), Subject::Group(name)) => own == name,
            (
                Self::Group(own),
                Subject::Client {
                    group: Some(group), ..
                },
            ) => own == group,
            (Self::Client(own), Subject::Client { name, .. }) => own == name,
            _ => false,
        }
    }
}

/// A role that a user has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The role's name.
    pub role: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
    /// For whom.
    pub scope: Scope,
}

/// What an API token is limited to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The only rights that count; `None` for all that its user has.
    pub rights: Option<BTreeSet<Right>>,
    /// For whom alone they count; `None` for whomever they count for its user.
    pub scopes: Option<Vec<Scope>>,
}

/// Why somebody may do something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The role that allows it.
    pub role: String,
    /// For whom the user has it.
    pub scope: Scope,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the role {} for {}", self.role, self.scope)
    }
}

/// Why somebody may not do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No role of the user has the right.
    NotGranted {
        /// Which right.
        right: Right,
    },
    /// A role has it, but for others.
    OtherScope {
        /// Which right.
        right: Right,
    },
    /// The right is about the server, and the user's role is for less.
    NeedsEverything {
        /// Which right.
        right: Right,
    },
    /// The user has it, and the token is not made for it.
    NotOfToken {
        /// Which right.
        right: Right,
    },
    /// The user has it, and the token is made for others.
    TokenForOthers {
        /// Which right.
        right: Right,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted { right } => write!(f, "none of the user's roles has the right {right}"),
            Self::OtherScope { right } => write!(f, "the user has the right {right} for others only"),
            Self::NeedsEverything { right } => {
                write!(
                    f,
                    "the right {right} counts only in a role that is granted for everything"
                )
            }
            Self::NotOfToken { right } => write!(f, "the API token does not have the right {right}"),
            Self::TokenForOthers { right } => {
                write!(f, "the API token has the right {right} for others only")
            }
        }
    }
}

/// Decides whether a user with these grants, perhaps by a token with these limits, may do something.
pub fn decide(
    grants: &[Grant],
    limits: Option<&Limits>,
    right: Right,
    subject: Subject<'_>,
) -> Result<Allowed, Refusal> {
    // Whatever is asked about: a right of the server counts for the server as a whole.
    let subject = match right.reach() {
        Reach::Server => Subject::Server,
        Reach::Client => subject,
    };
    let mut having = grants
        .iter()
        .filter(|grant| grant.rights.contains(&right))
        .peekable();
    if having.peek().is_none() {
        return Err(Refusal::NotGranted { right });
    }
    let Some(grant) = having.find(|grant| grant.scope.covers(subject)) else {
        return Err(match right.reach() {
            Reach::Server => Refusal::NeedsEverything { right },
            Reach::Client => Refusal::OtherScope { right },
        });
    };
    if let Some(limits) = limits {
        limits.check(right, subject)?;
    }
    Ok(Allowed {
        role: grant.role.clone(),
        scope: grant.scope.clone(),
    })
}

/// Whether a right counts for anything at all: what is asked before it is known what something is about.
pub fn has_anywhere(grants: &[Grant], limits: Option<&Limits>, right: Right) -> Result<(), Refusal> {
    if right.reach() == Reach::Server {
        return decide(grants, limits, right, Subject::Server).map(drop);
    }
    if !grants.iter().any(|grant| grant.rights.contains(&right)) {
        return Err(Refusal::NotGranted { right });
    }
    match limits {
        Some(limits) if !limits.has(right) => Err(Refusal::NotOfToken { right }),
        _ => Ok(()),
    }
}

impl Limits {
    fn has(&self, right: Right) -> bool {
        self.rights.as_ref().is_none_or(|rights| rights.contains(&right))
    }

    fn check(&self, right: Right, subject: Subject<'_>) -> Result<(), Refusal> {
        if !self.has(right) {
            return Err(Refusal::NotOfToken { right });
        }
        match &self.scopes {
            Some(scopes) if !scopes.iter().any(|scope| scope.covers(subject)) => {
                Err(Refusal::TokenForOthers { right })
            }
            _ => Ok(()),
        }
    }
}
