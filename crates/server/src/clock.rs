//! The time, handed in so that tests can set it.

use std::sync::Arc;

use jiff::tz::TimeZone;

/// Tells the time, and in which zone the server's people live.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync>,
    zone: TimeZone,
}

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Self {
        Self::of(TimeZone::system(), jiff::Timestamp::now)
    }

    /// A clock that tells what `now` returns.
    pub fn of(zone: TimeZone, now: impl Fn() -> jiff::Timestamp + Send + Sync + 'static) -> Self {
        Self {
            now: Arc::new(now),
            zone,
        }
    }

    /// The zone in which windows open and days begin.
    pub fn zone(&self) -> TimeZone {
        self.zone.clone()
    }

    /// The time.
    pub fn now(&self) -> jiff::Timestamp {
        (self.now)()
    }

    /// The time in milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        self.now().as_millisecond()
    }
}
