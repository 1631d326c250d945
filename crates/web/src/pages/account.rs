//! One's own account: who one is, what one may, how the pages look.

use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use cookie::{Cookie, SameSite};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::ListSessionsRequest;
use wire::v1::access_scope::Scope;

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::form::{button, key};
use crate::parts::page::{Place, framed};
use crate::parts::say::time;
use crate::text::Language;
use crate::visitor::{LANGUAGE_COOKIE, THEME_COOKIE, Theme, User};

/// For how long a browser remembers how pages are to look.
const REMEMBERED: cookie::time::Duration = cookie::time::Duration::days(365);

pub async fn show(user: User) -> Result<Markup, Failure> {
    let request = ListSessionsRequest::default();
    let sessions = user.services.accounts().list_sessions(request).await;
    let sessions = sessions.or_fail(&user)?.sessions;
    let body = html! {
        div.heading { h1 { (user.account.user) } (button(&user, "/logout", &user.say("log-out"), "quiet")) }
        section.card {
            h2 { (user.say("account-may")) }
            @if user.account.grants.is_empty() { p { (user.say("account-nothing")) } }
            ul.plain {
                @for grant in &user.account.grants {
                    li { strong { (grant.role) } " · "
                        @match grant.scope.as_ref().and_then(|scope| scope.scope.as_ref()) {
                            Some(Scope::Group(group)) => { (user.say("account-group")) " " (group) }
                            Some(Scope::Client(client)) => { (user.say("account-client")) " " (client) }
                            _ => { (user.say("account-everything")) }
                        }
                    }
                }
            }
            p { (user.say(if user.account.has_totp { "account-totp" } else { "account-no-totp" })) }
        }
        (look(&user))
        section.card {
            h2 { (user.say("account-sessions")) }
            div.scroll tabindex="0" role="region" aria-label=(user.say("account-sessions")) { table {
                thead { tr {
                    @for head in ["since", "used", "from", "with"] { th scope="col" { (user.say(&format!("session-{head}"))) } }
                } }
                tbody {
                    @for session in &sessions {
                        tr {
                            td { (time(&user, session.created_ms)) @if session.is_this { " " span.badge { (user.say("session-this")) } } }
                            td { (time(&user, session.last_used_ms)) }
                            td { (session.address) }
                            td.long { (session.program) }
                        }
                    }
                }
            } }
        }
    };
    Ok(framed(&user, Place::Account, &user.say("menu-account"), &body))
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
