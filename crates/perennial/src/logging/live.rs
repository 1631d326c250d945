//! Log lines on their way to those who watch the server's log.

use std::fmt::{self, Write as _};

use server::{LiveLog, LogRecord, Severity};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// The field that says which client a line is about.
const CLIENT: &str = "client";
/// The field that has the line itself.
const MESSAGE: &str = "message";

/// Hands each line to a server's log.
pub struct Live(pub LiveLog);

impl<S: Subscriber> Layer<S> for Live {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        self.0.add(LogRecord {
            at_ms: jiff::Timestamp::now().as_millisecond(),
            severity: severity(*metadata.level()),
            text: line.message + &line.fields,
            client: line.client,
            part: metadata.target(),
        });
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warning,
        Level::INFO => Severity::Info,
        _ => Severity::Debug,
    }
}

/// What a line says, as it is put together.
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
    client: Option<String>,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            CLIENT => self.client = Some(value.to_owned()),
            MESSAGE => self.message.push_str(value),
            name => {
                // Writing to a string can't fail.
                let _ = write!(self.fields, " {name}={value:?}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            CLIENT => {
                // Names are logged by Debug where they are wrapped.
                let text = format!("{value:?}");
                self.client = Some(text.trim_matches('"').to_owned());
                Ok(())
            }
            MESSAGE => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn a_line_has_its_fields_and_its_client() {
        let log = LiveLog::default();
        let subscriber = tracing_subscriber::registry().with(Live(log.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(client = "laptop", files = 3, why = "no space", "a backup failed");
            tracing::info!("quiet");
        });
        let (lines, _) = log.watch();
        let line = &lines[0];
        assert_eq!(line.text, "a backup failed files=3 why=\"no space\"");
        assert_eq!(
            (line.client.as_deref(), line.severity),
            (Some("laptop"), Severity::Warning)
        );
        assert_eq!(
            (lines[1].text.as_str(), lines[1].severity),
            ("quiet", Severity::Info)
        );
    }
}
