//! Values that depend on the time of the week.

use std::fmt;

use jiff::tz::TimeZone;

use crate::text::Part;
use crate::window::Windows;
use crate::{Error, Span};

/// How far ahead a value is looked for. Windows come every week, but for those that lie in an hour that is skipped.
const LOOK_AHEAD: Span = Span::days(22);

/// A value with exceptions: `5h;1h@Mon-Fri/8-18` is `1h` in the window and `5h` otherwise.
///
/// Of several windows that are open the most specific counts: that of the fewest minutes per week, then the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed<T> {
    usual: T,
    exceptions: Vec<Exception<T>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Exception<T> {
    value: T,
    window: Windows,
}

impl<T> Timed<T> {
    /// The same value at all times.
    pub const fn constant(value: T) -> Self {
        Self {
            usual: value,
            exceptions: Vec::new(),
        }
    }

    /// Reads values separated by `;`, all but one with a window: `VALUE@DAYS/HOURS`.
    pub fn parse<E>(text: &str, read: impl Fn(&str) -> Result<T, E>) -> Result<Self, Error>
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let value = |part: Part<'_>| {
            read(part.text).map_err(|error| Error::Value {
                part: part.owned(),
                column: part.column,
                source: error.into(),
            })
        };
        let mut usual = None;
        let mut exceptions = Vec::new();
        for item in Part::whole(text).split(';') {
            if let Some((before, window)) = item.split_once('@') {
                exceptions.push(Exception {
                    value: value(before)?,
                    window: Windows::parse_part(window)?,
                });
            } else if usual.is_some() {
                return Err(Error::SecondUsualValue {
                    part: item.owned(),
                    column: item.column,
                });
            } else {
                usual = Some(value(item)?);
            }
        }
        let usual = usual.ok_or(Error::NoUsualValue)?;
        Ok(Self { usual, exceptions })
    }

    /// The value that counts at an instant.
    pub fn at(&self, at_ms: i64, zone: &TimeZone) -> &T {
        self.counting(at_ms, zone)
            .map_or(&self.usual, |number| &self.exceptions[number].value)
    }

    /// The first instant after `from_ms` at which another item counts. `None` if that is never.
    pub fn next_change(&self, from_ms: i64, zone: &TimeZone) -> Option<i64> {
        let counting = self.counting(from_ms, zone);
        let mut at_ms = from_ms;
        // This ends within weeks: the most specific window counts whenever it opens, and no more when it closes. If it never
        // does either, then no window does.
        loop {
            let turns = self
                .exceptions
                .iter()
                .filter_map(|exception| exception.window.next_turn(at_ms, zone));
            at_ms = turns.min()?;
            if self.counting(at_ms, zone) != counting {
                return Some(at_ms);
            }
        }
    }

    /// The first instant from `from_ms` on at which the value is as wanted. `None` if that is never.
    pub fn next_where(&self, from_ms: i64, zone: &TimeZone, wanted: impl Fn(&T) -> bool) -> Option<i64> {
        if !self.values().any(&wanted) {
            return None;
        }
        let last_ms = LOOK_AHEAD.after(from_ms);
        let mut at_ms = from_ms;
        while !wanted(self.at(at_ms, zone)) {
            at_ms = self
                .next_change(at_ms, zone)
                .filter(|change_ms| *change_ms <= last_ms)?;
        }
        Some(at_ms)
    }

    /// All values: the usual one first, then the exceptions as they were written.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.usual).chain(self.exceptions.iter().map(|exception| &exception.value))
    }

    /// The number of the exception that counts.
    fn counting(&self, at_ms: i64, zone: &TimeZone) -> Option<usize> {
        let open = self
            .exceptions
            .iter()
            .enumerate()
            .filter(|(_, exception)| exception.window.contains(at_ms, zone));
        // Of equals it is the first.
        open.min_by_key(|(_, exception)| exception.window.minutes_per_week())
            .map(|(number, _)| number)
    }
}

impl<T: fmt::Display> fmt::Display for Timed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.usual.fmt(f)?;
        for exception in &self.exceptions {
            f.write_str(";")?;
            exception.value.fmt(f)?;
            write!(f, "@{}", exception.window)?;
        }
        Ok(())
    }
}
