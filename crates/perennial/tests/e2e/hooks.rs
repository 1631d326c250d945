//! Hooks of a client: when they run, what they are told, and what becomes of a backup whose hook fails.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{Lab, source, text};

const KINDS: [&str; 2] = ["file", "image"];

/// A lab with one client, and a file to which every hook adds a line.
struct Hooked {
    lab: Lab,
    source: PathBuf,
    notes: PathBuf,
}

impl Hooked {
    fn new() -> Self {
        let mut lab = Lab::plain();
        lab.start();
        lab.enroll("laptop");
        let notes = lab.root().join("it's \"the\" notes");
        let source = source(&lab, 7);
        Self { lab, source, notes }
    }

    /// A command that notes the event and some of its variables.
    fn noting(&self, variables: &str) -> String {
        // Quotes in names are the shell's business only.
        let notes = self.notes.display().to_string().replace('\'', r"'\''");
        format!("echo \"$PERENNIAL_EVENT\" {variables} >> '{notes}'")
    }

    /// The flags that set a noting command for every hook but those that are given.
    fn flags(&self, given: &[&str]) -> Vec<String> {
        let of_kind = |kind: &str| {
            [
                (format!("--before-{kind}-backup"), "$PERENNIAL_MODE"),
                (
                    format!("--after-{kind}-backup"),
                    "$PERENNIAL_BACKUP $PERENNIAL_OUTCOME",
                ),
                (
                    format!("--failed-{kind}-backup"),
                    "$PERENNIAL_OUTCOME: $PERENNIAL_ERROR",
                ),
            ]
        };
        let mut hooks: Vec<_> = KINDS.into_iter().flat_map(of_kind).collect();
        hooks.push(("--after-snapshot".to_owned(), "$PERENNIAL_KIND"));
        hooks
            .into_iter()
            .filter(|(flag, _)| !given.contains(&flag.as_str()))
            .flat_map(|(flag, variables)| [flag, self.noting(&format!("\"{variables}\""))])
            .collect()
    }

    /// The command that makes a backup with every hook noted that is not set otherwise.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.lab.once_command("laptop", &self.source, &[]);
        command.args(self.flags(arguments)).args(arguments);
        command
    }

    fn back_up(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn notes(&self) -> Vec<String> {
        let notes = fs::read_to_string(&self.notes).unwrap_or_default();
        notes.lines().map(str::to_owned).collect()
    }
}

fn wait_for(path: &Path, lab: &Lab) {
    let begun = Instant::now();
    while !path.exists() {
        let waited = begun.elapsed();
        assert!(
            waited < Duration::from_secs(60),
            "{} does not come\n{}",
            path.display(),
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn hooks_run_in_order_and_are_told_what_came_of_the_backup() {
    let hooked = Hooked::new();
    let output = hooked.back_up(&["--full"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let name = hooked.lab.backups("laptop").remove(0);
    assert_eq!(
        hooked.notes(),
        [
            "before_file_backup full".to_owned(),
            "after_snapshot file".to_owned(),
            format!("after_file_backup {name} finished"),
        ]
    );
}

#[test]
fn a_hook_prepares_what_is_backed_up() {
    let hooked = Hooked::new();
    let dump = hooked.source.join("dump");
    let command = format!("echo dumped > '{}'", dump.display());
    let output = hooked.back_up(&["--before-file-backup", &command]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let restored = hooked.lab.restored("laptop", "latest");
    assert_eq!(fs::read_to_string(restored.join("dump")).unwrap(), "dumped\n");
}

#[test]
fn a_failing_hook_before_a_backup_stops_it() {
    let hooked = Hooked::new();
    let output = hooked.back_up(&["--before-file-backup", "echo 'no database' >&2; exit 7"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    let why = "the hook before_file_backup exited with status 7; it said: no database";
    assert!(told.contains(why), "{told}");
    assert!(hooked.lab.backups("laptop").is_empty());
    assert_eq!(hooked.notes(), [format!("failed_file_backup failed: {why}")]);
    let job = hooked.lab.json(["jobs", "list", "--json"])[0].clone();
    assert_eq!(job["state"], "failed");
    assert!(job["error"].as_str().unwrap().contains(why), "{job:#}");
}

#[test]
fn a_failing_hook_after_a_backup_is_a_problem_and_the_backup_stays() {
    let hooked = Hooked::new();
    let output = hooked.back_up(&["--after-file-backup", "exit 1"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let told = text(&output.stderr);
    assert!(
        told.contains("warning: the hook after_file_backup exited with status 1"),
        "{told}"
    );
    hooked.lab.verify("laptop", "latest");
}

#[test]
fn a_job_that_is_cancelled_ends_its_hook_with_all_that_it_has_started() {
    let hooked = Hooked::new();
    let (lab, root) = (&hooked.lab, hooked.lab.root());
    let (ready, cleaned) = (root.join("ready"), root.join("cleaned"));
    let command = format!(
        "sleep 600 & echo $! > '{0}.new'; mv '{0}.new' '{0}'; wait",
        ready.display()
    );
    let mut agent = lab
        .command(["client", "run", "--snapshots", "false", "--state"])
        .arg(lab.client_state("laptop"))
        .arg("--source")
        .arg(format!("data={}", hooked.source.display()))
        .args(["--before-file-backup", &command, "--failed-file-backup"])
        .arg(format!(
            "echo $PERENNIAL_OUTCOME > '{0}.new'; mv '{0}.new' '{0}'",
            cleaned.display()
        ))
        .spawn()
        .unwrap();
    lab.wait_until_connected();
    lab.ok(["backup", "start", "laptop", "--detach"]);
    wait_for(&ready, lab);
    let job = lab.json(["jobs", "list", "--json"])[0]["id"].to_string();
    lab.ok(["jobs", "cancel", &job]);
    wait_for(&cleaned, lab);
    assert_eq!(fs::read_to_string(&cleaned).unwrap(), "cancelled\n");
    let pid = fs::read_to_string(&ready).unwrap();
    let begun = Instant::now();
    while fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "what the hook has started goes on"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(lab.json(["jobs", "list", "--json"])[0]["state"], "cancelled");
}

#[test]
fn a_lost_connection_closes_one_try_and_opens_the_next() {
    let mut hooked = Hooked::new();
    let (held, go) = (hooked.lab.root().join("held"), hooked.lab.root().join("go"));
    let command = format!(
        "{}; touch '{}'; until [ -e '{}' ]; do sleep 0.02; done",
        hooked.noting(""),
        held.display(),
        go.display()
    );
    let mut client = hooked.command(&["--after-snapshot", &command]).spawn().unwrap();
    wait_for(&held, &hooked.lab);
    hooked.lab.kill();
    hooked.lab.start();
    fs::write(&go, "").unwrap();
    assert!(client.wait().unwrap().success());
    let notes = hooked.notes();
    let events: Vec<&str> = notes.iter().filter_map(|note| note.split(' ').next()).collect();
    assert_eq!(
        events,
        [
            "before_file_backup",
            "after_snapshot",
            "failed_file_backup",
            "before_file_backup",
            "after_snapshot",
            "after_file_backup"
        ]
    );
    assert!(
        notes[2].starts_with("failed_file_backup interrupted: "),
        "{}",
        notes[2]
    );
}

#[test]
fn a_server_that_is_not_there_is_a_failure_without_a_beginning() {
    let mut hooked = Hooked::new();
    hooked.lab.stop();
    let mut client = hooked.command(&[]).stderr(Stdio::piped()).spawn().unwrap();
    let told = BufReader::new(client.stderr.take().unwrap()).lines();
    assert!(
        told.map_while(Result::ok)
            .any(|line| line.contains("going on in"))
    );
    crate::lab::signal(&client, rustix::process::Signal::INT);
    assert_eq!(client.wait().unwrap().code(), Some(130));
    assert_eq!(hooked.notes(), ["failed_file_backup cancelled: cancelled"]);
}

#[test]
fn a_client_waits_for_its_turn_before_it_runs_a_hook() {
    let hooked = Hooked::new();
    let lab = &hooked.lab;
    lab.ok(["settings", "set", "max_backups=1"]);
    lab.enroll("other");
    let (held, go) = (lab.root().join("held"), lab.root().join("go"));
    let hook = format!(
        "touch '{}'; until [ -e '{}' ]; do sleep 0.02; done",
        held.display(),
        go.display()
    );
    let mut first = lab
        .once_command("other", &hooked.source, &["--before-file-backup", &hook])
        .spawn()
        .unwrap();
    wait_for(&held, lab);
    let mut second = hooked.command(&[]).spawn().unwrap();
    let begun = Instant::now();
    let job = loop {
        let newest = lab.json(["jobs", "list", "--json"])[0].clone();
        if newest["client"] == "laptop" && newest["waits_for"].is_string() {
            break newest;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{newest:#}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(job["state"], "queued");
    assert!(hooked.notes().is_empty(), "{:?}", hooked.notes());
    fs::write(&go, "").unwrap();
    assert!(first.wait().unwrap().success());
    assert!(second.wait().unwrap().success());
    assert_eq!(hooked.notes().len(), 3);
}

#[test]
fn a_job_that_is_cancelled_before_its_client_has_begun_stops_the_client() {
    let hooked = Hooked::new();
    let lab = &hooked.lab;
    let held = lab.root().join("held");
    let hook = format!("touch '{}'; sleep 600", held.display());
    let mut client = hooked.command(&["--before-file-backup", &hook]).spawn().unwrap();
    wait_for(&held, lab);
    let job = lab.json(["jobs", "list", "--json"])[0]["id"].to_string();
    lab.ok(["jobs", "cancel", &job]);
    assert_eq!(client.wait().unwrap().code(), Some(130));
    assert_eq!(hooked.notes(), ["failed_file_backup cancelled: cancelled"]);
}

#[test]
fn images_have_hooks_of_their_own() {
    let hooked = Hooked::new();
    let disk = hooked.lab.root().join("disk.img");
    fs::write(&disk, vec![1; 1 << 20]).unwrap();
    let disk = disk.to_str().unwrap();
    let output = hooked.back_up(&["--image", disk]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let output = hooked.back_up(&["--after-snapshot", "exit 5", "--image", disk]);
    assert_eq!(output.status.code(), Some(1));
    let name = hooked.lab.backups("laptop").remove(0);
    let why = "the hook after_snapshot exited with status 5";
    assert_eq!(
        hooked.notes(),
        [
            "before_image_backup incremental".to_owned(),
            "after_snapshot image".to_owned(),
            format!("after_image_backup {name} finished"),
            "before_image_backup incremental".to_owned(),
            format!("failed_image_backup failed: {why}"),
        ]
    );
}
