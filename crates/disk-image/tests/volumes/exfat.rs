//! exFAT, made and checked by exfatprogs, filled by exfat-fuse.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use disk_image::volume::{Condition, FileSystem, LeaveOut};

use crate::rig::{FuseMount, Image, KIB, MIB, assert_tight, cant_mount, fill, lacks, run, written_down};

const TOOLS: &[&str] = &[
    "mkfs.exfat",
    "fsck.exfat",
    "mount.exfat-fuse",
    "blkid",
    "losetup",
    "pgrep",
];

fn made(options: &[&str], len_bytes: u64) -> Option<Image> {
    if lacks(TOOLS) || cant_mount() {
        return None;
    }
    let mut all = vec!["-L", "Größe"];
    all.extend(options);
    Some(Image::create(len_bytes).made_by("mkfs.exfat", &all))
}

fn mounted(image: &Image, path: &Path) -> FuseMount {
    FuseMount::mount_by_loop("mount.exfat-fuse", path, &image.dir().join("mount"))
}

/// All but what the mounted file system calls free.
fn reported(image: &Image) -> u64 {
    let mount = mounted(image, &image.path);
    let space = run("stat", &["-f", "-c", "%b %f %S", mount.dir.to_str().unwrap()]);
    let numbers: Vec<u64> = space
        .split_whitespace()
        .map(|number| number.parse().unwrap())
        .collect();
    image.volume().len_bytes - numbers[1] * numbers[2]
}

#[test]
fn exfat_survives_being_copied_by_its_map() {
    let variants: [(&[&str], u64, u64); 4] = [
        (&[], 100 * MIB, 4 * KIB),
        (&["-c", "512"], 64 * MIB + 512, 512),
        (&["-c", "128K"], 600 * MIB, 128 * KIB),
        (&["-c", "32K", "-b", "4M"], 300 * MIB, 32 * KIB),
    ];
    for (options, len_bytes, cluster_bytes) in variants {
        let Some(image) = made(options, len_bytes) else {
            return;
        };
        fill(&mounted(&image, &image.path).dir, 20 * MIB);
        image.assert_named(FileSystem::ExFat, "exfat");
        assert_eq!(image.volume().condition, Condition::Clean);
        assert_eq!(u64::from(image.volume().block_bytes), cluster_bytes);
        let map = image.map(LeaveOut::default());
        assert_tight(&map, reported(&image), 2 * cluster_bytes);
        let copy = image.copied_by(&map);
        run("fsck.exfat", &["-n", copy.to_str().unwrap()]);
        let original = written_down(&mounted(&image, &image.path).dir);
        assert!(original.len() > 20);
        assert_eq!(original, written_down(&mounted(&image, &copy).dir));
    }
}

#[test]
fn one_in_use_or_with_a_damaged_boot_sector_is_not_trusted() {
    let Some(image) = made(&[], 32 * MIB) else {
        return;
    };
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[2], 106).unwrap();
    assert_eq!(image.volume().condition, Condition::Dirty);
    assert!(image.distrust().contains("was not unmounted"));
    file.write_all_at(&[0], 106).unwrap();
    image.map(LeaveOut::default());
    file.write_all_at(&[9], 3000).unwrap();
    assert!(image.distrust().contains("checksum"));
}

#[test]
fn a_bitmap_that_takes_its_own_clusters_for_free_is_not_trusted() {
    let Some(image) = made(&["-c", "4K"], 32 * MIB) else {
        return;
    };
    let bytes = fs::read(&image.path).unwrap();
    // The first of the clusters is that of the bitmap, as mkfs.exfat lays it out.
    let heap = u32::from_le_bytes([bytes[88], bytes[89], bytes[90], bytes[91]]);
    let file = File::options().write(true).open(&image.path).unwrap();
    file.write_all_at(&[0], u64::from(heap) * 512).unwrap();
    assert!(image.distrust().contains("own clusters"));
}
