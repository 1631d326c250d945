//! Several storages: clients placed by setting, moved from one to another, quotas, checks that mend.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use scratch_fs::{FileSystem, Scratch};
use serde_json::Value;

use crate::disk::{EXT4, assert_same_volumes};
use crate::image;
use crate::interruption::noise;
use crate::lab::{Lab, assert_same, refused, source, text, wait_for};

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

fn scratch(kind: FileSystem) -> Option<Scratch> {
    if let Err(why) = kind.available() {
        eprintln!("skipped on {}: {why}", kind.name());
        return None;
    }
    let made = match kind {
        FileSystem::Btrfs => Scratch::btrfs(GIB),
        FileSystem::Xfs => Scratch::xfs(GIB),
        _ => Scratch::ext4(GIB),
    };
    Some(made.expect("a scratch file system"))
}

fn add(lab: &Lab, name: &str, path: &Path) -> Value {
    lab.json(["storage", "add", name, path.to_str().unwrap(), "--json"])
}

fn storage(lab: &Lab, name: &str) -> Value {
    let listed = lab.json(["storage", "list", "--json"]);
    let found = listed.as_array().unwrap().iter().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {listed}")).clone()
}

/// What the file system of a directory has in use.
fn used_bytes(dir: &Path) -> u64 {
    rustix::fs::sync();
    let stat = rustix::fs::statvfs(dir).unwrap();
    (stat.f_blocks - stat.f_bfree) * stat.f_frsize
}

/// Changes some bytes within a file, past any file system's knowledge of what they were.
fn flip(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let at = file.metadata().unwrap().len() / 3;
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(b"this was not what was written here").unwrap();
    file.sync_all().unwrap();
}

#[test]
fn clients_go_where_the_setting_says() {
    let mut lab = Lab::plain();
    lab.start();
    for client in ["near", "far"] {
        lab.enroll(client);
    }
    let source = source(&lab, 51);
    let first = lab.back_up("far", &source);
    let other = lab.root().join("other");
    let added = add(&lab, "cold", &other);
    assert_eq!(added["name"], "cold");
    assert_eq!(added["backups"], 0);
    let unknown = refused(&lab, &["settings", "set", "--client", "far", "storage=warm"]);
    assert!(unknown.contains("cold") && unknown.contains("main"), "{unknown}");
    lab.ok(["settings", "set", "--client", "far", "storage=cold"]);
    let second = lab.back_up("far", &source);
    let near = lab.back_up("near", &source);
    assert!(lab.storage().join("far").join(&first).exists());
    assert!(other.join("far").join(&second).exists());
    assert!(lab.storage().join("near").join(&near).exists());
    for name in [&first, &second] {
        assert_same(&source, &lab.restored("far", name));
    }
    let third = lab.back_up("far", &source);
    assert!(
        lab.sent_bytes("far", &third) < 1000,
        "it grows from the one in the same storage"
    );
    assert_eq!(storage(&lab, "cold")["backups"], 2);
    assert_eq!(storage(&lab, "main")["default"], true);

    let in_use = refused(&lab, &["storage", "remove", "cold"]);
    assert!(in_use.contains("storage"), "{in_use}");
    let within = refused(
        &lab,
        &["storage", "add", "nested", other.join("x").to_str().unwrap()],
    );
    assert!(within.contains("one can't lie in another"), "{within}");
    let taken = refused(
        &lab,
        &["storage", "add", "cold", lab.root().join("y").to_str().unwrap()],
    );
    assert!(taken.contains("already"), "{taken}");
    let known = refused(&lab, &["storage", "add", "again", other.to_str().unwrap()]);
    assert!(!known.is_empty());
    lab.ok(["storage", "rename", "cold", "attic"]);
    let explained = lab.json(["settings", "explain", "far", "storage", "--json"]);
    assert_eq!(explained[0]["value"], "attic");
    lab.stop();
    lab.start();
    assert_eq!(storage(&lab, "attic")["backups"], 2);
    assert_same(&source, &lab.restored("far", &third));
}

#[test]
fn a_storage_that_is_not_there_is_told_and_waited_for() {
    let mut lab = Lab::plain();
    lab.start();
    for client in ["near", "far"] {
        lab.enroll(client);
    }
    let source = source(&lab, 52);
    let (disk, unplugged) = (lab.root().join("disk"), lab.root().join("unplugged"));
    add(&lab, "disk", &disk);
    lab.ok(["settings", "set", "--client", "far", "storage=disk"]);
    let far = lab.back_up("far", &source);
    let near = lab.back_up("near", &source);
    lab.stop();
    fs::rename(&disk, &unplugged).unwrap();
    lab.start();
    assert!(storage(&lab, "disk")["absent"].is_string());
    assert!(storage(&lab, "disk")["free_bytes"].is_null());
    assert_same(&source, &lab.restored("near", &near));
    lab.back_up("near", &source);
    // What lies there is known, and can't be had.
    assert_eq!(lab.backups("far"), std::slice::from_ref(&far));
    let to = lab.root().join("nothing");
    let restored = lab.restore("far", &far, &to, &[]);
    assert_eq!(restored.status.code(), Some(1));
    assert!(
        text(&restored.stderr).contains("is not there"),
        "{}",
        text(&restored.stderr)
    );
    let tried = lab.once_command("far", &source, &[]).output().unwrap();
    assert_eq!(tried.status.code(), Some(1));
    assert!(text(&tried.stderr).contains("disk"), "{}", text(&tried.stderr));
    let doctor = lab.admin(["server", "doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(3));
    assert!(
        text(&doctor.stdout).contains("storage disk: "),
        "{}",
        text(&doctor.stdout)
    );

    fs::rename(&unplugged, &disk).unwrap();
    wait_for(&lab, "the storage", || {
        storage(&lab, "disk")["absent"].is_null().then_some(())
    });
    assert_same(&source, &lab.restored("far", &far));
    lab.back_up("far", &source);
}

/// A history that shares much: three backups of a tree in which a large file changes a little, and a second client with the same.
fn make_history(lab: &Lab) -> (PathBuf, Vec<(String, String)>) {
    let source = source(lab, 53);
    fs::write(source.join("large"), noise(1, 24 << 20)).unwrap();
    let mut made = Vec::new();
    for round in 0..3_u64 {
        let mut large = fs::OpenOptions::new()
            .write(true)
            .open(source.join("large"))
            .unwrap();
        large.seek(SeekFrom::Start(round * (5 << 20))).unwrap();
        large.write_all(&noise(10 + round, 4096)).unwrap();
        fs::write(source.join(format!("new-{round}")), noise(20 + round, 100_000)).unwrap();
        made.push(("laptop".to_owned(), lab.back_up("laptop", &source)));
    }
    made.push(("twin".to_owned(), lab.back_up("twin", &source)));
    (source, made)
}

/// What a backup restores to, before and after.
fn contents(lab: &Lab, made: &[(String, String)]) -> Vec<PathBuf> {
    made.iter()
        .map(|(client, name)| lab.restored(client, name))
        .collect()
}

#[test]
fn a_move_keeps_content_and_sharing_and_leaves_nothing_behind() {
    let ways = [
        (FileSystem::Btrfs, FileSystem::Xfs),
        (FileSystem::Ext4, FileSystem::Btrfs),
        (FileSystem::Xfs, FileSystem::Ext4),
    ];
    for (from, to) in ways {
        let (Some(mut lab), Some(target)) = (Lab::on(from), scratch(to)) else {
            continue;
        };
        eprintln!("--- from {} to {}", from.name(), to.name());
        lab.start();
        for client in ["laptop", "twin"] {
            lab.enroll(client);
        }
        let (source, made) = make_history(&lab);
        let before = contents(&lab, &made);
        let empty_bytes = used_bytes(target.path());
        add(&lab, "new", &target.path().join("storage"));
        let nowhere = refused(&lab, &["storage", "migrate", "--from", "main", "--to", "old"]);
        assert!(nowhere.contains("there is no storage"), "{nowhere}");
        lab.ok(["storage", "migrate", "--from", "main", "--to", "new"]);
        assert_eq!(storage(&lab, "main")["backups"], 0);
        assert_eq!(storage(&lab, "new")["backups"], 4);
        for ((client, name), before) in made.iter().zip(&before) {
            assert_same(before, &lab.restored(client, name));
            lab.verify(client, name);
            assert!(!lab.storage().join(client).join(name).exists());
        }
        // The large file once, and what changed of it; where extents can't be shared, once for each version, but not for each backup.
        let took_bytes = used_bytes(target.path()) - empty_bytes;
        let most_bytes = match to {
            FileSystem::Ext4 => 140 * MIB,
            _ => 80 * MIB,
        };
        assert!(took_bytes < most_bytes, "{took_bytes} bytes");
        // New backups go on from there.
        let next = lab.back_up("laptop", &source);
        assert!(lab.sent_bytes("laptop", &next) < 100_000);
        assert!(target.path().join("storage/laptop").join(&next).exists());
        let link = fs::read_link(target.path().join("storage/laptop/current")).unwrap();
        assert_eq!(link.to_str(), Some(next.as_str()));
        let log = lab.ok(["audit", "--json"]);
        assert!(log.contains("client-move"), "{log}");

        // The old place can be given up when the server is started with the new one.
        let in_use = refused(&lab, &["storage", "remove", "main"]);
        assert!(in_use.contains("started with"), "{in_use}");
        lab.stop();
        let output = start_with_storage(&lab, &target.path().join("storage"));
        lab_with(&lab, output, |lab| {
            assert_eq!(storage(lab, "new")["default"], true);
            lab.ok(["storage", "remove", "main"]);
            assert_same(&before[0], &lab.restored("laptop", &made[0].1));
        });
    }
}

#[test]
fn images_move_between_storages_that_keep_them_in_different_ways() {
    for (from, to) in [
        (FileSystem::Btrfs, FileSystem::Ext4),
        (FileSystem::Ext4, FileSystem::Xfs),
    ] {
        if let Err(why) = to.available() {
            eprintln!("skipped to {}: {why}", to.name());
            continue;
        }
        let Some(mut lab) = image::lab_on(from) else {
            continue;
        };
        eprintln!("--- from {} to {}", from.name(), to.name());
        let target = match to {
            FileSystem::Xfs => Scratch::xfs(4 * GIB),
            _ => Scratch::ext4(4 * GIB),
        };
        let target = target.unwrap();
        lab.start();
        lab.enroll("laptop");
        let disk = image::filled_disk(&lab);
        let mut made = Vec::new();
        for round in 0..2 {
            disk.with_volume(&EXT4, |root| {
                fs::write(root.join("more"), image::noise(round, MIB)).unwrap()
            });
            let name = image::image(&lab, &disk.path);
            let copy = lab.root().join(&name);
            fs::copy(&disk.path, &copy).unwrap();
            made.push((name, copy));
        }
        let place = target.path().join("storage");
        add(&lab, "new", &place);
        lab.ok(["storage", "migrate", "laptop", "--to", "new"]);
        for (name, copy) in &made {
            lab.verify("laptop", name);
            assert_same_volumes(copy, &image::restored(&lab, name));
            assert!(!lab.storage().join("laptop").join(name).exists());
        }
        // The next one grows from those there; what stands on nothing else any more can go.
        disk.with_volume(&EXT4, |root| fs::remove_file(root.join("more")).unwrap());
        let next = image::image(&lab, &disk.path);
        assert!(lab.sent_bytes("laptop", &next) < 4 * MIB);
        lab.ok(["backup", "delete", "--now", &format!("laptop/{}", made[0].0)]);
        assert_same_volumes(&made[1].1, &image::restored(&lab, &made[1].0));
        assert_same_volumes(&disk.path, &image::restored(&lab, &next));
    }
}

/// Starts the lab's server with another storage for its default.
fn start_with_storage(lab: &Lab, storage: &Path) -> Child {
    lab.command(["server", "run", "--listen", lab.address()])
        .args([
            "--incremental-interval",
            "off",
            "--full-interval",
            "off",
            "--state",
        ])
        .arg(lab.server_state())
        .arg("--storage")
        .arg(storage)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Does something while that server runs.
fn lab_with(lab: &Lab, mut server: Child, work: impl FnOnce(&Lab)) {
    // A command would start a server of its own.
    let socket = lab.server_state().join("admin.sock");
    wait_for(lab, "the server", || socket.exists().then_some(()));
    work(lab);
    crate::lab::signal(&server, rustix::process::Signal::TERM);
    assert!(server.wait().unwrap().success());
}

#[test]
fn a_move_goes_on_after_the_server_was_killed_and_can_be_given_up() {
    let (Some(mut lab), Some(target)) = (Lab::on(FileSystem::Btrfs), scratch(FileSystem::Btrfs)) else {
        return;
    };
    lab.start();
    for client in ["laptop", "twin"] {
        lab.enroll(client);
    }
    let (_, made) = make_history(&lab);
    let before = contents(&lab, &made);
    let place = target.path().join("storage");
    add(&lab, "new", &place);
    lab.ok(["storage", "migrate", "laptop", "--to", "new", "--detach"]);
    wait_for(&lab, "a copy", || {
        place.join("laptop").join(&made[0].1).exists().then_some(())
    });
    lab.kill();
    lab.start();
    wait_for(&lab, "the end of the move", || {
        (storage(&lab, "new")["backups"] == 3).then_some(())
    });
    wait_for(&lab, "the end of the old copies", || {
        (!lab.storage().join("laptop").join(&made[0].1).exists()).then_some(())
    });
    for ((client, name), before) in made.iter().zip(&before) {
        assert_same(before, &lab.restored(client, name));
    }

    // A move that can't end, since a backup is being made, is given up.
    let source = lab.root().join("slow");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("large"), noise(99, 8 << 20)).unwrap();
    lab.ok(["settings", "set", "--client", "twin", "speed_limit=200K"]);
    let mut backing_up = lab
        .once_command("twin", &source, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&lab, "the backup", || {
        let jobs = lab.json(["jobs", "list", "--json"]);
        let mut jobs = jobs.as_array().unwrap().iter();
        let is_it = |job: &&Value| job["kind"] == "file backup" && job["state"] == "running";
        jobs.find(is_it).map(drop)
    });
    lab.ok(["storage", "migrate", "twin", "--to", "new", "--detach"]);
    wait_for(&lab, "the copy", || {
        place.join("twin").join(&made[3].1).exists().then_some(())
    });
    assert_eq!(storage(&lab, "new")["arriving"][0], "twin");
    let given_up = lab.json(["storage", "migrate", "--give-up", "--json"]);
    assert_eq!(given_up["clients"][0], "twin");
    assert!(!place.join("twin").join(&made[3].1).exists());
    assert_same(&before[3], &lab.restored("twin", &made[3].1));
    let none = lab.json(["storage", "migrate", "--give-up", "--json"]);
    assert_eq!(none["clients"].as_array().unwrap().len(), 0);
    backing_up.kill().unwrap();
    backing_up.wait().unwrap();
}

#[test]
fn what_is_deleted_while_its_client_is_moved_does_not_come_back() {
    let mut lab = Lab::plain();
    lab.start();
    lab.enroll("laptop");
    let source = source(&lab, 54);
    let names = [lab.back_up("laptop", &source), lab.back_up("laptop", &source)];
    let place = lab.root().join("other");
    add(&lab, "other", &place);
    fs::write(source.join("large"), noise(99, 8 << 20)).unwrap();
    lab.ok(["settings", "set", "speed_limit=200K"]);
    let mut backing_up = lab
        .once_command("laptop", &source, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for(&lab, "the backup", || {
        let jobs = lab.json(["jobs", "list", "--state", "running", "--json"]);
        (!jobs.as_array().unwrap().is_empty()).then_some(())
    });
    lab.ok(["storage", "migrate", "laptop", "--to", "other", "--detach"]);
    let copied = |name: &String| place.join("laptop").join(name).exists();
    wait_for(&lab, "the copies", || {
        (copied(&names[0]) && copied(&names[1])).then_some(())
    });
    lab.ok(["backup", "delete", "--now", &format!("laptop/{}", names[0])]);
    backing_up.kill().unwrap();
    backing_up.wait().unwrap();
    wait_for(&lab, "the end of the move", || {
        (storage(&lab, "other")["arriving"].as_array().unwrap().is_empty()).then_some(())
    });
    assert!(!copied(&names[0]));
    lab.stop();
    lab.start();
    // The one that was being made is there if all of it had been on its way already.
    let left = lab.backups("laptop");
    assert!(left.contains(&names[1]) && !left.contains(&names[0]), "{left:?}");
    for name in &left {
        lab.verify("laptop", name);
    }
}

#[test]
fn who_takes_more_than_the_quota_gives_up_the_oldest() {
    crate::lab::on_each_storage(|lab| {
        lab.enroll("laptop");
        lab.enroll("twin");
        let source = lab.root().join("changing");
        fs::create_dir_all(&source).unwrap();
        let mut names = Vec::new();
        for round in 0..4 {
            fs::write(source.join("file"), noise(round, 10 << 20)).unwrap();
            names.push(lab.back_up("laptop", &source));
        }
        lab.back_up("twin", &source);
        let usage = wait_for(lab, "the sizes", || {
            let usage = lab.json(["storage", "usage", "laptop", "--json"]);
            // The last version is the twin's as well, once the twin's backup is counted.
            (usage[0]["bytes_shared"].as_u64()? >= 10 * MIB && usage[0]["backups"] == 4).then_some(usage)
        });
        assert!(
            usage[0]["bytes_exclusive"].as_u64().unwrap() < 32 * MIB,
            "{usage}"
        );
        assert!(
            usage[0]["bytes_exclusive"].as_u64().unwrap() >= 30 * MIB,
            "{usage}"
        );
        let freed = |names: &[String]| -> u64 {
            let names: Vec<String> = names.iter().map(|name| format!("laptop/{name}")).collect();
            let mut words = vec!["backup", "freed", "--json"];
            words.extend(names.iter().map(String::as_str));
            lab.json(words)["bytes_freed"].as_u64().unwrap()
        };
        assert!((20 * MIB..22 * MIB).contains(&freed(&names[..2])));
        assert!(freed(&names[3..]) < MIB, "the twin has it too");
        lab.ok(["settings", "set", "--client", "laptop", "quota=22M", "keep_min=1"]);
        lab.ok(["settings", "set", "--client", "twin", "quota=1M"]);
        lab.ok(["retention", "cleanup"]);
        assert_eq!(lab.backups("laptop"), names[1..]);
        assert_eq!(lab.backups("twin").len(), 1, "the newest stays");
        let log = lab.ok(["audit", "--json"]);
        assert!(log.contains("over its quota of 22 MiB"), "{log}");
        let sampled = lab.json(["storage", "usage", "laptop", "--last", "1d", "--json"]);
        assert_eq!(sampled.as_array().unwrap().len(), 1, "{sampled}");
        assert!(sampled[0]["at"].is_string());
    });
}

/// The last check's figures.
fn last_check(lab: &Lab) -> Value {
    let jobs = lab.json(["jobs", "list", "--limit", "100", "--json"]);
    let mut jobs = jobs.as_array().unwrap().iter();
    let check = jobs
        .find(|job| job["kind"] == "check")
        .expect("there was a check");
    check["figures"].clone()
}

#[test]
fn a_check_reads_what_is_shared_once_and_tells_damage_by_backup_and_file() {
    crate::lab::on_each_storage(|lab| {
        lab.enroll("laptop");
        lab.ok(["settings", "set", "mend=off"]);
        let source = lab.root().join("tree");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("stays"), noise(1, 20 << 20)).unwrap();
        let mut names = Vec::new();
        for round in 0..3 {
            fs::write(source.join("changes"), noise(2 + round, MIB as usize)).unwrap();
            names.push(lab.back_up("laptop", &source));
        }
        let nothing = lab.json(["storage", "check", "--json"]);
        assert_eq!(nothing["damage"].as_array().unwrap().len(), 0);
        assert_eq!(last_check(lab)["backups"], 0, "nothing is due yet");
        lab.ok(["storage", "check", "--everything"]);
        let figures = last_check(lab);
        assert_eq!(figures["backups"], 3);
        assert_eq!(figures["files"], 6);
        assert_eq!(figures["files_shared"], 2, "{figures}");
        assert!(figures["bytes_read"].as_u64().unwrap() < 24 * MIB, "{figures}");

        damage_in(lab, &names[0], "stays");
        let found = lab.admin(["storage", "check", "--everything", "--json"]);
        assert_eq!(found.status.code(), Some(3), "{}", text(&found.stderr));
        let found: Value = serde_json::from_slice(&found.stdout).unwrap();
        let damage = found["damage"].as_array().unwrap();
        assert!(!damage.is_empty());
        assert!(damage.iter().all(|file| file["path"] == "data/stays"), "{found}");
        assert_eq!(damage[0]["backup"], names[0].as_str());
        assert_eq!(
            lab.json(["storage", "damage", "laptop", "--json"]),
            found["damage"]
        );
        let listed = text(&lab.admin(["storage", "damage"]).stdout);
        assert!(listed.contains("data/stays"), "{listed}");
    });
}

/// Damages a file of a backup where it lies.
fn damage_in(lab: &Lab, backup: &str, file: &str) {
    let tree = lab.storage().join("laptop").join(backup);
    let is_subvolume = set_writable(&tree, "false");
    flip(&tree.join("data").join(file));
    if is_subvolume {
        set_writable(&tree, "true");
    }
}

/// Sets the read-only property of a subvolume; `false` for a plain directory.
fn set_writable(tree: &Path, read_only: &str) -> bool {
    let set = std::process::Command::new("btrfs")
        .args(["property", "set", "-f", "-ts"])
        .arg(tree)
        .args(["ro", read_only])
        .output();
    set.is_ok_and(|output| output.status.success())
}

#[test]
fn damage_is_mended_from_an_identical_file_or_by_the_clients_next_backup() {
    crate::lab::on_each_storage(|lab| {
        lab.enroll("laptop");
        lab.enroll("twin");
        let source = lab.root().join("tree");
        fs::create_dir_all(&source).unwrap();
        fs::write(source.join("common"), noise(1, 3 << 20)).unwrap();
        fs::write(source.join("own"), noise(2, 3 << 20)).unwrap();
        let first = lab.back_up("laptop", &source);
        let second = lab.back_up("laptop", &source);
        let expected = lab.restored("laptop", &first);
        // What lies in one storage once would be damaged for all who have it there.
        let copies = lab.root().join("copies");
        fs::create_dir_all(&copies).unwrap();
        fs::write(copies.join("a copy"), noise(1, 3 << 20)).unwrap();
        add(lab, "other", &lab.root().join("other"));
        lab.ok(["settings", "set", "--client", "twin", "storage=other"]);
        lab.back_up("twin", &copies);
        for file in ["common", "own"] {
            damage_in(lab, &first, file);
        }
        let checked = lab.admin(["storage", "check", "--everything", "--json"]);
        let left: Value = serde_json::from_slice(&checked.stdout).unwrap();
        let paths: Vec<&str> = left["damage"]
            .as_array()
            .unwrap()
            .iter()
            .map(|file| file["path"].as_str().unwrap())
            .collect();
        assert!(!paths.contains(&"data/common"), "another storage has it: {left}");
        // The client has the other still.
        let third = lab.back_up("laptop", &source);
        assert_same(&source, &lab.restored("laptop", &third));
        wait_for(lab, "the mending", || {
            let damage = lab.json(["storage", "damage", "--json"]);
            damage.as_array().unwrap().is_empty().then_some(())
        });
        for name in [&first, &second, &third] {
            lab.verify("laptop", name);
        }
        assert_same(&expected, &lab.restored("laptop", &first));
    });
}
