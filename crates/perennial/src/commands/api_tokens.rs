//! `api-tokens …`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::{CreateApiTokenRequest, ListApiTokensRequest, RevokeApiTokenRequest, TokenLimits};

use super::own_account::own_password;
use super::{Context, scope};
use crate::channel::AdminLink;
use crate::cli::{ApiTokenCreateArgs, ApiTokenListArgs, ApiTokensCommand};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: ApiTokensCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        ApiTokensCommand::Create(args) => create(context, &link, args).await,
        ApiTokensCommand::List(args) => list(context, &link, args).await,
        ApiTokensCommand::Revoke { name, user } => {
            let asked = RevokeApiTokenRequest {
                user: user.unwrap_or_default(),
                name: name.clone(),
            };
            let revoked = link.accounts().revoke_api_token(asked).await;
            revoked
                .with_context(|| format!("can't revoke the API token {name}"))
                .map(|_| Outcome::Done)
        }
    };
    link.close().await;
    outcome
}

async fn create(context: &Context, link: &AdminLink, args: ApiTokenCreateArgs) -> Result<Outcome> {
    let clients = args.clients.iter().map(|name| scope::client(name));
    let groups = args.groups.iter().map(|name| scope::group(name));
    let scopes: Vec<_> = clients.chain(groups).collect();
    let valid_s = args
        .valid
        .map(|valid| u32::try_from(valid.as_secs()).unwrap_or(u32::MAX).max(1));
    let (user, file) = (args.user.as_deref(), args.password_file.as_deref());
    let asked = CreateApiTokenRequest {
        password: own_password(link, user, file).await?,
        user: args.user.unwrap_or_default(),
        name: args.name,
        limits: Some(TokenLimits {
            has_rights: !args.rights.is_empty(),
            rights: args.rights,
            has_scopes: !scopes.is_empty(),
            scopes,
        }),
        valid_s: valid_s.unwrap_or_default(),
    };
    let made = link.accounts().create_api_token(asked).await;
    let made = made.context("can't make an API token")?.into_inner();
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        console.json(&json!({
            "token": made.token,
            "expires": format::rfc3339(made.expires_ms, zone),
        }))?;
        return Ok(Outcome::Done);
    }
    console.result(&format!("{}\n", made.token))?;
    console.note(&match made.expires_ms {
        0 => "It is shown this once, and does not expire: revoke it when it is needed no more.".to_owned(),
        until_ms => format!(
            "It is shown this once, and holds until {}.",
            format::time(until_ms, zone)
        ),
    });
    Ok(Outcome::Done)
}

async fn list(context: &Context, link: &AdminLink, args: ApiTokenListArgs) -> Result<Outcome> {
    let asked = ListApiTokensRequest {
        // The local administrator has none of his own.
        all: args.all || (args.user.is_none() && !link.is_remote()),
        user: args.user.unwrap_or_default(),
    };
    let reply = link.accounts().list_api_tokens(asked).await;
    let tokens = reply.context("can't list the API tokens")?.into_inner().tokens;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views = tokens.iter().map(|token| {
            json!({
                "user": token.user,
                "name": token.name,
                "limits": token.limits.as_ref().map(scope::limits_view),
                "created": format::rfc3339(token.created_ms, zone),
                "expires": format::rfc3339(token.expires_ms, zone),
                "last_used": format::rfc3339(token.last_used_ms, zone),
            })
        });
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("USER", Side::Left),
        ("TOKEN", Side::Left),
        ("RIGHTS", Side::Left),
        ("FOR", Side::Left),
        ("EXPIRES", Side::Left),
        ("LAST USED", Side::Left),
    ]);
    for token in &tokens {
        let limits = token.limits.clone().unwrap_or_default();
        table.row([
            format::line(&token.user),
            format::line(&token.name),
            scope::shown_rights(&limits),
            scope::shown_scopes(&limits),
            match token.expires_ms {
                0 => "never".to_owned(),
                at_ms => format::time(at_ms, zone),
            },
            format::time(token.last_used_ms, zone),
        ]);
    }
    if table.is_empty() {
        console.note("There are no API tokens. Make one: perennial api-tokens create NAME --valid 90d");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}
