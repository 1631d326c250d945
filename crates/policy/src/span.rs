//! Lengths of time as people say them.

use std::fmt;

const UNITS: [(u64, &str); 5] = [
    (86_400_000, "d"),
    (3_600_000, "h"),
    (60_000, "min"),
    (1_000, "s"),
    (1, "ms"),
];

/// A length of time, shown by its two largest units: `5 h`, `30 d`, `1 d 6 h`.
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
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(largest) = UNITS.iter().position(|(unit_ms, _)| self.len_ms >= *unit_ms) else {
            return f.write_str("0 s");
        };
        let (unit_ms, name) = UNITS[largest];
        write!(f, "{} {name}", self.len_ms / unit_ms)?;
        match UNITS.get(largest + 1) {
            Some((next_ms, next)) if self.len_ms % unit_ms >= *next_ms => {
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
}
