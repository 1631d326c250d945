//! What went wrong with a call, as programs are told (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tonic::{Code, Status};

/// The media type of what is answered.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Something that went wrong.
#[derive(Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// The kind in a word, for programs.
    code: &'static str,
    detail: String,
    /// Which parameter or field is wrong.
    field: Option<String>,
    header: Option<(&'static str, String)>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            field: None,
            header: None,
        }
    }

    fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        Self {
            header: Some((name, value.into())),
            ..self
        }
    }

    /// What a service has answered.
    pub fn of(status: &Status) -> Self {
        let (http, code) = told(status.code());
        let problem = Self::new(http, code, status.message());
        match http {
            StatusCode::UNAUTHORIZED => problem.with("www-authenticate", "Bearer"),
            _ => problem,
        }
    }

    /// There is no such address.
    pub fn no_such_address() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this address: see /api/v1/openapi.json",
        )
    }

    /// This can't be done to what is at an address; `Allow` tells what can.
    pub fn wrong_verb() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this method is not for this address: `Allow` says which are",
        )
    }

    /// Nobody, or nobody who counts here, has called.
    pub fn log_in_first(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail).with("www-authenticate", "Bearer")
    }

    /// What was sent can't be understood.
    pub fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_argument", detail)
    }

    /// A parameter or a field is not as it has to be.
    pub fn wrong(field: &str, why: &str) -> Self {
        Self {
            field: Some(field.to_owned()),
            ..Self::invalid(format!("{field}: {why}"))
        }
    }

    /// What was sent is no JSON.
    pub fn wrong_kind() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body has to be application/json",
        )
    }

    /// What was sent is too much, or did not arrive.
    pub fn of_body(status: StatusCode, why: String) -> Self {
        let code = match status {
            StatusCode::PAYLOAD_TOO_LARGE => "content_too_large",
            _ => "invalid_argument",
        };
        Self::new(status, code, why)
    }

    /// What was asked for lies behind the end of a file of this size.
    pub fn not_within(size_bytes: u64) -> Self {
        Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "out_of_range",
            format!("the file has {size_bytes} bytes"),
        )
        .with("content-range", format!("bytes */{size_bytes}"))
    }

    /// An address makes more requests than it may.
    pub fn too_many() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            "too many requests: `Retry-After` says when to come again",
        )
    }

    /// Something that can't be.
    pub fn internal(detail: &str) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// What is told.
    pub fn told(&self) -> Value {
        let mut told = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        if let Some(field) = &self.field {
            told["field"] = json!(field);
        }
        told
    }
}

/// What a service's answer is called on the web, and in a word.
fn told(code: Code) -> (StatusCode, &'static str) {
    match code {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, "invalid_argument"),
        Code::OutOfRange => (StatusCode::BAD_REQUEST, "out_of_range"),
        Code::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
        Code::PermissionDenied => (StatusCode::FORBIDDEN, "permission_denied"),
        Code::NotFound => (StatusCode::NOT_FOUND, "not_found"),
        Code::AlreadyExists => (StatusCode::CONFLICT, "already_exists"),
        Code::FailedPrecondition => (StatusCode::CONFLICT, "failed_precondition"),
        Code::Aborted => (StatusCode::CONFLICT, "aborted"),
        // The storage is full; nobody is told so because he asks too often.
        Code::ResourceExhausted => (StatusCode::INSUFFICIENT_STORAGE, "resource_exhausted"),
        Code::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        Code::Cancelled => (StatusCode::SERVICE_UNAVAILABLE, "cancelled"),
        Code::DeadlineExceeded => (StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"),
        Code::Unimplemented => (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
        Code::DataLoss => (StatusCode::INTERNAL_SERVER_ERROR, "data_loss"),
        Code::Ok | Code::Unknown | Code::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(why = self.detail, "a call of the API failed");
        }
        let kind = [(header::CONTENT_TYPE, MEDIA_TYPE)];
        let mut response = (self.status, kind, self.told().to_string()).into_response();
        if let Some((name, value)) = self.header {
            let value = HeaderValue::try_from(value).expect("it is words and figures");
            response.headers_mut().insert(name, value);
        }
        response
    }
}
