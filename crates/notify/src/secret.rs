//! Secrets, and replies of servers that might repeat them.

use std::fmt;

use zeroize::Zeroizing;

use crate::excerpt;

/// A reply is worth a line, not a page.
const MAX_REPLY_CHARS: usize = 300;
/// Shorter ones would turn up in any text.
const MIN_HIDDEN_BYTES: usize = 4;
const HIDDEN: &str = "[hidden]";

/// A password, token or key: not printed, and wiped from memory when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret in.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Shows the secret, to whom it is sent to.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What must not be shown of the replies of a server, as a server may repeat what it was sent.
#[derive(Clone, Default)]
pub(crate) struct Redaction(Vec<Secret>);

impl Redaction {
    pub(crate) fn hide(&mut self, text: impl Into<String>) {
        let text = text.into();
        if text.len() >= MIN_HIDDEN_BYTES {
            self.0.push(Secret::new(text));
            // The longest first, lest a part of it be replaced and the rest shown.
            self.0
                .sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        }
    }

    /// Turns a reply into one short line without secrets.
    pub(crate) fn line(&self, reply: &str) -> String {
        let mut reply = reply.to_owned();
        for secret in &self.0 {
            reply = reply.replace(secret.expose(), HIDDEN);
        }
        excerpt::head(&excerpt::one_line(&reply), MAX_REPLY_CHARS, |_| 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some(Secret(…))");
    }

    #[test]
    fn a_reply_is_one_line_without_secrets() {
        let mut redaction = Redaction::default();
        redaction.hide("B00/XyZ");
        redaction.hide("/services/T00/B00/XyZ");
        redaction.hide("ok");
        assert_eq!(
            redaction.line("no /services/T00/B00/XyZ here,\r\n ok, nor B00/XyZ\n"),
            "no [hidden] here, ok, nor [hidden]"
        );
        assert_eq!(redaction.line(&"x".repeat(1000)).chars().count(), MAX_REPLY_CHARS);
    }
}
