//! `remove_tree`: everything beneath and nothing beside.
#![allow(clippy::unwrap_used)]

mod support;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use file_tree::{Dir, Error, Subvolumes};
use support::{is_nobody_or_ran_as_nobody, is_root, temporary, temporary_in_memory};

#[test]
fn a_tree_goes_and_what_its_links_lead_to_stays() {
    let (directory, dir) = temporary();
    let root = directory.path();
    std::fs::create_dir_all(root.join("keep/sub")).unwrap();
    std::fs::write(root.join("keep/file"), b"x").unwrap();
    std::fs::create_dir_all(root.join("gone/a/b/c")).unwrap();
    symlink("../keep", root.join("gone/link")).unwrap();
    symlink(root.join("keep"), root.join("gone/a/absolute")).unwrap();
    std::fs::hard_link(root.join("keep/file"), root.join("gone/a/b/hard")).unwrap();
    dir.child(b"gone").unwrap().create_fifo(b"fifo", 0o600).unwrap();
    dir.remove_tree(b"gone", Subvolumes::Refuse).unwrap();
    assert!(!root.join("gone").exists());
    assert_eq!(std::fs::read(root.join("keep/file")).unwrap(), b"x");
    assert!(root.join("keep/sub").is_dir());

    symlink("keep", root.join("link")).unwrap();
    dir.remove_tree(b"link", Subvolumes::Refuse).unwrap();
    assert!(root.join("keep/sub").is_dir() && !root.join("link").exists());
    dir.remove_tree(b"never was", Subvolumes::Refuse).unwrap();
}

#[test]
fn a_tree_of_5000_levels_with_branches_goes() {
    let (directory, dir) = temporary_in_memory();
    let mut level = dir.create_dir(b"deep", 0o755).unwrap();
    for _ in 0..5000 {
        level.create_file(b"file", 0o644).unwrap();
        level.create_dir(b"a", 0o755).unwrap();
        level.create_dir(b"z", 0o755).unwrap();
        level = level.create_dir(b"m", 0o755).unwrap();
    }
    dir.remove_tree(b"deep", Subvolumes::Refuse).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn directories_that_are_not_writable_or_readable_go_with_the_tree() {
    if !is_nobody_or_ran_as_nobody("directories_that_are_not_writable_or_readable_go_with_the_tree") {
        return;
    }
    let (directory, dir) = temporary();
    let root = directory.path();
    std::fs::create_dir_all(root.join("tree/a/b")).unwrap();
    std::fs::write(root.join("tree/a/b/file"), b"x").unwrap();
    std::fs::create_dir_all(root.join("tree/none/x")).unwrap();
    for (path, mode) in [
        ("tree/a/b", 0o500),
        ("tree/a", 0o555),
        ("tree/none", 0o000),
        ("tree", 0o500),
    ] {
        std::fs::set_permissions(root.join(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    dir.remove_tree(b"tree", Subvolumes::Refuse).unwrap();
    assert!(!root.join("tree").exists());

    // The directory that the tree is in is not ours to change.
    std::fs::create_dir(root.join("tree")).unwrap();
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o500)).unwrap();
    assert!(
        dir.remove_tree(b"tree", Subvolumes::Refuse)
            .unwrap_err()
            .is_denied()
    );
    assert_eq!(
        std::fs::metadata(root).unwrap().permissions().mode() & 0o777,
        0o500
    );
    std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn protected_files_and_directories_go_with_the_tree() {
    if !is_root() {
        eprintln!("skipped: the immutable flag needs root");
        return;
    }
    let (directory, dir) = temporary();
    let root = directory.path();
    std::fs::create_dir_all(root.join("tree/sub/sub")).unwrap();
    std::fs::write(root.join("tree/sub/file"), b"x").unwrap();
    std::fs::write(root.join("tree/sub/log"), b"x").unwrap();
    for (flag, path) in [
        ("+i", "tree/sub/file"),
        ("+a", "tree/sub/log"),
        ("+i", "tree/sub"),
        ("+a", "tree"),
    ] {
        let status = Command::new("chattr").arg(flag).arg(root.join(path)).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("skipped: no inode flags here");
            return;
        }
    }
    assert!(std::fs::remove_dir_all(root.join("tree")).is_err());
    dir.remove_tree(b"tree", Subvolumes::Refuse).unwrap();
    assert!(!root.join("tree").exists());
}

#[test]
fn a_name_that_is_no_component_removes_nothing() {
    let (directory, dir) = temporary();
    std::fs::create_dir_all(directory.path().join("a/b")).unwrap();
    for name in [&b"a/b"[..], b"..", b".", b"", b"/"] {
        assert!(matches!(
            dir.remove_tree(name, Subvolumes::Remove),
            Err(Error::BadName { .. })
        ));
    }
    assert!(Dir::open(&directory.path().join("a/b")).is_ok());
}
