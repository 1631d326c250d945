//! The text of an archive rule.

use std::fmt;
use std::str::FromStr;

use crate::schedule::Mode;
use crate::{ParseSpanError, Span, Target};

/// Archives a backup in each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ArchiveRule {
    /// Which backups it is for.
    pub what: What,
    /// How long after one the next is archived.
    pub every: Span,
    /// How long they stay archived.
    pub keep: Keep,
}

/// Some of the backups of a client; `None` stands for any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct What {
    /// Files or images.
    pub target: Option<Target>,
    /// Full or incremental.
    pub mode: Option<Mode>,
}

impl What {
    /// Tells whether such a backup is among them.
    pub fn includes(&self, target: Target, mode: Mode) -> bool {
        self.target.is_none_or(|wanted| wanted == target) && self.mode.is_none_or(|wanted| wanted == mode)
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.mode, self.target) {
            (None, None) => f.write_str("all"),
            (Some(mode), None) => write!(f, "{mode}"),
            (None, Some(target)) => write!(f, "{target}"),
            (Some(mode), Some(target)) => write!(f, "{mode} {target}"),
        }
    }
}

/// How long a backup stays archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keep {
    /// So long, from its start.
    For(Span),
    /// For ever.
    Forever,
}

/// A text that is not an archive rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseRuleError {
    /// Before "every" stands what is neither a target nor a mode.
    #[error(
        "\"{word}\" is unknown: before \"every\" stand \"full\" or \"incremental\", \"file\" or \"image\""
    )]
    UnknownWord {
        /// What stands there.
        word: String,
    },
    /// A target or a mode stands there twice.
    #[error("\"{word}\" is one too many: there is one target and one mode at most")]
    Twice {
        /// The second one.
        word: String,
    },
    /// It does not say how often.
    #[error("\"every\" and an interval are missing")]
    NoInterval,
    /// It does not say for how long.
    #[error("\"keep\" and a time, or \"keep forever\", are missing")]
    NoKeep,
    /// The interval can't be read.
    #[error("the interval after \"every\" can't be read")]
    Interval(#[source] ParseSpanError),
    /// The time can't be read.
    #[error("the time after \"keep\" can't be read")]
    Keep(#[source] ParseSpanError),
    /// The interval or the time is nothing.
    #[error("an archive rule needs times of more than nothing")]
    Zero,
}

impl FromStr for ArchiveRule {
    type Err = ParseRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let mut parts = words.splitn(2, |word| *word == "every");
        let what = parse_what(parts.next().unwrap_or_default())?;
        let mut times = parts
            .next()
            .ok_or(ParseRuleError::NoInterval)?
            .splitn(2, |word| *word == "keep");
        let every = times.next().unwrap_or_default().join(" ");
        let every: Span = every.parse().map_err(ParseRuleError::Interval)?;
        let keep = match times.next().ok_or(ParseRuleError::NoKeep)? {
            ["forever"] => Keep::Forever,
            words => Keep::For(words.join(" ").parse().map_err(ParseRuleError::Keep)?),
        };
        let nothing = Span { len_ms: 0 };
        if every == nothing || keep == Keep::For(nothing) {
            return Err(ParseRuleError::Zero);
        }
        Ok(Self { what, every, keep })
    }
}

fn parse_what(words: &[&str]) -> Result<What, ParseRuleError> {
    let mut what = What::default();
    for &word in words {
        let is_second = match word {
            "full" => what.mode.replace(Mode::Full).is_some(),
            "incremental" => what.mode.replace(Mode::Incremental).is_some(),
            "file" => what.target.replace(Target::Files).is_some(),
            "image" => what.target.replace(Target::Image).is_some(),
            _ => return Err(ParseRuleError::UnknownWord { word: word.into() }),
        };
        if is_second {
            return Err(ParseRuleError::Twice { word: word.into() });
        }
    }
    Ok(what)
}

/// The text that gives the same rule again.
impl fmt::Display for ArchiveRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.what != What::default() {
            write!(f, "{} ", self.what)?;
        }
        write!(f, "every {:#} keep ", self.every)?;
        match self.keep {
            Keep::For(span) => write!(f, "{span:#}"),
            Keep::Forever => f.write_str("forever"),
        }
    }
}
