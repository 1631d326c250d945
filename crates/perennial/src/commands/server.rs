//! `server run`, `server rebuild-catalog` and `server adopt-storage`

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use super::systemd::tell_systemd;
use super::{Context, builds, safety};
use crate::cli::{OutputArgs, ServerArgs, ServerCommand};
use crate::config::{Choice, Component, ServerConfig, ServerFlags, resolve};
use crate::failure::Outcome;
use crate::interrupt::Interrupt;
use crate::output::Shape;
use crate::output::format::things;

pub async fn run(context: &Context, args: ServerArgs) -> Result<Outcome> {
    match args.command {
        None => serve(context, &args.settings).await,
        Some(ServerCommand::Run { settings }) => serve(context, &settings).await,
        Some(ServerCommand::RebuildCatalog { settings, output }) => {
            rebuild_catalog(context, &settings, output).await
        }
        Some(ServerCommand::RestoreCatalog(args)) => safety::restore_catalog(context, args).await,
        Some(ServerCommand::Doctor(args)) => safety::doctor(context, args).await,
        Some(ServerCommand::Builds(command)) => builds::run(context, command),
        Some(ServerCommand::AdoptStorage { settings }) => adopt_storage(context, &settings).await,
    }
}

/// The settings as the server takes them.
pub fn settings_of(config: &ServerConfig) -> server::Settings {
    let mut settings = server::Settings::new(config.state.clone(), config.storage.clone(), config.listen);
    settings.metrics_listen = config.metrics_listen;
    settings.advertise = config.advertise.clone();
    settings.host_names = config.host_names.clone();
    settings.web_certificate = config.web_certificate.clone();
    settings.backend = config.backend;
    settings.pool = config.pooling;
    settings.compression = config
        .btrfs_compression
        .as_deref()
        .and_then(|word| word.parse().ok());
    settings.hooks = config.hooks.clone();
    settings.policy = config.policy.clone();
    settings
}

/// Starts a server with these settings, which were made from `config`.
pub async fn start(config: &ServerConfig, settings: server::Settings) -> Result<server::Running> {
    if config.storage_choice == Choice::Ours
        && let Some(parent) = config.storage.parent()
    {
        // A directory of our own; one that somebody chose may be a file system that is not mounted.
        std::fs::create_dir_all(parent).with_context(|| format!("can't create {}", parent.display()))?;
    }
    Ok(server::Server::start(settings, server::Clock::system()).await?)
}

/// The settings of a server that were given to one of its commands.
pub fn config_of(context: &Context, flags: &ServerFlags) -> Result<ServerConfig> {
    let given = flags
        .flags
        .clone()
        .with_default("state", context.global().server_state.as_ref());
    let resolved = resolve(
        Component::Server,
        flags.file.as_deref(),
        &given,
        context.surroundings(),
    )?;
    Ok(ServerConfig::new(&resolved)?)
}

async fn serve(context: &Context, flags: &ServerFlags) -> Result<Outcome> {
    let config = config_of(context, flags)?;
    raise_file_limit();
    let interrupt = Interrupt::listen()?;
    let mut settings = settings_of(&config);
    settings.log = context.log().clone();
    let running = start(&config, settings).await.context("can't start the server")?;
    if config.web_certificate != server::WebCertificateSource::Own {
        look_at_certificate_on_hangup(&running).context("can't listen for SIGHUP")?;
    }
    tell_systemd(&[
        sd_notify::NotifyState::Ready,
        sd_notify::NotifyState::Status("serving"),
    ]);
    interrupt.asked().await;
    tell_systemd(&[sd_notify::NotifyState::Stopping]);
    running.shut_down().await;
    Ok(Outcome::Done)
}

/// Has the server look at its certificate for browsers on each SIGHUP, which no longer ends the process.
fn look_at_certificate_on_hangup(running: &server::Running) -> std::io::Result<()> {
    let mut hangups = signal(SignalKind::hangup())?;
    let certificate = running.web_certificate();
    tokio::spawn(async move {
        while hangups.recv().await.is_some() {
            certificate.look_now();
        }
    });
    Ok(())
}

/// Lets the server open as many files as it may: volumes that stand on each other are open all at once.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // It works with fewer, as far as these reach.
    let _ = setrlimit(Resource::Nofile, limit);
}

async fn adopt_storage(context: &Context, flags: &ServerFlags) -> Result<Outcome> {
    let settings = settings_of(&config_of(context, flags)?);
    let storage = settings.storage_dir.display().to_string();
    let work = tokio::task::spawn_blocking(move || server::adopt_storage(&settings));
    work.await?.context("can't take the storage over")?;
    context
        .console()
        .note(&format!("The storage {storage} now belongs to this server."));
    Ok(Outcome::Done)
}

async fn rebuild_catalog(context: &Context, flags: &ServerFlags, output: OutputArgs) -> Result<Outcome> {
    let settings = settings_of(&config_of(context, flags)?);
    let work = tokio::task::spawn_blocking(move || server::rebuild_catalog(&settings));
    let rebuilt = work.await?.context("can't rebuild the catalog")?;
    let console = context.console();
    let set_aside = rebuilt.set_aside.as_ref().map(|path| path.display().to_string());
    match output.shape() {
        Shape::Json => console.json(&serde_json::json!({
            "backups": rebuilt.backups,
            "clients": rebuilt.clients,
            "set_aside": set_aside,
        }))?,
        Shape::Human => {
            let (backups, clients) = (
                things(rebuilt.backups, "backup", "backups"),
                things(rebuilt.clients, "client", "clients"),
            );
            console.result(&format!("The catalog was made anew: {backups} of {clients}.\n"))?;
            if let Some(path) = set_aside {
                console.note(&format!("The old one was kept as {path}."));
            }
            console.note("The clients must enrol anew: perennial token create --client NAME, then on the client perennial enroll --replace TOKEN");
        }
    }
    Ok(Outcome::Done)
}
