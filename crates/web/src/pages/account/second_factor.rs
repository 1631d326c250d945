//! The second factor: setting it up for oneself, and taking away one's own or that of others.

use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{BeginTotpReply, BeginTotpRequest, ConfirmTotpRequest, RemoveTotpRequest};

use super::whose::{Done, Named, Whose};
use crate::failure::Failure;
use crate::guard::Posted;
use crate::parts::form::{Field, key, problem};
use crate::parts::qr;
use crate::parts::question::Question;
use crate::visitor::User;

/// Where one's own is set up.
const OWN: &str = "/account/second-factor";

/// What was typed to begin or to end it.
#[derive(Deserialize)]
pub struct Proof {
    #[serde(default)]
    password: String,
}

/// The first code of an app.
#[derive(Deserialize)]
pub struct Code {
    code: String,
}

/// The first step: to begin, or to end it where there is one.
pub async fn show(user: User, named: Named) -> Markup {
    match Whose::of(&user, named) {
        Whose::Own => own(&user, None),
        others @ Whose::Others(_) => ask_remove(&user, &others, None),
    }
}

fn framed(user: &User, body: &Markup) -> Markup {
    let title = user.say("factor-title");
    Whose::Own.framed(user, &title, &html! { h1 { (title) } (body) })
}

fn own(user: &User, why: Option<&Markup>) -> Markup {
    let (step, address, style) = match user.account.has_totp {
        true => ("remove", format!("{OWN}/remove"), "danger"),
        false => ("begin", OWN.to_owned(), "main"),
    };
    let body = html! {
        section.card {
            (problem(why))
            p { (user.say(&format!("factor-{step}-about"))) }
            form.narrow method="post" action=(address) {
                (key(user))
                (Field { name: "password", label: &user.say("factor-password"), kind: "password", value: "",
                    autocomplete: "current-password", is_required: true }.show())
                button class=(style) { (user.say(&format!("factor-{step}"))) }
            }
        }
    };
    framed(user, &body)
}

/// The second step: the secret goes into an app.
pub async fn begin(Posted { visitor, form }: Posted<Proof>) -> Result<Markup, Failure> {
    let user = User::of(visitor).await?;
    let request = BeginTotpRequest {
        user: String::new(),
        password: form.password,
    };
    match user.services.accounts().begin_totp(request).await {
        Ok(begun) => Ok(secret(&user, &begun.into_inner())),
        Err(status) => Ok(own(&user, Some(&Failure::complaint(status, &user)?))),
    }
}

fn secret(user: &User, begun: &BeginTotpReply) -> Markup {
    let body = html! {
        section.card {
            p { (user.say("factor-scan")) }
            (qr::show(&begun.uri, &user.say("factor-qr")))
            p { (user.say("factor-type")) }
            pre.copy data-copied=(user.say("copied")) { code { (begun.secret) } }
            p { a href=(begun.uri) { (user.say("factor-open")) } }
            details {
                summary { (user.say("factor-address")) }
                pre.copy data-copied=(user.say("copied")) { code { (begun.uri) } }
            }
        }
        (code_form(user, None))
    };
    framed(user, &body)
}

fn code_form(user: &User, why: Option<&Markup>) -> Markup {
    html! {
        section.card {
            (problem(why))
            form.row method="post" action={ (OWN) "/confirm" } {
                (key(user))
                (Field { name: "code", label: &user.say("factor-code"), kind: "text", value: "",
                    autocomplete: "one-time-code", is_required: true }.show())
                button.main { (user.say("factor-confirm")) }
            }
        }
    }
}

/// The last step: a code of the app has come.
pub async fn confirm(Posted { visitor, form }: Posted<Code>) -> Result<Markup, Failure> {
    let user = User::of(visitor).await?;
    let request = ConfirmTotpRequest {
        user: String::new(),
        code: form.code,
    };
    match user.services.accounts().confirm_totp(request).await {
        Ok(confirmed) => {
            let codes = confirmed.into_inner().recovery_codes;
            let body = html! {
                section.card {
                    p.done role="status" { (user.say("factor-done")) }
                    p { (user.say("factor-recovery")) }
                    pre.copy data-copied=(user.say("copied")) { code { (codes.join("\n")) } }
                    p { a.button.main href="/account" { (user.say("factor-kept")) } }
                }
            };
            Ok(framed(&user, &body))
        }
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            let body = html! {
                (code_form(&user, Some(&why)))
                // The secret is shown once; whoever has not got it needs another.
                p { a href=(OWN) { (user.say("factor-anew")) } }
            };
            Ok(framed(&user, &body))
        }
    }
}

fn ask_remove(user: &User, whose: &Whose, why: Option<&Markup>) -> Markup {
    let (title, address) = (user.say("factor-remove-ask"), whose.address());
    let question = Question {
        title: &title,
        subject: &whose.user(),
        about: &user.say("factor-remove-others"),
        problem: why,
        go: (
            &format!("{address}/second-factor/remove"),
            &user.say("factor-remove"),
        ),
        back: &address,
    };
    whose.framed(user, &title, &question.show(user))
}

pub async fn remove(named: Named, Posted { visitor, form }: Posted<Proof>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let whose = Whose::of(&user, named);
    let request = RemoveTotpRequest {
        user: whose.user(),
        password: form.password,
    };
    match user.services.accounts().remove_totp(request).await {
        Ok(_) => Ok(whose.after(Done::SecondFactorRemoved)),
        Err(status) => {
            let why = Failure::complaint(status, &user)?;
            let page = match whose.is_own() {
                true => own(&user, Some(&why)),
                false => ask_remove(&user, &whose, Some(&why)),
            };
            Ok(page.into_response())
        }
    }
}
