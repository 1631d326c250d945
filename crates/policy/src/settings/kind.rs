//! Which values a setting takes.

use crate::archive::ArchiveRule;
use crate::quota::Quota;
use crate::schedule::Interval;
use crate::settings::Rate;
use crate::timed::Timed;
use crate::window::Windows;

use super::value::Value;

/// Which values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A span of time, or off; it may depend on the time of the week.
    Interval,
    /// A span of time.
    Span,
    /// A span of time, or off.
    OptionalSpan,
    /// Weekly windows.
    Windows,
    /// How many, or off.
    Count,
    /// A whole number.
    Number {
        /// The smallest.
        least: i32,
        /// The largest.
        most: i32,
    },
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Any of these words, separated by commas, or none.
    Words(&'static [&'static str]),
    /// A size, a percentage of the storage, or off.
    Quota,
    /// Bytes per second, or off; it may depend on the time of the week.
    Rate,
    /// Rules for archiving.
    ArchiveRules,
    /// The name of something that somebody has named; whether there is such a thing is not known here.
    Name,
}

/// The longest name that somebody may give to something.
const MAX_NAME_BYTES: usize = 64;

/// A value that a setting does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it takes {expected}{}", reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default())]
pub struct Mismatch {
    /// What would be taken, in words.
    pub expected: String,
    /// What is wrong with the value, where more can be said.
    pub reason: Option<String>,
}

impl Kind {
    /// Reads a value.
    pub fn read(self, text: &str) -> Result<Value, Mismatch> {
        let text = text.trim();
        let wrong = |reason: String| Mismatch {
            expected: self.expectation(),
            reason: Some(reason),
        };
        let plain = || Mismatch {
            expected: self.expectation(),
            reason: None,
        };
        match self {
            Self::Interval => Timed::parse(text, str::parse::<Interval>)
                .map(Value::Interval)
                .map_err(|error| wrong(error.to_string())),
            Self::Span => text
                .parse()
                .map(|span| Value::Span(Some(span)))
                .map_err(|error: crate::ParseSpanError| wrong(error.to_string())),
            Self::OptionalSpan if is_off(text) => Ok(Value::Span(None)),
            Self::OptionalSpan => text
                .parse()
                .map(|span| Value::Span(Some(span)))
                .map_err(|error: crate::ParseSpanError| wrong(error.to_string())),
            Self::Windows => text
                .parse::<Windows>()
                .map(Value::Windows)
                .map_err(|error| wrong(error.to_string())),
            Self::Count if is_off(text) => Ok(Value::Count(None)),
            Self::Count => text
                .parse()
                .map(|count| Value::Count(Some(count)))
                .map_err(|_| plain()),
            Self::Number { least, most } => text
                .parse()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .map(Value::Number)
                .ok_or_else(plain),
            Self::Choice(words) => words
                .iter()
                .find(|word| **word == text)
                .map(|word| Value::Word(word))
                .ok_or_else(plain),
            Self::Words(words) => read_words(text, words).map(Value::Words).ok_or_else(plain),
            Self::Quota => text
                .parse::<Quota>()
                .map(Value::Quota)
                .map_err(|error| wrong(error.to_string())),
            Self::Rate => Timed::parse(text, str::parse::<Rate>)
                .map(Value::Rate)
                .map_err(|error| wrong(error.to_string())),
            Self::ArchiveRules => read_rules(text)
                .map(Value::ArchiveRules)
                .map_err(|error| wrong(error.to_string())),
            Self::Name if is_name(text) => Ok(Value::Name(text.to_owned())),
            Self::Name => Err(plain()),
        }
    }

    /// Whether values of this kind are lists that can be added to.
    pub fn is_list(self) -> bool {
        matches!(self, Self::Words(_) | Self::ArchiveRules)
    }

    /// What values of this kind look like, in words.
    pub fn expectation(self) -> String {
        match self {
            Self::Interval => {
                "a span of time such as \"5h\" or \"30d\", or \"off\"; other times of the week after it, as in \"5h;1h@Mon-Fri/8-18\""
                    .into()
            }
            Self::Span => "a span of time such as \"5min\" or \"30d\"".into(),
            Self::OptionalSpan => "a span of time such as \"10min\" or \"2d\", or \"off\"".into(),
            Self::Windows => "weekly windows such as \"Mon-Fri/19-7;Sat,Sun/0-24\", or \"always\"".into(),
            Self::Count => "a whole number, or \"off\"".into(),
            Self::Number { least, most } => format!("a whole number from {least} to {most}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Words(words) => format!("\"none\", or any of {}", words.join(", ")),
            Self::Quota => "a size such as \"20G\", a share such as \"10%\", or \"off\"".into(),
            Self::Rate => {
                "a speed such as \"10M\" (MiB/s) or \"80Mbit\", or \"off\"; other times of the week after it, as in \"off;2M@Mon-Fri/8-18\""
                    .into()
            }
            Self::ArchiveRules => {
                "rules such as \"file every 30d keep 1y\", separated by \";\", or \"none\"".into()
            }
            Self::Name => format!("a name of 1 to {MAX_NAME_BYTES} letters, digits, \"-\", \"_\" and \".\""),
        }
    }
}

/// Whether a text can be the name of something: 1 to 64 of `A-Z a-z 0-9 . _ -`, not beginning with `.` or `-`.
pub fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=MAX_NAME_BYTES).contains(&text.len()) && text.bytes().all(is_part) && !text.starts_with(['.', '-'])
}

fn is_off(text: &str) -> bool {
    text == "off"
}

/// Words separated by commas, all of them known, each kept once.
fn read_words(text: &str, known: &'static [&'static str]) -> Option<Vec<&'static str>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let mut words = Vec::new();
    for word in text.split(',').map(str::trim) {
        let word = *known.iter().find(|known| **known == word)?;
        if !words.contains(&word) {
            words.push(word);
        }
    }
    Some(words)
}

fn read_rules(text: &str) -> Result<Vec<ArchiveRule>, crate::archive::ParseRuleError> {
    if text == "none" {
        return Ok(Vec::new());
    }
    text.split(';').map(|rule| rule.trim().parse()).collect()
}
