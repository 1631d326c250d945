//! Long work on images: with a bar, and until an interrupt.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use disk_image::Progress;
use parking_lot::Mutex;

use crate::interrupt::Interrupt;
use crate::output::Console;
use crate::output::progress::{Bar, Position};

const SHOW_EVERY: Duration = Duration::from_millis(100);

/// Shows how far some work is.
pub struct Work {
    bar: Bar,
    phase: Mutex<&'static str>,
    done: AtomicU64,
    total: AtomicU64,
    shown: Mutex<Instant>,
    cancelled: AtomicBool,
}

impl Work {
    /// Begins a part of the work.
    pub fn begin(&self, phase: &'static str, total_bytes: u64) {
        *self.phase.lock() = phase;
        self.total.store(total_bytes, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        self.show();
    }

    fn show(&self) {
        self.bar.show(&Position {
            phase: (*self.phase.lock()).to_owned(),
            bytes_done: self.done.load(Ordering::Relaxed),
            bytes_total: self.total.load(Ordering::Relaxed),
            ..Position::default()
        });
    }
}

impl Progress for Work {
    fn done(&self, len_bytes: u64) {
        self.done.fetch_add(len_bytes, Ordering::Relaxed);
        let mut shown = self.shown.lock();
        if shown.elapsed() >= SHOW_EVERY {
            *shown = Instant::now();
            drop(shown);
            self.show();
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// Does blocking work with a bar; an interrupt ends it early.
pub fn watched<T>(
    console: &Console,
    interrupt: &Interrupt,
    work: impl FnOnce(&Work) -> Result<T>,
) -> Result<T> {
    let shown = Arc::new(Work {
        bar: Bar::start(console),
        phase: Mutex::new("preparing"),
        done: AtomicU64::new(0),
        total: AtomicU64::new(0),
        shown: Mutex::new(Instant::now()),
        cancelled: AtomicBool::new(false),
    });
    let (asked, watching) = (interrupt.clone(), Arc::clone(&shown));
    let watcher = tokio::spawn(async move {
        asked.asked().await;
        watching.cancelled.store(true, Ordering::Relaxed);
    });
    let result = tokio::task::block_in_place(|| work(&shown));
    watcher.abort();
    shown.bar.finish();
    result
}
