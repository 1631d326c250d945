//! Gotify, a server of one's own (gotify.net: "Push messages", "Message Extras", "Message Priority").
//!
//! The application's token goes into the header `X-Gotify-Key`. There is no documented limit; what a phone shows is the measure.

use serde_json::{Value, json};

use super::json_text;
use crate::excerpt;
use crate::http::Endpoint;
use crate::message::{Message, Severity};

pub(super) const TOKEN_HEADER: &str = "X-Gotify-Key";
const MAX_MESSAGE_BYTES: usize = 16 * 1024;

/// Messages are posted to `/message` beneath the server's address.
pub(super) fn endpoint(given: &Endpoint) -> Endpoint {
    given.with(|url| {
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/message").unwrap_or(path);
        url.set_path(&format!("{path}/message"));
    })
}

pub(super) fn body(message: &Message) -> String {
    let text = excerpt::head(&message.plain(), MAX_MESSAGE_BYTES, char::len_utf8);
    let text = if text.is_empty() {
        message.title_line()
    } else {
        text
    };
    let priority = match message.severity {
        Severity::Info => 2,
        Severity::Ok | Severity::Warning => 5,
        Severity::Error => 8,
    };
    let mut body = json!({
        "title": message.title_line(),
        "message": text,
        "priority": priority,
        "extras": {
            "client::display": {"contentType": "text/plain"},
            "perennial::message": {"event": message.event.as_str(), "id": message.id()},
        },
    });
    if let Some(link) = &message.link {
        body["extras"]["client::notification"] = json!({"click": {"url": Value::from(link.as_str())}});
    }
    json_text(&body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::tests::sample;

    #[test]
    fn a_message_is_plain_text_that_opens_its_link() {
        let expected = json!({
            "title": "Backup of laptop failed",
            "message": concat!(
                "No space left on <storage> & \"cache\".\nIt is tried again at *06:30*.\n\n",
                "Client: laptop\nKind: file backup\nTries: 3"
            ),
            "priority": 8,
            "extras": {
                "client::display": {"contentType": "text/plain"},
                "client::notification": {"click": {"url": "https://backup.example/jobs/17?tab=log&all"}},
                "perennial::message": {"event": "backup-failed", "id": sample().id()}
            }
        });
        assert_eq!(
            serde_json::from_str::<Value>(&body(&sample())).expect("JSON"),
            expected
        );
    }

    #[test]
    fn messages_go_beneath_the_servers_address() {
        let posted = |text| endpoint(&Endpoint::parse(text).expect("a URL")).url().to_string();
        assert_eq!(posted("https://push.example"), "https://push.example/message");
        assert_eq!(
            posted("https://a.example/gotify/"),
            "https://a.example/gotify/message"
        );
        assert_eq!(
            posted("https://push.example/message"),
            "https://push.example/message"
        );
    }
}
