//! Forms for channels: a new one, and what is to change of one. What is secret goes in and never comes back.

use std::collections::BTreeMap;

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use tonic::{Code, Status};
use wire::v1::audience::Tell;
use wire::v1::new_channel::Carrier;
use wire::v1::{
    Audience, ChannelEdit, ChannelInfo, MailCarrier, MailServer, NewChannel, PingCarrier, ReportOrder,
    WebhookCarrier, Words,
};

use crate::failure::Failure;
use crate::guard::Posted;
use crate::pages::notifications::{address, carrier, channel, event, tell_word};
use crate::parts::form::{Field, key, problem};
use crate::parts::page::{Place, framed};
use crate::parts::tabs::Tab;
use crate::server_text;
use crate::visitor::{User, Visitor};

/// Events that a channel may not want to know.
const EVENTS: [&str; 12] = [
    "backup-failed",
    "client-late",
    "client-never",
    "backup-problems",
    "verification-failed",
    "space-low",
    "space-out",
    "backups-given-up",
    "cleanup-failed",
    "storage-missing",
    "catalog-not-copied",
    "backup-made",
];
const TELLS: [Tell; 4] = [Tell::Failures, Tell::Warnings, Tell::All, Tell::Nothing];
const SECURITIES: [&str; 3] = ["tls", "starttls", "plain"];
const FORMS: [&str; 5] = ["json", "slack", "discord", "ntfy", "gotify"];
const DAYS: [&str; 8] = [
    "daily",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
/// The hour of reports where nobody chose another.
const REPORT_HOUR: &str = "7";
/// How the field of an event that is not wanted begins.
const EXCEPT: &str = "except-";

/// What carries messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Mail,
    Webhook,
    Ping,
}

impl By {
    const ALL: [Self; 3] = [Self::Mail, Self::Webhook, Self::Ping];

    fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Ping => "ping",
        }
    }

    fn of_word(word: &str) -> Self {
        let known = Self::ALL.into_iter().find(|by| by.word() == word);
        known.unwrap_or(Self::Mail)
    }

    /// What carries the messages of a channel, which is told by the form if it is a webhook.
    fn of_channel(channel: &ChannelInfo) -> Self {
        match channel.carrier.as_str() {
            "mail" => Self::Mail,
            "ping" => Self::Ping,
            _ => Self::Webhook,
        }
    }
}

/// What was typed. Everything is text, so that it can be shown again whatever it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Typed {
    by: String,
    name: String,
    host: String,
    port: String,
    security: String,
    user: String,
    secret: String,
    forget_secret: String,
    from: String,
    recipients: String,
    url: String,
    form: String,
    tell: String,
    clients: String,
    groups: String,
    report_on: String,
    report_hour: String,
    report_only_failures: String,
    /// The events that are not wanted, among what else a form brings.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// A text if there is one.
fn given(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A number if something was typed. What is no number is one that the server refuses.
fn number(text: &str) -> Option<u32> {
    given(text).map(|text| text.parse().unwrap_or(u32::MAX))
}

/// Several texts with commas between them.
fn words(text: &str) -> Vec<String> {
    text.split([',', '\n']).filter_map(given).collect()
}

impl Typed {
    /// What a form for a new channel begins with.
    fn new(by: By) -> Self {
        Self {
            by: by.word().to_owned(),
            security: SECURITIES[1].to_owned(),
            report_hour: REPORT_HOUR.to_owned(),
            ..Self::default()
        }
    }

    /// What is known of a channel.
    fn of(channel: &ChannelInfo) -> Self {
        let by = By::of_channel(channel);
        let audience = channel.audience.clone().unwrap_or_default();
        let excepted = audience.except.iter();
        let others = excepted.map(|event| (format!("{EXCEPT}{event}"), "on".to_owned()));
        let report = audience.report.as_ref();
        Self {
            name: channel.name.clone(),
            form: match by {
                By::Webhook => channel.carrier.clone(),
                By::Mail | By::Ping => String::new(),
            },
            tell: tell_word(audience.tell()).to_owned(),
            clients: audience.clients.join(", "),
            groups: audience.groups.join(", "),
            report_on: report.map(|order| order.on.clone()).unwrap_or_default(),
            report_hour: report.map_or(REPORT_HOUR.to_owned(), |order| order.hour.to_string()),
            report_only_failures: match report {
                Some(order) if order.only_failures => "on".to_owned(),
                _ => String::new(),
            },
            others: others.collect(),
            ..Self::new(by)
        }
    }

    fn tell(&self) -> Tell {
        let known = TELLS.into_iter().find(|tell| tell_word(*tell) == self.tell);
        known.unwrap_or(Tell::Failures)
    }

    fn except(&self) -> Vec<String> {
        let names = self.others.keys();
        names
            .filter_map(|name| Some(name.strip_prefix(EXCEPT)?.to_owned()))
            .collect()
    }

    fn audience(&self) -> Audience {
        Audience {
            tell: self.tell().into(),
            except: self.except(),
            clients: words(&self.clients),
            groups: words(&self.groups),
            report: given(&self.report_on).map(|on| ReportOrder {
                on,
                hour: number(&self.report_hour).unwrap_or_default(),
                only_failures: !self.report_only_failures.is_empty(),
            }),
        }
    }

    fn new_channel(&self) -> NewChannel {
        let url = self.url.trim().to_owned();
        let carrier = match By::of_word(&self.by) {
            By::Mail => Carrier::Mail(MailCarrier {
                host: self.host.trim().to_owned(),
                port: number(&self.port),
                security: self.security.clone(),
                user: given(&self.user),
                password: (!self.secret.is_empty()).then(|| self.secret.clone()),
                from: self.from.trim().to_owned(),
                recipients: words(&self.recipients),
                hello: None,
            }),
            By::Webhook => Carrier::Webhook(WebhookCarrier {
                url,
                form: self.form.clone(),
                secret: (!self.secret.is_empty()).then(|| self.secret.clone()),
            }),
            By::Ping => Carrier::Ping(PingCarrier { url }),
        };
        NewChannel {
            name: self.name.trim().to_owned(),
            carrier: Some(carrier),
            authority_pem: None,
            audience: Some(self.audience()),
        }
    }

    /// The change of a channel: of what carries the messages only what was typed, of whom it tells what everything.
    fn edit(&self, name: &str, by: By) -> ChannelEdit {
        let all = |words: Vec<String>| Some(Words { words });
        let secret = match self.forget_secret.is_empty() {
            true => (!self.secret.is_empty()).then(|| self.secret.clone()),
            false => Some(String::new()),
        };
        let edit = ChannelEdit {
            name: name.to_owned(),
            clients: all(words(&self.clients)),
            groups: all(words(&self.groups)),
            ..ChannelEdit::default()
        };
        if by == By::Ping {
            return ChannelEdit {
                url: given(&self.url),
                ..edit
            };
        }
        let reports = given(&self.report_on);
        let edit = ChannelEdit {
            tell: Some(self.tell().into()),
            except: all(self.except()),
            report_hour: reports.as_ref().and_then(|_| number(&self.report_hour)),
            report_only_failures: reports.as_ref().map(|_| !self.report_only_failures.is_empty()),
            report_on: Some(reports.unwrap_or_default()),
            secret,
            ..edit
        };
        if by == By::Webhook {
            return ChannelEdit {
                url: given(&self.url),
                form: given(&self.form),
                ..edit
            };
        }
        ChannelEdit {
            mail_server: given(&self.host).map(|host| MailServer {
                host,
                port: number(&self.port),
                security: self.security.clone(),
                user: given(&self.user),
            }),
            from: given(&self.from),
            recipients: given(&self.recipients).and_then(|text| all(words(&text))),
            ..edit
        }
    }
}

/// A form as it is shown.
struct Form<'a> {
    user: &'a User,
    typed: &'a Typed,
    by: By,
    /// What is left empty stays as it is.
    is_edit: bool,
}

impl Form<'_> {
    /// A field for a text; one that is needed is so only where there was none before.
    fn text(&self, name: &str, kind: &str, value: &str, needs: Need) -> Markup {
        Field {
            name,
            label: &self.user.say(&format!("channel-{}", name.replace('_', "-"))),
            kind,
            value,
            autocomplete: if kind == "password" { "new-password" } else { "off" },
            is_required: needs == Need::Needed && !self.is_edit,
        }
        .show()
    }

    fn select(&self, name: &str, choices: &[(&str, String)], chosen: &str) -> Markup {
        html! {
            p.field {
                label for=(name) { (self.user.say(&format!("channel-{}", name.replace('_', "-")))) }
                select id=(name) name=(name) {
                    @for (value, text) in choices { option value=(value) selected[*value == chosen] { (text) } }
                }
            }
        }
    }

    fn check(&self, name: &str, text: &str, is_checked: bool) -> Markup {
        html! {
            div.choice {
                input id=(name) name=(name) type="checkbox" value="on" checked[is_checked];
                label for=(name) { (text) }
            }
        }
    }

    fn carrier(&self) -> Markup {
        let (user, typed) = (self.user, self.typed);
        let securities = SECURITIES.map(|word| (word, user.say(&format!("channel-security-{word}"))));
        let forms = FORMS.map(|word| (word, carrier(user, word)));
        html! {
            @match self.by {
                By::Mail => {
                    (self.text("recipients", "text", &typed.recipients, Need::Needed))
                    (self.text("from", "text", &typed.from, Need::Needed))
                    (self.text("host", "text", &typed.host, Need::Needed))
                    (self.select("security", &securities, &typed.security))
                    (self.text("port", "number", &typed.port, Need::Optional))
                    (self.text("user", "text", &typed.user, Need::Optional))
                    (self.text("secret", "password", "", Need::Optional))
                }
                By::Webhook => {
                    (self.select("form", &forms, &typed.form))
                    (self.text("url", "text", &typed.url, Need::Needed))
                    (self.text("secret", "password", "", Need::Optional))
                    p.hint { (user.say("channel-secret-webhook")) }
                }
                By::Ping => { (self.text("url", "text", &typed.url, Need::Needed)) p.hint { (user.say("channel-ping-about")) } }
            }
            @if self.is_edit && self.by != By::Ping {
                (self.check("forget_secret", &user.say("channel-forget-secret"), !typed.forget_secret.is_empty()))
            }
        }
    }

    /// What it wants to know; a ping tells of every backup.
    fn told(&self) -> Markup {
        let (user, typed) = (self.user, self.typed);
        let tells = TELLS.map(|tell| (tell_word(tell), user.say(&format!("tell-{}", tell_word(tell)))));
        let days = DAYS.map(|day| (day, user.say(&format!("day-{day}"))));
        let days: Vec<_> = std::iter::once(("", user.say("channel-no-report")))
            .chain(days)
            .collect();
        html! {
            (self.select("tell", &tells, tell_word(typed.tell())))
            fieldset {
                legend { (user.say("channel-except")) }
                div.choices { @for word in EVENTS {
                    @let name = format!("{EXCEPT}{word}");
                    (self.check(&name, &event(user, word), typed.others.contains_key(&name)))
                } }
            }
            (self.select("report_on", &days, &typed.report_on))
            (self.text("report_hour", "number", &typed.report_hour, Need::Optional))
            (self.check("report_only_failures", &user.say("channel-report-only-failures"), !typed.report_only_failures.is_empty()))
        }
    }

    fn show(&self, action: &str) -> Markup {
        let (user, typed) = (self.user, self.typed);
        html! {
            form method="post" action=(action) {
                (key(user))
                input type="hidden" name="by" value=(self.by.word());
                section.card {
                    h2 { (user.say("channel-way")) }
                    @if self.is_edit { p.hint { (user.say("channel-stays")) } }
                    @else { (self.text("name", "text", &typed.name, Need::Needed)) }
                    (self.carrier())
                }
                section.card {
                    h2 { (user.say("channel-audience")) }
                    @if self.by != By::Ping { (self.told()) }
                    (self.text("clients", "text", &typed.clients, Need::Optional))
                    (self.text("groups", "text", &typed.groups, Need::Optional))
                    p.hint { (user.say("channel-scope-hint")) }
                }
                div.row {
                    button.main { (user.say("save")) }
                    a.button href="/notifications" { (user.say("channels-back")) }
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Needed,
    Optional,
}

/// What is to carry the messages of a new channel.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    by: String,
}

pub async fn new(user: User, Query(wanted): Query<Wanted>) -> Markup {
    adding(&user, &Typed::new(By::of_word(&wanted.by)), None)
}

fn adding(user: &User, typed: &Typed, why: Option<&Markup>) -> Markup {
    let title = user.say("channels-add");
    let by = By::of_word(&typed.by);
    let form = Form {
        user,
        typed,
        by,
        is_edit: false,
    };
    let body = html! {
        (Tab::Notifications.show(user))
        h1 { (title) }
        nav.filters.apart aria-label=(user.say("channel-way")) {
            @for other in By::ALL {
                a href={ "/notifications/new?by=" (other.word()) } aria-current=[(other == by).then_some("true")] {
                    (carrier(user, other.word()))
                }
            }
        }
        (problem(why))
        (form.show("/notifications/new"))
    };
    framed(user, Place::Settings, &title, &body)
}

/// What is wrong with a channel as it was typed, such as a client that there is not.
fn complaint(status: Status, visitor: &Visitor) -> Result<Markup, Failure> {
    match status.code() {
        Code::NotFound => Ok(server_text::show(visitor.language, status.message())),
        _ => Failure::complaint(status, visitor),
    }
}

pub async fn add(Posted { visitor, form }: Posted<Typed>) -> Result<Response, Failure> {
    let why = match visitor.services.notify().add_channel(form.new_channel()).await {
        Ok(_) => return Ok(Redirect::to("/notifications").into_response()),
        Err(status) => complaint(status, &visitor)?,
    };
    let user = User::of(visitor).await?;
    Ok(adding(&user, &form, Some(&why)).into_response())
}

pub async fn ask_edit(user: User, Path(name): Path<String>) -> Result<Markup, Failure> {
    let known = channel(&user, &name).await?;
    Ok(editing(&user, &known, &Typed::of(&known), None))
}

fn editing(user: &User, known: &ChannelInfo, typed: &Typed, why: Option<&Markup>) -> Markup {
    let form = Form {
        user,
        typed,
        by: By::of_channel(known),
        is_edit: true,
    };
    let body = html! {
        (Tab::Notifications.show(user))
        h1 { (known.name) span.badge { (carrier(user, &known.carrier)) } }
        p { (server_text::subject(user.language, &known.target)) }
        (problem(why))
        (form.show(&format!("{}/edit", address(&known.name))))
    };
    framed(user, Place::Settings, &known.name, &body)
}

pub async fn edit(
    Path(name): Path<String>,
    Posted { visitor, form }: Posted<Typed>,
) -> Result<Response, Failure> {
    let request = form.edit(&name, By::of_word(&form.by));
    let why = match visitor.services.notify().edit_channel(request).await {
        Ok(_) => return Ok(Redirect::to("/notifications").into_response()),
        Err(status) => complaint(status, &visitor)?,
    };
    let user = User::of(visitor).await?;
    let known = channel(&user, &name).await?;
    Ok(editing(&user, &known, &form, Some(&why)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    fn typed(form: &str) -> Typed {
        serde_urlencoded::from_str(form).expect("it is a form")
    }

    #[test]
    fn a_form_becomes_a_channel() {
        let form = typed(
            "key=k&by=mail&name=+admins+&host=mail.lan&port=&security=tls&user=&secret=+pw&from=a%40lan\
             &recipients=b%40lan%2C+c%40lan%2C&tell=warnings&except-space-low=on&except-backup-made=on\
             &clients=&groups=servers&report_on=monday&report_hour=6&report_only_failures=on",
        );
        let channel = form.new_channel();
        assert_eq!(channel.name, "admins");
        let Some(Carrier::Mail(mail)) = channel.carrier else {
            panic!("{:?}", channel.carrier);
        };
        assert_eq!(mail.recipients, ["b@lan", "c@lan"]);
        assert_eq!((mail.port, mail.user), (None, None));
        assert_eq!(mail.password.as_deref(), Some(" pw"), "a password may begin so");
        let audience = channel.audience.expect("it has one");
        assert_eq!(audience.tell(), Tell::Warnings);
        assert_eq!(audience.except, ["backup-made", "space-low"]);
        assert!(audience.clients.is_empty() && audience.groups == ["servers"]);
        let report = audience.report.expect("it wants reports");
        assert_eq!(
            (report.on.as_str(), report.hour, report.only_failures),
            ("monday", 6, true)
        );
    }

    #[test]
    fn a_channel_comes_through_its_form_unchanged() {
        let channel = ChannelInfo {
            name: "chat".to_owned(),
            carrier: "slack".to_owned(),
            audience: Some(Audience {
                tell: Tell::All.into(),
                except: vec!["space-low".to_owned()],
                clients: vec!["a".to_owned(), "b".to_owned()],
                groups: Vec::new(),
                report: None,
            }),
            ..ChannelInfo::default()
        };
        let edit = Typed::of(&channel).edit("chat", By::of_channel(&channel));
        let all = |words: &[&str]| Words {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(edit.tell(), Tell::All);
        assert_eq!(edit.except, Some(all(&["space-low"])));
        assert_eq!(
            (edit.clients, edit.groups),
            (Some(all(&["a", "b"])), Some(all(&[])))
        );
        assert_eq!((edit.report_on.as_deref(), edit.report_hour), (Some(""), None));
        assert_eq!(edit.form.as_deref(), Some("slack"));
        assert_eq!((edit.url, edit.secret, edit.mail_server), (None, None, None));
    }

    #[test]
    fn a_ping_is_asked_for_nothing_that_it_lacks() {
        let edit = typed("by=ping&url=&tell=all&secret=x&clients=web").edit("alive", By::Ping);
        let expected = ChannelEdit {
            name: "alive".to_owned(),
            clients: Some(Words {
                words: vec!["web".to_owned()],
            }),
            groups: Some(Words::default()),
            ..ChannelEdit::default()
        };
        assert_eq!(edit, expected);
    }

    #[test]
    fn a_secret_is_taken_back_only_if_asked() {
        assert_eq!(typed("secret=").edit("x", By::Mail).secret, None);
        let forgotten = typed("secret=&forget_secret=on").edit("x", By::Mail);
        assert_eq!(forgotten.secret.as_deref(), Some(""));
        assert_eq!(number("no port"), Some(u32::MAX));
    }

    #[test]
    fn everything_that_can_be_chosen_has_its_text() {
        for language in Language::ALL {
            let tells = TELLS.map(|tell| format!("tell-{}", tell_word(tell)));
            let securities = SECURITIES.map(|word| format!("channel-security-{word}"));
            let days = DAYS.map(|day| format!("day-{day}"));
            let carriers = FORMS.iter().copied().chain(By::ALL.map(By::word));
            let carriers = carriers.map(|word| format!("carrier-{word}"));
            for key in tells.into_iter().chain(securities).chain(days).chain(carriers) {
                assert!(language.has(&key), "{key}");
            }
            for word in EVENTS {
                let keys = [format!("trouble-{word}"), format!("event-{word}")];
                assert!(keys.iter().any(|key| language.has(key)), "{word}");
            }
        }
    }
}
