//! Disks that are restored from images: to files and devices, larger and smaller ones, in use or not.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use scratch_fs::FileSystem;

use crate::disk::{DISK_BYTES, EXT4, MIB, assert_same_volumes, mount, partition, run};
use crate::image::{LoopDevice, filled_disk, image, lab_on, noise, restore, restored};
use crate::lab::text;

#[test]
fn a_file_becomes_as_long_as_the_disk_was() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    // Logical partitions, and much behind the last.
    let disk = lab.root().join("disk.img");
    let file = File::create(&disk).unwrap();
    file.set_len(100 * MIB).unwrap();
    let lines = "label: dos\nstart=2048,size=20480,type=83\nstart=22528,size=90000,type=5\nstart=24576,size=20480,type=83\n";
    partition(&disk, lines);
    file.write_all_at(&noise(1, 2 * MIB), MIB).unwrap();
    file.write_all_at(&noise(2, 2 * MIB), 24576 * 512).unwrap();
    let name = image(&lab, &disk);
    assert!(fs::read(restored(&lab, &name)).unwrap() == fs::read(&disk).unwrap());
}

#[test]
fn a_disk_is_restored_to_a_larger_one_and_refused_where_it_does_not_fit() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    image(&lab, &disk.path);
    let larger = LoopDevice::create(&lab.root().join("larger.img"), DISK_BYTES + 200 * MIB);
    let output = restore(&lab, "latest:disk.img", &larger.path, &["--yes", "--grow-last"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = run(Command::new("sgdisk")
        .args(["--verify", "--info=2"])
        .arg(&larger.path));
    assert!(table.contains("No problems found"), "{table}");
    drop(larger);
    assert_same_volumes(&disk.path, &lab.root().join("larger.img"));
    // Less than the disk had, and enough for its partitions.
    let smaller = LoopDevice::create(&lab.root().join("smaller.img"), DISK_BYTES - 4 * MIB);
    let output = restore(&lab, "latest", &smaller.path, &["--yes"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    drop(smaller);
    assert_same_volumes(&disk.path, &lab.root().join("smaller.img"));
    let small = LoopDevice::create(&lab.root().join("small.img"), 300 * MIB);
    let output = restore(&lab, "latest", &small.path, &["--yes"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("the target has 314572800 bytes"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_target_in_use_is_refused_and_so_is_one_that_nobody_agreed_to_lose() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    image(&lab, &disk.path);
    let target = lab.root().join("target.img");
    let output = restore(&lab, "latest", &target, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let before = fs::read(&target).unwrap();
    let output = restore(&lab, "latest", &target, &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("would be lost"),
        "{}",
        text(&output.stderr)
    );
    {
        let _mounted = mount(&target, &EXT4, "ro");
        let output = restore(&lab, "latest", &target, &["--yes"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            text(&output.stderr).contains("is in use"),
            "{}",
            text(&output.stderr)
        );
    }
    {
        let device = LoopDevice::attach(&target);
        let root = tempfile::tempdir_in(lab.root()).unwrap().keep();
        run(Command::new("mount")
            .arg("-o")
            .arg(format!("ro,loop,offset={}", EXT4.start))
            .arg(&device.path)
            .arg(&root));
        let _mounted = crate::disk::Mounted { path: root };
        let output = restore(&lab, "latest", &device.path, &["--yes"]);
        assert!(
            text(&output.stderr).contains("is in use"),
            "{}",
            text(&output.stderr)
        );
    }
    assert!(
        fs::read(&target).unwrap() == before,
        "a refused target is left as it was"
    );
}

#[test]
fn only_what_differs_is_written_where_that_is_asked() {
    let Some(mut lab) = lab_on(FileSystem::Btrfs) else {
        return;
    };
    lab.start();
    lab.enroll("laptop");
    let disk = filled_disk(&lab);
    image(&lab, &disk.path);
    let target = lab.root().join("target.img");
    restore(&lab, "latest", &target, &[]);
    let file = File::options().write(true).open(&target).unwrap();
    file.write_all_at(&[0xa5; 5000], EXT4.start + 30 * MIB).unwrap();
    file.write_all_at(&[0x5a; 100], 3).unwrap();
    let output = restore(&lab, "latest", &target, &["--yes", "--differing", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["written_bytes"].as_u64().unwrap() <= 4 * MIB, "{report}");
    assert!(report["same_bytes"].as_u64().unwrap() > 30 * MIB, "{report}");
    assert_same_volumes(&disk.path, &target);
    // A single volume, onto something that holds just that.
    let volume = lab.root().join("volume.img");
    let output = restore(&lab, "latest:disk.img/disk.img1", &volume, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    run(Command::new("e2fsck").arg("-fn").arg(&volume));
}
