//! The texts of the pages, in the language of who reads them. All are in `texts`, one file for each language.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use unic_langid::LanguageIdentifier;

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Language {
    #[default]
    English,
    German,
}

static BUNDLES: LazyLock<Vec<FluentBundle<FluentResource>>> =
    LazyLock::new(|| Language::ALL.map(bundle).into());

fn bundle(language: Language) -> FluentBundle<FluentResource> {
    let identifier: LanguageIdentifier = language.tag().parse().expect("the tags are right");
    let mut bundle = FluentBundle::new_concurrent(vec![identifier]);
    // They would be shown as odd characters where text is copied.
    bundle.set_use_isolating(false);
    let texts = FluentResource::try_new(language.texts().to_owned()).expect("the texts are well-formed");
    bundle.add_resource(texts).expect("each text is there once");
    bundle
}

impl Language {
    /// All there are.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// What it is called on the web.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What its speakers call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    fn texts(self) -> &'static str {
        match self {
            Self::English => include_str!("../texts/en.ftl"),
            Self::German => include_str!("../texts/de.ftl"),
        }
    }

    /// The language of this tag.
    pub fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.tag() == tag)
    }

    /// The first of the languages that a browser accepts (RFC 9110, section 12.5.4) which there is. They come in the order in which
    /// they are liked.
    pub fn of_accepted(accepted: &str) -> Option<Self> {
        accepted.split(',').find_map(|language| {
            let tag = language.split([';', '-']).next().unwrap_or_default();
            Self::of_tag(tag.trim())
        })
    }

    /// A text.
    pub fn say(self, key: &str) -> String {
        self.say_with(key, &[])
    }

    /// A text with something in it.
    pub fn say_with(self, key: &str, values: &[(&str, FluentValue<'_>)]) -> String {
        let bundle = &BUNDLES[self as usize];
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, language = self.tag(), "a text is missing");
            return key.to_owned();
        };
        let arguments: FluentArgs<'_> = values.iter().cloned().collect();
        let mut errors = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&arguments), &mut errors);
        if !errors.is_empty() {
            tracing::error!(key, ?errors, "a text lacks something");
        }
        text.into_owned()
    }

    /// Whether there is such a text.
    pub fn has(self, key: &str) -> bool {
        BUNDLES[self as usize].has_message(key)
    }

    /// A number of bytes, in units of 1024.
    pub fn bytes(self, bytes: u64) -> String {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if bytes < 1024 {
            return format!("{bytes} B");
        }
        let mut value = bytes as f64 / 1024.0;
        let mut unit = 0;
        while value >= 999.5 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        let digits = match value {
            10.0.. => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        };
        format!("{} {}", self.decimal(&digits), UNITS[unit])
    }

    /// A whole number, with its thousands apart.
    pub fn number(self, number: u64) -> String {
        let digits = number.to_string();
        let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
        for (at, digit) in digits.char_indices() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(match self {
                    Self::English => ',',
                    Self::German => '.',
                });
            }
            grouped.push(digit);
        }
        grouped
    }

    /// A figure with a point in it.
    pub fn decimal(self, digits: &str) -> String {
        match self {
            Self::English => digits.to_owned(),
            Self::German => digits.replace('.', ","),
        }
    }

    /// How long something took, or takes.
    pub fn duration(self, ms: i64) -> String {
        let seconds = ms.max(0) / 1000;
        let (key, first, second) = match seconds {
            0..60 => ("span-seconds", seconds, 0),
            60..3600 => ("span-minutes", seconds / 60, seconds % 60),
            3600..86_400 => ("span-hours", seconds / 3600, seconds % 3600 / 60),
            _ => ("span-days", seconds / 86_400, seconds % 86_400 / 3600),
        };
        self.say_with(key, &[("first", first.into()), ("second", second.into())])
    }

    /// How long ago something was, or in how long it will be.
    pub fn relative(self, at_ms: i64, now_ms: i64) -> String {
        let away_ms = at_ms.saturating_sub(now_ms);
        // To the nearest: a month from which some seconds have passed is still one.
        let nearest = |unit_ms: u64| (away_ms.unsigned_abs() + unit_ms / 2) / unit_ms;
        let (unit, count) = match away_ms.unsigned_abs() {
            0..60_000 => return self.say("time-now"),
            _ if nearest(60_000) < 60 => ("minutes", nearest(60_000)),
            _ if nearest(3_600_000) < 24 => ("hours", nearest(3_600_000)),
            _ => ("days", nearest(86_400_000)),
        };
        let direction = if away_ms < 0 { "ago" } else { "ahead" };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.say_with(&format!("time-{direction}-{unit}"), &[("count", count.into())])
    }

    /// A point in time, to the minute, in the server's zone.
    pub fn time(self, at_ms: i64) -> String {
        let format = match self {
            Self::English => "%e %b %Y, %H:%M",
            Self::German => "%d.%m.%Y, %H:%M",
        };
        formatted(at_ms, format)
    }

    /// A point in time, to the second, in the server's zone.
    pub fn second(self, at_ms: i64) -> String {
        let format = match self {
            Self::English => "%e %b %Y, %H:%M:%S",
            Self::German => "%d.%m.%Y, %H:%M:%S",
        };
        formatted(at_ms, format)
    }

    /// The day of a point in time, in the server's zone.
    pub fn date(self, at_ms: i64) -> String {
        let format = match self {
            Self::English => "%e %b %Y",
            Self::German => "%d.%m.%Y",
        };
        formatted(at_ms, format)
    }
}

/// A point in time in the server's zone.
fn formatted(at_ms: i64, format: &str) -> String {
    let at = Timestamp::from_millisecond(at_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::system())
        .strftime(format)
        .to_string()
        .trim_start()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(language: Language) -> Vec<&'static str> {
        let lines = language.texts().lines();
        lines
            .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
            .filter_map(|line| Some(line.split_once(" =")?.0))
            .collect()
    }

    #[test]
    fn both_languages_have_the_same_texts() {
        assert_eq!(keys(Language::English), keys(Language::German));
    }

    #[test]
    fn a_language_is_chosen_by_what_is_accepted() {
        assert_eq!(
            Language::of_accepted("fr-FR, de-AT;q=0.8, en;q=0.5"),
            Some(Language::German)
        );
        assert_eq!(Language::of_accepted("en-US,en;q=0.9"), Some(Language::English));
        assert_eq!(Language::of_accepted("fr"), None);
    }

    #[test]
    fn sizes_and_numbers_read_well() {
        let sizes = [0, 1023, 1024, 1536, 10 << 20, 1_048_500_000, u64::MAX];
        let read = sizes.map(|size| Language::English.bytes(size));
        let expected = [
            "0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", "1.0 GiB", "16 EiB",
        ];
        assert_eq!(read, expected);
        assert_eq!(Language::German.bytes(1536), "1,5 KiB");
        assert_eq!(Language::German.number(1_234_567), "1.234.567");
        assert_eq!(Language::English.number(999), "999");
    }

    #[test]
    fn times_are_told_from_now() {
        let now_ms = 1_800_000_000_000;
        let told = |away_ms: i64| Language::English.relative(now_ms + away_ms, now_ms);
        assert_eq!(told(-59_000), "now");
        assert_eq!(told(-60_000), "1 minute ago");
        assert_eq!(told(-7_200_000), "2 hours ago");
        assert_eq!(told(86_400_000), "in 1 day");
        assert_eq!(told(30 * 86_400_000 - 25_000), "in 30 days");
        assert_eq!(told(3_599_000), "in 1 hour");
        assert_eq!(Language::English.duration(3_725_000), "1 h 2 min");
    }
}
