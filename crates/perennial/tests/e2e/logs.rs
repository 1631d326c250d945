//! Where server and client log to: a file that is rotated, and the journal with its fields.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::lab::{Lab, free_address, source, text};

/// Shows the journal's socket in its place to nobody but the program that it goes on as.
const WITH_JOURNAL: &str = "mount -t tmpfs journal /run && mkdir -p /run/systemd/journal && \
                            mount --bind \"$JOURNAL_DIR\" /run/systemd/journal && exec \"$0\" \"$@\"";

fn wait_for_line(file: &Path, what: &str) -> String {
    let begun = Instant::now();
    loop {
        let log = fs::read_to_string(file).unwrap_or_default();
        if let Some(line) = log.lines().find(|line| line.contains(what)) {
            return line.to_owned();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what:?} is not in {}:\n{log}",
            file.display()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every line of a file, which must all be JSON objects.
fn objects(file: &Path) -> Vec<Value> {
    let log = fs::read_to_string(file).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    log.lines().map(parse).collect()
}

#[test]
fn a_log_file_holds_objects_and_is_opened_anew_when_it_was_moved_away() {
    let lab = Lab::plain();
    let (log, moved) = (lab.root().join("log"), lab.root().join("log.1"));
    let mut lab = lab.with_settings(&["--log-file", log.to_str().unwrap(), "--log-file-format", "json"]);
    lab.start();
    let first = objects(&log);
    let started = first
        .iter()
        .find(|line| line["fields"]["message"] == "server runs")
        .unwrap();
    assert_eq!(started["level"], "INFO");
    assert_eq!(started["fields"]["listen"], lab.address());
    assert!(started["timestamp"].is_string());
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(lab.log(), "", "nothing goes to stderr");

    fs::rename(&log, &moved).unwrap();
    let server = Pid::from_raw(i32::try_from(lab.server_id()).unwrap()).unwrap();
    kill_process(server, Signal::HUP).unwrap();
    wait_for_line(&log, "opened anew");
    lab.enroll("laptop");
    lab.back_up("laptop", &source(&lab, 7));
    wait_for_line(&log, "backup committed");
    assert_eq!(objects(&moved).len(), first.len());

    let before = fs::read_to_string(&log).unwrap();
    lab.stop();
    lab.start();
    let after = fs::read_to_string(&log).unwrap();
    assert!(after.starts_with(&before) && after.ends_with('\n'));
    wait_for_line(&log, "server runs");
    objects(&log);
}

#[test]
fn the_configuration_file_says_how_much_a_client_logs_and_where() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let (log, config) = (lab.root().join("client.log"), lab.root().join("client.toml"));
    fs::write(
        &config,
        format!("log_file = {log:?}\nlog_level = \"debug\"\nsnapshots = \"off\"\n"),
    )
    .unwrap();
    let mut agent = lab
        .command(["client", "run", "--config"])
        .arg(&config)
        .arg("--state")
        .arg(lab.client_state("laptop"))
        .arg("--source")
        .arg(source(&lab, 7))
        .env_remove("PERENNIAL_LOG")
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    lab.wait_until_connected();
    let line = wait_for_line(&log, " DEBUG ");
    assert!(line.starts_with("20"), "a line begins with its time: {line}");
    agent.kill().unwrap();
    let output = agent.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_log_that_cannot_be_written_is_told_at_the_start() {
    let lab = Lab::plain();
    let refused = lab.refused(&["--log-file", "/proc/nowhere/log"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("can't log to /proc/nowhere/log"), "{told}");
    let refused = lab.refused(&["--log-level", "server=loud"]);
    let told = text(&refused.stderr);
    assert!(told.contains("log_level (--log-level) is no filter"), "{told}");
}

/// A server in a mount namespace of its own, where the journal's socket is one of ours.
struct Journaled {
    server: Child,
}

impl Journaled {
    fn start(lab: &Lab, dir: &Path, stderr: &Path) -> Self {
        let stream = File::create(stderr).unwrap();
        let identity = stream.metadata().unwrap();
        let server = Command::new("unshare")
            .args(["-m", "sh", "-c", WITH_JOURNAL])
            .arg(env!("CARGO_BIN_EXE_perennial"))
            .args(["server", "run", "--listen", &free_address()])
            .arg("--state")
            .arg(lab.server_state())
            .arg("--storage")
            .arg(lab.storage())
            .env("JOURNAL_DIR", dir)
            .env("JOURNAL_STREAM", format!("{}:{}", identity.dev(), identity.ino()))
            .stderr(stream)
            .spawn()
            .unwrap();
        Self { server }
    }
}

impl Drop for Journaled {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The fields of an entry as the journal gets it: `NAME=value`, or the name, the value's length and the value.
fn fields(mut entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while let Some(end) = entry.iter().position(|&byte| byte == b'\n') {
        let (line, rest) = (&entry[..end], &entry[end + 1..]);
        if let Some(equals) = line.iter().position(|&byte| byte == b'=') {
            fields.insert(text(&line[..equals]), text(&line[equals + 1..]));
            entry = rest;
        } else {
            let (len, rest) = rest.split_at(8);
            let len = usize::try_from(u64::from_le_bytes(len.try_into().unwrap())).unwrap();
            fields.insert(text(line), text(&rest[..len]));
            entry = &rest[len + 1..];
        }
    }
    fields
}

#[test]
fn the_journal_gets_each_line_with_its_fields() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: a mount namespace of one's own takes root");
        return;
    }
    let lab = Lab::plain();
    let dir = lab.root().join("journal");
    fs::create_dir(&dir).unwrap();
    let journal = UnixDatagram::bind(dir.join("socket")).unwrap();
    journal.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let stderr = lab.root().join("stderr");
    let _server = Journaled::start(&lab, &dir, &stderr);
    let mut entry = vec![0; 64 << 10];
    let started = loop {
        let len = journal
            .recv(&mut entry)
            .unwrap_or_else(|error| panic!("{error}\n{}", fs::read_to_string(&stderr).unwrap()));
        let fields = fields(&entry[..len]);
        if fields.get("MESSAGE").is_some_and(|text| text == "server runs") {
            break fields;
        }
    };
    assert_eq!(started["PRIORITY"], "6");
    assert_eq!(started["SYSLOG_IDENTIFIER"], "perennial");
    assert_eq!(started["PERENNIAL_STORAGE"], lab.storage().to_str().unwrap());
    assert_eq!(
        fs::read_to_string(&stderr).unwrap(),
        "",
        "nothing is logged twice"
    );
}
