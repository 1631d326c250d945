//! The two streams: results on stdout, everything else on stderr, and neither torn by a progress bar.

use std::io::{self, IsTerminal as _, Write};

use indicatif::{MultiProgress, ProgressDrawTarget};
use jiff::tz::TimeZone;
use serde::Serialize;

/// For whom results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// People: tables and sentences.
    Human,
    /// Programs: one JSON document.
    Json,
}

/// Where the program writes to.
#[derive(Clone)]
pub struct Console {
    bars: MultiProgress,
    zone: TimeZone,
}

impl Console {
    /// The process's own streams. Bars are drawn only if stderr is a terminal.
    pub fn of_process() -> Self {
        let target = if io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            bars: MultiProgress::with_draw_target(target),
            zone: TimeZone::system(),
        }
    }

    /// The user's time zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The progress bars that share stderr with notes and logs.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// Writes a result as it is.
    pub fn result(&self, text: &str) -> io::Result<()> {
        self.bars.suspend(|| {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes())?;
            out.flush()
        })
    }

    /// Writes a result as one JSON document.
    pub fn json(&self, document: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(document).map_err(io::Error::from)?;
        text.push('\n');
        self.result(&text)
    }

    /// Starts a JSON array that is written item by item, however long it gets.
    pub fn json_items(&self) -> JsonItems<'_> {
        JsonItems {
            console: self,
            written: 0,
        }
    }

    /// Tells the user something that is no result.
    pub fn note(&self, text: &str) {
        self.bars.suspend(|| {
            // A closed stderr is no reason to stop.
            let _ = writeln!(io::stderr().lock(), "{text}");
        });
    }
}

/// A JSON array on its way out.
pub struct JsonItems<'a> {
    console: &'a Console,
    written: u64,
}

impl JsonItems<'_> {
    /// Writes one item.
    pub fn item(&mut self, item: &impl Serialize) -> io::Result<()> {
        let opening = if self.written == 0 { "[\n" } else { ",\n" };
        self.written += 1;
        let text = serde_json::to_string(item).map_err(io::Error::from)?;
        self.console.result(&format!("{opening}  {text}"))
    }

    /// Ends the array.
    pub fn finish(self) -> io::Result<()> {
        self.console
            .result(if self.written == 0 { "[]\n" } else { "\n]\n" })
    }
}

/// Where log lines go: to stderr, above the bars.
#[derive(Clone)]
pub struct LogStream(pub MultiProgress);

impl Write for LogStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}
