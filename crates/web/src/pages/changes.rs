//! Who changed what, when and from where.

use axum::extract::Query;
use maud::{Markup, html};
use wire::v1::ListChangesRequest;

use crate::failure::{Failure, OrFail as _};
use crate::parts::page::{Place, framed};
use crate::parts::say::exact_time;
use crate::parts::table::{Asked, ONE_MORE};
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::User;

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let request = ListChangesRequest {
        limit: ONE_MORE,
        before: asked.before,
        text: asked.q.clone(),
        ..ListChangesRequest::default()
    };
    let changes = user.services.settings().list_changes(request).await;
    let changes = changes.or_fail(&user)?.changes;
    let (rows, links) = asked.back(&user, changes, |change| change.id);
    let title = user.say("menu-changes");
    let body = html! {
        (Tab::Changes.show(&user))
        h1 { (title) }
        div.tools { (asked.search(&user, &user.say("changes-find"))) }
        @if rows.is_empty() { p.none { (user.say("changes-none")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(title) { table {
                thead { tr { @for head in ["when", "who", "what", "subject", "detail"] { th scope="col" { (user.say(&format!("changes-{head}"))) } } } }
                tbody { @for change in &rows { tr {
                    td { (exact_time(&user, change.at_ms)) }
                    td { (server_text::show(user.language, &change.who)) p.hint { (server_text::subject(user.language, &change.origin)) } }
                    td lang=[server_text::english(user.language)] { (change.action) }
                    td { (server_text::subject(user.language, &change.subject)) }
                    td.long { (server_text::show(user.language, &change.detail)) }
                } } }
            } }
        }
        (links)
    };
    Ok(framed(&user, Place::Changes, &title, &body))
}
