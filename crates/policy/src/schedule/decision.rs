//! What to begin now, or when the next backup begins, and why.

use std::cmp::Reverse;
use std::fmt;

use super::course::{Beginning, Course, Way};
use super::hindrance::Hindrance;
use super::pace::Since;
use super::{Case, Kind, Mode};
use crate::Span;

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Begin.
    Now(Kind),
    /// Begin then, if nothing changes until then.
    Later {
        /// What will be begun.
        kind: Kind,
        /// When.
        at_ms: i64,
    },
    /// Begin when what holds it back has ended, and nobody knows when that is.
    WhenPossible {
        /// What will be begun.
        kind: Kind,
        /// Since when it is due, or from when on.
        due_ms: i64,
    },
    /// Nothing is to be done.
    Never,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Both intervals are off.
    Off,
    /// There is no backup yet.
    FirstBackup,
    /// There is no full backup; those that are there were taken over from elsewhere.
    NoFullBackup,
    /// The interval has passed, or will have.
    Interval {
        /// The interval's length.
        every: Span,
        /// Since the last backup that it counts from.
        elapsed: Span,
    },
    /// The interval has passed so long ago that the window does not count.
    CatchingUp {
        /// For how long it is overdue.
        overdue: Span,
    },
    /// It would be due, or will be before it can begin.
    Hindered(Hindrance),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("scheduled backups are switched off"),
            Self::FirstBackup => f.write_str("there is no backup yet"),
            Self::NoFullBackup => f.write_str("there is no full backup yet"),
            Self::Interval { every, elapsed } => {
                write!(f, "one every {every}, the last began {elapsed} ago")
            }
            Self::CatchingUp { overdue } => {
                write!(f, "overdue for {overdue}, so that its window does not count")
            }
            Self::Hindered(hindrance) => hindrance.fmt(f),
        }
    }
}

/// What to do next, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to do next.
    pub due: Due,
    /// Why.
    pub reason: Reason,
}

/// Decides when the next backup of a client's target begins.
pub fn next(case: &Case<'_>) -> Decision {
    if case.rules.are_off() {
        return Decision {
            due: Due::Never,
            reason: Reason::Off,
        };
    }
    // A full backup comes first, and of equals the first is taken.
    let courses = Mode::ALL.map(|mode| Course::of(case, mode));
    let courses = courses.iter().flatten();
    let beginnings = courses
        .clone()
        .filter_map(|course| Some((course, course.begins()?)));
    if let Some((course, beginning)) = beginnings.min_by_key(|(_, beginning)| beginning.at_ms) {
        return foreseen(case, course, beginning);
    }
    let due = courses.filter_map(|course| Some((course, course.due_ms()?)));
    match due.min_by_key(|(_, due_ms)| *due_ms) {
        Some((course, due_ms)) => unforeseen(case, course, due_ms),
        None => Decision {
            due: Due::Never,
            reason: Reason::Off,
        },
    }
}

fn foreseen(case: &Case<'_>, course: &Course<'_>, beginning: Beginning) -> Decision {
    let kind = Kind::new(case.target, course.mode);
    let Beginning { at_ms, every, way } = beginning;
    let due = match at_ms <= case.now_ms {
        true => Due::Now(kind),
        false => Due::Later { kind, at_ms },
    };
    let ripe_ms = course.pace.ripe_ms(every).max(case.now_ms);
    let due_ms = course.pace.due_by_ms(every, ripe_ms).unwrap_or(ripe_ms);
    let reason = match (way, course.pace.since) {
        _ if at_ms > due_ms => held_back(case, course, every, due_ms),
        (_, Since::NoBackup) => Reason::FirstBackup,
        (_, Since::NoFullBackup) => Reason::NoFullBackup,
        (Way::CatchingUp, Since::Backup(_)) => Reason::CatchingUp {
            overdue: Span::between(course.pace.ripe_ms(every), at_ms),
        },
        (Way::InWindow, Since::Backup(_)) => by_interval(case, course, every),
    };
    Decision { due, reason }
}

/// Why a backup begins later than its interval would have it: what ends last.
fn held_back(case: &Case<'_>, course: &Course<'_>, every: Span, due_ms: i64) -> Reason {
    match longest(course.hindrances(due_ms)) {
        Some(hindrance) => Reason::Hindered(hindrance),
        None => by_interval(case, course, every),
    }
}

fn by_interval(case: &Case<'_>, course: &Course<'_>, every: Span) -> Reason {
    match course.pace.since {
        Since::NoBackup => Reason::FirstBackup,
        Since::NoFullBackup => Reason::NoFullBackup,
        Since::Backup(began_ms) => Reason::Interval {
            every,
            elapsed: Span::between(began_ms, case.now_ms),
        },
    }
}

fn unforeseen(case: &Case<'_>, course: &Course<'_>, due_ms: i64) -> Decision {
    let hindrances = course.hindrances(due_ms.max(case.now_ms)).into_iter();
    let mut endless = hindrances.filter(|hindrance| hindrance.ends_ms().is_none());
    // Where nothing else is in the way, no window is ever open while the interval counts.
    let no_window = || Hindrance::OutsideWindow {
        window: course.pace.rules.window.clone(),
        opens_ms: None,
    };
    Decision {
        due: Due::WhenPossible {
            kind: Kind::new(case.target, course.mode),
            due_ms,
        },
        reason: Reason::Hindered(endless.next().unwrap_or_else(no_window)),
    }
}

/// What ends last: the first of those whose end can't be told, if there is one.
fn longest(hindrances: Vec<Hindrance>) -> Option<Hindrance> {
    hindrances.into_iter().min_by_key(|hindrance| {
        let ends_ms = hindrance.ends_ms();
        Reverse((ends_ms.is_none(), ends_ms))
    })
}
