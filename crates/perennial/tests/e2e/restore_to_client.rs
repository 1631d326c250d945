//! Restores that the server asks a client for.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Child;

use serde_json::Value;

use crate::lab::{Lab, refused, text, wait_for};

/// A client that stays, killed at the end.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A lab with one backup of a client that is not running.
struct Home {
    lab: Lab,
    source: PathBuf,
}

impl Home {
    fn new() -> Self {
        let mut lab = Lab::plain();
        lab.start();
        lab.enroll("laptop");
        let source = lab.root().join("home");
        fs::create_dir_all(source.join("letters/old")).unwrap();
        fs::write(source.join("letters/mum"), "dear mum").unwrap();
        fs::write(source.join("letters/old/dad"), "dear dad").unwrap();
        fs::write(source.join("notes"), "what was noted").unwrap();
        lab.back_up("laptop", &source);
        Self { lab, source }
    }

    fn run_client(&self, restores: &str) -> Agent {
        let child = self
            .lab
            .command([
                "client",
                "run",
                "--snapshots",
                "false",
                "--restores",
                restores,
                "--state",
            ])
            .arg(self.lab.client_state("laptop"))
            .arg("--source")
            .arg(format!("data={}", self.source.display()))
            .spawn()
            .unwrap();
        let agent = Agent(child);
        self.lab.wait_until_connected();
        agent
    }

    /// Asks the client to restore something; returns the job's number.
    fn ask(&self, arguments: &[&str]) -> u64 {
        let all = ["clients", "restore", "laptop/latest", "--json"];
        let job = self.lab.json(all.iter().chain(arguments));
        assert_eq!(job["kind"], "restore", "{job:#}");
        job["id"].as_u64().unwrap()
    }

    fn job(&self, id: u64) -> Value {
        self.lab.json(["jobs", "log", &id.to_string(), "--json"])["job"].clone()
    }

    fn waits_for(&self, id: u64, what: &str) {
        wait_for(&self.lab, what, || {
            let job = self.job(id);
            job["waits_for"]
                .as_str()
                .is_some_and(|waits_for| waits_for.contains(what))
                .then_some(())
        });
    }

    fn ended(&self, id: u64) -> Value {
        wait_for(&self.lab, "the end of the job", || {
            let job = self.job(id);
            let state = job["state"].as_str().unwrap();
            (!matches!(state, "queued" | "running")).then(|| job.clone())
        })
    }

    fn done(&self, id: u64) {
        let job = self.ended(id);
        assert_eq!(job["state"], "done", "{job:#}\n{}", self.lab.log());
    }

    /// What the client itself is asked.
    fn at_client(&self, arguments: &[&str]) -> std::process::Output {
        self.lab
            .command(["client", "restores"])
            .args(arguments)
            .arg("--client-state")
            .arg(self.lab.client_state("laptop"))
            .output()
            .unwrap()
    }

    fn asked(&self) -> Value {
        let output = self.at_client(&["--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn answer(&self, word: &str, id: u64) {
        let output = self.at_client(&[word, &id.to_string()]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
}

fn content(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_restore_begins_once_somebody_at_the_client_has_confirmed_it() {
    let home = Home::new();
    let agent = home.run_client("ask");
    let letters = home.source.join("letters");
    fs::remove_dir_all(&letters).unwrap();
    fs::write(home.source.join("notes"), "changed since").unwrap();

    let id = home.ask(&["data/letters", "data/letters/old", "data/notes"]);
    home.waits_for(id, "somebody to confirm it at the client");
    assert_eq!(home.job(id)["state"], "queued");
    let asked = home.asked();
    assert_eq!(asked[0]["id"], id);
    assert_eq!(asked[0]["state"], "waiting");
    assert_eq!(asked[0]["asked_by"], "the administrator");
    assert_eq!(
        asked[0]["items"].as_array().unwrap().len(),
        2,
        "what lies in another comes with it"
    );
    assert_eq!(asked[0]["items"][0]["to"], letters.display().to_string());
    let shown = text(&home.at_client(&[]).stdout);
    assert!(
        shown.contains(&format!("data/letters  ->  {}", letters.display())),
        "{shown}"
    );
    assert!(!letters.exists(), "nothing happens before");

    home.answer("confirm", id);
    home.done(id);
    assert_eq!(content(letters.join("mum")), "dear mum");
    assert_eq!(content(letters.join("old/dad")), "dear dad");
    assert_eq!(
        content(home.source.join("notes")),
        "changed since",
        "what is there stays"
    );
    let figures = home.lab.json(["jobs", "list", "--json"])[0]["figures"].clone();
    assert_eq!(
        (&figures["files_written"], &figures["skipped"]),
        (&2.into(), &1.into()),
        "{figures}"
    );
    let audit = home.lab.json(["audit", "--json"]);
    assert_eq!(audit[0]["action"], "restore-to-client", "{audit:#}");

    let again = home.at_client(&["confirm", &id.to_string()]);
    assert!(
        text(&again.stderr).contains("it is done"),
        "{}",
        text(&again.stderr)
    );
    let unknown = home.at_client(&["confirm", "999"]);
    assert!(
        text(&unknown.stderr).contains("no restore 999"),
        "{}",
        text(&unknown.stderr)
    );
    drop(agent);
    let nobody = home.at_client(&[]);
    assert_eq!(nobody.status.code(), Some(1));
    assert!(
        text(&nobody.stderr).contains("no client is running"),
        "{}",
        text(&nobody.stderr)
    );
}

#[test]
fn the_client_can_decline_refuse_and_allow() {
    let home = Home::new();
    let agent = home.run_client("ask");
    let id = home.ask(&["data/letters"]);
    home.waits_for(id, "confirm");
    home.answer("decline", id);
    let job = home.ended(id);
    assert_eq!(job["state"], "failed");
    assert!(
        job["error"].as_str().unwrap().contains("does not want it"),
        "{job:#}"
    );

    let id = home.ask(&["data/letters"]);
    home.waits_for(id, "confirm");
    home.lab.ok(["jobs", "cancel", &id.to_string()]);
    assert_eq!(home.ended(id)["state"], "cancelled");
    wait_for(&home.lab, "the client hears of it", || {
        (home.asked()[1]["state"] == "failed").then_some(())
    });
    drop(agent);

    let agent = home.run_client("refuse");
    let job = home.ended(home.ask(&["data/letters"]));
    assert!(
        job["error"].as_str().unwrap().contains("restores = \"refuse\""),
        "{job:#}"
    );
    drop(agent);

    let _agent = home.run_client("allow");
    fs::write(home.source.join("notes"), "changed since").unwrap();
    home.done(home.ask(&["data/notes", "--existing", "both"]));
    assert_eq!(content(home.source.join("notes")), "what was noted");
    assert_eq!(content(home.source.join("notes.kept")), "changed since");
    fs::write(home.source.join("notes"), "changed again").unwrap();
    home.done(home.ask(&["--existing", "overwrite"]));
    assert_eq!(
        content(home.source.join("notes")),
        "what was noted",
        "all of it, to where it came from"
    );
    let elsewhere = home.lab.root().join("elsewhere/deep");
    let to = elsewhere.display().to_string();
    home.done(home.ask(&["data/letters/old", "data/notes", "--to", &to]));
    assert_eq!(content(elsewhere.join("old/dad")), "dear dad");
    assert_eq!(content(elsewhere.join("notes")), "what was noted");
}

#[test]
fn a_restore_waits_for_a_client_that_is_away_and_outlives_one_that_dies() {
    let home = Home::new();
    fs::remove_dir_all(home.source.join("letters")).unwrap();
    let id = home.ask(&["data/letters"]);
    home.waits_for(id, "the client to be connected");
    let mut agent = home.run_client("ask");
    home.waits_for(id, "somebody to confirm it at the client");
    agent.0.kill().unwrap();
    agent.0.wait().unwrap();
    home.waits_for(id, "the client to be connected");
    let _agent = home.run_client("ask");
    home.waits_for(id, "somebody to confirm it at the client");
    home.answer("confirm", id);
    home.done(id);
    assert_eq!(content(home.source.join("letters/mum")), "dear mum");
}

#[test]
fn what_makes_no_sense_is_refused_at_once() {
    let home = Home::new();
    let _agent = home.run_client("allow");
    let ask = |arguments: &[&str]| {
        let all = ["clients", "restore", "laptop/latest"];
        let all: Vec<&str> = all.iter().chain(arguments).copied().collect();
        refused(&home.lab, &all)
    };
    assert!(ask(&["data/nothing"]).contains("data/nothing"));
    assert!(ask(&["data", "--to", "relative"]).contains("absolute path"));
    assert!(ask(&["data", "--to", "/tmp/../etc"]).contains("absolute path"));
    assert!(ask(&["../etc"]).contains("etc"));
    assert!(refused(&home.lab, &["clients", "restore", "nobody/latest"]).contains("nobody"));
    assert!(refused(&home.lab, &["clients", "restore", "laptop/990101-0000"]).contains("990101-0000"));
}

#[test]
fn a_link_that_a_user_has_put_in_the_way_does_not_lead_the_restore_elsewhere() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a link to somebody else");
        return;
    }
    let home = Home::new();
    let _agent = home.run_client("allow");
    let secret = home.lab.root().join("secret");
    fs::create_dir(&secret).unwrap();
    let letters = home.source.join("letters");
    fs::remove_dir_all(&letters).unwrap();
    symlink(&secret, &letters).unwrap();
    lchown(&letters, Some(4321), Some(4321)).unwrap();
    let job = home.ended(home.ask(&["data/letters", "--existing", "overwrite"]));
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(
        job["error"].as_str().unwrap().contains("symbolic link"),
        "{job:#}"
    );
    assert_eq!(fs::read_dir(&secret).unwrap().count(), 0);
    let mode = fs::metadata(home.lab.client_state("laptop").join("client.sock"))
        .unwrap()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else confirms");
}

#[test]
fn a_client_is_shown_as_people_call_it() {
    let home = Home::new();
    home.lab.ok(["clients", "rename", "laptop", "Anna's laptop"]);
    let client = home.lab.json(["clients", "list", "--json"])[0].clone();
    assert_eq!(
        (&client["name"], &client["display_name"]),
        (&"laptop".into(), &"Anna's laptop".into())
    );
    assert!(
        home.lab
            .ok(["clients", "list"])
            .contains("laptop (Anna's laptop)")
    );
    home.lab.enroll("desktop");
    assert!(
        refused(&home.lab, &["clients", "rename", "desktop", "Anna's laptop"]).contains("another client")
    );
    assert!(refused(&home.lab, &["clients", "rename", "desktop", "laptop"]).contains("another client"));
    assert!(refused(&home.lab, &["clients", "rename", "nobody", "x"]).contains("nobody"));
    home.lab.back_up("laptop", &home.source);
    home.lab.ok(["clients", "rename", "laptop"]);
    assert_eq!(
        home.lab.json(["clients", "list", "--json"])[1]["display_name"],
        Value::Null
    );
}
