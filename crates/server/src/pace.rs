//! How fast content may come in: a limit for each job, one for all together, and a job that is paused.
//!
//! A data connection that has read more than it may waits before it reads on, and TCP makes the client wait. So a limit
//! needs nothing of the client, and holds for every one. Bytes are counted as they come over the network.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// How much may come at once after a pause: this part of a second's worth.
const BURST: Duration = Duration::from_millis(250);
/// How often one that waits looks whether the limit has changed.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Whether content may come in at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// It may.
    Goes,
    /// It has to wait.
    Paused,
}

/// A limit, shared by all connections that it is for.
pub struct Pace {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    bytes_per_s: Option<u64>,
    flow: Flow,
    /// Until when what has come in takes at this speed.
    busy_until: Option<Instant>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                bytes_per_s: None,
                flow: Flow::Goes,
                busy_until: None,
            }),
            changed: Condvar::new(),
        }
    }
}

impl Pace {
    /// Sets the limit; `None` for none. Holds at once, also for who waits.
    pub fn set_limit(&self, bytes_per_s: Option<u64>) {
        let mut state = self.state.lock();
        if state.bytes_per_s != bytes_per_s {
            state.bytes_per_s = bytes_per_s;
            state.busy_until = None;
            self.changed.notify_all();
        }
    }

    /// Pauses, or lets go on.
    pub fn set_paused(&self, flow: Flow) {
        self.state.lock().flow = flow;
        self.changed.notify_all();
    }

    /// Counts what has come in, and waits, blocking, until more may come or `is_over` says that nobody wants it.
    pub fn take(&self, bytes: u64, is_over: impl Fn() -> bool) {
        let mut state = self.state.lock();
        if let Some(bytes_per_s) = state.bytes_per_s {
            let now = Instant::now();
            let since = now.checked_sub(BURST).unwrap_or(now);
            let from = state.busy_until.map_or(since, |until| until.max(since));
            let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(bytes_per_s.max(1));
            state.busy_until = Some(from + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
        }
        while !is_over() {
            let wait = match (state.flow, state.busy_until) {
                (Flow::Paused, _) => LOOK_AGAIN,
                (Flow::Goes, None) => return,
                (Flow::Goes, Some(until)) => {
                    let now = Instant::now();
                    if until <= now {
                        return;
                    }
                    (until - now).min(LOOK_AGAIN)
                }
            };
            self.changed.wait_for(&mut state, wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> bool {
        false
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let pace = Pace::default();
        for _ in 0..1000 {
            pace.take(1 << 30, never);
        }
    }

    #[test]
    fn a_limit_is_kept_over_all_who_share_it() {
        let pace = Pace::default();
        pace.set_limit(Some(4 << 20));
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..8).for_each(|_| pace.take(64 << 10, never)));
            }
        });
        // 2 MiB at 4 MiB/s are half a second, of which a quarter may come at once.
        assert!(
            begun.elapsed() >= Duration::from_millis(240),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn who_waits_sees_a_new_limit_and_the_end() {
        let pace = Pace::default();
        pace.set_limit(Some(1));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pace.take(1 << 40, never));
            pace.set_limit(None);
            waiting.join().expect("ends");
        });
        pace.set_paused(Flow::Paused);
        pace.take(1, || true);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pace.take(1, never));
            pace.set_paused(Flow::Goes);
            waiting.join().expect("goes on");
        });
    }
}
