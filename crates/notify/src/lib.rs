//! Messages delivered to people and programs: mail over SMTP, webhooks, pings.
//!
//! Owns: the message ([`Message`]), the channels that carry it ([`Mail`], [`Webhook`], [`Ping`]), whether another try makes sense
//! ([`Error::is_temporary`]) and how long to wait for it ([`retry`]).
//!
//! Never: decides when there is something to say, keeps a queue, reads a clock or the environment (but to find the system's
//! authorities, in [`Roots::system`]), shows a secret – not in an error,
//! not in `Debug` –, follows a redirect, logs in to another machine's mail server over a connection that is not encrypted.
//!
//! All calls block, for [`TIMEOUT`] or what `with_timeout` says: a whole request over HTTP, each step of a conversation over SMTP.

mod error;
mod excerpt;
mod http;
mod mail;
mod message;
mod moment;
mod ping;
pub mod retry;
mod roots;
mod secret;
mod webhook;

use std::time::Duration;

pub use error::{Error, Offer, Result, Step, UrlFault};
pub use mail::{Delivery, Login, Mail, MailSettings, Refusal, Security};
pub use message::{Event, Fact, Message, Severity};
pub use moment::Moment;
pub use ping::{Ping, PingSettings, Signal};
pub use roots::Roots;
pub use secret::Secret;
pub use url::Url;
pub use webhook::{Form, Webhook, WebhookSettings};

/// How long a channel waits for the other side unless it is told otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(30);
