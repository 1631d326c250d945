//! `token create`

use anyhow::{Context as _, Result};
use wire::v1::CreateTokenRequest;

use super::Context;
use crate::channel::AdminLink;
use crate::cli::TokenCommand;
use crate::failure::Outcome;
use crate::output::{Shape, format, json};

pub async fn run(context: &Context, command: TokenCommand) -> Result<Outcome> {
    let TokenCommand::Create(args) = command;
    let link = AdminLink::open(context).await?;
    let request = CreateTokenRequest {
        address: args.address.unwrap_or_default(),
        client_name: args.client.unwrap_or_default(),
        valid_s: u32::try_from(args.valid.as_secs()).unwrap_or(u32::MAX),
        uses: args.uses,
        sources: Vec::new(),
    };
    let reply = link
        .admin()
        .create_token(request)
        .await
        .context("can't make a token")?
        .into_inner();
    link.close().await;
    let console = context.console();
    match args.output.shape() {
        Shape::Json => console.json(&json::TokenView::new(&reply, console.zone()))?,
        Shape::Human => {
            console.result(&format!("{}\n", reply.token))?;
            let until = format::time(reply.expires_ms, console.zone());
            let times = format::times(args.uses);
            console.note(&format!(
                "Good {times}, until {until}. On the new client: perennial enroll TOKEN"
            ));
        }
    }
    Ok(Outcome::Done)
}
