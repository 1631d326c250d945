//! Lengths of time as people say them.

use std::fmt;
use std::str::FromStr;

const UNITS: [(u64, &str); 5] = [
    (86_400_000, "d"),
    (3_600_000, "h"),
    (60_000, "min"),
    (1_000, "s"),
    (1, "ms"),
];

/// What is read but not shown.
const MORE_UNITS: [(u64, &str); 3] = [(60_000, "m"), (7 * 86_400_000, "w"), (365 * 86_400_000, "y")];

/// A length of time, shown by its two largest units: `5 h`, `30 d`, `1 d 6 h`. The alternate form has no spaces and
/// leaves nothing out: `1d6h5min`.
///
/// It is read from numbers with a unit, largest first or not: `45m`, `5h`, `1h 30m`, `30d`, `2w`, `1y` (365 days). `0s` is a
/// span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The length.
    pub len_ms: u64,
}

impl Span {
    /// So many minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self {
            len_ms: minutes.saturating_mul(60_000),
        }
    }

    /// So many hours.
    pub const fn hours(hours: u64) -> Self {
        Self {
            len_ms: hours.saturating_mul(3_600_000),
        }
    }

    /// So many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self {
            len_ms: days.saturating_mul(86_400_000),
        }
    }

    /// The time between two instants; nothing if the second comes first.
    pub fn between(from_ms: i64, to_ms: i64) -> Self {
        Self {
            len_ms: if to_ms > from_ms {
                to_ms.abs_diff(from_ms)
            } else {
                0
            },
        }
    }

    /// The instant this long after another, or the last that there is.
    pub fn after(self, from_ms: i64) -> i64 {
        from_ms.saturating_add_unsigned(self.len_ms)
    }

    fn write_exactly(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len_ms == 0 {
            return f.write_str("0s");
        }
        let mut rest_ms = self.len_ms;
        for (unit_ms, name) in UNITS {
            if rest_ms >= unit_ms {
                write!(f, "{}{name}", rest_ms / unit_ms)?;
            }
            rest_ms %= unit_ms;
        }
        Ok(())
    }
}

/// Why a text is not a length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSpanError {
    /// Something stands where a number was expected, or nothing does.
    #[error("`{text}` is not a length of time: numbers with a unit, as in `45m`, `5h`, `1h 30m` or `30d`")]
    NotASpan {
        /// The whole text.
        text: String,
    },
    /// A number is followed by something else than a unit.
    #[error("`{unit}` is not a unit of time in `{text}`: ms, s, m or min, h, d, w, y")]
    NotAUnit {
        /// What follows the number.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// It is longer than 500 million years.
    #[error("`{text}` is too long a time")]
    TooLong {
        /// The whole text.
        text: String,
    },
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let too_long = || ParseSpanError::TooLong { text: text.into() };
        let mut rest = text.trim();
        let mut len_ms = Some(0_u64);
        loop {
            let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
            let (unit, after) = split_where(after.trim_start(), |c| !c.is_alphabetic());
            if number.is_empty() {
                return Err(ParseSpanError::NotASpan { text: text.into() });
            }
            let unit_ms = unit_ms(unit).ok_or_else(|| ParseSpanError::NotAUnit {
                unit: unit.into(),
                text: text.into(),
            })?;
            let part_ms = number
                .parse()
                .ok()
                .and_then(|number: u64| number.checked_mul(unit_ms));
            len_ms = len_ms
                .zip(part_ms)
                .and_then(|(len_ms, part_ms)| len_ms.checked_add(part_ms));
            rest = after.trim_start();
            if rest.is_empty() {
                return len_ms.map(|len_ms| Self { len_ms }).ok_or_else(too_long);
            }
        }
    }
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn unit_ms(unit: &str) -> Option<u64> {
    let named = |(_, name): &&(u64, &str)| name.eq_ignore_ascii_case(unit);
    UNITS
        .iter()
        .chain(&MORE_UNITS)
        .find(named)
        .map(|(unit_ms, _)| *unit_ms)
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return self.write_exactly(f);
        }
        let Some(largest) = UNITS.iter().position(|(unit_ms, _)| self.len_ms >= *unit_ms) else {
            return f.write_str("0 s");
        };
        let (unit_ms, name) = UNITS[largest];
        write!(f, "{} {name}", self.len_ms / unit_ms)?;
        match UNITS.get(largest + 1) {
            // Parts of a second say something only where there is no more.
            Some((next_ms, next)) if *next_ms >= 1000 && self.len_ms % unit_ms >= *next_ms => {
                write!(f, " {} {next}", self.len_ms % unit_ms / next_ms)
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_two_largest_units() {
        let shown = |len_ms| Span { len_ms }.to_string();
        assert_eq!(shown(0), "0 s");
        assert_eq!(shown(999), "999 ms");
        assert_eq!(shown(61_000), "1 min 1 s");
        assert_eq!(Span::hours(5).to_string(), "5 h");
        assert_eq!(Span::hours(30).to_string(), "1 d 6 h");
        assert_eq!(shown(86_400_000 + 59_000), "1 d");
        assert_eq!(shown(u64::MAX), "213503982334 d 14 h");
    }

    #[test]
    fn reads_what_people_write() {
        let read = |text: &str| text.parse().map(|span: Span| span.len_ms);
        let minutes = |count| Ok(Span::minutes(count).len_ms);
        assert_eq!(read("45m"), minutes(45));
        assert_eq!(read(" 45 MIN "), minutes(45));
        assert_eq!(read("1h 30m"), minutes(90));
        assert_eq!(read("1h30m"), minutes(90));
        assert_eq!(read("2w"), Ok(Span::days(14).len_ms));
        assert_eq!(read("1y"), Ok(Span::days(365).len_ms));
        assert_eq!(read("0s"), Ok(0));
    }

    #[test]
    fn says_why_a_text_is_no_span() {
        let why = |text: &str| text.parse::<Span>().expect_err("is no span").to_string();
        for text in ["", "off", "h", "-5h", "5h x"] {
            assert!(
                why(text).starts_with(&format!("`{text}` is not a length of time")),
                "{text}"
            );
        }
        assert!(why("5 parsecs").starts_with("`parsecs` is not a unit"));
        assert!(why("1mo").starts_with("`mo` is not a unit"));
        assert!(why("5").starts_with("`` is not a unit"));
        for text in [
            "18446744073709551616ms",
            "99999999999999999d",
            "18446744073709551615ms 1ms",
        ] {
            assert_eq!(why(text), format!("`{text}` is too long a time"));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_exact_form_is_read_as_what_it_was(len_ms in proptest::prelude::any::<u64>()) {
            let exact = format!("{:#}", Span { len_ms });
            proptest::prop_assert_eq!(exact.parse(), Ok(Span { len_ms }));
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = text.parse::<Span>();
        }
    }
}
