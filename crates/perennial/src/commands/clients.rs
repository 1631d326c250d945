//! `clients …`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::{ChangeClientSettingRequest, ClientRef, ClientSettingsReply, ListClientsRequest};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::ClientsCommand;
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json as views};

pub async fn run(context: &Context, command: ClientsCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        ClientsCommand::List(args) => list(context, &link, args.shape()).await,
        ClientsCommand::Revoke { name } => revoke(context, &link, name).await,
        ClientsCommand::Settings { name, output } => settings(context, &link, name, output.shape()).await,
        ClientsCommand::Set { name, assignments } => {
            let changes = assignments.into_iter().map(|(key, value)| (key, Some(value)));
            change(context, &link, &name, changes).await
        }
        ClientsCommand::Unset { name, keys } => {
            change(context, &link, &name, keys.into_iter().map(|key| (key, None))).await
        }
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
            .map(|client| views::ClientView::new(client, zone))
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

async fn settings(context: &Context, link: &AdminLink, name: String, shape: Shape) -> Result<Outcome> {
    let request = ClientRef { name: name.clone() };
    let reply = link.admin().client_settings(request).await;
    let reply = reply.with_context(|| format!("can't tell the settings of {name}"))?;
    show_settings(context, &reply.into_inner(), shape)
}

async fn change(
    context: &Context,
    link: &AdminLink,
    name: &str,
    changes: impl Iterator<Item = (String, Option<String>)>,
) -> Result<Outcome> {
    let mut last = ClientSettingsReply::default();
    for (key, value) in changes {
        let request = ChangeClientSettingRequest {
            client: name.to_owned(),
            key,
            value,
        };
        let reply = link.admin().change_client_setting(request).await;
        last = reply
            .with_context(|| format!("can't change the settings of {name}"))?
            .into_inner();
    }
    show_settings(context, &last, Shape::Human)
}

fn show_settings(context: &Context, reply: &ClientSettingsReply, shape: Shape) -> Result<Outcome> {
    let origin = |is_own: bool| if is_own { "client" } else { "server" };
    let console = context.console();
    if shape == Shape::Json {
        let settings = reply.settings.iter().map(
            |setting| json!({ "key": setting.key, "value": setting.value, "origin": origin(setting.is_own) }),
        );
        console.json(&settings.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("SETTING", Side::Left),
        ("VALUE", Side::Left),
        ("SET FOR", Side::Left),
    ]);
    for setting in &reply.settings {
        table.row([
            setting.key.clone(),
            format::line(&setting.value),
            origin(setting.is_own).to_owned(),
        ]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}
