//! `quickstart`: a server and a client in one process, with real TLS and real enrolment, and the first backup.
//!
//! All that it makes lies where `perennial server` and `perennial client` look for it, so they can go on with it.

mod places;
mod remember;
mod report;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use client::agent::What;
use client::backup::Mode;
use client::{Identity, Wish};
use policy::settings::{Action, Said};
use server::TokenRequest;
use wire::v1::{StatusReply, StatusRequest};

use super::monitor::NoteMonitor;
use super::own_backup::OwnClient;
use super::server::{settings_of, start};
use super::{Context, enroll, own_backup};
use crate::channel::AdminLink;
use crate::cli::QuickstartArgs;
use crate::config::{ClientConfig, Component, Flags, ServerConfig, resolve};
use crate::failure::{Failure, Outcome};
use crate::interrupt::Interrupt;
use crate::output::Shape;
use crate::output::format::duration;
use places::Places;
use report::Report;

/// How long the token is good for that never leaves the process.
const TOKEN_VALID: Duration = Duration::from_secs(600);

pub async fn run(context: &Context, args: QuickstartArgs) -> Result<Outcome> {
    let interrupt = Interrupt::listen()?;
    let server = server_config(context, &args)?;
    if AdminLink::is_served(&server.state).await? {
        return Err(Failure::ServerRuns {
            state: server.state.display().to_string(),
        }
        .into());
    }
    let (client, places) = client_config(context, &args, &server)?;
    for note in &places.notes {
        context.console().note(note);
    }
    let running = start_server(&server, args.interval).await?;
    let work = Quickstart {
        context,
        args,
        server,
        client,
        interrupt,
    };
    let outcome = work.run(&running).await;
    running.shut_down().await;
    outcome
}

struct Quickstart<'a> {
    context: &'a Context,
    args: QuickstartArgs,
    server: ServerConfig,
    client: ClientConfig,
    interrupt: Interrupt,
}

impl Quickstart<'_> {
    async fn run(&self, running: &server::Running) -> Result<Outcome> {
        let console = self.context.console();
        let status = status(&self.server.state).await?;
        let identity = identity(running, &status, &self.client.state).await?;
        remember::settings(&self.server, running.local_address(), &self.client)?;
        let own = OwnClient::new(identity, &own_backup::settings_of(&self.client))?;
        let committed = own
            .back_up(console, Mode::Incremental, What::Files, &self.interrupt)
            .await?;
        let report = Report {
            context: self.context,
            server: &self.server,
            client: &self.client,
            status: &status,
            committed: &committed,
        };
        match self.args.output.shape() {
            Shape::Json => console.json(&report.json())?,
            Shape::Human => console.result(&report.text())?,
        }
        if self.args.once {
            return Ok(if committed.with_problems {
                Outcome::WithProblems
            } else {
                Outcome::Done
            });
        }
        let interval = duration(self.args.interval);
        console.note(&format!("Staying up: a backup every {interval}, until Ctrl-C."));
        own.serve(Arc::new(NoteMonitor::new(console)), &self.interrupt)
            .await;
        Ok(Outcome::Done)
    }
}

/// The settings of the server, which only this machine is to reach. What an earlier run chose holds on.
fn server_config(context: &Context, args: &QuickstartArgs) -> Result<ServerConfig> {
    let state = args.state.as_ref().map(|dir| dir.join("server"));
    let flags = Flags::none()
        .with_some("state", state.or_else(|| context.global().server_state.clone()))
        .with_some("storage", args.storage.as_ref());
    let mut config = ServerConfig::new(&resolve(Component::Server, None, &flags, context.surroundings())?)?;
    if !config.listen.ip().is_loopback() {
        config.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, wire::DEFAULT_PORT));
    }
    Ok(config)
}

fn client_config(
    context: &Context,
    args: &QuickstartArgs,
    server: &ServerConfig,
) -> Result<(ClientConfig, Places)> {
    let state = args.state.as_ref().map(|dir| dir.join("client"));
    let flags = Flags::none().with_some("state", state.or_else(|| context.global().client_state.clone()));
    let mut config = ClientConfig::new(&resolve(Component::Client, None, &flags, context.surroundings())?)?;
    let own: [&Path; 3] = [&server.storage, &server.state, &config.state];
    let places = Places::find(&args.paths, &own)?;
    config.sources = places.sources.clone();
    config.exclude.clone_from(&args.exclude);
    Ok((config, places))
}

async fn start_server(config: &ServerConfig, interval: Duration) -> Result<server::Running> {
    let mut settings = settings_of(config);
    let every = Said {
        action: Action::Set,
        text: format!("{}s", interval.as_secs()),
        origin: "--interval".to_owned(),
    };
    settings.policy.insert("incremental_interval".to_owned(), every);
    let started = start(config, settings.clone()).await;
    let taken = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(server::Error::Listen { .. }));
    match started {
        // Another program has the port; any other does as well.
        Err(error) if taken(&error) => {
            settings.listen.set_port(0);
            start(config, settings).await
        }
        started => started,
    }
    .context("can't start the server")
}

async fn status(state: &Path) -> Result<StatusReply> {
    let link = AdminLink::open_running(state).await?;
    Ok(link
        .admin()
        .status(StatusRequest {})
        .await
        .context("can't ask the server")?
        .into_inner())
}

/// The client's identity: that of an earlier run, or a new one by a token that never leaves the process.
async fn identity(running: &server::Running, status: &StatusReply, state: &Path) -> Result<Identity> {
    let address = running.local_address().to_string();
    if Identity::exists(state) {
        let mut identity = Identity::open(state)?;
        if identity.server_id() != status.server_id {
            return Err(Failure::EnrolledElsewhere {
                name: identity.name().to_owned(),
                address: identity.server_address().to_owned(),
            }
            .into());
        }
        if identity.server_address() != address {
            identity.move_server(&address)?;
        }
        return Ok(identity);
    }
    let name = enroll::machine_name();
    let request = TokenRequest {
        address: Some(address),
        client: Some(name.clone()),
        valid: TOKEN_VALID,
        uses: 1,
        sources: Vec::new(),
    };
    let wish = Wish {
        name: Some(&name),
        ..Wish::default()
    };
    let token = running.create_token(&request).context("can't make a token")?;
    let enrolled = client::enrol(&token, state, &enroll::client_info(), wish).await;
    enrolled.context("can't enrol this machine")
}
