//! What stands before and behind every page: forms count only if they come from our own pages, and what is answered can't run or load
//! anything that is not ours.

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use crate::Site;
use crate::api;
use crate::failure::Failure;
use crate::visitor::Visitor;
use axum::extract::FromRequestParts as _;

/// Everything comes from the server itself; nothing is run but its own scripts, and nobody may show its pages within theirs.
const CONTENT_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Headers of every answer.
const HEADERS: [(header::HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Refuses what comes from elsewhere, and puts the headers onto what is answered; a page may have set its own. Programs are not asked
/// where they come from: what they change they change with a token, which no browser sends by itself.
pub async fn guard(request: Request, next: Next) -> Response {
    let is_from_elsewhere = !request.method().is_safe()
        && !api::is_at(request.uri())
        && !is_same_origin(request.headers(), request.uri());
    let mut response = match is_from_elsewhere {
        true => {
            // What is not taken would break the connection off before the answer is read.
            let _ = axum::body::to_bytes(request.into_body(), MOST_FORM_BYTES).await;
            Failure::from_elsewhere().into_response()
        }
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Whether a browser says that a request was made by a page of this server, or by something that is no browser.
fn is_same_origin(headers: &HeaderMap, uri: &axum::http::Uri) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let host = uri
        .authority()
        .map(|authority| authority.as_str())
        .or_else(|| headers.get(header::HOST)?.to_str().ok());
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.strip_prefix("https://"));
    origin.is_some() && origin == host
}

/// What forms of a session bring with them. Whoever can't read the session's pages can't know it.
pub fn form_key(session: Option<&str>) -> String {
    let key = blake3::derive_key(
        "perennial web forms 2026-11-30",
        session.unwrap_or_default().as_bytes(),
    );
    data_encoding::BASE32_NOPAD.encode(&key[..20])
}

/// A form that was sent from one of our pages.
pub struct Posted<T> {
    pub visitor: Visitor,
    pub form: T,
}

/// Largest form.
const MOST_FORM_BYTES: usize = 256 * 1024;

impl<T: DeserializeOwned> FromRequest<Site> for Posted<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, site: &Site) -> Result<Self, Failure> {
        debug_assert_eq!(request.method(), Method::POST);
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, site).await?;
        let body: Bytes = axum::body::to_bytes(body, MOST_FORM_BYTES)
            .await
            .map_err(|_| Failure::invalid("the form is too large").for_visitor(&visitor))?;
        let wrong = |_| Failure::invalid("the form is not well-formed").for_visitor(&visitor);
        let fields: HashMap<String, String> = serde_urlencoded::from_bytes(&body).map_err(wrong)?;
        if fields.get("key") != Some(&visitor.form_key) {
            return Err(Failure::stale().for_visitor(&visitor));
        }
        let form = serde_urlencoded::from_bytes(&body).map_err(wrong)?;
        Ok(Self { visitor, form })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ours(headers: &[(&'static str, &'static str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        is_same_origin(&headers.collect(), &axum::http::Uri::from_static("/login"))
    }

    #[test]
    fn what_other_pages_send_is_seen() {
        assert!(is_ours(&[("sec-fetch-site", "same-origin")]));
        assert!(!is_ours(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_ours(&[
            ("sec-fetch-site", "same-site"),
            ("origin", "https://a"),
            ("host", "a")
        ]));
        assert!(is_ours(&[
            ("origin", "https://backup.lan:55414"),
            ("host", "backup.lan:55414")
        ]));
        assert!(!is_ours(&[
            ("origin", "https://evil.lan"),
            ("host", "backup.lan:55414")
        ]));
        assert!(!is_ours(&[("origin", "null"), ("host", "backup.lan:55414")]));
        assert!(!is_ours(&[
            ("origin", "http://backup.lan"),
            ("host", "backup.lan")
        ]));
        assert!(is_ours(&[("host", "backup.lan")]));
    }

    #[test]
    fn each_session_has_forms_of_its_own() {
        assert_eq!(form_key(Some("a")), form_key(Some("a")));
        assert_ne!(form_key(Some("a")), form_key(Some("b")));
        assert_ne!(form_key(None), form_key(Some("a")));
    }
}
