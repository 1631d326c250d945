//! Whom the server tells what happens: the channels, and the messages that are on their way or have been.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::audience::Tell;
use wire::v1::{
    Audience, ChannelInfo, ChannelRef, ListChannelsRequest, ListMessagesRequest, MessageInfo, ReportOrder,
};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::address::segment;
use crate::parts::form::{button, row_button};
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::parts::say::time;
use crate::parts::table::Asked;
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::{User, Visitor};

/// So many messages of each state are looked at.
const MOST_MESSAGES: u32 = 5000;
/// The states of messages, each with its word in the texts.
const STATES: [(&str, &str); 3] = [
    ("waiting", "outbox-waiting"),
    ("delivered", "outbox-delivered"),
    ("given up", "outbox-given-up"),
];

/// Where a channel is worked on.
pub fn address(channel: &str) -> String {
    format!("/notifications/{}", segment(channel))
}

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let channels = channels(&user).await?;
    let messages = messages(&user).await?;
    let title = user.say("tabs-notifications");
    let body = html! {
        (Tab::Notifications.show(&user))
        div.heading { h1 { (title) } a.button.main href="/notifications/new" { (user.say("channels-add")) } }
        section {
            h2 { (user.say("channels")) }
            (channel_table(&user, &channels))
        }
        (outbox(&user, &asked, messages))
    };
    Ok(framed(&user, Place::Settings, &title, &body))
}

/// All channels.
pub async fn channels(user: &User) -> Result<Vec<ChannelInfo>, Failure> {
    let listed = user.services.notify().list_channels(ListChannelsRequest {}).await;
    Ok(listed.or_fail(user)?.channels)
}

/// The channel of a name.
pub async fn channel(user: &User, name: &str) -> Result<ChannelInfo, Failure> {
    let known = channels(user)
        .await?
        .into_iter()
        .find(|channel| channel.name == name);
    known.ok_or_else(|| Failure::not_found().for_visitor(user))
}

fn channel_table(user: &User, channels: &[ChannelInfo]) -> Markup {
    html! {
        @if channels.is_empty() { p.none { (user.say("channels-none")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("channels")) { table {
                thead { tr { @for head in ["name", "to", "tells", "of", "last", "do"] {
                    th scope="col" { (user.say(&format!("channels-{head}"))) }
                } } }
                tbody { @for channel in channels { (channel_row(user, channel)) } }
            } }
        }
    }
}

fn channel_row(user: &User, channel: &ChannelInfo) -> Markup {
    let audience = channel.audience.clone().unwrap_or_default();
    let at = address(&channel.name);
    html! {
        tr {
            th scope="row" { (channel.name) p.hint { (carrier(user, &channel.carrier)) } }
            td.long { (server_text::subject(user.language, &channel.target)) }
            td {
                (told(user, &channel.carrier, &audience))
                @if !audience.except.is_empty() { p.hint { (user.say("channels-except")) " " (events(user, &audience.except)) } }
                @if let Some(order) = &audience.report { p.hint { (report(user, order)) } }
            }
            td { (scope(user, &audience)) }
            td {
                @match &channel.last { Some(last) => { (fate(user, last)) } None => { span.none { "–" } } }
                @if channel.waiting > 0 {
                    p.hint { (user.language.say_with("channels-waiting", &[("count", channel.waiting.into())])) }
                }
            }
            td { div.buttons {
                (row_button(user, &format!("{at}/test"), &[], &user.say("channels-test"), &channel.name))
                a.button href={ (at) "/edit" } aria-label={ (user.say("channels-edit")) ": " (channel.name) } { (user.say("channels-edit")) }
                a.button.danger href={ (at) "/remove" } aria-label={ (user.say("channels-remove")) ": " (channel.name) } { (user.say("channels-remove")) }
            } }
        }
    }
}

/// What carries the messages: mail, a ping, or the form of a webhook.
pub fn carrier(visitor: &Visitor, word: &str) -> String {
    let key = format!("carrier-{word}");
    match visitor.language.has(&key) {
        true => visitor.say(&key),
        false => word.to_owned(),
    }
}

fn told(user: &User, carrier: &str, audience: &Audience) -> String {
    match carrier {
        "ping" => user.say("tell-pings"),
        _ => user.say(&format!("tell-{}", tell_word(audience.tell()))),
    }
}

/// How much a channel is told, as a word of forms.
pub fn tell_word(tell: Tell) -> &'static str {
    match tell {
        Tell::Failures => "failures",
        Tell::Warnings => "warnings",
        Tell::All => "all",
        Tell::Nothing => "nothing",
    }
}

/// An event in words.
pub fn event(visitor: &Visitor, word: &str) -> String {
    let keys = [format!("trouble-{word}"), format!("event-{word}")];
    let known = keys.iter().find(|key| visitor.language.has(key));
    known.map_or_else(|| word.to_owned(), |key| visitor.say(key))
}

fn events(visitor: &Visitor, words: &[String]) -> String {
    let events: Vec<_> = words.iter().map(|word| event(visitor, word)).collect();
    events.join(", ")
}

fn report(user: &User, order: &ReportOrder) -> String {
    let key = match order.only_failures {
        true => "channels-report-failures",
        false => "channels-report",
    };
    let day = user.say(&format!("day-{}", order.on));
    let values = [("day", day.into()), ("hour", format!("{}:00", order.hour).into())];
    user.language.say_with(key, &values)
}

fn scope(user: &User, audience: &Audience) -> Markup {
    let clients = audience.clients.iter();
    let groups = audience.groups.iter();
    html! {
        @if audience.clients.is_empty() && audience.groups.is_empty() { (user.say("channels-of-all")) }
        @else {
            ul.plain {
                @for client in clients { li { a href={ "/clients/" (segment(client)) } { (client) } } }
                @for group in groups { li { (user.say("account-group")) " " a href={ "/groups/" (segment(group)) } { (group) } } }
            }
        }
    }
}

/// What has become of a message.
fn fate(user: &User, message: &MessageInfo) -> Markup {
    html! {
        (state(user, &message.state)) " " (time(user, message.ended_ms.unwrap_or(message.queued_ms)))
        @if let Some(error) = &message.error { p.hint { (server_text::show(user.language, error)) } }
    }
}

fn state(visitor: &Visitor, word: &str) -> Markup {
    let text = STATES.iter().find(|(state, _)| *state == word);
    let style = match word {
        "delivered" => "fine",
        "given up" => "failing",
        _ => "late",
    };
    html! { span.badge.(style) { @match text { Some((_, key)) => { (visitor.say(key)) } None => { (word) } } } }
}

/// The messages of every state, the newest first. Each state is asked for on its own, so that many of one hide none of another.
async fn messages(user: &User) -> Result<Vec<MessageInfo>, Failure> {
    let mut messages = Vec::new();
    for (state, _) in STATES {
        let request = ListMessagesRequest {
            state: state.to_owned(),
            limit: MOST_MESSAGES,
        };
        let listed = user.services.notify().list_messages(request).await;
        messages.extend(listed.or_fail(user)?.messages);
    }
    messages.sort_by_key(|message| std::cmp::Reverse(message.id));
    Ok(messages)
}

fn is_found(asked: &Asked, message: &MessageInfo) -> bool {
    let needle = asked.q.to_lowercase();
    let texts = [&message.channel, &message.title, &message.event];
    (asked.only.is_empty() || message.state == asked.only)
        && texts.iter().any(|text| text.to_lowercase().contains(&needle))
}

fn outbox(user: &User, asked: &Asked, messages: Vec<MessageInfo>) -> Markup {
    let counted = |state: &str| messages.iter().filter(|message| message.state == state).count();
    let choices = STATES.map(|(state, key)| (state, user.say(key), counted(state)));
    let filters = asked.filters(user, messages.len(), &choices);
    let found = messages.into_iter().filter(|message| is_found(asked, message));
    let (rows, pages) = asked.page(found.collect::<Vec<_>>());
    html! {
        section.below {
            h2 { (user.say("outbox")) }
            div.tools { (filters) (asked.search(user, &user.say("outbox-find"))) }
            @if rows.is_empty() { p.none { (user.say("outbox-none")) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(user.say("outbox")) { table {
                    thead { tr { @for (head, class) in [("message", ""), ("channel", ""), ("state", ""), ("queued", ""), ("failures", "figure")] {
                        th.(class) scope="col" { (user.say(&format!("outbox-{head}"))) }
                    } } }
                    tbody { @for message in &rows { (message_row(user, message)) } }
                } }
            }
            (asked.pager(user, pages))
        }
    }
}

fn message_row(user: &User, message: &MessageInfo) -> Markup {
    html! {
        tr {
            td.long { span lang=[server_text::english(user.language)] { (message.title) } p.hint { (event(user, &message.event)) } }
            td { (message.channel) }
            td.long {
                (state(user, &message.state))
                @if let Some(next_ms) = message.next_try_ms { p.hint { (user.say("outbox-next")) " " (time(user, next_ms)) } }
                @if let Some(ended_ms) = message.ended_ms { p.hint { (time(user, ended_ms)) } }
                @if let Some(error) = &message.error { p.hint { (server_text::show(user.language, error)) } }
            }
            td { (time(user, message.queued_ms)) }
            td.figure { (user.language.number(message.failures.into())) }
        }
    }
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

/// Sends a message over a channel and shows what becomes of it.
pub async fn test(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Markup, Failure> {
    let request = ChannelRef { name: name.clone() };
    let problems = match visitor.services.notify().test_channel(request).await {
        Ok(reply) => {
            let refused = reply.into_inner().refused;
            refused
                .iter()
                .map(|why| server_text::show(visitor.language, why))
                .collect()
        }
        Err(status) => vec![Failure::complaint(status, &visitor)?],
    };
    let user = User::of(visitor).await?;
    let title = user
        .language
        .say_with("channels-test-of", &[("name", name.as_str().into())]);
    let body = html! {
        (Tab::Notifications.show(&user))
        h1 { (title) }
        section.card {
            (outcome(&user, &problems))
            div.row {
                (button(&user, &format!("{}/test", address(&name)), &user.say("channels-test-again"), ""))
                a.button href="/notifications" { (user.say("channels-back")) }
            }
        }
    };
    Ok(framed(&user, Place::Settings, &title, &body))
}

/// What has become of a test: who did not get it, or why nobody did.
fn outcome(user: &User, problems: &[Markup]) -> Markup {
    html! {
        @if problems.is_empty() { p.done role="status" { (user.say("channels-tested")) } }
        @else {
            div.problem role="alert" {
                p { (user.say("channels-test-failed")) }
                ul { @for problem in problems { li { (problem) } } }
            }
        }
    }
}

/// Asks whether a channel is really to go.
pub async fn ask_remove(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    let channel = channel(&user, &name).await?;
    let about = user
        .language
        .say_with("channels-remove-about", &[("count", channel.waiting.into())]);
    let title = user.say("channels-remove-ask");
    let question = Question {
        title: &title,
        subject: &name,
        about: &about,
        problem: None,
        go: (
            &format!("{}/remove", address(&name)),
            &user.say("channels-remove"),
        ),
        back: "/notifications",
    };
    let body = html! { (Tab::Notifications.show(&user)) (question.show(&user)) };
    Ok(framed(&user, Place::Settings, &title, &body))
}

pub async fn remove(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let removed = visitor
        .services
        .notify()
        .remove_channel(ChannelRef { name })
        .await;
    removed.or_fail(&visitor)?;
    Ok(Redirect::to("/notifications").into_response())
}
