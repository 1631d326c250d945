//! What the server writes into its log, as it happens, for those who watch; with some of what it wrote before.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

/// Records that are kept for whoever begins to watch.
const KEPT: usize = 2000;
/// Records that a watcher who is slow to take them may be behind.
const BEHIND: usize = 1000;

/// How bad it is; what is worse is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "their names say all")]
pub enum Severity {
    Debug,
    Info,
    Warning,
    Error,
}

impl Severity {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warning, Self::Error];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was written.
    pub at_ms: i64,
    /// How bad it is.
    pub severity: Severity,
    /// What it says, with its fields.
    pub text: String,
    /// The client that it is about, if it is about one.
    pub client: Option<String>,
    /// The part of the program that wrote it.
    pub part: &'static str,
}

/// The log as it is watched. Cheap to clone; all clones are the same log.
#[derive(Debug, Clone)]
pub struct LiveLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kept: Mutex<VecDeque<Arc<LogRecord>>>,
    news: broadcast::Sender<Arc<LogRecord>>,
}

impl Default for LiveLog {
    fn default() -> Self {
        Self(Arc::new(Inner {
            kept: Mutex::new(VecDeque::new()),
            news: broadcast::channel(BEHIND).0,
        }))
    }
}

impl LiveLog {
    /// Adds a record.
    pub fn add(&self, record: LogRecord) {
        let record = Arc::new(record);
        // Told under the lock, so that a watcher that begins gets each record once.
        let mut kept = self.0.kept.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(record.clone());
        // Nobody may watch.
        let _ = self.0.news.send(record);
    }

    /// What was written before, oldest first, and what comes from now on.
    pub fn watch(&self) -> (Vec<Arc<LogRecord>>, broadcast::Receiver<Arc<LogRecord>>) {
        let kept = self.0.kept.lock();
        (kept.iter().cloned().collect(), self.0.news.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: usize) -> LogRecord {
        LogRecord {
            at_ms: 0,
            severity: Severity::Info,
            text: number.to_string(),
            client: None,
            part: "tests",
        }
    }

    #[test]
    fn whoever_begins_to_watch_gets_each_record_once() {
        let log = LiveLog::default();
        for number in 0..KEPT + 5 {
            log.add(record(number));
        }
        let (before, mut news) = log.watch();
        assert_eq!((before.len(), before[0].text.as_str()), (KEPT, "5"));
        log.clone().add(record(9999));
        assert_eq!(
            news.try_recv().map(|record| record.text.clone()),
            Ok("9999".into())
        );
        assert!(news.try_recv().is_err());
    }
}
