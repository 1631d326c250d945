//! The catalog is lost or damaged, and comes back from its copy in the storage; the doctor tells how things are.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use hyper_util::rt::TokioIo;
use scratch_fs::FileSystem;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::transport::{Endpoint, Uri};
use wire::v1::CleanupRequest;
use wire::v1::planning_client::PlanningClient;

use crate::lab::{Lab, assert_same, source, text};

/// Has the server do its nightly cleanup, and waits for its end.
fn clean_up(lab: &Lab) {
    let socket = lab.server_state().join("admin.sock");
    Runtime::new().unwrap().block_on(async {
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        let endpoint = Endpoint::from_static("http://admin.perennial.internal");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        let request = CleanupRequest { detach: false };
        let reply = PlanningClient::new(channel).cleanup(request).await;
        let mut events = reply.unwrap().into_inner();
        while events.message().await.unwrap().is_some() {}
    });
}

/// The copies in the storage, oldest first.
fn copies(lab: &Lab) -> Vec<PathBuf> {
    let listed = lab.command(["server", "restore-catalog", "--list", "--json", "--storage"]);
    let mut listed = at(lab, listed);
    let output = listed.arg(lab.storage()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let copies: Value = serde_json::from_slice(&output.stdout).unwrap();
    let copies = copies.as_array().unwrap().iter();
    copies.map(|copy| copy["path"].as_str().unwrap().into()).collect()
}

fn at(lab: &Lab, mut command: std::process::Command) -> std::process::Command {
    command.env("PERENNIAL_SERVER_STATE", lab.server_state());
    command
}

fn put_back(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = at(
        lab,
        lab.command(["server", "restore-catalog", "--json", "--storage"]),
    );
    command.arg(lab.storage()).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)))
}

fn remove_catalog(lab: &Lab) {
    for entry in fs::read_dir(lab.server_state()).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with("catalog.")
        {
            fs::remove_file(path).unwrap();
        }
    }
}

/// What the doctor says of one thing.
fn level(lab: &Lab, check: &str) -> String {
    let mut command = at(lab, lab.command(["server", "doctor", "--json", "--storage"]));
    let output = command.arg(lab.storage()).output().unwrap();
    let report = json(&output);
    let is_troubled = matches!(report["worst"].as_str().unwrap(), "warning" | "error");
    assert_eq!(
        output.status.code(),
        Some(if is_troubled { 3 } else { 0 }),
        "{report}"
    );
    let findings = report["findings"].as_array().unwrap().iter();
    let mut levels = findings.filter(|finding| finding["check"] == check);
    let found = levels
        .next()
        .unwrap_or_else(|| panic!("nothing is said of {check} in {report}"));
    found["level"].as_str().unwrap().to_owned()
}

#[test]
fn a_lost_catalog_comes_back_with_its_clients_and_what_was_backed_up_since() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 31);
    let first = lab.back_up("laptop", &source);
    lab.ok(["settings", "set", "keep_daily=17"]);
    assert_eq!(level(&lab, "catalog-copies"), "warning");
    clean_up(&lab);
    assert_eq!(level(&lab, "catalog-copies"), "ok");
    let second = lab.back_up("laptop", &source);
    lab.stop();
    remove_catalog(&lab);
    let refused = lab.refused(&[]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("restore-catalog"),
        "{}",
        text(&refused.stderr)
    );
    let restored = put_back(&lab, &[]);
    assert_eq!(restored.status.code(), Some(0), "{}", text(&restored.stderr));
    let report = json(&restored);
    assert_eq!(
        (&report["taken_in"], &report["keys"]),
        (&1.into(), &"in place".into())
    );
    lab.start();
    assert_eq!(lab.backups("laptop"), [first.clone(), second.clone()]);
    // The client is let in with the certificate that it has.
    let third = lab.back_up("laptop", &source);
    for name in [&first, &second, &third] {
        lab.verify("laptop", name);
    }
    assert_same(&source, &lab.restored("laptop", &third));
    let shown = lab.ok(["settings", "explain", "laptop", "keep_daily"]);
    assert!(shown.contains("17"), "{shown}");
}

#[test]
fn with_the_keys_in_the_copy_a_lost_state_directory_costs_nothing() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 32);
    let name = lab.back_up("laptop", &source);
    lab.ok(["settings", "set", "catalog_backup=catalog-and-keys"]);
    clean_up(&lab);
    lab.stop();
    fs::remove_dir_all(lab.server_state()).unwrap();
    let restored = put_back(&lab, &["--from", "latest"]);
    assert_eq!(json(&restored)["keys"], "put back");
    let key = lab.server_state().join("trust/authority.key.pem");
    assert_eq!(fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    lab.start();
    lab.back_up("laptop", &source);
    assert_same(&source, &lab.restored("laptop", &name));
}

#[test]
fn a_damaged_catalog_is_told_and_a_damaged_copy_is_passed_over() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 33);
    let name = lab.back_up("laptop", &source);
    clean_up(&lab);
    clean_up(&lab);
    let made = copies(&lab);
    assert_eq!(made.len(), 2);
    assert!(!put_back(&lab, &[]).status.success(), "while the server runs");
    lab.stop();
    for damaged in [&made[1], &lab.server_state().join("catalog.sqlite")] {
        let bytes = fs::read(damaged).unwrap();
        fs::write(damaged, &bytes[..bytes.len() / 2]).unwrap();
    }
    let refused = lab.refused(&[]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(
        told.contains("is damaged") && told.contains("restore-catalog"),
        "{told}"
    );
    assert_eq!(level(&lab, "catalog"), "error");
    assert_eq!(level(&lab, "catalog-copies"), "error");
    let wanted = put_back(&lab, &["--from", made[1].to_str().unwrap()]);
    assert_eq!(wanted.status.code(), Some(1), "{}", text(&wanted.stdout));
    let restored = put_back(&lab, &[]);
    assert_eq!(restored.status.code(), Some(3), "{}", text(&restored.stderr));
    let report = json(&restored);
    assert_eq!(report["copy"].as_str().unwrap(), made[0].to_str().unwrap());
    assert!(Path::new(report["set_aside"].as_str().unwrap()).exists());
    lab.start();
    assert_eq!(lab.backups("laptop"), [name]);
    lab.back_up("laptop", &source);
}

#[test]
fn the_catalog_of_another_server_is_not_put_back() {
    let mut lab = Lab::plain();
    lab.start();
    lab.stop();
    let other = lab.root().join("other");
    drop(catalog::Catalog::create_or_open(&other).unwrap());
    let before = fs::read(lab.server_state().join("catalog.sqlite")).unwrap();
    let refused = put_back(&lab, &["--from", other.join("catalog.sqlite").to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        text(&refused.stderr).contains("another server"),
        "{}",
        text(&refused.stderr)
    );
    let none = put_back(&lab, &[]);
    assert!(
        text(&none.stderr).contains("rebuild-catalog"),
        "{}",
        text(&none.stderr)
    );
    assert_eq!(
        fs::read(lab.server_state().join("catalog.sqlite")).unwrap(),
        before
    );
}

#[test]
fn a_new_version_begins_with_a_copy() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    lab.stop();
    let note = |version| {
        let catalog = catalog::Catalog::open(&lab.server_state()).unwrap();
        catalog.set_program(version).unwrap();
    };
    note("0.0.1");
    lab.start();
    assert_eq!(copies(&lab).len(), 1);
    lab.stop();
    lab.start();
    assert_eq!(copies(&lab).len(), 1);
}

#[test]
fn a_full_storage_fails_the_copy_and_not_the_cleanup() {
    let Some(mut lab) = Lab::sized(FileSystem::Ext4, 96 << 20) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    clean_up(&lab);
    let filler = lab.storage().with_file_name("filler");
    let mut file = fs::File::create(&filler).unwrap();
    let chunk = vec![7; 64 << 10];
    while std::io::Write::write_all(&mut file, &chunk).is_ok() {}
    // Room for the copy's directory, but not for the catalog.
    let len = file.metadata().unwrap().len();
    file.set_len(len - (64 << 10)).unwrap();
    file.sync_all().unwrap();
    drop(file);
    clean_up(&lab);
    assert_eq!(copies(&lab).len(), 1);
    let place = lab.storage().join(".perennial/catalog");
    let left = fs::read_dir(&place).map_or(0, Iterator::count);
    assert_eq!(left, 1);
    let jobs = lab.json(["jobs", "list", "--json"]);
    assert_eq!(
        (&jobs[0]["kind"], &jobs[0]["state"]),
        (&"cleanup".into(), &"done".into())
    );
    assert!(lab.log().contains("could not be copied"), "{}", lab.log());
    fs::remove_file(&filler).unwrap();
    clean_up(&lab);
    assert_eq!(copies(&lab).len(), 2, "{}", lab.log());
}

#[test]
fn the_doctor_sees_the_same_from_within_and_from_outside() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let key = lab.server_state().join("trust/authority.key.pem");
    let socket = lab.server_state().join("admin.sock");
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for running in [true, false] {
        if !running {
            lab.stop();
            // Or each start would look through the catalog as after a crash.
            let log = fs::metadata(lab.server_state().join("catalog.sqlite-wal"));
            assert_eq!(log.map_or(0, |log| log.len()), 0);
        }
        for check in [
            "catalog",
            "keys",
            "authority",
            "storage",
            "storage-owner",
            "storage-backend",
            "clients",
        ] {
            assert_eq!(level(&lab, check), "ok", "{check}");
        }
        set_mode(&key, 0o644);
        assert_eq!(level(&lab, "keys"), "error");
        set_mode(&key, 0o600);
        set_mode(&lab.server_state(), 0o755);
        assert_eq!(level(&lab, "state-directory"), "warning");
        set_mode(&lab.server_state(), 0o700);
        if running {
            assert_eq!(level(&lab, "admin-socket"), "ok");
            set_mode(&socket, 0o666);
            assert_eq!(level(&lab, "admin-socket"), "error");
        }
    }
    assert!(
        lab.log().contains("catalog and storage lie on the same"),
        "{}",
        lab.log()
    );
}
