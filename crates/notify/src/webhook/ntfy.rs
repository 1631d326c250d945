//! ntfy, at ntfy.sh or on a server of one's own (docs.ntfy.sh, "Publish as JSON", "Message priority", "Access tokens", "Limitations").
//!
//! JSON is posted to the server itself and names the topic. A message of 4096 bytes or more would become an attachment, which many
//! servers refuse, and the whole of the JSON may be twice as long (`transformBodyJSON` of its server).

use serde_json::{Value, json};

use super::json_text;
use crate::error::{Error, Result, UrlFault};
use crate::excerpt;
use crate::http::Endpoint;
use crate::message::{Message, Severity};
use crate::secret::Secret;

const MAX_MESSAGE_BYTES: usize = 4095;
const MAX_BODY_BYTES: usize = 8191;
const MAX_LINK_BYTES: usize = 2048;
const MAX_TOPIC_BYTES: usize = 64;

/// Parts an address into that of the server and the topic.
pub(super) fn endpoint(given: &Endpoint) -> Result<(Endpoint, Secret)> {
    let fault = || Error::Url {
        fault: UrlFault::Topic,
    };
    let path = given.url().path().trim_end_matches('/');
    let (server, topic) = path.rsplit_once('/').ok_or_else(fault)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if topic.is_empty() || topic.len() > MAX_TOPIC_BYTES || !topic.bytes().all(is_allowed) {
        return Err(fault());
    }
    let endpoint = given.with(|url| url.set_path(&format!("{server}/")));
    Ok((endpoint, Secret::new(topic)))
}

pub(super) fn body(message: &Message, topic: &str) -> String {
    let text = message.plain();
    let text = if text.is_empty() {
        message.title_line()
    } else {
        text
    };
    let text = excerpt::head(&text, MAX_MESSAGE_BYTES, char::len_utf8);
    let body = with_text(message, topic, &text);
    let excess = body.len().saturating_sub(MAX_BODY_BYTES);
    if excess == 0 {
        return body;
    }
    // A byte less of text is at least a byte less of JSON.
    let text = excerpt::head(&text, text.len().saturating_sub(excess), char::len_utf8);
    with_text(message, topic, &text)
}

fn with_text(message: &Message, topic: &str, text: &str) -> String {
    let (priority, tag) = match message.severity {
        Severity::Info => (2, "information_source"),
        Severity::Ok => (3, "white_check_mark"),
        Severity::Warning => (3, "warning"),
        Severity::Error => (4, "rotating_light"),
    };
    let mut body = json!({
        "topic": topic,
        "title": message.title_line(),
        "message": text,
        "priority": priority,
        "tags": [tag, message.event.as_str()],
    });
    if let Some(link) = message
        .link
        .as_ref()
        .filter(|link| link.as_str().len() <= MAX_LINK_BYTES)
    {
        body["click"] = Value::from(link.as_str());
    }
    json_text(&body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::tests::sample;

    #[test]
    fn a_message_names_its_topic() {
        let expected = json!({
            "topic": "backups",
            "title": "Backup of laptop failed",
            "message": concat!(
                "No space left on <storage> & \"cache\".\nIt is tried again at *06:30*.\n\n",
                "Client: laptop\nKind: file backup\nTries: 3"
            ),
            "priority": 4,
            "tags": ["rotating_light", "backup-failed"],
            "click": "https://backup.example/jobs/17?tab=log&all"
        });
        assert_eq!(
            serde_json::from_str::<Value>(&body(&sample(), "backups")).expect("JSON"),
            expected
        );
    }

    #[test]
    fn the_last_part_of_the_address_is_the_topic() {
        let parts = |text: &str| {
            let (endpoint, topic) = endpoint(&Endpoint::parse(text).expect("a URL")).expect("a topic");
            (endpoint.url().to_string(), topic.expose().to_owned())
        };
        assert_eq!(
            parts("https://ntfy.sh/backups"),
            ("https://ntfy.sh/".into(), "backups".into())
        );
        assert_eq!(
            parts("https://a.example/push/b_1/"),
            ("https://a.example/push/".into(), "b_1".into())
        );
    }

    #[test]
    fn an_address_without_a_topic_is_refused() {
        for text in [
            "https://ntfy.sh",
            "https://ntfy.sh/",
            "https://ntfy.sh/a%20b",
            &format!("https://ntfy.sh/{}", "x".repeat(65)),
        ] {
            let given = Endpoint::parse(text).expect("a URL");
            assert!(
                matches!(
                    endpoint(&given),
                    Err(Error::Url {
                        fault: UrlFault::Topic
                    })
                ),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn limits_hold(message in crate::message::tests::any_message()) {
            let body = body(&message, "backups");
            prop_assert!(body.len() <= MAX_BODY_BYTES, "{}", body.len());
            let body: Value = serde_json::from_str(&body).expect("JSON");
            prop_assert!((1..4096).contains(&body["message"].as_str().expect("text").len()));
        }
    }
}
