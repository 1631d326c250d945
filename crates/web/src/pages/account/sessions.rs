//! The sessions of an account, and ending them.

use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{EndSessionRequest, ListSessionsRequest, SessionInfo};

use super::whose::{Named, Whose};
use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::parts::form::row_button;
use crate::parts::say::time;
use crate::visitor::User;

/// The sessions of an account, as a part of its page.
pub async fn list(user: &User, whose: &Whose) -> Result<Markup, Failure> {
    let request = ListSessionsRequest {
        user: whose.user(),
        all: false,
    };
    let listed = user.services.accounts().list_sessions(request).await;
    let sessions = listed.or_fail(user)?.sessions;
    let title = user.say(if whose.is_own() {
        "account-sessions"
    } else {
        "user-sessions"
    });
    Ok(html! {
        section.card {
            h2 { (title) }
            @if sessions.is_empty() { p.none { (user.say("session-none")) } }
            @else {
                div.scroll tabindex="0" role="region" aria-label=(title) { table {
                    thead { tr {
                        @for head in ["since", "used", "from", "with"] { th scope="col" { (user.say(&format!("session-{head}"))) } }
                        td {}
                    } }
                    tbody { @for session in &sessions { (row(user, whose, session)) } }
                } }
            }
        }
    })
}

fn row(user: &User, whose: &Whose, session: &SessionInfo) -> Markup {
    let end = || {
        let address = format!("{}/sessions/end", whose.address());
        let id = session.id.to_string();
        let about = format!("{} {}", session.address, session.program);
        row_button(user, &address, &[("id", &id)], &user.say("session-end"), &about)
    };
    html! {
        tr {
            td { (time(user, session.created_ms)) @if session.is_this { " " span.badge { (user.say("session-this")) } } }
            td { (time(user, session.last_used_ms)) }
            td { (session.address) }
            td.long { (session.program) }
            // This one ends with the log-out.
            td.does { @if !session.is_this { (end()) } }
        }
    }
}

/// Which session is to end.
#[derive(Deserialize)]
pub struct Chosen {
    id: u64,
}

pub async fn end(named: Named, Posted { visitor, form }: Posted<Chosen>) -> Result<Response, Failure> {
    let user = User::of(visitor).await?;
    let request = EndSessionRequest { id: form.id };
    let ended = user.services.accounts().end_session(request).await;
    ended.or_fail(&user)?;
    Ok(Whose::of(&user, named).back())
}
