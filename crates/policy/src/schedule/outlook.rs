//! The schedule explained: for each mode, when it is due, when it begins, and what holds it back.

use super::course::Course;
use super::hindrance::Hindrance;
use super::{Case, Kind, Mode};

/// What will become of the next backup of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The kind.
    pub kind: Kind,
    /// Since when it is due, or from when on, by its interval alone. `None` if it is switched off, or has nothing to grow from.
    pub due_ms: Option<i64>,
    /// When it begins, if nothing changes but that a full backup begins on time. `None` if that can't be told or is never.
    pub begins_ms: Option<i64>,
    /// What holds it back now, apart from its interval not having passed.
    pub hindrances: Vec<Hindrance>,
}

/// Explains what [`next`](super::next) decides: the full backup first, then the incremental one.
pub fn outlook(case: &Case<'_>) -> [Outlook; 2] {
    let full_begins_ms = Course::of(case, Mode::Full)
        .and_then(|course| course.begins())
        .map(|beginning| beginning.at_ms);
    [full(case, full_begins_ms), incremental(case, full_begins_ms)]
}

fn full(case: &Case<'_>, begins_ms: Option<i64>) -> Outlook {
    let course = Course::of(case, Mode::Full);
    Outlook {
        kind: Kind::new(case.target, Mode::Full),
        due_ms: course.and_then(|course| course.due_ms()),
        begins_ms,
        hindrances: course.map_or(Vec::new(), |course| course.hindrances(case.now_ms)),
    }
}

fn incremental(case: &Case<'_>, full_begins_ms: Option<i64>) -> Outlook {
    let course = Course::of(case, Mode::Incremental);
    let begins = |course: Course<'_>| course.begins().map(|beginning| beginning.at_ms);
    let own_ms = course.and_then(begins);
    let after_full = full_begins_ms.filter(|full_ms| own_ms.is_none_or(|own_ms| *full_ms <= own_ms));
    let mut hindrances = course.map_or(Vec::new(), |course| course.hindrances(case.now_ms));
    if course.is_none() || full_begins_ms.is_some_and(|full_ms| full_ms <= case.now_ms) {
        hindrances.push(Hindrance::FullFirst);
    }
    Outlook {
        kind: Kind::new(case.target, Mode::Incremental),
        due_ms: course.and_then(|course| course.due_ms()),
        begins_ms: match after_full {
            Some(full_ms) => begins(Course::incremental_after(case, full_ms)),
            None => own_ms,
        },
        hindrances,
    }
}
