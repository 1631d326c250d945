//! Another password, for oneself or for others.

use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::SetPasswordRequest;

use super::whose::{Done, Named, Whose};
use crate::failure::Failure;
use crate::guard::Posted;
use crate::parts::form::{Field, key, problem};
use crate::visitor::User;

pub async fn show(user: User, named: Named) -> Markup {
    page(&user, &Whose::of(&user, named), None)
}

fn page(user: &User, whose: &Whose, why: Option<&Markup>) -> Markup {
    let title = user.say("password-title");
    let field = |name: &'static str, autocomplete: &'static str| {
        let label = user.say(&format!("password-{name}"));
        Field {
            name,
            label: &label,
            kind: "password",
            value: "",
            autocomplete,
            is_required: true,
        }
        .show()
    };
    let body = html! {
        h1 { (title) }
        section.card {
            (problem(why))
            form.narrow method="post" action={ (whose.address()) "/password" } {
                (key(user))
                @if whose.is_own() { (field("current", "current-password")) }
                (field("new", "new-password"))
                p.hint { (user.say("password-hint")) }
                (field("again", "new-password"))
                button.main { (user.say("password-go")) }
            }
        }
    };
    whose.framed(user, &title, &body)
}

/// What was typed.
#[derive(Deserialize)]
pub struct Typed {
    #[serde(default)]
    current: String,
    new: String,
    again: String,
}

pub async fn set(named: Named, Posted { visitor, form }: Posted<Typed>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let whose = Whose::of(&user, named);
    if form.new != form.again {
        let why = html! { (user.say("welcome-differ")) };
        return Ok(page(&user, &whose, Some(&why)).into_response());
    }
    let request = SetPasswordRequest {
        user: whose.user(),
        password: form.new,
        current: form.current,
    };
    match user.services.accounts().set_password(request).await {
        Ok(_) => Ok(whose.after(Done::Password)),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            Ok(page(&user, &whose, Some(&why)).into_response())
        }
    }
}
