//! Serving the server's commands on one standing connection.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::Streaming;
use wire::v1::client_event::Event;
use wire::v1::job_update::Update;
use wire::v1::server_command::Command;
use wire::v1::{
    BackupMode, ClientEvent, Condition, Pong, SampleReply, SampleRequest, ServerCommand, Welcome,
};

use super::job::Running;
use super::{Agent, What};
use crate::backup::{Job, Mode};
use crate::cancel::Cancel;
use crate::condition;
use crate::error::{Error, Result, explain};
use crate::monitor::Level;
use crate::sample;

/// The server has so long to say something after the connection was made.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(60);
/// How often is looked whether the machine was unplugged.
const CONDITION_INTERVAL: Duration = Duration::from_secs(30);
/// So many missed pings are a lost connection.
const MISSED_PINGS: u32 = 3;

/// A standing connection.
pub(super) struct Attached<'a> {
    agent: &'a Agent,
    commands: Streaming<ServerCommand>,
    events: mpsc::Sender<ClientEvent>,
    /// What the server was told in the greeting.
    condition: Condition,
    /// Ends what belongs to this connection only.
    detached: Cancel,
    patience: Duration,
}

impl<'a> Attached<'a> {
    pub(super) fn new(
        agent: &'a Agent,
        commands: Streaming<ServerCommand>,
        events: mpsc::Sender<ClientEvent>,
        condition: Condition,
    ) -> Self {
        Self {
            condition,
            agent,
            commands,
            events,
            detached: Cancel::new(),
            patience: WELCOME_TIMEOUT,
        }
    }

    /// Does what the server commands until the connection ends.
    pub(super) async fn serve(mut self, running: &mut Running) -> Result<()> {
        match self.next().await? {
            Some(Command::Welcome(welcome)) => self.welcome(&welcome)?,
            Some(_) => {
                return Err(Error::Protocol {
                    what: "a command before the welcome",
                });
            }
            None => return Ok(()),
        }
        running.updates.attach(self.events.clone());
        let (events, detached) = (self.events.clone(), self.detached.clone());
        tokio::spawn(tell_condition(events, self.condition, detached));
        while let Some(command) = self.next().await? {
            match command {
                Command::Ping(ping) => self.send(Event::Pong(Pong { number: ping.number })).await?,
                Command::StartFileBackup(start) => {
                    self.start(start.job_id, start.mode(), What::Files, running);
                }
                Command::StartImageBackup(start) => {
                    let mode = start.mode();
                    self.start(start.job_id, mode, What::Image(start.volumes), running);
                }
                Command::StartRestore(request) => {
                    let agent = self.agent;
                    agent.restores.ask(request, &running.updates, &*agent.monitor);
                }
                Command::Cancel(cancel) => {
                    running.cancel(cancel.job_id);
                    self.agent.restores.cancel(cancel.job_id);
                }
                Command::Sample(request) => self.sample(request),
                Command::Welcome(_) => {
                    return Err(Error::Protocol {
                        what: "a second welcome",
                    });
                }
            }
        }
        Ok(())
    }

    fn welcome(&mut self, welcome: &Welcome) -> Result<()> {
        if !wire::version::SPOKEN.contains(&welcome.protocol) {
            let message = format!("the server chose protocol version {}", welcome.protocol);
            return Err(Error::Version { message });
        }
        if welcome.ping_interval_s > 0 {
            self.patience = Duration::from_secs(u64::from(welcome.ping_interval_s)) * MISSED_PINGS;
        }
        let text = format!("connected to the server, version {}", welcome.server_version);
        self.agent.monitor.log(Level::Info, &text);
        Ok(())
    }

    fn start(&self, job_id: u64, mode: BackupMode, what: What, running: &mut Running) {
        let mode = match mode {
            BackupMode::Full => Mode::Full,
            BackupMode::Incremental | BackupMode::Unspecified => Mode::Incremental,
        };
        let job = Job { id: job_id, mode };
        if let Err(error) = running.start(self.agent, job, what) {
            running.updates.send(job_id, Update::Failed(explain(&error)));
        }
    }

    fn sample(&self, request: SampleRequest) {
        let source = Arc::clone(&self.agent.source);
        let leave_out = crate::image::leave_out(&self.agent.image);
        let (events, cancel, threads) = (
            self.events.clone(),
            self.detached.clone(),
            self.agent.thread_count(),
        );
        tokio::task::spawn_blocking(move || {
            let send = |reply| {
                let event = ClientEvent {
                    event: Some(Event::Sample(reply)),
                };
                if events.blocking_send(event).is_err() {
                    cancel.cancel();
                }
            };
            crate::image::sample::answer(&request.volumes, leave_out, &cancel, &|blocks| {
                send(SampleReply {
                    request_id: request.request_id,
                    blocks,
                    ..SampleReply::default()
                });
            });
            sample::answer(&source, &request, threads, &cancel, &send);
        });
    }

    async fn send(&self, event: Event) -> Result<()> {
        let sent = self.events.send(ClientEvent { event: Some(event) }).await;
        sent.map_err(|_| Error::interrupted("the server takes no events any more"))
    }

    /// Waits for the next command; `None` at the end of the stream.
    async fn next(&mut self) -> Result<Option<Command>> {
        loop {
            let message = tokio::time::timeout(self.patience, self.commands.message()).await;
            let message =
                message.map_err(|_| Error::interrupted("the server has been silent for too long"))?;
            match message.map_err(|status| Error::from_status(&status))? {
                // A command of a newer server, which it may send only if it can do without an answer.
                Some(ServerCommand { command: None }) => {}
                Some(ServerCommand {
                    command: Some(command),
                }) => return Ok(Some(command)),
                None => return Ok(None),
            }
        }
    }
}

/// Tells the server when the machine is unplugged or plugged in, or its connection becomes another.
async fn tell_condition(events: mpsc::Sender<ClientEvent>, mut told: Condition, detached: Cancel) {
    loop {
        tokio::select! {
            () = detached.cancelled() => return,
            () = tokio::time::sleep(CONDITION_INTERVAL) => {}
        }
        let Ok(condition) = tokio::task::spawn_blocking(condition::look).await else {
            return;
        };
        if condition == told {
            continue;
        }
        let event = ClientEvent {
            event: Some(Event::Condition(condition)),
        };
        if events.send(event).await.is_err() {
            return;
        }
        told = condition;
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        self.detached.cancel();
    }
}
