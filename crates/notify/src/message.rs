//! The message: what happened, for people and for programs, whatever carries it.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Error, Result};
use crate::excerpt;
use crate::moment::Moment;

/// Longer texts are cut by every channel.
pub(crate) const MAX_TEXT_BYTES: usize = 256 * 1024;
/// Titles are one line.
const MAX_TITLE_CHARS: usize = 200;
const MAX_EVENT_BYTES: usize = 40;

/// Something that people or programs want to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// What happened, for programs.
    pub event: Event,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, in one line.
    pub title: String,
    /// What happened, in as many lines as it takes; may be empty.
    pub text: String,
    /// Names and values that belong to it.
    pub facts: Vec<Fact>,
    /// The client that it is about, if it is about one.
    pub client: Option<String>,
    /// Where to read on, if anywhere.
    pub link: Option<Url>,
    /// When it happened.
    pub at: Moment,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What the value is.
    pub name: String,
    /// The value.
    pub value: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// What was wrong is right again.
    Ok,
    /// Somebody should look into it.
    Warning,
    /// Something failed.
    Error,
}

/// What happened, as a word for programs: a-z, 0-9 and "-".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Event(Cow<'static, str>);

impl Message {
    /// Returns what names this message and no other: the same for every try, so that whoever gets it twice can tell.
    pub fn id(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("a message is plain data");
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        hex(&digest.as_ref()[..16])
    }

    /// Returns the title as one line that is never empty.
    pub(crate) fn title_line(&self) -> String {
        let title = excerpt::one_line(&self.title);
        let title = if title.is_empty() {
            self.event.to_string()
        } else {
            title
        };
        excerpt::head(&title, MAX_TITLE_CHARS, |_| 1)
    }

    /// Returns the text without what no channel can show; may be empty.
    pub(crate) fn tidy_text(&self) -> String {
        excerpt::head(&excerpt::tidy(&self.text), MAX_TEXT_BYTES, char::len_utf8)
    }

    /// Returns the client and the facts, each as one line's worth of name and value.
    pub(crate) fn all_facts(&self) -> Vec<(String, String)> {
        let client = self.client.iter().map(|client| ("Client", client.as_str()));
        let facts = self
            .facts
            .iter()
            .map(|fact| (fact.name.as_str(), fact.value.as_str()));
        let lines = client
            .chain(facts)
            .map(|(name, value)| (excerpt::one_line(name), excerpt::one_line(value)));
        lines
            .filter(|(name, value)| !name.is_empty() && !value.is_empty())
            .collect()
    }

    /// Returns text and facts for a channel that has nothing but text.
    pub(crate) fn plain(&self) -> String {
        let facts: Vec<String> = self
            .all_facts()
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let parts = [self.tidy_text(), facts.join("\n")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("\n\n")
    }
}

impl Severity {
    /// Returns the word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Returns a colour for it, as 0xRRGGBB.
    pub(crate) fn colour(self) -> u32 {
        match self {
            Self::Info => 0x004a_6fa5,
            Self::Ok => 0x002e_7d32,
            Self::Warning => 0x00b2_6a00,
            Self::Error => 0x00c6_2828,
        }
    }
}

impl Event {
    /// A backup failed.
    pub const BACKUP_FAILED: Self = Self(Cow::Borrowed("backup-failed"));
    /// A client has had no backup for too long.
    pub const CLIENT_LATE: Self = Self(Cow::Borrowed("client-late"));
    /// Something is wrong with the server or its storage.
    pub const SERVER_ALERT: Self = Self(Cow::Borrowed("server-alert"));
    /// A summary of what was done.
    pub const REPORT: Self = Self(Cow::Borrowed("report"));
    /// Somebody wants to see whether messages arrive.
    pub const TEST: Self = Self(Cow::Borrowed("test"));

    /// Takes a word of at most 40 lower-case letters, digits and hyphens.
    pub fn new(word: impl Into<String>) -> Result<Self> {
        let word = word.into();
        let is_allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if word.is_empty() || word.len() > MAX_EVENT_BYTES || !word.bytes().all(is_allowed) {
            return Err(Error::Event { event: word });
        }
        Ok(Self(Cow::Owned(word)))
    }

    /// Returns the word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Event {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        Self::new(word)
    }
}

impl From<Event> for String {
    fn from(event: Event) -> Self {
        event.0.into_owned()
    }
}

/// Returns bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with a bit of everything that has to be escaped somewhere.
    pub(crate) fn sample() -> Message {
        Message {
            event: Event::BACKUP_FAILED,
            severity: Severity::Error,
            title: "Backup of laptop failed".into(),
            text: "No space left on <storage> & \"cache\".\nIt is tried again at *06:30*.".into(),
            facts: vec![
                Fact {
                    name: "Kind".into(),
                    value: "file backup".into(),
                },
                Fact {
                    name: "Tries".into(),
                    value: "3".into(),
                },
            ],
            client: Some("laptop".into()),
            link: Some(
                "https://backup.example/jobs/17?tab=log&all"
                    .parse()
                    .expect("a URL"),
            ),
            at: "2026-05-01T06:30:15+02:00".parse().expect("a moment"),
        }
    }

    /// Messages of any content and of any length that matters.
    pub(crate) fn any_message() -> impl Strategy<Value = Message> {
        let severity = prop::sample::select(vec![
            Severity::Info,
            Severity::Ok,
            Severity::Warning,
            Severity::Error,
        ]);
        let fragments = [
            "\"", "\\", "*", "_", "\n", "\r", "\u{1}", "<", "&", "@", "|", "ä", "😀", "x", " ",
        ];
        let fragment = prop_oneof![
            any::<String>(),
            prop::sample::select(fragments.to_vec()).prop_map(String::from)
        ];
        let repeated = |max_times: usize| {
            let parts = (fragment.clone(), fragment.clone(), 0..max_times);
            parts.prop_map(|(one, other, times)| one + &other.repeat(times))
        };
        let word = repeated(400).boxed();
        let facts = prop::collection::vec((word.clone(), word.clone()), 0..30);
        let (client, link) = (prop::option::of(word.clone()), prop::option::of(word.clone()));
        (severity, word, repeated(9000), facts, client, link).prop_map(
            |(severity, title, text, facts, client, link)| Message {
                severity,
                title,
                text,
                facts: facts
                    .into_iter()
                    .map(|(name, value)| Fact { name, value })
                    .collect(),
                client,
                link: link.map(|query| format!("https://backup.example/?{query}").parse().expect("a URL")),
                ..sample()
            },
        )
    }

    #[test]
    fn a_message_keeps_its_id_through_a_queue() {
        let message = sample();
        let queued = serde_json::to_string(&message).expect("plain data");
        let back: Message = serde_json::from_str(&queued).expect("reads back");
        assert_eq!(back, message);
        assert_eq!(back.id(), message.id());
        assert_eq!(message.id().len(), 32);
    }

    #[test]
    fn another_message_has_another_id() {
        let other = Message {
            client: Some("desktop".into()),
            ..sample()
        };
        assert_ne!(other.id(), sample().id());
    }

    #[test]
    fn events_are_words() {
        assert_eq!(Event::new("quota-95").expect("a word").as_str(), "quota-95");
        for word in ["", "Backup", "two words", "a\r\nb", &"x".repeat(41)] {
            assert!(Event::new(word).is_err(), "{word:?}");
        }
    }

    #[test]
    fn a_title_is_one_line_and_never_empty() {
        let mut message = sample();
        message.title = "one\r\nBcc: two".into();
        assert_eq!(message.title_line(), "one Bcc: two");
        message.title = "\n".into();
        assert_eq!(message.title_line(), "backup-failed");
    }

    #[test]
    fn plain_text_holds_text_and_facts() {
        let mut message = sample();
        message.text = "It failed.".into();
        assert_eq!(
            message.plain(),
            "It failed.\n\nClient: laptop\nKind: file backup\nTries: 3"
        );
        message.facts.clear();
        message.client = None;
        assert_eq!(message.plain(), "It failed.");
    }
}
