//! For whom something holds, and rights, between the command line, messages and what is shown.

use serde_json::{Value, json};
use wire::v1::access_scope::Scope;
use wire::v1::{AccessScope, AllOfIt, RoleGrant, TokenLimits};

use crate::output::format;

/// All clients, and the server.
pub fn everything() -> AccessScope {
    of(Scope::Everything(AllOfIt {}))
}

/// The clients of a group.
pub fn group(name: &str) -> AccessScope {
    of(Scope::Group(name.to_owned()))
}

/// A client.
pub fn client(name: &str) -> AccessScope {
    of(Scope::Client(name.to_owned()))
}

fn of(scope: Scope) -> AccessScope {
    AccessScope { scope: Some(scope) }
}

/// A scope in words.
pub fn shown(scope: Option<&AccessScope>) -> String {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::Group(name)) => format!("group {}", format::line(name)),
        Some(Scope::Client(name)) => format!("client {}", format::line(name)),
        Some(Scope::Everything(_)) | None => "everything".to_owned(),
    }
}

/// A grant in words.
pub fn shown_grant(grant: &RoleGrant) -> String {
    format!(
        "{} for {}",
        format::line(&grant.role),
        shown(grant.scope.as_ref())
    )
}

/// A scope for programs.
pub fn scope_view(scope: Option<&AccessScope>) -> Value {
    match scope.and_then(|scope| scope.scope.as_ref()) {
        Some(Scope::Group(name)) => json!({ "group": name }),
        Some(Scope::Client(name)) => json!({ "client": name }),
        Some(Scope::Everything(_)) | None => json!("everything"),
    }
}

/// A grant for programs.
pub fn grant_view(grant: &RoleGrant) -> Value {
    json!({ "role": grant.role, "for": scope_view(grant.scope.as_ref()) })
}

/// The rights of a token in words.
pub fn shown_rights(limits: &TokenLimits) -> String {
    match limits.has_rights {
        true => format::or_dash(&format::line(&limits.rights.join(", "))).to_owned(),
        false => "all of the user's".to_owned(),
    }
}

/// For whom a token holds, in words.
pub fn shown_scopes(limits: &TokenLimits) -> String {
    let scopes: Vec<_> = limits.scopes.iter().map(|scope| shown(Some(scope))).collect();
    match (limits.has_scopes, scopes.is_empty()) {
        (false, _) => "all of the user's".to_owned(),
        (true, true) => "nobody any more".to_owned(),
        (true, false) => scopes.join(", "),
    }
}

/// What a token is limited to, for programs: `null` for no limit.
pub fn limits_view(limits: &TokenLimits) -> Value {
    let scopes = || limits.scopes.iter().map(|scope| scope_view(Some(scope)));
    json!({
        "rights": limits.has_rights.then(|| limits.rights.clone()),
        "for": limits.has_scopes.then(|| scopes().collect::<Vec<_>>()),
    })
}
