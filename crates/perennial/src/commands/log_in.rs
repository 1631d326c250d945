//! `login`, `logout` and `whoami`

use anyhow::{Context as _, Result};
use serde_json::json;
use wire::v1::accounts_client::AccountsClient;
use wire::v1::log_in_reply::End;
use wire::v1::{LogInRequest, LogOutRequest, LoggedIn, WhoAmIReply, WhoAmIRequest};

use super::secret_file::{ask, is_interactive, read_password};
use super::{Context, scope};
use crate::channel::{AdminLink, Authorized, Bearer, Remote, with_port};
use crate::cli::LoginArgs;
use crate::config::{Fingerprint, LogIn, LogIns};
use crate::failure::{Failure, Outcome};
use crate::output::table::pairs;
use crate::output::{Shape, format};

/// What the server keeps of this program.
const PROGRAM: &str = concat!("perennial ", env!("CARGO_PKG_VERSION"));

/// Logs in, and remembers it.
pub async fn log_in(context: &Context, args: LoginArgs) -> Result<Outcome> {
    let address = with_port(&args.address);
    let mut log_ins = LogIns::read(context.surroundings())?;
    let fingerprint = match context.global().fingerprint {
        Some(given) => given,
        None => confirmed(context, &address, log_ins.of(&address)).await?,
    };
    let channel = client::open_pinned(&address, None, fingerprint.0).await?;
    let mut accounts = AccountsClient::new(channel);
    let user = match &args.user {
        Some(user) => user.clone(),
        None => own_name(context)?,
    };
    let password = read_password(args.password_file.as_deref(), &format!("Password of {user}"))?;
    let mut asked = LogInRequest {
        user,
        password,
        code: args.code.clone().unwrap_or_default(),
        program: PROGRAM.to_owned(),
    };
    let mut end = try_it(&mut accounts, &asked).await?;
    if matches!(end, End::CodeNeeded(_)) {
        asked.code = ask("Code", "the code with --code")?;
        end = try_it(&mut accounts, &asked).await?;
    }
    let End::LoggedIn(logged_in) = end else {
        return Err(Failure::Usage("a code is needed".into()).into());
    };
    let LoggedIn {
        user,
        token,
        expires_ms,
    } = logged_in;
    let console = context.console();
    let until = format::time(expires_ms, console.zone());
    let note =
        format!("Logged in to {address} as {user}, until {until} at most. To end it: perennial logout");
    log_ins.add(LogIn {
        server: address,
        fingerprint,
        user,
        token,
    });
    log_ins.write(context.surroundings())?;
    console.note(&note);
    Ok(Outcome::Done)
}

async fn try_it(
    accounts: &mut AccountsClient<tonic::transport::Channel>,
    asked: &LogInRequest,
) -> Result<End> {
    let reply = accounts.log_in(asked.clone()).await;
    let reply = reply.context("can't log in")?.into_inner();
    reply.end.ok_or_else(|| Failure::CutShort.into())
}

/// The fingerprint of a server: the one that is known, or the one that it shows, if somebody says that it is right.
async fn confirmed(context: &Context, address: &str, known: Option<&LogIn>) -> Result<Fingerprint> {
    if let Some(known) = known {
        return Ok(known.fingerprint);
    }
    let shown = Fingerprint(client::shown_fingerprint(address).await?);
    if !is_interactive() {
        let text = format!(
            "the server at {address} is not known here, and there is no terminal to ask on: give its fingerprint with \
             --fingerprint; it shows {shown}"
        );
        return Err(Failure::Usage(text).into());
    }
    let console = context.console();
    console.note(&format!(
        "The server at {address} is not known here yet. Its fingerprint is\n  {shown}\n\"perennial status\" on the server \
         shows the same if nobody stands between."
    ));
    console.note("Is it the same? [y/N] ");
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("can't read the answer")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(shown),
        _ => Err(Failure::OtherFingerprint {
            address: address.to_owned(),
            shown: shown.to_string(),
        }
        .into()),
    }
}

fn own_name(context: &Context) -> Result<String> {
    let own = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| context.surroundings().variable(name));
    let own = own.map(|own| own.to_string_lossy().into_owned());
    own.ok_or_else(|| Failure::Usage("name the user with --user".into()).into())
}

/// Ends the log-in, on the server and here. That it has ended there already is no failure.
pub async fn log_out(context: &Context) -> Result<Outcome> {
    let surroundings = context.surroundings();
    let mut log_ins = LogIns::read(surroundings)?;
    let server = match &context.global().server {
        Some(server) => Some(with_port(server)),
        None => log_ins.newest().map(|newest| newest.server.clone()),
    };
    let found = server.as_deref().and_then(|server| log_ins.of(server)).cloned();
    let Some(found) = found else {
        context.console().note("Nobody has logged in from here.");
        return Ok(Outcome::Done);
    };
    // Forgotten here first, whatever the server says.
    log_ins.remove(&found.server);
    log_ins.write(surroundings)?;
    let channel = client::open_pinned(&found.server, None, found.fingerprint.0).await;
    let channel =
        channel.context("the log-in is forgotten here, and goes on at the server until it runs out")?;
    let mut accounts = AccountsClient::new(Authorized::new(channel, Bearer::of(&found.token)?));
    match accounts.log_out(LogOutRequest {}).await {
        Ok(_) => Ok(Outcome::Done),
        Err(status) if status.code() == tonic::Code::Unauthenticated => Ok(Outcome::Done),
        Err(status) => Err(anyhow::Error::new(status).context("can't end the log-in at the server")),
    }
}

/// Tells as whom commands act.
pub async fn who_am_i(context: &Context, shape: Shape) -> Result<Outcome> {
    let remote = Remote::named(context)?;
    let link = AdminLink::open(context).await?;
    let asked = link.accounts().who_am_i(WhoAmIRequest {}).await;
    let server = match (&remote, link.is_remote()) {
        (Some(remote), _) => Some(remote.address().to_owned()),
        (None, true) => Remote::logged_in(context)?.map(|remote| remote.address().to_owned()),
        (None, false) => None,
    };
    link.close().await;
    let who = asked.context("can't ask the server")?.into_inner();
    let console = context.console();
    if shape == Shape::Json {
        let limits = who.limits.as_ref();
        console.json(&json!({
            "user": (!who.user.is_empty()).then_some(&who.user),
            "server": server,
            "api_token": (!who.api_token.is_empty()).then_some(&who.api_token),
            "limits": limits.map(scope::limits_view),
            "grants": who.grants.iter().map(scope::grant_view).collect::<Vec<_>>(),
            "totp": who.has_totp,
            "recovery_codes": who.recovery_codes,
        }))?;
        return Ok(Outcome::Done);
    }
    console.result(&pairs(&rows(&who, server)))?;
    Ok(Outcome::Done)
}

fn rows(who: &WhoAmIReply, server: Option<String>) -> Vec<(&'static str, String)> {
    if who.user.is_empty() {
        let who = "the local administrator, who may do everything".to_owned();
        return vec![("user", who)];
    }
    let grants: Vec<_> = who.grants.iter().map(scope::shown_grant).collect();
    let mut rows = vec![
        ("user", who.user.clone()),
        ("server", server.unwrap_or_else(|| "-".to_owned())),
        ("roles", format::or_dash(&grants.join(", ")).to_owned()),
    ];
    if let Some(limits) = &who.limits {
        rows.push(("token", format::line(&who.api_token)));
        rows.push(("its rights", scope::shown_rights(limits)));
        rows.push(("it is for", scope::shown_scopes(limits)));
    }
    rows.push((
        "second factor",
        match who.has_totp {
            true => format!("yes, {} recovery codes left", who.recovery_codes),
            false => "no".to_owned(),
        },
    ));
    rows
}
