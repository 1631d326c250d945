//! What a request says, as the message that its call takes.

use axum::RequestPartsExt as _;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest as _, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value as Held};
use serde_json::{Map, Value};

use super::json::{self, Form, Wrong};
use super::operation::{FieldPath, Operation, QueryParameter};
use super::problem::Problem;
use crate::visitor::{SESSION_COOKIE, cookie};

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Self::wrong(&wrong.field, &wrong.why)
    }
}

/// The token that a request brings. The session of a browser counts only where nothing is changed: whatever else a browser sends may
/// be another site's doing.
pub fn token(operation: &Operation, parts: &Parts) -> Result<Option<String>, Problem> {
    if operation.route.is_for_all {
        return Ok(None);
    }
    if let Some(said) = parts.headers.get(header::AUTHORIZATION) {
        let token = said.to_str().ok().and_then(bearer);
        return match token {
            Some(token) => Ok(Some(token.to_owned())),
            None => Err(Problem::log_in_first(
                "the authorization has to be `Bearer TOKEN`",
            )),
        };
    }
    match cookie(&parts.headers, SESSION_COOKIE) {
        Some(token) if parts.method.is_safe() => Ok(Some(token)),
        Some(_) => Err(Problem::log_in_first(
            "a browser's session counts for GET alone: send `Authorization: Bearer TOKEN`",
        )),
        None => Err(Problem::log_in_first("send `Authorization: Bearer TOKEN`")),
    }
}

/// The token of an authorization (RFC 6750, section 2.1; the scheme is in any case, RFC 9110, section 11.1).
fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The message that a request stands for.
pub async fn message(
    operation: &Operation,
    parts: &mut Parts,
    body: Result<Bytes, Problem>,
) -> Result<DynamicMessage, Problem> {
    let mut message = DynamicMessage::new(operation.method.input());
    if let Some(path) = &operation.preset {
        let field = path.last().expect("a path leads somewhere");
        set_at(&mut message, path, field.default_value(), field.name())?;
    }
    read_path(operation, parts, &mut message).await?;
    read_query(operation, parts.uri.query().unwrap_or_default(), &mut message)?;
    if operation.route.verb.has_body() {
        let object = object(&parts.headers, &body?)?;
        json::read_into(&mut message, &object, &operation.body, "")?;
    }
    Ok(message)
}

async fn read_path(
    operation: &Operation,
    parts: &mut Parts,
    message: &mut DynamicMessage,
) -> Result<(), Problem> {
    let said = parts
        .extract::<RawPathParams>()
        .await
        .map_err(|_| Problem::invalid("the address has to be UTF-8"))?;
    for parameter in &operation.parameters {
        let text = said.iter().find(|(name, _)| *name == parameter.name);
        let (_, text) = text.ok_or_else(|| Problem::internal("a parameter of the path is missing"))?;
        let field = parameter.field();
        let held = json::read(field, Form::Plain, &json::of_text(field, text), &parameter.name)?;
        for path in &parameter.fields {
            set_at(message, path, held.clone(), &parameter.name)?;
        }
    }
    Ok(())
}

/// Sets a field that may lie within others.
fn set_at(
    message: &mut DynamicMessage,
    path: &[FieldDescriptor],
    held: Held,
    place: &str,
) -> Result<(), Wrong> {
    match path {
        [] => Ok(()),
        [field] => json::set(message, field, held, place),
        [field, rest @ ..] => {
            let mut within = match message.get_field(field).into_owned() {
                Held::Message(within) => within,
                _ => return Ok(()),
            };
            set_at(&mut within, rest, held, place)?;
            json::set(message, field, Held::Message(within), place)
        }
    }
}

fn read_query(operation: &Operation, query: &str, message: &mut DynamicMessage) -> Result<(), Problem> {
    let said: Vec<(String, String)> = serde_urlencoded::from_str(query)
        .map_err(|_| Problem::invalid("what follows the `?` is not well-formed"))?;
    let is_known = |name: &String| operation.query.iter().any(|parameter| parameter.name == *name);
    if let Some((name, _)) = said.iter().find(|(name, _)| !is_known(name)) {
        return Err(Problem::wrong(name, "there is no such parameter"));
    }
    // Bytes in full come after the text that stands for them, and count.
    for parameter in &operation.query {
        let values = said.iter().filter(|(name, _)| *name == parameter.name);
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        if !values.is_empty() {
            read_parameter(parameter, &values, message)?;
        }
    }
    Ok(())
}

fn read_parameter(
    parameter: &QueryParameter,
    values: &[&str],
    message: &mut DynamicMessage,
) -> Result<(), Problem> {
    let QueryParameter { name, path, form } = parameter;
    let field = parameter.field();
    let value = match values {
        _ if field.is_list() => values.iter().map(|value| json::of_text(field, value)).collect(),
        [value] => json::of_text(field, value),
        _ => return Err(Problem::wrong(name, "is given more than once")),
    };
    // A message without content is said by `true`.
    let held = match (field.kind(), &value) {
        (Kind::Message(_), Value::Bool(false)) => return Ok(()),
        (Kind::Message(_), Value::Bool(true)) => field.default_value(),
        (Kind::Message(_), _) => return Err(Problem::wrong(name, "has to be true or false")),
        _ => json::read(field, *form, &value, name)?,
    };
    Ok(set_at(message, path as &FieldPath, held, name)?)
}

/// The body of a request. It is taken even if nobody wants it: what is not would break the connection off.
pub async fn body(parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let mut request = Request::new(body);
    // Among them is how much it may be.
    request.extensions_mut().clone_from(&parts.extensions);
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| Problem::of_body(rejection.status(), rejection.body_text()))
}

/// The object in a body; an empty one where there is no body.
fn object(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE);
    let is_other = kind.is_some_and(|kind| !is_json(kind.as_bytes()));
    if is_other || kind.is_none() && !body.is_empty() {
        return Err(Problem::wrong_kind());
    }
    if body.is_empty() {
        return Ok(Map::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Problem::invalid("the body has to be an object")),
        Err(error) => Err(Problem::invalid(format!("the body is no JSON: {error}"))),
    }
}

/// Whether a media type (RFC 9110, section 8.3.1) is JSON's.
fn is_json(kind: &[u8]) -> bool {
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
}
