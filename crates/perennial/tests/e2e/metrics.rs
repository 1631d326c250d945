//! What there is to measure, as Prometheus reads it, and the rules and the dashboard made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::interruption::large_source;
use crate::lab::{Lab, free_address, signal, text};
use crate::living::{begin, ended, hold_under_way};

/// What was scraped: values by metric and labels, and the type of each metric.
struct Scrape {
    text: String,
    samples: BTreeMap<String, f64>,
    types: BTreeMap<String, String>,
}

impl Scrape {
    fn of(address: &str) -> Self {
        let answer = ask(address, "GET", "/metrics");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(
            head.to_ascii_lowercase().contains("text/plain; version=0.0.4"),
            "{head}"
        );
        Self::parse(body)
    }

    /// Reads the format, and fails on what Prometheus would not take.
    fn parse(body: &str) -> Self {
        let (mut samples, mut types) = (BTreeMap::new(), BTreeMap::new());
        for line in body.lines() {
            if let Some(declared) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declared.split_once(' ').unwrap();
                assert!(is_name(name), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert!(
                    types.insert(name.to_owned(), kind.to_owned()).is_none(),
                    "twice: {line}"
                );
            } else if !line.starts_with("# HELP ") {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let name = series.split('{').next().unwrap();
                assert!(types.contains_key(name), "not declared: {line}");
                let value: f64 = value.parse().unwrap();
                assert!(value >= 0.0, "{line}");
                assert!(
                    samples.insert(series.to_owned(), value).is_none(),
                    "twice: {line}"
                );
            }
        }
        Self {
            text: body.to_owned(),
            samples,
            types,
        }
    }

    fn value(&self, series: &str) -> f64 {
        *self
            .samples
            .get(series)
            .unwrap_or_else(|| panic!("no {series} in\n{}", self.text))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with("perennial_") && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn ask(address: &str, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

fn count(scrape: &Scrape, series: &str, wanted: f64) {
    let value = scrape.value(series);
    assert!((value - wanted).abs() < f64::EPSILON, "{series} is {value}");
}

#[test]
fn a_scrape_sees_a_backup_under_way_and_what_came_of_it() {
    let address = free_address();
    let mut lab = Lab::plain().with_settings(&["--metrics-listen", &address]);
    lab.start();
    lab.enroll("laptop");
    let source = large_source(&lab);
    let client = begin(&lab, "laptop", &source);
    hold_under_way(&lab, &client);
    let during = Scrape::of(&address);
    count(
        &during,
        r#"perennial_jobs{kind="file backup",state="running"}"#,
        1.0,
    );
    count(
        &during,
        r#"perennial_client_standing{client="laptop",kind="file",standing="off"}"#,
        1.0,
    );
    let space = |name: &str| during.value(&format!("{name}{{storage=\"main\"}}"));
    assert!(space("perennial_storage_free_bytes") <= space("perennial_storage_size_bytes"));
    signal(&client, Signal::CONT);
    assert_eq!(ended(&lab, client), Some(0), "{}", lab.log());
    let after = Scrape::of(&address);
    count(
        &after,
        r#"perennial_jobs{kind="file backup",state="running"}"#,
        0.0,
    );
    count(
        &after,
        r#"perennial_jobs_ended_total{kind="file backup",outcome="done"}"#,
        1.0,
    );
    count(&after, r#"perennial_backups{client="laptop",kind="file"}"#, 1.0);
    assert!(after.value(r#"perennial_backup_last_files{client="laptop",kind="file"}"#) > 1.0);
    promtool(&["check", "metrics"], &after.text);
    rules_and_dashboard_know(&after);
}

/// Every metric that the shipped rules and the dashboard name is one that there is.
fn rules_and_dashboard_know(scrape: &Scrape) {
    for file in [
        "prometheus/alerts.yml",
        "grafana/dashboard.json",
        "manual/monitoring.md",
    ] {
        let content = std::fs::read_to_string(docs().join(file)).unwrap();
        let words = content.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let named: BTreeSet<&str> = words.filter(|word| word.starts_with("perennial_")).collect();
        assert!(named.len() > 5, "{file}");
        for name in named {
            let is_known = scrape.types.contains_key(name) || name == "perennial_storage_free_inodes";
            assert!(is_known, "{file} names {name}");
        }
    }
    let manual = std::fs::read_to_string(docs().join("manual/monitoring.md")).unwrap();
    for name in scrape.types.keys() {
        assert!(
            manual.contains(&format!("`{name}`")),
            "the manual does not name {name}"
        );
    }
}

#[test]
fn there_is_nothing_but_metrics() {
    let address = free_address();
    let mut lab = Lab::plain().with_settings(&["--metrics-listen", &address]);
    lab.start();
    assert!(ask(&address, "GET", "/").starts_with("HTTP/1.1 404"));
    assert!(ask(&address, "POST", "/metrics").starts_with("HTTP/1.1 405"));
    assert!(ask(&address, "GET", "/metrics?x=1").starts_with("HTTP/1.1 200"));
}

#[test]
fn the_rules_and_the_dashboard_can_be_read() {
    let dashboard = std::fs::read_to_string(docs().join("grafana/dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let rules = docs().join("prometheus/alerts.yml");
    promtool(&["check", "rules", rules.to_str().unwrap()], "");
}

/// Runs Prometheus' own tool, where there is one.
fn promtool(arguments: &[&str], input: &str) {
    let spawned = Command::new("promtool")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = match spawned {
        Ok(tool) => tool,
        Err(error) => {
            eprintln!("skipped: promtool: {error}");
            return;
        }
    };
    tool.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
}
