//! Small things that are told everywhere: times, sizes, states.

use maud::{Markup, html};
use wire::v1::ClientInfo;

use crate::text::Language;
use crate::visitor::Visitor;

/// The time of now, by the server's clock.
pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A point in time as it reads from now, and exactly for who asks.
pub fn time(visitor: &Visitor, at_ms: i64) -> Markup {
    if at_ms == 0 {
        return html! { span.none { "–" } };
    }
    let stamp = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let exact = visitor.language.time(at_ms);
    html! {
        time datetime=(stamp.to_string()) title=(exact) { (visitor.language.relative(at_ms, now_ms())) }
    }
}

/// The same the other way round.
pub fn exact_time(visitor: &Visitor, at_ms: i64) -> Markup {
    if at_ms == 0 {
        return html! { span.none { "–" } };
    }
    let stamp = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let relative = visitor.language.relative(at_ms, now_ms());
    html! { time datetime=(stamp.to_string()) title=(relative) { (visitor.language.time(at_ms)) } }
}

/// How a client is doing: one word for all its backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    Failing,
    Late,
    Never,
    Fine,
    Paused,
    Off,
    Disabled,
    Revoked,
    Removed,
}

impl Condition {
    pub const ALL: [Self; 9] = [
        Self::Failing,
        Self::Late,
        Self::Never,
        Self::Fine,
        Self::Paused,
        Self::Off,
        Self::Disabled,
        Self::Revoked,
        Self::Removed,
    ];

    /// The worst that holds of a client.
    pub fn of(client: &ClientInfo, now_ms: i64) -> Self {
        if client.removed_ms > 0 {
            return Self::Removed;
        }
        if client.state == "revoked" {
            return Self::Revoked;
        }
        if client.disabled_ms > 0 {
            return Self::Disabled;
        }
        if client.paused_until_ms > now_ms {
            return Self::Paused;
        }
        let standings = client.standings.iter();
        standings
            .map(|standing| match standing.standing.as_str() {
                "failing" => Self::Failing,
                "late" => Self::Late,
                "never" => Self::Never,
                "fine" => Self::Fine,
                _ => Self::Off,
            })
            .min()
            .unwrap_or(Self::Off)
    }

    /// Whether the client may not connect.
    pub fn is_barred(self) -> bool {
        matches!(self, Self::Disabled | Self::Revoked | Self::Removed)
    }

    /// The word for it, in addresses and styles.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Late => "late",
            Self::Never => "never",
            Self::Fine => "fine",
            Self::Paused => "paused",
            Self::Off => "off",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
            Self::Removed => "removed",
        }
    }

    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.word() == word)
    }

    pub fn name(self, language: Language) -> String {
        language.say(&format!("condition-{}", self.word()))
    }

    /// A badge with it.
    pub fn badge(self, language: Language) -> Markup {
        html! { span.badge.(self.word()) { (self.name(language)) } }
    }
}

/// The state of a job, as a badge.
pub fn job_state(language: Language, state: &str) -> Markup {
    let text = language.say(&format!("job-{state}"));
    html! { span.badge.(format!("job-{state}")) { (text) } }
}
