//! Logging in and out, and the first visit of all.

use axum::extract::Query;
use axum::http::header::SET_COOKIE;
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use cookie::{Cookie, SameSite};
use maud::{Markup, html};
use serde::Deserialize;
use tonic::Code;
use wire::v1::log_in_reply::End;
use wire::v1::{AskSetUpRequest, LogInReply, LogInRequest, LogOutRequest, SetUpRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::form::{Field, key, problem};
use crate::parts::page::{Page, bare};
use crate::server_text;
use crate::visitor::{SESSION_COOKIE, Visitor};

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize)]
pub struct Asked {
    #[serde(default)]
    next: String,
}

/// What was typed.
#[derive(Deserialize)]
pub struct LogInForm {
    user: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    next: String,
}

/// What was typed at the first visit.
#[derive(Deserialize)]
pub struct SetUpForm {
    code: String,
    user: String,
    password: String,
    again: String,
}

/// A log-in that is not complete.
#[derive(Default)]
struct Tried<'a> {
    user: &'a str,
    next: &'a str,
    /// The password was right.
    wants_code: bool,
    problem: Option<Markup>,
}

/// The log-in; where there are no users, the first visit.
pub async fn show(visitor: Visitor, Query(asked): Query<Asked>) -> Result<Response, Failure> {
    let state = visitor.services.accounts().ask_set_up(AskSetUpRequest {}).await;
    if state.or_fail(&visitor)?.is_awaited {
        return Ok(Redirect::to("/welcome").into_response());
    }
    let tried = Tried {
        next: &asked.next,
        ..Tried::default()
    };
    Ok(form(&visitor, &tried).into_response())
}

fn form(visitor: &Visitor, tried: &Tried<'_>) -> Markup {
    let page = Page::titled(visitor, visitor.say("log-in"));
    let body = html! {
        h1.unseen { (page.title) }
        (problem(tried.problem.as_ref()))
        form method="post" action="/login" {
            (key(visitor))
            input type="hidden" name="next" value=(tried.next);
            (Field { name: "user", label: &visitor.say("log-in-user"), kind: "text", value: tried.user,
                autocomplete: "username", is_required: true }.show())
            (Field { name: "password", label: &visitor.say("log-in-password"), kind: "password", value: "",
                autocomplete: "current-password", is_required: true }.show())
            @if tried.wants_code {
                (Field { name: "code", label: &visitor.say("log-in-code"), kind: "text", value: "",
                    autocomplete: "one-time-code", is_required: true }.show())
                p.hint { (visitor.say("log-in-code-hint")) }
            }
            button.main { (page.title) }
        }
    };
    bare(&page, &body)
}

/// Logs somebody in.
pub async fn log_in(Posted { visitor, form: typed }: Posted<LogInForm>) -> Result<Response, Failure> {
    let request = LogInRequest {
        user: typed.user.clone(),
        password: typed.password,
        code: typed.code,
        program: visitor.program.clone(),
    };
    let answer = visitor.services.accounts().log_in(request).await;
    let mut tried = Tried {
        user: &typed.user,
        next: &typed.next,
        ..Tried::default()
    };
    match answer {
        Ok(reply) => match reply.into_inner() {
            LogInReply {
                end: Some(End::LoggedIn(done)),
            } => return Ok(enter(&done.token, &typed.next)),
            _ => tried.wants_code = true,
        },
        Err(status) => match status.code() {
            Code::Unauthenticated | Code::PermissionDenied | Code::ResourceExhausted | Code::Unavailable => {
                tried.problem = Some(server_text::show(visitor.language, status.message()));
            }
            _ => return Err(Failure::of(status).for_visitor(&visitor)),
        },
    }
    Ok(form(&visitor, &tried).into_response())
}

/// Begins a session in the browser.
fn enter(token: &str, next: &str) -> Response {
    let cookie = Cookie::build((SESSION_COOKIE, token))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax);
    let headers = AppendHeaders([(SET_COOKIE, cookie.build().to_string())]);
    (headers, Redirect::to(own_page(next))).into_response()
}

/// The page to go to, which must be one of ours.
fn own_page(next: &str) -> &str {
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\n', '\r']);
    if is_ours { next } else { "/" }
}

/// Ends the session.
pub async fn log_out(Posted { visitor, .. }: Posted<Asked>) -> Result<Response, Failure> {
    // One that has ended already is as good.
    let _ = visitor.services.accounts().log_out(LogOutRequest {}).await;
    let cookie = Cookie::build((SESSION_COOKIE, ""))
        .path("/")
        .secure(true)
        .http_only(true)
        .max_age(cookie::time::Duration::ZERO);
    let headers = AppendHeaders([(SET_COOKIE, cookie.build().to_string())]);
    Ok((headers, Redirect::to("/login")).into_response())
}

/// The first visit.
pub async fn welcome(visitor: Visitor) -> Result<Response, Failure> {
    let state = visitor.services.accounts().ask_set_up(AskSetUpRequest {}).await;
    match state.or_fail(&visitor)?.is_awaited {
        true => Ok(set_up_form(&visitor, "", None).into_response()),
        false => Ok(Redirect::to("/login").into_response()),
    }
}

fn set_up_form(visitor: &Visitor, user: &str, why: Option<&Markup>) -> Markup {
    let page = Page::titled(visitor, visitor.say("welcome"));
    let field = |name: &'static str, kind: &'static str, value: &str, autocomplete: &'static str| {
        let label = visitor.say(&format!("welcome-{name}"));
        Field {
            name,
            label: &label,
            kind,
            value,
            autocomplete,
            is_required: true,
        }
        .show()
    };
    let body = html! {
        h1 { (page.title) }
        p { (visitor.say("welcome-about")) }
        (problem(why))
        form method="post" action="/welcome" {
            (key(visitor))
            (field("code", "text", "", "off"))
            p.hint { (visitor.say("welcome-code-hint")) " " code { "perennial status" } }
            (field("user", "text", user, "username"))
            (field("password", "password", "", "new-password"))
            (field("again", "password", "", "new-password"))
            button.main { (visitor.say("welcome-go")) }
        }
    };
    bare(&page, &body)
}

/// Adds the first user and logs him in.
pub async fn set_up(Posted { visitor, form: typed }: Posted<SetUpForm>) -> Result<Response, Failure> {
    if typed.password != typed.again {
        let why = html! { (visitor.say("welcome-differ")) };
        return Ok(set_up_form(&visitor, &typed.user, Some(&why)).into_response());
    }
    let request = SetUpRequest {
        code: typed.code,
        user: typed.user.clone(),
        password: typed.password,
        program: visitor.program.clone(),
    };
    match visitor.services.accounts().set_up(request).await {
        Ok(reply) => match reply.into_inner().end {
            Some(End::LoggedIn(done)) => Ok(enter(&done.token, "/new-client")),
            _ => Ok(Redirect::to("/login").into_response()),
        },
        Err(status) if status.code() == Code::Internal => Err(Failure::of(status).for_visitor(&visitor)),
        Err(status) => {
            let why = server_text::show(visitor.language, status.message());
            Ok(set_up_form(&visitor, &typed.user, Some(&why)).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::own_page;

    #[test]
    fn nobody_is_sent_elsewhere() {
        assert_eq!(own_page("/clients?only=late"), "/clients?only=late");
        for elsewhere in ["", "https://evil", "//evil", "/\\evil", "javascript:alert(1)"] {
            assert_eq!(own_page(elsewhere), "/", "{elsewhere}");
        }
    }
}
