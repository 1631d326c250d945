//! Whose account a page is about: one's own, below `/account`, or that of another, below `/users/NAME`.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::parts::address::segment;
use crate::parts::page::{Place, framed};
use crate::visitor::{User, Visitor};

/// The user in a page's address; none below `/account`.
pub type Named = Option<Path<String>>;

/// Whose account a page is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    Own,
    Others(String),
}

impl Whose {
    /// Whose account somebody means. His own is his own wherever he asks for it.
    pub fn of(user: &User, named: Named) -> Self {
        match named {
            Some(Path(name)) if name != user.account.user => Self::Others(name),
            _ => Self::Own,
        }
    }

    pub fn is_own(&self) -> bool {
        *self == Self::Own
    }

    /// The user as calls name him.
    pub fn user(&self) -> String {
        match self {
            Self::Own => String::new(),
            Self::Others(name) => name.clone(),
        }
    }

    /// Where the account's page is.
    pub fn address(&self) -> String {
        match self {
            Self::Own => "/account".to_owned(),
            Self::Others(name) => format!("/users/{}", segment(name)),
        }
    }

    /// A page about the account.
    pub fn framed(&self, user: &User, title: &str, body: &Markup) -> Markup {
        let (place, name) = match self {
            Self::Own => (Place::Account, user.say("menu-account")),
            Self::Others(name) => (Place::Users, name.clone()),
        };
        let body = html! {
            nav.crumbs aria-label=(user.say("backup-way")) { ol {
                @if !self.is_own() { li { a href="/users" { (user.say("menu-users")) } } }
                li { a href=(self.address()) { (name) } }
                li aria-current="page" { (title) }
            } }
            (body)
        };
        framed(user, place, title, &body)
    }

    /// Back to the account's page.
    pub fn back(&self) -> Response {
        Redirect::to(&self.address()).into_response()
    }

    /// Back to the account's page, which tells what was done.
    pub fn after(&self, done: Done) -> Response {
        Redirect::to(&format!("{}?done={}", self.address(), done.word())).into_response()
    }
}

/// What was done to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Password,
    SecondFactorRemoved,
}

impl Done {
    const ALL: [Self; 2] = [Self::Password, Self::SecondFactorRemoved];

    fn word(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::SecondFactorRemoved => "second-factor-removed",
        }
    }
}

/// What a page is to tell.
#[derive(Debug, Default, Deserialize)]
pub struct Told {
    #[serde(default)]
    done: String,
}

impl Told {
    pub fn show(&self, visitor: &Visitor) -> Markup {
        let done = Done::ALL.into_iter().find(|done| done.word() == self.done);
        html! {
            @if let Some(done) = done { p.done role="status" { (visitor.say(&format!("done-{}", done.word()))) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn one_page_serves_both_addresses() {
        let named = |named: Named| async { named.map_or("nobody".to_owned(), |Path(name)| name) };
        let router: Router = Router::new()
            .route("/account/password", get(named))
            .route("/users/{user}/password", get(named));
        for (address, expected) in [("/account/password", "nobody"), ("/users/anna/password", "anna")] {
            let request = Request::get(address)
                .body(Body::empty())
                .expect("it is a request");
            let answer = router.clone().oneshot(request).await.expect("it answers");
            let body = to_bytes(answer.into_body(), 100).await.expect("it is short");
            assert_eq!(body, expected, "{address}");
        }
    }

    #[test]
    fn no_name_leads_elsewhere() {
        assert_eq!(Whose::Others("anna".to_owned()).address(), "/users/anna");
        let odd = Whose::Others("../login?\r\nx".to_owned());
        assert_eq!(odd.address(), "/users/..%2Flogin%3F%0D%0Ax");
    }

    #[test]
    fn all_that_is_done_has_its_text() {
        for done in Done::ALL {
            for language in crate::text::Language::ALL {
                assert!(language.has(&format!("done-{}", done.word())), "{done:?}");
            }
        }
    }
}
