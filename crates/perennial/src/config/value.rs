//! Reading and showing the values of settings: from text (flags, environment) and from TOML.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::setting::Kind;
use super::source::SourceEntry;

/// The value of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// None, or switched off.
    Unset,
    /// A path.
    Path(PathBuf),
    /// A text or a word.
    Text(String),
    /// On or off.
    Switch(bool),
    /// A span of time.
    Interval(Duration),
    /// A whole number.
    Count(u64),
    /// An IP address and a port.
    SocketAddress(SocketAddr),
    /// An HTTP proxy, which is never shown with its password.
    Proxy(client::Proxy),
    /// Texts.
    List(Vec<String>),
    /// What is backed up.
    Sources(Vec<SourceEntry>),
    /// What `policy` has, by key.
    Policies(BTreeMap<String, String>),
}

/// A value that a setting does not take.
#[derive(Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The value as it was given.
    pub found: String,
    /// What would be taken.
    pub expected: String,
}

impl Mismatch {
    pub(super) fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            found: found.into(),
            expected: expected.into(),
        }
    }
}

impl Kind {
    /// Reads texts as they come from flags (several where it was given several times) or a variable (one).
    pub fn read_texts(self, texts: &[&OsStr]) -> Result<Value, Mismatch> {
        match self {
            Self::List => Ok(Value::List(self.read_items(texts, read_list_item)?)),
            Self::Sources => Ok(Value::Sources(self.read_items(texts, SourceEntry::from_toml)?)),
            Self::Policies => {
                let items = self.read_items(texts, read_policies)?;
                Ok(Value::Policies(items.into_iter().flatten().collect()))
            }
            Self::Path => Ok(Value::Path(PathBuf::from(last(texts)))),
            _ => {
                let text = last(texts);
                let utf8 = text
                    .to_str()
                    .ok_or_else(|| self.mismatch(text.to_string_lossy()))?;
                self.read_text(utf8)
            }
        }
    }

    /// Reads a value from a configuration file.
    pub fn read_toml(self, value: &toml::Value) -> Result<Value, Mismatch> {
        match (self, value) {
            (Self::Switch, toml::Value::Boolean(on)) => Ok(Value::Switch(*on)),
            (Self::Snapshots, toml::Value::Boolean(on)) => self.read_text(if *on { "auto" } else { "off" }),
            (Self::Interval, toml::Value::Boolean(false)) => Ok(Value::Unset),
            (Self::Count | Self::Compression, toml::Value::Integer(number)) => {
                self.read_text(&number.to_string())
            }
            (Self::List, toml::Value::Array(items)) => items
                .iter()
                .map(read_list_item)
                .collect::<Result<_, _>>()
                .map(Value::List),
            (Self::Words(_) | Self::Policy(_), toml::Value::Array(items)) => {
                let items: Vec<String> = items.iter().map(read_list_item).collect::<Result<_, _>>()?;
                let text = items.join(",");
                self.read_text(if items.is_empty() { "none" } else { &text })
            }
            (Self::Sources, toml::Value::Array(items)) => items
                .iter()
                .map(SourceEntry::from_toml)
                .collect::<Result<_, _>>()
                .map(Value::Sources),
            (Self::Policies, toml::Value::Table(_)) => {
                Ok(Value::Policies(read_policies(value)?.into_iter().collect()))
            }
            (Self::Policy(_), toml::Value::Integer(number)) => self.read_text(&number.to_string()),
            (Self::Policy(_), toml::Value::Boolean(false)) => self.read_text("off"),
            (Self::List, toml::Value::String(text)) => Ok(Value::List(vec![text.clone()])),
            (Self::List | Self::Sources | Self::Policies, _) => Err(self.mismatch(value.to_string())),
            (_, toml::Value::String(text)) => self.read_texts(&[OsStr::new(text)]),
            _ => Err(self.mismatch(value.to_string())),
        }
    }

    fn read_text(self, text: &str) -> Result<Value, Mismatch> {
        let value = match self {
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::Path => Some(Value::Path(PathBuf::from(text))),
            Self::Switch => read_switch(text).map(Value::Switch),
            Self::Interval if matches!(text, "off" | "never") => Some(Value::Unset),
            Self::Interval => parse_duration(text).ok().map(Value::Interval),
            Self::Count => text.parse().ok().map(Value::Count),
            Self::SocketAddress => text.parse().ok().map(Value::SocketAddress),
            Self::Proxy if text.is_empty() => Some(Value::Unset),
            Self::Proxy => match client::Proxy::parse(text) {
                Some(proxy) => Some(Value::Proxy(proxy)),
                // There may be a password in it.
                None => return Err(self.mismatch("what it is")),
            },
            Self::Choice(words) => words.contains(&text).then(|| Value::Text(text.to_owned())),
            Self::Words(words) => read_words(text, words).map(Value::List),
            Self::Snapshots => snapshots_word(text).map(|word| Value::Text(word.to_owned())),
            Self::Compression => is_compression(text).then(|| Value::Text(text.to_owned())),
            Self::Policy(key) => match check_policy(key, text) {
                Ok(()) => Some(Value::Text(text.trim().to_owned())),
                Err(mismatch) => return Err(mismatch),
            },
            Self::List | Self::Sources | Self::Policies => unreachable!("lists are read item by item"),
        };
        value.ok_or_else(|| self.mismatch(format!("\"{text}\"")))
    }

    // Each text is one item, or all items as a TOML array.
    fn read_items<T>(
        self,
        texts: &[&OsStr],
        read: impl Fn(&toml::Value) -> Result<T, Mismatch>,
    ) -> Result<Vec<T>, Mismatch> {
        let mut items = Vec::new();
        for text in texts {
            let text = text
                .to_str()
                .ok_or_else(|| self.mismatch(text.to_string_lossy()))?;
            if (text.starts_with('[') && !is_address(text)) || text.starts_with('{') {
                let document = format!("v = {text}");
                let table: toml::Table = document.parse().map_err(|_| self.mismatch(text))?;
                match &table["v"] {
                    toml::Value::Array(values) => {
                        for value in values {
                            items.push(read(value)?);
                        }
                    }
                    value => items.push(read(value)?),
                }
            } else {
                items.push(read(&toml::Value::String(text.to_owned()))?);
            }
        }
        Ok(items)
    }

    fn mismatch(self, found: impl Into<String>) -> Mismatch {
        Mismatch::new(found, self.expectation())
    }

    /// What values of this kind look like, in words.
    pub fn expectation(self) -> String {
        match self {
            Self::Path => "a path".into(),
            Self::Text => "a text".into(),
            Self::Switch => "true or false".into(),
            Self::Interval => "a span of time such as \"5h\" or \"30d\", or \"off\"".into(),
            Self::Count => "a whole number".into(),
            Self::SocketAddress => "an IP address and a port such as \"0.0.0.0:55414\"".into(),
            Self::Proxy => "an address such as \"http://proxy.example:3128\"".into(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("\"none\", or any of {}", words.join(", ")),
            Self::Snapshots => "\"auto\", \"off\" or \"required\"".into(),
            Self::Compression => "\"auto\", \"off\" or a zstd level from 1 to 19".into(),
            Self::List => "a list of texts such as [\"*.tmp\", \"/cache/\"]".into(),
            Self::Policy(key) => policy::settings::setting(key)
                .map(|setting| setting.kind.expectation())
                .unwrap_or_default(),
            Self::Policies => "KEY=VALUE, or a table such as { keep_daily = \"14\" }".into(),
            Self::Sources => {
                "a list of paths, or of tables such as { path = \"/home\", exclude = [\"*.tmp\"] }".into()
            }
        }
    }
}

impl Value {
    /// The value on one line, for people.
    pub fn display(&self) -> String {
        match self {
            Self::Unset => "-".into(),
            Self::Path(path) => path.display().to_string(),
            Self::Text(text) => text.clone(),
            Self::Switch(on) => on.to_string(),
            Self::Interval(span) => crate::output::format::duration(*span),
            Self::Count(count) => count.to_string(),
            Self::SocketAddress(address) => address.to_string(),
            Self::Proxy(proxy) => proxy.to_string(),
            Self::List(items) if items.is_empty() => "-".into(),
            Self::List(items) => items.join(", "),
            Self::Policies(settings) if settings.is_empty() => "-".into(),
            Self::Policies(settings) => {
                let items = settings.iter().map(|(key, value)| format!("{key}={value}"));
                items.collect::<Vec<_>>().join(", ")
            }
            Self::Sources(sources) if sources.is_empty() => "-".into(),
            Self::Sources(sources) => sources
                .iter()
                .map(SourceEntry::display)
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// The value for programs: intervals in seconds.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Unset => serde_json::Value::Null,
            Self::Switch(on) => json!(on),
            Self::Interval(span) => json!(span.as_secs()),
            Self::Count(count) => json!(count),
            Self::List(items) => json!(items),
            Self::Sources(sources) => json!(sources),
            Self::Policies(settings) => json!(settings),
            Self::Path(_) | Self::Text(_) | Self::SocketAddress(_) | Self::Proxy(_) => json!(self.display()),
        }
    }
}

/// Whether a text that looks like a list is an address such as `[fd00::1]:443`.
fn is_address(text: &str) -> bool {
    let within = text.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    within.is_some_and(|(within, _)| within.parse::<std::net::Ipv6Addr>().is_ok())
}

/// Reads a span of time such as `90s`, `1h 30m` or `30d`; a day has 24 hours.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("\"{text}\" is no span of time; write it as 45m, 5h, 1h 30m or 30d");
    let span: jiff::Span = text.parse().map_err(|_| expected())?;
    let duration = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| expected())?;
    Duration::try_from(duration)
        .ok()
        .filter(|duration| duration.as_secs() > 0)
        .ok_or_else(expected)
}

fn last<'a>(texts: &[&'a OsStr]) -> &'a OsStr {
    texts.last().copied().unwrap_or_default()
}

fn read_list_item(value: &toml::Value) -> Result<String, Mismatch> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Kind::List.mismatch(value.to_string()))
}

/// Settings that `policy` has: `KEY=VALUE`, or a table of them, whose values may be numbers and lists too.
fn read_policies(value: &toml::Value) -> Result<Vec<(String, String)>, Mismatch> {
    let pairs = match value {
        toml::Value::String(text) => {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Kind::Policies.mismatch(format!("\"{text}\"")))?;
            vec![(key.trim().to_owned(), value.trim().to_owned())]
        }
        toml::Value::Table(table) => {
            let pair = |(key, value): (&String, &toml::Value)| Ok((key.clone(), policy_text(value)?));
            table.iter().map(pair).collect::<Result<_, Mismatch>>()?
        }
        value => return Err(Kind::Policies.mismatch(value.to_string())),
    };
    for (key, text) in &pairs {
        check_policy(key, text)?;
    }
    Ok(pairs)
}

fn policy_text(value: &toml::Value) -> Result<String, Mismatch> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(false) => Ok("off".to_owned()),
        toml::Value::Array(items) if items.is_empty() => Ok("none".to_owned()),
        toml::Value::Array(items) => {
            let items: Vec<String> = items.iter().map(read_list_item).collect::<Result<_, _>>()?;
            Ok(items.join(","))
        }
        value => Err(Kind::Policies.mismatch(value.to_string())),
    }
}

fn check_policy(key: &str, text: &str) -> Result<(), Mismatch> {
    use policy::settings::{Action, Layer, SetError, check};
    check(Layer::Start, key, Action::Set, text)
        .map(drop)
        .map_err(|error| match error {
            SetError::Value { mismatch, .. } => Mismatch::new(format!("\"{text}\""), mismatch.expected),
            error => Mismatch::new(
                format!("\"{key}={text}\""),
                format!("what \"perennial settings show\" lists: {error}"),
            ),
        })
}

fn read_switch(text: &str) -> Option<bool> {
    match text {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// Words separated by commas, all of them known, each kept once.
fn read_words(text: &str, known: &[&str]) -> Option<Vec<String>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let mut words: Vec<String> = Vec::new();
    for word in text.split(',').map(str::trim) {
        known.contains(&word).then_some(())?;
        if !words.iter().any(|other| other == word) {
            words.push(word.to_owned());
        }
    }
    Some(words)
}

fn snapshots_word(text: &str) -> Option<&'static str> {
    match text {
        "auto" | "true" => Some("auto"),
        "off" | "false" => Some("off"),
        "required" => Some("required"),
        _ => None,
    }
}

fn is_compression(text: &str) -> bool {
    matches!(text, "auto" | "off") || text.parse::<i32>().is_ok_and(|level| (1..=19).contains(&level))
}
