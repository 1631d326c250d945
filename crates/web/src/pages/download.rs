//! A file of a backup, to be kept by a browser.

use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use wire::v1::ReadContentRequest;

use crate::content::{self, Served};
use crate::failure::Failure;
use crate::pages::backup::{Named, reference};
use crate::parts::paths;
use crate::visitor::User;

/// Which file.
#[derive(Deserialize)]
pub struct Asked {
    #[serde(default)]
    pub path: String,
}

pub async fn file(
    user: User,
    Path((client, name)): Named,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let file = ReadContentRequest {
        backup: Some(reference(&client, &name)),
        path: paths::unescape(&asked.path),
        ..ReadContentRequest::default()
    };
    let served = Served::file(file);
    match content::serve(&user.services, &served, &headers).await {
        Ok(response) => Ok(response),
        Err(refused) => refused.answer(&user),
    }
}
