//! What can go wrong with a channel's settings and with a delivery, and whether another try makes sense.
//!
//! No variant holds a secret: addresses on the web are cut down to scheme, host and port, since the path of a webhook is its key,
//! and what a server replied is searched for the channel's secrets first.

use std::io;

use crate::webhook::Form;

/// The result of setting up a channel or delivering a message.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something is wrong with a channel's settings, or a message was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An event is not a word of lower-case letters, digits and hyphens.
    #[error("{event:?} is not an event: one is a word of a-z, 0-9 and \"-\"")]
    Event {
        /// What was given.
        event: String,
    },
    /// A text is not a moment.
    #[error("{text:?} is not a time in the form of RFC 3339, such as 2026-05-01T06:30:00+02:00")]
    Moment {
        /// What was given.
        text: String,
    },
    /// A word is none of those that a setting knows.
    #[error("{word:?} is not one of {known}")]
    Unknown {
        /// What was given.
        word: String,
        /// What could have been.
        known: &'static str,
    },
    /// A mail address can't be used.
    #[error("{address:?} is not a mail address in ASCII")]
    Address {
        /// What was given.
        address: String,
    },
    /// Nobody is to get the mail.
    #[error("mail needs a recipient")]
    NoRecipient,
    /// The name of a mail server, or the one that it is greeted with, can't be used.
    #[error("{host:?} is not the name or address of a host")]
    Host {
        /// What was given.
        host: String,
    },
    /// A password would travel in the clear.
    #[error("a password is sent over an encrypted connection only, or to this machine itself")]
    PasswordInPlain,
    /// The address of a webhook or ping can't be used.
    #[error("the address {fault}")]
    Url {
        /// What is wrong with it.
        fault: UrlFault,
    },
    /// A form needs a token and has none.
    #[error("{form} needs a token")]
    NoToken {
        /// Which.
        form: Form,
    },
    /// A form has no use for the secret that it was given.
    #[error("{form} has no use for a secret: its address is one")]
    IdleSecret {
        /// Which.
        form: Form,
    },
    /// A token holds characters that no header may hold.
    #[error("the token holds characters that can't be sent")]
    Token,
    /// The certificate of an authority can't be read.
    #[error("the authority's certificate can't be read: it is to be PEM")]
    Authority,
    /// The other side can't be reached, or broke the connection.
    #[error("{server} can't be reached")]
    Unreachable {
        /// Who.
        server: String,
        /// What the system says.
        source: io::Error,
    },
    /// The other side did not answer in time.
    #[error("{server} did not answer in time")]
    TimedOut {
        /// Who.
        server: String,
    },
    /// The encrypted connection did not come about, as when the certificate is not to be trusted.
    #[error("no encrypted connection to {server}")]
    Tls {
        /// Who.
        server: String,
        /// What rustls says.
        source: rustls::Error,
    },
    /// The mail server lacks what the settings ask for. Nothing was sent.
    #[error("{server} does not offer {offer}")]
    NotOffered {
        /// Who.
        server: String,
        /// What.
        offer: Offer,
    },
    /// The mail server refused.
    #[error("{server} refused {step}: {code} {reply}")]
    Smtp {
        /// Who.
        server: String,
        /// What.
        step: Step,
        /// The reply's code (RFC 5321, section 4.2): 4xx is for now, 5xx is for good.
        code: u16,
        /// The reply's text, shortened.
        reply: String,
    },
    /// The web server refused.
    #[error("{server} answered {status}{}", after_colon(.reply))]
    Http {
        /// Who.
        server: String,
        /// The status code.
        status: u16,
        /// The beginning of the answer's body.
        reply: String,
        /// How long it asks to be left alone, if it says.
        retry_after_ms: Option<u64>,
    },
    /// The web server points to another address. It is not followed.
    #[error("{server} redirects ({status}) to {target}: give the new address instead")]
    Redirected {
        /// Who.
        server: String,
        /// The status code.
        status: u16,
        /// Scheme, host and port of the other address.
        target: String,
    },
    /// The other side does not speak the protocol.
    #[error("{server} gave an answer that makes no sense: {reason}")]
    Protocol {
        /// Who.
        server: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    /// Tells whether the same delivery may succeed later, though nobody changes the settings.
    ///
    /// A certificate that is not to be trusted counts as temporary: as a rule the other side has let it expire, and renews it.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Tls { .. } | Self::Protocol { .. } => {
                true
            }
            Self::Smtp { code, .. } => (400..500).contains(code),
            Self::Http { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Returns how long the other side asks to be left alone.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Http { retry_after_ms, .. } => *retry_after_ms,
            _ => None,
        }
    }

    /// Sorts an I/O error by what it means for a delivery to `server`.
    pub(crate) fn from_io(server: &str, error: io::Error) -> Self {
        let server = server.to_owned();
        let inner = error.get_ref();
        if let Some(source) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            let source = source.clone();
            return Self::Tls { server, source };
        }
        // A socket's own timeout is reported as "would block".
        if matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock) {
            return Self::TimedOut { server };
        }
        Self::Unreachable {
            server,
            source: error,
        }
    }
}

fn after_colon(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

/// What is wrong with the address of a webhook or ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It can't be parsed.
    #[error("is not a URL")]
    Syntax,
    /// It is neither `http` nor `https`.
    #[error("does not begin with http:// or https://")]
    Scheme,
    /// It does not end with a topic of ntfy.
    #[error("does not end with a topic: one has 1 to 64 of A-Z, a-z, 0-9, \"_\" and \"-\"")]
    Topic,
}

/// What a mail server may offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Offer {
    /// Encryption by STARTTLS (RFC 3207).
    #[error("STARTTLS")]
    StartTls,
    /// Logging in by AUTH PLAIN or LOGIN (RFC 4954).
    #[error("a login with user and password")]
    Login,
}

/// A step of the conversation with a mail server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Step {
    /// Greeting and EHLO.
    #[error("the greeting")]
    Greeting,
    /// STARTTLS and the handshake.
    #[error("STARTTLS")]
    StartTls,
    /// AUTH.
    #[error("the login")]
    Login,
    /// MAIL FROM.
    #[error("the sender")]
    Sender,
    /// RCPT TO.
    #[error("the recipient")]
    Recipient,
    /// DATA and the mail itself.
    #[error("the mail")]
    Content,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: u16) -> Error {
        Error::Http {
            server: "https://hooks.example".into(),
            status,
            reply: String::new(),
            retry_after_ms: None,
        }
    }

    fn smtp(code: u16) -> Error {
        Error::Smtp {
            server: "mail.example:587".into(),
            step: Step::Recipient,
            code,
            reply: "no".into(),
        }
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        for error in [http(408), http(429), http(500), http(503), smtp(421), smtp(451)] {
            assert!(error.is_temporary(), "{error}");
        }
        for error in [
            http(400),
            http(401),
            http(404),
            http(410),
            smtp(535),
            smtp(550),
            Error::NoRecipient,
        ] {
            assert!(!error.is_temporary(), "{error}");
        }
    }

    #[test]
    fn an_answer_without_text_has_no_colon() {
        assert_eq!(http(404).to_string(), "https://hooks.example answered 404");
    }
}
