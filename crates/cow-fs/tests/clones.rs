//! Clones, copies, holes, extents and flags on real file systems.
#![allow(clippy::unwrap_used, reason = "a failed expectation is what a test reports")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use cow_fs::{Error, Extent, InodeFlags, Sameness, same_data};
use scratch_fs::{FileSystem, Scratch, mib, skip_unless_available};

const BLOCK_BYTES: u64 = 4096;

fn create(dir: &Path, name: &str) -> File {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(dir.join(name))
        .unwrap()
}

/// Different in every block.
fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ (at / 4096) as u8).collect()
}

fn filled(dir: &Path, name: &str, len: usize) -> File {
    let mut file = create(dir, name);
    file.write_all(&content(len)).unwrap();
    file
}

fn read(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

fn extents(file: &File) -> Vec<(u64, u64)> {
    let size_bytes = file.metadata().unwrap().len();
    cow_fs::data_extents(file, size_bytes)
        .map(|extent| extent.unwrap())
        .map(|extent| (extent.offset_bytes, extent.end_bytes()))
        .collect()
}

fn with_reflinks() -> [Scratch; 2] {
    [Scratch::btrfs(mib(256)).unwrap(), Scratch::xfs(mib(300)).unwrap()]
}

#[test]
fn a_cloned_file_shares_all_its_bytes_until_one_is_changed() {
    skip_unless_available!();
    for scratch in with_reflinks() {
        let source = filled(scratch.path(), "source", 1 << 20);
        let clone = create(scratch.path(), "clone");
        assert_eq!(cow_fs::shared_bytes(&source).unwrap(), 0);
        cow_fs::clone_file(&source, &clone).unwrap();
        assert_eq!(read(&clone), content(1 << 20));
        assert_eq!(cow_fs::shared_bytes(&clone).unwrap(), 1 << 20);
        clone.write_all_at(b"changed", 500_000).unwrap();
        assert_eq!(read(&source), content(1 << 20));
        assert_eq!(cow_fs::shared_bytes(&clone).unwrap(), (1 << 20) - BLOCK_BYTES);
    }
}

#[test]
fn ranges_are_cloned_to_aligned_offsets_and_unaligned_ones_are_told_apart() {
    skip_unless_available!();
    for scratch in with_reflinks() {
        let source = filled(scratch.path(), "source", 100_000);
        let target = create(scratch.path(), "target");
        cow_fs::clone_range(&source, 8192, 100_000 - 8192, &target, 40_960).unwrap();
        assert_eq!(read(&target)[..40_960], vec![0; 40_960]);
        assert_eq!(read(&target)[40_960..], content(100_000)[8192..]);
        cow_fs::clone_range(&source, 0, 0, &target, 0).unwrap();
        assert_eq!(
            read(&target)[..40_960],
            vec![0; 40_960],
            "a length of 0 does nothing"
        );
        let unaligned = cow_fs::clone_range(&source, 512, 4096, &target, 0).unwrap_err();
        assert!(matches!(unaligned, Error::Invalid { .. }), "{unaligned:?}");
        assert!(unaligned.copy_may_work());
    }
}

#[test]
fn what_cannot_be_cloned_is_unsupported_and_can_be_copied() {
    skip_unless_available!();
    let ext4 = Scratch::ext4(mib(64)).unwrap();
    let btrfs = Scratch::btrfs(mib(128)).unwrap();
    let source = filled(ext4.path(), "source", 300_001);
    for (dir, name) in [
        (ext4.path(), "same file system"),
        (btrfs.path(), "another file system"),
    ] {
        let target = create(dir, name);
        let refusal = cow_fs::clone_file(&source, &target).unwrap_err();
        assert!(
            matches!(refusal, Error::Unsupported { .. }),
            "{name}: {refusal:?}"
        );
        assert!(matches!(
            cow_fs::clone_range(&source, 0, BLOCK_BYTES, &target, 0),
            Err(Error::Unsupported { .. })
        ));
        assert_eq!(
            cow_fs::copy_range(&source, 1, 1 << 30, &target, 7).unwrap(),
            300_000,
            "{name}"
        );
        assert_eq!(read(&target)[7..], content(300_001)[1..], "{name}");
        assert_eq!(
            cow_fs::copy_range(&source, 400_000, 10, &target, 0).unwrap(),
            0,
            "beyond the end"
        );
    }
    // What has no copy_file_range at all is read and written.
    let target = create(btrfs.path(), "from-proc");
    let copied_bytes =
        cow_fs::copy_range(File::open("/proc/version").unwrap(), 0, 1 << 20, &target, 0).unwrap();
    assert_eq!(read(&target), fs::read("/proc/version").unwrap());
    assert_eq!(copied_bytes, target.metadata().unwrap().len());
}

#[test]
fn copying_shares_extents_where_it_can() {
    skip_unless_available!();
    for scratch in with_reflinks() {
        let source = filled(scratch.path(), "source", 1 << 20);
        let target = create(scratch.path(), "target");
        source.sync_all().unwrap();
        assert_eq!(
            cow_fs::copy_range(&source, 0, 1 << 20, &target, 0).unwrap(),
            1 << 20
        );
        assert_eq!(cow_fs::shared_bytes(&target).unwrap(), 1 << 20);
    }
}

#[test]
fn data_extents_tell_holes_and_punching_makes_them() {
    skip_unless_available!();
    for scratch in [
        Scratch::btrfs(mib(128)).unwrap(),
        Scratch::xfs(mib(300)).unwrap(),
        Scratch::ext4(mib(64)).unwrap(),
    ] {
        let file = filled(scratch.path(), "file", 1 << 20);
        file.set_len(2 << 20).unwrap();
        file.sync_all().unwrap();
        let blocks_before = file.metadata().unwrap().blocks();
        assert_eq!(extents(&file), [(0, 1 << 20)]);
        cow_fs::punch_hole(&file, 262_144, 262_144).unwrap();
        cow_fs::punch_hole(&file, 0, 0).unwrap();
        assert_eq!(extents(&file), [(0, 262_144), (524_288, 1 << 20)]);
        assert_eq!(file.metadata().unwrap().len(), 2 << 20);
        file.sync_all().unwrap();
        assert_eq!(blocks_before - file.metadata().unwrap().blocks(), 512);
        let mut expected = content(1 << 20);
        expected[262_144..524_288].fill(0);
        assert_eq!(read(&file)[..1 << 20], expected);
        let first = cow_fs::data_extents(&file, 1000)
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        assert_eq!(
            first,
            [Extent {
                offset_bytes: 0,
                len_bytes: 1000
            }],
            "no further than asked for"
        );
        assert_eq!(cow_fs::data_extents(&file, 0).count(), 0);
        assert_eq!(extents(&create(scratch.path(), "empty")), []);
    }
}

#[test]
fn physical_extents_of_a_fragmented_file_come_in_several_batches() {
    skip_unless_available!();
    let scratch = Scratch::xfs(mib(300)).unwrap();
    let file = filled(scratch.path(), "file", 1000 * 4096);
    file.sync_all().unwrap();
    for number in 0..500 {
        cow_fs::punch_hole(&file, number * 8192 + BLOCK_BYTES, BLOCK_BYTES).unwrap();
    }
    let found: Vec<_> = cow_fs::physical_extents(&file)
        .map(|extent| extent.unwrap())
        .collect();
    assert_eq!(found.len(), 500);
    assert!(
        found
            .iter()
            .enumerate()
            .all(|(number, extent)| extent.offset_bytes == number as u64 * 8192)
    );
    assert_eq!(
        cow_fs::physical_extents(&create(scratch.path(), "empty")).count(),
        0
    );
}

#[test]
fn inode_flags_are_replaced_within_the_mask() {
    skip_unless_available!();
    for kind in [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4] {
        let scratch = Scratch::with_mount_options(kind, mib(64), "").unwrap();
        let file = create(scratch.path(), "file");
        let before = cow_fs::inode_flags(&file).unwrap();
        let mask = InodeFlags::NODUMP | InodeFlags::APPEND;
        cow_fs::replace_inode_flags(&file, mask, InodeFlags::NODUMP).unwrap();
        assert_eq!(
            cow_fs::inode_flags(&file).unwrap(),
            before | InodeFlags::NODUMP,
            "{kind:?}"
        );
        cow_fs::replace_inode_flags(&file, mask, InodeFlags::empty()).unwrap();
        assert_eq!(cow_fs::inode_flags(&file).unwrap(), before, "{kind:?}");
        cow_fs::replace_inode_flags(&file, InodeFlags::IMMUTABLE, InodeFlags::IMMUTABLE).unwrap();
        assert!(fs::remove_file(scratch.path().join("file")).is_err());
        cow_fs::replace_inode_flags(&file, InodeFlags::IMMUTABLE, InodeFlags::empty()).unwrap();
    }
    let without_flags = File::open("/proc/self/status").unwrap();
    assert!(matches!(
        cow_fs::inode_flags(without_flags),
        Err(Error::Unsupported { .. })
    ));
}

#[test]
fn a_full_file_system_is_told_apart() {
    skip_unless_available!();
    let scratch = Scratch::ext4(mib(8)).unwrap();
    let big = scratch_fs::Scratch::ext4(mib(64)).unwrap();
    let source = filled(big.path(), "source", 20 << 20);
    let target = create(scratch.path(), "target");
    assert!(matches!(
        cow_fs::copy_range(&source, 0, 20 << 20, &target, 0),
        Err(Error::NoSpace { .. })
    ));
    cow_fs::sync_file_system(&target).unwrap();
}

#[test]
fn names_are_exchanged_or_not_replaced() {
    skip_unless_available!();
    for kind in [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4] {
        let scratch = Scratch::with_mount_options(kind, mib(64), "").unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("file"), "content").unwrap();
        let dir = File::open(scratch.path()).unwrap();
        cow_fs::rename_exchange(&dir, b"directory", &dir, b"file").unwrap();
        assert!(at("file").is_dir() && at("directory").is_file());
        let taken = cow_fs::rename_noreplace(&dir, b"file", &dir, b"directory").unwrap_err();
        assert!(
            matches!(&taken, Error::AlreadyExists { path: Some(path), .. } if path == Path::new("directory"))
        );
        cow_fs::rename_noreplace(&dir, b"file", &dir, b"new").unwrap();
        assert!(at("new").is_dir());
        assert!(matches!(
            cow_fs::rename_exchange(&dir, b"new", &dir, b"no"),
            Err(Error::NotFound { .. })
        ));
        assert!(matches!(
            cow_fs::rename_noreplace(&dir, b"../x", &dir, b"y"),
            Err(Error::InvalidName { .. })
        ));
    }
}

#[test]
fn files_with_the_same_extents_are_the_same_data() {
    skip_unless_available!();
    for scratch in with_reflinks() {
        let one = filled(scratch.path(), "one", 1 << 20);
        let copy = filled(scratch.path(), "copy", 1 << 20);
        assert_eq!(same_data(&one, &copy).unwrap(), Sameness::Unknown);
        let clone = create(scratch.path(), "clone");
        cow_fs::clone_file(&one, &clone).unwrap();
        assert_eq!(same_data(&one, &clone).unwrap(), Sameness::SameData);
        // Cut into pieces and put together again it is the same.
        let pieces = create(scratch.path(), "pieces");
        for at in (0..8).rev().map(|piece: u64| piece * (128 << 10)) {
            cow_fs::clone_range(&one, at, 128 << 10, &pieces, at).unwrap();
        }
        assert_eq!(same_data(&one, &pieces).unwrap(), Sameness::SameData);
        let swapped = create(scratch.path(), "swapped");
        cow_fs::clone_range(&one, 0, 512 << 10, &swapped, 512 << 10).unwrap();
        cow_fs::clone_range(&one, 512 << 10, 512 << 10, &swapped, 0).unwrap();
        assert_eq!(same_data(&one, &swapped).unwrap(), Sameness::Unknown);
        clone.write_all_at(&[9; 4096], 64 << 10).unwrap();
        assert_eq!(same_data(&one, &clone).unwrap(), Sameness::Unknown);
        clone.set_len(100).unwrap();
        assert_eq!(same_data(&one, &clone).unwrap(), Sameness::Unknown);
    }
}

#[test]
fn names_of_one_inode_are_the_same_data_everywhere() {
    skip_unless_available!();
    let scratch = Scratch::ext4(mib(8)).unwrap();
    let one = filled(scratch.path(), "one", 100);
    fs::hard_link(scratch.path().join("one"), scratch.path().join("two")).unwrap();
    let two = File::open(scratch.path().join("two")).unwrap();
    assert_eq!(same_data(&one, &two).unwrap(), Sameness::SameData);
    let other = filled(scratch.path(), "other", 100);
    assert_eq!(same_data(&one, &other).unwrap(), Sameness::Unknown);
}
