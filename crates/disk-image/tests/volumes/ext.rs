//! ext2, ext3 and ext4, made by mke2fs, filled by the kernel, checked by e2fsck.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use disk_image::volume::{Condition, FileSystem, LeaveOut};
use scratch_fs::tree::{mutate_tree, random_tree};

use crate::rig::{Image, KIB, MIB, assert_tight, fill, lacks, mounted, number_after, run, written_down};

const TOOLS: &[&str] = &["mke2fs", "e2fsck", "dumpe2fs", "blkid"];

/// What dumpe2fs calls used, by the superblock's counts.
fn reported(image: &Image) -> u64 {
    let header = run("dumpe2fs", &["-h", image.path()]);
    let blocks = number_after(&header, "Block count:") - number_after(&header, "Free blocks:");
    blocks * number_after(&header, "Block size:")
}

fn fill_and_change(dir: &Path) {
    fill(dir, 24 * MIB);
    let tree = dir.join("tree");
    std::fs::create_dir(&tree).unwrap();
    // Extended attributes may not fit into small blocks: the tree ends there then.
    if random_tree(7, &tree).is_ok() {
        mutate_tree(8, &tree, 60).unwrap();
    }
}

/// Makes, fills, copies by the map, checks and compares.
fn assert_survives(file_system: FileSystem, options: &[&str], len_bytes: u64) {
    let mut all = vec!["-q", "-F", "-L", "a label"];
    all.extend(options);
    let image = Image::create(len_bytes).made_by("mke2fs", &all);
    let Some(mount) = mounted(&image.path) else {
        return;
    };
    fill_and_change(mount.path());
    drop(mount);
    run("e2fsck", &["-fn", image.path()]);
    let kind = file_system.name();
    image.assert_named(file_system, kind);
    let map = image.map(LeaveOut::default());
    assert_tight(&map, reported(&image), 64 * KIB);
    let copy = image.copied_by(&map);
    run("e2fsck", &["-fn", copy.to_str().unwrap()]);
    let (original, copy) = (mounted(&image.path).unwrap(), mounted(&copy).unwrap());
    assert_eq!(
        written_down(original.path()),
        written_down(copy.path()),
        "{options:?}"
    );
}

#[test]
fn ext2_and_ext3_survive_being_copied_by_their_map() {
    if lacks(TOOLS) {
        return;
    }
    assert_survives(FileSystem::Ext2, &["-t", "ext2", "-b", "1024"], 96 * MIB);
    assert_survives(
        FileSystem::Ext2,
        &["-t", "ext2", "-b", "4096", "-O", "^sparse_super,^resize_inode"],
        96 * MIB,
    );
    assert_survives(FileSystem::Ext3, &["-t", "ext3", "-b", "2048"], 96 * MIB);
}

#[test]
fn ext4_survives_being_copied_by_its_map() {
    if lacks(TOOLS) {
        return;
    }
    let ext4 = |options: &[&str], len_bytes| {
        let mut all = vec!["-t", "ext4"];
        all.extend(options);
        assert_survives(FileSystem::Ext4, &all, len_bytes);
    };
    ext4(&["-b", "4096"], 600 * MIB);
    ext4(&["-b", "1024"], 160 * MIB + 3 * KIB);
    ext4(&["-b", "1024", "-O", "meta_bg,^resize_inode"], 300 * MIB);
    ext4(
        &[
            "-b",
            "4096",
            "-O",
            "meta_bg,^resize_inode,^metadata_csum,uninit_bg",
        ],
        600 * MIB,
    );
    ext4(&["-b", "4096", "-O", "^flex_bg,^64bit"], 300 * MIB);
    ext4(&["-b", "2048", "-O", "^metadata_csum,uninit_bg"], 300 * MIB);
    ext4(&["-b", "4096", "-O", "bigalloc", "-C", "65536"], 600 * MIB);
    ext4(
        &[
            "-b",
            "1024",
            "-O",
            "bigalloc,meta_bg,^resize_inode",
            "-C",
            "16384",
        ],
        600 * MIB,
    );
    ext4(&["-b", "4096", "-O", "sparse_super2,^has_journal"], 600 * MIB);
    ext4(
        &["-b", "4096", "-G", "4", "-g", "8192", "-O", "inline_data,mmp"],
        600 * MIB,
    );
}

#[test]
fn groups_that_were_never_used_are_not_read() {
    if lacks(TOOLS) {
        return;
    }
    for options in [
        ["-O", "uninit_bg"],
        ["-O", "metadata_csum"],
        ["-O", "meta_bg,^resize_inode"],
    ] {
        let mut all = vec![
            "-q",
            "-F",
            "-t",
            "ext4",
            "-E",
            "lazy_itable_init=1,nodiscard",
            "-N",
            "65536",
            "-J",
            "size=8",
        ];
        all.extend(options);
        let image = Image::create(64 << 30).made_by("mke2fs", &all);
        let map = image.map(LeaveOut::default());
        assert_tight(&map, reported(&image), 64 * KIB);
        // Also the superblock and descriptors of such a group, which no bitmap has.
        let copy = image.copied_by(&map);
        run("e2fsck", &["-fn", copy.to_str().unwrap()]);
        let backup = |file: &File| {
            let mut bytes = vec![0; 64 << 10];
            file.read_exact_at(&mut bytes, 32768 * 4096).unwrap();
            bytes
        };
        let original = backup(&image.file());
        assert_eq!(original[0x38..0x3a], [0x53, 0xef]);
        assert!(original == backup(&File::open(copy).unwrap()));
    }
}

#[test]
fn a_file_system_in_use_is_not_trusted_and_one_that_was_frozen_is() {
    if lacks(TOOLS) {
        return;
    }
    for (kind, frozen_is_clean) in [("ext2", false), ("ext4", true)] {
        let image = Image::create(64 * MIB).made_by("mke2fs", &["-q", "-F", "-t", kind]);
        let Some(mount) = mounted(&image.path) else {
            return;
        };
        fill(mount.path(), 8 * MIB);
        let dir = mount.path().to_str().unwrap().to_owned();
        assert_eq!(image.volume().condition, Condition::Dirty);
        assert!(image.distrust().contains("was not unmounted"));
        run("fsfreeze", &["--freeze", &dir]);
        let frozen = std::panic::catch_unwind(|| (image.volume().condition, image.map(LeaveOut::default())));
        run("fsfreeze", &["--unfreeze", &dir]);
        if frozen_is_clean {
            let (condition, map) = frozen.unwrap();
            assert_eq!(condition, Condition::Clean);
            assert_tight(&map, reported(&image), MIB);
        }
    }
}

#[test]
fn damage_to_superblock_descriptors_or_bitmaps_is_seen() {
    if lacks(TOOLS) {
        return;
    }
    let options = ["-q", "-F", "-t", "ext4", "-b", "4096"];
    for (at, word) in [
        (1024 + 0x20, "superblock"),
        (4096 + 0x0c, "descriptor"),
        (0, "bitmap"),
    ] {
        let image = Image::create(64 * MIB).made_by("mke2fs", &options);
        let groups = run("dumpe2fs", &[image.path()]);
        let bitmap = number_after(&groups, "Block bitmap at") * 4096;
        let at = if at == 0 { bitmap + 700 } else { at };
        let file = File::options().read(true).write(true).open(&image.path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 8], at).unwrap();
        let reason = image.distrust();
        assert!(reason.contains(word), "{reason}");
    }
}

#[test]
fn what_lies_behind_the_end_is_kept_and_what_is_cut_off_is_seen() {
    if lacks(TOOLS) {
        return;
    }
    let image = Image::create(64 * MIB).made_by("mke2fs", &["-q", "-F", "-t", "ext4"]);
    let file = File::options().write(true).open(&image.path).unwrap();
    file.set_len(65 * MIB + 512).unwrap();
    assert_eq!(
        image.map(LeaveOut::default()).ranges().last().unwrap().end,
        65 * MIB + 512
    );
    file.set_len(63 * MIB).unwrap();
    assert!(image.distrust().contains("larger than the volume"));
    assert!(matches!(image.volume().condition, Condition::Damaged { .. }));
}
