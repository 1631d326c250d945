//! How long to wait before the next try.

use std::time::Duration;

use rand::RngExt as _;

use crate::cancel::Cancel;
use crate::error::{Error, Result, explain};
use crate::monitor::{Level, Monitor};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
/// Where trying again does not help until somebody has done something.
const SLOW: Duration = Duration::from_secs(600);

/// Waits that grow, each spread so that many clients don't come back at once.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait before the next try.
    fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(LONGEST);
        spread(wait)
    }

    /// Tells why the work goes on only after a while, and waits for it. Fails with [`Error::Cancelled`].
    pub(super) async fn go_on(
        &mut self,
        error: &Error,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<()> {
        let wait = self.next();
        let text = format!("{}; going on in {} s", explain(error), wait.as_secs().max(1));
        monitor.log(Level::Warning, &text);
        sleep(wait, cancel).await
    }

    /// Tells why something is tried again only after a while, and waits for it: slowly where somebody has to do something first. Fails
    /// with [`Error::Cancelled`].
    pub(super) async fn try_again(
        &mut self,
        error: &Error,
        monitor: &dyn Monitor,
        cancel: &Cancel,
    ) -> Result<()> {
        let (level, wait) = match error.is_transient() {
            true => (Level::Warning, self.next()),
            false => (Level::Error, spread(SLOW)),
        };
        let text = format!("{}; trying again in {} s", explain(error), wait.as_secs().max(1));
        monitor.log(level, &text);
        sleep(wait, cancel).await
    }
}

async fn sleep(wait: Duration, cancel: &Cancel) -> Result<()> {
    tokio::select! {
        () = cancel.cancelled() => Err(Error::Cancelled),
        () = tokio::time::sleep(wait) => Ok(()),
    }
}

/// Half to one and a half times as long.
fn spread(wait: Duration) -> Duration {
    wait.mul_f64(rand::rng().random_range(0.5..1.5))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::new();
        for expected in [1u64, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
            let wait = backoff.next().as_secs_f64() / expected as f64;
            assert!((0.5..1.5).contains(&wait), "{expected}");
        }
    }
}
