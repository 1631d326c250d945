//! A progress bar with rate and time left; drawn only on a terminal.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;

use super::Console;
use super::format::{count, duration, path, size};

/// How far back the rate is measured.
const RATE_WINDOW: Duration = Duration::from_secs(5);
const MAX_PATH_CHARS: usize = 48;

/// How far some work is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Position {
    /// What is going on, in a word.
    pub phase: String,
    /// Files done with.
    pub files_done: u64,
    /// Files in all, 0 where that is not known.
    pub files_total: u64,
    /// Bytes done with.
    pub bytes_done: u64,
    /// Bytes in all, 0 where that is not known.
    pub bytes_total: u64,
    /// What is being worked on.
    pub current_path: Vec<u8>,
}

impl From<&wire::v1::Progress> for Position {
    fn from(progress: &wire::v1::Progress) -> Self {
        Self {
            phase: progress.phase.clone(),
            files_done: progress.files_done,
            files_total: progress.files_total,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            current_path: progress.current_path.clone(),
        }
    }
}

/// A bar for one piece of work; it disappears when it is dropped.
pub struct Bar {
    bar: ProgressBar,
    speed: Mutex<Speed>,
}

impl Bar {
    /// Shows a bar, if there is a terminal to show it on.
    pub fn start(console: &Console) -> Self {
        let bar = console.bars().add(ProgressBar::new(0));
        bar.enable_steady_tick(Duration::from_millis(200));
        let bar_itself = Self {
            bar,
            speed: Mutex::new(Speed::default()),
        };
        bar_itself.show(&Position {
            phase: "preparing".into(),
            ..Position::default()
        });
        bar_itself
    }

    /// Shows how far the work is.
    pub fn show(&self, position: &Position) {
        let rates = self.speed.lock().measure(Instant::now(), position);
        let style = if position.bytes_total > 0 || position.files_total > 0 {
            "{spinner} {bar:24} {percent:>3}%  {wide_msg}"
        } else {
            "{spinner} {wide_msg}"
        };
        let (done, total) = fraction(position);
        self.bar.set_length(total);
        self.bar.set_position(done);
        let style = ProgressStyle::with_template(style).expect("a constant template that is valid");
        self.bar.set_style(style);
        self.bar.set_message(describe(position, &rates));
    }
}

impl Bar {
    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Work done per second, over the last few seconds.
#[derive(Debug, Default)]
struct Speed {
    samples: std::collections::VecDeque<(Instant, u64, u64)>,
}

/// Work per second.
#[derive(Debug, Default, PartialEq)]
struct Rates {
    files: f64,
    bytes: f64,
}

impl Speed {
    fn measure(&mut self, now: Instant, position: &Position) -> Rates {
        self.samples
            .push_back((now, position.files_done, position.bytes_done));
        while self.samples.len() > 2 && now - self.samples[1].0 > RATE_WINDOW {
            self.samples.pop_front();
        }
        let (then, files, bytes) = self.samples[0];
        let seconds = (now - then).as_secs_f64();
        if seconds < 0.1 {
            return Rates::default();
        }
        Rates {
            files: position.files_done.saturating_sub(files) as f64 / seconds,
            bytes: position.bytes_done.saturating_sub(bytes) as f64 / seconds,
        }
    }
}

// Many small files take as long as few large ones: the bar shows whichever is further behind.
fn fraction(position: &Position) -> (u64, u64) {
    if position.bytes_total == 0 && position.files_total == 0 {
        return (0, 1000);
    }
    let share = |done: u64, total: u64| {
        if total == 0 {
            1.0
        } else {
            (done as f64 / total as f64).min(1.0)
        }
    };
    let bytes = share(position.bytes_done, position.bytes_total);
    let files = share(position.files_done, position.files_total);
    ((bytes.min(files) * 1000.0) as u64, 1000)
}

fn describe(position: &Position, rates: &Rates) -> String {
    let mut parts = vec![position.phase.clone()];
    if position.files_done > 0 || position.files_total > 0 {
        parts.push(match position.files_total {
            0 => format!("{} files", count(position.files_done)),
            total => format!("{}/{} files", count(position.files_done), count(total)),
        });
        parts.push(match position.bytes_total {
            0 => size(position.bytes_done),
            total => format!("{}/{}", size(position.bytes_done), size(total)),
        });
        parts.push(format!("{}/s", size(rates.bytes as u64)));
    }
    if let Some(left) = time_left(position, rates) {
        parts.push(format!("{} left", duration(left)));
    }
    let name = shortened(&path(&position.current_path));
    if !name.is_empty() {
        parts.push(name);
    }
    parts.join("  ")
}

fn time_left(position: &Position, rates: &Rates) -> Option<Duration> {
    let left = |done: u64, total: u64, rate: f64| {
        let rest = total.checked_sub(done).filter(|_| total > 0)?;
        (rest == 0 || rate > 0.0).then(|| if rest == 0 { 0.0 } else { rest as f64 / rate })
    };
    let bytes = left(position.bytes_done, position.bytes_total, rates.bytes);
    let files = left(position.files_done, position.files_total, rates.files);
    let seconds = bytes.into_iter().chain(files).reduce(f64::max)?;
    // Beyond a few days it is no estimate any more.
    (1.0..1e6)
        .contains(&seconds)
        .then(|| Duration::from_secs(seconds as u64))
}

fn shortened(text: &str) -> String {
    let chars = text.chars().count();
    if chars <= MAX_PATH_CHARS {
        return text.to_owned();
    }
    let tail: String = text.chars().skip(chars - MAX_PATH_CHARS + 1).collect();
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(files: (u64, u64), bytes: (u64, u64)) -> Position {
        Position {
            phase: "transferring".into(),
            files_done: files.0,
            files_total: files.1,
            bytes_done: bytes.0,
            bytes_total: bytes.1,
            current_path: b"src/main.rs".to_vec(),
        }
    }

    #[test]
    fn rate_and_time_left_come_from_the_last_seconds() {
        let mut speed = Speed::default();
        let start = Instant::now();
        speed.measure(start, &position((0, 100), (0, 50 << 20)));
        let now = position((10, 100), (10 << 20, 50 << 20));
        let rates = speed.measure(start + Duration::from_secs(2), &now);
        assert_eq!(
            rates,
            Rates {
                files: 5.0,
                bytes: 5.0 * 1024.0 * 1024.0
            }
        );
        assert_eq!(
            describe(&now, &rates),
            "transferring  10/100 files  10 MiB/50 MiB  5.0 MiB/s  18s left  src/main.rs"
        );
        assert_eq!(fraction(&now), (100, 1000));
    }

    #[test]
    fn unknown_totals_show_no_time_left() {
        let now = position((10, 0), (1024, 0));
        assert_eq!(
            describe(&now, &Rates::default()),
            "transferring  10 files  1.0 KiB  0 B/s  src/main.rs"
        );
    }

    #[test]
    fn long_paths_lose_their_beginning() {
        let short = shortened(&"d/".repeat(100));
        assert_eq!(short.chars().count(), MAX_PATH_CHARS);
        assert!(short.starts_with('…'));
    }
}
