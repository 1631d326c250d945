//! The server is killed between any two durable steps of a backup, a deletion and a restart: what was committed stays
//! whole, and the next backup works.

use std::path::Path;
use std::process::Output;

use scratch_fs::FileSystem;
use scratch_fs::tree::mutate_tree;

use crate::lab::{Lab, assert_same, source, text};

/// More points than any round passes.
const MOST_POINTS: u64 = 400;
const CRASH_AT: &str = "PERENNIAL_CRASH_AT";

fn kill_at_every_point(kind: FileSystem) {
    let Some(mut lab) = Lab::on(kind) else { return };
    lab.start();
    if !lab.log().contains("crash points are armed") && !crash_points_are_built_in(&mut lab) {
        eprintln!("skipped: the binary is built without the feature crash-points");
        return;
    }
    lab.enroll("laptop");
    let source = source(&lab, 21);
    lab.back_up("laptop", &source);
    lab.stop();
    for at in (1..MOST_POINTS).step_by(stride()) {
        mutate_tree(at, &source, 12).unwrap();
        let died = round(&mut lab, &source, at);
        lab.start();
        check(&lab, &source, at);
        lab.stop();
        if !died {
            eprintln!("all {at} points were passed on {}", kind.name());
            assert!(at > 10, "only {at} points were passed");
            return;
        }
    }
    panic!("a round passes more than {MOST_POINTS} points");
}

/// How many points to go on after each kill. The storage's own crash test takes every point; here, with the whole system
/// around it, a few have to do, unless PERENNIAL_KILL_STRIDE asks for more.
fn stride() -> usize {
    std::env::var("PERENNIAL_KILL_STRIDE")
        .ok()
        .and_then(|stride| stride.parse().ok())
        .unwrap_or(9)
}

fn crash_points_are_built_in(lab: &mut Lab) -> bool {
    lab.stop();
    lab.start_with(&[], &[(CRASH_AT, "1000000")]);
    lab.log().contains("crash points are armed")
}

/// Backs up and deletes with a server that dies at a point. Returns whether it did.
fn round(lab: &mut Lab, source: &Path, at: u64) -> bool {
    let armed = at.to_string();
    if !lab.start_unless_it_dies(&[(CRASH_AT, &armed)]) {
        return true;
    }
    // Either may be cut off: then the server is gone, and that is what this is about.
    let backed_up = lab.once_command("laptop", source, &[]).output().unwrap();
    let mut finished = backed_up.status.success();
    if finished {
        finished = delete_oldest(lab).status.success();
    }
    if finished && !lab.has_died() {
        lab.stop_or_die();
    }
    lab.has_died()
}

fn delete_oldest(lab: &Lab) -> Output {
    let listed = lab.admin(["backup", "list", "laptop", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    match list[0]["name"].as_str() {
        Some(name) => lab.admin(["backup", "delete", &format!("laptop/{name}")]),
        None => listed,
    }
}

/// Every backup that there is verifies, and a new one is exact.
fn check(lab: &Lab, source: &Path, at: u64) {
    let backups = lab.backups("laptop");
    assert!(!backups.is_empty(), "killed at point {at}: no backup is left");
    for name in &backups {
        let verified = lab.admin(["backup", "verify", &format!("laptop/{name}")]);
        assert!(
            verified.status.success(),
            "killed at point {at}: {}",
            text(&verified.stderr)
        );
    }
    if at.is_multiple_of(5) {
        let name = lab.back_up("laptop", source);
        assert_same(source, &lab.restored("laptop", &name));
    }
    for name in backups.iter().rev().skip(2) {
        lab.ok(["backup", "delete", &format!("laptop/{name}")]);
    }
}

#[test]
#[ignore = "a campaign of many minutes: cargo nextest run --all-features --run-ignored only"]
fn killed_at_every_point_on_btrfs() {
    kill_at_every_point(FileSystem::Btrfs);
}

#[test]
#[ignore = "a campaign of many minutes: cargo nextest run --all-features --run-ignored only"]
fn killed_at_every_point_on_xfs() {
    kill_at_every_point(FileSystem::Xfs);
}

#[test]
#[ignore = "a campaign of many minutes: cargo nextest run --all-features --run-ignored only"]
fn killed_at_every_point_on_ext4() {
    kill_at_every_point(FileSystem::Ext4);
}
