//! Changes to a channel: what a request sets is changed, everything else stays, secrets above all.

use notify::Secret;
use tonic::Status;
use wire::v1::{ChannelEdit, ReportOrder as WireReport, Words};

use super::{check_events, port, report, tell};
use crate::telling::{Audience, Carrier, ChannelSettings, MailCarrier, ReportWhen, WebhookCarrier};

/// The hour of reports that are ordered without one.
const REPORT_HOUR: u32 = 7;

/// What has been changed, in words.
#[derive(Default)]
struct Changes(Vec<&'static str>);

impl Changes {
    /// Puts what is given in its place.
    fn put<T>(&mut self, what: &'static str, place: &mut T, given: Option<T>) {
        if let Some(given) = given {
            *place = given;
            self.0.push(what);
        }
    }

    /// The same for what an empty text takes back.
    fn put_text(&mut self, what: &'static str, place: &mut Option<String>, given: Option<String>) {
        self.put(what, place, given.map(|text| (!text.is_empty()).then_some(text)));
    }

    fn put_secret(&mut self, what: &'static str, place: &mut Option<Secret>, given: Option<String>) {
        let given = given.map(|text| (!text.is_empty()).then(|| Secret::new(text)));
        self.put(what, place, given);
    }
}

/// What is set for a channel once it is changed as asked, and what that changes. Fails where nothing is to be changed, or something
/// that the channel does not have.
pub fn edited(
    current: &ChannelSettings,
    mut asked: ChannelEdit,
) -> Result<(ChannelSettings, Vec<&'static str>), Status> {
    let mut settings = current.clone();
    let mut changes = Changes::default();
    match &mut settings.carrier {
        Carrier::Mail(mail) => edit_mail(mail, &mut asked, &mut changes)?,
        Carrier::Webhook(webhook) => edit_webhook(webhook, &mut asked, &mut changes),
        Carrier::Ping(ping) => {
            changes.put("address", &mut ping.url, asked.url.take().map(Secret::new));
            let authority = asked.authority_pem.take();
            changes.put_text("authority", &mut ping.authority_pem, authority);
        }
    }
    if let Carrier::Ping(_) = settings.carrier {
        refuse(tells(&asked), "a ping")?;
    } else {
        edit_tell(&mut settings.audience, &mut asked, &mut changes)?;
    }
    let place = &mut settings.audience;
    changes.put("clients", &mut place.clients, words(asked.clients.take()));
    changes.put("groups", &mut place.groups, words(asked.groups.take()));
    refuse(left(&asked), settings.carrier.word())?;
    if changes.0.is_empty() {
        return Err(Status::invalid_argument("nothing says what is to be changed"));
    }
    Ok((settings, changes.0))
}

fn edit_mail(mail: &mut MailCarrier, asked: &mut ChannelEdit, changes: &mut Changes) -> Result<(), Status> {
    if let Some(server) = asked.mail_server.take() {
        mail.port = port(server.port)?;
        (mail.host, mail.security, mail.user) = (server.host, server.security, server.user);
        changes.0.push("mail server");
    }
    changes.put("from", &mut mail.from, asked.from.take());
    let recipients = asked.recipients.take().map(|recipients| recipients.words);
    changes.put("recipients", &mut mail.recipients, recipients);
    changes.put_text("hello", &mut mail.hello, asked.hello.take());
    changes.put_secret("password", &mut mail.password, asked.secret.take());
    let authority = asked.authority_pem.take();
    changes.put_text("authority", &mut mail.authority_pem, authority);
    Ok(())
}

fn edit_webhook(webhook: &mut WebhookCarrier, asked: &mut ChannelEdit, changes: &mut Changes) {
    changes.put("address", &mut webhook.url, asked.url.take().map(Secret::new));
    changes.put("form", &mut webhook.form, asked.form.take());
    changes.put_secret("secret", &mut webhook.secret, asked.secret.take());
    let authority = asked.authority_pem.take();
    changes.put_text("authority", &mut webhook.authority_pem, authority);
}

/// What a channel that takes messages wants to know.
fn edit_tell(audience: &mut Audience, asked: &mut ChannelEdit, changes: &mut Changes) -> Result<(), Status> {
    let wanted = asked.tell.is_some().then(|| asked.tell());
    asked.tell = None;
    changes.put("tell", &mut audience.tell, wanted.map(tell));
    if let Some(events) = &asked.except {
        check_events(&events.words)?;
    }
    changes.put("except", &mut audience.except, words(asked.except.take()));
    let (on, hour, only_failures) = (
        asked.report_on.take(),
        asked.report_hour.take(),
        asked.report_only_failures.take(),
    );
    if on.as_deref() == Some("") {
        changes.put("report", &mut audience.report, Some(None));
    } else if on.is_some() || hour.is_some() || only_failures.is_some() {
        let before = audience.report;
        let on = on.or_else(|| before.map(|order| order.on.word().to_owned()));
        let order = report(WireReport {
            on: on.ok_or_else(|| Status::invalid_argument("nothing says on which days there are reports"))?,
            hour: hour.unwrap_or_else(|| before.map_or(REPORT_HOUR, |order| order.hour.into())),
            only_failures: only_failures
                .unwrap_or_else(|| before.is_some_and(|order| order.when == ReportWhen::OnFailures)),
        })?;
        changes.put("report", &mut audience.report, Some(Some(order)));
    }
    Ok(())
}

fn words<T: FromIterator<String>>(given: Option<Words>) -> Option<T> {
    given.map(|given| given.words.into_iter().collect())
}

/// What is asked for of messages.
fn tells(asked: &ChannelEdit) -> Option<&'static str> {
    let given = [
        ("level", asked.tell.is_some()),
        ("exceptions", asked.except.is_some()),
        (
            "reports",
            asked.report_on.is_some() || asked.report_hour.is_some() || asked.report_only_failures.is_some(),
        ),
    ];
    given
        .into_iter()
        .find(|(_, is_given)| *is_given)
        .map(|(what, _)| what)
}

/// What is asked for of a carrier, and was not taken by it.
fn left(asked: &ChannelEdit) -> Option<&'static str> {
    let given = [
        ("mail server", asked.mail_server.is_some()),
        ("address", asked.url.is_some()),
        ("form", asked.form.is_some()),
        ("sender", asked.from.is_some()),
        ("recipients", asked.recipients.is_some()),
        ("name for a mail server", asked.hello.is_some()),
        ("secret", asked.secret.is_some()),
    ];
    given
        .into_iter()
        .find(|(_, is_given)| *is_given)
        .map(|(what, _)| what)
}

fn refuse(asked: Option<&str>, of: &str) -> Result<(), Status> {
    match asked {
        Some(what) => Err(Status::invalid_argument(format!("{of} has no {what}"))),
        None => Ok(()),
    }
}
