//! The API for programs: the calls of the services under `/api/v1`, as JSON. It knows them by their descriptions alone; a line in
//! [`routes`] puts one there. Whoever may make a call may make it here too, as it goes through the same door.
//!
//! ```text
//! address, parameters, body ─▶ request ─▶ message ─▶ call ─▶ Door
//!                                                     │
//!          JSON, JSON lines or content ◀─ answer ◀────┘
//! ```

mod answer;
mod call;
mod comments;
mod document;
mod json;
mod operation;
mod page;
pub mod problem;
mod request;
mod routes;
mod schemas;
#[cfg(test)]
mod tests;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodFilter, any, get, on};

use self::operation::{OPERATIONS, Operation};
use self::problem::Problem;
use self::routes::Verb;
use crate::{Remote, Site};

/// Largest body of a request.
const MOST_BODY_BYTES: usize = 1 << 20;

/// All of it.
pub fn routes() -> Router<Site> {
    let calls = OPERATIONS.iter().fold(Router::new(), |calls, operation| {
        let answer = move |State(site): State<Site>, request: Request| answer(site, operation, request);
        calls.route(&operation.address, on(filter(operation.route.verb), answer))
    });
    calls
        .route("/api/v1/openapi.json", get(document::show))
        .route("/api/", any(no_such_address))
        .route("/api/{*rest}", any(no_such_address))
        .method_not_allowed_fallback(wrong_verb)
        .layer(DefaultBodyLimit::max(MOST_BODY_BYTES))
        .merge(page::routes())
}

fn filter(verb: Verb) -> MethodFilter {
    match verb {
        Verb::Get => MethodFilter::GET,
        Verb::Post => MethodFilter::POST,
        Verb::Put => MethodFilter::PUT,
        Verb::Patch => MethodFilter::PATCH,
        Verb::Delete => MethodFilter::DELETE,
    }
}

/// Whether an address is one of the API.
pub fn is_at(uri: &Uri) -> bool {
    uri.path().starts_with("/api/")
}

/// What was sent, which nobody wants: it is taken so that the connection does not break off.
type Unread = Result<Bytes, BytesRejection>;

async fn no_such_address(_: Unread) -> Problem {
    Problem::no_such_address()
}

async fn wrong_verb(_: Unread) -> Problem {
    Problem::wrong_verb()
}

async fn answer(site: Site, operation: &'static Operation, request: Request) -> Response {
    match try_answer(&site, operation, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn try_answer(site: &Site, operation: &Operation, request: Request) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Some(Remote(address)) = parts.extensions.get::<Remote>().copied() else {
        return Err(Problem::internal("a connection without address"));
    };
    let body = request::body(&parts, body).await;
    let token = request::token(operation, &parts)?;
    let message = request::message(operation, &mut parts, body).await?;
    let services = site.door.enter(address, token.as_deref());
    answer::of(operation, &services, message, &parts.headers).await
}
