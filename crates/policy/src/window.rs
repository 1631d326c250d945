//! Weekly windows: the hours in which something may happen.
//!
//! A window is open while the clock on the wall shows an hour that lies in it. So when the clocks change, hours that are
//! skipped are nobody's: a window that lies in them does not open that day, one that begins in them opens when the clocks
//! have moved on. Hours that come twice count twice: a window that ends in them opens again, and one that holds
//! all of them is longer that day.

mod term;
mod wall;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;

use crate::Error;
use crate::text::Part;
use term::Term;

const MINUTES_PER_DAY: u32 = 1440;
const MINUTES_PER_WEEK: u32 = 7 * MINUTES_PER_DAY;
const MS_PER_MINUTE: i64 = 60_000;
const MS_PER_WEEK: i64 = MINUTES_PER_WEEK as i64 * MS_PER_MINUTE;

/// A union of weekly windows, in local time.
///
/// The text has windows separated by `;`, each days and hours: `Mon-Fri/19-7;Sat,Sun/0-24`. Days are English
/// abbreviations or numbers from 1, Monday; they may be ranges, also over the week's end, and lists. Hours may be several,
/// have minutes, and go past midnight; then they belong to the day on which they begin. The words `always` and `never` stand alone.
///
/// What is shown is what was written, in one spelling. Windows are equal if they are open at the same times, however written.
#[derive(Clone, Debug)]
pub struct Windows {
    terms: Vec<Term>,
    /// Sorted, and apart from each other. All begin within the week, and the last may reach into the next.
    openings: Cow<'static, [Opening]>,
}

/// Minutes since the week's first midnight, the end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Opening {
    from: u32,
    to: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Closed,
}

impl Windows {
    /// Open at all times.
    pub const ALWAYS: Self = Self {
        terms: Vec::new(),
        openings: Cow::Borrowed(&[Opening {
            from: 0,
            to: MINUTES_PER_WEEK,
        }]),
    };

    /// Never open.
    pub const NEVER: Self = Self {
        terms: Vec::new(),
        openings: Cow::Borrowed(&[]),
    };

    /// Tells whether a window is open at an instant.
    pub fn contains(&self, at_ms: i64, zone: &TimeZone) -> bool {
        match self.constant() {
            Some(state) => state == State::Open,
            None => self.around(wall::since_monday_ms(at_ms, zone)).is_some(),
        }
    }

    /// The first instant from `from_ms` on at which a window is open: `from_ms` itself if one is. `None` if that is never.
    pub fn next_open(&self, from_ms: i64, zone: &TimeZone) -> Option<i64> {
        self.first(State::Open, from_ms, zone)
    }

    /// The instant at which the windows that are open close. `None` if none is open, or if they never close.
    pub fn open_until(&self, at_ms: i64, zone: &TimeZone) -> Option<i64> {
        let is_open = self.contains(at_ms, zone);
        is_open.then(|| self.first(State::Closed, at_ms, zone)).flatten()
    }

    /// The instant at which the windows that are open have opened. `None` if none is open, or if they always were.
    pub fn open_since(&self, at_ms: i64, zone: &TimeZone) -> Option<i64> {
        if self.constant().is_some() {
            return None;
        }
        let mut at_ms = at_ms;
        let mut opened_ms = None;
        loop {
            let wall_ms = wall::since_monday_ms(at_ms, zone);
            let Some(opening) = self.around(wall_ms) else {
                return opened_ms;
            };
            let since_ms = at_ms.checked_sub(wall_ms - opening.from_ms)?;
            let shift_ms = wall::last_shift_ms(at_ms, zone).filter(|shift_ms| *shift_ms >= since_ms);
            let Some(shift_ms) = shift_ms else {
                return Some(since_ms);
            };
            // What was open just before the clocks changed has been open for longer.
            opened_ms = Some(shift_ms);
            at_ms = shift_ms.checked_sub(1)?;
        }
    }

    /// How many minutes of a week without a change of the clocks they are open.
    pub fn minutes_per_week(&self) -> u32 {
        self.openings
            .iter()
            .map(|opening| opening.to - opening.from)
            .sum()
    }

    /// Reads windows that are part of a longer text.
    pub(crate) fn parse_part(part: Part<'_>) -> Result<Self, Error> {
        if part.text.eq_ignore_ascii_case("always") {
            return Ok(Self::ALWAYS);
        }
        if part.text.eq_ignore_ascii_case("never") {
            return Ok(Self::NEVER);
        }
        let terms: Vec<Term> = part.split(';').map(Term::parse).collect::<Result<_, _>>()?;
        let openings = merged(terms.iter().flat_map(Term::openings).collect());
        Ok(Self {
            terms,
            openings: openings.into(),
        })
    }

    /// The first instant after `at_ms` at which windows open or close.
    pub(crate) fn next_turn(&self, at_ms: i64, zone: &TimeZone) -> Option<i64> {
        if self.contains(at_ms, zone) {
            self.first(State::Closed, at_ms, zone)
        } else {
            self.first(State::Open, at_ms, zone)
        }
    }

    /// What they are at all times, if that is one thing.
    fn constant(&self) -> Option<State> {
        match self.minutes_per_week() {
            0 => Some(State::Closed),
            MINUTES_PER_WEEK => Some(State::Open),
            _ => None,
        }
    }

    fn first(&self, wanted: State, from_ms: i64, zone: &TimeZone) -> Option<i64> {
        if let Some(state) = self.constant() {
            return (state == wanted).then_some(from_ms);
        }
        let mut at_ms = from_ms;
        loop {
            let (state, left_ms) = self.state(wall::since_monday_ms(at_ms, zone));
            if state == wanted {
                return Some(at_ms);
            }
            let turn_ms = at_ms.checked_add(left_ms);
            let shift_ms = wall::next_shift_ms(at_ms, zone);
            at_ms = turn_ms.into_iter().chain(shift_ms).min()?;
        }
    }

    /// What they are at a time of the week, and how long they stay so if the clocks don't change.
    fn state(&self, wall_ms: i64) -> (State, i64) {
        if let Some(opening) = self.around(wall_ms) {
            return (State::Open, opening.to_ms - wall_ms);
        }
        let starts_ms = self.openings.iter().map(|opening| ms(opening.from));
        let this_week_ms = starts_ms.clone().find(|start_ms| *start_ms > wall_ms);
        let next_week_ms = starts_ms.min().map(|start_ms| start_ms + MS_PER_WEEK);
        let start_ms = this_week_ms.or(next_week_ms).unwrap_or(i64::MAX);
        (State::Closed, start_ms - wall_ms)
    }

    /// The opening that holds a time of the week.
    fn around(&self, wall_ms: i64) -> Option<Around> {
        self.openings
            .iter()
            .flat_map(|opening| {
                [0, MS_PER_WEEK].map(|earlier_ms| Around {
                    from_ms: ms(opening.from) - earlier_ms,
                    to_ms: ms(opening.to) - earlier_ms,
                })
            })
            .find(|around| (around.from_ms..around.to_ms).contains(&wall_ms))
    }
}

/// An opening, in milliseconds since the first midnight of the week that is looked at.
struct Around {
    from_ms: i64,
    to_ms: i64,
}

impl PartialEq for Windows {
    fn eq(&self, other: &Self) -> bool {
        self.openings == other.openings
    }
}

impl Eq for Windows {}

impl Default for Windows {
    /// Open at all times.
    fn default() -> Self {
        Self::ALWAYS
    }
}

impl FromStr for Windows {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse_part(Part::whole(text))
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.constant() {
            Some(State::Open) => return f.write_str("always"),
            Some(State::Closed) => return f.write_str("never"),
            None => {}
        }
        for (number, term) in self.terms.iter().enumerate() {
            if number > 0 {
                f.write_str(";")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

fn ms(minutes: u32) -> i64 {
    i64::from(minutes) * MS_PER_MINUTE
}

/// Joins openings that overlap or touch, also over the week's end.
fn merged(mut openings: Vec<Opening>) -> Vec<Opening> {
    openings.sort_unstable();
    let mut apart: Vec<Opening> = Vec::with_capacity(openings.len());
    for opening in openings {
        match apart.last_mut() {
            Some(last) if opening.from <= last.to => last.to = last.to.max(opening.to),
            _ => apart.push(opening),
        }
    }
    while let [first, .., last] = apart.as_mut_slice()
        && first.from + MINUTES_PER_WEEK <= last.to
    {
        last.to = last.to.max(first.to + MINUTES_PER_WEEK);
        apart.remove(0);
    }
    match apart.as_slice() {
        [only] if only.to - only.from >= MINUTES_PER_WEEK => vec![Opening {
            from: 0,
            to: MINUTES_PER_WEEK,
        }],
        _ => apart,
    }
}
