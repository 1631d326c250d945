//! `clients …`

use std::os::unix::ffi::OsStringExt;

use anyhow::{Context as _, Result};
use wire::v1::{
    ClientInfo, ClientRef, ListClientsRequest, PauseRequest, RenameClientRequest, RestoreToClientRequest,
};

use super::{Context, refer};
use crate::channel::{AdminLink, Link};
use crate::cli::{ClientsCommand, ClientsRestoreArgs};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json as views};

pub async fn run(context: &Context, command: ClientsCommand) -> Result<Outcome> {
    match command {
        ClientsCommand::Pause { name, span } => {
            let until = jiff::Timestamp::now()
                .checked_add(span)
                .unwrap_or(jiff::Timestamp::MAX);
            return pause(context, name, until.as_millisecond()).await;
        }
        ClientsCommand::Resume { name } => return pause(context, name, 0).await,
        ClientsCommand::Rename { name, display_name } => return rename(context, name, display_name).await,
        ClientsCommand::Restore(args) => return restore(context, args).await,
        ClientsCommand::Disable { .. }
        | ClientsCommand::Enable { .. }
        | ClientsCommand::Remove { .. }
        | ClientsCommand::TakeBack { .. } => return bar(context, command).await,
        ClientsCommand::List(_) | ClientsCommand::Revoke { .. } => {}
    }
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        ClientsCommand::Revoke { name } => revoke(context, &link, name).await,
        ClientsCommand::List(args) => list(context, &link, args.shape()).await,
        _ => unreachable!("they were done above"),
    };
    link.close().await;
    outcome
}

/// Lets a client in no more, or again.
async fn bar(context: &Context, command: ClientsCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let mut clients = link.clients();
    let console = context.console();
    let (name, done, told) = match command {
        ClientsCommand::Disable { name } => {
            let done = clients.disable(ClientRef { name: name.clone() }).await;
            let told = format!("{name} is let in no more until it is enabled. Its backups stay.");
            (name, done, told)
        }
        ClientsCommand::Enable { name } => {
            let done = clients.enable(ClientRef { name: name.clone() }).await;
            let told = format!("{name} is let in again.");
            (name, done, told)
        }
        ClientsCommand::TakeBack { name } => {
            let done = clients.take_back(ClientRef { name: name.clone() }).await;
            let told = format!("{name} stays, with all its backups, and is let in again.");
            (name, done, told)
        }
        ClientsCommand::Remove { name } => {
            let done = clients.remove(ClientRef { name: name.clone() }).await;
            let goes_ms = done.as_ref().map_or(0, |client| client.get_ref().goes_ms);
            let told = format!(
                "{name} is removed. It goes with all its backups in the first cleanup after {}; until then:\n\
                 perennial clients take-back {name}",
                format::time(goes_ms, console.zone())
            );
            (name, done, told)
        }
        _ => unreachable!("nothing else bars a client"),
    };
    link.close().await;
    done.with_context(|| format!("can't do that to the client {name}"))?;
    console.note(&told);
    Ok(Outcome::Done)
}

async fn rename(context: &Context, name: String, display_name: Option<String>) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let request = RenameClientRequest {
        name: name.clone(),
        display_name: display_name.unwrap_or_default(),
    };
    let renamed = link.clients().rename(request).await;
    link.close().await;
    let client = renamed
        .with_context(|| format!("can't rename the client {name}"))?
        .into_inner();
    context.console().note(&match client.display_name.as_str() {
        "" => format!("{name} is shown by its name."),
        shown => format!(
            "{name} is shown as {}. Commands and the storage keep its name.",
            format::line(shown)
        ),
    });
    Ok(Outcome::Done)
}

/// Has a client restore some of a backup.
async fn restore(context: &Context, args: ClientsRestoreArgs) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let request = RestoreToClientRequest {
        backup: Some(refer::resolve(&link, &args.backup).await?),
        paths: args.paths.into_iter().map(OsStringExt::into_vec).collect(),
        target: args.to.unwrap_or_default(),
        existing: args.existing.word().to_owned(),
    };
    let asked = link.contents().restore_to_client(request).await;
    link.close().await;
    let job = asked
        .context("can't ask the client for the restore")?
        .into_inner();
    let console = context.console();
    match args.output.shape() {
        Shape::Json => console.json(&views::JobView::new(&job, console.zone()))?,
        Shape::Human => {
            let waits = match job.waits_for.as_str() {
                "" => String::new(),
                what => format!(" It waits for {}.", format::line(what)),
            };
            console.note(&format!(
                "Job {}: {} is asked to restore.{waits} \"perennial jobs log {}\" shows how it stands.",
                job.id, job.client, job.id
            ));
        }
    }
    Ok(Outcome::Done)
}

/// Lets backups rest until then; 0 lets them go on. A client's own user may do this too.
async fn pause(context: &Context, name: Option<String>, until_ms: i64) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let request = PauseRequest {
        client: name.unwrap_or_default(),
        until_ms,
    };
    let paused = link.planning().pause(request).await;
    link.close().await;
    paused.context("can't do that")?;
    let console = context.console();
    console.note(&match until_ms {
        0 => "Backups are made again as scheduled.".to_owned(),
        _ => format!(
            "No backup begins by itself until {}. One that runs goes on.",
            format::time(until_ms, console.zone())
        ),
    });
    Ok(Outcome::Done)
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link
        .admin()
        .list_clients(ListClientsRequest::default())
        .await
        .context("can't list the clients")?;
    let clients = reply.into_inner().clients;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let views: Vec<_> = clients
            .iter()
            .map(|client| views::ClientView::new(client, zone))
            .collect();
        console.json(&views)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CLIENT", Side::Left),
        ("GROUP", Side::Left),
        ("STATE", Side::Left),
        ("LAST SEEN", Side::Left),
        ("BACKUPS", Side::Right),
        ("NEWEST", Side::Left),
        ("SYSTEM", Side::Left),
        ("VERSION", Side::Left),
    ]);
    for client in &clients {
        let name = match client.display_name.as_str() {
            "" => client.name.clone(),
            shown => format!("{} ({})", client.name, format::line(shown)),
        };
        table.row([
            name,
            format::or_dash(&format::line(&client.group)).to_owned(),
            state(client),
            format::time(client.last_seen_ms, zone),
            format::count(client.backups),
            format::or_dash(&client.newest).to_owned(),
            format::or_dash(&format::line(&client.operating_system)).to_owned(),
            format::or_dash(&format::line(&client.version)).to_owned(),
        ]);
    }
    if table.is_empty() {
        console.note("There are no clients yet. Make a token for one: perennial token create");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

async fn revoke(context: &Context, link: &AdminLink, name: String) -> Result<Outcome> {
    let request = ClientRef { name: name.clone() };
    link.admin()
        .revoke_client(request)
        .await
        .with_context(|| format!("can't revoke the client {name}"))?;
    context
        .console()
        .note(&format!("{name} is let in no more. Its backups stay."));
    Ok(Outcome::Done)
}

fn state(client: &ClientInfo) -> String {
    let state = match client.connected {
        true => "connected",
        false => &client.state,
    };
    match client.paused_until_ms > jiff::Timestamp::now().as_millisecond() {
        true => format!("{state}, paused"),
        false => state.to_owned(),
    }
}
