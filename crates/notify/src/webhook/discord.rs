//! Discord's webhooks (discord.com/developers/docs, "Execute Webhook" and "Embed Limits").
//!
//! A message is one embed: a title of 256 characters, a description of 4096, 25 fields with a name of 256 and a value of 1024, and
//! 6000 in all. Markdown is escaped and nobody is mentioned. `wait=true` asks for an answer that says whether the message was saved;
//! without it a message that was not is no error.

use serde_json::{Value, json};

use super::json_text;
use crate::excerpt;
use crate::http::Endpoint;
use crate::message::Message;

const MAX_TITLE: usize = 256;
/// Less than allowed, to leave room for the fields.
const MAX_DESCRIPTION: usize = 3000;
const MAX_NAME: usize = 256;
const MAX_VALUE: usize = 1024;
const MAX_FIELDS: usize = 25;
const MAX_ALL: usize = 6000;
/// Longer ones are refused.
const MAX_LINK: usize = 2048;

pub(super) fn endpoint(given: &Endpoint) -> Endpoint {
    given.with(|url| {
        if !url.query_pairs().any(|(name, _)| name == "wait") {
            url.query_pairs_mut().append_pair("wait", "true");
        }
    })
}

pub(super) fn body(message: &Message) -> String {
    let title = escaped(&message.title_line(), MAX_TITLE);
    let description = escaped(&message.tidy_text(), MAX_DESCRIPTION);
    let event = message.event.as_str();
    let mut left = MAX_ALL - length(&title) - length(&description) - length(event);
    let mut fields: Vec<Value> = Vec::new();
    for (name, value) in message.all_facts().into_iter().take(MAX_FIELDS) {
        let (name, value) = (escaped(&name, MAX_NAME), escaped(&value, MAX_VALUE));
        let Some(rest) = left.checked_sub(length(&name) + length(&value)) else {
            break;
        };
        left = rest;
        fields.push(json!({"name": name, "value": value, "inline": true}));
    }
    let mut embed = json!({
        "title": title,
        "description": description,
        "color": message.severity.colour(),
        "fields": fields,
        "footer": {"text": event},
        "timestamp": message.at.to_string(),
    });
    if let Some(link) = message
        .link
        .as_ref()
        .filter(|link| link.as_str().len() <= MAX_LINK)
    {
        embed["url"] = link.as_str().into();
    }
    json_text(&json!({"embeds": [embed], "allowed_mentions": {"parse": []}}))
}

/// Cuts a text so that it fits once its markup is escaped, and escapes it.
fn escaped(text: &str, limit: usize) -> String {
    let cost = |symbol: char| usize::from(is_markup(symbol)) + symbol.len_utf16();
    let mut escaped = String::new();
    for symbol in excerpt::head(text, limit, cost).chars() {
        if is_markup(symbol) {
            escaped.push('\\');
        }
        escaped.push(symbol);
    }
    escaped
}

fn is_markup(symbol: char) -> bool {
    matches!(
        symbol,
        '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '[' | ']' | '#' | '@'
    )
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::message::tests::sample;

    #[test]
    fn a_message_is_one_embed() {
        let expected = json!({
            "embeds": [{
                "title": "Backup of laptop failed",
                "description": "No space left on \\<storage\\> & \"cache\".\nIt is tried again at \\*06:30\\*.",
                "color": 0x00c6_2828,
                "fields": [
                    {"name": "Client", "value": "laptop", "inline": true},
                    {"name": "Kind", "value": "file backup", "inline": true},
                    {"name": "Tries", "value": "3", "inline": true}
                ],
                "footer": {"text": "backup-failed"},
                "timestamp": "2026-05-01T06:30:15+02:00",
                "url": "https://backup.example/jobs/17?tab=log&all"
            }],
            "allowed_mentions": {"parse": []}
        });
        assert_eq!(
            serde_json::from_str::<Value>(&body(&sample())).expect("JSON"),
            expected
        );
    }

    #[test]
    fn an_answer_is_asked_for_unless_the_address_says_otherwise() {
        let asked = |text| endpoint(&Endpoint::parse(text).expect("a URL")).url().to_string();
        assert_eq!(
            asked("https://discord.example/w/1/t"),
            "https://discord.example/w/1/t?wait=true"
        );
        assert_eq!(
            asked("https://discord.example/w/1/t?thread_id=2"),
            "https://discord.example/w/1/t?thread_id=2&wait=true"
        );
        assert_eq!(
            asked("https://discord.example/w/1/t?wait=false"),
            "https://discord.example/w/1/t?wait=false"
        );
    }

    proptest! {
        #[test]
        fn limits_hold(message in crate::message::tests::any_message()) {
            let body: Value = serde_json::from_str(&body(&message)).expect("JSON");
            let embed = &body["embeds"][0];
            let text = |value: &Value| length(value.as_str().expect("text"));
            let mut all = text(&embed["title"]) + text(&embed["description"]) + text(&embed["footer"]["text"]);
            prop_assert!(text(&embed["title"]) <= 256 && text(&embed["description"]) <= 4096);
            let fields = embed["fields"].as_array().expect("fields");
            prop_assert!(fields.len() <= 25);
            for field in fields {
                prop_assert!((1..=256).contains(&text(&field["name"])) && (1..=1024).contains(&text(&field["value"])));
                all += text(&field["name"]) + text(&field["value"]);
            }
            prop_assert!(all <= 6000, "{all}");
        }
    }
}
