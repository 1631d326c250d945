//! Our own form, for programs: all of the message as it is, signed.
//!
//! The signature is an HMAC-SHA256 (RFC 2104) over the body's bytes, as `sha256=` and hexadecimal digits in a header: what GitHub does
//! (docs.github.com, "Validating webhook deliveries"), so that programs that check its signatures can check ours. There is no time
//! of signing, as a delivery may be tried for days; `id` and `at` tell a repetition.

use ring::hmac;
use serde::Serialize;

use super::json_text;
use crate::message::{Fact, Message, Severity, hex};
use crate::secret::Secret;

pub(super) const EVENT_HEADER: &str = "X-Perennial-Event";
pub(super) const SIGNATURE_HEADER: &str = "X-Perennial-Signature";
/// Goes up when a program that reads an older one would misread a newer one.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Payload<'a> {
    version: u32,
    id: String,
    event: &'a str,
    severity: Severity,
    title: String,
    text: String,
    facts: &'a [Fact],
    client: Option<&'a str>,
    link: Option<&'a str>,
    at: String,
}

pub(super) fn body(message: &Message) -> String {
    json_text(&Payload {
        version: VERSION,
        id: message.id(),
        event: message.event.as_str(),
        severity: message.severity,
        title: message.title_line(),
        text: message.tidy_text(),
        facts: &message.facts,
        client: message.client.as_deref(),
        link: message.link.as_ref().map(url::Url::as_str),
        at: message.at.to_string(),
    })
}

pub(super) fn signature(key: &Secret, body: &[u8]) -> Secret {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    Secret::new(format!("sha256={}", hex(hmac::sign(&key, body).as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::sample;

    #[test]
    fn the_message_is_sent_as_it_is() {
        assert_eq!(
            body(&sample()),
            concat!(
                r#"{"version":1,"id":"6eb13b1beb4d1819f36ef1b0c76f4290","event":"backup-failed","severity":"error","#,
                r#""title":"Backup of laptop failed","#,
                r#""text":"No space left on <storage> & \"cache\".\nIt is tried again at *06:30*.","#,
                r#""facts":[{"name":"Kind","value":"file backup"},{"name":"Tries","value":"3"}],"#,
                r#""client":"laptop","link":"https://backup.example/jobs/17?tab=log&all","#,
                r#""at":"2026-05-01T06:30:15+02:00"}"#
            )
        );
    }

    #[test]
    fn the_signature_is_that_of_the_example() {
        // docs.github.com, "Validating webhook deliveries", section "Testing the webhook payload validation".
        let key = Secret::new("It's a Secret to Everybody");
        assert_eq!(
            signature(&key, b"Hello, World!").expose(),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
