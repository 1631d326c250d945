//! Whether compressing pays on a data connection: decided by how fast the connection takes bytes, and by how
//! well they compress.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wire::frame::Compression;

use crate::settings::CompressionSetting;

/// Above this rate one core can't compress as fast as the bytes could go as they are.
const FAST_BYTES_PER_S: f64 = (60 << 20) as f64;
/// Below this rate a higher level pays.
const SLOW_BYTES_PER_S: f64 = (12 << 20) as f64;
const FAST_LEVEL: i32 = 1;
const SLOW_LEVEL: i32 = 3;
/// A rate is believed once so much has been sent, or so long been waited.
const WINDOW_BYTES: u64 = 8 << 20;
const WINDOW: Duration = Duration::from_millis(500);
/// After so many frames in a row that did not shrink no more are tried …
const HOPELESS_FRAMES: u32 = 3;
/// … for so much content.
const PAUSE_BYTES: u64 = 16 << 20;

/// Decides on one connection.
#[derive(Debug)]
pub(crate) struct Policy {
    setting: CompressionSetting,
    connections: f64,
    is_loopback: bool,
    level: Option<i32>,
    hopeless: u32,
    paused_bytes: u64,
    window: Meter,
    last: Meter,
}

/// What a connection has taken so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Meter {
    /// Bytes of content before compression.
    pub(crate) raw_bytes: u64,
    /// Bytes sent.
    pub(crate) sent_bytes: u64,
    /// Time spent in sending.
    pub(crate) busy: Duration,
}

impl Policy {
    /// Begins for one of `connections` that share a link.
    pub(crate) fn new(setting: CompressionSetting, connections: usize, is_loopback: bool) -> Self {
        Self {
            setting,
            connections: connections.max(1) as f64,
            is_loopback,
            level: Some(FAST_LEVEL),
            hopeless: 0,
            paused_bytes: 0,
            window: Meter::default(),
            last: Meter::default(),
        }
    }

    /// Says how the next frame is sent.
    pub(crate) fn compression(&self) -> Compression {
        let level = match self.setting {
            CompressionSetting::Off => None,
            CompressionSetting::Level(level) => Some(level),
            CompressionSetting::Auto if self.is_loopback => None,
            CompressionSetting::Auto => self.level,
        };
        match level {
            Some(level) if self.paused_bytes == 0 => Compression::Zstd(level),
            _ => Compression::Off,
        }
    }

    /// Takes what the connection has done up to now.
    pub(crate) fn observe(&mut self, now: Meter) {
        let raw_bytes = now.raw_bytes - self.last.raw_bytes;
        if raw_bytes == 0 {
            return;
        }
        let sent_bytes = now.sent_bytes - self.last.sent_bytes;
        if self.paused_bytes > 0 {
            self.paused_bytes = self.paused_bytes.saturating_sub(raw_bytes);
        } else if self.compression() != Compression::Off {
            self.judge_frame(raw_bytes, sent_bytes);
        }
        self.last = now;
        let bytes = now.sent_bytes - self.window.sent_bytes;
        let busy = now.busy.saturating_sub(self.window.busy);
        if bytes >= WINDOW_BYTES || busy >= WINDOW {
            let rate = bytes as f64 / busy.as_secs_f64().max(1e-6) * self.connections;
            self.level = match rate {
                _ if rate > FAST_BYTES_PER_S => None,
                _ if rate < SLOW_BYTES_PER_S => Some(SLOW_LEVEL),
                _ => Some(FAST_LEVEL),
            };
            self.window = now;
        }
    }

    fn judge_frame(&mut self, raw_bytes: u64, sent_bytes: u64) {
        if sent_bytes < raw_bytes / 8 * 7 {
            self.hopeless = 0;
            return;
        }
        self.hopeless += 1;
        if self.hopeless == HOPELESS_FRAMES {
            self.hopeless = 0;
            self.paused_bytes = PAUSE_BYTES;
        }
    }
}

/// A connection that measures how long it takes to send.
#[derive(Debug)]
pub(crate) struct Timed<C> {
    connection: C,
    busy: BusyTime,
}

/// The time that a connection was busy sending.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyTime(Arc<AtomicU64>);

impl BusyTime {
    pub(crate) fn get(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    fn add(&self, time: Duration) {
        self.0.fetch_add(
            u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
    }
}

impl<C> Timed<C> {
    pub(crate) fn new(connection: C) -> Self {
        Self {
            connection,
            busy: BusyTime::default(),
        }
    }

    pub(crate) fn busy(&self) -> BusyTime {
        self.busy.clone()
    }

    pub(crate) fn into_inner(self) -> C {
        self.connection
    }
}

impl<C: Write> Write for Timed<C> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let started = Instant::now();
        let written = self.connection.write(bytes);
        self.busy.add(started.elapsed());
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        let started = Instant::now();
        let flushed = self.connection.flush();
        self.busy.add(started.elapsed());
        flushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(raw_mib: u64, sent_mib: u64, busy_ms: u64) -> Meter {
        Meter {
            raw_bytes: raw_mib << 20,
            sent_bytes: sent_mib << 20,
            busy: Duration::from_millis(busy_ms),
        }
    }

    #[test]
    fn a_fast_link_is_not_compressed_and_a_slow_one_is() {
        let mut policy = Policy::new(CompressionSetting::Auto, 2, false);
        assert_eq!(policy.compression(), Compression::Zstd(FAST_LEVEL));
        policy.observe(meter(20, 10, 50));
        assert_eq!(policy.compression(), Compression::Off);
        policy.observe(meter(30, 20, 5_050));
        assert_eq!(policy.compression(), Compression::Zstd(SLOW_LEVEL));
        policy.observe(meter(50, 30, 5_650));
        assert_eq!(policy.compression(), Compression::Zstd(FAST_LEVEL));
    }

    #[test]
    fn loopback_and_off_are_never_compressed_and_a_level_always() {
        assert_eq!(
            Policy::new(CompressionSetting::Auto, 1, true).compression(),
            Compression::Off
        );
        assert_eq!(
            Policy::new(CompressionSetting::Off, 1, false).compression(),
            Compression::Off
        );
        let mut fixed = Policy::new(CompressionSetting::Level(7), 1, true);
        fixed.observe(meter(100, 10, 1));
        assert_eq!(fixed.compression(), Compression::Zstd(7));
    }

    #[test]
    fn content_that_does_not_shrink_is_left_alone_for_a_while() {
        let mut policy = Policy::new(CompressionSetting::Level(1), 1, false);
        for frame in 1..=3 {
            assert_eq!(policy.compression(), Compression::Zstd(1));
            policy.observe(meter(frame, frame, frame));
        }
        assert_eq!(policy.compression(), Compression::Off);
        policy.observe(meter(12, 12, 12));
        assert_eq!(policy.compression(), Compression::Off);
        policy.observe(meter(19, 19, 19));
        assert_eq!(policy.compression(), Compression::Zstd(1));
    }
}
