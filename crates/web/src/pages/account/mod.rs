//! One's own account: who one is, what one may, how the pages look. What can be changed of others' accounts too is in the modules below.

pub mod password;
pub mod second_factor;
pub mod sessions;
pub mod tokens;
pub mod whose;

use axum::extract::Query;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use cookie::{Cookie, SameSite};
use maud::{Markup, html};
use serde::Deserialize;

use self::whose::{Told, Whose};
use crate::failure::Failure;
use crate::guard::Posted;
use crate::parts::access::told;
use crate::parts::form::{button, key};
use crate::parts::page::{Place, framed};
use crate::text::Language;
use crate::visitor::{LANGUAGE_COOKIE, THEME_COOKIE, Theme, User};

/// For how long a browser remembers how pages are to look.
const REMEMBERED: cookie::time::Duration = cookie::time::Duration::days(365);

pub async fn show(user: User, Query(asked): Query<Told>) -> Result<Markup, Failure> {
    let body = html! {
        div.heading { h1 { (user.account.user) } (button(&user, "/logout", &user.say("log-out"), "quiet")) }
        (asked.show(&user))
        section.card {
            h2 { (user.say("account-may")) }
            @if user.account.grants.is_empty() { p { (user.say("account-nothing")) } }
            ul.plain {
                @for grant in &user.account.grants {
                    li { strong { (grant.role) } " · " (told(&user, grant.scope.as_ref())) }
                }
            }
        }
        (proofs(&user))
        (look(&user))
        (sessions::list(&user, &Whose::Own).await?)
        (tokens::list(&user, &Whose::Own).await?)
    };
    Ok(framed(&user, Place::Account, &user.say("menu-account"), &body))
}

/// How one proves who one is.
fn proofs(user: &User) -> Markup {
    let account = &user.account;
    let left = [("count", account.recovery_codes.into())];
    html! {
        section.card {
            h2 { (user.say("account-proofs")) }
            p {
                (user.say(if account.has_totp { "account-totp" } else { "account-no-totp" }))
                @if account.has_totp { " " (user.language.say_with("account-recovery-codes", &left)) }
            }
            div.row {
                a.button href="/account/password" { (user.say("password-title")) }
                a.button href="/account/second-factor" { (user.say(if account.has_totp { "factor-remove" } else { "factor-begin" })) }
            }
        }
    }
}

fn look(user: &User) -> Markup {
    html! {
        section.card {
            h2 { (user.say("account-look")) }
            form.row method="post" action="/account/look" {
                (key(user))
                p.field {
                    label for="language" { (user.say("account-language")) }
                    select id="language" name="language" {
                        @for language in Language::ALL {
                            option value=(language.tag()) selected[language == user.language] { (language.name()) }
                        }
                    }
                }
                p.field {
                    label for="theme" { (user.say("account-theme")) }
                    select id="theme" name="theme" {
                        @for theme in Theme::ALL {
                            option value=(theme.word()) selected[theme == user.theme] { (user.say(&format!("theme-{}", theme.word()))) }
                        }
                    }
                }
                button { (user.say("save")) }
            }
        }
    }
}

/// How the pages are to look.
#[derive(Deserialize)]
pub struct Look {
    language: String,
    theme: String,
}

pub async fn set_look(Posted { form, .. }: Posted<Look>) -> Response {
    let chosen = [
        (
            LANGUAGE_COOKIE,
            Language::of_tag(&form.language).map(Language::tag),
        ),
        (THEME_COOKIE, Theme::of_word(&form.theme).map(Theme::word)),
    ];
    let cookies = chosen.into_iter().filter_map(|(name, value)| {
        let cookie = Cookie::build((name, value?))
            .path("/")
            .secure(true)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(REMEMBERED);
        Some((SET_COOKIE, cookie.build().to_string()))
    });
    let headers = AppendHeaders(cookies.collect::<Vec<_>>());
    (headers, Redirect::to("/account")).into_response()
}
