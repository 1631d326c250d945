//! `status`

use anyhow::{Context as _, Result};
use wire::v1::{AskSetUpRequest, StatusRequest};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::OutputArgs;
use crate::failure::Outcome;
use crate::output::format::{count, size, things};
use crate::output::{Shape, json, table};

pub async fn run(context: &Context, args: OutputArgs) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let status = link
        .admin()
        .status(StatusRequest {})
        .await
        .context("can't ask the server")?
        .into_inner();
    let set_up = link.accounts().ask_set_up(AskSetUpRequest {}).await;
    let set_up = set_up.context("can't ask the server")?.into_inner().code;
    let temporary = link.is_temporary();
    link.close().await;
    if args.shape() == Shape::Json {
        context.console().json(&json::StatusView::new(&status))?;
        return Ok(Outcome::Done);
    }
    let percent_free = (status.space_free_bytes * 100)
        .checked_div(status.space_total_bytes)
        .unwrap_or(0);
    context.console().result(&table::pairs(&[
        ("Server", format!("{} ({})", status.version, status.server_id)),
        (
            "Listens on",
            if temporary {
                "- (not running)".into()
            } else {
                status.listen.clone()
            },
        ),
        (
            "Storage",
            format!(
                "{} ({} on {})",
                status.storage_path, status.storage_backend, status.file_system
            ),
        ),
        (
            "Space",
            format!(
                "{} free of {} ({percent_free}%)",
                size(status.space_free_bytes),
                size(status.space_total_bytes)
            ),
        ),
        (
            "Clients",
            format!(
                "{}, {} connected",
                count(status.clients),
                count(status.clients_connected)
            ),
        ),
        ("Fingerprint", status.authority_fingerprint.clone()),
        ("Backups", count(status.backups)),
        ("Running", things(status.jobs_running, "job", "jobs")),
    ]))?;
    // One that runs for this command alone has another code next time.
    if !set_up.is_empty() && !temporary {
        context.console().note(&format!(
            "Nobody can log in to the web interface yet. Open https://{}/welcome in a browser and enter the code {set_up}",
            status.listen
        ));
    }
    Ok(Outcome::Done)
}
