//! `storage …`

mod check;
mod migrate;
mod places;

use anyhow::{Context as _, Result};
use wire::v1::{RebuildIndexRequest, RepairRequest, RepairStep};

use super::Context;
use crate::channel::AdminLink;
use crate::cli::{RebuildIndexArgs, RepairArgs, StorageCommand};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format, json};

pub async fn run(context: &Context, command: StorageCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        StorageCommand::List(output) => places::list(context, &link, output.shape()).await,
        StorageCommand::Add(args) => places::add(context, &link, &args).await,
        StorageCommand::Remove { name } => places::remove(context, &link, name).await,
        StorageCommand::Rename { name, new_name } => places::rename(&link, name, new_name).await,
        StorageCommand::Migrate(args) => migrate::run(context, &link, &args).await,
        StorageCommand::Check(args) => check::check(context, &link, &args).await,
        StorageCommand::Damage(args) => check::damage(context, &link, &args).await,
        StorageCommand::Usage(args) => places::usage(context, &link, &args).await,
        StorageCommand::Repair(args) => repair(context, &link, &args).await,
        StorageCommand::RebuildIndex(args) => rebuild_index(context, &link, &args).await,
    };
    link.close().await;
    outcome
}

async fn repair(context: &Context, link: &AdminLink, args: &RepairArgs) -> Result<Outcome> {
    let request = RepairRequest {
        apply: args.apply,
        storage: args.storage.clone().unwrap_or_default(),
    };
    let reply = link
        .admin()
        .repair_storage(request)
        .await
        .context("can't look through the storage")?;
    let steps = reply.into_inner().steps;
    let failed = steps.iter().any(|step| !step.error.is_empty());
    let console = context.console();
    if args.output.shape() == Shape::Json {
        console.json(&steps.iter().map(json::RepairView::new).collect::<Vec<_>>())?;
    } else if steps.is_empty() {
        console.note("The storage is in order.");
    } else {
        console.result(&steps_table(&steps))?;
        if !args.apply {
            let shown = format::things(steps.len() as u64, "step", "steps");
            console.note(&format!(
                "{shown} shown, nothing done. To do it: perennial storage repair --apply"
            ));
        }
    }
    Ok(if failed {
        Outcome::WithProblems
    } else {
        Outcome::Done
    })
}

fn steps_table(steps: &[RepairStep]) -> String {
    let mut table = Table::new(&[
        ("FOUND", Side::Left),
        ("ACTION", Side::Left),
        ("RESULT", Side::Left),
    ]);
    for step in steps {
        let result = match (step.done, step.error.as_str()) {
            (_, error) if !error.is_empty() => format::line(error),
            (true, _) => "done".into(),
            (false, _) => "-".into(),
        };
        table.row([format::line(&step.finding), step.action.clone(), result]);
    }
    table.render()
}

async fn rebuild_index(context: &Context, link: &AdminLink, args: &RebuildIndexArgs) -> Result<Outcome> {
    let request = RebuildIndexRequest {
        storage: args.storage.clone().unwrap_or_default(),
    };
    let reply = link
        .admin()
        .rebuild_index(request)
        .await
        .context("can't rebuild the content index")?;
    let backups = reply.into_inner().backups;
    match args.output.shape() {
        Shape::Json => context
            .console()
            .json(&serde_json::json!({ "backups": backups }))?,
        Shape::Human => {
            let held = format::things(backups, "backup", "backups");
            context
                .console()
                .note(&format!("The content index was made anew from {held}."));
        }
    }
    Ok(Outcome::Done)
}
