//! Users, roles and API tokens, as they are added, changed and taken away.

use std::collections::BTreeSet;
use std::time::Duration;

use catalog::{NewApiToken, Role, RoleGrant, SessionId, UserState};
use policy::access::{Right, Scope, built_in_role, show_rights};

use super::Accounts;
use super::password;
use super::secret::{self, Kind};
use crate::error::{Error, Result};

const MOST_NAME_BYTES: usize = 64;

/// An API token to make.
pub struct NewToken {
    /// Its name.
    pub name: String,
    /// The rights that it is limited to; `None` for all that its user has.
    pub rights: Option<BTreeSet<Right>>,
    /// For whom alone it holds; `None` for no limit.
    pub scopes: Option<Vec<catalog::Scope>>,
    /// For how long it holds; `None` for ever.
    pub valid: Option<Duration>,
}

/// An API token that was made.
pub struct TokenMade {
    /// Its text, which is nowhere else.
    pub token: String,
    /// When it expires, if it does.
    pub expires_ms: Option<i64>,
}

impl Accounts {
    /// Adds a user, who may do nothing yet. Blocking: it hashes the password.
    pub fn add_user(&self, name: &str, password: Option<&str>) -> Result<()> {
        let name = check_name("user", name)?;
        let hash = password.map(|password| self.hash(password)).transpose()?;
        self.catalog
            .add_user(name, hash.as_deref(), self.clock.now_ms())?;
        Ok(())
    }

    /// Gives a user another password, blocking. All his sessions end but the one named.
    pub fn set_password(&self, user: &str, password: &str, kept: Option<SessionId>) -> Result<()> {
        let hash = self.hash(password)?;
        Ok(self.catalog.set_password(user, &hash, kept)?)
    }

    fn hash(&self, password: &str) -> Result<String> {
        password::check(password)?;
        // As much memory at a time as one log-in takes.
        let _door = self.door.lock();
        password::hash(password, self.cost)
    }

    /// Gives a user a role. Returns `false` where he had it.
    pub fn grant(&self, user: &str, grant: &RoleGrant) -> Result<bool> {
        let is_custom = || -> Result<bool> {
            let roles = self.catalog.roles()?;
            Ok(roles.iter().any(|role| role.name == grant.role))
        };
        if built_in_role(&grant.role).is_none() && !is_custom()? {
            let name = grant.role.clone();
            return Err(catalog::Error::UnknownRole { name }.into());
        }
        Ok(self.catalog.grant(user, grant)?)
    }

    /// Refuses to take from a user, or one of his grants, what nobody else has: somebody must be able to manage users without
    /// going to the server's machine.
    pub fn check_not_last(&self, user: &str, grant: Option<&RoleGrant>) -> Result<()> {
        let mut is_needed = false;
        let users = self.catalog.users()?;
        for other in users.iter().filter(|other| other.state == UserState::Active) {
            for (kept, held) in self.catalog.grants(other.id)?.iter().zip(self.grants(other.id)?) {
                if held.scope != Scope::Everything || !held.rights.contains(&Right::Users) {
                    continue;
                }
                if other.name != user || grant.is_some_and(|grant| grant != kept) {
                    return Ok(());
                }
                is_needed = true;
            }
        }
        match is_needed {
            true => Err(Error::LastManager {
                user: user.to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// Makes a role.
    pub fn create_role(&self, name: &str, rights: &BTreeSet<Right>) -> Result<()> {
        let name = check_name("role", name)?;
        if built_in_role(name).is_some() {
            let name = name.to_owned();
            return Err(catalog::Error::DuplicateRole { name }.into());
        }
        if rights.is_empty() {
            return Err(Error::Invalid {
                why: "a role needs a right".to_owned(),
            });
        }
        let role = Role {
            name: name.to_owned(),
            rights: show_rights(rights),
        };
        Ok(self.catalog.create_role(&role)?)
    }

    /// Deletes a role that nobody has.
    pub fn delete_role(&self, name: &str) -> Result<()> {
        if built_in_role(name).is_some() {
            return Err(Error::Protected {
                what: format!("the role {name}"),
                why: "every server has it".to_owned(),
            });
        }
        Ok(self.catalog.delete_role(name)?)
    }

    /// Makes an API token.
    pub fn create_api_token(&self, user: &str, asked: NewToken) -> Result<TokenMade> {
        check_name("API token", &asked.name)?;
        if asked
            .scopes
            .as_ref()
            .is_some_and(|scopes| scopes.is_empty() || scopes.contains(&catalog::Scope::Everything))
        {
            return Err(Error::Invalid {
                why: "a token is limited to clients and groups, or not at all".to_owned(),
            });
        }
        let now_ms = self.clock.now_ms();
        let valid_ms = asked
            .valid
            .map(|valid| i64::try_from(valid.as_millis()).unwrap_or(i64::MAX));
        let expires_ms = valid_ms.map(|valid_ms| now_ms.saturating_add(valid_ms));
        let (token, hash) = secret::make(Kind::Api);
        let record = NewApiToken {
            name: asked.name,
            hash,
            rights: asked.rights.as_ref().map(show_rights),
            scopes: asked.scopes,
            created_ms: now_ms,
            expires_ms,
        };
        self.catalog.create_api_token(user, &record)?;
        Ok(TokenMade { token, expires_ms })
    }
}

/// Refuses what can't be a name.
fn check_name<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    match known_form(name) {
        Some(known) if known == name => Ok(name),
        _ => Err(Error::Invalid {
            why: format!(
                "{name:?} can't be the name of a {what}: small letters, digits, \"-\", \"_\", \".\" and \"@\" can, \
                 {MOST_NAME_BYTES} at most, the first a letter or a digit"
            ),
        }),
    }
}

/// A name as it is kept, whatever capitals and spaces around it were typed; `None` for what can't be one.
pub(super) fn known_form(name: &str) -> Option<String> {
    let name = name.trim().to_ascii_lowercase();
    let is_plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.' | '@');
    let begins_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    (begins_well && name.len() <= MOST_NAME_BYTES && name.chars().all(is_plain)).then_some(name)
}
