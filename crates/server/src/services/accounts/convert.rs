//! Between messages about users and the records of the catalog.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use catalog::{ApiToken, LogInSession, RoleGrant, Scope, TotpState, User};
use policy::access::{self, BUILT_IN_ROLES, Reach, Right};
use policy::lock_out::Tally;
use tonic::Status;
use wire::v1::access_scope::Scope as WireScope;
use wire::v1::{
    AccessScope, AllOfIt, ApiTokenInfo, CreateApiTokenRequest, GrantedRights, RightInfo,
    RoleGrant as WireGrant, RoleInfo, SessionInfo, TokenLimits, UserInfo, WhoAmIReply,
};

use crate::accounts::{By, NewToken, Principal};
use crate::caller::Caller;
use crate::core::Core;
use crate::error::{Error, Result};

/// The rights of these words.
pub fn rights(words: &[String]) -> Result<BTreeSet<Right>, Status> {
    let rights = words.iter().map(|word| {
        word.parse()
            .map_err(|error: access::UnknownRight| Status::invalid_argument(error.to_string()))
    });
    rights.collect()
}

/// The grant that a request names.
pub fn grant(asked: Option<WireGrant>) -> Result<RoleGrant, Status> {
    let asked = asked.unwrap_or_default();
    Ok(RoleGrant {
        role: asked.role,
        scope: scope(asked.scope)?,
    })
}

/// A grant in words.
pub fn told(grant: &RoleGrant) -> String {
    let scope = match &grant.scope {
        Scope::Everything => "everything".to_owned(),
        Scope::Group(name) => format!("group {name}"),
        Scope::Client(name) => format!("client {name}"),
    };
    format!("{} for {scope}", grant.role)
}

/// The token that a request asks for.
pub fn new_token(asked: CreateApiTokenRequest) -> Result<NewToken, Status> {
    let limits = asked.limits.unwrap_or_default();
    let rights = match limits.has_rights {
        true => Some(rights(&limits.rights)?),
        false => None,
    };
    let scopes = limits.scopes.into_iter().map(|asked| scope(Some(asked)));
    let scopes = match limits.has_scopes {
        true => Some(scopes.collect::<Result<_, _>>()?),
        false => None,
    };
    Ok(NewToken {
        name: asked.name,
        rights,
        scopes,
        valid: (asked.valid_s > 0).then(|| Duration::from_secs(asked.valid_s.into())),
    })
}

fn scope(asked: Option<AccessScope>) -> Result<Scope, Status> {
    match asked.and_then(|asked| asked.scope) {
        Some(WireScope::Everything(_)) => Ok(Scope::Everything),
        Some(WireScope::Group(name)) => Ok(Scope::Group(name)),
        Some(WireScope::Client(name)) => Ok(Scope::Client(name)),
        None => Err(Status::invalid_argument(
            "say for whom: everything, a group or a client",
        )),
    }
}

fn wire_scope(scope: &Scope) -> AccessScope {
    AccessScope {
        scope: Some(match scope {
            Scope::Everything => WireScope::Everything(AllOfIt {}),
            Scope::Group(name) => WireScope::Group(name.clone()),
            Scope::Client(name) => WireScope::Client(name.clone()),
        }),
    }
}

fn wire_policy_scope(scope: &access::Scope) -> AccessScope {
    wire_scope(&match scope {
        access::Scope::Everything => Scope::Everything,
        access::Scope::Group(name) => Scope::Group(name.clone()),
        access::Scope::Client(name) => Scope::Client(name.clone()),
    })
}

/// Who somebody is.
pub fn who(principal: &Principal, user: &User) -> WhoAmIReply {
    let (api_token, limits) = match &principal.by {
        By::Session(_) => (String::new(), None),
        By::Token { name, limits, .. } => {
            let words =
                |rights: &BTreeSet<Right>| rights.iter().map(|right| right.word().to_owned()).collect();
            let limits = TokenLimits {
                has_rights: limits.rights.is_some(),
                rights: limits.rights.as_ref().map(words).unwrap_or_default(),
                has_scopes: limits.scopes.is_some(),
                scopes: limits.scopes.iter().flatten().map(wire_policy_scope).collect(),
            };
            (name.clone(), Some(limits))
        }
    };
    WhoAmIReply {
        user: principal.user.clone(),
        api_token,
        grants: principal
            .grants
            .iter()
            .map(|grant| WireGrant {
                role: grant.role.clone(),
                scope: Some(wire_policy_scope(&grant.scope)),
            })
            .collect(),
        rights: principal
            .grants
            .iter()
            .map(|grant| GrantedRights {
                words: grant.rights.iter().map(|right| right.word().to_owned()).collect(),
            })
            .collect(),
        limits,
        has_totp: has_totp(user),
        recovery_codes: user.recovery_codes,
    }
}

fn has_totp(user: &User) -> bool {
    user.totp
        .as_ref()
        .is_some_and(|totp| totp.state == TotpState::Active)
}

/// The sessions that still hold.
pub fn sessions(core: &Core, caller: &Caller, sessions: &[LogInSession]) -> Vec<SessionInfo> {
    let this = match caller {
        Caller::User(principal) => principal.session(),
        _ => None,
    };
    let (rules, now_ms) = (core.policies.server(), core.clock.now_ms());
    let infos = sessions.iter().map(|session| SessionInfo {
        id: session.id.0.unsigned_abs(),
        user: session.user.clone(),
        created_ms: session.created_ms,
        last_used_ms: session.last_used_ms,
        expires_ms: crate::accounts::ends_ms(&rules, session),
        address: session.address.clone(),
        program: session.program.clone(),
        is_this: this == Some(session.id),
    });
    infos.filter(|info| info.expires_ms > now_ms).collect()
}

/// A token, as its user is shown it.
pub fn api_token(token: &ApiToken) -> ApiTokenInfo {
    let words = |rights: &String| {
        let words = rights.split(',').filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    ApiTokenInfo {
        user: token.user.clone(),
        name: token.name.clone(),
        limits: Some(TokenLimits {
            has_rights: token.rights.is_some(),
            rights: token.rights.as_ref().map(words).unwrap_or_default(),
            has_scopes: token.scopes.is_some(),
            scopes: token.scopes.iter().flatten().map(wire_scope).collect(),
        }),
        created_ms: token.created_ms,
        expires_ms: token.expires_ms.unwrap_or_default(),
        last_used_ms: token.last_used_ms.unwrap_or_default(),
    }
}

/// All users, with what is theirs.
pub fn users(core: &Core) -> Result<Vec<UserInfo>> {
    let catalog = &core.catalog;
    let (mut tokens, mut sessions_of) = (HashMap::new(), HashMap::new());
    for token in catalog.api_tokens(None)? {
        *tokens.entry(token.user).or_insert(0_u64) += 1;
    }
    for session in sessions(core, &Caller::Admin, &catalog.sessions(None)?) {
        *sessions_of.entry(session.user).or_insert(0_u64) += 1;
    }
    let locks = locks(core)?;
    let infos = catalog.users()?.into_iter().map(|user| {
        let grants = catalog.grants(user.id)?;
        Ok(UserInfo {
            state: user.state.to_string(),
            has_password: user.password_hash.is_some(),
            has_totp: has_totp(&user),
            recovery_codes: user.recovery_codes,
            created_ms: user.created_ms,
            last_log_in_ms: user.last_log_in_ms.unwrap_or_default(),
            locked_until_ms: locks.get(&user.name).copied().unwrap_or_default(),
            grants: grants.iter().map(wire_grant).collect(),
            api_tokens: tokens.get(&user.name).copied().unwrap_or_default(),
            sessions: sessions_of.get(&user.name).copied().unwrap_or_default(),
            name: user.name,
        })
    });
    infos.collect()
}

fn wire_grant(grant: &RoleGrant) -> WireGrant {
    WireGrant {
        role: grant.role.clone(),
        scope: Some(wire_scope(&grant.scope)),
    }
}

/// Until when log-ins of names are refused, where they are.
fn locks(core: &Core) -> Result<HashMap<String, i64>> {
    let (rules, now_ms) = (core.policies.server().lock_out, core.clock.now_ms());
    let mut locks = HashMap::new();
    for failed in core.catalog.all_failed_log_ins()? {
        let tally = Tally {
            failures: u32::try_from(failed.failures).unwrap_or(u32::MAX),
            last_ms: failed.last_ms,
            locked_until_ms: failed.locked_until_ms,
        };
        if tally.lock(&rules, now_ms).is_some() {
            let until_ms = locks.entry(failed.user_name).or_insert(failed.locked_until_ms);
            *until_ms = failed.locked_until_ms.max(*until_ms);
        }
    }
    Ok(locks)
}

/// All roles: those of every server, then those that were made here.
pub fn roles(core: &Core) -> Result<Vec<RoleInfo>, Error> {
    let built_in = BUILT_IN_ROLES.iter().map(|role| RoleInfo {
        name: role.name.to_owned(),
        is_built_in: true,
        rights: role.rights.iter().copied().map(right).collect(),
        about: role.about.to_owned(),
    });
    let made = core.catalog.roles()?.into_iter().map(|role| RoleInfo {
        rights: crate::accounts::known_rights(&role.rights)
            .into_iter()
            .map(right)
            .collect(),
        name: role.name,
        is_built_in: false,
        about: String::new(),
    });
    Ok(built_in.chain(made).collect())
}

fn right(right: Right) -> RightInfo {
    RightInfo {
        word: right.word().to_owned(),
        about: right.about().to_owned(),
        needs_everything: right.reach() == Reach::Server,
    }
}
