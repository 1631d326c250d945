//! What a user changes of his own account, he is asked his password for.

use std::path::Path;

use anyhow::{Context as _, Result};
use wire::v1::WhoAmIRequest;

use super::secret_file::read_password;
use crate::channel::AdminLink;

/// Whether the user who calls means himself: he names nobody else, and has logged in.
pub async fn is_own(link: &AdminLink, name: Option<&str>) -> Result<bool> {
    if !link.is_remote() {
        return Ok(false);
    }
    let asked = link.accounts().who_am_i(WhoAmIRequest {}).await;
    let who = asked.context("can't ask the server")?.into_inner();
    Ok(who.api_token.is_empty() && name.is_none_or(|name| name == who.user))
}

/// The password of the user who calls, where he means himself; else none.
pub async fn own_password(link: &AdminLink, name: Option<&str>, file: Option<&Path>) -> Result<String> {
    match file.is_some() || is_own(link, name).await? {
        true => read_password(file, "Password"),
        false => Ok(String::new()),
    }
}
