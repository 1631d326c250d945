//! All clients.

use axum::extract::Query;
use maud::{Markup, html};
use wire::v1::{ClientInfo, ListClientsRequest};

use crate::failure::{Failure, OrFail as _};
use crate::pages::naming;
use crate::parts::page::{Place, framed};
use crate::parts::say::{Condition, now_ms, time};
use crate::parts::table::Asked;
use crate::visitor::User;

/// What the list is sorted by if nothing is said: the worst first.
const USUAL: &str = "state";

pub async fn show(user: User, Query(asked): Query<Asked>) -> Result<Markup, Failure> {
    let listed = user
        .services
        .admin()
        .list_clients(ListClientsRequest::default())
        .await;
    let now_ms = now_ms();
    let all: Vec<(Condition, ClientInfo)> = listed
        .or_fail(&user)?
        .clients
        .into_iter()
        .map(|client| (Condition::of(&client, now_ms), client))
        .collect();
    let counted = |condition| all.iter().filter(|(of, _)| *of == condition).count();
    let choices = Condition::ALL.map(|condition| {
        (
            condition.word(),
            condition.name(user.language),
            counted(condition),
        )
    });
    // Those that are about to go are shown to who asks for them.
    let staying = all.len() - counted(Condition::Removed);
    let filters = asked.filters(&user, staying, &choices);
    let wanted = Condition::of_word(&asked.only);
    let needle = asked.q.to_lowercase();
    let mut rows: Vec<_> = all
        .into_iter()
        .filter(|(condition, _)| is_wanted(wanted, *condition))
        .filter(|(_, client)| {
            [
                &client.name,
                &client.display_name,
                &client.group,
                &client.operating_system,
            ]
            .iter()
            .any(|text| text.to_lowercase().contains(&needle))
        })
        .collect();
    sort(&mut rows, asked.order(USUAL));
    let (rows, pages) = asked.page(rows);
    let title = user.say("menu-clients");
    let body = html! {
        div.heading { h1 { (title) } a.button.main href="/new-client" { (user.say("clients-add")) } }
        div.tools { (filters) (asked.search(&user, &user.say("clients-find"))) }
        (table(&user, &asked, &rows))
        (asked.pager(&user, pages))
    };
    Ok(framed(&user, Place::Clients, &title, &body))
}

/// Whether clients of a condition are listed where these are asked for; nothing asks for all that stay.
fn is_wanted(wanted: Option<Condition>, condition: Condition) -> bool {
    wanted.map_or(condition != Condition::Removed, |wanted| wanted == condition)
}

fn sort(rows: &mut [(Condition, ClientInfo)], (column, is_reversed): (&str, bool)) {
    match column {
        "name" => rows.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name)),
        "newest" => rows.sort_by_key(|(_, client)| client.newest_ms),
        "backups" => rows.sort_by_key(|(_, client)| client.backups),
        "seen" => rows.sort_by_key(|(_, client)| (client.connected, client.last_seen_ms)),
        _ => rows.sort_by(|(a, one), (b, other)| (a, &one.name).cmp(&(b, &other.name))),
    }
    if is_reversed {
        rows.reverse();
    }
}

fn table(user: &User, asked: &Asked, rows: &[(Condition, ClientInfo)]) -> Markup {
    html! {
        @if rows.is_empty() { p.none { (user.say("clients-none")) } }
        @else {
            div.scroll tabindex="0" role="region" aria-label=(user.say("menu-clients")) { table {
                thead { tr {
                    @for (column, class) in [("name", ""), ("state", ""), ("newest", ""), ("backups", "figure"), ("seen", "")] {
                        (asked.head(USUAL, (column, class), &user.say(&format!("clients-{column}"))))
                    }
                } }
                tbody { @for (condition, client) in rows { tr {
                    th scope="row" {
                        a href={ "/clients/" (client.name) } { (naming::called(client)) }
                        @if !client.group.is_empty() { " " span.hint { (client.group) } }
                    }
                    td { (condition.badge(user.language)) }
                    td { (time(user, client.newest_ms)) }
                    td.figure { (user.language.number(client.backups)) }
                    td { @if client.connected { span.online { (user.say("clients-online")) } } @else { (time(user, client.last_seen_ms)) } }
                } } }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_come_first() {
        let client = |name: &str, standing: &str, connected| {
            let client = ClientInfo {
                name: name.to_owned(),
                connected,
                standings: vec![wire::v1::Standing {
                    standing: standing.to_owned(),
                    ..wire::v1::Standing::default()
                }],
                ..ClientInfo::default()
            };
            (Condition::of(&client, 0), client)
        };
        let mut rows = vec![
            client("b", "fine", true),
            client("c", "late", false),
            client("a", "fine", false),
        ];
        let names = |rows: &[(Condition, ClientInfo)]| -> Vec<String> {
            rows.iter().map(|(_, client)| client.name.clone()).collect()
        };
        sort(&mut rows, ("state", false));
        assert_eq!(names(&rows), ["c", "a", "b"]);
        sort(&mut rows, ("name", true));
        assert_eq!(names(&rows), ["c", "b", "a"]);
        sort(&mut rows, ("seen", true));
        assert_eq!(names(&rows)[0], "b");
    }

    #[test]
    fn who_is_about_to_go_is_listed_for_who_asks() {
        let client = ClientInfo {
            state: "removed".to_owned(),
            disabled_ms: 1,
            removed_ms: 2,
            ..ClientInfo::default()
        };
        let condition = Condition::of(&client, 0);
        assert_eq!(condition, Condition::Removed);
        assert!(!is_wanted(None, condition) && is_wanted(Some(condition), condition));
        assert!(is_wanted(None, Condition::Disabled) && !is_wanted(Some(condition), Condition::Fine));
    }
}
