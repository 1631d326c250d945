//! The API as a page: what calls there are, what they take and answer, and forms to try those that change nothing.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::HeaderMap;
use axum::response::{Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::comments::about;
use super::json::{Form, names, words};
use super::operation::{Answer, OPERATIONS, Operation};
use super::routes::Verb;
use super::schemas::{told, within};
use crate::Site;
use crate::failure::Failure;
use crate::parts::address::segment;
use crate::parts::packed;
use crate::parts::page::{Place, framed};
use crate::visitor::{User, Visitor};

/// The page, and where its forms lead.
pub fn routes() -> Router<Site> {
    Router::new()
        .route("/api", get(show))
        .route("/api/try/{operation}", get(try_out))
}

async fn show(user: User, headers: HeaderMap) -> Response {
    let title = user.say("api-title");
    let body = html! {
        h1 { (title) }
        section.card {
            p { (user.say("api-about")) }
            p { (user.say("api-cookie")) }
            div.row {
                a.button href="/api/v1/openapi.json" { (user.say("api-document")) }
                a.button href="/account/tokens/new" { (user.say("token-make")) }
            }
        }
        @for service in services() { (calls(&user, service)) }
        section.card {
            h2 { (user.say("api-messages")) }
            @for message in messages() {
                details id={ "message-" (message.name()) } {
                    summary { code { (message.name()) } }
                    @let said = about(&message.parent_file(), message.path());
                    @if !said.is_empty() { p { (said) } }
                    (table(&user, "api-fields", &rows(message.fields())))
                }
            }
        }
    };
    packed::page(&headers, framed(&user, Place::Account, &title, &body))
}

/// The services, in the order in which they come.
fn services() -> Vec<&'static str> {
    let mut services = Vec::new();
    for operation in OPERATIONS.iter() {
        if !services.contains(&operation.service()) {
            services.push(operation.service());
        }
    }
    services
}

/// Everything that calls take and answer with.
fn messages() -> Vec<MessageDescriptor> {
    let mut messages = Vec::new();
    for operation in OPERATIONS
        .iter()
        .filter(|operation| operation.answer != Answer::Content)
    {
        let output = operation.method.output();
        if !messages.contains(&output) {
            messages.push(output.clone());
        }
        within(output.fields(), &mut messages);
        within(operation.body.iter().cloned(), &mut messages);
    }
    messages.sort_by(|one, other| one.name().cmp(other.name()));
    messages
}

fn calls(user: &User, service: &str) -> Markup {
    let calls = OPERATIONS
        .iter()
        .filter(|operation| operation.service() == service);
    let calls: Vec<&Operation> = calls.collect();
    let descriptor = calls[0].method.parent_service();
    html! {
        section.card {
            h2 { (service) }
            @let said = about(&descriptor.parent_file(), descriptor.path());
            @if !said.is_empty() { p lang="en" { (said) } }
            @for operation in calls { (call(user, operation)) }
        }
    }
}

fn call(user: &User, operation: &Operation) -> Markup {
    let comment = operation.comment();
    let path = operation.parameters.iter().map(|parameter| Row {
        name: parameter.name.clone(),
        kind: kind(parameter.field(), Form::Plain),
        about: String::new(),
    });
    let query = operation.query.iter().map(|parameter| Row {
        name: parameter.name.clone(),
        kind: kind(parameter.field(), parameter.form),
        about: told(parameter.field(), parameter.form),
    });
    let parameters: Vec<Row> = path.chain(query).collect();
    html! {
        details id=(operation.id()) {
            summary { code { (operation.route.verb.word()) " " (operation.address) } " " span lang="en" { (operation.summary()) } }
            @if comment != operation.summary() { p lang="en" { (comment) } }
            @if !parameters.is_empty() { (table(user, "api-parameters", &parameters)) }
            @if !operation.body.is_empty() { (table(user, "api-body", &rows(operation.body.iter().cloned()))) }
            p { (user.say(answer_text(operation.answer))) " "
                @if operation.answer != Answer::Content { (link(&operation.method.output())) }
            }
            @if operation.route.verb == Verb::Get { (form(user, operation)) }
        }
    }
}

fn answer_text(answer: Answer) -> &'static str {
    match answer {
        Answer::Message => "api-answer",
        Answer::Lines => "api-lines",
        Answer::Content => "api-content",
    }
}

/// A form that leads to what a call answers.
fn form(user: &User, operation: &Operation) -> Markup {
    let required = operation
        .parameters
        .iter()
        .map(|parameter| (&parameter.name, true));
    let others = operation.query.iter().map(|parameter| (&parameter.name, false));
    html! {
        form.row method="get" action={ "/api/try/" (operation.id()) } {
            @for (name, is_required) in required.chain(others) {
                p.field {
                    label for={ (operation.id()) "-" (name) } { code { (name) } }
                    input id={ (operation.id()) "-" (name) } name=(name) autocomplete="off" required[is_required];
                }
            }
            button { (user.say("api-try")) }
        }
    }
}

/// A line about a parameter or a field.
struct Row {
    name: String,
    kind: Markup,
    about: String,
}

fn rows(fields: impl Iterator<Item = FieldDescriptor>) -> Vec<Row> {
    let named = fields.flat_map(|field| {
        names(&field)
            .into_iter()
            .map(move |(name, form)| (field.clone(), name, form))
    });
    named
        .map(|(field, name, form)| Row {
            name,
            kind: kind(&field, form),
            about: told(&field, form),
        })
        .collect()
}

fn table(visitor: &Visitor, caption: &str, rows: &[Row]) -> Markup {
    let caption = visitor.say(caption);
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) { table {
            thead { tr {
                th scope="col" { (caption) }
                th scope="col" { (visitor.say("api-kind")) }
                th scope="col" { (visitor.say("api-meaning")) }
            } }
            tbody { @for row in rows { tr {
                th scope="row" { code { (row.name) } }
                td { (row.kind) }
                td lang="en" { (row.about) }
            } } }
        } }
    }
}

/// What a value looks like.
fn kind(field: &FieldDescriptor, form: Form) -> Markup {
    html! {
        (one_kind(&field.kind(), form))
        @if field.is_list() { " []" }
    }
}

fn one_kind(kind: &Kind, form: Form) -> Markup {
    match kind {
        Kind::Message(message) if message.fields().len() > 0 => link(message),
        Kind::Message(_) => html! { "{}" },
        Kind::Enum(enumeration) => html! { (words(enumeration).join(" | ")) },
        Kind::Bool => html! { "true | false" },
        Kind::String => html! { "string" },
        Kind::Bytes if form == Form::Hex => html! { "hex" },
        Kind::Bytes => html! { "string" },
        number => html! { (format!("{number:?}")) },
    }
}

fn link(message: &MessageDescriptor) -> Markup {
    html! { a href={ "#message-" (message.name()) } { code { (message.name()) } } }
}

/// Leads from a form to the call: a form can't put what was typed into a path.
async fn try_out(
    visitor: Visitor,
    Path(id): Path<String>,
    Query(typed): Query<Vec<(String, String)>>,
) -> Result<Redirect, Failure> {
    let operation = OPERATIONS
        .iter()
        .find(|operation| operation.id() == id && operation.route.verb == Verb::Get)
        .ok_or_else(|| Failure::not_found().for_visitor(&visitor))?;
    Ok(Redirect::to(&filled(operation, typed)))
}

/// The address of a call with what was typed. What was left empty is not there.
fn filled(operation: &Operation, typed: Vec<(String, String)>) -> String {
    let mut address = operation.address.clone();
    let mut query = Vec::new();
    for (name, value) in typed.into_iter().filter(|(_, value)| !value.is_empty()) {
        match operation
            .parameters
            .iter()
            .any(|parameter| parameter.name == name)
        {
            true => address = address.replace(&format!("{{{name}}}"), &segment(&value)),
            false => query.push((name, value)),
        }
    }
    let query = serde_urlencoded::to_string(query).unwrap_or_default();
    match query.is_empty() {
        true => address,
        false => format!("{address}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_becomes_an_address() {
        let files = OPERATIONS
            .iter()
            .find(|operation| operation.id() == "backups_browse");
        let typed = [
            ("client", "web"),
            ("backup", "../?x"),
            ("path", "a b/ü"),
            ("recursive", ""),
        ];
        let typed = typed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let address = filled(files.expect("it is there"), typed.into());
        assert_eq!(
            address,
            "/api/v1/clients/web/backups/..%2F%3Fx/files?path=a+b%2F%C3%BC"
        );
    }
}
