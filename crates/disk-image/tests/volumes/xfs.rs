//! XFS, made by mkfs.xfs, filled by the kernel, checked by xfs_repair.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use disk_image::volume::{Condition, FileSystem, LeaveOut};
use scratch_fs::tree::{mutate_tree, random_tree};

use crate::rig::{Image, KIB, MIB, assert_tight, fill, lacks, mounted, number_after, run, written_down};

const TOOLS: &[&str] = &[
    "mkfs.xfs",
    "xfs_repair",
    "xfs_db",
    "xfs_logprint",
    "fsfreeze",
    "blkid",
];

fn made(options: &[&str], len_bytes: u64) -> Option<Image> {
    if lacks(TOOLS) {
        return None;
    }
    let mut all = vec!["-q", "-L", "a label"];
    all.extend(options);
    Some(Image::create(len_bytes).made_by("mkfs.xfs", &all))
}

/// All but what xfs_db finds free in the trees and in the lists that these are fed from.
fn reported(image: &Image) -> u64 {
    let volume = image.volume();
    let free = number_after(
        &run("xfs_db", &["-r", "-c", "freesp -s", image.path()]),
        "total free blocks",
    );
    volume.len_bytes - free * u64::from(volume.block_bytes)
}

fn fill_and_change(dir: &Path) {
    fill(dir, 40 * MIB);
    let tree = dir.join("tree");
    fs::create_dir(&tree).unwrap();
    random_tree(3, &tree).unwrap();
    mutate_tree(4, &tree, 60).unwrap();
    // Shared extents.
    let (from, to) = (dir.join("many/deep/large"), dir.join("clone"));
    run(
        "cp",
        &["--reflink=auto", from.to_str().unwrap(), to.to_str().unwrap()],
    );
}

fn assert_survives(image: &Image) {
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    fill_and_change(mount.path());
    drop(mount);
    image.assert_named(FileSystem::Xfs, "xfs");
    assert_eq!(image.volume().condition, Condition::Clean);
    let map = image.map(LeaveOut::default());
    // Lists of some blocks for each of the groups.
    assert_tight(
        &map,
        reported(image),
        64 * 12 * u64::from(image.volume().block_bytes),
    );
    let copy = image.copied_by(&map);
    run("xfs_repair", &["-n", copy.to_str().unwrap()]);
    let (original, copy) = (mounted(&image.path).unwrap(), mounted(&copy).unwrap());
    assert_eq!(written_down(original.path()), written_down(copy.path()));
}

#[test]
fn xfs_survives_being_copied_by_its_map() {
    let variants: [(&[&str], u64); 5] = [
        (&[], 400 * MIB),
        (
            &["-b", "size=1024", "-m", "rmapbt=1,reflink=1"],
            400 * MIB + 3 * KIB,
        ),
        (&["-m", "reflink=0,finobt=0", "-i", "sparse=0"], 400 * MIB),
        (&["-d", "agcount=37", "-s", "size=4096"], 4096 * MIB),
        (&["-l", "version=2,su=256k", "-m", "rmapbt=1"], 900 * MIB),
    ];
    for (options, len_bytes) in variants {
        let Some(image) = made(options, len_bytes) else {
            return;
        };
        assert_survives(&image);
    }
}

#[test]
fn trees_of_several_levels_are_walked() {
    let Some(image) = made(&["-b", "size=1024", "-d", "agcount=2"], 400 * MIB) else {
        return;
    };
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    let dir = mount.path().join("d");
    fs::create_dir(&dir).unwrap();
    for number in 0..20_000 {
        fs::write(dir.join(number.to_string()), [number as u8 | 1; 1000]).unwrap();
    }
    run("sync", &["--file-system", dir.to_str().unwrap()]);
    for number in (0..20_000).step_by(2) {
        fs::remove_file(dir.join(number.to_string())).unwrap();
    }
    drop(mount);
    let is_deep = |group| {
        let levels = run(
            "xfs_db",
            &["-r", "-c", group, "-c", "print bnolevel", image.path()],
        );
        levels.trim() != "bnolevel = 1"
    };
    assert!(is_deep("agf 0") || is_deep("agf 1"));
    let map = image.map(LeaveOut::default());
    assert!(map.ranges().len() > 2000, "{}", map.ranges().len());
    assert_tight(&map, reported(&image), 64 * KIB);
    run("xfs_repair", &["-n", image.copied_by(&map).to_str().unwrap()]);
}

#[test]
fn the_old_version_is_read_too() {
    for options in [
        ["-m", "crc=0", "-b", "size=4096"],
        ["-m", "crc=0", "-b", "size=512"],
    ] {
        let Some(image) = made(&options, 400 * MIB) else {
            return;
        };
        let map = image.map(LeaveOut::default());
        assert_tight(&map, reported(&image), 256 * KIB);
        run("xfs_repair", &["-n", image.copied_by(&map).to_str().unwrap()]);
    }
}

#[test]
fn one_in_use_is_not_trusted_and_one_that_is_frozen_is() {
    let Some(image) = made(&[], 400 * MIB) else {
        return;
    };
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    fill_and_change(mount.path());
    let dir = mount.path().to_str().unwrap().to_owned();
    run("sync", &["--file-system", &dir]);
    assert_eq!(image.volume().condition, Condition::Dirty);
    assert!(image.distrust().contains("log is to be replayed"));
    let written = written_down(mount.path());
    run("fsfreeze", &["--freeze", &dir]);
    let frozen = std::panic::catch_unwind(|| image.copied_by(&image.map(LeaveOut::default())));
    run("fsfreeze", &["--unfreeze", &dir]);
    let copy = mounted(&frozen.unwrap()).unwrap();
    assert_eq!(written, written_down(copy.path()));
}

#[test]
fn a_log_that_has_gone_round_is_understood() {
    let Some(image) = made(&["--unsupported", "-l", "size=6m"], 400 * MIB) else {
        return;
    };
    for round in 0..6 {
        let Some(mount) = mounted(&image.path) else {
            return;
        };
        // Directories of this size take the log once round and more.
        for number in 0..6_000 {
            fs::create_dir(mount.path().join(format!("{round}-{number}"))).unwrap();
        }
        drop(mount);
        assert!(run("xfs_logprint", &["-t", image.path()]).contains("CLEAN"));
        image.map(LeaveOut::default());
    }
    let lsn = run("xfs_db", &["-r", "-c", "sb 0", "-c", "print lsn", image.path()]);
    let round = u64::from_str_radix(lsn.trim().trim_start_matches("lsn = 0x"), 16).unwrap() >> 32;
    assert!(round > 2, "{lsn}");
    run(
        "xfs_repair",
        &[
            "-n",
            image.copied_by(&image.map(LeaveOut::default())).to_str().unwrap(),
        ],
    );
}

#[test]
fn a_write_beyond_the_head_of_the_log_is_seen() {
    let Some(image) = made(&[], 400 * MIB) else {
        return;
    };
    let said = run("xfs_logprint", &["-t", image.path()]);
    let start = number_after(&said[said.find("daddr:").unwrap()..], "daddr:");
    let head = number_after(&said[said.find("head:").unwrap()..], "head:");
    image.map(LeaveOut::default());
    // The first write after the mount is missing, but the one behind it has arrived.
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[0, 0, 0, 1], (start + head + 100) * 512)
        .unwrap();
    assert!(image.distrust().contains("log is to be replayed"));
}

#[test]
fn damage_to_headers_and_trees_is_seen() {
    let Some(image) = made(&[], 400 * MIB) else {
        return;
    };
    let root = number_after(
        &run(
            "xfs_db",
            &["-r", "-c", "agf 0", "-c", "print bnoroot", image.path()],
        ),
        "bnoroot =",
    );
    for (at, word) in [
        (90, "superblock"),
        (512 + 54, "header"),
        (root * 4096 + 60, "tree"),
    ] {
        let file = File::options().read(true).write(true).open(&image.path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 4], at).unwrap();
        let reason = image.distrust();
        assert!(reason.contains(word), "{reason}");
        file.write_all_at(&byte, at).unwrap();
    }
    image.map(LeaveOut::default());
}
