//! Mail over SMTP: settings, and a delivery with what became of each recipient.

mod conversation;
mod letter;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;

use crate::TIMEOUT;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::roots::Roots;
use crate::secret::{Redaction, Secret};

/// What mail needs.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// The mail server's name or IP address. Its certificate has to be for that.
    pub host: String,
    /// Its port, if it is not the usual one of `security`.
    pub port: Option<u16>,
    /// How the connection is encrypted.
    pub security: Security,
    /// User and password, if the server wants them.
    pub login: Option<Login>,
    /// The sender: `backup@example.org`, or `Backups <backup@example.org>`.
    pub from: String,
    /// Who gets it, in the same form.
    pub recipients: Vec<String>,
    /// The name that this host gives to the mail server, which some check; an address literal if there is none.
    pub hello: Option<String>,
    /// Authorities to trust besides the given roots, as PEM.
    pub authority_pem: Option<String>,
}

/// How the connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// From its beginning (RFC 8314); port 465.
    Tls,
    /// By STARTTLS (RFC 3207), without which nothing is sent; port 587.
    StartTls,
    /// Not at all; port 25. There is no login then, unless the server is this machine.
    Plain,
}

/// A user of a mail server.
#[derive(Debug, Clone)]
pub struct Login {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Secret,
}

/// A mail server and recipients that make sense.
#[derive(Clone)]
pub struct Mail {
    server: Server,
    from: Mailbox,
    recipients: Vec<Mailbox>,
}

/// What became of a mail that the server took.
#[derive(Debug)]
#[must_use]
pub struct Delivery {
    /// Recipients that the server refused; the others get the mail.
    pub refused: Vec<Refusal>,
}

/// A recipient that the server refused.
#[derive(Debug)]
pub struct Refusal {
    /// The address.
    pub recipient: String,
    /// Why, and whether it is for now or for good.
    pub error: Error,
}

/// All that a conversation needs.
#[derive(Clone)]
struct Server {
    host: String,
    port: u16,
    encryption: Encryption,
    login: Option<Credentials>,
    hello: ClientId,
    timeout: Duration,
    redaction: Redaction,
}

#[derive(Clone)]
enum Encryption {
    Tls(TlsParameters),
    StartTls(TlsParameters),
    None,
}

impl Mail {
    /// Checks the settings.
    pub fn new(settings: &MailSettings, roots: &Roots) -> Result<Self> {
        if settings.recipients.is_empty() {
            return Err(Error::NoRecipient);
        }
        let roots = roots.with_setting(settings.authority_pem.as_deref())?;
        Ok(Self {
            server: Server::new(settings, &roots)?,
            from: mailbox(&settings.from)?,
            recipients: settings
                .recipients
                .iter()
                .map(|text| mailbox(text))
                .collect::<Result<_>>()?,
        })
    }

    /// Sets how long each step of a delivery may take.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.server.timeout = timeout;
        self
    }

    /// Delivers a message to all recipients, in one mail.
    ///
    /// If the server refuses some of them, the others get it all the same; if it refuses all, that is an error.
    pub fn send(&self, message: &Message) -> Result<Delivery> {
        self.deliver(message, &self.recipients)
    }

    /// Delivers a message to some addresses only, such as those that were refused for now.
    pub fn send_to(&self, message: &Message, recipients: &[String]) -> Result<Delivery> {
        let recipients: Vec<Mailbox> = recipients
            .iter()
            .map(|text| mailbox(text))
            .collect::<Result<_>>()?;
        self.deliver(message, &recipients)
    }

    fn deliver(&self, message: &Message, recipients: &[Mailbox]) -> Result<Delivery> {
        if recipients.is_empty() {
            return Err(Error::NoRecipient);
        }
        let letter = letter::write(message, &self.from, recipients);
        let addresses: Vec<&Address> = recipients.iter().map(|recipient| &recipient.email).collect();
        let refused = conversation::deliver(&self.server, &self.from.email, &addresses, &letter)?;
        Ok(Delivery { refused })
    }
}

impl Server {
    fn new(settings: &MailSettings, roots: &Roots) -> Result<Self> {
        let host = settings.host.trim();
        if !is_host(host) {
            return Err(Error::Host { host: host.into() });
        }
        if settings.login.is_some() && settings.security == Security::Plain && !is_this_machine(host) {
            return Err(Error::PasswordInPlain);
        }
        let usual_port = match settings.security {
            Security::Tls => 465,
            Security::StartTls => 587,
            Security::Plain => 25,
        };
        let encryption = match settings.security {
            Security::Tls => Encryption::Tls(tls(host, roots)?),
            Security::StartTls => Encryption::StartTls(tls(host, roots)?),
            Security::Plain => Encryption::None,
        };
        let hello = settings
            .hello
            .as_deref()
            .map_or_else(|| Ok(ClientId::default()), client_id)?;
        Ok(Self {
            host: host.into(),
            port: settings.port.unwrap_or(usual_port),
            encryption,
            login: settings.login.as_ref().map(credentials),
            hello,
            timeout: TIMEOUT,
            redaction: settings.login.as_ref().map(redaction).unwrap_or_default(),
        })
    }

    fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("server", &self.server.name())
            .field("from", &self.from.to_string())
            .field("recipients", &self.recipients.len())
            .finish_non_exhaustive()
    }
}

impl FromStr for Security {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        match word {
            "tls" => Ok(Self::Tls),
            "starttls" => Ok(Self::StartTls),
            "plain" => Ok(Self::Plain),
            _ => Err(Error::Unknown {
                word: word.into(),
                known: "tls, starttls, plain",
            }),
        }
    }
}

/// Reads an address with or without a name. Addresses have to be ASCII: few servers take others.
fn mailbox(text: &str) -> Result<Mailbox> {
    let wrong = || Error::Address { address: text.into() };
    if text.chars().any(char::is_control) {
        return Err(wrong());
    }
    let mailbox: Mailbox = text.trim().parse().map_err(|_| wrong())?;
    let address: &str = mailbox.email.as_ref();
    if address.is_ascii() {
        Ok(mailbox)
    } else {
        Err(wrong())
    }
}

fn is_host(host: &str) -> bool {
    ServerName::try_from(host).is_ok()
}

/// Reads the name of this host, or its address, which is told as a literal (RFC 5321, section 4.1.3).
fn client_id(name: &str) -> Result<ClientId> {
    match name.parse() {
        Ok(IpAddr::V4(address)) => Ok(ClientId::Ipv4(address)),
        Ok(IpAddr::V6(address)) => Ok(ClientId::Ipv6(address)),
        Err(_) if is_host(name) => Ok(ClientId::Domain(name.into())),
        Err(_) => Err(Error::Host { host: name.into() }),
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn tls(host: &str, roots: &Roots) -> Result<TlsParameters> {
    let mut builder = TlsParameters::builder(host.into()).certificate_store(CertificateStore::None);
    for root in roots.certificates() {
        let root = Certificate::from_der(root.to_vec()).map_err(|_| Error::Authority)?;
        builder = builder.add_root_certificate(root);
    }
    builder.build().map_err(|_| Error::Authority)
}

fn credentials(login: &Login) -> Credentials {
    Credentials::new(login.user.clone(), login.password.expose().into())
}

/// Hides the password as it is and as it travels (RFC 4616, and LOGIN).
fn redaction(login: &Login) -> Redaction {
    let password = login.password.expose();
    let mut redaction = Redaction::default();
    redaction.hide(password);
    redaction.hide(STANDARD.encode(password));
    redaction.hide(STANDARD.encode(format!("\0{}\0{password}", login.user)));
    redaction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> MailSettings {
        MailSettings {
            host: "mail.example".into(),
            port: None,
            security: Security::StartTls,
            login: Some(Login {
                user: "backup".into(),
                password: Secret::new("hunter22"),
            }),
            from: "Backups <backup@example.org>".into(),
            recipients: vec!["admin@example.org".into()],
            hello: None,
            authority_pem: None,
        }
    }

    fn mail(change: impl FnOnce(&mut MailSettings)) -> Result<Mail> {
        let mut settings = settings();
        change(&mut settings);
        Mail::new(&settings, &Roots::none())
    }

    #[test]
    fn the_port_follows_from_the_security() {
        let port = |security| {
            mail(|settings| (settings.security, settings.login) = (security, None))
                .expect("makes sense")
                .server
                .port
        };
        assert_eq!(
            [Security::Tls, Security::StartTls, Security::Plain].map(port),
            [465, 587, 25]
        );
        assert_eq!(
            mail(|settings| settings.port = Some(2525))
                .expect("makes sense")
                .server
                .port,
            2525
        );
    }

    #[test]
    fn a_password_does_not_travel_in_the_clear() {
        let to =
            |host: &str| mail(|settings| (settings.host, settings.security) = (host.into(), Security::Plain));
        assert!(matches!(to("mail.example"), Err(Error::PasswordInPlain)));
        assert!(matches!(to("192.0.2.1"), Err(Error::PasswordInPlain)));
        for host in ["localhost", "127.0.0.1", "::1"] {
            assert!(to(host).is_ok(), "{host}");
        }
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for address in [
            "",
            "admin",
            "a@b@c",
            "a@example.org\r\nBcc: b@example.org",
            "jörg@example.org",
            "a@exämple.org",
            "\"x\r\nBcc: b@example.org\" <a@example.org>",
        ] {
            let from = mail(|settings| settings.from = address.into());
            assert!(matches!(from, Err(Error::Address { .. })), "{address:?}");
            let to = mail(|settings| settings.recipients.push(address.into()));
            assert!(matches!(to, Err(Error::Address { .. })), "{address:?}");
        }
        assert!(matches!(
            mail(|settings| settings.recipients.clear()),
            Err(Error::NoRecipient)
        ));
    }

    #[test]
    fn hosts_that_are_none_are_refused() {
        for host in ["", "mail server", "mail.example:25", "a\r\nb"] {
            assert!(
                matches!(
                    mail(|settings| settings.host = host.into()),
                    Err(Error::Host { .. })
                ),
                "{host:?}"
            );
            assert!(
                matches!(
                    mail(|settings| settings.hello = Some(host.into())),
                    Err(Error::Host { .. })
                ),
                "{host:?}"
            );
        }
    }

    #[test]
    fn an_address_as_the_own_name_is_a_literal() {
        let hello = |name| client_id(name).expect("a name").to_string();
        assert_eq!(hello("server.example"), "server.example");
        assert_eq!(hello("192.0.2.1"), "[192.0.2.1]");
        assert_eq!(hello("2001:db8::1"), "[IPv6:2001:db8::1]");
    }

    #[test]
    fn the_password_is_not_printed() {
        let printed = format!("{:?} {:?}", settings(), mail(|_| {}).expect("makes sense"));
        assert!(!printed.contains("hunter22"), "{printed}");
    }

    #[test]
    fn securities_are_words() {
        assert_eq!(
            "starttls".parse::<Security>().expect("a word"),
            Security::StartTls
        );
        let error = "ssl".parse::<Security>().expect_err("no word");
        assert_eq!(error.to_string(), "\"ssl\" is not one of tls, starttls, plain");
    }
}
