//! When to try again, as a pure function of how often it has failed.
//!
//! A minute after the first failure, twice as long after each further one, at most four hours; given up when the waits would come
//! to more than three days, which is after the 25th failure.

use crate::error::Error;

const FIRST_WAIT_MS: u64 = 60_000;
const MAX_WAIT_MS: u64 = 4 * 60 * 60_000;
const MAX_TOTAL_MS: u64 = 3 * 24 * 60 * 60_000;

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// To try again.
    After {
        /// How long to wait first.
        wait_ms: u64,
    },
    /// To give up, as another try would fail the same way.
    Hopeless,
    /// To give up, as it has failed for three days.
    Exhausted,
}

/// Decides what to do after a delivery has failed `failures` times, the last time with `error`.
///
/// A server that asks to be left alone for longer gets its will, up to four hours.
pub fn decide(failures: u32, error: &Error) -> Retry {
    if !error.is_temporary() {
        return Retry::Hopeless;
    }
    let Some(wait_ms) = wait_ms(failures) else {
        return Retry::Exhausted;
    };
    let asked_ms = error.retry_after_ms().unwrap_or(0).min(MAX_WAIT_MS);
    Retry::After {
        wait_ms: wait_ms.max(asked_ms),
    }
}

/// Returns how long to wait after `failures` failures in a row, counted from 1; `None` to give up.
pub fn wait_ms(failures: u32) -> Option<u64> {
    let mut total_ms = 0;
    let mut wait_ms = FIRST_WAIT_MS;
    for _ in 1..failures {
        total_ms += wait_ms;
        wait_ms = (wait_ms * 2).min(MAX_WAIT_MS);
        if total_ms + wait_ms > MAX_TOTAL_MS {
            return None;
        }
    }
    Some(wait_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Step;

    const MINUTE_MS: u64 = 60_000;

    fn http(status: u16, retry_after_ms: Option<u64>) -> Error {
        Error::Http {
            server: "https://hooks.example".into(),
            status,
            reply: String::new(),
            retry_after_ms,
        }
    }

    #[test]
    fn waits_double_up_to_four_hours() {
        let minutes: Vec<u64> = (1..=10)
            .map(|n| wait_ms(n).expect("not yet") / MINUTE_MS)
            .collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 64, 128, 240, 240]);
        assert_eq!(wait_ms(0), Some(MINUTE_MS));
    }

    #[test]
    fn it_is_given_up_within_three_days() {
        let total_ms: u64 = (1..).map_while(wait_ms).sum();
        assert!(
            total_ms <= MAX_TOTAL_MS && total_ms + MAX_WAIT_MS > MAX_TOTAL_MS,
            "{total_ms}"
        );
        assert!(wait_ms(24).is_some());
        assert_eq!(wait_ms(25), None);
        assert_eq!(wait_ms(u32::MAX), None);
    }

    #[test]
    fn what_will_not_pass_is_given_up_at_once() {
        let refused = Error::Smtp {
            server: "mail.example:587".into(),
            step: Step::Recipient,
            code: 550,
            reply: String::new(),
        };
        assert_eq!(decide(1, &refused), Retry::Hopeless);
        assert_eq!(decide(1, &http(401, None)), Retry::Hopeless);
        assert_eq!(decide(25, &http(503, None)), Retry::Exhausted);
    }

    #[test]
    fn a_server_that_asks_for_longer_gets_its_will() {
        let wait = |failures, error: &Error| match decide(failures, error) {
            Retry::After { wait_ms } => wait_ms / MINUTE_MS,
            other => panic!("{other:?}"),
        };
        assert_eq!(wait(1, &http(429, Some(5 * MINUTE_MS))), 5);
        assert_eq!(wait(5, &http(429, Some(5 * MINUTE_MS))), 16);
        assert_eq!(wait(1, &http(429, Some(u64::MAX))), 240);
    }
}
