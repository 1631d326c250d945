//! What is wrong with a text that was to be a rule. Columns count characters, from 1.

use crate::ParseSpanError;

/// Why a text can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is neither a window nor one of the words.
    #[error(
        "column {column}: `{part}` is not a window: days and hours, as in `Mon-Fri/19-7`, or `always`, or `never`"
    )]
    NotAWindow {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// A day is none.
    #[error("column {column}: `{part}` is not a day of the week: Mon to Sun, or 1 to 7")]
    NotADay {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// Hours have no beginning and end.
    #[error("column {column}: `{part}` are not hours from when to when, as in `8-18` or `19:30-7`")]
    NotHours {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// A time of day is none.
    #[error("column {column}: `{part}` is not a time of day: 0 to 24, or with minutes, as in `7:30`")]
    NotATime {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// Hours end when they begin, which could be no time or a whole day.
    #[error("column {column}: `{part}` ends when it begins; a whole day is `0-24`")]
    EmptyHours {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// The value before the `@`, or without one, can't be read.
    #[error("column {column}: the value `{part}` can't be read")]
    Value {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Every value has a window, so none counts outside of them.
    #[error("each value has a window: one without is needed, for all other times")]
    NoUsualValue,
    /// There are several values without a window.
    #[error("column {column}: `{part}` is a second value without a window: add `@` and a window")]
    SecondUsualValue {
        /// What stands there.
        part: String,
        /// Where it begins.
        column: usize,
    },
    /// An interval of nothing.
    #[error("an interval of 0 never ends: `off` switches it off")]
    ZeroInterval,
    /// A length of time can't be read.
    #[error(transparent)]
    Span(#[from] ParseSpanError),
}
