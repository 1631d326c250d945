//! A backup that is cut off goes on where it was; what was committed is never touched.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{Lab, assert_same, on_each_storage, text};

/// Files large enough that a backup takes a while, in directories small enough that many are complete early.
pub fn large_source(lab: &Lab) -> PathBuf {
    let dir = lab.root().join("source");
    for number in 0..40 {
        let sub = dir.join(format!("{number:02}"));
        fs::create_dir_all(&sub).unwrap();
        for file in 0..10 {
            let bytes = noise(number * 10 + file, 320_000);
            fs::write(sub.join(format!("file-{file}")), bytes).unwrap();
        }
    }
    dir
}

/// Bytes that can't be compressed.
pub fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        // The low bits of such a generator repeat soon.
        (state >> 32) as u32
    });
    words.take(len_bytes / 4).flat_map(u32::to_le_bytes).collect()
}

fn used_bytes(dir: &Path) -> u64 {
    let output = std::process::Command::new("du")
        .args(["-s", "-B1", "--apparent-size"])
        .arg(dir)
        .output()
        .unwrap();
    text(&output.stdout)
        .split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .unwrap_or(0)
}

/// Waits until about a third of the source has arrived.
fn wait_for_some(lab: &Lab, total: u64) {
    let begun = Instant::now();
    while used_bytes(&lab.storage().join(".perennial/incomplete")) < total / 3 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing arrives\n{}",
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills a client when about a third has arrived; the next run must bring the rest, and not much more.
fn the_next_run_sends_the_rest(lab: &Lab, source: &Path) {
    let total = used_bytes(source);
    let before = lab.backups("laptop");
    let mut client = lab
        .once_command("laptop", source, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_some(lab, total);
    client.kill().unwrap();
    client.wait().unwrap();
    assert_eq!(
        lab.backups("laptop"),
        before,
        "the backup was finished before it could be cut off"
    );
    let name = lab.back_up("laptop", source);
    assert_same(source, &lab.restored("laptop", &name));
    lab.verify("laptop", &name);
    let sent = lab.sent_bytes("laptop", &name);
    // A file below 1 MiB that was under way is sent again, and so are the last blocks of a larger one.
    assert!(
        sent < total * 3 / 4,
        "of {total} bytes {sent} were sent again\n{}",
        lab.log()
    );
}

#[test]
fn after_a_killed_client_the_rest_is_sent() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = large_source(lab);
        the_next_run_sends_the_rest(lab, &source);
    });
}

#[test]
fn after_a_killed_client_the_rest_of_a_large_file_is_sent() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = lab.root().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("disk"), noise(1, 160 << 20)).unwrap();
        the_next_run_sends_the_rest(lab, &source);
    });
}

#[test]
fn a_killed_server_goes_on_with_what_it_had() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = large_source(lab);
        let total = used_bytes(&source);
        let mut client = lab
            .once_command("laptop", &source, &[])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for_some(lab, total);
        lab.kill();
        // Whether it gives up or tries again is its own affair; the next one is to work.
        client.kill().unwrap();
        client.wait().unwrap();
        lab.start();
        let name = lab.back_up("laptop", &source);
        assert_same(&source, &lab.restored("laptop", &name));
        lab.verify("laptop", &name);
    });
}

/// More than fits on the disk of a lab for full disks, in directories small enough that some are complete early.
fn too_large_source(lab: &Lab) -> PathBuf {
    let dir = lab.root().join("large");
    for number in 0..40 {
        let sub = dir.join(format!("{number:02}"));
        fs::create_dir_all(&sub).unwrap();
        for file in 0..10 {
            fs::write(
                sub.join(format!("file-{file}")),
                noise(number * 10 + file, 1_200_000),
            )
            .unwrap();
        }
    }
    dir
}

/// Leaves not a block on a disk.
fn fill(disk: &Path) {
    for len_bytes in [1 << 20, 64 << 10, 4 << 10] {
        let block = noise(len_bytes, len_bytes as usize);
        let path = disk.join(format!("filler-{len_bytes}"));
        // A disk may be too full even for a name.
        let Ok(mut filler) = fs::File::create(path) else {
            return;
        };
        while filler.write_all(&block).and_then(|()| filler.sync_data()).is_ok() {}
    }
}

fn on_full_disks(place: impl Fn(Lab) -> Lab) {
    for kind in [
        scratch_fs::FileSystem::Btrfs,
        scratch_fs::FileSystem::Xfs,
        scratch_fs::FileSystem::Ext4,
    ] {
        let Some(lab) = Lab::sized(kind, 400 << 20) else {
            continue;
        };
        eprintln!("--- on {}", kind.name());
        a_full_disk(&mut place(lab));
    }
}

fn a_full_disk(lab: &mut Lab) {
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("small");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("precious"), noise(1, 1_000_000)).unwrap();
    fs::write(source.join("large"), noise(2, 30_000_000)).unwrap();
    let first = lab.back_up("laptop", &source);
    fs::remove_file(source.join("large")).unwrap();
    let second = lab.back_up("laptop", &source);
    let large = too_large_source(lab);
    let output = lab.once_command("laptop", &large, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("no space"),
        "{}",
        text(&output.stderr)
    );
    fill(lab.storage().parent().unwrap());
    lab.verify("laptop", &first);
    lab.stop();
    lab.start();
    lab.kill();
    lab.start();
    assert_eq!(lab.backups("laptop"), [first.clone(), second.clone()]);
    lab.verify("laptop", &first);
    assert_same(&source, &lab.restored("laptop", &second));
    lab.ok(["backup", "delete", "--now", &format!("laptop/{first}")]);
    fs::write(source.join("more"), noise(3, 100_000)).unwrap();
    let third = back_up_once_there_is_room(lab, &source);
    assert_same(&source, &lab.restored("laptop", &third));
    lab.verify("laptop", &second);
    assert_eq!(lab.backups("laptop"), [second, third]);
}

/// Makes a backup; what was deleted before it is freed in the background.
fn back_up_once_there_is_room(lab: &Lab, source: &Path) -> String {
    let begun = Instant::now();
    loop {
        let output = lab.once_command("laptop", source, &[]).output().unwrap();
        if output.status.success() {
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            return report["backup"]["name"].as_str().unwrap().to_owned();
        }
        let said = text(&output.stderr);
        assert!(
            said.contains("no space") && begun.elapsed() < Duration::from_secs(60),
            "{said}\n{}",
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn on_a_full_disk_backups_stop_and_all_else_works_also_after_a_restart() {
    on_full_disks(|lab| lab);
}

#[test]
fn a_full_disk_may_hold_the_servers_state_too() {
    on_full_disks(Lab::with_state_beside_the_storage);
}
