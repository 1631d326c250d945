//! `client …`

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use client::agent::{What, join, waits_to_join};
use client::backup::Mode;
use client::{Cancel, Identity};
use sd_notify::NotifyState;

use super::monitor::LogMonitor;
use super::own_backup::OwnClient;
use super::systemd::tell_systemd;
use super::{Context, backup, client_restores, enroll, hold_still, installer, own_backup};
use crate::channel::OwnServer;
use crate::cli::{ClientArgs, ClientCommand, ClientOnceArgs};
use crate::config::{ClientConfig, ClientFlags, Component, resolve};
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::{Shape, json};

pub async fn run(context: &Context, args: ClientArgs) -> Result<Outcome> {
    match args.command {
        None => serve(context, &args.settings).await,
        Some(ClientCommand::Run { settings }) => serve(context, &settings).await,
        Some(ClientCommand::Once(args)) => once(context, &args).await,
        Some(ClientCommand::Restores(args)) => client_restores::run(context, args).await,
        Some(ClientCommand::Installer(args)) => installer::run(context, args).await,
        Some(ClientCommand::HoldStill(args)) => hold_still::run(context, &args).await,
    }
}

fn config_of(context: &Context, flags: &ClientFlags) -> Result<ClientConfig> {
    let given = flags
        .flags
        .clone()
        .with_default("state", context.global().client_state.as_ref());
    let resolved = resolve(
        Component::Client,
        flags.file.as_deref(),
        &given,
        context.surroundings(),
    )?;
    Ok(ClientConfig::new(&resolved)?)
}

async fn serve(context: &Context, flags: &ClientFlags) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    if !has_joined(context, flags, &interrupt).await? {
        return Ok(Outcome::Done);
    }
    let client = own_client(context, flags)?;
    tell_systemd(&[
        NotifyState::Ready,
        NotifyState::Status("connecting to the server, or connected"),
    ]);
    client.serve(Arc::new(LogMonitor), &interrupt).await;
    tell_systemd(&[NotifyState::Stopping]);
    Ok(Outcome::Done)
}

/// Joins the server with the token that an installer has left, if one has. `false` if it was interrupted in that.
async fn has_joined(context: &Context, flags: &ClientFlags, interrupt: &Interrupt) -> Result<bool> {
    let ClientConfig { state, proxy, .. } = config_of(context, flags)?;
    let cancel = Cancel::new();
    let info = enroll::client_info();
    let joining = join(&state, &info, proxy.as_ref(), &LogMonitor, &cancel);
    if waits_to_join(&state) {
        // As it may take as long as the server can't be reached, it counts as running.
        tell_systemd(&[NotifyState::Ready, NotifyState::Status("joining the server")]);
    }
    tokio::pin!(joining);
    let joined = tokio::select! {
        joined = &mut joining => joined,
        () = interrupt.asked() => {
            cancel.cancel();
            joining.await
        }
    };
    match joined {
        Ok(()) => Ok(!cancel.is_cancelled()),
        Err(client::Error::Cancelled) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn once(context: &Context, args: &ClientOnceArgs) -> Result<Outcome> {
    let what = match &args.image {
        Some(volumes) => What::Image(volumes.iter().map(|name| named(name)).collect()),
        None => What::Files,
    };
    let client = client_for(context, &args.settings, &what)?;
    let interrupt = Interrupt::listen()?;
    let server = OwnServer::start_for(context, client.identity()).await?;
    let mode = if args.full { Mode::Full } else { Mode::Incremental };
    let console = context.console();
    let committed = client.back_up(console, mode, what, &interrupt).await;
    server.end().await;
    let committed = committed?;
    match args.output.shape() {
        Shape::Json => console.json(&json::DoneView::of_backup(&committed, console.zone()))?,
        Shape::Human => {
            let info = committed.info.clone().unwrap_or_default();
            console.result(&format!("{}\n", backup::summary(&info)))?;
        }
    }
    Ok(if committed.with_problems {
        Outcome::WithProblems
    } else {
        Outcome::Done
    })
}

/// A volume as the client takes it: a path from here becomes one from the root; what has no slash may be a name.
fn named(volume: &str) -> String {
    let is_path = volume.contains('/') || Path::new(volume).is_file();
    match std::path::absolute(volume) {
        Ok(path) if is_path => path.to_string_lossy().into_owned(),
        _ => volume.to_owned(),
    }
}

fn own_client(context: &Context, flags: &ClientFlags) -> Result<OwnClient> {
    client_for(context, flags, &What::Files)
}

fn client_for(context: &Context, flags: &ClientFlags, what: &What) -> Result<OwnClient> {
    let config = config_of(context, flags)?;
    let mut identity = Identity::open(&config.state)?;
    identity.set_reach(&config.servers, config.proxy.clone());
    let mut settings = own_backup::settings_of(&config);
    if let What::Image(volumes) = what
        && settings.image.volumes.is_empty()
    {
        settings.image.volumes = volumes.clone();
        if volumes.is_empty() {
            settings.image.volumes.push("all".to_owned());
        }
    }
    Ok(OwnClient::new(identity, &settings)?)
}
