//! What is in backups, over all of them: search by name, and the versions of a file. And clients that go.

use std::fs;

use crate::lab::{Lab, refused, text, wait_for};

#[test]
fn files_are_found_by_name_in_all_backups() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("docs");
    fs::create_dir_all(source.join("letters")).unwrap();
    fs::write(source.join("Report one.odt"), "1").unwrap();
    fs::write(source.join("letters/report-two.txt"), "2").unwrap();
    let first = lab.back_up("laptop", &source);
    fs::remove_file(source.join("Report one.odt")).unwrap();
    fs::write(source.join("letters/report-two.txt"), "another").unwrap();
    let second = lab.back_up("laptop", &source);

    let found = |arguments: &[&str]| -> Vec<(String, String)> {
        let all = [&["backup", "search", "laptop"], arguments, &["--json"]].concat();
        let found = lab.json(all);
        let field = |entry: &serde_json::Value, name: &str| entry[name].as_str().unwrap().to_owned();
        let entries = found.as_array().unwrap().iter();
        entries
            .map(|entry| (field(entry, "path"), field(entry, "backup")))
            .collect()
    };
    let two = ("data/letters/report-two.txt".to_owned(), second.clone());
    let one = ("data/Report one.odt".to_owned(), first.clone());
    assert_eq!(found(&["REPORT"]), [two.clone(), one.clone()]);
    assert_eq!(found(&["*.odt"]), [one]);
    assert_eq!(found(&["report", "--beneath", "data/letters"]), [two]);
    assert_eq!(found(&["report", "--beneath", "data/let"]), []);
    assert_eq!(found(&["nothing like it"]), []);
    assert!(refused(&lab, &["backup", "search", "laptop", ""]).contains("say what to search for"));
    assert!(refused(&lab, &["backup", "search", "nobody", "x"]).contains("nobody"));
    lab.stop();
}

#[test]
fn the_versions_of_a_file_are_told_once_each() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("docs");
    fs::create_dir_all(&source).unwrap();
    let file = source.join("a");
    let mut backups = Vec::new();
    let contents = [Some("1"), Some("1"), None, Some("22"), Some("22"), Some("333")];
    let mut last = None;
    for content in contents {
        match content {
            Some(content) if last == Some(content) => {}
            Some(content) => fs::write(&file, content).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        last = content;
        backups.push(lab.back_up("laptop", &source));
    }
    let versions = lab.json(["backup", "versions", "laptop", "data/a", "--json"]);
    let told = versions.as_array().unwrap().iter().map(|version| {
        let at = |name: &str| version[name].as_str().unwrap().to_owned();
        (
            version["size"].as_u64().unwrap(),
            at("oldest_backup"),
            at("newest_backup"),
        )
    });
    let version =
        |size, oldest: usize, newest: usize| (size, backups[oldest].clone(), backups[newest].clone());
    assert_eq!(
        told.collect::<Vec<_>>(),
        [version(3, 5, 5), version(2, 3, 4), version(1, 0, 1)]
    );
    assert!(refused(&lab, &["backup", "versions", "laptop", "data/b"]).contains("data/b"));
    lab.stop();
}

#[test]
fn a_client_is_disabled_and_removed_and_comes_back() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("docs");
    fs::create_dir_all(&source).unwrap();
    fs::write(source.join("a"), "a").unwrap();
    let backup = lab.back_up("laptop", &source);
    let state = || {
        lab.json(["clients", "list", "--json"])[0]["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let once = || lab.once_command("laptop", &source, &[]).output().unwrap();

    let agent = lab.start_agent("laptop", &source);
    lab.wait_until_connected();
    lab.ok(["clients", "disable", "laptop"]);
    assert_eq!(state(), "disabled");
    wait_for(&lab, "the client to be sent away", || {
        let list = lab.json(["clients", "list", "--json"]);
        (list[0]["connected"] == false).then_some(())
    });
    let barred = once();
    assert!(!barred.status.success());
    assert!(
        text(&barred.stderr).contains("client laptop is disabled on the server"),
        "{}",
        text(&barred.stderr)
    );
    lab.ok(["clients", "enable", "laptop"]);
    // What stands by comes back by itself.
    lab.wait_until_connected();
    crate::lab::signal(&agent, rustix::process::Signal::TERM);
    let mut agent = agent;
    agent.wait().unwrap();

    lab.ok(["backup", "hold", &format!("laptop/{backup}"), "--reason", "court"]);
    let refusal = refused(&lab, &["clients", "remove", "laptop"]);
    assert!(refusal.contains("held: court"), "{refusal}");
    lab.ok(["backup", "release", &format!("laptop/{backup}")]);
    lab.ok(["clients", "remove", "laptop"]);
    assert_eq!(state(), "removed");
    assert!(text(&once().stderr).contains("client laptop is removed on the server"));
    lab.ok(["clients", "take-back", "laptop"]);
    assert!(once().status.success());

    // Without time to take it back it goes with the next cleanup.
    lab.ok(["settings", "set", "removed_keep=0m"]);
    lab.ok(["clients", "remove", "laptop"]);
    wait_for(&lab, "the client to go", || {
        lab.ok(["retention", "cleanup"]);
        (lab.json(["clients", "list", "--json"]) == serde_json::json!([])).then_some(())
    });
    assert!(!lab.storage().join("laptop").join(&backup).exists());
    lab.stop();
}
