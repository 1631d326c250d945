//! All clients, and how a new one is let in.

use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{ClientInfo, CreateTokenRequest, ListClientsRequest};

use crate::failure::{Failure, OrFail as _};
use crate::guard::Posted;
use crate::pages::naming;
use crate::parts::command;
use crate::parts::form::{Field, key};
use crate::parts::page::{Place, framed};
use crate::parts::say::{Condition, now_ms, time};
use crate::parts::table::Asked;
use crate::visitor::User;

/// What the list is sorted by if nothing is said: the worst first.
const USUAL: &str = "state";
/// For how long a token is good.
const VALID_S: u32 = 24 * 3600;

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

pub async fn new(user: User) -> Markup {
    adding(
        &user,
        &html! {
            section.card {
                p { (user.say("add-about")) }
                form.row method="post" action="/new-client" {
                    (key(&user))
                    (Field { name: "name", label: &user.say("add-name"), kind: "text", value: "", autocomplete: "off",
                        is_required: true }.show())
                    button.main { (user.say("add-go")) }
                }
                p.hint { (user.say("add-name-hint")) }
            }
        },
    )
}

fn adding(user: &User, body: &Markup) -> Markup {
    let title = user.say("clients-add");
    framed(user, Place::Clients, &title, &html! { h1 { (title) } (body) })
}

/// What puts the program in place, in the source tree.
const INSTALL: &str = "cargo build --release && install -m 755 target/release/perennial /usr/local/bin/";
/// What makes a first backup.
const TRY: &str = "perennial client once --source /home";
/// What lets the client run from now on, in the source tree.
const STAY: &str = r#"mkdir -p /etc/perennial && echo 'sources = ["/home", "/etc"]' > /etc/perennial/client.toml && install -m 644 packaging/systemd/perennial-client.service /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now perennial-client"#;

/// What lets a client join.
fn enrol(token: &str) -> String {
    format!("perennial enroll {}", command::word(token))
}

/// Who is to be let in.
#[derive(Deserialize)]
pub struct NewClient {
    name: String,
}

pub async fn make_token(Posted { visitor, form }: Posted<NewClient>) -> Result<Markup, Failure> {
    let user = User::of(visitor).await?;
    let request = CreateTokenRequest {
        // Whoever sees this page reaches the server under this name.
        address: with_port(&user.host),
        client_name: form.name.clone(),
        valid_s: VALID_S,
    };
    let made = user.services.admin().create_token(request).await;
    let made = made.or_fail(&user)?;
    Ok(adding(
        &user,
        &html! {
            section.card {
                h2 { (form.name) }
                ol {
                    li { (user.say("add-install")) (command::show(&user, INSTALL)) }
                    li { (user.say("add-run")) (command::show(&user, &enrol(&made.token))) }
                    li { (user.say("add-try")) (command::show(&user, TRY)) }
                    li { (user.say("add-stay")) (command::show(&user, STAY)) p.hint { (user.say("add-sources")) } }
                    li { (user.say("add-wait")) " " a href={ "/clients?q=" (form.name) } { (user.say("menu-clients")) } }
                }
                p.hint { (user.say("add-once")) }
            }
        },
    ))
}

/// An address as clients dial it.
fn with_port(host: &str) -> String {
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if has_port || host.is_empty() {
        host.to_owned()
    } else {
        format!("{host}:443")
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

    #[test]
    fn clients_dial_what_was_typed() {
        assert_eq!(with_port("backup.lan:55414"), "backup.lan:55414");
        assert_eq!(with_port("backup.lan"), "backup.lan:443");
        assert_eq!(with_port("[::1]:55414"), "[::1]:55414");
    }
}
