//! A backup that is cut off goes on where it was; what was committed is never touched.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{Lab, assert_same, on_each_storage, text};

/// Files large enough that a backup takes a while, in directories small enough that many are complete early.
fn large_source(lab: &Lab) -> PathBuf {
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
fn noise(seed: u64, len_bytes: usize) -> Vec<u8> {
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
    let shown = lab.json(["backup", "show", &format!("laptop/{name}"), "--json"]);
    let sent = shown["bytes_transferred"].as_u64().unwrap();
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

#[test]
fn a_full_disk_stops_the_backup_and_leaves_the_committed_ones_whole() {
    for kind in [
        scratch_fs::FileSystem::Btrfs,
        scratch_fs::FileSystem::Xfs,
        scratch_fs::FileSystem::Ext4,
    ] {
        let Some(mut lab) = Lab::sized(kind, 400 << 20) else {
            continue;
        };
        lab.start();
        lab.enroll("laptop");
        let source = lab.root().join("small");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("precious"), vec![7; 1_000_000]).unwrap();
        let name = lab.back_up("laptop", &source);
        let large = large_source(&lab);
        for copy in 0..8 {
            for sub in 0..40 {
                let (from, to) = (
                    large.join(format!("{sub:02}/file-0")),
                    large.join(format!("{sub:02}/more-{copy}")),
                );
                let mut bytes = fs::read(from).unwrap();
                bytes.rotate_left(copy + 1);
                bytes.extend_from_within(..);
                bytes.extend_from_within(..);
                fs::write(to, bytes).unwrap();
            }
        }
        let output = lab.once_command("laptop", &large, &[]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert!(
            text(&output.stderr).contains("no space"),
            "{}",
            text(&output.stderr)
        );
        lab.verify("laptop", &name);
        assert_eq!(lab.backups("laptop"), std::slice::from_ref(&name));
    }
}
