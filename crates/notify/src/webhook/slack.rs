//! Slack's incoming webhooks (docs.slack.dev, "Sending messages using incoming webhooks").
//!
//! Limits are those of its block reference: a header has 150 characters, a section's text 3000, a section at most 10 fields of 2000;
//! all blocks together about 13 000, which is not documented (slackapi/bolt-js issue 2509). Text goes into `plain_text` objects,
//! where nothing is markup; in what is `mrkdwn` the characters `&`, `<` and `>` are escaped, or a title could call a whole channel.

use serde_json::{Value, json};

use super::json_text;
use crate::excerpt;
use crate::message::{Message, Severity};

const MAX_HEADER: usize = 150;
const MAX_TEXT: usize = 3000;
const MAX_FIELDS: usize = 10;
/// Less than allowed, as they all have to fit.
const MAX_FIELD: usize = 500;
const MAX_CONTEXT: usize = 300;

pub(super) fn body(message: &Message) -> String {
    let sign = match message.severity {
        Severity::Info => "ℹ️",
        Severity::Ok => "✅",
        Severity::Warning => "⚠️",
        Severity::Error => "🛑",
    };
    let title = format!("{sign} {}", message.title_line());
    let mut blocks = vec![json!({"type": "header", "text": plain_text(&title, MAX_HEADER)})];
    let text = message.tidy_text();
    if !text.is_empty() {
        blocks.push(json!({"type": "section", "text": plain_text(&text, MAX_TEXT)}));
    }
    let facts = message.all_facts().into_iter().take(MAX_FIELDS);
    let fields: Vec<Value> = facts
        .map(|(name, value)| plain_text(&format!("{name}: {value}"), MAX_FIELD))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({"type": "section", "fields": fields}));
    }
    let context = context(message);
    blocks.push(
        json!({"type": "context", "elements": [{"type": "mrkdwn", "text": context, "verbatim": true}]}),
    );
    // What notifications show.
    let summary = escaped(&excerpt::head(&title, MAX_HEADER, char::len_utf16));
    json_text(&json!({"text": summary, "blocks": blocks}))
}

fn plain_text(text: &str, limit: usize) -> Value {
    json!({"type": "plain_text", "text": excerpt::head(text, limit, char::len_utf16), "emoji": false})
}

/// The time in the reader's zone, what happened, and where to read on.
fn context(message: &Message) -> String {
    let (seconds, fallback) = (message.at.unix_seconds(), message.at.for_people());
    let time = format!("<!date^{seconds}^{{date_num}} {{time}}|{fallback}>");
    let link = message
        .link
        .as_ref()
        .map(|link| escaped(&link.as_str().replace('|', "%7C")));
    // A link that was cut would lead elsewhere.
    match link.filter(|link| link.len() <= MAX_TEXT - MAX_CONTEXT) {
        Some(link) => format!("{time} · {} · <{link}|Read on>", message.event),
        None => format!("{time} · {}", message.event),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::tests::sample;

    #[test]
    fn a_message_has_header_text_fields_and_context() {
        let expected = json!({
            "text": "🛑 Backup of laptop failed",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "🛑 Backup of laptop failed", "emoji": false}},
                {"type": "section", "text": {
                    "type": "plain_text",
                    "text": "No space left on <storage> & \"cache\".\nIt is tried again at *06:30*.",
                    "emoji": false
                }},
                {"type": "section", "fields": [
                    {"type": "plain_text", "text": "Client: laptop", "emoji": false},
                    {"type": "plain_text", "text": "Kind: file backup", "emoji": false},
                    {"type": "plain_text", "text": "Tries: 3", "emoji": false}
                ]},
                {"type": "context", "elements": [{
                    "type": "mrkdwn",
                    "text": concat!(
                        "<!date^1777609815^{date_num} {time}|2026-05-01 06:30 +02:00> · backup-failed · ",
                        "<https://backup.example/jobs/17?tab=log&amp;all|Read on>"
                    ),
                    "verbatim": true
                }]}
            ]
        });
        assert_eq!(
            serde_json::from_str::<Value>(&body(&sample())).expect("JSON"),
            expected
        );
    }

    #[test]
    fn a_title_calls_nobody() {
        let mut message = sample();
        message.title = "<!channel> & <@U123>".into();
        let body: Value = serde_json::from_str(&body(&message)).expect("JSON");
        assert_eq!(body["text"], "🛑 &lt;!channel&gt; &amp; &lt;@U123&gt;");
        assert_eq!(body["blocks"][0]["text"]["type"], "plain_text");
    }

    #[test]
    fn what_is_empty_is_left_out() {
        let mut message = sample();
        (message.text, message.client, message.link) = (String::new(), None, None);
        message.facts.clear();
        let body: Value = serde_json::from_str(&body(&message)).expect("JSON");
        let kinds: Vec<&str> = body["blocks"]
            .as_array()
            .expect("blocks")
            .iter()
            .filter_map(|block| block["type"].as_str())
            .collect();
        assert_eq!(kinds, ["header", "context"]);
    }

    proptest! {
        #[test]
        fn limits_hold(message in crate::message::tests::any_message()) {
            let body: Value = serde_json::from_str(&body(&message)).expect("JSON");
            let length = |value: &Value| value.as_str().expect("text").encode_utf16().count();
            let mut all = 0;
            for block in body["blocks"].as_array().expect("blocks") {
                let fields = block["fields"].as_array().or(block["elements"].as_array()).cloned().unwrap_or_default();
                prop_assert!(fields.len() <= 10);
                let own = if block["type"] == "header" { 150 } else { 3000 };
                for (text, limit) in fields.iter().map(|field| (field, 3000)).chain(block.get("text").map(|text| (text, own))) {
                    prop_assert!((1..=limit).contains(&length(&text["text"])));
                    all += length(&text["text"]);
                }
            }
            prop_assert!(all <= 13_000, "{all}");
        }
    }
}
