//! The service for whom the server tells what happens: channels and the outbox.

mod edit;

use std::sync::Arc;

use catalog::{MessageState, OutboxMessage};
use notify::Secret;
use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::audience::Tell as WireTell;
use wire::v1::new_channel::Carrier as WireCarrier;
use wire::v1::notify_server::Notify;
use wire::v1::{
    AddChannelReply, Audience as WireAudience, ChannelEdit, ChannelInfo, ChannelRef, EditChannelReply,
    ListChannelsReply, ListChannelsRequest, ListMessagesReply, ListMessagesRequest, MessageInfo, NewChannel,
    RemoveChannelReply, ReportOrder as WireReport, TestChannelReply,
};

use crate::audit;
use crate::core::Core;
use crate::error::Error;
use crate::services::access::{actor_of, caller_of};
use crate::services::reply::blocking;
use crate::telling::{
    Audience, Carrier, ChannelEntry, ChannelSettings, Content, MailCarrier, PingCarrier, ReportDay,
    ReportOrder, ReportWhen, Tell, WebhookCarrier, is_event, test_message,
};

const MAX_NAME_CHARS: usize = 64;
/// Messages that are listed where nobody says how many.
const MESSAGES: u32 = 100;

/// Answers all that is about channels.
pub struct Service {
    core: Arc<Core>,
}

impl Service {
    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn channel(&self, name: &str) -> Result<ChannelEntry, Status> {
        let known = self.core.teller.channel(name);
        known.ok_or_else(|| Status::not_found(format!("there is no channel {name:?}")))
    }

    /// Refuses clients and groups that there are not: a name that was misspelt would keep a channel silent for ever.
    fn check_scope(&self, audience: &Audience) -> Result<(), Status> {
        for client in &audience.clients {
            self.core.catalog.client(client).map_err(Error::from)?;
        }
        let groups = self.core.catalog.groups().map_err(Error::from)?;
        let is_known = |name: &&String| groups.iter().any(|group| group.name == **name);
        match audience.groups.iter().find(|name| !is_known(name)) {
            Some(name) => Err(Status::not_found(format!("there is no group {name:?}"))),
            None => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl Notify for Service {
    async fn list_channels(
        &self,
        request: Request<ListChannelsRequest>,
    ) -> Result<Response<ListChannelsReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let catalog = &self.core.catalog;
        let channels = self.core.teller.channels();
        let infos = channels.iter().map(|channel| {
            let last = catalog.last_message(channel.id).map_err(Error::from)?;
            Ok(ChannelInfo {
                name: channel.name.clone(),
                carrier: channel.settings.carrier.word().to_owned(),
                target: channel.settings.carrier.target(),
                audience: Some(wire_audience(&channel.settings.audience)),
                created_ms: channel.created_ms,
                waiting: catalog.count_waiting(channel.id).map_err(Error::from)?,
                last: last.as_ref().map(view),
            })
        });
        let channels = infos.collect::<Result<_, Status>>()?;
        Ok(Response::new(ListChannelsReply { channels }))
    }

    async fn add_channel(&self, request: Request<NewChannel>) -> Result<Response<AddChannelReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let actor = actor_of(&request)?;
        let asked = request.into_inner();
        let name = asked.name.clone();
        check_name(&name)?;
        let settings = settings(asked)?;
        self.check_scope(&settings.audience)?;
        let detail = format!("{} to {}", settings.carrier.word(), settings.carrier.target());
        let (core, added) = (self.core.clone(), name.clone());
        blocking(move || core.teller.add(&added, &settings)).await?;
        audit::note(&self.core, &actor, "channel-add", &name, &detail);
        self.core.schedule.look_again();
        Ok(Response::new(AddChannelReply {}))
    }

    async fn edit_channel(
        &self,
        request: Request<ChannelEdit>,
    ) -> Result<Response<EditChannelReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let actor = actor_of(&request)?;
        let asked = request.into_inner();
        let name = asked.name.clone();
        let (settings, changed) = edit::edited(&self.channel(&name)?.settings, asked)?;
        self.check_scope(&settings.audience)?;
        let (core, edited) = (self.core.clone(), name.clone());
        blocking(move || core.teller.set(&edited, &settings)).await?;
        audit::note(&self.core, &actor, "channel-edit", &name, &changed.join(", "));
        self.core.schedule.look_again();
        Ok(Response::new(EditChannelReply {
            changed: changed.into_iter().map(str::to_owned).collect(),
        }))
    }

    async fn remove_channel(
        &self,
        request: Request<ChannelRef>,
    ) -> Result<Response<RemoveChannelReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let actor = actor_of(&request)?;
        let name = request.into_inner().name;
        self.core.teller.remove(&name)?;
        audit::note(&self.core, &actor, "channel-remove", &name, "");
        Ok(Response::new(RemoveChannelReply {}))
    }

    async fn test_channel(&self, request: Request<ChannelRef>) -> Result<Response<TestChannelReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let channel = self.channel(&request.into_inner().name)?;
        let core = self.core.clone();
        let sent = blocking(move || match test_message(&core.teller, &channel) {
            Ok(refused) => Ok(Ok(refused)),
            Err(failed) => Ok(Err(failed.chain())),
        });
        match sent.await? {
            Ok(refused) => Ok(Response::new(TestChannelReply { refused })),
            Err(why) => Err(Status::failed_precondition(why)),
        }
    }

    async fn list_messages(
        &self,
        request: Request<ListMessagesRequest>,
    ) -> Result<Response<ListMessagesReply>, Status> {
        caller_of(&request)?.may(&self.core, Right::Notify)?;
        let asked = request.into_inner();
        let state = match asked.state.as_str() {
            "" => None,
            word => Some(state_of(word)?),
        };
        let limit = if asked.limit == 0 { MESSAGES } else { asked.limit };
        let messages = self.core.catalog.messages(state, limit).map_err(Error::from)?;
        Ok(Response::new(ListMessagesReply {
            messages: messages.iter().map(view).collect(),
        }))
    }
}

fn state_of(word: &str) -> Result<MessageState, Status> {
    let states = [
        MessageState::Waiting,
        MessageState::Delivered,
        MessageState::GivenUp,
    ];
    let known = states.into_iter().find(|state| state.as_str() == word);
    known.ok_or_else(|| Status::invalid_argument(format!("there is no state {word:?}")))
}

fn check_name(name: &str) -> Result<(), Status> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.len() <= MAX_NAME_CHARS && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "{name:?} can't be a channel's name: letters, digits, \"-\", \"_\" and \".\" can, {MAX_NAME_CHARS} at most"
    )))
}

/// What a request sets for a channel.
fn settings(asked: NewChannel) -> Result<ChannelSettings, Status> {
    let authority_pem = asked.authority_pem;
    let carrier = match asked.carrier {
        Some(WireCarrier::Mail(mail)) => Carrier::Mail(MailCarrier {
            port: port(mail.port)?,
            host: mail.host,
            security: mail.security,
            user: mail.user,
            password: mail.password.map(Secret::new),
            from: mail.from,
            recipients: mail.recipients,
            hello: mail.hello,
            authority_pem,
        }),
        Some(WireCarrier::Webhook(webhook)) => Carrier::Webhook(WebhookCarrier {
            url: Secret::new(webhook.url),
            form: webhook.form,
            secret: webhook.secret.map(Secret::new),
            authority_pem,
        }),
        Some(WireCarrier::Ping(ping)) => Carrier::Ping(PingCarrier {
            url: Secret::new(ping.url),
            authority_pem,
        }),
        None => return Err(Status::invalid_argument("nothing says what carries the messages")),
    };
    Ok(ChannelSettings {
        carrier,
        audience: audience(asked.audience.unwrap_or_default())?,
    })
}

fn port(asked: Option<u32>) -> Result<Option<u16>, Status> {
    let port = asked.map(u16::try_from).transpose();
    port.map_err(|_| Status::invalid_argument("there is no such port"))
}

fn audience(asked: WireAudience) -> Result<Audience, Status> {
    check_events(&asked.except)?;
    Ok(Audience {
        tell: tell(asked.tell()),
        report: asked.report.map(report).transpose()?,
        except: asked.except.into_iter().collect(),
        clients: asked.clients.into_iter().collect(),
        groups: asked.groups.into_iter().collect(),
    })
}

fn tell(asked: WireTell) -> Tell {
    match asked {
        WireTell::Failures => Tell::Failures,
        WireTell::Warnings => Tell::Warnings,
        WireTell::All => Tell::All,
        WireTell::Nothing => Tell::Nothing,
    }
}

fn check_events(words: &[String]) -> Result<(), Status> {
    match words.iter().find(|word| !is_event(word)) {
        Some(word) => Err(Status::invalid_argument(format!("there is no event {word:?}"))),
        None => Ok(()),
    }
}

fn report(asked: WireReport) -> Result<ReportOrder, Status> {
    let on: ReportDay = serde_json::from_value(asked.on.clone().into()).map_err(|_| {
        Status::invalid_argument(format!("{:?} is neither daily nor a day of the week", asked.on))
    })?;
    let hour = u8::try_from(asked.hour).ok().filter(|hour| *hour < 24);
    Ok(ReportOrder {
        on,
        hour: hour.ok_or_else(|| Status::invalid_argument("hours go from 0 to 23"))?,
        when: match asked.only_failures {
            true => ReportWhen::OnFailures,
            false => ReportWhen::Always,
        },
    })
}

fn wire_audience(audience: &Audience) -> WireAudience {
    let tell = match audience.tell {
        Tell::Nothing => WireTell::Nothing,
        Tell::Failures => WireTell::Failures,
        Tell::Warnings => WireTell::Warnings,
        Tell::All => WireTell::All,
    };
    WireAudience {
        tell: tell.into(),
        except: audience.except.iter().cloned().collect(),
        clients: audience.clients.iter().cloned().collect(),
        groups: audience.groups.iter().cloned().collect(),
        report: audience.report.map(|order| WireReport {
            on: order.on.word().to_owned(),
            hour: order.hour.into(),
            only_failures: order.when == ReportWhen::OnFailures,
        }),
    }
}

fn view(message: &OutboxMessage) -> MessageInfo {
    let (event, title) = match serde_json::from_str(&message.content) {
        Ok(Content::Message(content)) => (content.event.to_string(), content.title),
        Ok(Content::Ping { signal, log }) => ("ping".to_owned(), format!("{signal}: {log}")),
        Err(_) => (String::new(), String::new()),
    };
    MessageInfo {
        id: message.id.0.unsigned_abs(),
        channel: message.channel_name.clone(),
        state: message.state.to_string(),
        event,
        title,
        queued_ms: message.queued_ms,
        failures: message.failures,
        next_try_ms: (message.state == MessageState::Waiting).then_some(message.next_try_ms),
        ended_ms: message.ended_ms,
        error: message.error.clone(),
    }
}
