//! The trees and their comparison, against `cp -a` and single differences.
#![allow(clippy::unwrap_used, reason = "a failed expectation is what a test reports")]

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use scratch_fs::tree::{Aspects, compare_trees, compare_trees_with, mutate_tree, random_tree};
use scratch_fs::{FileSystem, Scratch, mib, skip_unless_available};

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .args(["-a", "--sparse=always"])
        .arg(from)
        .arg(to)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_faithful_copy_has_no_difference() {
    skip_unless_available!();
    for kind in [FileSystem::Btrfs, FileSystem::Xfs, FileSystem::Ext4] {
        let scratch = Scratch::with_mount_options(kind, mib(400), "").unwrap();
        let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
        fs::create_dir(&a).unwrap();
        random_tree(7, &a).unwrap();
        copy(&a, &b);
        assert_eq!(
            compare_trees_with(&a, &b, Aspects::ALL),
            Vec::<String>::new(),
            "{kind:?}"
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_tree_and_the_same_changes() {
    skip_unless_available!();
    let scratch = Scratch::xfs(mib(600)).unwrap();
    let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
    for dir in [&a, &b] {
        fs::create_dir(dir).unwrap();
        random_tree(3, dir).unwrap();
    }
    // The time of the two roots is the only thing that is not set.
    let aspects = Aspects {
        root: false,
        ..Aspects::ALL
    };
    assert_eq!(compare_trees_with(&a, &b, aspects), Vec::<String>::new());
    for seed in 0..5 {
        let log = mutate_tree(seed, &a, 20).unwrap();
        assert_eq!(mutate_tree(seed, &b, 20).unwrap(), log);
        let aspects = Aspects {
            times: false,
            ..aspects
        };
        assert_eq!(
            compare_trees_with(&a, &b, aspects),
            Vec::<String>::new(),
            "after {log:#?}"
        );
    }
}

/// Two copies of a small tree, one of which is changed; returns the differences.
fn differences_after(change: impl FnOnce(&Path)) -> Vec<String> {
    let scratch = Scratch::ext4(mib(64)).unwrap();
    let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
    fs::create_dir_all(a.join("dir")).unwrap();
    fs::write(a.join("dir/file"), [7; 10_000]).unwrap();
    fs::write(a.join("other"), "other").unwrap();
    fs::hard_link(a.join("other"), a.join("same")).unwrap();
    symlink("target", a.join("link")).unwrap();
    copy(&a, &b);
    assert_eq!(compare_trees(&a, &b), Vec::<String>::new());
    change(&b);
    compare_trees(&a, &b)
}

#[test]
fn each_single_difference_is_seen() {
    skip_unless_available!();
    let keep_time = |path: &Path, change: &dyn Fn()| {
        let time = fs::metadata(path).unwrap().modified().unwrap();
        change();
        fs::File::open(path).unwrap().set_modified(time).unwrap();
    };
    let found = differences_after(|b| {
        let file = b.join("dir/file");
        keep_time(&file, &|| {
            fs::File::options()
                .write(true)
                .open(&file)
                .unwrap()
                .write_all_at(b"x", 9_999)
                .unwrap()
        });
    });
    assert_eq!(found, ["dir/file: content: at byte 9999"]);
    let found = differences_after(|b| {
        fs::set_permissions(b.join("other"), fs::Permissions::from_mode(0o4755)).unwrap()
    });
    assert_eq!(found.len(), 2, "both names of the inode: {found:?}");
    let found = differences_after(|b| {
        keep_time(b, &|| {
            fs::remove_file(b.join("same")).unwrap();
            copy(&b.join("other"), &b.join("same"));
        });
    });
    assert_eq!(found, [r#"same: hard link of: "other" / "same""#]);
    let found = differences_after(|b| keep_time(b, &|| fs::write(b.join("more"), "").unwrap()));
    assert_eq!(found, ["more: exists: false / true"]);
    let found = differences_after(|b| {
        rustix::fs::setxattr(b.join("dir"), "user.x", b"1", rustix::fs::XattrFlags::empty()).unwrap();
    });
    assert_eq!(found, [r#"dir: xattrs: Ok({}) / Ok({"user.x": "1"})"#]);
    let found = differences_after(|b| std::os::unix::fs::lchown(b.join("link"), Some(5), None).unwrap());
    assert_eq!(found, ["link: owner: (0, 0) / (5, 0)"]);
}
