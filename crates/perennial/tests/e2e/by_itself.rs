//! The server by itself: settings in layers, the schedule, limits, retention, the trash.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use scratch_fs::FileSystem;
use serde_json::{Value, json};

use crate::interruption::noise;
use crate::lab::{Lab, refused, text, wait_for};

/// A server whose clients' backups would be made as by default; that of the lab makes none by itself.
fn scheduling(lab: &Lab) {
    lab.ok(["settings", "set", "incremental_interval=5h", "full_interval=30d"]);
}

/// A few files, always the same.
fn source(lab: &Lab) -> PathBuf {
    let dir = lab.root().join("data");
    fs::create_dir_all(dir.join("letters")).unwrap();
    for number in 0..5 {
        fs::write(
            dir.join("letters").join(number.to_string()),
            noise(number, 40_000),
        )
        .unwrap();
    }
    dir
}

/// A client that stays, ended at the end of the test.
struct Agent(Child);

impl Agent {
    fn start(lab: &Lab, client: &str) -> Self {
        Self(lab.start_agent(client, &source(lab)))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command as the client of this name.
fn as_client(lab: &Lab, client: &str, arguments: &[&str]) -> std::process::Output {
    let mut command: Command = lab.command(arguments);
    command.arg("--client-state").arg(lab.client_state(client));
    command.output().unwrap()
}

fn value(lab: &Lab, client: &str, key: &str) -> Value {
    let explained = lab.json(["settings", "explain", client, key, "--json"]);
    json!([explained[0]["value"], explained[0]["decided_by"]])
}

#[test]
fn settings_come_from_layers_and_hold_at_once() {
    let mut lab = Lab::plain();
    lab.start_with(&["--setting", "keep_daily=21"], &[]);
    lab.enroll("laptop");
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["21", "start"]));
    assert_eq!(value(&lab, "laptop", "full_interval"), json!(["off", "start"]));
    lab.ok(["settings", "set", "keep_daily=14"]);
    lab.ok(["groups", "create", "mobile"]);
    lab.ok(["groups", "add", "mobile", "laptop"]);
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["14", "server"]));
    lab.ok([
        "settings",
        "set",
        "--group",
        "mobile",
        "keep_daily=7",
        "archive=file every 30d keep 1y",
    ]);
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["7", "group"]));
    lab.ok([
        "settings",
        "set",
        "--client",
        "laptop",
        "archive+=full file every 90d keep forever",
    ]);
    let archive = json!([
        "file every 30d keep 365d; full file every 90d keep forever",
        "client"
    ]);
    assert_eq!(value(&lab, "laptop", "archive"), archive);

    let told = lab.ok(["settings", "explain", "laptop"]);
    assert!(told.contains("keep_daily = 7\n"), "{told}");
    assert!(
        told.contains("decided by group; without that it would be 14"),
        "{told}"
    );
    assert!(told.contains("--setting"), "{told}");
    // What the server was started with goes with it, what was set stays.
    lab.stop();
    lab.start();
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["7", "group"]));
    lab.ok(["groups", "delete", "mobile"]);
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["14", "server"]));
    lab.ok(["settings", "unset", "keep_daily"]);
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["30", "default"]));

    assert!(refused(&lab, &["settings", "set", "keep_dayly=3"]).contains("no setting \"keep_dayly\""));
    assert!(
        refused(&lab, &["settings", "set", "--client", "laptop", "max_backups=3"])
            .contains("for server at most")
    );
    assert!(
        refused(
            &lab,
            &["settings", "set", "keep_daily=3", "full_window=Mon/25-26"]
        )
        .contains("25")
    );
    // Of several changes all are made, or none.
    assert_eq!(value(&lab, "laptop", "keep_daily"), json!(["30", "default"]));
    let actions: Vec<Value> = lab.json(["audit", "--json"]).as_array().unwrap().clone();
    let newest = &actions[0];
    assert_eq!(newest["action"], "setting");
    assert_eq!(newest["detail"], "keep_daily is not set any more");
    assert_eq!(newest["who"], "administrator");
}

#[test]
fn a_clients_user_has_a_layer_and_the_rights_that_he_is_given() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    lab.enroll("other");
    let set = as_client(&lab, "laptop", &["settings", "set", "incremental_interval=2h"]);
    assert!(set.status.success(), "{}", text(&set.stderr));
    assert_eq!(
        value(&lab, "laptop", "incremental_interval"),
        json!(["2h", "user"])
    );
    for (arguments, why) in [
        (vec!["settings", "set", "keep_daily=1"], "can't be set for user"),
        (
            vec!["settings", "set", "--client", "other", "on_battery=none"],
            "only see its own",
        ),
        (
            vec!["settings", "set", "--group", "x", "on_battery=none"],
            "its own settings",
        ),
        (vec!["groups", "list"], "run it on the server's machine"),
    ] {
        let refused = as_client(&lab, "laptop", &arguments);
        let told = text(&refused.stderr);
        assert!(
            !refused.status.success() && told.contains(why),
            "{arguments:?}: {told}"
        );
    }
    lab.ok([
        "settings",
        "set",
        "--client",
        "laptop",
        "user_may=restore,start-incremental-file",
    ]);
    // What the user had set does not count any more, and comes back with the right.
    assert_eq!(
        value(&lab, "laptop", "incremental_interval"),
        json!(["off", "start"])
    );
    let refused = as_client(&lab, "laptop", &["settings", "set", "incremental_interval=1h"]);
    assert!(
        text(&refused.stderr).contains("don't let"),
        "{}",
        text(&refused.stderr)
    );
    let data = source(&lab);
    let name = lab.back_up("laptop", &data);
    let full = lab.once_command("laptop", &data, &["--full"]).output().unwrap();
    assert!(
        text(&full.stderr).contains("user_may lacks start-full-file"),
        "{}",
        text(&full.stderr)
    );
    let verify = as_client(&lab, "laptop", &["backup", "verify", &name]);
    assert!(
        text(&verify.stderr).contains("user_may lacks verify"),
        "{}",
        text(&verify.stderr)
    );
    lab.restored("laptop", &name);
    lab.ok(["settings", "unset", "--client", "laptop", "user_may"]);
    assert_eq!(
        value(&lab, "laptop", "incremental_interval"),
        json!(["2h", "user"])
    );
}

#[test]
fn backups_are_made_when_they_are_due_and_what_they_wait_for_is_told() {
    let mut lab = Lab::plain();
    lab.start_with(
        &["--setting", "jitter=off", "--setting", "full_window=never"],
        &[],
    );
    scheduling(&lab);
    lab.enroll("laptop");
    let outlook = |kind: &str, mode: &str| {
        let kinds = lab.json(["schedule", "explain", "laptop", "--json"]);
        let found = kinds
            .as_array()
            .unwrap()
            .iter()
            .find(|outlook| outlook["kind"] == kind && outlook["mode"] == mode);
        found.unwrap().clone()
    };
    assert_eq!(outlook("file", "full")["standing"], "never");
    assert_eq!(outlook("image", "full")["standing"], "off");
    let agent = Agent::start(&lab, "laptop");
    // The first backup is a full one, whose window never opens.
    let waits = wait_for(&lab, "a reason to wait", || {
        let full = outlook("file", "full");
        full["hindrances"]
            .as_array()
            .filter(|all| all.len() == 1)
            .map(|all| all[0].clone())
    });
    assert_eq!(waits, "outside of its window never");
    assert!(lab.backups("laptop").is_empty());
    lab.ok(["settings", "set", "full_window=always"]);
    wait_for(&lab, "the first backup", || {
        lab.backups("laptop").first().cloned()
    });
    let jobs = lab.json(["jobs", "list", "--json"]);
    assert_eq!(jobs[0]["reason"], "there is no backup yet");
    assert_eq!(jobs[0]["mode"], "full");
    let wait = wait_for(&lab, "the end of the wait", || {
        let wait = outlook("file", "full")["last_wait"].clone();
        (!wait["until"].is_null()).then_some(wait)
    });
    assert_eq!(wait["reason"], "outside of its window never");
    assert_eq!(outlook("file", "incremental")["standing"], "fine");

    lab.ok(["clients", "pause", "laptop", "--for", "1h"]);
    lab.ok(["settings", "set", "--client", "laptop", "incremental_interval=1s"]);
    wait_for(&lab, "the pause", || {
        let hindrances = outlook("file", "incremental")["hindrances"].clone();
        (hindrances == json!(["paused"])).then_some(())
    });
    assert_eq!(lab.backups("laptop").len(), 1);
    lab.ok(["clients", "resume", "laptop"]);
    wait_for(&lab, "the next backup", || {
        (lab.backups("laptop").len() > 1).then_some(())
    });
    drop(agent);
    let told = lab.ok(["schedule", "explain", "laptop"]);
    assert!(
        told.starts_with("BACKUP") && told.contains("file backups: "),
        "{told}"
    );
}

#[test]
fn no_more_backups_run_at_once_than_may_and_every_one_has_its_turn() {
    let mut lab = Lab::plain();
    lab.start_with(&["--setting", "max_backups=1"], &[]);
    let data = lab.root().join("large");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("noise"), noise(1, 8 << 20)).unwrap();
    lab.ok(["settings", "set", "speed_limit=4M"]);
    let names = ["one", "two", "three"];
    for name in names {
        lab.enroll(name);
    }
    let mut clients: Vec<Child> = names
        .iter()
        .map(|name| lab.once_command(name, &data, &[]).spawn().unwrap())
        .collect();
    let waiting = wait_for(&lab, "a job that waits", || {
        let jobs = lab.json(["jobs", "list", "--state", "queued", "--json"]);
        let reasons: Vec<_> = jobs
            .as_array()
            .unwrap()
            .iter()
            .map(|job| job["waits_for"].clone())
            .collect();
        (reasons.len() == 2 && reasons.iter().all(Value::is_string)).then_some(reasons)
    });
    assert_eq!(
        waiting,
        [json!("1 of 1 backups run"), json!("1 of 1 backups run")]
    );
    let running = lab.json(["jobs", "list", "--state", "running", "--json"]);
    assert_eq!(running.as_array().unwrap().len(), 1);
    for client in &mut clients {
        assert!(client.wait().unwrap().success(), "{}", lab.log());
    }
    for name in names {
        assert_eq!(lab.backups(name).len(), 1);
    }
}

#[test]
fn a_backup_is_paused_resumed_and_slowed_down() {
    let mut lab = Lab::plain();
    lab.start_with(&["--setting", "speed_limit=1M"], &[]);
    lab.enroll("laptop");
    let data = lab.root().join("large");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("noise"), noise(1, 48 << 20)).unwrap();
    let begun = Instant::now();
    let mut client = lab.once_command("laptop", &data, &[]).spawn().unwrap();
    let job = wait_for(&lab, "the job", || {
        let jobs = lab.json(["jobs", "list", "--state", "running", "--json"]);
        jobs[0]["id"].as_u64()
    });
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        client.try_wait().unwrap().is_none(),
        "48 MiB came in at 1 MiB/s in no time"
    );
    lab.ok(["jobs", "pause", &job.to_string()]);
    lab.ok(["settings", "set", "speed_limit=off"]);
    // The limit is looked at again with the next round; that the job does not end shows that it is paused.
    lab.ok(["settings", "set", "speed_limit=1g"]);
    std::thread::sleep(Duration::from_secs(2));
    assert!(client.try_wait().unwrap().is_none(), "a paused job went on");
    let jobs = lab.json(["jobs", "list", "--json"]);
    assert_eq!(jobs[0]["waits_for"], "paused");
    lab.ok(["jobs", "resume", &job.to_string()]);
    assert!(client.wait().unwrap().success(), "{}", lab.log());
    assert!(
        begun.elapsed() < Duration::from_secs(48),
        "it was not let go on at full speed"
    );
    let log = lab.json(["jobs", "log", &job.to_string(), "--json"]);
    assert_eq!(log["job"]["state"], "done");
    assert_eq!(log["job"]["figures"]["bytes_logical"], 48 << 20);
}

/// Makes so many backups and returns their names.
fn several(lab: &Lab, client: &str, count: usize) -> Vec<String> {
    let data = source(lab);
    (0..count).map(|_| lab.back_up(client, &data)).collect()
}

#[test]
fn the_cleanup_removes_what_was_planned_and_the_trash_gives_it_back() {
    let mut lab = Lab::plain();
    lab.start_with(
        &["--setting", "keep_min=1", "--setting", "cleanup_window=never"],
        &[],
    );
    lab.enroll("laptop");
    let names = several(&lab, "laptop", 6);
    let none = lab.admin(["retention", "plan"]);
    assert!(
        text(&none.stderr).contains("would remove nothing"),
        "{}",
        text(&none.stderr)
    );
    lab.ok([
        "backup",
        "hold",
        &format!("laptop/{}", names[0]),
        "--reason",
        "a lawsuit",
    ]);
    lab.ok([
        "backup",
        "archive",
        &format!("laptop/{}", names[1]),
        "--for",
        "1h",
    ]);
    lab.ok(["backup", "verify", &format!("laptop/{}", names[2])]);
    lab.ok(["settings", "set", "keep_max=2"]);
    let plan = lab.json(["retention", "plan", "laptop", "--json"]);
    let planned: Vec<&str> = plan["removals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|removal| removal["name"].as_str().unwrap())
        .collect();
    assert_eq!(planned, [&names[4], &names[3]]);
    let kept = lab.ok(["retention", "plan", "--kept"]);
    for reason in [
        "held: a lawsuit",
        "archived until",
        "verification",
        "the newest",
        "beyond the maximum (2)",
    ] {
        assert!(kept.contains(reason), "{reason}: {kept}");
    }
    let done = lab.json(["retention", "cleanup", "--json"]);
    assert_eq!(done["message"], "2 backups removed, 0 deleted for good");
    let left = lab.backups("laptop");
    let expected: Vec<String> = [0, 1, 2, 5].map(|index: usize| names[index].clone()).into();
    assert_eq!(left, expected);
    let trash = lab.json(["trash", "list", "--json"]);
    let trashed: Vec<&str> = trash
        .as_array()
        .unwrap()
        .iter()
        .map(|backup| backup["name"].as_str().unwrap())
        .collect();
    assert_eq!(trashed, [&names[3], &names[4]]);

    lab.ok(["trash", "restore", &format!("laptop/{}", names[3])]);
    lab.verify("laptop", &names[3]);
    lab.ok(["trash", "delete", &format!("laptop/{}", names[4])]);
    assert!(!lab.storage().join("laptop").join(&names[4]).exists());
    assert!(
        lab.json(["trash", "list", "--json"])
            .as_array()
            .unwrap()
            .is_empty()
    );
    for (name, why) in [
        (&names[0], "it is held: a lawsuit"),
        (&names[1], "it is archived until"),
    ] {
        let told = refused(&lab, &["backup", "delete", "--now", &format!("laptop/{name}")]);
        assert!(told.contains(why), "{told}");
    }
    lab.ok(["backup", "release", &format!("laptop/{}", names[0])]);
    let shown = lab.json(["backup", "show", &format!("laptop/{}", names[2]), "--json"]);
    assert_eq!(shown["verified"]["found"], "passed");
}

#[test]
fn the_newest_backup_goes_into_the_trash_with_its_link_and_back() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let names = several(&lab, "laptop", 2);
    let link = lab.storage().join("laptop/current");
    let current = || fs::read_link(&link).unwrap();
    assert_eq!(current(), PathBuf::from(&names[1]));
    let newest = format!("laptop/{}", names[1]);
    let told = lab.admin(["backup", "delete", &newest]);
    assert!(
        text(&told.stderr).contains("trash restore"),
        "{}",
        text(&told.stderr)
    );
    assert_eq!(current(), PathBuf::from(&names[0]));
    assert_eq!(lab.backups("laptop"), [names[0].clone()]);
    // It stays there over a restart, whatever else is swept then.
    lab.stop();
    lab.start();
    // The next backup grows from the one that is left.
    let third = lab.back_up("laptop", &source(&lab));
    lab.verify("laptop", &third);
    lab.ok(["trash", "restore", &newest]);
    lab.verify("laptop", &names[1]);
    assert_eq!(lab.backups("laptop").len(), 3);
    assert_eq!(current(), PathBuf::from(&third));
}

#[test]
fn archive_rules_archive_the_first_backup_of_each_interval() {
    let mut lab = Lab::plain();
    lab.start_with(&["--setting", "archive=file every 30d keep 1y"], &[]);
    scheduling(&lab);
    lab.enroll("laptop");
    let names = several(&lab, "laptop", 2);
    let archived =
        |name: &str| lab.json(["backup", "show", &format!("laptop/{name}"), "--json"])["archived"].clone();
    assert_eq!(archived(&names[0])["by"], "file every 30d keep 365d");
    assert!(archived(&names[1]).is_null());
    let ahead = lab.json(["retention", "plan", "--days", "90", "--expected", "--json"]);
    let removals = ahead["removals"].as_array().unwrap();
    assert!(
        removals.iter().any(|removal| removal["expected"] == true),
        "{ahead}"
    );
    assert!(removals.iter().all(|removal| removal["name"] != json!(names[0])));
}

#[test]
fn backups_are_given_up_when_space_runs_out() {
    let Some(mut lab) = Lab::sized(FileSystem::Ext4, 192 << 20) else {
        return;
    };
    lab.start_with(&["--setting", "keep_min=1", "--setting", "min_free=off"], &[]);
    lab.enroll("laptop");
    let data = lab.root().join("data");
    fs::create_dir(&data).unwrap();
    let mut names = Vec::new();
    for number in 0..4_u64 {
        // Each backup has 24 MiB of its own.
        fs::write(data.join("noise"), noise(number, 24 << 20)).unwrap();
        names.push(lab.back_up("laptop", &data));
    }
    lab.ok(["backup", "delete", &format!("laptop/{}", names[1])]);
    assert_eq!(lab.backups("laptop").len(), 3);
    lab.ok(["settings", "set", "min_free=50%"]);
    wait_for(&lab, "space", || {
        let status = lab.json(["status", "--json"]);
        let bytes = |key: &str| status["storage"][key].as_u64().unwrap();
        (bytes("space_free_bytes") * 2 >= bytes("space_total_bytes")).then_some(())
    });
    let left = lab.backups("laptop");
    assert!(left.contains(&names[3]) && !left.contains(&names[0]), "{left:?}");
    assert!(
        lab.json(["trash", "list", "--json"])
            .as_array()
            .unwrap()
            .is_empty()
    );
    let given_up: Vec<Value> = lab
        .json(["audit", "--json"])
        .as_array()
        .unwrap()
        .iter()
        .filter(|change| change["action"] == "backup-give-up")
        .cloned()
        .collect();
    // What is in the trash goes first.
    assert_eq!(
        given_up.last().unwrap()["subject"],
        json!(format!("laptop/{}", names[1]))
    );
    lab.verify("laptop", &names[3]);
}
