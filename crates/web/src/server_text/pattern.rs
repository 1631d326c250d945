//! Texts with places in them: `{name:kind}`. What stands in a place is taken by its kind, so that no content can be mistaken for what
//! surrounds it.

use jiff::Timestamp;

use super::Piece;
use crate::text::Language;

/// What can stand in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number.
    Number,
    /// A length of time, such as `3 d 4 h`.
    Span,
    /// A point in time, such as `2026-11-30T06:50:00Z`.
    Time,
    /// A name, a path or a figure without white space.
    Name,
    /// A size or a share, such as `1.5 TiB` or `10%`, or `off`.
    Size,
    /// A name between quotation marks, as programs write them.
    Quoted,
    /// Whatever it is: it stays as it is.
    Any,
    /// The same where a failure is told: its cause may stand behind it, or another failure before it.
    Path,
    /// Another text of the server, which has to be known.
    Known,
    /// Another text of the server.
    Text,
    /// Why something failed.
    Error,
}

impl Kind {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "number" => Self::Number,
            "span" => Self::Span,
            "time" => Self::Time,
            "name" => Self::Name,
            "size" => Self::Size,
            "quoted" => Self::Quoted,
            "any" => Self::Any,
            "path" => Self::Path,
            "known" => Self::Known,
            "text" => Self::Text,
            "error" => Self::Error,
            _ => return None,
        })
    }

    /// Whether this can be such a thing. Other texts of the server are looked at later.
    fn takes(self, value: &str) -> bool {
        match self {
            Self::Any => true,
            _ if value.is_empty() => false,
            Self::Number => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
            }
            Self::Span => is_span(value),
            Self::Time => value.parse::<Timestamp>().is_ok(),
            Self::Name => !value.contains(char::is_whitespace),
            Self::Size => is_size(value),
            Self::Quoted => value.len() >= 2 && value.starts_with('"') && value.ends_with('"'),
            Self::Path | Self::Known | Self::Text | Self::Error => true,
        }
    }

    /// What is kept as it is, in a language's own way to write it. `None` for other texts of the server.
    pub fn kept(self, language: Language, value: &str) -> Option<Piece<'_>> {
        Some(Piece::Own(match self {
            Self::Number | Self::Span | Self::Name | Self::Any | Self::Path => value.into(),
            Self::Size => language.decimal(value).into(),
            Self::Time => match value.parse::<Timestamp>() {
                Ok(at) => language.time(at.as_millisecond()).into(),
                Err(_) => value.into(),
            },
            Self::Quoted => format!("„{}“", value.get(1..value.len() - 1).unwrap_or(value)).into(),
            Self::Known | Self::Text | Self::Error => return None,
        }))
    }
}

/// Whether this is a length of time, with one unit or two.
fn is_span(value: &str) -> bool {
    let words: Vec<&str> = value.split(' ').collect();
    let is_part = |part: &[&str]| match part {
        [number, unit] => Kind::Number.takes(number) && ["d", "h", "min", "s", "ms"].contains(unit),
        _ => false,
    };
    words.len() <= 4 && words.chunks(2).all(is_part)
}

/// Whether this is a size in binary units, a percentage or `off`.
fn is_size(value: &str) -> bool {
    const UNITS: [&str; 8] = [" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB", "%"];
    let figure = UNITS.iter().find_map(|unit| value.strip_suffix(unit));
    let is_figure = |figure: &str| {
        let (whole, fraction) = figure.split_once('.').unwrap_or((figure, "0"));
        Kind::Number.takes(whole) && Kind::Number.takes(fraction)
    };
    value == "off" || figure.is_some_and(is_figure)
}

/// A part of a text with places.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    Literal(&'static str),
    /// The number of a place in the English text.
    Place(usize),
}

/// A place in an English text.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    name: &'static str,
    pub kind: Kind,
}

/// How far a text reaches: what begins or ends with a path can be mistaken for more than it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// It begins and ends where it says.
    Closed,
    /// It ends with a path.
    OpenEnd,
    /// It begins with one.
    OpenStart,
}

/// An English text with places.
#[derive(Debug)]
pub struct Pattern {
    /// What stands before the first place.
    start: &'static str,
    /// The places, each with what stands behind it.
    places: Vec<(Place, &'static str)>,
}

/// Cuts a text at its places: what is before the first one, and each place's inside with what is behind it.
fn cut(text: &'static str) -> Option<(&'static str, Vec<(&'static str, &'static str)>)> {
    let mut parts = text.split('{');
    let start = parts.next()?;
    let places: Option<Vec<_>> = parts.map(|part| part.split_once('}')).collect();
    Some((start, places?))
}

impl Pattern {
    /// Reads an English text; `None` if it is not well-formed. Between two places something has to stand.
    pub fn read(text: &'static str) -> Option<Self> {
        let (start, places) = cut(text)?;
        let count = places.len();
        let read = |(number, (place, behind)): (usize, (&'static str, &'static str))| {
            let (name, kind) = place.split_once(':')?;
            let kind = Kind::of_word(kind)?;
            let is_apart = !behind.is_empty() || number + 1 == count;
            is_apart.then_some((Place { name, kind }, behind))
        };
        let places: Option<Vec<_>> = places.into_iter().enumerate().map(read).collect();
        Some(Self {
            start,
            places: places?,
        })
    }

    /// Reads a translation, whose places are named as those of this; `None` if it is not well-formed, or some are missing.
    pub fn read_translation(&self, text: &'static str) -> Option<Vec<Part>> {
        let (start, places) = cut(text)?;
        let mut parts = vec![Part::Literal(start)];
        let mut used = vec![false; self.places.len()];
        for (name, behind) in places {
            let number = self.places.iter().position(|(place, _)| place.name == name)?;
            used[number] = true;
            parts.extend([Part::Place(number), Part::Literal(behind)]);
        }
        parts.retain(|part| *part != Part::Literal(""));
        used.iter().all(|used| *used).then_some(parts)
    }

    /// Whether it has no places.
    pub fn is_plain(&self) -> bool {
        self.places.is_empty()
    }

    pub fn reach(&self) -> Reach {
        let is_path = |place: &(Place, &str)| place.0.kind == Kind::Path;
        let starts = self.start.is_empty() && self.places.first().is_some_and(is_path);
        let ends = |place: &&(Place, &'static str)| place.1.is_empty() && is_path(place);
        match (starts, self.places.last().filter(ends)) {
            (true, _) => Reach::OpenStart,
            (false, Some(_)) => Reach::OpenEnd,
            (false, None) => Reach::Closed,
        }
    }

    /// What stands in the places of a text; `None` if it is another text. Takes time in proportion to the text: nothing is tried twice.
    pub fn values<'t>(&self, text: &'t str) -> Option<Vec<(Kind, &'t str)>> {
        let mut rest = text.strip_prefix(self.start)?;
        let mut values = Vec::with_capacity(self.places.len());
        for (number, (place, behind)) in self.places.iter().enumerate() {
            let is_last = number + 1 == self.places.len();
            let (value, after) = match (is_last, place.kind) {
                (true, _) => (rest.strip_suffix(behind)?, ""),
                // It may hold what stands behind it.
                (false, Kind::Any | Kind::Path | Kind::Quoted | Kind::Text) => rest.rsplit_once(behind)?,
                (false, _) => rest.split_once(behind)?,
            };
            if !place.kind.takes(value) {
                return None;
            }
            values.push((place.kind, value));
            rest = after;
        }
        rest.is_empty().then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &'static str, text: &'static str) -> Option<Vec<&'static str>> {
        let values = Pattern::read(pattern).expect("is well-formed").values(text)?;
        Some(values.into_iter().map(|(_, value)| value).collect())
    }

    #[test]
    fn places_take_what_is_of_their_kind() {
        let failed = "the last {count:number} tries failed, the next one waits {wait:span}";
        let text = "the last 12 tries failed, the next one waits 3 d 4 h";
        assert_eq!(values(failed, text), Some(vec!["12", "3 d 4 h"]));
        for other in [
            "the last x tries failed, the next one waits 3 d 4 h",
            "the last 12 tries failed, the next one waits 3 days",
            "the last 12 tries failed, the next one waits 3 d 4 h 5 min",
            "the last 12 tries failed, the next one waits ",
            "the last 12 tries failed",
            "",
        ] {
            assert_eq!(values(failed, other), None, "{other}");
        }
        assert_eq!(values("{a:name}: {b:any}", "x: y: z"), Some(vec!["x", "y: z"]));
        assert_eq!(
            values("{a:any} is {b:name}", "x is y is z"),
            Some(vec!["x is y", "z"])
        );
        assert_eq!(
            values("no {a:quoted}", "no \"a \\\" b\""),
            Some(vec!["\"a \\\" b\""])
        );
        assert_eq!(values("no {a:quoted}", "no \""), None);
        assert_eq!(values("of {a:size};", "of 1.5 TiB;"), Some(vec!["1.5 TiB"]));
        assert_eq!(values("of {a:size};", "of much;"), None);
        assert_eq!(
            values("until {at:time}", "until 2026-11-30T06:50:00Z"),
            Some(vec!["2026-11-30T06:50:00Z"])
        );
    }

    #[test]
    fn what_is_not_well_formed_is_no_pattern() {
        for text in ["{a}", "{a:b}", "{a:name", "{a:name}{b:name}"] {
            assert!(Pattern::read(text).is_none(), "{text}");
        }
        let pattern = Pattern::read("{a:name} of {b:name}").expect("is well-formed");
        assert!(pattern.read_translation("{b} von {a}").is_some());
        for text in ["{a}", "{a} von {c}", "{a} {b"] {
            assert!(pattern.read_translation(text).is_none(), "{text}");
        }
    }
}
