//! What becomes of one target of a client.

use std::fmt;

use policy::Target;
use policy::schedule::{Failures, History, Kind, Mode};

/// So many backups are remembered: more than begin while a clock is wrong.
const REMEMBERED: usize = 100;

pub struct Lane {
    pub target: Target,
    pub state: State,
    pub failures: Option<Failures>,
    /// When committed backups began, by the clock.
    pub began: Vec<(Mode, i64)>,
    /// When the last one began, in truth.
    pub last: Option<i64>,
    /// The longest time from the beginning of one to the next.
    pub longest_gap: i64,
    /// The latest that one began after interval and window had let it, while all was well.
    pub latest: i64,
    /// How many began while all was well, and how many of them later than half an hour after they could have.
    pub judged: usize,
    pub unpunctual: usize,
    pub longest_in_queue: i64,
}

/// Minutes are those in truth, milliseconds those by the clock.
#[derive(Clone, Copy)]
pub enum State {
    /// Nothing is decided before then.
    Asleep { until_ms: i64 },
    /// It waits for a slot.
    Queued { since: i64, kind: Kind, due_ms: i64 },
    /// It runs.
    Running {
        since: i64,
        until: i64,
        mode: Mode,
        began_ms: i64,
    },
}

impl Lane {
    pub fn new(target: Target) -> Self {
        Self {
            target,
            state: State::Asleep { until_ms: i64::MIN },
            failures: None,
            began: Vec::new(),
            last: None,
            longest_gap: 0,
            latest: 0,
            judged: 0,
            unpunctual: 0,
            longest_in_queue: 0,
        }
    }

    pub fn history(&self, now_ms: i64) -> History {
        History {
            failures: self.failures,
            ..History::of(self.began.iter().copied(), now_ms)
        }
    }

    /// Has it decided anew, unless it runs.
    pub fn wake(&mut self) {
        if let State::Asleep { until_ms } = &mut self.state {
            *until_ms = i64::MIN;
        }
    }

    pub fn fail(&mut self, now_ms: i64) {
        let count = self.failures.map_or(0, |failures| failures.count) + 1;
        self.failures = Some(Failures {
            count,
            last_ms: now_ms,
        });
        self.state = State::Asleep { until_ms: i64::MIN };
    }

    pub fn commit(&mut self, since: i64, mode: Mode, began_ms: i64) {
        if let Some(last) = self.last {
            self.longest_gap = self.longest_gap.max(since - last);
        }
        self.last = Some(since);
        self.failures = None;
        self.began.push((mode, began_ms));
        // The full ones are few: the last of them must not be forgotten.
        if self.began.len() > REMEMBERED
            && let Some(oldest) = self.began.iter().position(|(mode, _)| *mode == Mode::Incremental)
        {
            self.began.remove(oldest);
        }
        self.state = State::Asleep { until_ms: i64::MIN };
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hours = |minutes: i64| minutes as f64 / 60.0;
        write!(
            f,
            "at most {:.1} h apart, {:.1} h late ({} of {} unpunctual), {:.1} h in the queue",
            hours(self.longest_gap),
            hours(self.latest),
            self.unpunctual,
            self.judged,
            hours(self.longest_in_queue)
        )
    }
}
