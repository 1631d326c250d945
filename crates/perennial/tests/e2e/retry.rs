//! Jobs that did not succeed, begun anew by hand.

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::{Lab, text};

/// A client that stays, ended at the end of the test.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn refusal(lab: &Lab, job: &Value) -> String {
    let output = lab.admin(["jobs", "retry", &job.to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stdout));
    text(&output.stderr)
}

fn retry(lab: &Lab, job: &Value) -> Value {
    lab.json(["jobs", "retry", &job.to_string(), "--json"])
}

fn newest(lab: &Lab) -> Value {
    lab.json(["jobs", "list", "--json"])[0].clone()
}

/// The job once it has ended.
fn ended(lab: &Lab, job: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let log = lab.json(["jobs", "log", &job.to_string(), "--json"]);
        let state = log["job"]["state"].as_str().unwrap();
        if !matches!(state, "queued" | "running") {
            return log["job"].clone();
        }
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{log:#}\n{}",
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_backup_that_failed_is_made_again_of_the_same_kind_and_mode() {
    let mut lab = Lab::plain();
    lab.start_with(&["--before-image-backup", "sleep 600"], &[]);
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let agent = Agent(lab.start_agent("laptop", &source));
    lab.wait_until_connected();
    fs::remove_dir(&source).unwrap();
    assert!(
        !lab.admin(["backup", "start", "laptop", "--full"])
            .status
            .success()
    );
    let failed = newest(&lab);
    assert_eq!(failed["state"], "failed");

    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let again = retry(&lab, &failed["id"]);
    let done = ended(&lab, &again["id"]);
    assert_eq!(done["state"], "done", "{done:#}");
    assert_eq!(done["kind"], "file backup");
    assert_eq!(done["mode"], "full");
    assert_eq!(
        done["reason"],
        format!("job {} is tried again", failed["id"]).as_str()
    );
    assert!(refusal(&lab, &done["id"]).contains("nothing to try again"));
    assert!(refusal(&lab, &Value::from(9999)).contains("9999"));
    let noted = lab.json(["audit", "--json"]);
    assert_eq!(noted[0]["action"], "job-retry", "{noted:#}");

    lab.ok(["backup", "start", "laptop", "--image", "/dev/zero", "--detach"]);
    let waiting = newest(&lab);
    assert!(refusal(&lab, &waiting["id"]).contains("has not ended"));
    lab.ok(["jobs", "cancel", &waiting["id"].to_string()]);
    ended(&lab, &waiting["id"]);
    let again = retry(&lab, &waiting["id"]);
    assert_eq!(again["kind"], "image backup");
    assert_eq!(again["subject"], "/dev/zero");
    lab.ok(["jobs", "cancel", &again["id"].to_string()]);

    drop(agent);
    let begun = Instant::now();
    while !refusal(&lab, &failed["id"]).contains("is not connected") {
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_verification_that_failed_is_done_again() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("file"), "content").unwrap();
    let name = lab.back_up("laptop", &source);
    let manifests = lab.storage().join(".perennial/manifests/laptop");
    let (manifest, away) = (
        manifests.join(format!("{name}.manifest")),
        lab.root().join("manifest"),
    );
    fs::rename(&manifest, &away).unwrap();
    let output = lab.admin(["backup", "verify", &format!("laptop/{name}")]);
    assert_eq!(output.status.code(), Some(1));
    let failed = newest(&lab);
    assert_eq!(
        (&failed["kind"], &failed["state"]),
        (&"verify".into(), &"failed".into())
    );
    fs::rename(&away, &manifest).unwrap();
    let again = retry(&lab, &failed["id"]);
    let done = ended(&lab, &again["id"]);
    assert_eq!(
        (&done["state"], &done["subject"]),
        (&"done".into(), &name.as_str().into())
    );
}
