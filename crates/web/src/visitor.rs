//! Who visits: read from the request, before anything is known of it.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use cookie::Cookie;
use wire::v1::access_scope::Scope;
use wire::v1::{ListClientsRequest, WhoAmIReply, WhoAmIRequest};

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

/// The rights to manage users, and to have the content of files.
const USERS: &str = "users";
const RESTORE: &str = "restore";

/// Whether the ways to download content are on a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Downloads {
    Shown,
    Hidden,
}

impl Downloads {
    fn shown_if(could: bool) -> Self {
        if could { Self::Shown } else { Self::Hidden }
    }

    pub fn are_shown(self) -> bool {
        self == Self::Shown
    }
}

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

    /// Whether the ways to download files of a client are shown to him; what he may is up to the services.
    pub async fn downloads_of(&self, client: &str) -> Downloads {
        Downloads::shown_if(match may_have_content(&self.account, client) {
            Some(may) => may,
            None => self.may_by_group(client).await,
        })
    }

    async fn may_by_group(&self, client: &str) -> bool {
        let only = ListClientsRequest {
            name: client.to_owned(),
        };
        let listed = self.services.admin().list_clients(only).await;
        let found = listed.ok().and_then(|listed| listed.into_inner().clients.pop());
        found.is_none_or(|found| {
            scopes_with(&self.account, RESTORE)
                .any(|scope| matches!(scope, Scope::Group(group) if *group == found.group))
        })
    }

    /// Whether what needs this right on the server as a whole is shown to him; what he may is up to the services.
    pub fn may_on_server(&self, right: &str) -> bool {
        has_for_everything(&self.account, right)
    }

    /// Whether the pages about users are shown to him; what he may is up to the services.
    pub fn may_manage_users(&self) -> bool {
        self.may_on_server(USERS)
    }
}

/// For what an account has a right.
fn scopes_with<'a>(account: &'a WhoAmIReply, right: &'a str) -> impl Iterator<Item = &'a Scope> {
    let grants = account.grants.iter().zip(&account.rights);
    grants
        .filter(move |(_, rights)| rights.words.iter().any(|word| word == right))
        .filter_map(|(grant, _)| grant.scope.as_ref()?.scope.as_ref())
}

/// Whether an account may have the content of a client's files. `None` if that is up to the client's group.
fn may_have_content(account: &WhoAmIReply, client: &str) -> Option<bool> {
    let mut of_groups = Some(false);
    for scope in scopes_with(account, RESTORE) {
        match scope {
            Scope::Everything(_) => return Some(true),
            Scope::Client(name) if name == client => return Some(true),
            Scope::Group(_) => of_groups = None,
            Scope::Client(_) => {}
        }
    }
    of_groups
}

/// Whether an account has a right for everything: only that lets it do something to the server.
fn has_for_everything(account: &WhoAmIReply, right: &str) -> bool {
    scopes_with(account, right).any(|scope| matches!(scope, Scope::Everything(_)))
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
    use wire::v1::{AccessScope, AllOfIt, GrantedRights, RoleGrant};

    use super::*;

    fn account(grants: &[(&str, Scope)]) -> WhoAmIReply {
        let grants = grants.iter().cloned();
        let (grants, rights) = grants
            .map(|(words, scope)| {
                let grant = RoleGrant {
                    role: "made-here".to_owned(),
                    scope: Some(AccessScope { scope: Some(scope) }),
                };
                let words = words.split(' ').map(str::to_owned).collect();
                (grant, GrantedRights { words })
            })
            .unzip();
        WhoAmIReply {
            grants,
            rights,
            ..WhoAmIReply::default()
        }
    }

    fn everything() -> Scope {
        Scope::Everything(AllOfIt {})
    }

    #[test]
    fn downloads_are_shown_to_who_may_have_content() {
        let of = |grants: &[(&str, Scope)]| may_have_content(&account(grants), "laptop");
        let client = |name: &str| Scope::Client(name.to_owned());
        let group = || Scope::Group("office".to_owned());
        assert_eq!(of(&[]), Some(false));
        assert_eq!(of(&[("see browse", everything())]), Some(false));
        assert_eq!(of(&[("see browse", client("laptop"))]), Some(false));
        assert_eq!(of(&[("see restore", client("other"))]), Some(false));
        assert_eq!(of(&[("see restore", client("laptop"))]), Some(true));
        assert_eq!(of(&[("restore", everything())]), Some(true));
        assert_eq!(of(&[("restore", group())]), None);
        assert_eq!(
            of(&[("restore", group()), ("restore", client("laptop"))]),
            Some(true)
        );
        assert_eq!(of(&[("see", group())]), Some(false));
    }

    #[test]
    fn users_are_shown_to_who_may_manage_them() {
        let of = |grants: &[(&str, Scope)]| has_for_everything(&account(grants), USERS);
        assert!(!of(&[]));
        assert!(!of(&[("see restore", everything())]));
        assert!(!of(&[("users", Scope::Group("office".to_owned()))]));
        assert!(of(&[("see", everything()), ("see users", everything())]));
    }
}
