//! Sources that change while they are read, clients that come at the same time, and servers that come and go.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::interruption::{large_source, noise};
use crate::lab::{Lab, assert_same, on_each_storage, signal, source, text};

const PAGE_BYTES: usize = 4096;

/// Waits for a client to end and returns its exit code.
pub fn ended(lab: &Lab, mut client: Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = client.try_wait().unwrap() {
            return status.code();
        }
        if begun.elapsed() > Duration::from_secs(60) {
            client.kill().unwrap();
            client.wait().unwrap();
            panic!("the client hangs\n{}", lab.log());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn begin(lab: &Lab, client: &str, source: &Path) -> Child {
    lab.once_command(client, source, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Stops a client's process when the first files of [`large_source`] have arrived.
pub fn hold_under_way(lab: &Lab, client: &Child) {
    let tree = lab.storage().join(".perennial/incomplete/laptop/tree/data");
    let begun = Instant::now();
    while !has_a_file(&tree) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing arrives\n{}",
            lab.log()
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(client, Signal::STOP);
}

fn has_a_file(tree: &Path) -> bool {
    let dirs = fs::read_dir(tree).into_iter().flatten().flatten();
    let files = dirs.flat_map(|dir| fs::read_dir(dir.path()).into_iter().flatten());
    files.count() > 0
}

#[test]
fn what_vanishes_while_it_is_backed_up_is_a_problem_and_no_more() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = large_source(&lab);
    let client = begin(&lab, "laptop", &source);
    hold_under_way(&lab, &client);
    for number in 30..40 {
        fs::remove_dir_all(source.join(number.to_string())).unwrap();
    }
    signal(&client, Signal::CONT);
    assert_eq!(ended(&lab, client), Some(3), "{}", lab.log());
    let problems = lab.problems("laptop");
    assert!(!problems.is_empty());
    for (path, kind) in &problems {
        assert!(path.starts_with("data/3") && kind == "vanished", "{path}: {kind}");
    }
    let name = lab.backups("laptop").remove(0);
    lab.verify("laptop", &name);
    let restored = lab.restored("laptop", &name);
    for number in 0..30 {
        let dir = format!("{number:02}");
        assert_same(&source.join(&dir), &restored.join(&dir));
    }
    let name = lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &name));
}

#[test]
fn a_source_that_goes_as_a_whole_fails_the_backup_and_nothing_else() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = large_source(&lab);
    let client = begin(&lab, "laptop", &source);
    hold_under_way(&lab, &client);
    fs::remove_dir_all(&source).unwrap();
    signal(&client, Signal::CONT);
    let code = ended(&lab, client);
    assert!(matches!(code, Some(1 | 3)), "{code:?}\n{}", lab.log());
    for name in lab.backups("laptop") {
        lab.verify("laptop", &name);
    }
    let source = large_source(&lab);
    let name = lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &name));
}

/// A way to rewrite a file of pages that all have the same number.
type Rewrite = fn(&fs::File, number: u32);

fn page(number: u32) -> Vec<u8> {
    // Each page is another, lest they be taken for holes or known content.
    number.to_le_bytes().repeat(PAGE_BYTES / 4)
}

fn in_place(file: &fs::File, number: u32) {
    for at in 0..8192 {
        file.write_all_at(&page(number), at * PAGE_BYTES as u64).unwrap();
    }
}

fn from_nothing(file: &fs::File, number: u32) {
    file.set_len(0).unwrap();
    for at in 0..u64::from(4000 + number % 3 * 2000) {
        file.write_all_at(&page(number), at * PAGE_BYTES as u64).unwrap();
    }
}

/// Whether the file is as it was between two rewrites.
fn is_whole(file: &Path) -> bool {
    let bytes = fs::read(file).unwrap();
    let first = bytes.get(..PAGE_BYTES).unwrap_or_default();
    bytes.chunks(PAGE_BYTES).all(|page| page == first)
}

fn is_changed_while_it_is_read(rewrite: Rewrite) {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let quiet = noise(1, 100_000);
    fs::write(source.join("quiet"), &quiet).unwrap();
    let disk = fs::File::create(source.join("disk")).unwrap();
    rewrite(&disk, 1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 1;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                rewrite(&disk, number);
            }
        });
        let _stop = StopOnDrop(&stop);
        // The first sends it as new, the others as patches.
        for _ in 0..4 {
            let name = lab.back_up("laptop", &source);
            lab.verify("laptop", &name);
            let restored = lab.restored("laptop", &name);
            let told = lab
                .problems("laptop")
                .contains(&("data/disk".into(), "changed".into()));
            assert!(told || is_whole(&restored.join("disk")), "{}", lab.log());
            assert_eq!(fs::read(restored.join("quiet")).unwrap(), quiet);
        }
    });
    let name = lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &name));
    assert!(lab.problems("laptop").is_empty());
}

/// Ends a thread also when its test fails.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_whole_or_told() {
    is_changed_while_it_is_read(in_place);
}

#[test]
fn a_file_that_is_truncated_and_written_anew_while_it_is_read_is_whole_or_told() {
    is_changed_while_it_is_read(from_nothing);
}

#[test]
fn two_clients_with_the_same_content_at_the_same_time_are_both_whole() {
    on_each_storage(|lab| {
        lab.enroll("one");
        lab.enroll("two");
        let source = source(lab, 5);
        fs::write(source.join("large"), noise(5, 20_000_000)).unwrap();
        for _ in 0..2 {
            let clients = ["one", "two"].map(|name| (name, begin(lab, name, &source)));
            for (name, client) in clients {
                assert_eq!(ended(lab, client), Some(0), "{name}\n{}", lab.log());
            }
            for name in ["one", "two"] {
                let newest = lab.backups(name).pop().unwrap();
                lab.verify(name, &newest);
                assert_same(&source, &lab.restored(name, &newest));
            }
            scratch_fs::tree::mutate_tree(5, &source, 20).unwrap();
            fs::write(source.join("large"), noise(6, 20_000_000)).unwrap();
        }
        // What one has is not the other's.
        for backup in lab.backups("one") {
            lab.ok(["backup", "delete", "--now", &format!("one/{backup}")]);
        }
        for backup in lab.backups("two") {
            lab.verify("two", &backup);
        }
    });
}

#[test]
fn an_agent_comes_back_to_a_server_that_was_restarted() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 6);
    let mut agent = lab.start_agent("laptop", &source);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for round in 0..3 {
            lab.wait_until_connected();
            lab.ok(["backup", "start", "laptop"]);
            assert_eq!(lab.backups("laptop").len(), round + 1);
            match round {
                0 => lab.stop(),
                _ => lab.kill(),
            }
            lab.start();
        }
    }));
    agent.kill().unwrap();
    agent.wait().unwrap();
    outcome.unwrap();
    let name = lab.backups("laptop").pop().unwrap();
    assert_same(&source, &lab.restored("laptop", &name));
}

#[test]
fn of_two_backups_in_a_minute_the_newer_has_the_higher_name() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 9);
    let first = lab.back_up("laptop", &source);
    let second = lab.back_up("laptop", &source);
    lab.ok(["backup", "delete", "--now", &format!("laptop/{first}")]);
    let third = lab.back_up("laptop", &source);
    assert!(third > second, "{third} comes after {second}");
    let current = fs::read_link(lab.storage().join("laptop/current")).unwrap();
    assert_eq!(text(current.as_os_str().as_encoded_bytes()), third);
}
