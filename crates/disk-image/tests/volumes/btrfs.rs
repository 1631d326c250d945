//! btrfs, made by mkfs.btrfs, filled by the kernel, checked by btrfs check.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use disk_image::volume::{Condition, FileSystem, LeaveOut};
use scratch_fs::FileSystem as FileKind;
use scratch_fs::tree::{mutate_tree, random_tree};

use crate::rig::{Image, KIB, MIB, assert_tight, fill, lacks, mounted, number_after, run, written_down};

const TOOLS: &[&str] = &[
    "mkfs.btrfs",
    "btrfs",
    "btrfs-map-logical",
    "fsfreeze",
    "losetup",
    "blkid",
];

fn made(options: &[&str], len_bytes: u64) -> Option<Image> {
    if lacks(TOOLS) {
        return None;
    }
    let mut all = vec!["-q", "-L", "a label"];
    all.extend(options);
    Some(Image::create(len_bytes).made_by("mkfs.btrfs", &all))
}

fn fill_and_change(dir: &Path) {
    fill(dir, 30 * MIB);
    let tree = dir.join("tree");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    run("btrfs", &["subvolume", "create", &path(&tree)]);
    random_tree(5, &tree).unwrap();
    run(
        "btrfs",
        &[
            "subvolume",
            "snapshot",
            &path(&tree),
            &path(&dir.join("snapshot")),
        ],
    );
    mutate_tree(6, &tree, 60).unwrap();
}

/// What the tool calls used, all copies included, with the first mebibyte and the copy of the superblock.
fn reported(mount_point: &Path) -> u64 {
    let usage = run(
        "btrfs",
        &["filesystem", "usage", "-b", mount_point.to_str().unwrap()],
    );
    number_after(&usage, "Used:") + MIB + 4 * KIB
}

#[test]
fn btrfs_survives_being_copied_by_its_map() {
    let variants: [(&[&str], u64); 7] = [
        (&["-m", "single", "-d", "single"], 300 * MIB),
        (&["-m", "dup", "-d", "dup"], 600 * MIB + 3 * KIB),
        (&["--mixed", "-n", "4096"], 200 * MIB),
        (&["-n", "65536"], 400 * MIB),
        (&["-R", "^free-space-tree"], 400 * MIB),
        (&["-O", "^skinny-metadata,^no-holes"], 400 * MIB),
        (&["--csum", "xxhash", "-R", "quota"], 400 * MIB),
    ];
    for (options, len_bytes) in variants {
        let Some(image) = made(options, len_bytes) else {
            return;
        };
        let Some(mount) = mounted(&image.path) else {
            return;
        };
        fill_and_change(mount.path());
        drop(mount);
        let mount = mounted(&image.path).unwrap();
        let original = written_down(mount.path());
        run("sync", &["--file-system", mount.path().to_str().unwrap()]);
        let reported = reported(mount.path());
        drop(mount);
        image.assert_named(FileSystem::Btrfs, "btrfs");
        assert_eq!(image.volume().condition, Condition::Clean);
        let map = image.map(LeaveOut::default());
        // Caches of what is free are not data to the tool.
        assert_tight(&map, reported, 256 * KIB);
        let copy = image.copied_by(&map);
        run("btrfs", &["check", "--check-data-csum", copy.to_str().unwrap()]);
        let copies = [
            "inspect-internal",
            "dump-super",
            "-s",
            "1",
            copy.to_str().unwrap(),
        ];
        assert!(run("btrfs", &copies).contains("[match]"));
        assert_eq!(
            original,
            written_down(mounted(&copy).unwrap().path()),
            "{options:?}"
        );
    }
}

#[test]
fn large_trees_are_walked() {
    let Some(image) = made(&["-n", "4096", "-m", "dup"], 600 * MIB) else {
        return;
    };
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    for number in 0..20_000 {
        fs::write(mount.path().join(number.to_string()), [number as u8 | 1; 5000]).unwrap();
    }
    run("sync", &["--file-system", mount.path().to_str().unwrap()]);
    for number in (0..20_000).step_by(2) {
        fs::remove_file(mount.path().join(number.to_string())).unwrap();
    }
    drop(mount);
    let map = image.map(LeaveOut::default());
    assert!(map.ranges().len() > 5000, "{}", map.ranges().len());
    run(
        "btrfs",
        &[
            "check",
            "--check-data-csum",
            image.copied_by(&map).to_str().unwrap(),
        ],
    );
}

#[test]
fn what_is_in_a_log_tree_only_is_kept_too() {
    let Some(image) = made(&[], 300 * MIB) else {
        return;
    };
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    let path = mount.path().join("synced");
    fs::write(&path, "first").unwrap();
    run("sync", &["--file-system", mount.path().to_str().unwrap()]);
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(&[0x33; 300_000], 0).unwrap();
    file.sync_all().unwrap();
    assert_eq!(image.volume().condition, Condition::Dirty);
    let map = image.map(LeaveOut::default());
    assert!(map.used_bytes() < 200 * MIB);
    // As after a power loss.
    let copy = image.copied_by(&map);
    drop(mount);
    let copy = mounted(&copy).unwrap();
    assert_eq!(fs::read(copy.path().join("synced")).unwrap(), vec![0x33; 300_000]);
}

/// A file system on several devices, which go when it is dropped.
struct Several {
    devices: Vec<String>,
    dir: PathBuf,
}

impl Several {
    fn mount(images: &[&Path], dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let mut several = Self {
            devices: Vec::new(),
            dir: dir.to_owned(),
        };
        for image in images {
            let device = run("losetup", &["--find", "--show", image.to_str().unwrap()]);
            several.devices.push(device.trim().to_owned());
        }
        let others: Vec<String> = several
            .devices
            .iter()
            .map(|device| format!("device={device}"))
            .collect();
        let arguments = [
            "-t",
            "btrfs",
            "-o",
            &others.join(","),
            &several.devices[0],
            dir.to_str().unwrap(),
        ];
        run("mount", &arguments);
        several
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        // Failing here must not hide why a test has failed.
        let quietly = |program: &str, arguments: &[&str]| {
            let _ = std::process::Command::new(program).args(arguments).output();
        };
        quietly("umount", &[self.dir.to_str().unwrap()]);
        for device in &self.devices {
            quietly("btrfs", &["device", "scan", "--forget", device]);
            quietly("losetup", &["--detach", device]);
        }
    }
}

#[test]
fn each_of_several_devices_has_its_share() {
    if lacks(TOOLS) || FileKind::Btrfs.available().is_err() {
        return;
    }
    for (profile, is_tight) in [("raid1", true), ("raid0", false), ("single", true)] {
        let (first, second) = (Image::create(400 * MIB), Image::create(500 * MIB));
        run(
            "mkfs.btrfs",
            &["-q", "-d", profile, "-m", "raid1", first.path(), second.path()],
        );
        let dir = first.dir().join("mount");
        let mount = Several::mount(&[&first.path, &second.path], &dir);
        fill_and_change(&dir);
        run("sync", &["--file-system", dir.to_str().unwrap()]);
        let original = written_down(&dir);
        drop(mount);
        let maps = [&first, &second].map(|image| image.map(LeaveOut::default()));
        if is_tight {
            assert!(maps.iter().all(|map| map.used_bytes() < 80 * MIB), "{profile}");
        }
        let copies = [first.copied_by(&maps[0]), second.copied_by(&maps[1])];
        let mount = Several::mount(&[&copies[0], &copies[1]], &dir);
        run("btrfs", &["scrub", "start", "-B", dir.to_str().unwrap()]);
        assert_eq!(original, written_down(&mount.dir), "{profile}");
    }
}

#[test]
fn one_that_is_frozen_is_copied_as_it_is() {
    let Some(image) = made(&[], 300 * MIB) else {
        return;
    };
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    fill_and_change(mount.path());
    let written = written_down(mount.path());
    let dir = mount.path().to_str().unwrap().to_owned();
    run("fsfreeze", &["--freeze", &dir]);
    let frozen = std::panic::catch_unwind(|| image.copied_by(&image.map(LeaveOut::default())));
    run("fsfreeze", &["--unfreeze", &dir]);
    drop(mount);
    assert_eq!(written, written_down(mounted(&frozen.unwrap()).unwrap().path()));
}

#[test]
fn damage_to_superblock_and_trees_is_seen_and_a_second_copy_is_used() {
    for checksum in ["crc32c", "xxhash"] {
        if let Some(image) = made(&["-m", "dup", "--csum", checksum], 300 * MIB) {
            assert_damage_is_seen(&image);
        }
    }
}

fn assert_damage_is_seen(image: &Image) {
    let place = |tree: &str| {
        let dump = run("btrfs", &["inspect-internal", "dump-super", image.path()]);
        let logical = number_after(&dump, tree).to_string();
        let map = run("btrfs-map-logical", &["-l", &logical, image.path()]);
        let places = map.lines().filter(|line| line.starts_with("mirror"));
        places
            .map(|line| number_after(line, line.split("physical").next().unwrap()))
            .collect::<Vec<_>>()
    };
    let flip = |at: u64| {
        let file = File::options().read(true).write(true).open(&image.path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
    };
    for tree in ["root\t", "chunk_root\t"] {
        let places = place(tree);
        assert_eq!(places.len(), 2);
        flip(places[0] + 120);
        image.map(LeaveOut::default());
        flip(places[1] + 120);
        assert!(image.distrust().contains("checksum"));
        places.iter().for_each(|at| flip(at + 120));
        image.map(LeaveOut::default());
    }
    flip(64 * KIB + 200);
    assert!(image.distrust().contains("superblock"));
}
