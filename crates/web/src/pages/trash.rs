//! The trash: backups that were deleted and can still be had back.

use axum::extract::Query;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{ListTrashRequest, TrashedBackup};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::backup;
use crate::parts::form::row_button;
use crate::parts::page::{Place, framed};
use crate::parts::question::Question;
use crate::parts::say::{exact_time, time};
use crate::parts::table::Asked;
use crate::parts::tabs::Tab;
use crate::visitor::User;

/// What the list is sorted by if nothing is said: what goes for good first.
const USUAL: &str = "until";

/// A backup in the trash.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Named {
    #[serde(default)]
    client: String,
    #[serde(default)]
    backup: String,
}

impl Named {
    fn query(&self) -> String {
        let names = [("client", &self.client), ("backup", &self.backup)];
        serde_urlencoded::to_string(names).unwrap_or_default()
    }
}

/// The list; or, where one of its backups is named, the question whether that is to be deleted for good.
pub async fn show(
    user: User,
    Query(asked): Query<Asked>,
    Query(named): Query<Named>,
) -> Result<Markup, Failure> {
    let request = ListTrashRequest {
        client: named.client.clone(),
    };
    let listed = user.services.planning().list_trash(request).await;
    let backups = listed.or_fail(&user)?.backups;
    if !named.backup.is_empty() {
        return ask_delete(&user, &named, &backups);
    }
    let asked = match named.client.is_empty() {
        true => asked,
        false => asked.along("client", named.client),
    };
    let needle = asked.q.to_lowercase();
    let mut rows = backups;
    rows.retain(|row| client(row).to_lowercase().contains(&needle));
    sort(&mut rows, asked.order(USUAL));
    let (rows, pages) = asked.page(rows);
    let title = user.say("trash");
    let body = html! {
        (Tab::Trash.show(&user))
        h1 { (title) }
        p { (user.say("trash-about")) }
        div.tools.end { (asked.search(&user, &user.say("trash-find"))) }
        (table(&user, &asked, &rows))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Storage, &title, &body))
}

fn client(row: &TrashedBackup) -> &str {
    row.backup.as_ref().map_or("", |backup| &backup.client)
}

fn sort(rows: &mut [TrashedBackup], (column, is_reversed): (&str, bool)) {
    let figure =
        |row: &TrashedBackup, of: fn(&wire::v1::BackupInfo) -> i64| row.backup.as_ref().map_or(0, of);
    match column {
        "backup" => rows.sort_by(|one, other| client(one).cmp(client(other))),
        "made" => rows.sort_by_key(|row| figure(row, |backup| backup.started_ms)),
        "size" => rows.sort_by_key(|row| row.backup.as_ref().map_or(0, |backup| backup.bytes_logical)),
        "deleted" => rows.sort_by_key(|row| row.trashed_ms),
        _ => rows.sort_by_key(|row| row.until_ms),
    }
    if is_reversed {
        rows.reverse();
    }
}

fn table(user: &User, asked: &Asked, rows: &[TrashedBackup]) -> Markup {
    html! {
        @if rows.is_empty() { p.none { (user.say("trash-empty")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("trash")) { table {
                thead { tr {
                    @for (column, class) in [("backup", ""), ("made", ""), ("size", "figure"), ("deleted", ""), ("until", "")] {
                        (asked.head(USUAL, (column, class), &user.say(&format!("trash-{column}"))))
                    }
                    th scope="col" { span.unseen { (user.say("channels-do")) } }
                } }
                tbody { @for row in rows { (one(user, row)) } }
            } }
        }
    }
}

fn one(user: &User, row: &TrashedBackup) -> Markup {
    let Some(backup) = &row.backup else {
        return html! {};
    };
    let named = Named {
        client: backup.client.clone(),
        backup: backup.name.clone(),
    };
    let about = format!("{} / {}", backup.client, backup.name);
    let fields = [
        ("client", backup.client.as_str()),
        ("backup", backup.name.as_str()),
    ];
    html! {
        tr {
            th scope="row" { a href={ "/clients/" (backup.client) } { (backup.client) } " / " (backup.name) " "
                span.hint { (user.say(&format!("kind-{}-backup", backup.kind))) } }
            td.time { (exact_time(user, backup.started_ms)) }
            td.figure { (user.language.bytes(backup.bytes_logical)) }
            td.time { (time(user, row.trashed_ms)) }
            td.time { (time(user, row.until_ms)) }
            td.does {
                (row_button(user, "/trash/restore", &fields, &user.say("trash-restore"), &about))
                " " a.button.danger href={ "/trash?" (named.query()) } aria-label={ (user.say("trash-delete")) ": " (about) } { (user.say("trash-delete")) }
            }
        }
    }
}

fn ask_delete(user: &User, named: &Named, backups: &[TrashedBackup]) -> Result<Markup, Failure> {
    let found = backups.iter().filter_map(|row| row.backup.as_ref());
    let mut found = found.filter(|backup| backup.client == named.client && backup.name == named.backup);
    let Some(backup) = found.next() else {
        return Err(Failure::not_found().for_visitor(user));
    };
    let title = user.say("trash-ask");
    let made = [("made", user.language.time(backup.started_ms).into())];
    let body = Question {
        title: &title,
        subject: &format!("{} / {}", backup.client, backup.name),
        about: &user.language.say_with("trash-delete-about", &made),
        problem: None,
        go: (
            &format!("/trash/delete?{}", named.query()),
            &user.say("trash-delete-go"),
        ),
        back: "/trash",
    }
    .show(user);
    Ok(framed(user, Place::Storage, &title, &body))
}

pub async fn restore(Posted { visitor, form }: Posted<Named>) -> Result<Response, Failure> {
    let reference = backup::reference(&form.client, &form.backup);
    let mut planning = visitor.services.planning();
    planning.restore_from_trash(reference).await.or_fail(&visitor)?;
    Ok(Redirect::to(&backup::address(&form.client, &form.backup)).into_response())
}

/// A form with nothing in it but the button.
#[derive(Deserialize)]
pub struct Pressed {}

pub async fn delete(
    Query(named): Query<Named>,
    Posted { visitor, .. }: Posted<Pressed>,
) -> Result<Response, Failure> {
    let reference = backup::reference(&named.client, &named.backup);
    let mut planning = visitor.services.planning();
    planning.delete_from_trash(reference).await.or_fail(&visitor)?;
    Ok(Redirect::to("/trash").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_for_good_first_is_first() {
        let row = |client: &str, until_ms: i64, trashed_ms: i64| TrashedBackup {
            backup: Some(wire::v1::BackupInfo {
                client: client.to_owned(),
                ..wire::v1::BackupInfo::default()
            }),
            trashed_ms,
            until_ms,
        };
        let mut rows = [row("b", 30, 1), row("a", 20, 2), row("c", 10, 3)];
        let mut order = |sort_by: (&str, bool)| -> String {
            sort(&mut rows, sort_by);
            rows.iter().map(client).collect()
        };
        assert_eq!(order(Asked::default().order(USUAL)), "cab");
        assert_eq!(order(("backup", false)), "abc");
        assert_eq!(order(("deleted", true)), "cab");
    }
}
