//! Images as virtual disks that the server keeps to be downloaded: what they hold, what they take, who may have them, and when they go.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use scratch_fs::FileSystem;
use serde_json::{Value, json};

use crate::disk::{EXT4, MIB, run};
use crate::image::{filled_disk, image, lab_on, noise, restored};
use crate::lab::{Lab, refused, text, wait_for};
use crate::web::Visitor;
use crate::web_files::keep;

/// The formats, and what qemu-img calls them.
const FORMATS: [(&str, &str); 5] = [
    ("vhdx", "vhdx"),
    ("vhd", "vpc"),
    ("vhd-fixed", "vpc"),
    ("qcow2", "qcow2"),
    ("raw", "raw"),
];

fn publish(lab: &Lab, place: &str, format: &str) -> Value {
    lab.json(["image", "publish", place, "--format", format, "--json"])
}

fn published(lab: &Lab) -> Vec<Value> {
    let listed = lab.json(["image", "published", "--json"]);
    listed.as_array().unwrap().clone()
}

fn location(disk: &Value) -> PathBuf {
    disk["location"].as_str().unwrap().into()
}

/// What is published, and what is being made, as the storage has it.
fn names(lab: &Lab) -> Vec<String> {
    let dir = lab.storage().join(".perennial/published");
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries
        .map(|entry| text(entry.unwrap().file_name().as_encoded_bytes()))
        .collect()
}

fn assert_same_disk(reference: &Path, made: &Path, format: &str) {
    run(Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", format])
        .args([reference, made]));
    if matches!(format, "vhdx" | "qcow2") {
        run(Command::new("qemu-img")
            .args(["check", "-q", "-f", format])
            .arg(made));
    }
}

#[test]
fn every_format_is_the_disk_on_every_storage_and_outlives_its_image() {
    for kind in [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4] {
        let Some(mut lab) = lab_on(kind) else { continue };
        eprintln!("--- on {}", kind.name());
        lab.start();
        lab.enroll("laptop");
        let disk = filled_disk(&lab);
        let first = image(&lab, &disk.path);
        disk.with_volume(&EXT4, |root| fs::write(root.join("new"), noise(77, MIB)).unwrap());
        let name = image(&lab, &disk.path);
        let reference = restored(&lab, &name);
        let place = format!("laptop/{name}");
        let volume = lab.root().join("volume.raw");
        let of_volume = format!("{place}:disk.img/disk.img1");
        lab.ok(["image", "export", &of_volume, "--to", volume.to_str().unwrap()]);
        let mut made = Vec::new();
        for (format, qemu) in FORMATS {
            let disk = publish(&lab, &place, format);
            assert_same_disk(&reference, &location(&disk), qemu);
            let (shared, copied) = (&disk["shared_bytes"], &disk["copied_bytes"]);
            match kind {
                FileSystem::Ext4 => assert!(shared == 0 && copied.as_u64().unwrap() > 40 * MIB, "{disk}"),
                _ => assert!(
                    shared.as_u64().unwrap() > 40 * MIB && copied.as_u64().unwrap() < MIB,
                    "{disk}"
                ),
            }
            made.push((disk, qemu));
        }
        let alone = publish(&lab, &of_volume, "qcow2");
        assert_eq!(alone["volume"], "disk.img1");
        assert_same_disk(&volume, &location(&alone), "qcow2");
        assert_kept_for_the_owner(&location(&alone));
        let twice = refused(&lab, &["image", "publish", &place, "--format", "raw"]);
        assert!(twice.contains("perennial image unpublish"), "{twice}");
        let job = &lab.json(["jobs", "list", "--json"])[0];
        assert_eq!(
            (&job["kind"], &job["reason"]),
            (&json!("publish"), &json!("disk.img/disk.img1 as qcow2"))
        );

        // The storage does not take them for anything else, and each stays when its image goes.
        assert_eq!(lab.json(["storage", "repair", "--json"]), json!([]));
        for image in [&first, &name] {
            lab.verify("laptop", image);
        }
        lab.stop();
        lab.start();
        for image in [&first, &name] {
            lab.ok(["backup", "delete", "--now", &format!("laptop/{image}")]);
        }
        wait_for(&lab, "the images to go", || {
            (!lab.storage().join("laptop").join(&name).exists()).then_some(())
        });
        assert_eq!(published(&lab).len(), 6);
        for (disk, qemu) in made {
            assert_same_disk(&reference, &location(&disk), qemu);
            lab.ok(["image", "unpublish", disk["id"].as_str().unwrap()]);
            assert!(!location(&disk).exists());
        }
        assert_eq!(published(&lab), [alone]);
    }
}

fn assert_kept_for_the_owner(file: &Path) {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(file), 0o600);
    assert_eq!(mode(file.parent().unwrap()), 0o700);
}

#[test]
fn what_is_no_disk_of_the_image_is_refused() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    image(&lab, &disk.path);
    for (place, what) in [
        ("laptop/latest:sda", "there is no disk sda"),
        (
            "laptop/latest:disk.img/disk.img9",
            "there is no volume disk.img/disk.img9",
        ),
        (
            "laptop/latest:disk.img/table",
            "there is no volume disk.img/table",
        ),
        ("laptop/latest:.perennial", "there is no disk .perennial"),
        ("laptop/260101-0000_image", "has no backup"),
    ] {
        let refusal = refused(&lab, &["image", "publish", place]);
        assert!(refusal.contains(what), "{place}: {refusal}");
    }
    let refusal = refused(&lab, &["image", "publish", "laptop/latest", "--format", "vmdk"]);
    assert!(refusal.contains("perennial image export"), "{refusal}");
    for id in ["../../storage.toml", "..", "0123456789AB", ""] {
        let refusal = refused(&lab, &["image", "unpublish", id]);
        assert!(refusal.contains("12 hexadecimal digits"), "{id}: {refusal}");
    }
    let refusal = refused(&lab, &["image", "unpublish", "0123456789ab"]);
    assert!(refusal.contains("there is no published disk"), "{refusal}");
    // A machine that somebody may have taken over fills no storage.
    let as_client = lab
        .command(["image", "publish", "latest", "--client-state"])
        .arg(lab.client_state("laptop"))
        .output()
        .unwrap();
    assert!(
        text(&as_client.stderr).contains("only the administrator"),
        "{}",
        text(&as_client.stderr)
    );
    assert_eq!(names(&lab), [""; 0]);
}

#[test]
fn a_disk_is_made_downloaded_in_parts_and_removed_in_a_browser() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let name = image(&lab, &disk.path);
    lab.add_user("anna", &[&["restorer", "--client", "laptop"]]);
    lab.add_user("carla", &[&["administrator", "--everything"]]);
    lab.add_user("bert", &[&["viewer", "--everything"]]);
    let visitor = |user: &str| {
        let visitor = Visitor::new(&lab, user);
        visitor.log_in(user).sends_to("/clients");
        visitor
    };
    let (anna, bert) = (visitor("anna"), visitor("bert"));
    let page = format!("/clients/laptop/backups/{name}");
    let shown = anna.get(&page).body;
    assert!(shown.contains(&format!("action=\"{page}/publish\"")), "{shown}");
    assert!(
        shown.contains("None has been made of this client's images."),
        "{shown}"
    );
    let wanted = [("disk", "disk.img"), ("volume", ""), ("format", "vhdx")];
    let begun = || anna.send(&page, &format!("{page}/publish"), &wanted);
    // Who may not follow jobs is led back to the image.
    begun().sends_to(&format!("{page}#published"));
    let made = wait_for(&lab, "the disk", || published(&lab).pop());
    let twice = begun();
    assert!(
        twice.status == 400 && twice.body.contains("perennial image unpublish"),
        "{}",
        twice.body
    );
    let (id, file) = (made["id"].as_str().unwrap(), made["file"].as_str().unwrap());
    let here = format!("/clients/laptop/published/{id}");
    let shown = anna.get(&page).body;
    assert!(
        shown.contains(&format!("href=\"{here}\"")) && shown.contains(file),
        "{shown}"
    );
    assert!(
        !shown.contains(".perennial/published"),
        "where it lies is for administrators"
    );

    downloads_as_it_is(&anna, &here, &location(&made));

    // An administrator sees the job, and where it lies.
    let carla = visitor("carla");
    let wanted_raw = [("disk", "disk.img"), ("volume", "disk.img1"), ("format", "raw")];
    let begun = carla.send(&page, &format!("{page}/publish"), &wanted_raw);
    assert!(
        begun.location.starts_with("/activity/"),
        "{} {}",
        begun.location,
        begun.body
    );
    assert!(carla.get(&begun.location).body.contains("Virtual disk"));
    wait_for(&lab, "the other disk", || {
        (published(&lab).len() == 2).then_some(())
    });
    let shown = carla.get(&page).body;
    assert!(shown.contains(made["location"].as_str().unwrap()), "{shown}");
    let all = carla.get("/storage").body;
    assert!(all.contains(&format!(">laptop/{name}<")), "{all}");
    assert!(!bert.get("/storage").body.contains("id=\"published\""));
    lab.ok(["image", "unpublish", published(&lab)[1]["id"].as_str().unwrap()]);

    // Who may not restore sees nothing of it, and has nothing.
    let shown = bert.get(&page).body;
    assert!(!shown.contains("/publish"), "{shown}");
    assert_eq!(bert.get(&here).status, 403);
    assert_eq!(bert.get(&format!("{here}/remove")).status, 403);
    let sent = bert.send("/account", &format!("{page}/publish"), &wanted);
    assert_eq!(sent.status, 403);
    assert_eq!(bert.send("/account", &format!("{here}/remove"), &[]).status, 403);
    for hostile in ["..%2F..%2Fstorage.toml", "0123456789ab", "%00"] {
        let answer = anna.get(&format!("/clients/laptop/published/{hostile}"));
        assert!(matches!(answer.status, 400 | 404), "{hostile}: {}", answer.status);
    }

    let asked = anna.get(&format!("{here}/remove")).body;
    assert!(
        asked.contains("Remove this virtual disk?") && asked.contains(file),
        "{asked}"
    );
    anna.send(&format!("{here}/remove"), &format!("{here}/remove"), &[])
        .sends_to(&format!("{page}#published"));
    assert_eq!(anna.get(&here).status, 404);
    assert_eq!(names(&lab), [""; 0]);
}

fn downloads_as_it_is(visitor: &Visitor<'_>, here: &str, made: &Path) {
    let content = fs::read(made).unwrap();
    let file = text(made.file_name().unwrap().as_encoded_bytes());
    let whole = keep(visitor, here, &[]);
    assert_eq!(whole.status, 200);
    assert!(whole.body == content, "the whole disk");
    let disposition = format!("attachment; filename*=UTF-8''{file}");
    assert_eq!(whole.header("content-disposition"), Some(disposition.as_str()));
    assert_eq!(whole.header("accept-ranges"), Some("bytes"));
    let tag = whole.header("etag").unwrap().to_owned();
    let half = content.len() / 2;
    let range = format!("{half}-{}", half + 2_999_999);
    let going_on = format!("If-Range: {tag}");
    let part = keep(visitor, here, &["--range", &range, "--header", &going_on]);
    assert_eq!(part.status, 206);
    assert!(part.body == content[half..half + 3_000_000], "a part of the disk");
    let other = keep(
        visitor,
        here,
        &["--range", &range, "--header", "If-Range: \"other\""],
    );
    assert_eq!(other.status, 200);
    assert!(other.body == content);
    let behind = keep(visitor, here, &["--range", &format!("{}-", content.len())]);
    assert_eq!(behind.status, 416);
}

/// A lab where publishing is copying, and takes a while.
fn slow_lab() -> Option<Lab> {
    let mut lab = lab_on(FileSystem::Ext4)?;
    lab.start();
    lab.enroll("laptop");
    let disk = lab.root().join("large.img");
    fs::write(&disk, noise(5, 400 * MIB)).unwrap();
    image(&lab, &disk);
    fs::remove_file(disk).unwrap();
    Some(lab)
}

/// Begins to publish, and waits until something of the disk is there.
fn begin(lab: &Lab) -> std::process::Child {
    let mut command = lab.admin_command(["image", "publish", "laptop/latest", "--format", "raw"]);
    let begun = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for(lab, "the disk", || {
        let unfinished = names(lab).into_iter().find(|name| name.ends_with(".new"))?;
        let dir = lab.storage().join(".perennial/published").join(unfinished);
        let mut files = fs::read_dir(dir).ok()?;
        let file = files.next()?.ok()?;
        (file.metadata().ok()?.blocks() > 0).then_some(())
    });
    begun
}

#[test]
fn one_that_is_cancelled_leaves_nothing_and_can_be_tried_again() {
    let Some(lab) = slow_lab() else { return };
    let begun = begin(&lab);
    let jobs = lab.json(["jobs", "list", "--state", "running", "--json"]);
    let job = jobs[0]["id"].to_string();
    let busy = refused(&lab, &["image", "publish", "laptop/latest", "--format", "qcow2"]);
    assert!(busy.contains("is making a virtual disk"), "{busy}");
    lab.ok(["jobs", "cancel", &job]);
    let ended = begun.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", text(&ended.stderr));
    assert_eq!(names(&lab), [""; 0]);
    lab.ok(["jobs", "retry", &job]);
    let made = wait_for(&lab, "the disk", || published(&lab).pop());
    assert_same_disk(&restored(&lab, "latest"), &location(&made), "raw");
}

#[test]
fn one_that_a_killed_server_leaves_is_gone_after_the_next_start() {
    let Some(mut lab) = slow_lab() else { return };
    let begun = begin(&lab);
    lab.kill();
    begun.wait_with_output().unwrap();
    assert_eq!(names(&lab).len(), 1);
    lab.start();
    assert_eq!(names(&lab), [""; 0]);
    assert!(published(&lab).is_empty());
    let made = publish(&lab, "laptop/latest", "raw");
    assert_same_disk(&restored(&lab, "latest"), &location(&made), "raw");
}

#[test]
fn one_that_has_no_room_is_refused_and_backups_stay() {
    let Some(mut lab) = lab_on(FileSystem::Ext4) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let name = image(&lab, &disk.path);
    let filler = lab.storage().with_file_name("filler");
    let free = rustix::fs::statvfs(lab.storage()).unwrap();
    let free_bytes = free.f_bavail * free.f_frsize;
    let file = fs::File::create(&filler).unwrap();
    // A little more than the 1 % that the settings keep free.
    let taken_bytes = free_bytes - 70 * MIB;
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, taken_bytes).unwrap();
    let refusal = refused(&lab, &["image", "publish", "laptop/latest"]);
    assert!(
        refusal.contains("there is no room in the storage") && refusal.contains("min_free"),
        "{refusal}"
    );
    assert_eq!(names(&lab), [""; 0]);
    lab.verify("laptop", &name);
    drop(file);
    fs::remove_file(filler).unwrap();
    publish(&lab, "laptop/latest", "vhdx");
}

#[test]
fn they_go_when_their_time_is_over_and_with_their_client() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    let name = image(&lab, &disk.path);
    publish(&lab, "laptop/latest", "raw");
    lab.ok(["retention", "cleanup"]);
    assert_eq!(published(&lab).len(), 1);
    lab.ok(["settings", "set", "published_keep=0m"]);
    lab.ok(["retention", "cleanup"]);
    assert_eq!(names(&lab), [""; 0]);
    lab.verify("laptop", &name);
    lab.ok(["settings", "set", "published_keep=30d", "removed_keep=0m"]);
    publish(&lab, "laptop/latest", "raw");
    lab.ok(["clients", "remove", "laptop"]);
    wait_for(&lab, "the client to go", || {
        lab.ok(["retention", "cleanup"]);
        (lab.json(["clients", "list", "--json"]) == json!([])).then_some(())
    });
    assert_eq!(names(&lab), [""; 0]);
}
