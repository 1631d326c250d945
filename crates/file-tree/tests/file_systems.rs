//! What only real file systems show: mounts in a tree, bind mounts, subvolumes, their flags. Needs root.
#![allow(clippy::unwrap_used)]

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use file_tree::metadata::{Apply, Owners, Prior, apply, prepare_empty_file, read};
use file_tree::walk::{Contents, Crossing, LeftOut, Source, Walk, WalkedDir};
use file_tree::{Error, Filter, Names, Subvolumes};
use manifest::InodeFlags;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use scratch_fs::{FileSystem, Scratch, mib, skip_unless_available};
use support::{options, paths, source};

/// Something mounted inside a scratch file system, gone when dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

fn walk_across(path: &Path, crossing: Crossing) -> Vec<WalkedDir> {
    let source = Source {
        crossing,
        ..source("s", path, Filter::default())
    };
    Walk::start(vec![source], options(2))
        .expect("the walk starts")
        .collect()
}

fn contents(walked: &[WalkedDir], path: &str) -> Contents {
    let found = walked.iter().find(|walked| *walked.path == *path.as_bytes());
    found
        .unwrap_or_else(|| panic!("{path} is missing from {:?}", paths(walked)))
        .contents
}

const OTHER: Contents = Contents::LeftOut(LeftOut::OtherFileSystem);

#[test]
fn another_file_system_is_left_out_unless_asked_for() {
    skip_unless_available!();
    let scratch = Scratch::ext4(mib(16)).unwrap();
    let inner = scratch.path().join("d/inner");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join("hidden"), b"").unwrap();
    std::fs::create_dir(scratch.path().join("proc")).unwrap();
    mount(
        "none",
        &inner,
        "tmpfs",
        MountFlags::empty(),
        None::<&std::ffi::CStr>,
    )
    .unwrap();
    let _inner = Mounted(&inner);
    std::fs::create_dir(inner.join("sub")).unwrap();
    std::fs::write(inner.join("sub/file"), b"").unwrap();
    let proc = scratch.path().join("proc");
    mount(
        "none",
        &proc,
        "proc",
        MountFlags::empty(),
        None::<&std::ffi::CStr>,
    )
    .unwrap();
    let _proc = Mounted(&proc);

    let walked = walk_across(scratch.path(), Crossing::Never);
    assert_eq!(contents(&walked, "s/d/inner"), OTHER);
    assert_eq!(contents(&walked, "s/proc"), OTHER);
    assert!(walked.iter().all(|walked| walked.problems.is_empty()));
    assert_eq!(
        paths(&walked),
        ["s", "s/d", "s/lost+found", "s/proc", "s/d/inner"]
    );
    assert_eq!(
        contents(&walk_across(scratch.path(), Crossing::Subvolumes), "s/d/inner"),
        OTHER
    );

    let walked = walk_across(scratch.path(), Crossing::All);
    assert_eq!(contents(&walked, "s/d/inner/sub"), Contents::Whole);
    assert_eq!(
        contents(&walked, "s/proc"),
        Contents::LeftOut(LeftOut::KernelInterface)
    );
    assert!(paths(&walked).contains(&"s/d/inner/sub/file".to_owned()));

    // A source that is itself a mount point is walked.
    assert_eq!(
        contents(&walk_across(&inner, Crossing::Never), "s/sub"),
        Contents::Whole
    );

    // Removing stops there as well.
    let dir = file_tree::Dir::open(scratch.path()).unwrap();
    assert!(matches!(
        dir.remove_tree(b"d", Subvolumes::Remove),
        Err(Error::MountPoint { .. })
    ));
    assert!(inner.join("sub/file").exists());
}

#[test]
fn a_bind_mount_of_an_ancestor_is_no_trap() {
    skip_unless_available!();
    let scratch = Scratch::ext4(mib(16)).unwrap();
    let root = scratch.path().join("root");
    let inside = root.join("a/b/loop");
    std::fs::create_dir_all(&inside).unwrap();
    mount_bind(&root, &inside).unwrap();
    let _mounted = Mounted(&inside);
    assert_eq!(
        contents(&walk_across(&root, Crossing::Never), "s/a/b/loop"),
        OTHER
    );
    let walked = walk_across(&root, Crossing::All);
    assert_eq!(contents(&walked, "s/a/b/loop"), Contents::LeftOut(LeftOut::Loop));
    assert_eq!(walked.len(), 5);
    // Entered at the side: from `a` there is one way round, and it ends where it began.
    let walked = walk_across(&root.join("a"), Crossing::All);
    assert_eq!(contents(&walked, "s/b/loop"), Contents::Whole);
    assert_eq!(contents(&walked, "s/b/loop/a"), Contents::LeftOut(LeftOut::Loop));
}

fn subvolume(path: &Path) {
    let status = Command::new("btrfs")
        .args(["-q", "subvolume", "create"])
        .arg(path)
        .status();
    assert!(status.is_ok_and(|status| status.success()));
}

#[test]
fn nested_subvolumes_are_left_out_or_entered_as_asked() {
    skip_unless_available!(FileSystem::Btrfs);
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    subvolume(&tree.join("nested"));
    subvolume(&tree.join("nested/deeper"));
    std::fs::write(tree.join("nested/deeper/file"), b"x").unwrap();
    std::fs::write(tree.join("nested/file"), b"x").unwrap();

    let walked = walk_across(scratch.path(), Crossing::Never);
    assert_eq!(contents(&walked, "s/tree/nested"), OTHER);
    let walked = walk_across(scratch.path(), Crossing::Subvolumes);
    assert_eq!(contents(&walked, "s/tree/nested/deeper"), Contents::Whole);

    let dir = file_tree::Dir::open(scratch.path()).unwrap();
    assert!(matches!(
        dir.remove_tree(b"tree", Subvolumes::Refuse),
        Err(Error::MountPoint { .. })
    ));
    assert!(tree.join("nested/deeper/file").exists());
    dir.remove_tree(b"tree", Subvolumes::Remove).unwrap();
    assert!(!tree.exists());
}

#[test]
fn flags_of_btrfs_come_back() {
    skip_unless_available!(FileSystem::Btrfs);
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let dir = file_tree::Dir::open(scratch.path()).unwrap();
    let how = Apply {
        owners: Owners::Numeric,
        prior: Prior::Fresh,
        flags: InodeFlags::KEPT,
    };
    for flags in [
        InodeFlags::NOCOW,
        InodeFlags::COMPRESS,
        InodeFlags::NODUMP,
        InodeFlags::IMMUTABLE,
    ] {
        let name = format!("{:x}", flags.0);
        let file = dir.create_file(name.as_bytes(), 0o600).unwrap();
        assert_eq!(prepare_empty_file(&file, flags).unwrap(), []);
        rustix::io::write(&file, &[0; 10000]).unwrap();
        let stat = dir.stat(name.as_bytes()).unwrap();
        let names = Names::system();
        let mut wanted = read(&file, &stat, &names).unwrap();
        wanted.flags = flags;
        assert_eq!(apply(&file, &wanted, how).unwrap(), []);
        assert_eq!(read(&file, &stat, &names).unwrap().flags, flags);
    }
    // What the file can't have any more does not keep it from getting the rest.
    let file = dir.create_file(b"late", 0o600).unwrap();
    rustix::io::write(&file, &[0; 10000]).unwrap();
    let stat = dir.stat(b"late").unwrap();
    let mut wanted = read(&file, &stat, &Names::system()).unwrap();
    wanted.flags = InodeFlags(InodeFlags::NOCOW.0 | InodeFlags::NODUMP.0);
    apply(&file, &wanted, how).unwrap();
    assert!(
        read(&file, &stat, &Names::system())
            .unwrap()
            .flags
            .contains(InodeFlags::NODUMP)
    );
}

#[test]
fn a_file_system_without_owners_or_attributes_says_what_it_lacks() {
    skip_unless_available!(FileSystem::Vfat);
    let scratch = Scratch::vfat(mib(16)).unwrap();
    let dir = Arc::new(file_tree::Dir::open(scratch.path()).unwrap());
    let file = dir.create_file(b"f", 0o644).unwrap();
    let stat = dir.stat(b"f").unwrap();
    let mut wanted = read(&file, &stat, &Names::system()).unwrap();
    wanted.uid = 1000;
    wanted.mode = 0o1640;
    wanted.xattrs.push(manifest::Xattr {
        name: (*b"user.x").into(),
        value: (*b"1").into(),
    });
    let how = Apply {
        owners: Owners::Numeric,
        prior: Prior::Unknown,
        flags: InodeFlags::KEPT,
    };
    let refused = apply(&file, &wanted, how).unwrap();
    assert!(refused.len() >= 2, "{refused:?}");
    assert_eq!(walk_across(scratch.path(), Crossing::Never).len(), 2);
}
