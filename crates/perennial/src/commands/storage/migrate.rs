//! `storage migrate`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::{GiveUpMovesRequest, MigrateRequest, StartedMove};

use crate::channel::AdminLink;
use crate::cli::MigrateArgs;
use crate::commands::Context;
use crate::commands::follow::{self, Followed};
use crate::failure::Outcome;
use crate::output::{Shape, format};

/// Moves clients, or gives that up.
pub async fn run(context: &Context, link: &AdminLink, args: &MigrateArgs) -> Result<Outcome> {
    if args.give_up {
        return give_up(context, link, args).await;
    }
    let request = MigrateRequest {
        clients: args.clients.clone(),
        from: args.from.clone().unwrap_or_default(),
        to: args.to.clone().unwrap_or_default(),
    };
    let begun = link.storages().migrate(request).await;
    let moves = begun.context("can't move the backups")?.into_inner().moves;
    let console = context.console();
    if moves.is_empty() {
        console.note("There are no backups to be moved.");
    }
    let mut outcome = Outcome::Done;
    if !args.detach {
        for moved in &moves {
            match wait(context, link, moved).await? {
                Outcome::Done => {}
                Outcome::WithProblems => outcome = Outcome::WithProblems,
                ended => return Ok(ended),
            }
        }
    }
    match args.output.shape() {
        Shape::Json => {
            let views = moves
                .iter()
                .map(|moved| json!({ "client": moved.client, "job": moved.job_id }));
            console.json(&views.collect::<Vec<_>>())?;
        }
        Shape::Human if args.detach => {
            for moved in &moves {
                console.note(&format!("{} is moved by job {}", moved.client, moved.job_id));
            }
        }
        Shape::Human => remind(context, args, &moves),
    }
    Ok(outcome)
}

async fn wait(context: &Context, link: &AdminLink, moved: &StartedMove) -> Result<Outcome> {
    let console = context.console();
    match follow::follow_job(context, link, moved.job_id).await? {
        Followed::Ended(done) => {
            follow::tell_problems(context, &done.problems, done.problems.len() as u64);
            let client = format::line(&moved.client);
            let outcome = follow::outcome(&format!("moving {client}"), &done)?;
            if outcome != Outcome::Cancelled {
                console.note(&format!("{client} is moved: {}", format::line(&done.message)));
            }
            Ok(outcome)
        }
        Followed::Queued(_) | Followed::Left => Ok(Outcome::Done),
    }
}

/// Who has moved everything still has clients without backups, and new ones, go to the old place.
fn remind(context: &Context, args: &MigrateArgs, moves: &[StartedMove]) {
    if let (Some(from), Some(to)) = (&args.from, &args.to)
        && !moves.is_empty()
    {
        context.console().note(&format!(
            "Clients that have no backups yet still go where the settings say. To send all to {to}: perennial settings set \
             storage={to}. When {from} is empty and not the default any more: perennial storage remove {from}"
        ));
    }
}

async fn give_up(context: &Context, link: &AdminLink, args: &MigrateArgs) -> Result<Outcome> {
    let wanted = match args.clients.is_empty() {
        true => vec![String::new()],
        false => args.clients.clone(),
    };
    let mut given_up = Vec::new();
    for client in wanted {
        let reply = link.storages().give_up_moves(GiveUpMovesRequest { client }).await;
        given_up.extend(reply.context("can't give up the moves")?.into_inner().clients);
    }
    let console = context.console();
    match args.output.shape() {
        Shape::Json => console.json(&json!({ "clients": given_up }))?,
        Shape::Human if given_up.is_empty() => console.note("No such move is under way."),
        Shape::Human => console.note(&format!(
            "These stay where they were: {}",
            format::line(&given_up.join(", "))
        )),
    }
    Ok(Outcome::Done)
}
