//! `groups …` and `audit`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::{GroupRef, ListChangesRequest, ListGroupsRequest, RenameGroupRequest, SetGroupRequest};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::{AuditArgs, GroupsCommand};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: GroupsCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = manage(context, &link, command).await;
    link.close().await;
    outcome
}

async fn manage(context: &Context, link: &AdminLink, command: GroupsCommand) -> Result<Outcome> {
    let mut settings = link.settings();
    let console = context.console();
    match command {
        GroupsCommand::List(args) => return list(context, link, args.shape()).await,
        GroupsCommand::Create { name } => {
            let created = settings.create_group(GroupRef { name: name.clone() }).await;
            created.with_context(|| format!("can't make the group {name}"))?;
            console.note(&format!(
                "Put clients into it with: perennial groups add {name} CLIENT"
            ));
        }
        GroupsCommand::Rename { name, new_name } => {
            let renamed = settings
                .rename_group(RenameGroupRequest {
                    name: name.clone(),
                    new_name,
                })
                .await;
            renamed.with_context(|| format!("can't rename the group {name}"))?;
        }
        GroupsCommand::Delete { name } => {
            let deleted = settings.delete_group(GroupRef { name: name.clone() }).await;
            deleted.with_context(|| format!("can't delete the group {name}"))?;
        }
        GroupsCommand::Add { name, clients } => move_clients(link, &clients, &name).await?,
        GroupsCommand::Remove { clients } => move_clients(link, &clients, "").await?,
    }
    Ok(Outcome::Done)
}

async fn move_clients(link: &AdminLink, clients: &[String], group: &str) -> Result<()> {
    for client in clients {
        let request = SetGroupRequest {
            client: client.clone(),
            group: group.to_owned(),
        };
        let moved = link.settings().set_group(request).await;
        moved.with_context(|| format!("can't move the client {client}"))?;
    }
    Ok(())
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link.settings().list_groups(ListGroupsRequest {}).await;
    let groups = reply.context("can't list the groups")?.into_inner().groups;
    let console = context.console();
    if shape == Shape::Json {
        let views = groups
            .iter()
            .map(|group| json!({ "name": group.name, "clients": group.clients }));
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[("GROUP", Side::Left), ("CLIENTS", Side::Right)]);
    for group in &groups {
        table.row([format::line(&group.name), format::count(group.clients)]);
    }
    if table.is_empty() {
        console.note("There are no groups yet. Make one: perennial groups create NAME");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

/// Shows the audit log.
pub async fn audit(context: &Context, args: AuditArgs) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let request = ListChangesRequest {
        limit: args.limit,
        subject: args.subject.unwrap_or_default(),
        before: 0,
        text: args.text.unwrap_or_default(),
    };
    let reply = link.settings().list_changes(request).await;
    link.close().await;
    let changes = reply.context("can't read the audit log")?.into_inner().changes;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views = changes.iter().map(|change| {
            json!({
                "at": format::rfc3339(change.at_ms, zone),
                "who": change.who,
                "origin": change.origin,
                "action": change.action,
                "subject": change.subject,
                "detail": change.detail,
            })
        });
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("WHEN", Side::Left),
        ("WHO", Side::Left),
        ("FROM", Side::Left),
        ("ACTION", Side::Left),
        ("SUBJECT", Side::Left),
        ("DETAIL", Side::Left),
    ]);
    for change in &changes {
        table.row([
            format::time(change.at_ms, zone),
            format::line(&change.who),
            format::line(&change.origin),
            change.action.clone(),
            format::line(&change.subject),
            format::line(&change.detail),
        ]);
    }
    if table.is_empty() {
        console.note("Nothing was changed yet.");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}
