//! What is recognized without having a map, and what is not recognized.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use disk_image::volume::{Condition, FileSystem, LeaveOut, Stillness, identify, used};

use crate::rig::{Image, MIB, cant_mount, lacks, run};

/// An image of zeros but for some bytes.
fn with(len_bytes: u64, pieces: &[(u64, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; len_bytes as usize];
    for (at, piece) in pieces {
        bytes[*at as usize..][..piece.len()].copy_from_slice(piece);
    }
    bytes
}

#[test]
fn containers_and_file_systems_without_a_map_are_named_and_kept_whole() {
    const RAID: [u8; 4] = [0xfc, 0x4e, 0x2b, 0xa9];
    let end = 4 * MIB;
    let signatures: [(FileSystem, u64, &[u8]); 13] = [
        (FileSystem::Luks, 0, b"LUKS\xba\xbe\0\x01"),
        (FileSystem::BitLocker, 3, b"-FVE-FS-"),
        (FileSystem::RaidMember, 0, &RAID),
        (FileSystem::RaidMember, 4096, &RAID),
        (FileSystem::RaidMember, end - 8192, &RAID),
        (FileSystem::RaidMember, end - 65536, &RAID),
        (FileSystem::Iso9660, 32769, b"CD001"),
        (FileSystem::Udf, 32769, b"BEA01"),
        (FileSystem::F2fs, 1024, b"\x10\x20\xf5\xf2"),
        (FileSystem::SquashFs, 0, b"hsqs"),
        (FileSystem::ReFs, 3, b"ReFS\0\0\0\0"),
        (FileSystem::Apfs, 32, b"NXSB"),
        (FileSystem::HfsPlus, 1024, b"H+\0\x04"),
    ];
    for (file_system, at, signature) in signatures {
        let bytes = with(end, &[(at, signature)]);
        let volume = identify(&bytes[..]).unwrap();
        assert_eq!(volume.file_system, file_system);
        assert!(!file_system.has_map());
        let map = used(&bytes[..], &volume, LeaveOut::default(), Stillness::default()).unwrap();
        assert_eq!(map.used_bytes(), end);
    }
}

#[test]
fn nothing_is_recognized_in_zeros_noise_or_an_empty_volume() {
    let noise: Vec<u8> = (0..MIB as u32)
        .map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8)
        .collect();
    for bytes in [vec![], vec![0; 100], vec![0; MIB as usize], noise] {
        let volume = identify(&bytes[..]).unwrap();
        assert_eq!(volume.file_system, FileSystem::Unknown);
        assert_eq!(volume.condition, Condition::Unknown);
        let map = used(&bytes[..], &volume, LeaveOut::default(), Stillness::default()).unwrap();
        assert_eq!(map.used_bytes(), bytes.len() as u64);
    }
}

#[test]
fn luks_is_named_as_blkid_names_it() {
    if lacks(&["cryptsetup", "blkid"]) {
        return;
    }
    for options in [
        &["--type", "luks1"][..],
        &["--type", "luks2", "--label", "secret disk"],
    ] {
        let image = Image::create(32 * MIB);
        let key = image.dir().join("key");
        fs::write(&key, "not so secret").unwrap();
        let mut all = vec![
            "luksFormat",
            "--batch-mode",
            "--pbkdf",
            "pbkdf2",
            "--pbkdf-force-iterations",
            "1000",
        ];
        all.extend(options);
        all.extend([image.path(), key.to_str().unwrap()]);
        run("cryptsetup", &all);
        image.assert_named(FileSystem::Luks, "crypto_LUKS");
    }
}

#[test]
fn a_physical_volume_is_named_as_blkid_names_it() {
    if lacks(&["pvcreate", "losetup", "blkid"]) || cant_mount() {
        return;
    }
    let image = Image::create(32 * MIB);
    let device = run("losetup", &["--find", "--show", image.path()]);
    let device = device.trim().to_owned();
    let made = std::panic::catch_unwind(|| run("pvcreate", &["--quiet", "--devices", &device, &device]));
    run("losetup", &["--detach", &device]);
    made.unwrap();
    image.assert_named(FileSystem::LvmMember, "LVM2_member");
}

#[test]
fn of_two_superblocks_that_are_both_sound_neither_is_believed() {
    if lacks(&["mke2fs", "mkfs.btrfs"]) {
        return;
    }
    let btrfs = Image::create(128 * MIB).made_by("mkfs.btrfs", &["-q"]);
    let ext = Image::create(128 * MIB).made_by("mke2fs", &["-q", "-F", "-t", "ext4"]);
    let mut superblock = [0; 1024];
    ext.file().read_exact_at(&mut superblock, 1024).unwrap();
    let file = File::options().write(true).open(&btrfs.path).unwrap();
    file.write_all_at(&superblock, 1024).unwrap();
    assert_eq!(btrfs.volume().file_system, FileSystem::Unknown);
    let reason = btrfs.distrust();
    assert!(reason.contains("ext4 and btrfs"), "{reason}");
    // A remnant that is damaged is no rival.
    file.write_all_at(&[0xff; 4], 1024 + 0x20).unwrap();
    assert_eq!(btrfs.volume().file_system, FileSystem::Btrfs);
    btrfs.map(LeaveOut::default());
}
