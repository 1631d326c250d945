//! `notify …`

mod edit;

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wire::v1::audience::Tell as WireTell;
use wire::v1::new_channel::Carrier;
use wire::v1::{
    Audience, ChannelInfo, ChannelRef, ListChannelsRequest, ListMessagesRequest, MailCarrier, MessageInfo,
    NewChannel, PingCarrier, ReportOrder, WebhookCarrier,
};

use super::Context;
use super::secret_file::{STDIN, read, read_secret};
use crate::channel::AdminLink;
use crate::cli::{MailServer, MessageState, NotifyAddArgs, NotifyCommand, Tell};
use crate::failure::{Failure, Outcome};
use crate::output::table::{Side, Table};
use crate::output::{Shape, format};

pub async fn run(context: &Context, command: NotifyCommand) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let outcome = match command {
        NotifyCommand::List(args) => list(context, &link, args.shape()).await,
        NotifyCommand::Add(args) => add(context, &link, *args).await,
        NotifyCommand::Edit(args) => edit::run(context, &link, *args).await,
        NotifyCommand::Remove { name } => remove(&link, name).await,
        NotifyCommand::Test { name } => test(context, &link, name).await,
        NotifyCommand::Outbox { state, limit, output } => {
            outbox(context, &link, state, limit, output.shape()).await
        }
    };
    link.close().await;
    outcome
}

async fn add(context: &Context, link: &AdminLink, args: NotifyAddArgs) -> Result<Outcome> {
    let name = args.name.clone();
    let added = link.notify().add_channel(channel(args)?).await;
    added.with_context(|| format!("can't make the channel {name}"))?;
    let hint = format!("See whether it works with: perennial notify test {name}");
    context.console().note(&hint);
    Ok(Outcome::Done)
}

/// The channel that the arguments describe, with what is secret of it.
fn channel(args: NotifyAddArgs) -> Result<NewChannel> {
    check_stdin(args.secret_file.as_deref(), [&args.webhook, &args.ping])?;
    let secret = args.secret_file.as_deref().map(read_secret).transpose()?;
    let authority_pem = args.authority.as_deref().map(read).transpose()?;
    let carrier = match (args.mail, args.webhook, args.ping) {
        (Some(server), ..) => Carrier::Mail(mail(server, secret, args.from, args.to, args.hello)),
        (None, Some(url), _) => Carrier::Webhook(WebhookCarrier {
            url: address(url)?,
            form: args.form,
            secret,
        }),
        (None, None, url) => Carrier::Ping(PingCarrier {
            url: address(url.unwrap_or_default())?,
        }),
    };
    let report = args.report.map(|day| ReportOrder {
        on: word(day),
        hour: args.report_hour,
        only_failures: args.report_only_failures,
    });
    Ok(NewChannel {
        name: args.name,
        carrier: Some(carrier),
        authority_pem,
        audience: Some(Audience {
            tell: tell(args.tell).into(),
            except: args.except,
            clients: args.client,
            groups: args.group,
            report,
        }),
    })
}

fn tell(given: Tell) -> WireTell {
    match given {
        Tell::Failures => WireTell::Failures,
        Tell::Warnings => WireTell::Warnings,
        Tell::All => WireTell::All,
        Tell::Nothing => WireTell::Nothing,
    }
}

fn mail(
    server: MailServer,
    password: Option<String>,
    from: Option<String>,
    recipients: Vec<String>,
    hello: Option<String>,
) -> MailCarrier {
    MailCarrier {
        host: server.host,
        port: server.port.map(u32::from),
        security: server.security.to_owned(),
        user: server.user,
        password,
        from: from.unwrap_or_default(),
        recipients,
        hello,
    }
}

/// Refuses to read two things from stdin.
fn check_stdin(secret_file: Option<&Path>, addresses: [&Option<String>; 2]) -> Result<()> {
    let reads_address = addresses
        .into_iter()
        .any(|address| address.as_deref() == Some(STDIN));
    if reads_address && secret_file == Some(Path::new(STDIN)) {
        return Err(Failure::Usage("only one thing can be read from stdin".into()).into());
    }
    Ok(())
}

fn address(given: String) -> Result<String> {
    match given.as_str() {
        STDIN => read_secret(Path::new(STDIN)),
        _ => Ok(given),
    }
}

/// A secret: the file without the end of its last line.
fn word(value: impl ValueEnum) -> String {
    let value = value.to_possible_value().expect("none is hidden");
    value.get_name().to_owned()
}

async fn remove(link: &AdminLink, name: String) -> Result<Outcome> {
    let removed = link
        .notify()
        .remove_channel(ChannelRef { name: name.clone() })
        .await;
    removed.with_context(|| format!("can't remove the channel {name}"))?;
    Ok(Outcome::Done)
}

async fn test(context: &Context, link: &AdminLink, name: String) -> Result<Outcome> {
    let sent = link
        .notify()
        .test_channel(ChannelRef { name: name.clone() })
        .await;
    let refused = sent
        .with_context(|| format!("the message for {name} was not delivered"))?
        .into_inner()
        .refused;
    let console = context.console();
    for refusal in &refused {
        console.note(&format!("not delivered to {}", format::line(refusal)));
    }
    match refused.is_empty() {
        true => {
            console.note("The message was delivered.");
            Ok(Outcome::Done)
        }
        false => Ok(Outcome::WithProblems),
    }
}

async fn list(context: &Context, link: &AdminLink, shape: Shape) -> Result<Outcome> {
    let reply = link.notify().list_channels(ListChannelsRequest {}).await;
    let channels = reply.context("can't list the channels")?.into_inner().channels;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let views = channels.iter().map(|channel| channel_view(channel, zone));
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("CHANNEL", Side::Left),
        ("BY", Side::Left),
        ("TO", Side::Left),
        ("TELLS", Side::Left),
        ("OF", Side::Left),
        ("REPORTS", Side::Left),
        ("WAITING", Side::Right),
        ("LAST", Side::Left),
    ]);
    for channel in &channels {
        let audience = channel.audience.clone().unwrap_or_default();
        table.row([
            channel.name.clone(),
            channel.carrier.clone(),
            format::line(&channel.target),
            told(channel, &audience),
            format::line(&scope(&audience)),
            audience.report.as_ref().map(report).unwrap_or_default(),
            format::count(channel.waiting),
            channel
                .last
                .as_ref()
                .map(|last| outcome(last, zone))
                .unwrap_or_default(),
        ]);
    }
    if table.is_empty() {
        console.note("Nobody is told anything yet. Make a channel: perennial notify add --help");
    } else {
        console.result(&table.render())?;
    }
    Ok(Outcome::Done)
}

/// What a channel is told.
fn told(channel: &ChannelInfo, audience: &Audience) -> String {
    if channel.carrier == "ping" {
        return "backups".to_owned();
    }
    let level = level(audience);
    match audience.except.is_empty() {
        true => level.to_owned(),
        false => format!("{level}, not {}", audience.except.join(", ")),
    }
}

fn level(audience: &Audience) -> &'static str {
    match audience.tell() {
        WireTell::Failures => "failures",
        WireTell::Warnings => "warnings",
        WireTell::All => "all",
        WireTell::Nothing => "nothing",
    }
}

/// Whom it is told of.
fn scope(audience: &Audience) -> String {
    let groups = audience.groups.iter().map(|group| format!("group {group}"));
    let names: Vec<String> = audience.clients.iter().cloned().chain(groups).collect();
    match names.is_empty() {
        true => "all".to_owned(),
        false => names.join(", "),
    }
}

fn report(order: &ReportOrder) -> String {
    let only = if order.only_failures { ", on failures" } else { "" };
    format!("{} at {}:00{only}", order.on, order.hour)
}

/// What became of a message.
fn outcome(message: &MessageInfo, zone: &TimeZone) -> String {
    let at = format::time(message.ended_ms.unwrap_or(message.queued_ms), zone);
    match &message.error {
        Some(error) => format!("{at} {}: {}", message.state, format::line(error)),
        None => format!("{at} {}", message.state),
    }
}

async fn outbox(
    context: &Context,
    link: &AdminLink,
    state: Option<MessageState>,
    limit: u32,
    shape: Shape,
) -> Result<Outcome> {
    let request = ListMessagesRequest {
        state: state.map(word).unwrap_or_default().replace('-', " "),
        limit,
    };
    let reply = link.notify().list_messages(request).await;
    let messages = reply.context("can't list the messages")?.into_inner().messages;
    let console = context.console();
    let zone = console.zone();
    if shape == Shape::Json {
        let views = messages.iter().map(|message| message_view(message, zone));
        console.json(&views.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&[
        ("QUEUED", Side::Left),
        ("CHANNEL", Side::Left),
        ("STATE", Side::Left),
        ("MESSAGE", Side::Left),
        ("FAILED", Side::Right),
        ("NEXT TRY", Side::Left),
        ("ERROR", Side::Left),
    ]);
    for message in &messages {
        table.row([
            format::time(message.queued_ms, zone),
            message.channel.clone(),
            message.state.clone(),
            format::line(&message.title),
            format::count(message.failures.into()),
            message
                .next_try_ms
                .map(|at_ms| format::time(at_ms, zone))
                .unwrap_or_default(),
            format::line(message.error.as_deref().unwrap_or_default()),
        ]);
    }
    match table.is_empty() {
        true => console.note("There are no messages."),
        false => console.result(&table.render())?,
    }
    Ok(Outcome::Done)
}

fn channel_view(channel: &ChannelInfo, zone: &TimeZone) -> Value {
    let audience = channel.audience.clone().unwrap_or_default();
    json!({
        "name": channel.name,
        "carrier": channel.carrier,
        "target": channel.target,
        "tell": level(&audience),
        "except": audience.except,
        "clients": audience.clients,
        "groups": audience.groups,
        "report": audience.report.as_ref().map(|order| json!({
            "on": order.on,
            "hour": order.hour,
            "only_failures": order.only_failures,
        })),
        "created": format::rfc3339(channel.created_ms, zone),
        "waiting": channel.waiting,
        "last": channel.last.as_ref().map(|last| message_view(last, zone)),
    })
}

fn message_view(message: &MessageInfo, zone: &TimeZone) -> Value {
    json!({
        "id": message.id,
        "channel": message.channel,
        "state": message.state,
        "event": message.event,
        "title": message.title,
        "queued": format::rfc3339(message.queued_ms, zone),
        "failures": message.failures,
        "next_try": message.next_try_ms.and_then(|at_ms| format::rfc3339(at_ms, zone)),
        "ended": message.ended_ms.and_then(|at_ms| format::rfc3339(at_ms, zone)),
        "error": message.error,
    })
}
