//! Hooks of the server: when they run, what they are told, and what becomes of a backup whose hook fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, source, text};

/// A server with hooks, and one client that is connected.
struct Hooked {
    lab: Lab,
    agent: Child,
    source: PathBuf,
    notes: PathBuf,
}

impl Hooked {
    /// Every hook that is not given adds a line to a file.
    fn start(given: &[(&str, &str)]) -> Self {
        let mut lab = Lab::plain();
        let notes = lab.root().join("it's \"the\" notes");
        let arguments = flags(&notes, given);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        lab.start_with(&arguments, &[]);
        lab.enroll("laptop");
        let source = source(&lab, 7);
        let agent = lab.start_agent("laptop", &source);
        lab.wait_until_connected();
        Self {
            lab,
            agent,
            source,
            notes,
        }
    }

    fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(&self.notes).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }

    fn newest_job(&self) -> Value {
        self.lab.json(["jobs", "list", "--json"])[0].clone()
    }

    /// The log of the newest job.
    fn job_log(&self) -> Vec<String> {
        let log = self
            .lab
            .json(["jobs", "log", &self.newest_job()["id"].to_string(), "--json"]);
        let lines = log["lines"].as_array().unwrap().iter();
        lines
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    }

    fn wait_until_newest_job_is(&self, state: &str) {
        wait_until(&self.lab, state, || self.newest_job()["state"] == state);
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.agent.kill();
        let _ = self.agent.wait();
    }
}

fn flags(notes: &Path, given: &[(&str, &str)]) -> Vec<String> {
    // Quotes in names are the shell's business only.
    let notes = notes.display().to_string().replace('\'', r"'\''");
    let noting = |variables: &str| format!("echo \"$PERENNIAL_EVENT {variables}\" >> '{notes}'");
    let all = [
        (
            "--before-file-backup",
            noting("$PERENNIAL_CLIENT $PERENNIAL_KIND $PERENNIAL_MODE"),
        ),
        (
            "--after-file-backup",
            noting("$PERENNIAL_BACKUP $PERENNIAL_OUTCOME $PERENNIAL_PATH"),
        ),
        (
            "--failed-file-backup",
            noting("$PERENNIAL_OUTCOME: $PERENNIAL_ERROR"),
        ),
        ("--after-cleanup", noting("$PERENNIAL_OUTCOME")),
    ];
    let others = all
        .iter()
        .filter(|(flag, _)| given.iter().all(|(other, _)| other != flag))
        .map(|(flag, command)| (*flag, command.as_str()));
    others
        .chain(given.iter().copied())
        .flat_map(|(flag, command)| [flag.to_owned(), command.to_owned()])
        .collect()
}

fn wait_until(lab: &Lab, what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{what} does not come\n{}",
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn hooks_of_the_server_run_around_backups_that_it_asks_for_and_that_clients_begin() {
    let hooked = Hooked::start(&[]);
    let lab = &hooked.lab;
    lab.ok(["backup", "start", "laptop", "--full"]);
    let own = lab.back_up("laptop", &hooked.source);
    let asked = lab.backups("laptop").remove(0);
    let path = |name: &str| lab.storage().join("laptop").join(name).display().to_string();
    wait_until(lab, "the last hook", || hooked.notes().len() == 4);
    assert_eq!(
        hooked.notes(),
        [
            "before_file_backup laptop file full".to_owned(),
            format!("after_file_backup {asked} finished {}", path(&asked)),
            "before_file_backup laptop file incremental".to_owned(),
            format!("after_file_backup {own} finished {}", path(&own)),
        ]
    );
    assert!(Path::new(&path(&own)).is_dir());
    lab.ok(["retention", "cleanup"]);
    assert_eq!(hooked.notes()[4], "after_cleanup finished");
}

#[test]
fn a_failing_hook_before_a_backup_stops_it_with_its_reason() {
    let hooked = Hooked::start(&[("--before-file-backup", "echo 'no tape' >&2; exit 7")]);
    let why = "the hook before_file_backup exited with status 7; it said: no tape";
    let output = hooked.lab.admin(["backup", "start", "laptop"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    let own = hooked
        .lab
        .once_command("laptop", &hooked.source, &[])
        .output()
        .unwrap();
    assert_eq!(own.status.code(), Some(1));
    assert!(text(&own.stderr).contains(why), "{}", text(&own.stderr));
    hooked.wait_until_newest_job_is("failed");
    assert_eq!(hooked.newest_job()["error"], why);
    assert!(hooked.lab.backups("laptop").is_empty());
    let failed = format!("failed_file_backup failed: {why}");
    assert_eq!(hooked.notes(), [failed.clone(), failed]);
    assert_eq!(
        hooked.job_log(),
        [
            "before_file_backup begins",
            "before_file_backup: no tape",
            "failed_file_backup begins"
        ]
    );
}

#[test]
fn a_failing_hook_after_a_backup_is_a_problem_of_the_job_and_the_backup_stays() {
    let hooked = Hooked::start(&[("--after-file-backup", "exit 1")]);
    let output = hooked.lab.admin(["backup", "start", "laptop"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let told = text(&output.stdout) + &text(&output.stderr);
    let why = "the hook after_file_backup exited with status 1";
    assert!(told.contains(why), "{told}");
    assert_eq!(hooked.newest_job()["state"], "done");
    assert!(hooked.job_log().contains(&why.to_owned()));
    hooked.lab.verify("laptop", "latest");
}

#[test]
fn a_job_that_is_cancelled_ends_its_hook_and_the_hook_for_failure_follows() {
    let hooked = Hooked::start(&[("--before-file-backup", "echo waiting; sleep 600")]);
    let lab = &hooked.lab;
    lab.ok(["backup", "start", "laptop", "--detach"]);
    wait_until(lab, "the hook", || {
        hooked
            .job_log()
            .contains(&"before_file_backup: waiting".to_owned())
    });
    let job = hooked.newest_job();
    assert_eq!(job["waits_for"], "the hook before_file_backup");
    lab.ok(["jobs", "cancel", &job["id"].to_string()]);
    hooked.wait_until_newest_job_is("cancelled");
    assert_eq!(hooked.notes(), ["failed_file_backup cancelled: cancelled"]);
}

#[test]
fn a_hook_of_the_server_that_hangs_is_ended() {
    let hooked = Hooked::start(&[
        ("--before-file-backup", "sleep 600"),
        ("--failed-file-backup", "sleep 600"),
        ("--hook-timeout", "1s"),
    ]);
    let output = hooked.lab.admin(["backup", "start", "laptop"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(
        told.contains("the hook before_file_backup was ended after 1 s"),
        "{told}"
    );
    assert!(
        hooked
            .job_log()
            .contains(&"the hook failed_file_backup was ended after 1 s".to_owned())
    );
}

#[test]
fn hooks_of_the_server_cannot_be_set_while_it_runs() {
    let mut lab = Lab::plain();
    lab.start();
    for key in ["before_file_backup", "after_cleanup", "hook_timeout"] {
        let output = lab.admin(["settings", "set", &format!("{key}=true")]);
        assert!(!output.status.success());
        let told = text(&output.stderr);
        assert!(told.contains(&format!("no setting \"{key}\"")), "{told}");
    }
}
