//! `roles …`

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use wire::v1::{CreateRoleRequest, ListRolesRequest, RoleInfo, RoleRef};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::RolesCommand;
use crate::failure::{Failure, Outcome};
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: RolesCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = manage(context, &link, command).await;
    link.close().await;
    outcome
}

async fn manage(context: &Context, link: &AdminLink, command: RolesCommand) -> Result<Outcome> {
    match command {
        RolesCommand::List(args) => return list(context, link, args.shape()).await,
        RolesCommand::Show { name, output } => return show(context, link, &name, output.shape()).await,
        RolesCommand::Create { name, rights } => {
            let asked = CreateRoleRequest {
                name: name.clone(),
                rights,
            };
            let created = link.accounts().create_role(asked).await;
            created.with_context(|| format!("can't make the role {name}"))?;
        }
        RolesCommand::Delete { name } => {
            let deleted = link.accounts().delete_role(RoleRef { name: name.clone() }).await;
            deleted.with_context(|| format!("can't delete the role {name}"))?;
        }
    }
    Ok(Outcome::Done)
}

async fn roles(link: &AdminLink) -> Result<Vec<RoleInfo>> {
    let reply = link.accounts().list_roles(ListRolesRequest {}).await;
    Ok(reply.context("can't list the roles")?.into_inner().roles)
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let roles = roles(link).await?;
    let console = context.console();
    if shape == Shape::Json {
        console.json(&roles.iter().map(view).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[("ROLE", Side::Left), ("", Side::Left)]);
    for role in &roles {
        let words: Vec<_> = role.rights.iter().map(|right| right.word.as_str()).collect();
        let about = match role.about.as_str() {
            "" => words.join(", "),
            about => about.to_owned(),
        };
        table.row([format::line(&role.name), format::line(&about)]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

async fn show(context: &Context, link: &AdminLink, name: &str, shape: Shape) -> Result<Outcome> {
    let roles = roles(link).await?;
    let role = roles.iter().find(|role| role.name == name);
    let role = role.ok_or_else(|| Failure::NoSuchRole {
        name: name.to_owned(),
    })?;
    let console = context.console();
    if shape == Shape::Json {
        console.json(&view(role))?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[("RIGHT", Side::Left), ("FOR", Side::Left), ("", Side::Left)]);
    for right in &role.rights {
        let reach = if right.needs_everything {
            "server"
        } else {
            "client"
        };
        table.row([right.word.clone(), reach.to_owned(), right.about.clone()]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

fn view(role: &RoleInfo) -> Value {
    let rights = role.rights.iter().map(|right| {
        json!({
            "right": right.word,
            "about": right.about,
            "needs_everything": right.needs_everything,
        })
    });
    json!({
        "name": role.name,
        "built_in": role.is_built_in,
        "about": (!role.about.is_empty()).then_some(&role.about),
        "rights": rights.collect::<Vec<_>>(),
    })
}
