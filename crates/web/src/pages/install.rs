//! Installers of the client, for machines: without a log-in, for whoever brings a token that is good. What goes wrong is told in plain
//! text, as it is read in a terminal.

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use tokio_stream::StreamExt as _;
use tonic::{Code, Status};
use wire::v1::{FetchInstallerRequest, InstallerPart};

use crate::content::attachment;
use crate::pages::new_client::dialled;
use crate::visitor::Visitor;

/// What is had where nothing else is asked for: the script that fetches an installer for the machine where it runs.
const FETCH: &str = "fetch";

/// For which processor.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    architecture: String,
}

pub async fn fetch(visitor: Visitor, Path(secret): Path<String>) -> Response {
    answer(&visitor, &secret, FETCH, String::new()).await
}

pub async fn installer(
    visitor: Visitor,
    Path((secret, form)): Path<(String, String)>,
    Query(asked): Query<Asked>,
) -> Response {
    answer(&visitor, &secret, &form, asked.architecture).await
}

async fn answer(visitor: &Visitor, secret: &str, form: &str, architecture: String) -> Response {
    match made(visitor, secret, form, architecture).await {
        Ok(response) => response,
        Err(status) => told(&status),
    }
}

async fn made(visitor: &Visitor, secret: &str, form: &str, architecture: String) -> Result<Response, Status> {
    let request = FetchInstallerRequest {
        // What is no secret is none that the server knows.
        secret: BASE64URL_NOPAD.decode(secret.as_bytes()).unwrap_or_default(),
        form: form.to_owned(),
        architecture,
        // Whoever fetches it reaches the server under this name.
        address: dialled(&visitor.host),
    };
    let mut parts = visitor
        .services
        .enrolment()
        .fetch_installer(request)
        .await?
        .into_inner();
    let Some(InstallerPart {
        file_name,
        size_bytes,
        ..
    }) = parts.next().await.transpose()?
    else {
        return Err(Status::internal("there is no installer"));
    };
    let (kind, disposition) = match form {
        FETCH => ("text/plain; charset=utf-8", "inline".to_owned()),
        _ => ("application/octet-stream", attachment(&file_name)),
    };
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_LENGTH, size_bytes.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    let data = parts.map(|part| part.map(|part| axum::body::Bytes::from(part.data)));
    Ok((headers, Body::from_stream(data)).into_response())
}

fn told(status: &Status) -> Response {
    let code = match status.code() {
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, format!("{}\n", status.message())).into_response()
}
