//! Prometheus' text format (prometheus.io/docs/instrumenting/exposition_formats, version 0.0.4).

use std::fmt::Write as _;

/// What a media type says of it.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only goes up, until the server starts anew.
    Counter,
}

/// Metrics in the text format, one family after the other.
#[derive(Debug, Default)]
pub struct Exposition(String);

/// A metric and its samples.
pub struct Family<'a> {
    text: &'a mut String,
    name: &'static str,
}

impl Exposition {
    /// Begins a metric.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let help = help.replace('\\', "\\\\").replace('\n', "\\n");
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {word}\n"));
        Family {
            text: &mut self.0,
            name,
        }
    }

    /// The whole text.
    pub fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// Adds a sample.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.text.push_str(self.name);
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let value = escaped(value);
            // Writing to a string does not fail.
            let _ = write!(self.text, "{before}{name}=\"{value}\"");
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
        self
    }

    /// Adds a sample that is a whole number.
    #[allow(
        clippy::cast_precision_loss,
        reason = "the format has nothing but 64-bit floating-point numbers"
    )]
    pub fn count(&mut self, labels: &[(&str, &str)], value: u64) -> &mut Self {
        self.sample(labels, value as f64)
    }

    /// Adds a sample that is a time or a span, in seconds.
    #[allow(clippy::cast_precision_loss, reason = "times are exact for 285 000 years")]
    pub fn seconds(&mut self, labels: &[(&str, &str)], value_ms: i64) -> &mut Self {
        self.sample(labels, value_ms as f64 / 1000.0)
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_their_samples_below_them() {
        let mut text = Exposition::default();
        text.family("perennial_free_bytes", Kind::Gauge, "What is free.")
            .count(&[], 1 << 40);
        text.family("perennial_jobs_total", Kind::Counter, "Jobs.\nAll \\ of them.")
            .count(&[("kind", "file backup"), ("client", "a\"b\\c\nd")], 3)
            .seconds(&[("kind", "verify")], 1500);
        assert_eq!(
            text.finish(),
            "# HELP perennial_free_bytes What is free.\n\
             # TYPE perennial_free_bytes gauge\n\
             perennial_free_bytes 1099511627776\n\
             # HELP perennial_jobs_total Jobs.\\nAll \\\\ of them.\n\
             # TYPE perennial_jobs_total counter\n\
             perennial_jobs_total{kind=\"file backup\",client=\"a\\\"b\\\\c\\nd\"} 3\n\
             perennial_jobs_total{kind=\"verify\"} 1.5\n"
        );
    }
}
