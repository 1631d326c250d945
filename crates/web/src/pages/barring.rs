//! What becomes of a client: whether it may connect, and whether it stays with all its backups.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::settings_owner::Owner;
use wire::v1::{ClientInfo, ClientRef, Everybody, ExplainRequest, ListClientsRequest, SettingsOwner};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::naming;
use crate::parts::form::button;
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::visitor::User;

/// The setting that says how long a client that is removed can be taken back.
const KEEP: &str = "removed_keep";

/// A client by its name, if somebody sees it.
pub async fn client_named(user: &User, name: &str) -> Result<ClientInfo, Failure> {
    let only = ListClientsRequest {
        name: name.to_owned(),
    };
    let listed = user.services.admin().list_clients(only).await;
    let mut clients = listed.or_fail(user)?.clients.into_iter();
    clients
        .find(|client| client.name == name)
        .ok_or_else(|| Failure::not_found().for_visitor(user))
}

/// Where something about a client is done.
fn address(name: &str, deed: &str) -> String {
    format!("/clients/{name}/{deed}")
}

/// What is said of a client that may not connect, with what undoes it.
pub fn notice(user: &User, client: &ClientInfo) -> Markup {
    let told = |text: &str, at_ms: i64| {
        let values = [
            ("since", user.language.time(at_ms).into()),
            ("until", user.language.time(client.goes_ms).into()),
            ("count", client.backups.into()),
            ("shown", user.language.number(client.backups).into()),
        ];
        user.language.say_with(text, &values)
    };
    let does = |deed: &str| {
        let text = user.say(&format!("client-{deed}"));
        button(user, &address(&client.name, deed), &text, "main")
    };
    html! {
        @if client.removed_ms > 0 {
            div.notice.bad role="status" { p { (told("client-is-removed", client.removed_ms)) } (does("take-back")) }
        } @else if client.disabled_ms > 0 {
            div.notice role="status" { p { (told("client-is-disabled", client.disabled_ms)) } (does("enable")) }
        }
    }
}

/// What bars a client that nothing bars yet, and what removes it.
pub fn actions(user: &User, client: &ClientInfo) -> Markup {
    html! {
        @if client.removed_ms == 0 {
            section.card {
                h2 { (user.say("client-barring")) }
                (naming::form(user, client, None))
                p.hint { (user.say("client-barring-about")) }
                div.row {
                    @if client.disabled_ms == 0 {
                        (button(user, &address(&client.name, "disable"), &user.say("client-disable"), ""))
                    }
                    a.button.danger href=(address(&client.name, "remove")) { (user.say("client-remove")) }
                }
            }
        }
    }
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn disable(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = ClientRef { name: name.clone() };
    let mut clients = visitor.services.clients();
    clients.disable(request).await.or_fail(&visitor)?;
    Ok(back_to(&name))
}

pub async fn enable(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = ClientRef { name: name.clone() };
    let mut clients = visitor.services.clients();
    clients.enable(request).await.or_fail(&visitor)?;
    Ok(back_to(&name))
}

pub async fn take_back(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = ClientRef { name: name.clone() };
    let mut clients = visitor.services.clients();
    clients.take_back(request).await.or_fail(&visitor)?;
    Ok(back_to(&name))
}

fn back_to(name: &str) -> Response {
    Redirect::to(&format!("/clients/{name}")).into_response()
}

/// Asks whether a client is really to be removed.
pub async fn ask_remove(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    asked(&user, &name, None).await
}

async fn asked(user: &User, name: &str, problem: Option<&Markup>) -> Result<Markup, Failure> {
    let client = client_named(user, name).await?;
    let values = [
        ("count", client.backups.into()),
        ("shown", user.language.number(client.backups).into()),
    ];
    let about = user.language.say_with("client-remove-about", &values);
    let kept = match kept_for(user).await {
        Some(keep) => user
            .language
            .say_with("client-remove-kept", &[("keep", keep.into())]),
        None => user.say("client-remove-kept-unknown"),
    };
    let title = user.say("client-remove-ask");
    let body = Question {
        title: &title,
        subject: name,
        about: &format!("{about} {kept}"),
        problem,
        go: (&address(name, "remove"), &user.say("client-remove-go")),
        back: &format!("/clients/{name}"),
    }
    .show(user);
    Ok(framed(user, Place::Clients, &title, &body))
}

/// For how long a removed client can be taken back, as the setting has it; nothing for who may not see it.
async fn kept_for(user: &User) -> Option<String> {
    let request = ExplainRequest {
        owner: Some(SettingsOwner {
            owner: Some(Owner::Server(Everybody {})),
        }),
    };
    let explained = user.services.settings().explain(request).await;
    let mut settings = explained.ok()?.into_inner().settings.into_iter();
    let found = settings.find(|setting| setting.key == KEEP)?;
    Some(found.value)
}

pub async fn remove(
    Path(name): Path<String>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let request = ClientRef { name: name.clone() };
    let removed = visitor.services.clients().remove(request).await;
    let Err(status) = removed else {
        return Ok(back_to(&name));
    };
    let problem = Failure::complaint(status, &visitor)?;
    let user = User::of(visitor).await?;
    Ok(asked(&user, &name, Some(&problem)).await?.into_response())
}
