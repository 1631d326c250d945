//! The standing connection of a client: greeting, pings, commands out, job updates in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use catalog::{JobKind, Sighting};
use policy::schedule::{Link, Power};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{info, warn};
use wire::v1::control_server::Control;
use wire::v1::{
    ClientEvent, ClientHello, Condition, JobUpdate, Ping, ServerCommand, Welcome, client_event::Event,
    condition, job_update::Update, log_line, server_command::Command,
};

use crate::core::Core;
use crate::error::Error;
use crate::jobs::{Attachment, LiveJob, is_backup};
use crate::restore::asked;
use crate::services::access::caller_of;

const PING_INTERVAL: Duration = Duration::from_secs(20);
/// A client that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(70);
/// A clock that is off by more than this is worth a warning.
const CLOCK_TOLERANCE_MS: u64 = 5 * 60 * 1000;

/// What of a client's line goes to the server's log.
const MAX_LOGGED_CHARS: usize = 1000;

/// Holds the standing connections.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn welcome(&self, client: &str, hello: &ClientHello) -> Result<Welcome, Status> {
        let protocol = wire::version::negotiate(hello.protocol_min, hello.protocol_max)
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        let now_ms = self.core.clock.now_ms();
        if hello.clock_ms.abs_diff(now_ms) > CLOCK_TOLERANCE_MS {
            warn!(
                client,
                off_by_s = hello.clock_ms.saturating_sub(now_ms) / 1000,
                "the client's clock differs from the server's; backups are dated by the server's"
            );
        }
        let clip = |text: &str| text.chars().take(200).collect::<String>();
        let sighting = Sighting {
            operating_system: clip(&hello.operating_system),
            version: clip(&hello.client_version),
        };
        self.core
            .catalog
            .client_seen(client, &sighting, now_ms)
            .map_err(Error::from)?;
        Ok(Welcome {
            protocol,
            server_version: env!("CARGO_PKG_VERSION").into(),
            server_id: self.core.catalog.server_id().to_string(),
            ping_interval_s: PING_INTERVAL.as_secs() as u32,
        })
    }
}

type Commands = Pin<Box<dyn tokio_stream::Stream<Item = Result<ServerCommand, Status>> + Send>>;

#[tonic::async_trait]
impl Control for Service {
    type AttachStream = Commands;

    async fn attach(
        &self,
        request: Request<Streaming<ClientEvent>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let client = caller_of(&request)?.client()?;
        let mut events = request.into_inner();
        let first = tokio::time::timeout(SILENCE, events.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("no greeting came"))??;
        let Some(Event::Hello(hello)) = first.and_then(|event| event.event) else {
            return Err(Status::invalid_argument("the first event must be the greeting"));
        };
        let welcome = self.welcome(&client, &hello)?;
        let (out, stream) = mpsc::channel(16);
        let greeting = ServerCommand {
            command: Some(Command::Welcome(welcome)),
        };
        out.try_send(Ok(greeting))
            .map_err(|_| Status::internal("the greeting can't be sent"))?;
        let core = self.core.clone();
        tokio::spawn(async move {
            let (attachment, commands) =
                core.attached
                    .attach(&client, hello.takes_restores, core.clock.now_ms());
            take_condition(&attachment, hello.condition.unwrap_or_default());
            core.schedule.look_again();
            info!(client, version = hello.client_version, "client connected");
            asked::tell_again(&core, &client);
            stand(&core, &client, &attachment, commands, &mut events, &out).await;
            core.attached.leave(&client, &attachment, core.clock.now_ms());
            if !core.attached.contains(&client) {
                asked::wait_for(&core, &client);
            }
            attachment.detach.cancel();
            info!(client, "client disconnected");
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }
}

/// Serves a standing connection until it ends.
async fn stand(
    core: &Arc<Core>,
    client: &str,
    attachment: &Attachment,
    mut commands: mpsc::Receiver<ServerCommand>,
    events: &mut Streaming<ClientEvent>,
    out: &mpsc::Sender<Result<ServerCommand, Status>>,
) {
    let mut ping = tokio::time::interval(PING_INTERVAL);
    let mut number = 0;
    let mut heard = tokio::time::Instant::now();
    loop {
        let command = tokio::select! {
            event = events.message() => match event {
                Ok(Some(event)) => {
                    heard = tokio::time::Instant::now();
                    take_event(core, client, attachment, event);
                    continue;
                }
                Ok(None) | Err(_) => return,
            },
            command = commands.recv() => match command {
                Some(command) => command,
                None => return,
            },
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE {
                    warn!(client, "the client has fallen silent");
                    return;
                }
                number += 1;
                ServerCommand { command: Some(Command::Ping(Ping { number })) }
            }
            () = attachment.detach.cancelled() => {
                let _ = out.send(Err(Status::aborted("the connection was replaced or the client revoked"))).await;
                return;
            }
            () = core.shutdown.cancelled() => return,
        };
        if out.send(Ok(command)).await.is_err() {
            return;
        }
    }
}

fn take_event(core: &Arc<Core>, client: &str, attachment: &Attachment, event: ClientEvent) {
    match event.event {
        Some(Event::Update(update)) => take_update(core, client, update),
        Some(Event::Sample(reply)) => attachment.sampled(reply),
        Some(Event::Condition(told)) => {
            take_condition(attachment, told);
            core.schedule.look_again();
        }
        Some(Event::Pong(_)) => {}
        Some(Event::Hello(_)) | None => warn!(client, "an event that makes no sense here was ignored"),
    }
}

fn take_condition(attachment: &Attachment, told: Condition) {
    attachment.set_condition(power(told.power()), link(told.link()));
}

fn power(told: condition::Power) -> Power {
    match told {
        condition::Power::Unknown => Power::Unknown,
        condition::Power::Mains => Power::Mains,
        condition::Power::Battery => Power::Battery,
    }
}

fn link(told: condition::Link) -> Link {
    match told {
        condition::Link::Unknown => Link::Unknown,
        condition::Link::Free => Link::Free,
        condition::Link::Metered => Link::Metered,
    }
}

fn take_update(core: &Arc<Core>, client: &str, update: JobUpdate) {
    let job = core.board.live(update.job_id);
    // A client may only speak of its own jobs; one that has just ended is no longer there.
    let is_its_own =
        |job: &Arc<LiveJob>| job.client == client && (is_backup(job.kind) || job.kind == JobKind::Restore);
    let Some(job) = job.filter(is_its_own) else {
        if let Some(Update::Log(line)) = update.update
            && line.level() != log_line::Level::Info
        {
            // Of what comes after the end of a job, such as a hook that fails, the log is the only witness.
            let text: String = line.text.chars().take(MAX_LOGGED_CHARS).collect();
            warn!(client, job = update.job_id, text, "the client warns");
        }
        return;
    };
    if job.kind == JobKind::Restore {
        if let Some(update) = update.update {
            asked::take(core, &job, update);
        }
        return;
    }
    match update.update {
        Some(Update::Progress(progress)) => job.progress(progress),
        Some(Update::Log(line)) => job.log(line),
        Some(Update::Failed(why)) => {
            warn!(client, job = %job.id, why, "the client could not make the backup");
            core.board.fail(&job, &Error::Client { why });
        }
        Some(Update::AwaitsConfirmation(_) | Update::Restored(_)) => {
            warn!(client, job = %job.id, "the client takes a backup for a restore");
        }
        None => {}
    }
}
