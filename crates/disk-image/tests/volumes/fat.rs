//! FAT12, FAT16 and FAT32, made by mkfs.vfat, filled by mtools, checked by fsck.vfat.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use disk_image::volume::{Condition, FileSystem, LeaveOut};

use crate::rig::{Image, KIB, MIB, assert_tight, lacks, number_after, run, written_down};

const TOOLS: &[&str] = &["mkfs.vfat", "fsck.vfat", "mcopy", "mdel", "blkid"];

fn made(options: &[&str], len_bytes: u64) -> Option<Image> {
    if lacks(TOOLS) {
        return None;
    }
    let mut all = vec!["-n", "A LABEL"];
    all.extend(options);
    Some(Image::create(len_bytes).made_by("mkfs.vfat", &all))
}

/// Copies files in, deletes every other one, and copies a large one into the gaps.
fn fill(image: &Image, budget_bytes: u64) {
    let dir = image.dir().join("files");
    fs::create_dir_all(dir.join("many")).unwrap();
    let files = (budget_bytes / 2 / 8192).clamp(4, 120);
    for number in 0..files {
        let bytes: Vec<u8> = (0..5000 + number * 11)
            .map(|at| (at * 7 + number) as u8)
            .collect();
        fs::write(dir.join(format!("many/a file with a long name {number}")), bytes).unwrap();
    }
    let mcopy = |from: &Path, to: &str| {
        run(
            "mcopy",
            &["-s", "-Q", "-m", "-i", image.path(), from.to_str().unwrap(), to],
        )
    };
    mcopy(&dir.join("many"), "::/");
    for number in (0..files).step_by(2) {
        let name = format!("::/many/a file with a long name {number}");
        run("mdel", &["-i", image.path(), &name]);
    }
    let large: Vec<u8> = (0..budget_bytes / 3).map(|at| (at / 3) as u8 | 1).collect();
    fs::write(dir.join("large"), large).unwrap();
    mcopy(&dir.join("large"), "::/large");
}

fn all_files(image: &Image, path: &Path, name: &str) -> Vec<String> {
    let out = image.dir().join(name);
    fs::create_dir(&out).unwrap();
    run(
        "mcopy",
        &[
            "-s",
            "-m",
            "-n",
            "-i",
            path.to_str().unwrap(),
            "::/*",
            out.to_str().unwrap(),
        ],
    );
    written_down(&out).split_off(1)
}

fn assert_survives(file_system: FileSystem, options: &[&str], len_bytes: u64, budget_bytes: u64) {
    let Some(image) = made(options, len_bytes) else {
        return;
    };
    fill(&image, budget_bytes);
    image.assert_named(file_system, "vfat");
    assert_eq!(image.volume().condition, Condition::Clean);
    let map = image.map(LeaveOut::default());
    let said = run("fsck.vfat", &["-n", "-v", image.path()]);
    let used = said.rsplit_once(" files, ").unwrap().1.split('/').next().unwrap();
    let cluster_bytes: u64 = said
        .lines()
        .find_map(|line| line.trim().strip_suffix(" bytes per cluster"))
        .unwrap()
        .parse()
        .unwrap();
    let reported =
        used.parse::<u64>().unwrap() * cluster_bytes + number_after(&said, "Data area starts at byte");
    // What does not fill a track is left over by mkfs.vfat.
    let behind = len_bytes - image.volume().len_bytes;
    assert_tight(&map, reported + behind, 2 * cluster_bytes);
    let copy = image.copied_by(&map);
    run("fsck.vfat", &["-n", copy.to_str().unwrap()]);
    let original = all_files(&image, &image.path, "original");
    assert!(original.len() > 3, "{original:?}");
    assert_eq!(original, all_files(&image, &copy, "restored"));
}

#[test]
fn fat_survives_being_copied_by_its_map() {
    assert_survives(FileSystem::Fat12, &["-F", "12"], 1440 * KIB, 400 * KIB);
    assert_survives(
        FileSystem::Fat12,
        &["-F", "12", "-f", "1", "-s", "4"],
        4 * MIB + 512,
        MIB,
    );
    assert_survives(FileSystem::Fat16, &["-F", "16"], 40 * MIB, 6 * MIB);
    assert_survives(
        FileSystem::Fat16,
        &["-F", "16", "-s", "64", "-r", "1024"],
        400 * MIB + 9 * KIB,
        6 * MIB,
    );
    assert_survives(FileSystem::Fat32, &["-F", "32"], 300 * MIB, 20 * MIB);
    assert_survives(FileSystem::Fat32, &["-F", "32", "-s", "1"], 200 * MIB, 20 * MIB);
    assert_survives(FileSystem::Fat32, &["-F", "32", "-S", "4096"], 400 * MIB, 6 * MIB);
}

#[test]
fn one_that_was_not_unmounted_is_not_trusted() {
    for (kind, state_at, entry_at) in [("12", 37, None), ("16", 37, Some(3)), ("32", 65, Some(7))] {
        let places = [Some(state_at), entry_at];
        for (place, at) in places
            .into_iter()
            .enumerate()
            .filter_map(|(place, at)| Some((place, at?)))
        {
            let Some(image) = made(&["-F", kind], if kind == "12" { MIB } else { 40 * MIB }) else {
                return;
            };
            let bytes = fs::read(&image.path).unwrap();
            let reserved = u64::from(u16::from_le_bytes([bytes[14], bytes[15]])) * 512;
            let file = File::options().write(true).open(&image.path).unwrap();
            // The table's bit says "clean", the boot sector's "dirty".
            let (at, byte) = if place == 0 {
                (at, 1)
            } else {
                (reserved + at, 0x07)
            };
            file.write_all_at(&[byte], at).unwrap();
            assert_eq!(image.volume().condition, Condition::Dirty, "{kind} {place}");
            assert!(image.distrust().contains("was not unmounted"));
        }
    }
}

#[test]
fn bad_clusters_are_not_read_and_a_second_table_is_believed_too() {
    let Some(image) = made(&["-F", "16"], 20 * MIB) else {
        return;
    };
    let before = image.map(LeaveOut::default()).used_bytes();
    let bytes = fs::read(&image.path).unwrap();
    let reserved = u64::from(u16::from_le_bytes([bytes[14], bytes[15]])) * 512;
    let table = u64::from(u16::from_le_bytes([bytes[22], bytes[23]])) * 512;
    let cluster = u64::from(bytes[13]) * 512;
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[0xf7, 0xff], reserved + 200).unwrap();
    assert_eq!(image.map(LeaveOut::default()).used_bytes(), before);
    file.write_all_at(&[0xff, 0xff], reserved + table + 400).unwrap();
    assert_eq!(image.map(LeaveOut::default()).used_bytes(), before + cluster);
}
