//! What people call a client.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{ClientInfo, RenameClientRequest};

use crate::failure::Failure;
use crate::guard::Posted;
use crate::pages::barring::client_named;
use crate::parts::form::{key, problem};
use crate::parts::page::{Place, framed};
use crate::visitor::{User, Visitor};

/// What a client is called: what people say, with its name beside that.
pub fn called(client: &ClientInfo) -> Markup {
    html! {
        @match client.display_name.as_str() {
            "" => (client.name),
            shown => { bdi { (shown) } " " span.hint { (client.name) } },
        }
    }
}

/// The form by which a client gets another name to be shown by.
pub fn form(visitor: &Visitor, client: &ClientInfo, typed: Option<&str>) -> Markup {
    let typed = typed.unwrap_or(&client.display_name);
    html! {
        form.row method="post" action={ "/clients/" (client.name) "/rename" } {
            (key(visitor))
            p.field {
                label for="display-name" { (visitor.say("client-shown-as")) }
                input id="display-name" name="display_name" type="text" value=(typed) maxlength="64" placeholder=(client.name) autocomplete="off";
            }
            button { (visitor.say("client-rename")) }
        }
        p.hint { (visitor.language.say_with("client-rename-about", &[("name", client.name.as_str().into())])) }
    }
}

#[derive(Deserialize)]
pub struct Named {
    display_name: String,
}

pub async fn rename(
    Path(name): Path<String>,
    Posted { visitor, form: typed }: Posted<Named>,
) -> Result<Response, Failure> {
    let request = RenameClientRequest {
        name: name.clone(),
        display_name: typed.display_name.clone(),
    };
    let Err(status) = visitor.services.clients().rename(request).await else {
        return Ok(Redirect::to(&format!("/clients/{name}")).into_response());
    };
    let why = Failure::complaint(status, &visitor)?;
    let user = User::of(visitor).await?;
    let client = client_named(&user, &name).await?;
    let title = user.say("client-rename");
    let body = html! {
        h1 { (title) }
        section.card { (problem(Some(&why))) (form(&user, &client, Some(&typed.display_name))) }
    };
    Ok(framed(&user, Place::Clients, &title, &body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_a_client_can_not_run_nor_turn_what_is_beside_it() {
        let client = ClientInfo {
            name: "pc-17".into(),
            display_name: "<b>\u{202e}Anna".into(),
            ..ClientInfo::default()
        };
        let shown = called(&client).into_string();
        assert_eq!(
            shown,
            "<bdi>&lt;b&gt;\u{202e}Anna</bdi> <span class=\"hint\">pc-17</span>"
        );
        let plain = ClientInfo {
            name: "pc-17".into(),
            ..ClientInfo::default()
        };
        assert_eq!(called(&plain).into_string(), "pc-17");
    }
}
