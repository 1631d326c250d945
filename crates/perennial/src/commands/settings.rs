//! `settings …`

use anyhow::{Context as _, Result};
use policy::settings::Action;
use serde_json::{Value, json};
use wire::v1::settings_owner::Owner;
use wire::v1::{
    ChangeSettingsRequest, Everybody, ExplainReply, ExplainRequest, ExplainedSetting, SettingChange,
    SettingsOwner,
};

use super::Context;
use crate::channel::Link;
use crate::cli::{Assignment, OwnerArgs, SettingsCommand, SettingsExplainArgs, SettingsShowArgs};
use crate::failure::{Failure, Outcome};
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: SettingsCommand) -> Result<Outcome> {
    let link = Link::open(context).await?;
    let outcome = match command {
        SettingsCommand::Show(args) => show(context, &link, args).await,
        SettingsCommand::Explain(args) => explain(context, &link, args).await,
        SettingsCommand::Set { owner, assignments } => {
            change(context, &link, owner, assignments.into_iter().map(put).collect()).await
        }
        SettingsCommand::Unset { owner, keys } => {
            let unset = |key| SettingChange {
                key,
                value: None,
                adds: false,
            };
            change(context, &link, owner, keys.into_iter().map(unset).collect()).await
        }
    };
    link.close().await;
    outcome
}

fn put(assignment: Assignment) -> SettingChange {
    SettingChange {
        key: assignment.key,
        value: Some(assignment.value),
        adds: assignment.action == Action::Add,
    }
}

/// Who is meant: on a client's machine, where nobody is named, that client's user.
fn owner(link: &Link, client: Option<String>, group: Option<String>) -> Option<SettingsOwner> {
    let owner = match (client, group) {
        (_, Some(group)) => Owner::Group(group),
        (Some(client), None) => Owner::Client(client),
        (None, None) if link.client().is_some() => return None,
        (None, None) => Owner::Server(Everybody {}),
    };
    Some(SettingsOwner { owner: Some(owner) })
}

async fn ask(link: &Link, client: Option<String>, group: Option<String>) -> Result<ExplainReply> {
    let request = ExplainRequest {
        owner: owner(link, client, group),
    };
    let reply = link.settings().explain(request).await;
    Ok(reply.context("can't tell the settings")?.into_inner())
}

async fn show(context: &Context, link: &Link, args: SettingsShowArgs) -> Result<Outcome> {
    let reply = ask(link, args.client, args.group).await?;
    print_values(context, &reply.settings, args.output.shape())
}

fn print_values(context: &Context, settings: &[ExplainedSetting], shape: Shape) -> Result<Outcome> {
    let console = context.console();
    if shape == Shape::Json {
        console.json(&settings.iter().map(view).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("SETTING", Side::Left),
        ("VALUE", Side::Left),
        ("SET FOR", Side::Left),
    ]);
    for setting in settings {
        table.row([
            setting.key.clone(),
            format::line(&setting.value),
            setting.decided_by.clone(),
        ]);
    }
    console.result(&table.render())?;
    Ok(Outcome::Done)
}

async fn explain(context: &Context, link: &Link, args: SettingsExplainArgs) -> Result<Outcome> {
    let SettingsExplainArgs {
        client,
        mut keys,
        group,
        output,
    } = args;
    let client = match (client, &group) {
        (Some(first_key), Some(_)) => {
            keys.insert(0, first_key);
            None
        }
        (client, _) => client,
    };
    let reply = ask(link, client, group).await?;
    for key in &keys {
        if reply.settings.iter().all(|setting| setting.key != *key) {
            return Err(Failure::UnknownSetting { key: key.clone() }.into());
        }
    }
    let wanted = |setting: &&ExplainedSetting| match keys.is_empty() {
        true => !setting.steps.is_empty(),
        false => keys.contains(&setting.key),
    };
    let settings: Vec<_> = reply.settings.iter().filter(wanted).collect();
    let console = context.console();
    if output.shape() == Shape::Json {
        console.json(&settings.iter().map(|setting| view(setting)).collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    if settings.is_empty() {
        console.note("Nothing is set: every value is the default. \"perennial settings show\" lists them.");
        return Ok(Outcome::Done);
    }
    let texts: Vec<String> = settings.iter().map(|setting| explanation(setting)).collect();
    console.result(&texts.join("\n"))?;
    Ok(Outcome::Done)
}

/// A setting with what each layer said, on lines of their own.
fn explanation(setting: &ExplainedSetting) -> String {
    let mut text = format!("{} = {}\n", setting.key, format::line(&setting.value));
    text.push_str(&format!("    {}\n", setting.about));
    text.push_str(&format!("    default                {}\n", setting.fallback));
    for step in &setting.steps {
        let sign = if step.adds { "+ " } else { "" };
        let origin = format::line(&step.origin);
        text.push_str(&format!("    {origin:<22} {sign}{}", format::line(&step.value)));
        if !step.ignored.is_empty() {
            text.push_str(&format!("   (does not count: {})", step.ignored));
        }
        text.push('\n');
    }
    match &setting.otherwise {
        Some(otherwise) => text.push_str(&format!(
            "    decided by {}; without that it would be {}\n",
            setting.decided_by,
            format::line(otherwise)
        )),
        None => text.push_str("    nobody set it\n"),
    }
    text
}

async fn change(
    context: &Context,
    link: &Link,
    args: OwnerArgs,
    changes: Vec<SettingChange>,
) -> Result<Outcome> {
    let request = ChangeSettingsRequest {
        owner: owner(link, args.client, args.group),
        changes,
    };
    let reply = link.settings().change(request).await;
    let reply = reply.context("can't change the settings")?.into_inner();
    print_values(context, &reply.settings, Shape::Human)
}

fn view(setting: &ExplainedSetting) -> Value {
    let steps = setting.steps.iter().map(|step| {
        json!({
            "layer": step.layer,
            "origin": step.origin,
            "value": step.value,
            "adds": step.adds,
            "ignored": (!step.ignored.is_empty()).then_some(&step.ignored),
        })
    });
    json!({
        "key": setting.key,
        "section": setting.section,
        "value": setting.value,
        "default": setting.fallback,
        "decided_by": setting.decided_by,
        "otherwise": setting.otherwise,
        "reach": setting.reach,
        "about": setting.about,
        "takes": setting.takes,
        "list": setting.is_list,
        "steps": steps.collect::<Vec<_>>(),
    })
}
