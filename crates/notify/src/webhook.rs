//! Webhooks: a message posted to a service, in the form that the service takes.
//!
//! Each form has a module that knows the service's format and limits, and names where they are written down.

mod discord;
mod gotify;
mod json;
mod ntfy;
mod slack;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::http::{self, Call, Client, Endpoint};
use crate::message::Message;
use crate::roots::Roots;
use crate::secret::{Redaction, Secret};

/// What a webhook needs.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// The address, `http` or `https`. For Slack and Discord the one that they give out; for ntfy the server and topic, such as
    /// `https://ntfy.sh/backups`; for Gotify the server.
    pub url: String,
    /// The form.
    pub form: Form,
    /// For [`Form::Json`] the key of the signature; for ntfy an access token, for Gotify the application's token.
    pub secret: Option<Secret>,
    /// Authorities to trust besides the given roots, as PEM.
    pub authority_pem: Option<String>,
}

/// The form that a service takes messages in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Our own, for programs.
    Json,
    /// Slack's incoming webhooks.
    Slack,
    /// Discord's webhooks.
    Discord,
    /// ntfy's JSON.
    Ntfy,
    /// Gotify's messages.
    Gotify,
}

/// A webhook whose settings make sense.
#[derive(Clone)]
pub struct Webhook {
    form: Form,
    endpoint: Endpoint,
    /// ntfy's topic, which is a key for whoever knows it.
    topic: Option<Secret>,
    secret: Option<Secret>,
    redaction: Redaction,
    client: Client,
}

impl Webhook {
    /// Checks the settings.
    pub fn new(settings: &WebhookSettings, roots: &Roots) -> Result<Self> {
        let form = settings.form;
        let given = Endpoint::parse(&settings.url)?;
        let (endpoint, topic) = match form {
            Form::Json | Form::Slack => (given.clone(), None),
            Form::Discord => (discord::endpoint(&given), None),
            Form::Ntfy => ntfy::endpoint(&given).map(|(endpoint, topic)| (endpoint, Some(topic)))?,
            Form::Gotify => (gotify::endpoint(&given), None),
        };
        check_secret(form, settings.secret.as_ref())?;
        let mut redaction = given.redaction();
        for secret in settings.secret.iter().chain(&topic) {
            redaction.hide(secret.expose());
        }
        Ok(Self {
            form,
            endpoint,
            topic,
            secret: settings.secret.clone(),
            redaction,
            client: Client::new(&roots.with_setting(settings.authority_pem.as_deref())?),
        })
    }

    /// Sets how long a delivery may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.client.set_timeout(timeout);
        self
    }

    /// Delivers a message.
    pub fn send(&self, message: &Message) -> Result<()> {
        let body = self.body(message);
        let authorization = self.authorization(&body);
        let mut headers = vec![("Content-Type", "application/json")];
        if self.form == Form::Json {
            headers.push((json::EVENT_HEADER, message.event.as_str()));
        }
        headers.extend(
            authorization
                .as_ref()
                .map(|(name, value)| (*name, value.expose())),
        );
        self.client.make(&Call {
            endpoint: &self.endpoint,
            headers: &headers,
            body: Some(&body),
            redaction: &self.redaction,
        })
    }

    /// Returns the header that proves who sends the body.
    fn authorization(&self, body: &str) -> Option<(&'static str, Secret)> {
        let secret = self.secret.as_ref()?;
        match self.form {
            Form::Json => Some((json::SIGNATURE_HEADER, json::signature(secret, body.as_bytes()))),
            Form::Ntfy => Some((
                "Authorization",
                Secret::new(format!("Bearer {}", secret.expose())),
            )),
            Form::Gotify => Some((gotify::TOKEN_HEADER, secret.clone())),
            Form::Slack | Form::Discord => None,
        }
    }

    fn body(&self, message: &Message) -> String {
        match self.form {
            Form::Json => json::body(message),
            Form::Slack => slack::body(message),
            Form::Discord => discord::body(message),
            Form::Ntfy => ntfy::body(message, self.topic.as_ref().map_or("", Secret::expose)),
            Form::Gotify => gotify::body(message),
        }
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("form", &self.form)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "json",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Ntfy => "ntfy",
            Self::Gotify => "gotify",
        })
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        let forms = [Self::Json, Self::Slack, Self::Discord, Self::Ntfy, Self::Gotify];
        let form = forms.into_iter().find(|form| form.to_string() == word);
        form.ok_or_else(|| Error::Unknown {
            word: word.into(),
            known: "json, slack, discord, ntfy, gotify",
        })
    }
}

fn check_secret(form: Form, secret: Option<&Secret>) -> Result<()> {
    match (form, secret) {
        (Form::Slack | Form::Discord, Some(_)) => Err(Error::IdleSecret { form }),
        (Form::Gotify, None) => Err(Error::NoToken { form }),
        (Form::Ntfy | Form::Gotify, Some(token)) if !http::is_header_value(token.expose()) => {
            Err(Error::Token)
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
fn json_text(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("what is sent is plain data")
}
