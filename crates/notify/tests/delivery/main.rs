//! Deliveries to real servers on this machine: mail to aiosmtpd, webhooks and pings to a small HTTP server.

mod authority;
mod http_server;
mod mail;
mod pings;
mod smtp_server;
mod webhooks;

use notify::{Event, Fact, Message, Severity};

/// A message like those of every day.
fn message() -> Message {
    Message {
        event: Event::CLIENT_LATE,
        severity: Severity::Warning,
        title: "laptop has had no backup for 3 days".into(),
        text: "The last one was on Tuesday.\n.\nIt has not been online since.".into(),
        facts: vec![Fact {
            name: "Last backup".into(),
            value: "260428-0630".into(),
        }],
        client: Some("laptop".into()),
        link: Some("https://backup.example/clients/laptop".parse().expect("a URL")),
        at: "2026-05-01T06:30:15+02:00".parse().expect("a moment"),
    }
}
