//! Sources that are held still by a snapshot, on a real btrfs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;

use client::source::{BackupSource as _, HeldSource, LocalSource};
use client::{Settings, SnapshotSetting, SourceSettings, Unmonitored};
use cow_fs::btrfs;
use scratch_fs::{FileSystem, Scratch, mib, skip_unless_available};

/// A btrfs with the subvolume `data`, in which `sub/file` holds "before".
fn planted() -> Scratch {
    let scratch = Scratch::btrfs(mib(256)).unwrap();
    let root = fs::File::open(scratch.path()).unwrap();
    btrfs::create_subvolume(&root, b"data").unwrap();
    fs::create_dir_all(scratch.path().join("data/sub/deep")).unwrap();
    fs::write(scratch.path().join("data/sub/file"), "before").unwrap();
    scratch
}

fn held(sources: Vec<SourceSettings>) -> Box<dyn HeldSource> {
    let settings = Settings {
        sources,
        ..Settings::default()
    };
    LocalSource::new(&settings).unwrap().begin(&Unmonitored).unwrap()
}

fn source(name: &str, path: &Path, snapshot: SnapshotSetting) -> SourceSettings {
    SourceSettings {
        snapshot,
        ..SourceSettings::new(name, path)
    }
}

/// The content of `file` as the walk of its directory gives it.
fn content(held: &dyn HeldSource, dir: &[u8]) -> String {
    let found = held.walk().unwrap().find(|walked| *walked.path == *dir).unwrap();
    let entry = found
        .entries
        .iter()
        .find(|entry| *entry.name == *b"file")
        .unwrap();
    let reader = found.reader.open(&entry.name, &entry.stat).unwrap();
    let mut buffer = [0; 100];
    let len = reader.read_at(&mut buffer, 0).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

fn snapshots_in(subvolume: &Path) -> usize {
    let names = fs::read_dir(subvolume)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    names
        .filter(|name| name.to_str().unwrap().starts_with(".perennial-snapshot-"))
        .count()
}

#[test]
fn a_snapshot_holds_the_source_still_and_goes_away() {
    skip_unless_available!(FileSystem::Btrfs);
    let scratch = planted();
    let data = scratch.path().join("data");
    let modified = fs::metadata(&data).unwrap().modified().unwrap();
    let held = held(vec![
        source("all", &data, SnapshotSetting::Auto),
        source("sub", &data.join("sub"), SnapshotSetting::Required),
    ]);
    assert!(
        held.sources()
            .iter()
            .all(|source| source.consistency == "btrfs snapshot")
    );
    assert_eq!(
        snapshots_in(&data),
        1,
        "sources of one subvolume share a snapshot"
    );
    fs::write(data.join("sub/file"), "after").unwrap();
    assert_eq!(content(&*held, b"sub"), "before");
    assert_eq!(content(&*held, b"all/sub"), "before");
    held.check_presence().unwrap();
    drop(held);
    assert_eq!(snapshots_in(&data), 0);
    assert_eq!(fs::metadata(&data).unwrap().modified().unwrap(), modified);
}

#[test]
fn without_snapshot_the_source_is_read_as_it_is() {
    skip_unless_available!(FileSystem::Btrfs);
    let scratch = planted();
    let data = scratch.path().join("data");
    let held = held(vec![source("s", &data, SnapshotSetting::Off)]);
    assert_eq!(held.sources()[0].consistency, "none");
    fs::write(data.join("sub/file"), "after").unwrap();
    assert_eq!(content(&*held, b"s/sub"), "after");
    assert_eq!(snapshots_in(&data), 0);
}

#[test]
fn what_a_killed_process_left_is_swept_and_what_others_use_is_not_backed_up() {
    skip_unless_available!(FileSystem::Btrfs);
    let scratch = planted();
    let data = scratch.path().join("data");
    let root = fs::File::open(&data).unwrap();
    // Above the kernel's limit for process ids, and the first process of all.
    for name in [".perennial-snapshot-4194305-0", ".perennial-snapshot-1-0"] {
        btrfs::snapshot(&root, &root, name.as_bytes(), btrfs::Access::ReadOnly).unwrap();
    }
    let held = held(vec![source("s", &data, SnapshotSetting::Auto)]);
    assert!(!data.join(".perennial-snapshot-4194305-0").exists());
    assert!(data.join(".perennial-snapshot-1-0").exists());
    let walked = held.walk().unwrap().find(|walked| *walked.path == *b"s").unwrap();
    let names: Vec<&[u8]> = walked.entries.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, [b"sub"]);
}
