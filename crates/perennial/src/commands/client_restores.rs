//! `client restores …`: what the server asks this machine's client to restore.

use anyhow::{Context as _, Result};
use serde::Serialize;
use wire::local::local_client::LocalClient;
use wire::local::{AnswerRestoreRequest, AskedRestore, ListRestoresRequest};

use super::Context;
use crate::channel::over_socket;
use crate::cli::{ClientRestoresArgs, ClientRestoresCommand};
use crate::failure::{Failure, Outcome};
use crate::output::{Shape, format, json};

/// A restore, for programs.
#[derive(Serialize)]
struct RestoreView {
    id: u64,
    state: String,
    backup: String,
    items: Vec<ItemView>,
    existing: String,
    asked_by: String,
    asked: Option<String>,
    outcome: Option<String>,
}

#[derive(Serialize)]
struct ItemView {
    #[serde(flatten)]
    path: json::PathView,
    to: String,
}

pub async fn run(context: &Context, args: ClientRestoresArgs) -> Result<Outcome> {
    let state = context.client_state()?;
    let socket = client::agent::socket_path(&state);
    let channel = over_socket(&socket).await?.ok_or_else(|| Failure::NoClientRuns {
        socket: socket.display().to_string(),
    })?;
    let client = LocalClient::new(channel);
    match args.command {
        None => list(context, client, args.output.shape()).await,
        Some(ClientRestoresCommand::Confirm { id }) => answer(context, client, id, true).await,
        Some(ClientRestoresCommand::Decline { id }) => answer(context, client, id, false).await,
    }
}

async fn answer(
    context: &Context,
    mut client: LocalClient<tonic::transport::Channel>,
    id: u64,
    is_confirmed: bool,
) -> Result<Outcome> {
    let request = AnswerRestoreRequest {
        job_id: id,
        is_confirmed,
    };
    let answered = client.answer_restore(request).await;
    answered.with_context(|| format!("can't answer restore {id}"))?;
    context.console().note(&match is_confirmed {
        true => format!("Restore {id} begins. \"perennial client restores\" shows how it stands."),
        false => format!("Restore {id} is declined."),
    });
    Ok(Outcome::Done)
}

async fn list(
    context: &Context,
    mut client: LocalClient<tonic::transport::Channel>,
    shape: Shape,
) -> Result<Outcome> {
    let reply = client.list_restores(ListRestoresRequest {}).await;
    let restores = reply.context("can't list the restores")?.into_inner().restores;
    let console = context.console();
    if shape == Shape::Json {
        let views: Vec<_> = restores
            .into_iter()
            .map(|restore| RestoreView {
                id: restore.job_id,
                state: restore.state,
                backup: restore.backup,
                items: restore
                    .items
                    .iter()
                    .map(|item| ItemView {
                        path: json::PathView::new(&item.path),
                        to: String::from_utf8_lossy(&item.target).into_owned(),
                    })
                    .collect(),
                existing: restore.existing,
                asked_by: restore.asked_by,
                asked: format::rfc3339(restore.asked_ms, console.zone()),
                outcome: Some(restore.outcome).filter(|outcome| !outcome.is_empty()),
            })
            .collect();
        console.json(&views)?;
        return Ok(Outcome::Done);
    }
    if restores.is_empty() {
        console.note("The server asks for no restore.");
        return Ok(Outcome::Done);
    }
    for restore in &restores {
        console.result(&told(restore, &format::time(restore.asked_ms, console.zone())))?;
    }
    if let Some(waiting) = restores.iter().find(|restore| restore.state == "waiting") {
        let id = waiting.job_id;
        console.note(&format!(
            "To let it begin: perennial client restores confirm {id}; to refuse it: perennial client restores decline {id}"
        ));
    }
    Ok(Outcome::Done)
}

/// A restore in a few lines, so that who confirms it knows what will be written where.
fn told(restore: &AskedRestore, asked: &str) -> String {
    let mut text = format!(
        "{}  {}  backup {}, asked for by {} at {asked}\n",
        restore.job_id,
        restore.state,
        format::line(&restore.backup),
        format::line(&restore.asked_by)
    );
    for item in &restore.items {
        let path = match item.path.as_slice() {
            b"" => "everything".to_owned(),
            path => format::path(path),
        };
        text += &format!("    {path}  ->  {}\n", format::path(&item.target));
    }
    text += match restore.existing.as_str() {
        "overwrite" => "    files that are there and differ are replaced\n",
        "both" => "    files that are there and differ are kept beside them\n",
        _ => "    files that are there and differ stay\n",
    };
    if !restore.outcome.is_empty() {
        text += &format!("    {}\n", format::line(&restore.outcome));
    }
    text
}

#[cfg(test)]
mod tests {
    use wire::local::Item;

    use super::*;

    #[test]
    fn who_is_asked_sees_what_goes_where_and_nothing_odd() {
        let restore = AskedRestore {
            job_id: 12,
            backup: "261130-2000".into(),
            items: vec![
                Item {
                    path: b"home/anna".into(),
                    target: b"/home/anna".into(),
                },
                Item {
                    path: b"evil\x1b[2J".into(),
                    target: b"/tmp".into(),
                },
            ],
            existing: "overwrite".into(),
            asked_by: "anna\u{1b}[31m".into(),
            state: "waiting".into(),
            ..AskedRestore::default()
        };
        let text = told(&restore, "2026-11-30 20:00");
        assert!(
            text.starts_with("12  waiting  backup 261130-2000, asked for by anna"),
            "{text}"
        );
        assert!(text.contains("    home/anna  ->  /home/anna\n"), "{text}");
        assert!(text.contains("are replaced"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }
}
