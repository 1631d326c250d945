//! The main job on each kind of storage: back up, change, back up again, prune, restore.

use std::time::{Duration, Instant};

use scratch_fs::tree::mutate_tree;

use crate::interruption;
use crate::lab::{assert_same, on_each_storage, source, text};

#[test]
fn every_backup_of_a_changing_tree_restores_as_it_was() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = source(lab, 1);
        let mut kept = Vec::new();
        for round in 0..4 {
            let name = lab.back_up("laptop", &source);
            let copy = lab.root().join(format!("copy-{round}"));
            copy_tree(&source, &copy);
            kept.push((name, copy));
            mutate_tree(round + 10, &source, 40).unwrap();
        }
        assert_eq!(
            lab.backups("laptop"),
            kept.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        );
        // The oldest, one in the middle, and the newest go; what is left stays whole.
        for index in [0, 1, 1] {
            let (name, _) = kept.remove(index);
            lab.ok(["backup", "delete", "--now", &format!("laptop/{name}")]);
            for (name, copy) in &kept {
                lab.verify("laptop", name);
                assert_same(copy, &lab.restored("laptop", name));
            }
        }
        let name = lab.back_up("laptop", &source);
        assert_same(&source, &lab.restored("laptop", &name));
    });
}

#[test]
fn an_unchanged_tree_costs_nothing_and_a_full_backup_sends_nothing() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = source(lab, 2);
        lab.back_up("laptop", &source);
        for arguments in [&[][..], &["--full"]] {
            let name = lab.back_up_with("laptop", &source, arguments);
            let sent = lab.sent_bytes("laptop", &name);
            assert!(sent < 100_000, "{sent} bytes were sent for {arguments:?}");
            assert_same(&source, &lab.restored("laptop", &name));
        }
    });
}

#[test]
fn content_that_another_client_has_is_not_sent_again() {
    on_each_storage(|lab| {
        lab.enroll("one");
        lab.enroll("two");
        let source = lab.root().join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("large"), noise(3_000_000)).unwrap();
        std::fs::write(source.join("medium"), noise(40_000)).unwrap();
        lab.back_up("one", &source);
        let name = lab.back_up("two", &source);
        let sent = lab.sent_bytes("two", &name);
        assert!(sent < 10_000, "{sent} bytes were sent");
        assert_same(&source, &lab.restored("two", &name));
        lab.ok([
            "backup",
            "delete",
            "--now",
            &format!("one/{}", lab.backups("one")[0]),
        ]);
        lab.verify("two", &name);
    });
}

#[test]
fn an_overwritten_range_of_a_large_file_sends_that_range_only() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = lab.root().join("source");
        std::fs::create_dir(&source).unwrap();
        let mut content = noise(20 << 20);
        std::fs::write(source.join("disk"), &content).unwrap();
        let first = lab.back_up("laptop", &source);
        content[7_000_000..8_000_000].fill(0x5a);
        std::fs::write(source.join("disk"), &content).unwrap();
        let second = lab.back_up("laptop", &source);
        let sent = lab.sent_bytes("laptop", &second);
        assert!(sent < 1_400_000, "{sent} bytes were sent");
        assert_same(&source, &lab.restored("laptop", &second));
        lab.verify("laptop", &first);
        lab.verify("laptop", &second);
    });
}

#[test]
fn the_clients_own_files_are_compared_with_the_backup() {
    let mut lab = crate::lab::Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 3);
    let name = lab.back_up("laptop", &source);
    let mut agent = lab.start_agent("laptop", &source);
    lab.wait_until_connected();
    let output = lab.admin(["backup", "verify", &format!("laptop/{name}"), "--source", "100%"]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// Bytes that neither shrink nor repeat.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn copy_tree(from: &std::path::Path, to: &std::path::Path) {
    let status = std::process::Command::new("cp")
        .arg("-a")
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn what_a_backup_takes_of_the_storage_is_told() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = lab.root().join("source");
        std::fs::create_dir(&source).unwrap();
        std::fs::write(source.join("stays"), interruption::noise(1, 4 << 20)).unwrap();
        std::fs::write(source.join("goes"), interruption::noise(2, 2 << 20)).unwrap();
        let first = lab.back_up("laptop", &source);
        std::fs::remove_file(source.join("goes")).unwrap();
        lab.back_up("laptop", &source);
        let begun = Instant::now();
        let taken = loop {
            let shown = lab.json(["backup", "show", &format!("laptop/{first}"), "--json"]);
            // Counted in the background, the second backup too.
            if shown["taken"]["bytes_shared"]
                .as_u64()
                .is_some_and(|bytes| bytes > 0)
            {
                break shown["taken"].clone();
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{shown}\n{}",
                lab.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        };
        assert_eq!(taken["bytes_exclusive"], 2 << 20, "{taken}");
        assert_eq!(taken["bytes_shared"], 4 << 20, "{taken}");
        assert_eq!(taken["bytes_stored_new"], 6 << 20, "{taken}");
    });
}
