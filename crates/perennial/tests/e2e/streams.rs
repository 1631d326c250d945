//! The output of commands as files of a backup: stored, shared between versions, given back with and without Perennial.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use scratch_fs::FileSystem;

use crate::lab::{Lab, on_each_storage, signal, text};

/// The flag that makes a source called `db` of these streams, in TOML.
fn source(streams: &str) -> [String; 2] {
    [
        "--source".to_owned(),
        format!("{{ name = \"db\", streams = {{ {streams} }} }}"),
    ]
}

/// The command that makes a backup of nothing but these streams.
fn command(lab: &Lab, streams: &str) -> Command {
    let mut command = lab.command(["client", "once", "--json", "--state"]);
    command.arg(lab.client_state("laptop")).args(source(streams));
    command
}

/// Makes such a backup; returns its name and the exit code.
fn back_up(lab: &Lab, streams: &str) -> (String, i32) {
    let output = command(lab, streams).output().unwrap();
    let code = output.status.code().unwrap();
    assert!(matches!(code, 0 | 3), "{}\n{}", text(&output.stderr), lab.log());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    (report["backup"]["name"].as_str().unwrap().to_owned(), code)
}

/// Restores a whole backup; returns the directory of its streams.
fn restored(lab: &Lab, name: &str) -> PathBuf {
    let to = tempfile::tempdir_in(lab.root()).unwrap().keep();
    let output = lab.restore("laptop", name, &to, &[]);
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), lab.log());
    to.join("db")
}

/// Where the server has a file.
fn stored(lab: &Lab, name: &str, file: &str) -> PathBuf {
    let shown = lab.json(["backup", "show", &format!("laptop/{name}"), "--json"]);
    let location = shown["location"].as_str().unwrap();
    Path::new(location).join("db").join(file)
}

/// A dump of about so many bytes.
fn dump(len_bytes: usize) -> Vec<String> {
    let mut random = Random(7);
    let mut rows = Vec::new();
    let mut len = 0;
    while len < len_bytes {
        let row = random.row(rows.len());
        len += row.len();
        rows.push(row);
    }
    rows
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn row(&mut self, id: usize) -> String {
        let (key, customer, price) = (self.next(), self.next() % 5000, self.next() % 100_000);
        format!("INSERT INTO orders VALUES ({id}, '{key:016x}', 'customer {customer}', {price});\n")
    }
}

/// Space that is in use on the file system of a path.
fn used_bytes(path: &Path) -> u64 {
    let dir = fs::File::open(path).unwrap();
    rustix::fs::syncfs(&dir).unwrap();
    let stat = rustix::fs::fstatvfs(&dir).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

#[test]
fn what_commands_print_is_backed_up_and_restored() {
    on_each_storage(|lab| {
        lab.enroll("laptop");
        let streams = "\"all.sql\" = \"echo 'drop table x;'; echo noise >&2\", empty = \"true\", \
                       zeros = \"head -c 5000000 /dev/zero\", big = { command = \"seq 1 1000000\", align = true }, \
                       none = { command = \"true\", align = true }";
        let (name, code) = back_up(lab, streams);
        assert_eq!(code, 0);
        lab.verify("laptop", &name);
        let db = restored(lab, &name);
        let read = |file: &str| fs::read(db.join(file)).unwrap();
        assert_eq!(read("all.sql"), b"drop table x;\n");
        assert_eq!((read("empty"), read("none")), (Vec::new(), Vec::new()));
        assert_eq!(read("zeros"), vec![0; 5_000_000]);
        let numbers: String = (1..=1_000_000).map(|number| format!("{number}\n")).collect();
        assert!(read("big") == numbers.as_bytes());
        let mut names: Vec<_> = fs::read_dir(&db)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["all.sql", "big", "empty", "none", "zeros"]);
        let metadata = fs::metadata(db.join("big")).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, 0o600);
        let shown = fs::metadata(stored(lab, &name, "big.aligned")).unwrap();
        assert_eq!(metadata.mtime_nsec(), shown.mtime_nsec());
    });
}

#[test]
fn a_command_that_fails_leaves_a_problem_and_no_file() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    back_up(&lab, "all = \"seq 1 500000\", other = \"echo fine\"");
    let (name, code) = back_up(
        &lab,
        "all = \"seq 1 500000; echo 'no space' >&2; exit 3\", other = \"echo fine\", lost = \"kill -9 $$\", \
         held = \"sleep 20 &\"",
    );
    assert_eq!(code, 3);
    let shown = lab.json(["backup", "show", &format!("laptop/{name}"), "--json"]);
    let mut problems: Vec<String> = shown["problem_list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            let word = |key: &str| problem[key].as_str().unwrap().to_owned();
            format!("{} {}: {}", word("path"), word("kind"), word("message"))
        })
        .collect();
    problems.sort();
    assert_eq!(
        problems,
        [
            "db/all unreadable: the command exited with status 3; it said: no space",
            "db/held unreadable: the command has exited, and something that it has started still holds its output open",
            "db/lost unreadable: the command was ended by signal 9",
        ]
    );
    let db = restored(&lab, &name);
    assert!(!db.join("all").exists() && !db.join("lost").exists());
    assert_eq!(fs::read(db.join("other")).unwrap(), b"fine\n");
    // It comes again as soon as its command does.
    let (name, code) = back_up(&lab, "all = \"seq 1 500000\"");
    assert_eq!(code, 0);
    lab.verify("laptop", &name);
}

#[test]
fn inserted_rows_cost_little_in_an_aligned_stream() {
    for kind in [FileSystem::Btrfs, FileSystem::Xfs] {
        let Some(mut lab) = Lab::on(kind) else { continue };
        eprintln!("--- on {}", kind.name());
        lab.start();
        lab.enroll("laptop");
        let file = lab.root().join("dump.sql");
        let streams = format!(
            "\"all.sql\" = {{ command = \"cat {}\", align = true }}",
            file.display()
        );
        let mut rows = dump(64 << 20);
        fs::write(&file, rows.concat()).unwrap();
        let (first, _) = back_up(&lab, &streams);
        let full = lab.sent_bytes("laptop", &first);
        let mut random = Random(11);
        for _ in 0..100 {
            let at = random.next() as usize % rows.len();
            let row = random.row(0);
            rows.insert(at, row);
        }
        fs::write(&file, rows.concat()).unwrap();
        let before = used_bytes(lab.storage());
        let (second, _) = back_up(&lab, &streams);
        let stored_bytes = used_bytes(lab.storage()) - before;
        let sent = lab.sent_bytes("laptop", &second);
        eprintln!("full: {full} sent; then: {sent} sent, {stored_bytes} stored");
        assert!(sent * 4 < full, "{sent} of {full} bytes were sent");
        assert!(
            stored_bytes * 4 < full,
            "{stored_bytes} of {full} bytes were stored"
        );
        let db = restored(&lab, &second);
        assert!(fs::read(db.join("all.sql")).unwrap() == rows.concat().as_bytes());
        // One that changes nothing costs nothing but its index.
        let (third, _) = back_up(&lab, &streams);
        let sent = lab.sent_bytes("laptop", &third);
        assert!(sent < 500_000, "{sent} bytes were sent for nothing");
        lab.ok(["backup", "delete", &format!("laptop/{first}")]);
        for name in [&second, &third] {
            lab.verify("laptop", name);
        }
    }
}

fn unpack(lab: &Lab, file: &Path) -> Output {
    lab.command(["stream", "unpack"]).arg(file).output().unwrap()
}

#[test]
fn a_stored_stream_is_given_back_without_a_server_and_without_perennial() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let file = lab.root().join("dump.sql");
    let streams = format!("all = {{ command = \"cat {}\", align = true }}", file.display());
    let mut rows = dump(5 << 20);
    fs::write(&file, rows.concat()).unwrap();
    back_up(&lab, &streams);
    rows.insert(5000, "-- new\n".repeat(3));
    fs::write(&file, rows.concat()).unwrap();
    let (name, _) = back_up(&lab, &streams);
    let stored = stored(&lab, &name, "all.aligned");
    lab.stop();
    let output = unpack(&lab, &stored);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stdout == rows.concat().as_bytes());

    let manual = include_str!("../../../../docs/formats/stream.md");
    let script = manual
        .split("```python\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let python = Command::new("python3")
        .arg("-c")
        .arg(script)
        .arg(&stored)
        .output();
    match python {
        Ok(output) => {
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert!(output.stdout == rows.concat().as_bytes());
        }
        Err(error) => eprintln!("the script of the format's description was not run: {error}"),
    }

    let mut bytes = fs::read(&stored).unwrap();
    bytes[1000] ^= 1;
    let damaged = lab.root().join("damaged");
    fs::write(&damaged, bytes).unwrap();
    let to = lab.root().join("out");
    let output = lab
        .command(["stream", "unpack"])
        .arg(&damaged)
        .arg("--to")
        .arg(&to)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("is damaged: chunk"),
        "{}",
        text(&output.stderr)
    );
    assert!(!to.exists());
    let output = unpack(&lab, &file);
    assert!(text(&output.stderr).contains("it is no aligned stream"));
}

#[test]
fn a_restored_stream_respects_what_is_in_its_place() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let (name, _) = back_up(&lab, "all = { command = \"seq 1 200000\", align = true }");
    let to = lab.root().join("to");
    let place = to.join("db/all");
    let restore = |arguments: &[&str]| lab.restore("laptop", &name, &to, arguments);
    fs::create_dir_all(to.join("db")).unwrap();
    fs::write(&place, "mine").unwrap();
    let output = restore(&["--existing", "fail"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("is in the way"),
        "{}",
        text(&output.stderr)
    );
    restore(&["--existing", "keep"]);
    assert_eq!(fs::read(&place).unwrap(), b"mine");
    restore(&["--existing", "both"]);
    assert_eq!(fs::read(to.join("db/all.kept")).unwrap(), b"mine");
    let numbers = fs::read_to_string(&place).unwrap();
    assert!(numbers.starts_with("1\n2\n") && numbers.ends_with("\n200000\n"));
    fs::write(&place, "mine again").unwrap();
    restore(&["--existing", "overwrite"]);
    assert_eq!(fs::read_to_string(&place).unwrap(), numbers);
    assert!(!to.join("db/all.aligned").exists());
    let single = lab.root().join("single");
    let output = lab.restore("laptop", &format!("{name}:db/all.aligned"), &single, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(fs::read_to_string(single.join("all")).unwrap(), numbers);
}

#[test]
fn a_stream_that_is_cut_off_is_read_anew_and_nothing_hangs() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let pid = lab.root().join("pid");
    let hanging = format!(
        "all = \"seq 1 1000000; echo $$ > '{}'; exec sleep 600\"",
        pid.display()
    );
    let mut client = command(&lab, &hanging)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while fs::read_to_string(&pid).unwrap_or_default().trim().is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", lab.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&client, rustix::process::Signal::INT);
    assert_eq!(client.wait().unwrap().code(), Some(130));
    let process = fs::read_to_string(&pid).unwrap();
    assert!(
        !Path::new("/proc").join(process.trim()).exists(),
        "the command goes on"
    );
    let (name, code) = back_up(&lab, "all = \"seq 1 1000000\"");
    assert_eq!(code, 0);
    lab.verify("laptop", &name);
    let numbers = fs::read_to_string(restored(&lab, &name).join("all")).unwrap();
    assert!(numbers.ends_with("\n1000000\n") && numbers.lines().count() == 1_000_000);
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_stream_has_it_whole_in_the_end() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let (dump_file, held, go) = (
        lab.root().join("dump"),
        lab.root().join("held"),
        lab.root().join("go"),
    );
    let mut rows = dump(8 << 20);
    fs::write(&dump_file, rows.concat()).unwrap();
    let streams = format!(
        "all = {{ align = true, command = \"head -c 5000000 '{0}'; touch '{1}'; until [ -e '{2}' ]; do sleep 0.02; done; \
         tail -c +5000001 '{0}'\" }}",
        dump_file.display(),
        held.display(),
        go.display()
    );
    fs::write(&go, "").unwrap();
    back_up(&lab, &streams);
    fs::remove_file(&go).unwrap();
    fs::remove_file(&held).unwrap();
    for at in [100, 20_000, 60_000] {
        rows.insert(at, "-- new\n".repeat(40_000));
    }
    fs::write(&dump_file, rows.concat()).unwrap();
    let client = command(&lab, &streams)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !held.exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", lab.log());
        std::thread::sleep(Duration::from_millis(10));
    }
    lab.kill();
    lab.start();
    fs::write(&go, "").unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", lab.log());
    let name = lab.backups("laptop").pop().unwrap();
    lab.verify("laptop", &name);
    assert!(fs::read(restored(&lab, &name).join("all")).unwrap() == rows.concat().as_bytes());
}

#[test]
fn streams_are_not_compared_with_their_source() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let dir = lab.root().join("source");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("file"), "content").unwrap();
    let streams = source("all = \"date +%N\"");
    lab.back_up_with("laptop", &dir, &[&streams[0], &streams[1]]);
    let mut agent = lab.start_agent("laptop", &dir);
    lab.wait_until_connected();
    let output = lab.admin(["backup", "verify", "laptop/latest", "--source", "100%"]);
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("1 files of the source"),
        "{}",
        text(&output.stdout)
    );
    let told = text(&output.stderr);
    assert!(told.contains("1 outputs of commands are not compared"), "{told}");
}
