//! The API as a program meets it that knows curl and JSON, and as one does that knows its description and tries whatever that allows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::interruption::noise;
use crate::lab::{Lab, source, text, wait_for};
use crate::web::set_up;

/// For how long calls are made up.
const MADE_UP_S: &str = "60";
/// Calls that are not made up, and why not.
const SPARED: [(&str, &str); 17] = [
    ("admin_watch", "it does not end"),
    ("admin_watch_log", "it does not end"),
    ("admin_follow", "it may not end"),
    ("clients_disable", "others are about that client"),
    ("clients_remove", "others are about that client"),
    ("admin_revoke_client", "others are about that client"),
    ("accounts_log_in", "it locks out"),
    ("accounts_log_out", "it could end the caller's log-in"),
    ("accounts_end_session", "it could end the caller's log-in"),
    ("accounts_revoke_api_token", "it could end the caller's token"),
    ("accounts_remove_user", "it could remove the caller"),
    ("accounts_set_user_state", "it could shut the caller out"),
    ("accounts_revoke_role", "it could take the caller's rights"),
    ("storages_add", "it makes directories anywhere"),
    ("notify_add_channel", "the server would call others"),
    ("notify_edit_channel", "the server would call others"),
    ("notify_test_channel", "the server would call others"),
];

/// A program with a token.
struct Program<'a> {
    lab: &'a Lab,
    token: String,
}

/// What was answered.
struct Answer {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

impl<'a> Program<'a> {
    /// A program of this user.
    fn of(lab: &'a Lab, user: &str) -> Self {
        let made = lab.json([
            "api-tokens",
            "create",
            "program",
            "--user",
            user,
            "--valid",
            "1d",
            "--json",
        ]);
        Self {
            lab,
            token: made["token"].as_str().unwrap().to_owned(),
        }
    }

    fn ask(&self, verb: &str, path: &str, arguments: &[&str]) -> Answer {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let mut all = vec!["--header", &authorization];
        all.extend(arguments);
        ask(self.lab, verb, path, &all)
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.ask("GET", path, &[]);
        assert_eq!(answer.status, 200, "{path}: {}", text(&answer.body));
        answer.json()
    }

    fn send(&self, verb: &str, path: &str, body: &Value) -> Answer {
        let arguments = [
            "--header",
            "Content-Type: application/json",
            "--data",
            &body.to_string(),
        ];
        self.ask(verb, path, &arguments)
    }
}

/// Asks the server, whose authority is checked.
fn ask(lab: &Lab, verb: &str, path: &str, arguments: &[&str]) -> Answer {
    let kept = tempfile::NamedTempFile::new_in(lab.root()).unwrap();
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--dump-header",
            "-",
            "--request",
            verb,
        ])
        .arg("--cacert")
        .arg(authority(lab))
        .arg("--output")
        .arg(kept.path())
        .args(arguments)
        .arg(format!("https://{}/api/v1{path}", lab.address()))
        .output()
        .unwrap();
    let headers = text(&output.stdout);
    let last = headers.trim_end().rsplit("\r\n\r\n").next().unwrap_or_default();
    let status = last.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or_else(|| panic!("{verb} {path}: {headers}{}", text(&output.stderr))),
        headers: last.to_ascii_lowercase(),
        body: fs::read(kept.path()).unwrap(),
    }
}

fn authority(lab: &Lab) -> PathBuf {
    lab.server_state().join("trust/authority.cert.pem")
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", text(&self.body)))
    }

    fn lines(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", text(&self.body));
        assert!(
            self.headers.contains("content-type: application/jsonl"),
            "{}",
            self.headers
        );
        let text = text(&self.body);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Fails unless it is a problem of this status and kind.
    fn is_problem(&self, status: u16, code: &str) {
        assert!(
            self.headers.contains("content-type: application/problem+json"),
            "{}",
            self.headers
        );
        let told = self.json();
        assert_eq!(
            (self.status, &told["status"], &told["code"]),
            (status, &json!(status), &json!(code)),
            "{told}"
        );
    }
}

#[test]
fn a_program_backs_up_looks_into_the_backup_and_has_its_files() {
    let lab = set_up();
    let program = Program::of(&lab, "anna");
    assert_eq!(program.get("/account")["user"], "anna");
    assert_eq!(program.get("/clients")["clients"][1]["name"], "web");
    let data = source(&lab, 1);
    let content = noise(5, 300_000);
    fs::write(data.join("large"), &content).unwrap();
    let mut agent = lab.start_agent("laptop", &data);
    wait_for(&lab, "the agent", || {
        program.get("/clients")["clients"][0]["connected"]
            .as_bool()?
            .then_some(())
    });
    let events = program
        .send("POST", "/clients/laptop/backups", &json!({"mode": "full"}))
        .lines();
    let job = events[0]["queued"]["job_id"].as_u64().unwrap();
    let done = &events.last().unwrap()["done"];
    assert!(
        matches!(done["outcome"].as_str(), Some("finished" | "with_problems")),
        "{done}"
    );
    let name = done["backup"]["name"].as_str().unwrap();
    assert_eq!(program.get(&format!("/jobs/{job}"))["job"]["state"], "done");
    assert!(program.ask("GET", &format!("/jobs/{job}/events"), &[]).lines()[0]["done"].is_object());

    let backup = format!("/clients/laptop/backups/{name}");
    let detail = program.get(&backup);
    assert_eq!(
        (&detail["info"]["mode"], &detail["sources"][0]["name"]),
        (&json!("full"), &json!("data"))
    );
    let listed = program
        .ask("GET", &format!("{backup}/files?path=data"), &[])
        .lines();
    let mut entries = listed.iter().flat_map(|line| line["entries"].as_array().unwrap());
    let large = entries.find(|entry| entry["path"] == "data/large").unwrap();
    assert_eq!(
        (&large["size"], large["hash"].as_str().unwrap().len()),
        (&json!(300_000), 64)
    );
    let file = format!("{backup}/content?path=data/large");
    assert!(program.ask("GET", &file, &[]).body == content);
    let part = program.ask("GET", &file, &["--range", "1000-1999"]);
    assert!(
        part.status == 206 && part.body == content[1000..2000],
        "{}",
        part.headers
    );
    program
        .ask("GET", &file, &["--range", "300000-"])
        .is_problem(416, "out_of_range");

    let held = program.send(
        "PUT",
        &format!("{backup}/protection"),
        &json!({"hold": "evidence"}),
    );
    assert_eq!((held.status, held.json()), (200, json!({})));
    program
        .ask("DELETE", &backup, &[])
        .is_problem(409, "failed_precondition");
    assert_eq!(
        program
            .send("PUT", &format!("{backup}/protection"), &json!({"release": {}}))
            .status,
        200
    );
    assert!(
        program.ask("DELETE", &backup, &[]).json()["until_ms"]
            .as_u64()
            .unwrap()
            > 0
    );
    program.ask("GET", &backup, &[]).is_problem(404, "not_found");
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn a_program_may_what_its_user_may() {
    let lab = set_up();
    lab.back_up("web", &source(&lab, 1));
    lab.add_user("bert", &[&["viewer", "--client", "laptop"]]);
    let program = Program::of(&lab, "bert");
    let clients = program.get("/clients");
    assert_eq!(clients["clients"].as_array().unwrap().len(), 1, "{clients}");
    let other = program.ask("GET", "/clients/web/backups/latest", &[]);
    other.is_problem(403, "permission_denied");
    let start = program.send("POST", "/clients/laptop/backups", &json!({}));
    start.is_problem(403, "permission_denied");
    program
        .ask("GET", "/users", &[])
        .is_problem(403, "permission_denied");

    let nobody = ask(&lab, "GET", "/clients", &[]);
    nobody.is_problem(401, "unauthenticated");
    assert!(
        nobody.headers.contains("www-authenticate: bearer"),
        "{}",
        nobody.headers
    );
    let wrong = Program {
        lab: &lab,
        token: format!("{}x", program.token),
    };
    wrong
        .ask("GET", "/clients", &[])
        .is_problem(401, "unauthenticated");
    lab.ok(["api-tokens", "revoke", "program", "--user", "bert"]);
    program
        .ask("GET", "/clients", &[])
        .is_problem(401, "unauthenticated");
}

#[test]
fn whoever_logs_in_may_until_he_logs_out() {
    let lab = set_up();
    let log_in = json!({"user": "anna", "password": crate::users::PASSWORD}).to_string();
    let arguments = ["--header", "Content-Type: application/json", "--data", &log_in];
    let answer = ask(&lab, "POST", "/sessions", &arguments).json();
    let token = answer["logged_in"]["token"].as_str().unwrap().to_owned();
    let program = Program { lab: &lab, token };
    let sessions = program.get("/sessions");
    assert_eq!(sessions["sessions"][0]["is_this"], true, "{sessions}");
    // A browser brings it by itself, so it does not count for what changes something.
    let cookie = format!("Cookie: __Host-session={}", program.token);
    assert_eq!(
        ask(&lab, "GET", "/account", &["--header", &cookie]).json()["user"],
        "anna"
    );
    ask(&lab, "DELETE", "/sessions/current", &["--header", &cookie]).is_problem(401, "unauthenticated");
    assert_eq!(program.ask("DELETE", "/sessions/current", &[]).status, 200);
    program
        .ask("GET", "/account", &[])
        .is_problem(401, "unauthenticated");
}

#[test]
fn what_is_no_call_is_told_so() {
    let lab = set_up();
    let program = Program::of(&lab, "anna");
    program.ask("GET", "/nothing", &[]).is_problem(404, "not_found");
    let wrong = program.ask("DELETE", "/clients", &[]);
    wrong.is_problem(405, "method_not_allowed");
    assert!(wrong.headers.contains("allow: get"), "{}", wrong.headers);
    let pause = "/clients/laptop/pause";
    program
        .ask("PUT", pause, &["--data", "until_ms=1"])
        .is_problem(415, "unsupported_media_type");
    program
        .send("PUT", pause, &json!({"until": 1}))
        .is_problem(400, "invalid_argument");
    let odd = program.ask("GET", "/jobs?limit=many", &[]);
    odd.is_problem(400, "invalid_argument");
    assert_eq!(odd.json()["field"], "limit");
    let large = lab.root().join("large");
    fs::write(&large, format!("{{\"until_ms\": {}1}}", " ".repeat(1 << 20))).unwrap();
    let large = format!("@{}", large.display());
    let arguments = [
        "--header",
        "Content-Type: application/json",
        "--data-binary",
        &large,
    ];
    program
        .ask("PUT", pause, &arguments)
        .is_problem(413, "content_too_large");
    let document = ask(&lab, "GET", "/openapi.json", &[]).json();
    assert_eq!(document["openapi"], "3.1.0");
}

/// The program that makes calls up; `None`, with the reason printed, where it is lacking. CI must not lack it.
fn schemathesis() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let program = target.join("schemathesis/bin/schemathesis");
    if program.exists() {
        return Some(program);
    }
    let lacking = "schemathesis is not installed, which ./x test does";
    assert!(std::env::var_os("CI").is_none(), "{lacking}");
    eprintln!("skipped: {lacking}");
    None
}

/// What is set of the calls, so that they are about things that there are.
const CONFIGURATION: &str = r#"
[parameters]
client = "laptop"
backup = "latest"
group = "office"
user = "dora"
storage = "default"
channel = "ops"

[checks]
not_a_server_error.expected-statuses = ["2xx", "4xx", "503"]
"#;

#[test]
fn whatever_the_description_allows_is_answered_as_it_says() {
    let Some(program) = schemathesis() else { return };
    let lab = set_up();
    lab.back_up("laptop", &source(&lab, 1));
    let configuration = lab.root().join("schemathesis.toml");
    fs::write(&configuration, CONFIGURATION).unwrap();
    let mut command = Command::new(program);
    command
        .current_dir(lab.root())
        .arg("--config-file")
        .arg(&configuration)
        .args(["run", &format!("https://{}/api/v1/openapi.json", lab.address())])
        .arg("--header")
        .arg(format!(
            "Authorization: Bearer {}",
            Program::of(&lab, "anna").token
        ))
        .arg("--tls-verify")
        .arg(authority(&lab))
        .args([
            "--phases",
            "coverage,fuzzing",
            "--seed",
            "1",
            "--max-time",
            MADE_UP_S,
        ])
        .args([
            "--max-examples",
            "5",
            "--generation-database",
            "none",
            "--no-shrink",
        ])
        .args([
            "--suppress-health-check",
            "all",
            "--warnings",
            "off",
            "--no-color",
        ])
        .args(["--request-timeout", "20", "--continue-on-failure"])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
             negative_data_rejection,unsupported_method",
        ]);
    for (operation, _) in SPARED {
        command.args(["--exclude-operation-id", operation]);
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}
