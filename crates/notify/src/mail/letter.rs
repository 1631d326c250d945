//! The mail itself: headers, and the message as text and as HTML.
//!
//! It is a pure function of the message: the same message gives the same bytes, with the same Message-ID, so that a mail that arrives
//! twice is known for one. Its lines are ASCII, whatever the message holds.

use std::time::SystemTime;

use lettre::message::header::{self, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes, MultiPart, SinglePart};

use crate::message::Message;

/// Says that no person wrote it, so that no machine answers it (RFC 3834, section 5).
#[derive(Clone)]
struct AutoSubmitted;

/// The same for Exchange (MS-OXCMAIL), which takes no notice of the other.
#[derive(Clone)]
struct SuppressAnswers;

/// The event, for filters of mail programs.
#[derive(Clone)]
struct Event(String);

/// Writes the mail.
pub(super) fn write(message: &Message, from: &Mailbox, recipients: &[Mailbox]) -> Vec<u8> {
    let id = message.id();
    let parts = MultiPart::alternative()
        .boundary(format!("perennial-{id}"))
        .singlepart(SinglePart::plain(text(message)))
        .singlepart(SinglePart::html(html(message)));
    let to: Mailboxes = recipients.iter().cloned().collect();
    let mut letter = lettre::Message::builder()
        .from(from.clone())
        .mailbox(header::To::from(to))
        .subject(format!("[Perennial] {}", message.title_line()))
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        // Replaced below by one with an offset; without any the clock would be read.
        .date(SystemTime::UNIX_EPOCH)
        .header(AutoSubmitted)
        .header(SuppressAnswers)
        .header(Event(message.event.to_string()))
        .multipart(parts)
        .expect("a mail with a sender and a recipient is complete");
    let date = HeaderValue::new(header::Date::name(), message.at.mail_date());
    letter.headers_mut().insert_raw(date);
    letter.formatted()
}

fn text(message: &Message) -> String {
    let mut text = message.plain();
    if text.is_empty() {
        text = message.title_line();
    }
    if let Some(link) = &message.link {
        text.push_str(&format!("\n\n{link}"));
    }
    // What follows this line is a signature to mail programs.
    text.push_str(&format!("\n\n-- \nPerennial, {}\n", message.at.for_people()));
    text
}

fn html(message: &Message) -> String {
    let mut html = String::from("<!DOCTYPE html>\n<html><body style=\"font-family:sans-serif\">\n");
    let colour = message.severity.colour();
    let title = escaped(&message.title_line());
    html.push_str(&format!(
        "<h2 style=\"border-left:6px solid #{colour:06x};padding-left:10px\">{title}</h2>\n"
    ));
    let text = escaped(&message.tidy_text());
    if !text.is_empty() {
        html.push_str(&format!("<p style=\"white-space:pre-wrap\">{text}</p>\n"));
    }
    let facts = message.all_facts();
    if !facts.is_empty() {
        html.push_str("<table>\n");
        for (name, value) in facts {
            let (name, value) = (escaped(&name), escaped(&value));
            html.push_str(&format!(
                "<tr><td style=\"padding-right:16px\">{name}</td><td>{value}</td></tr>\n"
            ));
        }
        html.push_str("</table>\n");
    }
    if let Some(link) = message
        .link
        .as_ref()
        .filter(|link| matches!(link.scheme(), "http" | "https"))
    {
        let link = escaped(link.as_str());
        html.push_str(&format!("<p><a href=\"{link}\">{link}</a></p>\n"));
    }
    let time = message.at.for_people();
    html.push_str(&format!(
        "<p style=\"color:#666666\">Perennial, {time}</p>\n</body></html>\n"
    ));
    html
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Headers that are only ever written.
macro_rules! written_only {
    ($header:ident, $name:literal, |$it:ident| $value:expr) => {
        impl Header for $header {
            fn name() -> HeaderName {
                HeaderName::new_from_ascii_str($name)
            }

            fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
                Err(concat!($name, " is only written").into())
            }

            fn display(&self) -> HeaderValue {
                let $it = self;
                HeaderValue::new(Self::name(), $value)
            }
        }
    };
}

written_only!(AutoSubmitted, "Auto-Submitted", |_it| "auto-generated".to_owned());
written_only!(SuppressAnswers, "X-Auto-Response-Suppress", |_it| "All"
    .to_owned());
written_only!(Event, "X-Perennial-Event", |event| event.0.clone());

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::tests::{any_message, sample};

    const EXPECTED: &str = r##"From: Backups <backup@example.org>
To: admin@example.org, =?utf-8?b?SsO2cmc=?= <joerg@example.org>
Subject: [Perennial] Backup of laptop failed
Message-ID: <{id}@example.org>
Date: Fri, 1 May 2026 06:30:15 +0200
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: All
X-Perennial-Event: backup-failed
MIME-Version: 1.0
Content-Type: multipart/alternative;
 boundary="perennial-{id}"

--perennial-{id}
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 7bit

No space left on <storage> & "cache".
It is tried again.

Client: laptop
Kind: file backup

https://backup.example/jobs/17?tab=log&all

-- 
Perennial, 2026-05-01 06:30 +02:00

--perennial-{id}
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!DOCTYPE html>
<html><body style=3D"font-family:sans-serif">
<h2 style=3D"border-left:6px solid #c62828;padding-left:10px">Backup of lap=
top failed</h2>
<p style=3D"white-space:pre-wrap">No space left on &lt;storage&gt; &amp; &q=
uot;cache&quot;.
It is tried again.</p>
<table>
<tr><td style=3D"padding-right:16px">Client</td><td>laptop</td></tr>
<tr><td style=3D"padding-right:16px">Kind</td><td>file backup</td></tr>
</table>
<p><a href=3D"https://backup.example/jobs/17?tab=3Dlog&amp;all">https://bac=
kup.example/jobs/17?tab=3Dlog&amp;all</a></p>
<p style=3D"color:#666666">Perennial, 2026-05-01 06:30 +02:00</p>
</body></html>

--perennial-{id}--
"##;

    fn letter(message: &Message) -> String {
        let from = "Backups <backup@example.org>".parse().expect("an address");
        let to =
            ["admin@example.org", "Jörg <joerg@example.org>"].map(|text| text.parse().expect("an address"));
        String::from_utf8(write(message, &from, &to)).expect("ASCII")
    }

    #[test]
    fn a_mail_is_text_and_html_with_headers_for_machines() {
        let mut message = sample();
        message.text = "No space left on <storage> & \"cache\".\nIt is tried again.".into();
        message.facts.truncate(1);
        let id = message.id();
        assert_eq!(
            letter(&message).replace("\r\n", "\n"),
            EXPECTED.replace("{id}", &id)
        );
    }

    #[test]
    fn a_title_in_any_script_is_encoded() {
        let mut message = sample();
        message.title = "Sicherung für Büro fehlgeschlagen".into();
        let letter = letter(&message);
        assert!(
            letter.contains("Subject: [Perennial] Sicherung =?utf-8?b?"),
            "{letter}"
        );
    }

    proptest! {
        #[test]
        fn nothing_in_a_message_adds_a_header(mut message in any_message(), title in "(\r\n|\n|[a-zä: ]){0,300}") {
            message.title = title;
            let letter = letter(&message);
            prop_assert!(letter.is_ascii());
            let head = letter.split("\r\n\r\n").next().expect("a head");
            let names: Vec<&str> = head
                .lines()
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().expect("a name"))
                .collect();
            let expected = [
                "From", "To", "Subject", "Message-ID", "Date", "Auto-Submitted", "X-Auto-Response-Suppress",
                "X-Perennial-Event", "MIME-Version", "Content-Type",
            ];
            prop_assert_eq!(names, expected);
            prop_assert!(letter.lines().all(|line| line.len() <= 998));
        }
    }
}
