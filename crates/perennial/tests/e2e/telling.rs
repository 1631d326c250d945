//! People and programs are told what happens: once, whatever becomes of the server meanwhile.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use crate::interruption::large_source;
use crate::lab::{Lab, text};
use crate::listeners::{Asked, MailServer, WebServer};
use crate::living::hold_under_way;

/// A server with one client that is connected, whose backups are watched but begin only when somebody asks for them.
struct Watched {
    lab: Lab,
    agent: Child,
    source: PathBuf,
}

impl Watched {
    fn start() -> Self {
        let mut lab = Lab::plain();
        lab.start();
        lab.enroll("laptop");
        lab.ok([
            "settings",
            "set",
            "full_interval=30d",
            "incremental_interval=5h",
            "full_window=never",
            "incremental_window=never",
        ]);
        let source = lab.root().join("source");
        fs::create_dir(&source).unwrap();
        let agent = lab.start_agent("laptop", &source);
        lab.wait_until_connected();
        Self { lab, agent, source }
    }

    /// Asks for a backup. Returns whether it was made.
    fn back_up(&self) -> bool {
        self.lab.admin(["backup", "start", "laptop"]).status.success()
    }

    /// From now on backups fail.
    fn break_source(&self) {
        fs::remove_dir_all(&self.source).unwrap();
    }

    /// From now on they don't.
    fn mend_source(&self) {
        fs::create_dir(&self.source).unwrap();
        fs::write(self.source.join("file"), "content").unwrap();
    }

    fn wait_until_last_job_is(&self, state: &str) {
        let begun = Instant::now();
        while self.lab.json(["jobs", "list", "--json"])[0]["state"] != state {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no job is {state}\n{}",
                self.lab.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn add_hook(&self, web: &WebServer, path: &str, arguments: &[&str]) {
        let url = web.url(path);
        let mut all = vec!["notify", "add", path.trim_matches('/'), "--webhook", &url];
        all.extend(arguments);
        self.lab.ok(all);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

/// Event, severity and client of a message.
fn told(asked: &Asked) -> (String, String, String) {
    let message = asked.json();
    let word = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
    (word("event"), word("severity"), word("client"))
}

fn message(event: &str, severity: &str) -> (String, String, String) {
    (event.to_owned(), severity.to_owned(), "laptop".to_owned())
}

#[test]
fn a_failure_is_told_once_and_once_more_when_it_is_over() {
    let watched = Watched::start();
    let web = WebServer::start();
    watched.add_hook(&web, "/hook", &[]);
    watched.break_source();
    assert!(!watched.back_up());
    let failed = web.next();
    assert_eq!(told(&failed), message("backup-failed", "error"));
    assert!(!failed.json()["text"].as_str().unwrap().is_empty());
    assert!(!watched.back_up());
    watched.mend_source();
    assert!(watched.back_up());
    assert_eq!(told(&web.next()), message("backup-failed", "ok"));
    let outbox = watched.lab.json(["notify", "outbox", "--json"]);
    assert_eq!(outbox.as_array().unwrap().len(), 2, "{outbox:#}");
}

#[test]
fn a_backup_that_is_cut_short_is_no_failure() {
    let mut watched = Watched::start();
    let web = WebServer::start();
    watched.add_hook(&web, "/hook", &[]);
    large_source(&watched.lab);
    // So slow that it can't be over before it is held.
    watched.lab.ok(["settings", "set", "speed_limit=4M"]);
    watched.lab.ok(["backup", "start", "laptop", "--detach"]);
    hold_under_way(&watched.lab, &watched.agent);
    watched.agent.kill().unwrap();
    watched.agent.wait().unwrap();
    watched.wait_until_last_job_is("interrupted");
    watched.lab.ok(["settings", "unset", "speed_limit"]);
    watched.agent = watched.lab.start_agent("laptop", &watched.source);
    watched.lab.wait_until_connected();
    watched.break_source();
    assert!(!watched.back_up());
    let first = web.next().json();
    let text = first["text"].as_str().unwrap();
    assert!(text.contains("can't be opened"), "{text}");
    let outbox = watched.lab.json(["notify", "outbox", "--json"]);
    assert_eq!(outbox.as_array().unwrap().len(), 1, "{outbox:#}");
}

#[test]
fn a_ping_says_when_a_backup_begins_and_how_it_ended() {
    let watched = Watched::start();
    let web = WebServer::start();
    let url = web.url("/check");
    watched
        .lab
        .ok(["notify", "add", "alive", "--ping", &url, "--client", "laptop"]);
    assert!(watched.back_up());
    assert_eq!(web.next().line, "GET /check/start");
    let ended = web.next();
    assert_eq!(ended.line, "POST /check");
    assert!(ended.body.contains("laptop"), "{}", ended.body);
}

#[test]
fn each_channel_hears_what_it_asked_for() {
    let watched = Watched::start();
    let web = WebServer::start();
    watched.lab.ok(["groups", "create", "others"]);
    watched.add_hook(&web, "/others", &["--group", "others", "--tell", "all"]);
    watched.add_hook(&web, "/quiet", &["--except", "backup-failed"]);
    watched.add_hook(&web, "/all", &["--tell", "all"]);
    watched.break_source();
    assert!(!watched.back_up());
    let first = web.next();
    assert_eq!(
        (first.line.as_str(), told(&first)),
        ("POST /all", message("backup-failed", "error"))
    );
    watched.mend_source();
    assert!(watched.back_up());
    let mut heard: Vec<_> = [web.next(), web.next()]
        .iter()
        .map(|asked| (asked.line.clone(), told(asked)))
        .collect();
    heard.sort();
    assert_eq!(
        heard,
        [
            ("POST /all".to_owned(), message("backup-failed", "ok")),
            ("POST /all".to_owned(), message("backup-made", "info")),
        ]
    );
}

#[test]
fn a_message_outlives_a_server_that_is_killed() {
    let mut watched = Watched::start();
    let web = WebServer::start();
    web.fall_silent();
    watched.add_hook(&web, "/hook", &[]);
    watched.break_source();
    assert!(!watched.back_up());
    let tried = web.next();
    watched.lab.kill();
    web.answer();
    watched.lab.start();
    let again = web.next();
    assert_eq!(again.json()["id"], tried.json()["id"], "it is the same message");
    let database = watched.lab.server_state().join("catalog.sqlite");
    let mode = fs::metadata(database).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the catalog has secrets in it");
}

#[test]
fn a_catalog_that_is_not_copied_is_told_once_and_once_more_when_it_is() {
    let watched = Watched::start();
    let web = WebServer::start();
    watched.add_hook(&web, "/hook", &[]);
    let copies = watched.lab.storage().join(".perennial/catalog");
    fs::create_dir_all(&copies).unwrap();
    fs::remove_dir_all(&copies).unwrap();
    fs::write(&copies, "").unwrap();
    watched.lab.ok(["retention", "cleanup"]);
    let of = |severity: &str| {
        (
            "catalog-not-copied".to_owned(),
            severity.to_owned(),
            String::new(),
        )
    };
    let failed = web.next();
    assert_eq!(told(&failed), of("error"));
    let why = failed.json()["text"].as_str().unwrap().to_lowercase();
    assert!(why.contains("directory"), "{why}");
    watched.lab.ok(["retention", "cleanup"]);
    fs::remove_file(&copies).unwrap();
    watched.lab.ok(["retention", "cleanup"]);
    assert_eq!(told(&web.next()), of("ok"));
    let outbox = watched.lab.json(["notify", "outbox", "--json"]);
    assert_eq!(outbox.as_array().unwrap().len(), 2, "{outbox:#}");
}

#[test]
fn channels_are_tested_and_their_secrets_never_shown() {
    let mut lab = Lab::plain();
    lab.start();
    // base64 of NUL, "me", NUL, "open sesame".
    let server = MailServer::start("AG1lAG9wZW4gc2VzYW1l");
    let url = format!("smtp+plain://me@127.0.0.1:{}", server.port);
    let add = |name: &str, password: &str| {
        let file = lab.root().join(name);
        fs::write(&file, format!("{password}\n")).unwrap();
        lab.ok([
            "notify",
            "add",
            name,
            "--mail",
            &url,
            "--secret-file",
            file.to_str().unwrap(),
            "--from",
            "backup@example.org",
            "--to",
            "admin@example.org",
        ]);
    };
    add("good", "open sesame");
    add("bad", "hunter2hunter2");
    lab.ok(["notify", "test", "good"]);
    let mail = server.next();
    assert!(
        mail.contains("X-Perennial-Event: test") && mail.contains("channel good"),
        "{mail}"
    );
    let refused = lab.admin(["notify", "test", "bad"]);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("login") && said.contains("535"), "{said}");
    let listed = lab.ok(["notify", "list"]) + &lab.ok(["notify", "list", "--json"]);
    for shown in [said, listed, lab.ok(["audit"]), lab.log()] {
        for secret in ["sesame", "hunter2", "AG1lAG9wZW4gc2VzYW1l"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let noted = lab.json(["audit", "--json", "--subject", "good"]);
    assert_eq!(noted[0]["action"], "channel-add", "{noted:#}");
}

#[test]
fn of_a_channel_that_is_edited_only_what_is_given_changes() {
    let mut lab = Lab::plain();
    lab.start();
    lab.ok(["groups", "create", "servers"]);
    // base64 of NUL, "me", NUL, "open sesame".
    let server = MailServer::start("AG1lAG9wZW4gc2VzYW1l");
    let secret = lab.root().join("password");
    fs::write(&secret, "open sesame").unwrap();
    let url = format!("smtp+plain://me@127.0.0.1:{}", server.port);
    let mut add = vec!["notify", "add", "admins", "--mail", &url, "--secret-file"];
    add.extend([secret.to_str().unwrap(), "--from", "backup@example.org"]);
    add.extend(["--to", "admin@example.org", "--except", "space-low"]);
    lab.ok(add);
    let before = lab.json(["notify", "list", "--json"])[0].clone();
    lab.ok([
        "notify",
        "edit",
        "admins",
        "--from",
        "night@example.org",
        "--group",
        "servers",
        "--report",
        "weekly",
        "--report-only-failures",
    ]);
    // The password is still the same, and never shown.
    lab.ok(["notify", "test", "admins"]);
    assert!(server.next().contains("From: night@example.org"));
    let after = lab.json(["notify", "list", "--json"])[0].clone();
    for kept in ["target", "tell", "except", "clients", "created"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(after["groups"], serde_json::json!(["servers"]));
    let report = serde_json::json!({"on": "monday", "hour": 7, "only_failures": true});
    assert_eq!(after["report"], report);
    lab.ok([
        "notify",
        "edit",
        "admins",
        "--report-hour",
        "9",
        "--everything",
        "--no-except",
    ]);
    let last = lab.json(["notify", "list", "--json"])[0].clone();
    assert_eq!(last["report"]["hour"], 9);
    assert_eq!(
        (&last["groups"], &last["except"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
    let noted = lab.json(["audit", "--json", "--subject", "admins"]);
    assert_eq!(noted[0]["action"], "channel-edit", "{noted:#}");
    assert!(!noted.to_string().contains("sesame"));

    fs::write(&secret, "wrong").unwrap();
    lab.ok([
        "notify",
        "edit",
        "admins",
        "--secret-file",
        secret.to_str().unwrap(),
    ]);
    assert_eq!(lab.admin(["notify", "test", "admins"]).status.code(), Some(1));
    let refused = |arguments: &[&str]| {
        let mut all = vec!["notify", "edit"];
        all.extend(arguments);
        let output = lab.admin(all);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        text(&output.stderr)
    };
    assert!(refused(&["admins", "--form", "slack"]).contains("mail has no form"));
    assert!(refused(&["admins", "--except", "rain"]).contains("rain"));
    assert!(refused(&["admins", "--from", "nobody"]).contains("nobody"));
    assert!(refused(&["admins"]).contains("nothing says what"));
    assert!(refused(&["chat", "--tell", "all"]).contains("no channel"));
}

#[test]
fn what_makes_no_sense_is_refused_when_a_channel_is_made() {
    let mut lab = Lab::plain();
    lab.start();
    let refused = |arguments: &[&str]| {
        let mut all = vec!["notify", "add", "x"];
        all.extend(arguments);
        let output = lab.admin(all);
        assert!(!output.status.success(), "{arguments:?}");
        text(&output.stderr)
    };
    assert!(refused(&["--ping", "ftp://h/x"]).contains("http"));
    assert!(refused(&["--webhook", "http://h/x", "--form", "gotify"]).contains("token"));
    assert!(refused(&["--webhook", "http://h/x", "--client", "nobody"]).contains("nobody"));
    assert!(refused(&["--webhook", "http://h/x", "--except", "rain"]).contains("rain"));
    assert_eq!(lab.json(["notify", "list", "--json"]), serde_json::json!([]));
    let given = add_from_stdin(&lab, "http://127.0.0.1:9/secret-topic");
    assert!(given.status.success(), "{}", text(&given.stderr));
    let again = add_from_stdin(&lab, "http://127.0.0.1:9/secret-topic");
    assert!(text(&again.stderr).contains("already"), "{}", text(&again.stderr));
    let listed = lab.json(["notify", "list", "--json"]);
    assert_eq!(listed[0]["target"], "http://127.0.0.1:9");
    lab.ok(["notify", "remove", "x"]);
    assert!(text(&lab.admin(["notify", "test", "x"]).stderr).contains("no channel"));
}

fn add_from_stdin(lab: &Lab, address: &str) -> Output {
    let mut adding = lab
        .admin_command(["notify", "add", "x", "--webhook", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    adding
        .stdin
        .take()
        .unwrap()
        .write_all(address.as_bytes())
        .unwrap();
    adding.wait_with_output().unwrap()
}
