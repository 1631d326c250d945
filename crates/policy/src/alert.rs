//! What is told to people now: once when something goes wrong, not again until it changes, and once more when it is right again.
//!
//! ```text
//! well ─ something is wrong ─▶ told ─ it is right again ─▶ well, and that is told
//!                             │    ▲
//!                             └────┘ wrong in another way, or, if that is wanted, after a while: told again
//! ```

mod backups;
mod copies;
mod space;
mod what;

use std::collections::BTreeSet;

pub use backups::{Backups, First, LastBackup, of_backups};
pub use copies::{Copies, Copying, LastCopy, of_copies};
pub use space::{Exhaustion, SpaceLimits, of_space};
pub use what::{Level, UnknownWhat, What};

use crate::Span;

/// How something that is watched is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing is wrong with it.
    Well,
    /// Something is.
    Wrong(Finding),
    /// It rests: what was told stays as it is.
    Resting,
    /// Nobody wants to know any more.
    Unwatched,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: What,
    /// Which things are concerned, where there can be several. More of them are a change, fewer are not.
    pub about: BTreeSet<String>,
}

impl Finding {
    /// A finding about a thing as a whole.
    pub fn of(what: What) -> Self {
        Self {
            what,
            about: BTreeSet::new(),
        }
    }
}

/// What was told last of something that is still wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What was found.
    pub finding: Finding,
    /// Since when something is wrong with it.
    pub since_ms: i64,
    /// When it was told last.
    pub told_ms: i64,
}

/// What becomes of a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is told, and nothing changes.
    Quiet,
    /// Nothing is told; this is what holds from now on, if anything.
    Note(Option<Told>),
    /// Something is told; this is what holds from now on, if anything is wrong.
    Tell(News, Option<Told>),
}

/// Why something is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something is wrong that was well.
    Wrong,
    /// Something is wrong in another way than was told.
    Changed {
        /// What was told.
        was: What,
    },
    /// It is still wrong.
    Reminder {
        /// Since when.
        since_ms: i64,
    },
    /// It is right again.
    Right {
        /// What was told.
        was: What,
        /// Since when it was wrong.
        since_ms: i64,
    },
}

/// Decides what is told of something, after what was told of it last. `repeat` is how long a reminder takes, if there are any.
pub fn decide(found: &Found, told: Option<&Told>, repeat: Option<Span>, now_ms: i64) -> Step {
    match (found, told) {
        (Found::Resting, _) | (Found::Well | Found::Unwatched, None) => Step::Quiet,
        (Found::Unwatched, Some(_)) => Step::Note(None),
        (Found::Well, Some(told)) => right_again(told),
        (Found::Wrong(finding), None) => Step::Tell(News::Wrong, Some(told_now(finding, now_ms, now_ms))),
        (Found::Wrong(finding), Some(told)) => still_wrong(finding, told, repeat, now_ms),
    }
}

fn right_again(told: &Told) -> Step {
    let was = told.finding.what;
    if was.passes_quietly() {
        return Step::Note(None);
    }
    let since_ms = told.since_ms;
    Step::Tell(News::Right { was, since_ms }, None)
}

fn still_wrong(finding: &Finding, told: &Told, repeat: Option<Span>, now_ms: i64) -> Step {
    let since_ms = told.since_ms;
    let was = told.finding.what;
    if finding.what != was || !finding.about.is_subset(&told.finding.about) {
        return Step::Tell(News::Changed { was }, Some(told_now(finding, since_ms, now_ms)));
    }
    // After a clock was put back the reminder comes a span after now at the latest.
    let is_over = |repeat: Span| repeat.len_ms > 0 && repeat.after(told.told_ms) <= now_ms;
    if repeat.is_some_and(is_over) {
        return Step::Tell(
            News::Reminder { since_ms },
            Some(told_now(finding, since_ms, now_ms)),
        );
    }
    let told_ms = told.told_ms.min(now_ms);
    if finding.about == told.finding.about && told_ms == told.told_ms {
        return Step::Quiet;
    }
    Step::Note(Some(told_now(finding, since_ms, told_ms)))
}

fn told_now(finding: &Finding, since_ms: i64, told_ms: i64) -> Told {
    Told {
        finding: finding.clone(),
        since_ms,
        told_ms,
    }
}
