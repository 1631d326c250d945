//! What a call answers, as a response.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use prost_reflect::prost::DecodeError;
use prost_reflect::{DynamicMessage, ReflectMessage as _};
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;
use tonic::{Status, Streaming};
use wire::v1::{ReadArchiveRequest, ReadContentRequest, ReadPublishedRequest, ReadVolumeFileRequest};

use super::json::write;
use super::operation::{Answer, Operation};
use super::{Problem, call};
use crate::content::{self, Refused, Served};
use crate::door::Services;

/// The media type of JSON messages, one a line.
pub const LINES: &str = "application/jsonl";
/// For how long a stream may show that it begins with an error, so that this becomes the answer. Some say nothing for long.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        Self::of(&status)
    }
}

/// Makes a call and answers with what comes back.
pub async fn of(
    operation: &Operation,
    services: &Services,
    request: DynamicMessage,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    match operation.answer {
        Answer::Message => {
            let answered = call::once(services, &operation.method, request).await?;
            let kind = [(header::CONTENT_TYPE, "application/json")];
            Ok((kind, write(&answered).to_string()).into_response())
        }
        Answer::Lines => lines(call::stream(services, &operation.method, request).await?).await,
        Answer::Content => content(services, &request, headers).await,
    }
}

/// A stream as it comes: nothing of it is gathered.
async fn lines(mut stream: Streaming<DynamicMessage>) -> Result<Response, Problem> {
    let first = match tokio::time::timeout(FIRST_WITHIN, stream.next()).await {
        Ok(Some(Err(status))) => return Err(status.into()),
        Ok(first) => first,
        Err(_) => None,
    };
    let mut has_broken = false;
    let all = tokio_stream::iter(first).chain(stream).map_while(move |next| {
        let line = (!has_broken).then(|| line(&next));
        has_broken |= next.is_err();
        line.map(Ok::<_, std::convert::Infallible>)
    });
    let kind = [(header::CONTENT_TYPE, LINES)];
    Ok((kind, Body::from_stream(all)).into_response())
}

/// A message in a line; what a stream breaks with is the last.
fn line(next: &Result<DynamicMessage, Status>) -> Bytes {
    let told: Value = match next {
        Ok(message) => write(message),
        Err(status) => json!({ "error": Problem::of(status).told() }),
    };
    format!("{told}\n").into()
}

async fn content(
    services: &Services,
    request: &DynamicMessage,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let served = served(request).map_err(|_| Problem::internal("a request for content is another"))?;
    content::serve(services, &served, headers)
        .await
        .map_err(|refused| match refused {
            Refused::By(status) => status.into(),
            Refused::NotWithin { size_bytes } => Problem::not_within(size_bytes),
        })
}

/// What a request for content is about, by its kind.
fn served(request: &DynamicMessage) -> Result<Served, DecodeError> {
    Ok(match request.descriptor().name() {
        "ReadVolumeFileRequest" => Served::file(request.transcode_to::<ReadVolumeFileRequest>()?),
        "ReadPublishedRequest" => Served::file(request.transcode_to::<ReadPublishedRequest>()?),
        "ReadArchiveRequest" => {
            let request: ReadArchiveRequest = request.transcode_to()?;
            let name = format!("archive.{}", request.format);
            Served::named(request, &name)
        }
        _ => Served::file(request.transcode_to::<ReadContentRequest>()?),
    })
}
