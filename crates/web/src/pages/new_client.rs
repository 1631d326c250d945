//! Letting clients in: a token for one or for many, and the installers that bring it.

use axum::extract::Query;
use maud::{Markup, html};
use serde::Deserialize;
use wire::v1::{CreateTokenReply, CreateTokenRequest};

use crate::failure::Failure;
use crate::guard::Posted;
use crate::parts::command;
use crate::parts::form::{Field, key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::say::time;
use crate::visitor::User;

const DAY_S: u32 = 24 * 3600;
/// For how many days a token may be good.
const DAYS: [u32; 3] = [1, 7, 30];
/// The kinds of installers, as they are fetched.
const FORMS: [&str; 3] = ["sh", "deb", "rpm"];
/// The port of addresses that name none.
const HTTPS: &str = "443";

/// Who is to be let in, as it was typed.
#[derive(Deserialize)]
#[serde(default)]
pub struct Typed {
    name: String,
    uses: String,
    days: String,
    sources: String,
}

impl Default for Typed {
    fn default() -> Self {
        Self {
            name: String::new(),
            uses: "1".to_owned(),
            days: DAYS[0].to_string(),
            sources: String::new(),
        }
    }
}

impl Typed {
    fn request(&self, host: &str) -> CreateTokenRequest {
        let sources = self.sources.lines().map(str::trim);
        CreateTokenRequest {
            address: dialled(host),
            client_name: self.name.trim().to_owned(),
            valid_s: DAY_S.saturating_mul(self.days.parse().unwrap_or(DAYS[0])),
            // What is no number is one that the server refuses.
            uses: self.uses.trim().parse().unwrap_or(u32::MAX),
            sources: sources
                .filter(|source| !source.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// What a link may fill in.
pub async fn show(user: User, Query(typed): Query<Typed>) -> Markup {
    ask(&user, &typed, None)
}

fn framing(user: &User, body: &Markup) -> Markup {
    let title = user.say("clients-add");
    framed(user, Place::Clients, &title, &html! { h1 { (title) } (body) })
}

fn ask(user: &User, typed: &Typed, why: Option<&Markup>) -> Markup {
    let field = |name: &str, kind: &str, value: &str| {
        Field {
            name,
            label: &user.say(&format!("add-{name}")),
            kind,
            value,
            autocomplete: "off",
            is_required: false,
        }
        .show()
    };
    framing(
        user,
        &html! {
            section.card {
                p { (user.say("add-about")) }
                (problem(why))
                form method="post" action="/new-client" {
                    (key(user))
                    (field("name", "text", &typed.name))
                    p.hint { (user.say("add-name-hint")) }
                    (field("uses", "number", &typed.uses))
                    p.hint { (user.say("add-uses-hint")) }
                    p.field {
                        label for="days" { (user.say("add-days")) }
                        select id="days" name="days" {
                            @for days in DAYS {
                                option value=(days) selected[typed.days == days.to_string()] { (user.say(&format!("add-days-{days}"))) }
                            }
                        }
                    }
                    p.field {
                        label for="sources" { (user.say("add-sources")) }
                        textarea id="sources" name="sources" rows="3" placeholder="/home\n/etc" spellcheck="false" { (typed.sources) }
                    }
                    p.hint { (user.say("add-sources-hint")) }
                    div.row { button.main { (user.say("add-go")) } }
                }
            }
        },
    )
}

pub async fn make(Posted { visitor, form }: Posted<Typed>) -> Result<Markup, Failure> {
    let user = User::of(visitor).await?;
    let request = form.request(&user.host);
    let made = user.services.admin().create_token(request.clone()).await;
    Ok(match made {
        Ok(made) => told(&user, &request, &made.into_inner()),
        Err(status) => ask(&user, &form, Some(&Failure::complaint(status, &user)?)),
    })
}

/// How a client is installed with a token.
fn told(user: &User, request: &CreateTokenRequest, made: &CreateTokenReply) -> Markup {
    // The same server, by the address that the page has.
    let path = made.installers.splitn(4, '/').nth(3).unwrap_or_default();
    let whom = match request.client_name.as_str() {
        "" => user.say("add-under-own-name"),
        name => name.to_owned(),
    };
    let found = match request.client_name.as_str() {
        "" => "/clients".to_owned(),
        name => format!("/clients?q={name}"),
    };
    framing(
        user,
        &html! {
            section.card {
                h2 { (whom) }
                p { (user.say("add-one-line")) }
                (command::show(user, &made.one_line))
                p.hint { (user.say("add-one-line-hint")) }
                p {
                    (user.say("add-until")) " " (time(user, made.expires_ms)) ". " (user.say("add-wait")) " "
                    a href=(found) { (user.say("menu-clients")) } "."
                }
                p.hint { (user.say("add-once")) }
            }
            section.card {
                h2 { (user.say("add-download")) }
                div.row {
                    @for form in FORMS {
                        a.button href={ "/" (path) "/" (form) } { (user.say(&format!("add-form-{form}"))) }
                    }
                }
                p.hint { (user.say("add-download-hint")) }
                details.commands {
                    summary { (user.say("add-by-hand")) }
                    p.hint { (user.say("add-by-hand-hint")) }
                    (command::show(user, &format!("perennial enroll {}", command::word(&made.token))))
                }
            }
        },
    )
}

/// The address that clients dial who reach the server as it was reached: always with a port, and none if that leads nowhere from
/// another machine.
pub fn dialled(host: &str) -> String {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.parse::<u16>().is_ok() => (name, port),
        _ => (host, HTTPS),
    };
    let bare = name.trim_matches(['[', ']']);
    let is_here = bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    match name {
        "" => String::new(),
        _ if is_here => String::new(),
        name => format!("{name}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_dial_what_was_typed() {
        assert_eq!(dialled("backup.lan:55414"), "backup.lan:55414");
        assert_eq!(dialled("backup.lan"), "backup.lan:443");
        assert_eq!(dialled("[fd00::7]:55414"), "[fd00::7]:55414");
        assert_eq!(dialled("[fd00::7]"), "[fd00::7]:443");
        assert_eq!(dialled(""), "");
    }

    #[test]
    fn clients_do_not_dial_what_is_here_only() {
        for host in ["localhost:55414", "localhost", "127.0.0.1:55414", "[::1]:55414"] {
            assert_eq!(dialled(host), "", "{host}");
        }
    }

    #[test]
    fn what_is_typed_becomes_a_request() {
        let typed = Typed {
            name: " laptop ".to_owned(),
            uses: "many".to_owned(),
            days: "7".to_owned(),
            sources: "/home\r\n\r\n  /srv/a b\r\n".to_owned(),
        };
        let request = typed.request("backup.lan");
        assert_eq!((request.client_name.as_str(), request.uses), ("laptop", u32::MAX));
        assert_eq!(request.valid_s, 7 * 24 * 3600);
        assert_eq!(request.sources, ["/home", "/srv/a b"]);
    }
}
