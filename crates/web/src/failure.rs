//! What can go wrong with a page, as a page.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use tonic::{Code, Status};

use crate::parts::page::{Page, bare};
use crate::server_text;
use crate::text::Language;
use crate::visitor::{Theme, Visitor};

/// Why there is no page.
#[derive(Debug)]
pub struct Failure {
    what: What,
    /// In whose words it is told.
    language: Language,
    theme: Theme,
    /// What was asked for.
    path: String,
}

#[derive(Debug)]
enum What {
    LogInFirst,
    Elsewhere,
    Stale,
    NotFound,
    Refused(String),
    Invalid(String),
    Unavailable(String),
    Internal(String),
}

impl Failure {
    fn new(what: What) -> Self {
        Self {
            what,
            language: Language::default(),
            theme: Theme::default(),
            path: "/".to_owned(),
        }
    }

    /// What a service has answered.
    pub fn of(status: Status) -> Self {
        let message = status.message().to_owned();
        Self::new(match status.code() {
            Code::Unauthenticated => What::LogInFirst,
            Code::PermissionDenied => What::Refused(message),
            Code::NotFound => What::NotFound,
            Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists | Code::OutOfRange => {
                What::Invalid(message)
            }
            Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Cancelled => {
                What::Unavailable(message)
            }
            _ => What::Internal(message),
        })
    }

    pub fn internal(why: &str) -> Self {
        Self::new(What::Internal(why.to_owned()))
    }

    pub fn invalid(why: &str) -> Self {
        Self::new(What::Invalid(why.to_owned()))
    }

    pub fn not_found() -> Self {
        Self::new(What::NotFound)
    }

    /// A form that another site has sent.
    pub fn from_elsewhere() -> Self {
        Self::new(What::Elsewhere)
    }

    /// A form of a page that was made for another session.
    pub fn stale() -> Self {
        Self::new(What::Stale)
    }

    /// What is wrong with what was typed, for the page that it was typed into. What else can be wrong has a page of its own.
    pub fn complaint(status: Status, visitor: &Visitor) -> Result<Markup, Self> {
        match status.code() {
            // Of a password; without session one does not get that far.
            Code::Unauthenticated
            | Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::AlreadyExists
            | Code::ResourceExhausted
            | Code::Unavailable => Ok(server_text::show(visitor.language, status.message())),
            _ => Err(Self::of(status).for_visitor(visitor)),
        }
    }

    /// The same in the words of who visits.
    pub fn for_visitor(self, visitor: &Visitor) -> Self {
        Self {
            language: visitor.language,
            theme: visitor.theme,
            path: visitor.path.clone(),
            ..self
        }
    }
}

/// Lets what a service answers become a page in the visitor's words.
pub trait OrFail<T> {
    fn or_fail(self, visitor: &Visitor) -> Result<T, Failure>;
}

impl<T> OrFail<T> for Result<tonic::Response<T>, Status> {
    fn or_fail(self, visitor: &Visitor) -> Result<T, Failure> {
        self.map(tonic::Response::into_inner)
            .map_err(|status| Failure::of(status).for_visitor(visitor))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, title, detail) = match self.what {
            What::LogInFirst => return to_log_in(&self.path),
            What::Elsewhere => (StatusCode::FORBIDDEN, "failure-elsewhere", String::new()),
            What::Stale => (StatusCode::CONFLICT, "failure-stale", String::new()),
            What::NotFound => (StatusCode::NOT_FOUND, "failure-not-found", String::new()),
            What::Refused(why) => (StatusCode::FORBIDDEN, "failure-refused", why),
            What::Invalid(why) => (StatusCode::BAD_REQUEST, "failure-invalid", why),
            What::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, "failure-unavailable", why),
            What::Internal(why) => {
                tracing::error!(why, path = self.path, "a page could not be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "failure-internal", why)
            }
        };
        let page = Page {
            title: self.language.say(title),
            language: self.language,
            theme: self.theme,
        };
        let body = html! {
            h1 { (page.title) }
            @if !detail.is_empty() { p { (server_text::show(self.language, &detail)) } }
            p { a href="/" { (self.language.say("failure-home")) } }
        };
        (status, bare(&page, &body)).into_response()
    }
}

/// To the log-in, and from there back.
fn to_log_in(path: &str) -> Response {
    let next = serde_urlencoded::to_string([("next", path)]).unwrap_or_default();
    let mut response = Redirect::to(&format!("/login?{next}")).into_response();
    // A part of a page that is fetched anew is not to become a log-in within the page.
    response
        .headers_mut()
        .insert("hx-refresh", header::HeaderValue::from_static("true"));
    response
}

/// What is answered where there is nothing.
pub async fn no_such_page(visitor: Visitor) -> Failure {
    Failure::not_found().for_visitor(&visitor)
}
