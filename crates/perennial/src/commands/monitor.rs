//! Takes what a backup or restore in this process tells: to the terminal, or to the log.

use client::{Level, Problem, Progress};
use parking_lot::Mutex;

use crate::output::Console;
use crate::output::format::{line, path, things, time};
use crate::output::progress::{Bar, Position};

/// Problems that are told one by one; of more, only how many there are.
const PROBLEMS_SHOWN: u64 = 20;

/// Draws a bar and tells problems.
pub struct TerminalMonitor {
    console: Console,
    bar: Bar,
    problems: Mutex<u64>,
}

impl TerminalMonitor {
    /// Starts to show.
    pub fn start(console: &Console) -> Self {
        Self {
            console: console.clone(),
            bar: Bar::start(console),
            problems: Mutex::new(0),
        }
    }

    /// Ends the bar, tells how many problems were not told, and returns how many there were.
    pub fn finish(&self) -> u64 {
        self.bar.finish();
        let problems = *self.problems.lock();
        if problems > PROBLEMS_SHOWN {
            self.console.note(&format!(
                "… and {}",
                things(problems - PROBLEMS_SHOWN, "more problem", "more problems")
            ));
        }
        problems
    }
}

impl client::Monitor for TerminalMonitor {
    fn progress(&self, progress: &Progress) {
        self.bar.show(&Position {
            phase: progress.phase.to_string(),
            files_done: progress.files_done,
            files_total: progress.files_total,
            bytes_done: progress.bytes_done,
            bytes_total: progress.bytes_total,
            current_path: progress.current_path.clone(),
        });
    }

    fn problem(&self, problem: &Problem) {
        let mut problems = self.problems.lock();
        *problems += 1;
        if *problems <= PROBLEMS_SHOWN {
            let (where_, message) = (path(&problem.path), line(&problem.message));
            self.console.note(&format!(
                "problem: {where_}: {message} ({})",
                problem.kind.as_str()
            ));
        }
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Info => self.console.note(&line(text)),
            Level::Warning => self.console.note(&format!("warning: {}", line(text))),
            Level::Error => self.console.note(&format!("error: {}", line(text))),
        }
    }
}

/// Writes to the log, for a client that runs as a service.
pub struct LogMonitor;

impl client::Monitor for LogMonitor {
    fn problem(&self, problem: &Problem) {
        tracing::warn!(
            path = path(&problem.path),
            kind = problem.kind.as_str(),
            "{}",
            problem.message
        );
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Info => tracing::info!("{text}"),
            Level::Warning => tracing::warn!("{text}"),
            Level::Error => tracing::error!("{text}"),
        }
    }
}

/// Tells the user, with the time, what goes on while nobody looks.
pub struct NoteMonitor {
    console: Console,
}

impl NoteMonitor {
    /// Tells on this console.
    pub fn new(console: &Console) -> Self {
        Self {
            console: console.clone(),
        }
    }

    fn note(&self, text: &str) {
        let now = jiff::Timestamp::now().as_millisecond();
        self.console
            .note(&format!("{}  {}", time(now, self.console.zone()), line(text)));
    }
}

impl client::Monitor for NoteMonitor {
    fn problem(&self, problem: &Problem) {
        self.note(&format!("problem: {}: {}", path(&problem.path), problem.message));
    }

    fn log(&self, level: Level, text: &str) {
        match level {
            Level::Info => self.note(text),
            Level::Warning => self.note(&format!("warning: {text}")),
            Level::Error => self.note(&format!("error: {text}")),
        }
    }
}
