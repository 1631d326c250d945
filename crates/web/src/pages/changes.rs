//! Who changed what, when and from where.

use axum::extract::Query;
use maud::{Markup, html};
use wire::v1::{ChangeRecord, ListChangesRequest};

use crate::failure::{Failure, OrFail as _};
use crate::parts::page::{Place, framed};
use crate::parts::say::exact_time;
use crate::parts::table::Asked;
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::User;

/// How far back one looks.
const MOST_CHANGES: u32 = 5000;

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let request = ListChangesRequest {
        limit: MOST_CHANGES,
        subject: String::new(),
    };
    let changes = user.services.settings().list_changes(request).await;
    let changes = changes.or_fail(&user)?.changes;
    let needle = asked.q.to_lowercase();
    let is_found = |change: &ChangeRecord| {
        let texts = [
            &change.who,
            &change.action,
            &change.subject,
            &change.detail,
            &change.origin,
        ];
        texts.iter().any(|text| text.to_lowercase().contains(&needle))
    };
    let (rows, pages) = asked.page(changes.into_iter().filter(is_found).collect::<Vec<_>>());
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
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Changes, &title, &body))
}
