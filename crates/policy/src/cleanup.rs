//! When the nightly cleanup runs.

use std::fmt;

use jiff::tz::TimeZone;

use crate::Span;
use crate::window::Windows;

/// A cleanup that has missed its window by this runs outside of it: a server may well be off at night.
const PATIENCE: Span = Span::days(1);
/// Between two cleanups, where the window never closes.
const DAILY: Span = Span::days(1);

/// When the next cleanup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now(Reason),
    /// Then.
    Later {
        /// When.
        at_ms: i64,
    },
    /// The window never opens.
    Never,
}

/// Why a cleanup runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its window is open.
    Window,
    /// It has missed its window.
    Missed {
        /// By so much.
        overdue: Span,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Window => f.write_str("its window is open"),
            Self::Missed { overdue } => write!(f, "it has missed its window by {overdue}"),
        }
    }
}

/// Decides whether the cleanup runs now: once each time that its window opens. `last_ms` is when the last one began, or the
/// server was made; a time in the future (a clock that was put back) counts as now.
pub fn due(window: &Windows, last_ms: i64, zone: &TimeZone, now_ms: i64) -> Due {
    let last_ms = last_ms.min(now_ms);
    let closed_ms = match (window.contains(last_ms, zone), window.open_until(last_ms, zone)) {
        (true, Some(closes_ms)) => closes_ms,
        (true, None) => DAILY.after(last_ms),
        (false, _) => last_ms,
    };
    let Some(opens_ms) = window.next_open(closed_ms, zone) else {
        return Due::Never;
    };
    if opens_ms > now_ms {
        return Due::Later { at_ms: opens_ms };
    }
    let overdue = Span::between(opens_ms, now_ms);
    match window.contains(now_ms, zone) {
        true => Due::Now(Reason::Window),
        false if overdue >= PATIENCE => Due::Now(Reason::Missed { overdue }),
        false => {
            let patience_ms = PATIENCE.after(opens_ms);
            let next_ms = window.next_open(now_ms, zone).unwrap_or(patience_ms);
            Due::Later {
                at_ms: next_ms.min(patience_ms),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    /// 2026-11-30, a Monday, midnight.
    const MIDNIGHT_MS: i64 = 1_795_996_800_000;

    fn at(hours: i64) -> i64 {
        MIDNIGHT_MS + hours * HOUR_MS
    }

    fn decide(window: &str, last_hours: i64, now_hours: i64) -> Due {
        let window: Windows = window.parse().expect("is a window");
        due(&window, at(last_hours), &TimeZone::UTC, at(now_hours))
    }

    #[test]
    fn it_runs_once_each_time_that_its_window_opens() {
        assert_eq!(decide("Mon-Sun/3-5", 0, 2), Due::Later { at_ms: at(3) });
        assert_eq!(decide("Mon-Sun/3-5", 0, 3), Due::Now(Reason::Window));
        assert_eq!(decide("Mon-Sun/3-5", 3, 4), Due::Later { at_ms: at(27) });
        assert_eq!(decide("Mon-Sun/3-5", 3, 27), Due::Now(Reason::Window));
    }

    #[test]
    fn a_window_that_was_missed_is_waited_for_once_more() {
        let missed = Span::hours(24);
        assert_eq!(decide("Mon-Sun/3-5", 0, 9), Due::Later { at_ms: at(27) });
        assert_eq!(decide("Mon/3-5", -24, 9), Due::Later { at_ms: at(27) });
        assert_eq!(
            decide("Mon/3-5", -24, 27),
            Due::Now(Reason::Missed { overdue: missed })
        );
    }

    #[test]
    fn a_window_that_never_closes_means_daily() {
        assert_eq!(decide("always", 0, 23), Due::Later { at_ms: at(24) });
        assert_eq!(decide("always", 0, 24), Due::Now(Reason::Window));
        assert_eq!(decide("never", 0, 1000), Due::Never);
    }

    #[test]
    fn a_clock_that_was_put_back_delays_it_by_no_more_than_a_window() {
        assert_eq!(decide("Mon-Sun/3-5", 10_000, 2), Due::Later { at_ms: at(3) });
    }
}
