//! What goes wrong around a server, and that nothing is lost by it.

use std::fs;

use crate::lab::{Lab, assert_same, source, text};

fn refusal(lab: &Lab) -> String {
    let output = lab.refused(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    text(&output.stderr)
}

#[test]
fn a_directory_with_other_things_in_it_is_no_storage() {
    let lab = Lab::plain();
    fs::create_dir_all(lab.storage()).unwrap();
    fs::write(lab.storage().join("letter"), "dear").unwrap();
    assert!(refusal(&lab).contains("is not a storage"));
    assert_eq!(fs::read_to_string(lab.storage().join("letter")).unwrap(), "dear");
}

#[test]
fn a_storage_of_a_newer_format_is_refused() {
    let mut lab = Lab::plain();
    lab.start();
    lab.stop();
    let file = lab.storage().join(".perennial/storage.toml");
    let identity = fs::read_to_string(&file).unwrap();
    fs::write(&file, identity.replace("format = 1", "format = 99")).unwrap();
    assert!(refusal(&lab).contains("has format 99"));
    fs::write(&file, identity).unwrap();
    lab.start();
}

#[test]
fn a_storage_of_another_server_is_refused() {
    let mut lab = Lab::plain();
    lab.start();
    lab.stop();
    fs::rename(lab.server_state(), lab.root().join("old-state")).unwrap();
    assert!(refusal(&lab).contains("belongs to"));
}

#[test]
fn two_servers_can_share_neither_catalog_nor_storage() {
    let mut lab = Lab::plain();
    lab.start();
    let second = lab
        .command(["server", "run", "--listen", "127.0.0.1:0", "--state"])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(lab.root().join("elsewhere"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("in use"),
        "{}",
        text(&second.stderr)
    );
    let third = lab
        .command(["server", "run", "--listen", "127.0.0.1:0", "--state"])
        .arg(lab.root().join("other-state"))
        .arg("--storage")
        .arg(lab.storage())
        .output()
        .unwrap();
    assert_eq!(third.status.code(), Some(1));
    lab.ok(["status"]);
}

#[test]
fn an_address_that_is_taken_is_told() {
    let mut lab = Lab::plain();
    lab.start();
    let second = lab
        .command(["server", "run", "--listen", lab.address(), "--state"])
        .arg(lab.root().join("other-state"))
        .arg("--storage")
        .arg(lab.root().join("other-storage"))
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains("can't listen on"),
        "{}",
        text(&second.stderr)
    );
}

#[test]
fn a_missing_source_fails_the_backup_unless_it_is_optional() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let output = lab
        .once_command("laptop", &lab.root().join("gone"), &[])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("gone"), "{}", text(&output.stderr));
    assert!(lab.backups("laptop").is_empty());
}

#[test]
fn a_source_that_is_gone_does_not_take_the_backups_with_it() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 7);
    let name = lab.back_up("laptop", &source);
    let away = lab.root().join("away");
    fs::rename(&source, &away).unwrap();
    assert!(
        !lab.once_command("laptop", &source, &[])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert_eq!(lab.backups("laptop"), std::slice::from_ref(&name));
    assert_same(&away, &lab.restored("laptop", &name));
}

#[test]
fn a_lost_catalog_is_rebuilt_from_the_storage() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 8);
    let name = lab.back_up("laptop", &source);
    lab.stop();
    for entry in fs::read_dir(lab.server_state()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("catalog.sqlite")
        {
            fs::remove_file(path).unwrap();
        }
    }
    let rebuilt = lab
        .command(["server", "rebuild-catalog", "--state"])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(lab.storage())
        .output()
        .unwrap();
    assert!(rebuilt.status.success(), "{}", text(&rebuilt.stderr));
    lab.start();
    assert_eq!(lab.backups("laptop"), std::slice::from_ref(&name));
    lab.verify("laptop", &name);
    // The keys are still there, but the catalog no longer knows the client's certificate.
    let refused = lab.once_command("laptop", &source, &[]).output().unwrap();
    assert!(
        text(&refused.stderr).contains("enrol it with a new token"),
        "{}",
        text(&refused.stderr)
    );
    lab.enroll_again("laptop");
    assert_same(&source, &lab.restored("laptop", &name));
}

#[test]
fn a_backup_of_a_client_whose_clock_is_years_off_is_dated_by_the_server() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    let file = fs::File::create(source.join("from the future")).unwrap();
    let future = std::time::SystemTime::now() + std::time::Duration::from_secs(20 * 365 * 86_400);
    file.set_modified(future).unwrap();
    let name = lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &name));
    let listed = lab.json(["backup", "list", "laptop", "--json"]);
    let started = listed[0]["started"].as_str().unwrap_or_default().to_owned();
    let year = started
        .get(..4)
        .and_then(|year| year.parse::<i32>().ok())
        .unwrap();
    assert!(year < 2040, "{started}");
}

fn remount(lab: &Lab, options: &str) -> std::process::Output {
    let mount_point = lab.storage().parent().unwrap();
    std::process::Command::new("mount")
        .args(["-o", &format!("remount,{options}")])
        .arg(mount_point)
        .output()
        .unwrap()
}

#[test]
fn a_storage_on_a_read_only_file_system_is_refused() {
    crate::lab::on_each_storage(|lab| {
        lab.enroll("laptop");
        let source = source(lab, 10);
        let name = lab.back_up("laptop", &source);
        lab.stop();
        let output = remount(lab, "ro");
        assert!(output.status.success(), "{}", text(&output.stderr));
        let refusal = refusal(lab);
        let output = remount(lab, "rw");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(refusal.contains("the file system is read-only"), "{refusal}");
        assert!(refusal.contains("hint: mount it writable"), "{refusal}");
        lab.start();
        lab.verify("laptop", &name);
        lab.back_up("laptop", &source);
    });
}

#[test]
fn a_storage_that_turns_read_only_takes_nothing_and_gives_all() {
    let Some(mut lab) = Lab::on(scratch_fs::FileSystem::Ext4) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 11);
    let name = lab.back_up("laptop", &source);
    fs::write(source.join("more"), "more").unwrap();
    // What the kernel does when the file system is damaged. Then the remount may be refused for that very reason.
    let output = remount(&lab, "errors=remount-ro,abort");
    let trial = fs::File::create(lab.storage().with_file_name("trial"));
    let is_read_only = trial.is_err_and(|error| error.kind() == std::io::ErrorKind::ReadOnlyFilesystem);
    assert!(is_read_only, "{}", text(&output.stderr));
    let output = lab.once_command("laptop", &source, &[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("read-only"),
        "{}",
        text(&output.stderr)
    );
    let delete = lab.admin(["backup", "delete", "--now", &format!("laptop/{name}")]);
    assert_eq!(delete.status.code(), Some(1), "{}", text(&delete.stderr));
    assert!(
        text(&delete.stderr).contains("read-only"),
        "{}",
        text(&delete.stderr)
    );
    lab.ok(["status"]);
    assert!(!lab.log().contains("panicked"), "{}", lab.log());
    lab.stop();
    assert!(refusal(&lab).contains("the file system is read-only"));
}

#[test]
fn a_storage_that_is_not_there_is_never_taken_for_an_empty_one() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 12);
    let name = lab.back_up("laptop", &source);
    lab.stop();
    let before = lab.root().join("away");
    fs::rename(lab.storage(), &before).unwrap();
    for dir in [None, Some(lab.storage())] {
        // As where a file system is not mounted: nothing, then an empty directory.
        dir.map(fs::create_dir).transpose().unwrap();
        let refusal = refusal(&lab);
        assert!(
            refusal.contains("is not the storage with the 1 backups that the catalog knows of"),
            "{refusal}"
        );
        assert!(refusal.contains("hint: mount its file system"), "{refusal}");
    }
    assert_eq!(
        fs::read_dir(lab.storage()).unwrap().count(),
        0,
        "something was made there"
    );
    // A command that starts the server for itself does not know of --storage.
    let listed = lab.admin(["backup", "list"]);
    assert_eq!(listed.status.code(), Some(1), "{}", text(&listed.stdout));
    fs::remove_dir(lab.storage()).unwrap();
    fs::rename(&before, lab.storage()).unwrap();
    lab.start();
    assert_eq!(lab.backups("laptop"), std::slice::from_ref(&name));
    lab.verify("laptop", &name);
    lab.stop();
    begin_anew(&mut lab, &source);
}

/// With another storage, in place of one that is gone for good.
fn begin_anew(lab: &mut Lab, source: &std::path::Path) {
    fs::remove_dir_all(lab.storage()).unwrap();
    let adopted = lab
        .command(["server", "adopt-storage", "--state"])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(lab.storage())
        .output()
        .unwrap();
    assert!(adopted.status.success(), "{}", text(&adopted.stderr));
    lab.start();
    assert!(lab.backups("laptop").is_empty());
    let name = lab.back_up("laptop", source);
    assert_same(source, &lab.restored("laptop", &name));
}

#[test]
fn a_catalog_is_made_anew_of_more_backups_than_files_can_be_open() {
    const FILES: usize = 64;
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = lab.root().join("source");
    fs::create_dir(&source).unwrap();
    for _ in 0..=FILES {
        lab.back_up("laptop", &source);
    }
    lab.stop();
    fs::remove_dir_all(lab.server_state()).unwrap();
    let output = std::process::Command::new("prlimit")
        .arg(format!("--nofile={FILES}"))
        .arg(env!("CARGO_BIN_EXE_perennial"))
        .args(["server", "rebuild-catalog", "--json", "--state"])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(lab.storage())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rebuilt: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rebuilt["backups"], FILES + 1);
}
