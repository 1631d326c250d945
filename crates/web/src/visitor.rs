//! Who visits: read from the request, before anything is known of it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use cookie::Cookie;
use wire::v1::access_scope::Scope;
use wire::v1::{RoleGrant, WhoAmIReply, WhoAmIRequest};

use crate::door::Services;
use crate::failure::{Failure, OrFail as _};
use crate::guard::form_key;
use crate::text::Language;
use crate::{Remote, Site};

/// The token of a session. Its prefix binds it to this very host and to TLS.
pub const SESSION_COOKIE: &str = "__Host-session";
/// The language that was chosen, and light or dark.
pub const LANGUAGE_COOKIE: &str = "language";
pub const THEME_COOKIE: &str = "theme";

/// The roles of every server that have no right to manage users.
const NO_USERS: [&str; 3] = ["operator", "restorer", "viewer"];

/// Light, dark, or as the device has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    #[default]
    Device,
    Light,
    Dark,
}

impl Theme {
    pub const ALL: [Self; 3] = [Self::Device, Self::Light, Self::Dark];

    pub fn word(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|theme| theme.word() == word)
    }
}

/// Somebody who visits, logged in or not.
#[derive(Clone)]
pub struct Visitor {
    pub language: Language,
    pub theme: Theme,
    /// What he was about to see.
    pub path: String,
    /// The services, as they are for him.
    pub services: Services,
    /// What his forms have to bring, to show that they come from our pages.
    pub form_key: String,
    /// What his browser calls itself.
    pub program: String,
    /// The host that he typed.
    pub host: String,
}

impl FromRequestParts<Site> for Visitor {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        let Some(Remote(address)) = parts.extensions.get::<Remote>() else {
            return Err(Failure::internal("a connection without address"));
        };
        let token = cookie(&parts.headers, SESSION_COOKIE);
        let chosen = cookie(&parts.headers, LANGUAGE_COOKIE);
        let accepted = text(&parts.headers, header::ACCEPT_LANGUAGE);
        let language = chosen
            .and_then(|tag| Language::of_tag(&tag))
            .or_else(|| Language::of_accepted(accepted))
            .unwrap_or_default();
        let theme = cookie(&parts.headers, THEME_COOKIE);
        let authority = parts.uri.authority().map(|authority| authority.as_str());
        Ok(Self {
            language,
            theme: theme.and_then(|word| Theme::of_word(&word)).unwrap_or_default(),
            path: parts
                .uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            services: site.door.enter(*address, token.as_deref()),
            form_key: form_key(token.as_deref()),
            program: text(&parts.headers, header::USER_AGENT).to_owned(),
            host: authority
                .unwrap_or_else(|| text(&parts.headers, header::HOST))
                .to_owned(),
        })
    }
}

impl Visitor {
    /// Whether a text of a page.
    pub fn say(&self, key: &str) -> String {
        self.language.say(key)
    }
}

/// Somebody who has logged in.
#[derive(Clone)]
pub struct User {
    pub visitor: Visitor,
    pub account: WhoAmIReply,
}

impl std::ops::Deref for User {
    type Target = Visitor;

    fn deref(&self) -> &Visitor {
        &self.visitor
    }
}

impl FromRequestParts<Site> for User {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, site: &Site) -> Result<Self, Failure> {
        Self::of(Visitor::from_request_parts(parts, site).await?).await
    }
}

impl User {
    /// Who a visitor is; leads to the log-in where nobody is.
    pub async fn of(visitor: Visitor) -> Result<Self, Failure> {
        let asked = visitor.services.accounts().who_am_i(WhoAmIRequest {}).await;
        let account = asked.or_fail(&visitor)?;
        Ok(Self { visitor, account })
    }

    /// Whether the pages about users are shown to him; what he may is up to the services.
    pub fn may_manage_users(&self) -> bool {
        could_manage_users(&self.account.grants)
    }
}

/// Whether these grants can give the right to manage users: only one for everything does. They tell roles but not their rights, so those
/// that were made on this server count as if they had it.
fn could_manage_users(grants: &[RoleGrant]) -> bool {
    grants.iter().any(|grant| {
        let scope = grant.scope.as_ref().and_then(|scope| scope.scope.as_ref());
        matches!(scope, Some(Scope::Everything(_))) && !NO_USERS.contains(&grant.role.as_str())
    })
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    let value = headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default()
}

/// A cookie's value.
pub fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let lines = all.filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| Cookie::split_parse(line).filter_map(Result::ok))
        .find(|cookie| cookie.name() == name)
        .map(|cookie| cookie.value().to_owned())
}

#[cfg(test)]
mod tests {
    use wire::v1::{AccessScope, AllOfIt};

    use super::*;

    #[test]
    fn users_are_shown_to_who_could_manage_them() {
        let grant = |role: &str, scope| RoleGrant {
            role: role.to_owned(),
            scope: Some(AccessScope { scope: Some(scope) }),
        };
        let everything = || Scope::Everything(AllOfIt {});
        assert!(!could_manage_users(&[]));
        assert!(!could_manage_users(&[grant("operator", everything())]));
        assert!(!could_manage_users(&[grant(
            "administrator",
            Scope::Group("office".to_owned())
        )]));
        assert!(could_manage_users(&[grant("administrator", everything())]));
        assert!(could_manage_users(&[
            grant("viewer", everything()),
            grant("made-here", everything())
        ]));
    }
}
