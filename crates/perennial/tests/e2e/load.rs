//! Many clients at once: none starves, none is refused, and the server's memory does not grow with their number. Very many files in one
//! directory.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::interruption::noise;
use crate::lab::Lab;

/// So many, unless this variable says another number: 200 is the campaign.
const CLIENTS: usize = 30;
const VARIABLE: &str = "PERENNIAL_LOAD_CLIENTS";
const AT_ONCE: usize = 5;
const PATIENCE_PER_CLIENT: Duration = Duration::from_secs(20);

/// The most memory that the server has had, in KiB.
fn peak_kib(lab: &Lab) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", lab.server_id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn running(lab: &Lab) -> usize {
    let jobs = lab.json(["jobs", "list", "--state", "running", "--json"]);
    jobs.as_array().unwrap().len()
}

/// Has all these clients back up at once; fails unless each gets its backup, with no more at work than may be.
fn back_up_at_once(lab: &Lab, names: &[String]) {
    let source = lab.root().join("load");
    let begun = Instant::now();
    let mut clients: Vec<(String, Child)> = Vec::new();
    for name in names {
        let mut command = lab.once_command(name, &source, &[]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        clients.push((name.clone(), child.unwrap()));
    }
    let patience = PATIENCE_PER_CLIENT * u32::try_from(names.len()).unwrap();
    while !clients.is_empty() {
        assert!(
            begun.elapsed() < patience,
            "{} clients starve\n{}",
            clients.len(),
            lab.log()
        );
        let at_work = running(lab);
        assert!(at_work <= AT_ONCE, "{at_work} backups run at once");
        clients.retain_mut(|(name, child)| match child.try_wait().unwrap() {
            Some(status) => {
                assert!(status.success(), "{name} was refused\n{}", lab.log());
                false
            }
            None => true,
        });
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn many_clients_at_once_are_served_one_after_the_other_in_bounded_memory() {
    let count = std::env::var(VARIABLE)
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(CLIENTS);
    let mut lab = Lab::plain();
    lab.start_with(&["--setting", &format!("max_backups={AT_ONCE}")], &[]);
    let source = lab.root().join("load");
    fs::create_dir(&source).unwrap();
    for number in 0..20 {
        fs::write(source.join(number.to_string()), noise(number, 200_000)).unwrap();
    }
    let names: Vec<String> = (0..count).map(|number| format!("client-{number}")).collect();
    for name in &names {
        lab.enroll(name);
    }
    let (few, many) = names.split_at(AT_ONCE * 2);
    back_up_at_once(&lab, few);
    let before_kib = peak_kib(&lab);
    back_up_at_once(&lab, many);
    let after_kib = peak_kib(&lab);
    eprintln!(
        "peak with {} clients {before_kib} KiB, with {count} {after_kib} KiB",
        few.len()
    );
    assert!(
        after_kib < before_kib * 2,
        "{before_kib} KiB grew to {after_kib} KiB"
    );
    for name in &names {
        assert_eq!(lab.backups(name).len(), 1, "{name}");
    }
}

/// More than may be announced and not complete, so small that they are sent before the server has looked at the first.
#[test]
fn a_directory_of_very_many_small_files_is_backed_up() {
    const FILES: usize = 40_000;
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    for dir in ["many", "others"] {
        fs::create_dir_all(source.join(dir)).unwrap();
    }
    for number in 0..FILES {
        fs::File::create(source.join(format!("many/{number:05}"))).unwrap();
    }
    fs::write(source.join("others/last"), "the directory behind it").unwrap();
    let name = lab.back_up("laptop", &source);
    let kept = lab.storage().join("laptop").join(&name).join("data");
    assert_eq!(fs::read_dir(kept.join("many")).unwrap().count(), FILES);
    assert_eq!(
        fs::read_to_string(kept.join("others/last")).unwrap(),
        "the directory behind it"
    );
}
