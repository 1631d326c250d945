//! From a token to the user that it stands for, asked anew on every call.

use std::collections::BTreeSet;

use catalog::{ApiToken, LogInSession, TokenHash, User, UserId, UserState};
use policy::Span;
use policy::access::{Grant, Limits, Right, Scope, built_in_role};
use policy::settings::ServerRules;

use super::Accounts;
use super::principal::{By, Principal};
use super::secret::{self, Kind};
use crate::error::{Error, Result};

/// How exactly it is kept when a token or a session was used: not each call is to write to the catalog.
const USE_NOTED_EVERY: Span = Span::minutes(1);

impl Accounts {
    /// Who shows this token. Fails with [`Error::Unauthenticated`].
    pub fn authenticate(&self, rules: &ServerRules, token: &str) -> Result<Principal> {
        match secret::read(token) {
            Some((Kind::Session, hash)) => self.by_session(rules, hash),
            Some((Kind::Api, hash)) => self.by_api_token(hash),
            None => Err(refused("this is no token, or it was not copied as a whole")),
        }
    }

    /// Who a user is by now who has shown a token before, for what lasts long. Fails when he is welcome no more.
    pub fn renew(&self, rules: &ServerRules, principal: &Principal) -> Result<Principal> {
        match principal.by {
            By::Session(_) => self.by_session(rules, principal.token),
            By::Token { .. } => self.by_api_token(principal.token),
        }
    }

    fn by_session(&self, rules: &ServerRules, hash: TokenHash) -> Result<Principal> {
        let now_ms = self.clock.now_ms();
        let found = self.catalog.session(hash)?;
        let Some((session, user)) = found.filter(|(session, _)| now_ms < ends_ms(rules, session)) else {
            return Err(refused("the session has ended; log in again"));
        };
        check_state(&user)?;
        // A session that ends soon without use needs it more exactly.
        let every = USE_NOTED_EVERY.len_ms.min(rules.session_idle.len_ms / 10);
        if Span::between(session.last_used_ms, now_ms).len_ms > every {
            self.catalog.note_session_use(session.id, now_ms)?;
        }
        self.principal(user, By::Session(session.id), hash)
    }

    fn by_api_token(&self, hash: TokenHash) -> Result<Principal> {
        let now_ms = self.clock.now_ms();
        let Some((token, user)) = self.catalog.api_token(hash)? else {
            return Err(refused(
                "this server does not know the API token; it may have been revoked",
            ));
        };
        if token.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(refused("the API token has expired"));
        }
        check_state(&user)?;
        let is_stale = |used_ms| Span::between(used_ms, now_ms) > USE_NOTED_EVERY;
        if token.last_used_ms.is_none_or(is_stale) {
            self.catalog.note_api_token_use(token.id, now_ms)?;
        }
        let limits = limits(&token);
        let (id, name) = (token.id, token.name);
        self.principal(user, By::Token { id, name, limits }, hash)
    }

    fn principal(&self, user: User, by: By, token: TokenHash) -> Result<Principal> {
        Ok(Principal {
            grants: self.grants(user.id)?,
            id: user.id,
            user: user.name,
            by,
            token,
        })
    }

    /// What a user was granted. A role that is not there, and a right that this version does not know, count for nothing.
    pub(super) fn grants(&self, user: UserId) -> Result<Vec<Grant>> {
        let granted = self.catalog.grants(user)?;
        let is_custom = |role: &str| built_in_role(role).is_none();
        let custom = match granted.iter().any(|grant| is_custom(&grant.role)) {
            true => self.catalog.roles()?,
            false => Vec::new(),
        };
        let rights = |role: &str| match built_in_role(role) {
            Some(role) => role.rights.iter().copied().collect(),
            None => custom
                .iter()
                .find(|custom| custom.name == role)
                .map(|custom| known_rights(&custom.rights))
                .unwrap_or_default(),
        };
        let grants = granted.into_iter().map(|grant| Grant {
            rights: rights(&grant.role),
            role: grant.role,
            scope: scope(grant.scope),
        });
        Ok(grants.collect())
    }
}

/// When a session ends if it is not used any more.
pub fn ends_ms(rules: &ServerRules, session: &LogInSession) -> i64 {
    let idle_ms = rules.session_idle.after(session.last_used_ms);
    idle_ms.min(rules.session_most.after(session.created_ms))
}

/// What a token is limited to.
fn limits(token: &ApiToken) -> Limits {
    Limits {
        rights: token.rights.as_deref().map(known_rights),
        scopes: token
            .scopes
            .as_ref()
            .map(|scopes| scopes.iter().cloned().map(scope).collect()),
    }
}

/// The rights among the words that this version knows.
pub fn known_rights(words: &str) -> BTreeSet<Right> {
    words.split(',').filter_map(|word| word.parse().ok()).collect()
}

/// A scope as policy takes it.
fn scope(scope: catalog::Scope) -> Scope {
    match scope {
        catalog::Scope::Everything => Scope::Everything,
        catalog::Scope::Group(name) => Scope::Group(name),
        catalog::Scope::Client(name) => Scope::Client(name),
    }
}

fn check_state(user: &User) -> Result<()> {
    match user.state {
        UserState::Active => Ok(()),
        UserState::Disabled => Err(refused("the user is disabled")),
    }
}

fn refused(why: &str) -> Error {
    Error::Unauthenticated { why: why.to_owned() }
}
