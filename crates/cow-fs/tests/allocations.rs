//! What files hold of their device, on real file systems.
#![allow(clippy::unwrap_used, reason = "a failed expectation is what a test reports")]

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use cow_fs::btrfs::Compression;
use cow_fs::{Allocation, AllocationSource, allocation_source, allocations};
use scratch_fs::{Scratch, mib, skip_unless_available};

const BLOCK_BYTES: u64 = 4096;
const FILE_BYTES: u64 = 1 << 20;

fn create(dir: &Path, name: &str) -> File {
    File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(dir.join(name))
        .unwrap()
}

/// A file that can't be compressed.
fn filled(dir: &Path, name: &str) -> File {
    let file = create(dir, name);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = (0..FILE_BYTES / 8).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    file.write_all_at(&words.collect::<Vec<u8>>(), 0).unwrap();
    file.sync_all().unwrap();
    file
}

fn held(file: &File, source: AllocationSource) -> Vec<Allocation> {
    file.sync_all().unwrap();
    allocations(file, source)
        .unwrap()
        .map(|found| found.unwrap())
        .collect()
}

fn sum_bytes(held: &[Allocation]) -> u64 {
    held.iter().map(|part| part.len_bytes).sum()
}

/// Every block that any of the files holds, once.
fn blocks(files: &[&[Allocation]]) -> BTreeSet<u64> {
    let parts = files.iter().flat_map(|parts| parts.iter());
    parts
        .flat_map(|part| (part.start_bytes..part.start_bytes + part.len_bytes).step_by(BLOCK_BYTES as usize))
        .collect()
}

#[test]
fn btrfs_is_asked_for_its_trees_and_xfs_for_its_extent_map() {
    skip_unless_available!();
    let btrfs = Scratch::btrfs(mib(256)).unwrap();
    let xfs = Scratch::xfs(mib(300)).unwrap();
    let asked = |scratch: &Scratch| allocation_source(create(scratch.path(), "file")).unwrap();
    assert_eq!(asked(&btrfs), AllocationSource::BtrfsTrees);
    assert_eq!(asked(&xfs), AllocationSource::ExtentMap);
}

#[test]
fn a_clone_holds_what_its_source_holds_and_a_changed_block_of_its_own() {
    skip_unless_available!();
    for scratch in [Scratch::btrfs(mib(256)).unwrap(), Scratch::xfs(mib(300)).unwrap()] {
        let source = filled(scratch.path(), "source");
        let clone = create(scratch.path(), "clone");
        cow_fs::clone_file(&source, &clone).unwrap();
        for asked in [allocation_source(&source).unwrap(), AllocationSource::ExtentMap] {
            let (in_source, in_clone) = (held(&source, asked), held(&clone, asked));
            assert_eq!(in_source, in_clone);
            assert_eq!(sum_bytes(&in_source), FILE_BYTES);
        }
        clone
            .write_all_at(&[7; BLOCK_BYTES as usize], 64 * BLOCK_BYTES)
            .unwrap();
        for asked in [allocation_source(&source).unwrap(), AllocationSource::ExtentMap] {
            let (in_source, in_clone) = (held(&source, asked), held(&clone, asked));
            let both = blocks(&[&in_source, &in_clone]).len() as u64;
            assert_eq!(both, FILE_BYTES / BLOCK_BYTES + 1, "{asked:?}");
            // btrfs keeps the block that the clone no longer uses, as it is in the midst of an extent.
            let kept = match asked {
                AllocationSource::BtrfsTrees => both,
                AllocationSource::ExtentMap => both - 1,
            };
            assert_eq!(blocks(&[&in_clone]).len() as u64, kept, "{asked:?}");
        }
    }
}

#[test]
fn many_extents_are_all_told() {
    skip_unless_available!();
    for scratch in [Scratch::btrfs(mib(256)).unwrap(), Scratch::xfs(mib(300)).unwrap()] {
        let file = create(scratch.path(), "sparse");
        let extents = 1000;
        // From behind, or XFS allocates what lies between in advance.
        for at in (0..extents).rev() {
            file.write_all_at(&[at as u8 | 1; BLOCK_BYTES as usize], at * 3 * BLOCK_BYTES)
                .unwrap();
        }
        for asked in [allocation_source(&file).unwrap(), AllocationSource::ExtentMap] {
            let held = held(&file, asked);
            assert_eq!(held.len() as u64, extents);
            assert_eq!(blocks(&[&held]).len() as u64, extents);
            assert!(
                held.iter()
                    .map(|part| part.offset_bytes)
                    .eq((0..extents).map(|at| at * 3 * BLOCK_BYTES))
            );
        }
    }
}

#[test]
fn compressed_extents_count_with_what_is_on_the_disk_where_it_is_told() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(256)).unwrap();
    let file = create(scratch.path(), "compressible");
    cow_fs::btrfs::set_compression(&file, Compression::Zstd).unwrap();
    file.write_all_at(&vec![b'a'; FILE_BYTES as usize], 0).unwrap();
    let on_disk = held(&file, AllocationSource::BtrfsTrees);
    assert_eq!(on_disk.len(), 8);
    assert_eq!(sum_bytes(&on_disk), 8 * BLOCK_BYTES);
    let in_file = held(&file, AllocationSource::ExtentMap);
    assert_eq!(sum_bytes(&in_file), FILE_BYTES);
    assert_eq!(
        blocks(&[&in_file]).len() as u64,
        FILE_BYTES / BLOCK_BYTES,
        "none overlaps another"
    );
}

#[test]
fn what_was_allocated_in_advance_is_not_held_where_clones_do_not_have_it() {
    skip_unless_available!();
    let scratch = Scratch::xfs(mib(300)).unwrap();
    let file = create(scratch.path(), "allocated");
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, FILE_BYTES).unwrap();
    file.write_all_at(&[1; BLOCK_BYTES as usize], 8 * BLOCK_BYTES)
        .unwrap();
    assert_eq!(sum_bytes(&held(&file, AllocationSource::ExtentMap)), BLOCK_BYTES);
}

#[test]
fn what_lies_within_metadata_or_nowhere_is_not_held() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(256)).unwrap();
    let inline = create(scratch.path(), "inline");
    inline.write_all_at(b"a few bytes", 0).unwrap();
    let hole = create(scratch.path(), "hole");
    hole.set_len(FILE_BYTES).unwrap();
    for file in [inline, hole] {
        assert_eq!(held(&file, AllocationSource::BtrfsTrees), []);
        assert_eq!(held(&file, AllocationSource::ExtentMap), []);
    }
}
