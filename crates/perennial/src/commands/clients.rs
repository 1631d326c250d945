//! `clients list` and `clients revoke`

use anyhow::{Context as _, Result};
use wire::v1::{ClientRef, ListClientsRequest};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::ClientsCommand;
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json};

pub async fn run(context: &Context, command: ClientsCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        ClientsCommand::List(args) => list(context, &link, args.shape()).await,
        ClientsCommand::Revoke { name } => revoke(context, &link, name).await,
    };
    link.close().await;
    outcome
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link
        .admin()
        .list_clients(ListClientsRequest {})
        .await
        .context("can't list the clients")?;
    let clients = reply.into_inner().clients;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let views: Vec<_> = clients
            .iter()
            .map(|client| json::ClientView::new(client, zone))
            .collect();
        console.json(&views)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CLIENT", Side::Left),
        ("STATE", Side::Left),
        ("LAST SEEN", Side::Left),
        ("BACKUPS", Side::Right),
        ("NEWEST", Side::Left),
        ("SYSTEM", Side::Left),
        ("VERSION", Side::Left),
    ]);
    for client in &clients {
        table.row([
            client.name.clone(),
            if client.connected {
                "connected".into()
            } else {
                client.state.clone()
            },
            format::time(client.last_seen_ms, zone),
            format::count(client.backups),
            or_dash(&client.newest),
            or_dash(&format::line(&client.operating_system)),
            or_dash(&format::line(&client.version)),
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

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}
