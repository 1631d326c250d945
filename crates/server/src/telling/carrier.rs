//! What carries a channel's messages, as it is set and kept.

use notify::{Login, Mail, MailSettings, Ping, PingSettings, Roots, Secret, Url, Webhook, WebhookSettings};
use serde::{Deserialize, Serialize};

use super::secret_text;
use crate::error::Result;

/// What carries messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// Mail.
    Mail(MailCarrier),
    /// A webhook.
    Webhook(WebhookCarrier),
    /// Pings: it is told nothing but that jobs begin and end.
    Ping(PingCarrier),
}

/// What mail needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MailCarrier {
    /// The mail server.
    pub host: String,
    /// Its port, if it is not the usual one.
    pub port: Option<u16>,
    /// `tls`, `starttls` or `plain`.
    pub security: String,
    /// The user, if the server wants a login.
    pub user: Option<String>,
    /// That user's password.
    #[serde(with = "secret_text::optional")]
    pub password: Option<Secret>,
    /// The sender.
    pub from: String,
    /// Who gets it.
    pub recipients: Vec<String>,
    /// The name that this host gives to the mail server.
    pub hello: Option<String>,
    /// Further authorities to trust, as PEM.
    pub authority_pem: Option<String>,
}

/// What a webhook needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WebhookCarrier {
    /// The address, which may be a key.
    #[serde(with = "secret_text")]
    pub url: Secret,
    /// `json`, `slack`, `discord`, `ntfy` or `gotify`.
    pub form: String,
    /// The key of a signature, or a token.
    #[serde(with = "secret_text::optional")]
    pub secret: Option<Secret>,
    /// Further authorities to trust, as PEM.
    pub authority_pem: Option<String>,
}

/// What a ping needs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PingCarrier {
    /// The address of the check, which is a key.
    #[serde(with = "secret_text")]
    pub url: Secret,
    /// Further authorities to trust, as PEM.
    pub authority_pem: Option<String>,
}

/// A carrier whose settings make sense.
#[derive(Debug, Clone)]
pub enum Opened {
    /// Mail.
    Mail(Mail),
    /// A webhook.
    Webhook(Webhook),
    /// Pings.
    Ping(Ping),
}

impl Carrier {
    /// Checks what is set.
    pub fn open(&self, roots: &Roots) -> Result<Opened> {
        Ok(match self {
            Self::Mail(mail) => Opened::Mail(Mail::new(&mail.settings()?, roots)?),
            Self::Webhook(webhook) => Opened::Webhook(Webhook::new(&webhook.settings()?, roots)?),
            Self::Ping(ping) => Opened::Ping(Ping::new(&ping.settings(), roots)?),
        })
    }

    /// The word for it.
    pub fn word(&self) -> &str {
        match self {
            Self::Mail(_) => "mail",
            Self::Webhook(webhook) => &webhook.form,
            Self::Ping(_) => "ping",
        }
    }

    /// Where messages go, without what is secret of it.
    pub fn target(&self) -> String {
        match self {
            Self::Mail(mail) => {
                let port = mail.port.map(|port| format!(":{port}")).unwrap_or_default();
                let recipients = mail.recipients.join(", ");
                format!("{recipients} by {}{port} ({})", mail.host, mail.security)
            }
            Self::Webhook(webhook) => origin(&webhook.url),
            Self::Ping(ping) => origin(&ping.url),
        }
    }
}

/// Scheme, host and port of an address; the rest may be a key.
fn origin(url: &Secret) -> String {
    match Url::parse(url.expose()) {
        Ok(url) => url.origin().ascii_serialization(),
        Err(_) => String::new(),
    }
}

impl MailCarrier {
    fn settings(&self) -> Result<MailSettings> {
        let login = self.user.as_ref().map(|user| Login {
            user: user.clone(),
            password: self.password.clone().unwrap_or_else(|| Secret::new("")),
        });
        Ok(MailSettings {
            host: self.host.clone(),
            port: self.port,
            security: self.security.parse()?,
            login,
            from: self.from.clone(),
            recipients: self.recipients.clone(),
            hello: self.hello.clone(),
            authority_pem: self.authority_pem.clone(),
        })
    }
}

impl WebhookCarrier {
    fn settings(&self) -> Result<WebhookSettings> {
        Ok(WebhookSettings {
            url: self.url.expose().to_owned(),
            form: self.form.parse()?,
            secret: self.secret.clone(),
            authority_pem: self.authority_pem.clone(),
        })
    }
}

impl PingCarrier {
    fn settings(&self) -> PingSettings {
        PingSettings {
            url: self.url.expose().to_owned(),
            authority_pem: self.authority_pem.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> Carrier {
        Carrier::Webhook(WebhookCarrier {
            url: Secret::new("https://hooks.slack.com/services/T000/B000/topsecret"),
            form: "slack".into(),
            secret: None,
            authority_pem: None,
        })
    }

    #[test]
    fn what_is_secret_is_kept_and_not_shown() {
        let carrier = slack();
        let kept = serde_json::to_string(&carrier).expect("plain data");
        assert!(kept.contains("topsecret"));
        let back: Carrier = serde_json::from_str(&kept).expect("reads back");
        assert_eq!(
            (back.word(), back.target().as_str()),
            ("slack", "https://hooks.slack.com")
        );
        let opened = carrier.open(&Roots::none()).expect("makes sense");
        for shown in [format!("{back:?}"), back.target(), format!("{opened:?}")] {
            assert!(!shown.contains("topsecret"), "{shown}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_when_it_is_set() {
        let Carrier::Webhook(slack) = slack() else {
            unreachable!("it is a webhook")
        };
        let changed = Carrier::Webhook(WebhookCarrier {
            form: "pigeon".into(),
            ..slack
        });
        let error = changed.open(&Roots::none()).expect_err("there is no such form");
        assert!(error.chain().contains("pigeon"), "{}", error.chain());
    }
}
