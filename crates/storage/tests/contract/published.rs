//! Published disks: there as a whole or not at all, whatever cuts them short, and nothing that the storage takes for a backup.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use storage::{OpenOptions, PublishedDisk, PublishedId, Store, Unwatched};

use crate::lab::{Lab, server};

const STORAGE: &str = "STORAGE_PUBLISHED_STORAGE";
const POINT: &str = "STORAGE_PUBLISHED_POINT";
const FEWEST_POINTS: u64 = 3;

fn place(lab: &Lab) -> PathBuf {
    lab.store.as_ref().unwrap().path().join(".perennial/published")
}

/// Publishes a disk with this content.
fn publish(store: &Store, made_ms: i64, content: &str) -> PublishedDisk {
    let new = store.publish("laptop-261130-0650_image-sda.raw").unwrap();
    new.file().write_all(content.as_bytes()).unwrap();
    let disk = PublishedDisk {
        id: new.id().clone(),
        client: "laptop".parse().unwrap(),
        backup: "261130-0650_image".parse().unwrap(),
        disk: "sda".to_owned(),
        volume: None,
        format: "raw".to_owned(),
        file: "laptop-261130-0650_image-sda.raw".to_owned(),
        len_bytes: content.len() as u64,
        made_ms,
        shared_bytes: 0,
        copied_bytes: content.len() as u64,
    };
    new.finish(&disk).unwrap();
    disk
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

pub fn a_disk_is_listed_when_it_is_finished_and_nobody_else_reads_it(lab: Lab) {
    let store = lab.store.as_ref().unwrap();
    assert_eq!(store.published().unwrap().list().unwrap(), []);
    assert!(!place(&lab).exists());
    let unfinished = store.publish("x.raw").unwrap();
    let published = store.published().unwrap();
    assert_eq!(published.list().unwrap(), []);
    assert_eq!(published.look_for(unfinished.id()).unwrap(), None);
    drop(unfinished);
    assert_eq!(fs::read_dir(place(&lab)).unwrap().count(), 0);
    let newer = publish(store, 2, "newer");
    let older = publish(store, 1, "older");
    assert_eq!(published.list().unwrap(), [older.clone(), newer.clone()]);
    assert_eq!(published.look_for(&newer.id).unwrap(), Some(newer.clone()));
    let location = published.location(&newer);
    assert_eq!(fs::read_to_string(&location).unwrap(), "newer");
    assert_eq!(mode(&location), 0o600);
    for dir in [location.parent().unwrap(), &place(&lab)] {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
    // Whoever reads it reads it to its end.
    let file = published.open_file(&older).unwrap().unwrap();
    assert!(published.remove(&older.id).unwrap());
    assert!(!published.remove(&older.id).unwrap());
    assert_eq!(std::io::read_to_string(file).unwrap(), "older");
    assert!(published.open_file(&older).unwrap().is_none());
    assert_eq!(published.list().unwrap(), [newer]);
}

pub fn what_a_disk_leaves_that_was_cut_short_goes_with_the_next_start(mut lab: Lab) {
    let whole = publish(lab.store.as_ref().unwrap(), 1, "whole");
    let left = place(&lab).join(".0123456789ab.new");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("half.raw"), "half").unwrap();
    let other = place(&lab).join("kept-by-somebody");
    fs::create_dir(&other).unwrap();
    lab.reopen();
    assert!(!left.exists());
    assert!(other.exists());
    let published = lab.store.as_ref().unwrap().published().unwrap();
    assert_eq!(published.list().unwrap(), [whole]);
}

pub fn a_record_that_makes_no_sense_leads_nowhere(lab: Lab) {
    let store = lab.store.as_ref().unwrap();
    let disk = publish(store, 1, "content");
    let published = store.published().unwrap();
    let record = published.location(&disk).with_file_name("disk.toml");
    let right = fs::read_to_string(&record).unwrap();
    for wrong in [
        right.replace(&disk.file, "../../storage.toml"),
        right.replace(&disk.file, "disk.toml"),
        right.replace("\"laptop\"", "\"../laptop\""),
        right.replace("format = 1", "format = 2"),
        "nonsense".to_owned(),
    ] {
        assert_ne!(wrong, right);
        fs::write(&record, &wrong).unwrap();
        assert!(published.look_for(&disk.id).is_err(), "{wrong}");
        assert_eq!(published.list().unwrap(), [], "{wrong}");
    }
    for hostile in [
        "",
        "..",
        "../../../etc",
        "0123456789AB",
        "0123456789abc",
        "0123456789a/",
    ] {
        assert!(hostile.parse::<PublishedId>().is_err(), "{hostile}");
    }
    // It can be removed all the same.
    assert!(published.remove(&disk.id).unwrap());
}

pub fn published_disks_are_no_backups(mut lab: Lab) {
    publish(lab.store.as_ref().unwrap(), 1, "content");
    lab.reopen();
    let store = lab.store.as_ref().unwrap();
    assert_eq!(store.clients().unwrap(), []);
    assert_eq!(store.plan_repair(&Unwatched).unwrap().steps, []);
    store.reap(&Unwatched).unwrap();
    assert_eq!(store.published().unwrap().list().unwrap().len(), 1);
}

/// Publishes a disk, then removes all that were there before.
fn live(store: &Store) {
    let published = store.published().unwrap();
    let before = published.list().unwrap();
    publish(store, 2, "new");
    for disk in before {
        published.remove(&disk.id).unwrap();
    }
}

/// The child. Does nothing when it is run as a test of its own.
#[test]
fn child() {
    let Some(storage) = std::env::var_os(STORAGE) else {
        return;
    };
    let store = Store::open(Path::new(&storage), &OpenOptions::new(server())).unwrap();
    storage::crash::arm(std::env::var(POINT).unwrap().parse().unwrap());
    live(&store);
}

/// Lives in a child that dies at a point. Returns whether it did not.
fn survives(storage: &Path, point: u64) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "published::child"])
        .env(STORAGE, storage)
        .env(POINT, point.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(
        status.success() || status.signal() == Some(9),
        "{status} at point {point}"
    );
    status.success()
}

pub fn killed_at_any_point_a_disk_is_whole_or_not_there(mut lab: Lab) {
    let place = place(&lab);
    let store = lab.store.take().unwrap();
    let path = store.path().to_owned();
    publish(&store, 1, "old");
    drop(store);
    for point in 1.. {
        let survived = survives(&path, point);
        let store = Store::open(&path, &OpenOptions::new(server())).unwrap();
        let published = store.published().unwrap();
        let disks = published.list().unwrap();
        let found: Vec<String> = disks
            .iter()
            .map(|disk| fs::read_to_string(published.location(disk)).unwrap())
            .collect();
        assert!(
            matches!(found.join(" ").as_str(), "old" | "old new" | "new"),
            "point {point}: {found:?}"
        );
        // What was cut short is gone with the opening.
        assert_eq!(
            fs::read_dir(&place).unwrap().count(),
            disks.len(),
            "point {point}"
        );
        for disk in disks {
            published.remove(&disk.id).unwrap();
        }
        publish(&store, 1, "old");
        if survived {
            assert!(point > FEWEST_POINTS, "the points are not compiled in");
            return;
        }
    }
}
