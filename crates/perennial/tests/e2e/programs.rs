//! What every command prints for programs: a contract, kept in `snapshots`. What differs from run to run is blanked.
//!
//! `INSTA_UPDATE=always` writes the snapshots anew; a change of one is a change for whoever reads it with a program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::disk::MIB;
use crate::image::{filled_disk, image};
use crate::interruption::noise;
use crate::lab::{Lab, text, wait_for};
use crate::users::{PASSWORD, code};

/// What is under these names, or names that end so, depends on time and place.
const VARYING: &[&str] = &[
    "address",
    "backend",
    "bytes",
    "bytes_exclusive",
    "bytes_fetched",
    "bytes_freed",
    "bytes_logical",
    "bytes_shared",
    "bytes_stored_new",
    "bytes_transferred",
    "file_system",
    "gid",
    "glibc",
    "group",
    "id",
    "installers",
    "job",
    "line",
    "ms",
    "operating_system",
    "recovery_codes",
    "secret",
    "seconds",
    "token",
    "uid",
    "uri",
    "user",
    "version",
];
/// So many items of an array are kept.
const MOST_ITEMS: usize = 4;

/// Runs a command with `--json` and compares what it prints with what is kept.
fn keep(lab: &Lab, words: &str, arguments: &[&str]) -> Value {
    keep_from(lab, words, lab.admin_command(all(words, arguments)))
}

/// The same with a command that talks to no server, or as somebody else.
fn keep_from(lab: &Lab, words: &str, mut command: Command) -> Value {
    keep_output(lab, words, &command.output().unwrap())
}

fn keep_output(lab: &Lab, words: &str, output: &Output) -> Value {
    match serde_json::from_slice(&output.stdout) {
        Ok(printed) => keep_value(lab, words, printed),
        Err(error) => panic!(
            "{words}: {error}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        ),
    }
}

fn keep_value(lab: &Lab, words: &str, printed: Value) -> Value {
    let mut blanked = printed.clone();
    blank(lab, "", &mut blanked);
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        let text = serde_json::to_string_pretty(&blanked).unwrap();
        insta::assert_snapshot!(words.replace(' ', "-"), text);
    });
    printed
}

fn all(words: &str, arguments: &[&str]) -> Vec<String> {
    let words = words
        .split(' ')
        .chain(arguments.iter().copied())
        .chain(["--json"]);
    words.map(str::to_owned).collect()
}

fn blank(lab: &Lab, key: &str, value: &mut Value) {
    if varies(key) && !value.is_null() {
        *value = format!("({key})").into();
        return;
    }
    match value {
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| blank(lab, key, value)),
        Value::Array(items) => {
            items.truncate(MOST_ITEMS);
            items.iter_mut().for_each(|item| blank(lab, key, item));
        }
        Value::String(text) => *text = blank_text(lab, text),
        _ => {}
    }
}

fn varies(key: &str) -> bool {
    VARYING.iter().any(|word| {
        key.strip_suffix(word)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    })
}

fn blank_text(lab: &Lab, text: &str) -> String {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return "(time)".to_owned();
    }
    let text = text
        .replace(&lab.root().display().to_string(), "(root)")
        .replace(lab.address(), "(address)");
    const ENDS: [char; 8] = [' ', '/', ':', ',', '"', '?', '&', '='];
    let words = text.split_inclusive(ENDS);
    words
        .map(|word| {
            let bare = word.trim_end_matches(ENDS);
            word.replacen(bare, blank_word(bare), 1)
        })
        .collect()
}

fn blank_word(word: &str) -> &str {
    let is_backup = |word: &str| {
        word.get(..11).is_some_and(|name| {
            name.bytes().enumerate().all(|(at, byte)| match at {
                6 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
        })
    };
    let is_of_backup = |word: &str| word.split_once('-').is_some_and(|(_, rest)| is_backup(rest));
    let is_hex = |word: &str| word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match word {
        _ if is_backup(word) => "(backup)",
        _ if is_of_backup(word) => "(file of a backup)",
        _ if Some(word) == rustix::system::uname().nodename().to_str().ok() => "(host)",
        _ if word.len() >= 12 && is_hex(word) => "(hex)",
        _ if word.parse::<jiff::Timestamp>().is_ok() => "(time)",
        _ => word,
    }
}

/// A lab with two backups of a client, which differ in a file.
fn with_backups() -> (Lab, std::path::PathBuf) {
    let mut lab = Lab::plain();
    lab.start();
    let source = lab.root().join("data");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("large"), noise(1, 100_000)).unwrap();
    fs::write(source.join("small"), b"one").unwrap();
    lab.enroll("laptop");
    lab.back_up("laptop", &source);
    fs::write(source.join("small"), b"two").unwrap();
    fs::write(source.join("new"), b"new").unwrap();
    (lab, source)
}

fn as_client(lab: &Lab, words: &str, arguments: &[&str]) -> Command {
    let mut command = lab.command(all(words, arguments));
    command.arg("--client-state").arg(lab.client_state("laptop"));
    command
}

#[test]
fn of_backups() {
    let (lab, source) = with_backups();
    keep_from(&lab, "client once", lab.once_command("laptop", &source, &[]));
    wait_for(&lab, "the sizes", || {
        let shown = lab.json(["backup", "show", "laptop/latest", "--json"]);
        shown["taken"].is_object().then_some(())
    });
    let names = lab.backups("laptop");
    let place = format!("laptop/{}", names[1]);
    keep(&lab, "backup list", &["laptop"]);
    keep(&lab, "backup show", &[&place]);
    keep(&lab, "backup browse", &[&format!("{place}:data")]);
    keep(&lab, "backup search", &["laptop", "small"]);
    keep(&lab, "backup versions", &["laptop", "data/small"]);
    keep(&lab, "backup verify", &[&place]);
    keep(&lab, "backup freed", &[&place]);
    keep(&lab, "backup diff", &[&format!("laptop/{}", names[0]), &place]);
    let to = lab.root().join("restored");
    keep_from(
        &lab,
        "restore",
        as_client(&lab, "restore", &["latest:data", "--to", to.to_str().unwrap()]),
    );
    keep(&lab, "clients restore", &["laptop/latest", "data/small"]);
    let mut agent = lab.start_agent("laptop", &source);
    lab.wait_until_connected();
    wait_for(&lab, "the client hears of the restore", || {
        let listed = as_client(&lab, "client restores", &[]).output().unwrap();
        text(&listed.stdout).contains("waiting").then_some(())
    });
    keep_from(&lab, "client restores", as_client(&lab, "client restores", &[]));
    keep(&lab, "backup start", &["laptop"]);
    fs::remove_dir_all(&source).unwrap();
    let failed = lab.admin(["backup", "start", "laptop"]);
    assert_eq!(failed.status.code(), Some(1), "{}", text(&failed.stderr));
    let jobs = lab.json(["jobs", "list", "--state", "failed", "--json"]);
    keep(&lab, "jobs retry", &[&jobs[0]["id"].to_string()]);
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn of_images() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    image(&lab, &disk.path);
    let here = |name: &str| lab.root().join(name).display().to_string();
    keep(&lab, "image list", &["laptop"]);
    keep(&lab, "image info", &["laptop/latest"]);
    keep(&lab, "image browse", &["laptop/latest:disk.img/disk.img1"]);
    keep(
        &lab,
        "image export",
        &["laptop/latest", "--to", &here("disk.vhdx")],
    );
    keep(
        &lab,
        "image extract",
        &[
            "laptop/latest:disk.img/disk.img1/large",
            "--to",
            &here("extracted"),
        ],
    );
    let published = keep(&lab, "image publish", &["laptop/latest", "--format", "qcow2"]);
    keep(&lab, "image published", &["laptop"]);
    keep(&lab, "image unpublish", &[published["id"].as_str().unwrap()]);
    keep(
        &lab,
        "restore-disk",
        &["laptop/latest", "--to", &here("disk.raw")],
    );
    assert!(fs::metadata(lab.root().join("disk.raw")).unwrap().len() > MIB);
}

#[test]
fn of_what_happens_by_itself() {
    let (lab, source) = with_backups();
    lab.back_up("laptop", &source);
    keep(&lab, "schedule explain", &["laptop"]);
    lab.ok([
        "settings",
        "set",
        "--client",
        "laptop",
        "keep_min=1",
        "keep_max=1",
        "trash_keep=1d",
    ]);
    keep(&lab, "retention plan", &["laptop", "--kept"]);
    keep(&lab, "retention free", &["1T"]);
    keep(&lab, "retention cleanup", &[]);
    keep(&lab, "trash list", &[]);
    keep(&lab, "settings show", &[]);
    keep(&lab, "settings explain", &["laptop", "keep_max"]);
    lab.ok(["groups", "create", "office"]);
    lab.ok(["groups", "add", "office", "laptop"]);
    keep(&lab, "groups list", &[]);
    lab.ok([
        "notify",
        "add",
        "ops",
        "--webhook",
        "http://127.0.0.1:9/x",
        "--form",
        "slack",
        "--tell",
        "warnings",
    ]);
    keep(&lab, "notify list", &[]);
    keep(&lab, "notify outbox", &[]);
    keep(&lab, "clients list", &[]);
    keep(&lab, "audit", &[]);
    keep(&lab, "status", &[]);
    let jobs = keep(&lab, "jobs list", &[]);
    let job = jobs[0]["id"].as_u64().unwrap().to_string();
    keep(&lab, "jobs log", &[&job]);
    keep_watched(&lab);
}

/// Keeps the last thing that is told of a job to who watches all of them.
fn keep_watched(lab: &Lab) {
    let mut watch = lab.admin_command(all("jobs watch", &[]));
    let mut watching = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let is_seen = AtomicBool::new(false);
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            // It takes a moment until it watches.
            while !is_seen.load(Ordering::Relaxed) {
                lab.ok(["retention", "cleanup"]);
            }
        });
        let done = lines.find_map(|line| {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            event["done"].is_object().then_some(event)
        });
        is_seen.store(true, Ordering::Relaxed);
        done
    });
    watching.kill().unwrap();
    watching.wait().unwrap();
    keep_value(lab, "jobs watch", done.unwrap());
}

#[test]
fn of_storages() {
    let (lab, source) = with_backups();
    lab.back_up("laptop", &source);
    let cold = lab.root().join("cold").display().to_string();
    keep(&lab, "storage add", &["cold", &cold]);
    keep(&lab, "storage list", &[]);
    keep(&lab, "storage check", &["--everything"]);
    keep(&lab, "storage damage", &[]);
    wait_for(&lab, "the sizes", || {
        let usage = lab.json(["storage", "usage", "--json"]);
        (usage[0]["backups"] == 2).then_some(())
    });
    keep(&lab, "storage usage", &["laptop"]);
    keep(&lab, "storage repair", &[]);
    keep(&lab, "storage rebuild-index", &[]);
    keep(&lab, "storage migrate", &["laptop", "--to", "cold"]);
}

#[test]
fn of_users() {
    let (lab, _source) = with_backups();
    keep(&lab, "token create", &["--client", "web"]);
    lab.keep_small_program();
    let installer = lab.root().join("installer.sh");
    keep(
        &lab,
        "client installer",
        &["web", "--output", installer.to_str().unwrap()],
    );
    let line = lab.json(all("client installer", &["--one-line", "--uses", "3"]));
    keep_value(&lab, "client installer --one-line", line);
    keep(&lab, "server builds list", &[]);
    lab.ok(["users", "add", "anna", "--no-password"]);
    lab.ok(["users", "grant", "anna", "operator", "--everything"]);
    keep(&lab, "whoami", &[]);
    keep(&lab, "users list", &[]);
    keep(&lab, "users sessions", &["--all"]);
    keep(&lab, "roles list", &[]);
    keep(&lab, "roles show", &["operator"]);
    keep(
        &lab,
        "api-tokens create",
        &["nightly", "--user", "anna", "--no-expiry"],
    );
    keep(&lab, "api-tokens list", &["--all"]);
    let config = lab.root().join("client.toml");
    fs::write(
        &config,
        "state = \"/here\"\nsources = [\"/home\"]\nexclude = [\"*.o\"]\n",
    )
    .unwrap();
    let mut shown = lab.command(all("config show", &["client"]));
    shown.arg("--config").arg(config);
    keep_from(&lab, "config show", shown);
    second_factor(&lab);
}

fn second_factor(lab: &Lab) {
    lab.add_user("bert", &[]);
    lab.logged_in("bert");
    let server = ["--server", lab.address()];
    let begin = all(
        "users totp begin",
        &["--password-file", "-", server[0], server[1]],
    );
    let begun = keep_output(lab, "users totp begin", &lab.fed(begin, PASSWORD));
    let code = code(begun["secret"].as_str().unwrap());
    let confirm = all("users totp confirm", &["--code", &code, server[0], server[1]]);
    keep_from(lab, "users totp confirm", lab.command(confirm));
}

#[test]
fn of_a_server_at_rest() {
    let (mut lab, _source) = with_backups();
    lab.ok(["retention", "cleanup"]);
    lab.stop();
    let (state, storage) = (lab.server_state(), lab.storage().to_owned());
    let at_rest = |words: &str, storage: Option<&Path>, arguments: &[&str]| {
        let mut command = lab.command(all(words, arguments));
        command.arg("--state").arg(&state);
        if let Some(storage) = storage {
            command.arg("--storage").arg(storage);
        }
        keep_from(&lab, words, command)
    };
    // What it finds is the machine's.
    let mut command = lab.command(all("server doctor", &[]));
    let output = command
        .args([
            "--state".as_ref(),
            state.as_os_str(),
            "--storage".as_ref(),
            storage.as_os_str(),
        ])
        .output()
        .unwrap();
    let mut found: Value = serde_json::from_slice(&output.stdout).unwrap();
    found["worst"] = Value::Null;
    for finding in found["findings"].as_array_mut().unwrap() {
        for of_machine in ["advice", "level", "what"] {
            finding[of_machine] = Value::Null;
        }
    }
    keep_value(&lab, "server doctor", found);
    at_rest("server restore-catalog", Some(&storage), &["--list"]);
    at_rest("server rebuild-catalog", Some(&storage), &[]);
    let quick = lab.root().join("quick");
    let mut command = lab.command(all("quickstart", &["--once"]));
    command.arg(lab.root().join("data"));
    command
        .arg("--storage")
        .arg(quick.join("storage"))
        .arg("--state")
        .arg(quick.join("state"));
    keep_from(&lab, "quickstart", command);
}
