//! `users …`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::{
    AddUserRequest, BeginTotpRequest, ConfirmTotpRequest, EndSessionRequest, ListSessionsRequest,
    ListUsersRequest, RemoveTotpRequest, RoleGrant, RoleGrantRequest, SetPasswordRequest,
    SetUserStateRequest, UserInfo, UserRef,
};

use super::own_account::{is_own, own_password};
use super::secret_file::{ask, read_new_password, read_password};
use super::{Context, scope};
use crate::channel::AdminLink;
use crate::cli::{GrantArgs, PasswordArgs, SessionsArgs, TotpArgs, TotpCommand, UserAddArgs, UsersCommand};
use crate::failure::Outcome;
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

const ACTIVE: &str = "active";
const DISABLED: &str = "disabled";

pub async fn run(context: &Context, command: UsersCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = manage(context, &link, command).await;
    link.close().await;
    outcome
}

async fn manage(context: &Context, link: &AdminLink, command: UsersCommand) -> Result<Outcome> {
    match command {
        UsersCommand::List(args) => return list(context, link, args.shape()).await,
        UsersCommand::Add(args) => add(context, link, args).await?,
        UsersCommand::Remove { name } => {
            let removed = link.accounts().remove_user(UserRef { name: name.clone() }).await;
            removed.with_context(|| format!("can't remove the user {name}"))?;
        }
        UsersCommand::Disable { name } => set_state(link, name, DISABLED).await?,
        UsersCommand::Enable { name } => set_state(link, name, ACTIVE).await?,
        UsersCommand::Unlock { name } => {
            let unlocked = link.accounts().unlock_user(UserRef { name: name.clone() }).await;
            unlocked.with_context(|| format!("can't unlock the user {name}"))?;
        }
        UsersCommand::Password(args) => set_password(context, link, args).await?,
        UsersCommand::Grant(args) => grant(context, link, args).await?,
        UsersCommand::Revoke(args) => revoke(context, link, args).await?,
        UsersCommand::Totp(command) => return totp(context, link, command).await,
        UsersCommand::Sessions(args) => return sessions(context, link, args).await,
        UsersCommand::EndSession { id } => {
            let ended = link.accounts().end_session(EndSessionRequest { id }).await;
            ended.with_context(|| format!("can't end the session {id}"))?;
        }
    }
    Ok(Outcome::Done)
}

async fn add(context: &Context, link: &AdminLink, args: UserAddArgs) -> Result<()> {
    let name = args.name;
    let password = match args.no_password {
        true => String::new(),
        false => read_new_password(args.password_file.as_deref(), &format!("Password for {name}"))?,
    };
    let asked = AddUserRequest {
        name: name.clone(),
        password,
    };
    let added = link.accounts().add_user(asked).await;
    added.with_context(|| format!("can't add the user {name}"))?;
    context.console().note(&format!(
        "{name} may do nothing yet. Say what: perennial users grant {name} ROLE --everything"
    ));
    Ok(())
}

async fn set_state(link: &AdminLink, name: String, state: &str) -> Result<()> {
    let asked = SetUserStateRequest {
        name: name.clone(),
        state: state.to_owned(),
    };
    let set = link.accounts().set_user_state(asked).await;
    set.with_context(|| format!("can't change the user {name}"))?;
    Ok(())
}

async fn set_password(context: &Context, link: &AdminLink, args: PasswordArgs) -> Result<()> {
    let current = match args.current_password_file.is_some() || is_own(link, args.name.as_deref()).await? {
        true => read_password(args.current_password_file.as_deref(), "Password so far")?,
        false => String::new(),
    };
    let asked = SetPasswordRequest {
        user: args.name.unwrap_or_default(),
        password: read_new_password(args.password_file.as_deref(), "New password")?,
        current,
    };
    let set = link.accounts().set_password(asked).await;
    set.context("can't set the password")?;
    context
        .console()
        .note("The password is changed, and all other sessions have ended.");
    Ok(())
}

fn asked_grant(args: &GrantArgs) -> RoleGrantRequest {
    let scope = match (&args.group, &args.client) {
        (Some(name), _) => scope::group(name),
        (None, Some(name)) => scope::client(name),
        (None, None) => scope::everything(),
    };
    RoleGrantRequest {
        user: args.user.clone(),
        grant: Some(RoleGrant {
            role: args.role.clone(),
            scope: Some(scope),
        }),
    }
}

async fn grant(context: &Context, link: &AdminLink, args: GrantArgs) -> Result<()> {
    let granted = link.accounts().grant_role(asked_grant(&args)).await;
    let granted = granted.with_context(|| format!("can't grant the role {}", args.role))?;
    if !granted.into_inner().changed {
        context.console().note(&format!("{} has it already.", args.user));
    }
    Ok(())
}

async fn revoke(context: &Context, link: &AdminLink, args: GrantArgs) -> Result<()> {
    let revoked = link.accounts().revoke_role(asked_grant(&args)).await;
    let revoked = revoked.with_context(|| format!("can't revoke the role {}", args.role))?;
    if !revoked.into_inner().changed {
        context
            .console()
            .note(&format!("{} does not have it.", args.user));
    }
    Ok(())
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link.accounts().list_users(ListUsersRequest {}).await;
    let users = reply.context("can't list the users")?.into_inner().users;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let views = users.iter().map(|user| {
            json!({
                "name": user.name,
                "state": user.state,
                "password": user.has_password,
                "totp": user.has_totp,
                "recovery_codes": user.recovery_codes,
                "created": format::rfc3339(user.created_ms, zone),
                "last_log_in": format::rfc3339(user.last_log_in_ms, zone),
                "locked_until": format::rfc3339(user.locked_until_ms, zone),
                "grants": user.grants.iter().map(scope::grant_view).collect::<Vec<_>>(),
                "api_tokens": user.api_tokens,
                "sessions": user.sessions,
            })
        });
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("USER", Side::Left),
        ("STATE", Side::Left),
        ("ROLES", Side::Left),
        ("2ND FACTOR", Side::Left),
        ("LAST LOG-IN", Side::Left),
        ("SESSIONS", Side::Right),
        ("TOKENS", Side::Right),
    ]);
    for user in &users {
        let grants: Vec<_> = user.grants.iter().map(scope::shown_grant).collect();
        table.row([
            format::line(&user.name),
            state(user),
            format::or_dash(&grants.join(", ")).to_owned(),
            if user.has_totp { "yes" } else { "no" }.to_owned(),
            format::time(user.last_log_in_ms, zone),
            format::count(user.sessions),
            format::count(user.api_tokens),
        ]);
    }
    if table.is_empty() {
        console.note("There are no users yet. Add one: perennial users add NAME");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

fn state(user: &UserInfo) -> String {
    match (user.locked_until_ms > 0, user.has_password) {
        (true, _) => format!("{}, locked out", user.state),
        (false, false) => format!("{}, tokens only", user.state),
        (false, true) => user.state.clone(),
    }
}

async fn totp(context: &Context, link: &AdminLink, command: TotpCommand) -> Result<Outcome> {
    match command {
        TotpCommand::Begin { account, output } => begin_totp(context, link, account, output.shape()).await,
        TotpCommand::Confirm { name, code, output } => {
            let code = match code {
                Some(code) => code,
                None => ask("Code", "the code with --code")?,
            };
            let user = name.unwrap_or_default();
            let confirmed = link
                .accounts()
                .confirm_totp(ConfirmTotpRequest { user, code })
                .await;
            let codes = confirmed.context("can't set up the second factor")?.into_inner();
            let console = context.console();
            if output.shape() == Shape::Json {
                console.json(&json!({ "recovery_codes": codes.recovery_codes }))?;
                return Ok(Outcome::Done);
            }
            console.result(&format!("{}\n", codes.recovery_codes.join("\n")))?;
            console.note(
                "Codes are asked for from now on. Keep these recovery codes: each works once in place of a code, and they are \
                 shown this once.",
            );
            Ok(Outcome::Done)
        }
        TotpCommand::Remove(args) => {
            let asked = RemoveTotpRequest {
                password: own_password(link, args.name.as_deref(), args.password_file.as_deref()).await?,
                user: args.name.unwrap_or_default(),
            };
            let removed = link.accounts().remove_totp(asked).await;
            removed.context("can't remove the second factor")?;
            Ok(Outcome::Done)
        }
    }
}

async fn begin_totp(context: &Context, link: &AdminLink, args: TotpArgs, shape: Shape) -> Result<Outcome> {
    let asked = BeginTotpRequest {
        password: own_password(link, args.name.as_deref(), args.password_file.as_deref()).await?,
        user: args.name.unwrap_or_default(),
    };
    let begun = link.accounts().begin_totp(asked).await;
    let begun = begun.context("can't set up a second factor")?.into_inner();
    let console = context.console();
    if shape == Shape::Json {
        console.json(&json!({ "uri": begun.uri, "secret": begun.secret }))?;
        return Ok(Outcome::Done);
    }
    console.result(&format!("{}\n", begun.uri))?;
    console.note(&format!(
        "Give that address, or the secret {}, to an app for codes, then: perennial users totp confirm",
        begun.secret
    ));
    Ok(Outcome::Done)
}

async fn sessions(context: &Context, link: &AdminLink, args: SessionsArgs) -> Result<Outcome> {
    let asked = ListSessionsRequest {
        // The local administrator has none of his own.
        all: args.all || (args.name.is_none() && !link.is_remote()),
        user: args.name.unwrap_or_default(),
    };
    let reply = link.accounts().list_sessions(asked).await;
    let sessions = reply.context("can't list the sessions")?.into_inner().sessions;
    let console = context.console();
    let zone = console.zone();
    if args.output.shape() == Shape::Json {
        let views = sessions.iter().map(|session| {
            json!({
                "id": session.id,
                "user": session.user,
                "created": format::rfc3339(session.created_ms, zone),
                "last_used": format::rfc3339(session.last_used_ms, zone),
                "expires": format::rfc3339(session.expires_ms, zone),
                "address": session.address,
                "program": session.program,
                "this": session.is_this,
            })
        });
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("SESSION", Side::Right),
        ("USER", Side::Left),
        ("SINCE", Side::Left),
        ("LAST USED", Side::Left),
        ("FROM", Side::Left),
        ("WITH", Side::Left),
    ]);
    for session in &sessions {
        let this = if session.is_this { " (this)" } else { "" };
        table.row([
            session.id.to_string(),
            format::line(&session.user),
            format::time(session.created_ms, zone),
            format::time(session.last_used_ms, zone),
            format::line(&session.address),
            format!("{}{this}", format::line(&session.program)),
        ]);
    }
    if table.is_empty() {
        console.note("Nobody is logged in.");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}
