//! btrfs subvolumes, with the `btrfs` program as the second opinion where it is installed.
#![allow(clippy::unwrap_used, reason = "a failed expectation is what a test reports")]

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cow_fs::btrfs::{self, Access, Compression, SubvolumeId};
use cow_fs::{Error, Operation};
use scratch_fs::{Scratch, mib, skip_unless_available};

fn open(path: impl AsRef<Path>) -> File {
    File::open(path).unwrap()
}

#[test]
fn subvolumes_are_created_and_recognized() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    let names: [&[u8]; 3] = [b"plain", b"odd\n\xff\xfe", &[b'x'; 255]];
    for name in names {
        btrfs::create_subvolume(&top, name).unwrap();
        assert!(matches!(
            btrfs::create_subvolume(&top, name),
            Err(Error::AlreadyExists { .. })
        ));
    }
    let plain = open(scratch.path().join("plain"));
    fs::create_dir(scratch.path().join("plain/directory")).unwrap();
    let inner = open(scratch.path().join("plain/directory"));
    assert!(btrfs::is_subvolume(&top).unwrap() && btrfs::is_subvolume(&plain).unwrap());
    assert!(!btrfs::is_subvolume(&inner).unwrap());
    assert_eq!(btrfs::subvolume_id(&top).unwrap(), SubvolumeId(5));
    assert_eq!(
        btrfs::subvolume_id(&plain).unwrap(),
        btrfs::subvolume_id(&inner).unwrap()
    );
    assert_ne!(plain.metadata().unwrap().dev(), top.metadata().unwrap().dev());
    if let Ok(shown) = Command::new("btrfs")
        .args(["subvolume", "show"])
        .arg(scratch.path().join("plain"))
        .output()
    {
        let id = btrfs::subvolume_id(&plain).unwrap().0;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        assert!(
            shown
                .lines()
                .any(|line| line.contains("Subvolume ID:") && line.ends_with(&id.to_string())),
            "{shown}"
        );
    }
    for name in names {
        btrfs::delete_subvolume(&top, name).unwrap();
    }
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn names_are_checked_before_the_kernel_sees_them() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    for name in [&b""[..], b".", b"..", b"a/b", b"a\0b", &[b'x'; 256]] {
        assert!(
            matches!(
                btrfs::create_subvolume(&top, name),
                Err(Error::InvalidName { .. })
            ),
            "{name:?}"
        );
        assert!(
            matches!(
                btrfs::delete_subvolume(&top, name),
                Err(Error::InvalidName { .. })
            ),
            "{name:?}"
        );
        let snapshot = btrfs::snapshot(&top, &top, name, Access::ReadOnly);
        assert!(matches!(snapshot, Err(Error::InvalidName { .. })), "{name:?}");
    }
}

#[test]
fn snapshots_are_independent_and_as_writable_as_asked() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    let at = |path: &str| scratch.path().join(path);
    btrfs::create_subvolume(&top, b"source").unwrap();
    fs::write(at("source/file"), "old").unwrap();
    let source = open(at("source"));
    btrfs::snapshot(&source, &top, b"fixed", Access::ReadOnly).unwrap();
    btrfs::snapshot(&source, &top, b"free", Access::Writable).unwrap();
    fs::write(at("source/file"), "new").unwrap();
    fs::write(at("free/file"), "own").unwrap();
    assert_eq!(fs::read(at("fixed/file")).unwrap(), b"old");
    assert!(fs::write(at("fixed/file"), "no").is_err());
    let fixed = open(at("fixed"));
    assert_eq!(btrfs::access(&fixed).unwrap(), Access::ReadOnly);
    assert_eq!(btrfs::access(&source).unwrap(), Access::Writable);
    btrfs::set_access(&fixed, Access::Writable).unwrap();
    btrfs::set_access(&fixed, Access::Writable).unwrap();
    fs::write(at("fixed/file"), "yes").unwrap();
    btrfs::set_access(&fixed, Access::ReadOnly).unwrap();
    assert_eq!(btrfs::access(&fixed).unwrap(), Access::ReadOnly);
    assert!(fs::write(at("fixed/file"), "no").is_err());
    // Read-only is no obstacle to deletion for root.
    btrfs::delete_subvolume(&top, b"fixed").unwrap();
    assert!(!at("fixed").exists());
}

#[test]
fn extents_are_shared_across_subvolumes() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    for name in [&b"a"[..], b"b"] {
        btrfs::create_subvolume(&top, name).unwrap();
    }
    fs::write(scratch.path().join("a/file"), vec![9; 1 << 20]).unwrap();
    let source = open(scratch.path().join("a/file"));
    let target = File::create_new(scratch.path().join("b/file")).unwrap();
    cow_fs::clone_file(&source, &target).unwrap();
    let linked = fs::hard_link(scratch.path().join("a/file"), scratch.path().join("b/link"));
    assert!(
        linked.is_err(),
        "unlike clones, hard links end at a subvolume's border"
    );
    assert_eq!(
        cow_fs::shared_bytes(&open(scratch.path().join("b/file"))).unwrap(),
        1 << 20
    );
}

#[test]
fn deleted_subvolumes_are_cleaned_in_the_background() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    btrfs::create_subvolume(&top, b"subvolume").unwrap();
    fs::write(scratch.path().join("subvolume/file"), vec![1; 4 << 20]).unwrap();
    let id = btrfs::subvolume_id(open(scratch.path().join("subvolume"))).unwrap();
    assert!(!btrfs::is_cleaned(&top, id).unwrap());
    btrfs::delete_subvolume(&top, b"subvolume").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !btrfs::is_cleaned(&top, id).unwrap() {
        assert!(Instant::now() < deadline, "the kernel did not clean up");
        btrfs::sync(&top).unwrap();
        std::thread::yield_now();
    }
    assert!(
        btrfs::is_cleaned(&top, SubvolumeId(1 << 40)).unwrap(),
        "what never was is clean"
    );
}

#[test]
fn refusals_are_told_apart() {
    skip_unless_available!();
    let btrfs_scratch = Scratch::btrfs(mib(128)).unwrap();
    let ext4 = Scratch::ext4(mib(16)).unwrap();
    let (top, elsewhere) = (open(btrfs_scratch.path()), open(ext4.path()));
    assert!(!btrfs::is_subvolume(&elsewhere).unwrap());
    for outcome in [
        btrfs::create_subvolume(&elsewhere, b"x"),
        btrfs::snapshot(&top, &elsewhere, b"x", Access::Writable),
        btrfs::delete_subvolume(&elsewhere, b"x"),
        btrfs::set_access(&elsewhere, Access::ReadOnly),
        btrfs::subvolume_id(&elsewhere).map(drop),
        btrfs::is_cleaned(&elsewhere, SubvolumeId(300)).map(drop),
        btrfs::sync(&elsewhere),
        btrfs::set_compression(&elsewhere, Compression::Zstd),
    ] {
        assert!(matches!(outcome, Err(Error::Unsupported { .. })), "{outcome:?}");
    }
    let missing = btrfs::delete_subvolume(&top, b"missing").unwrap_err();
    assert!(
        matches!(
            missing,
            Error::NotFound {
                operation: Operation::DeleteSubvolume,
                ..
            }
        ),
        "{missing:?}"
    );
    fs::create_dir(btrfs_scratch.path().join("directory")).unwrap();
    let directory = btrfs::delete_subvolume(&top, b"directory").unwrap_err();
    assert!(matches!(directory, Error::Invalid { .. }), "{directory:?}");
    btrfs::create_subvolume(&top, b"outer").unwrap();
    btrfs::create_subvolume(open(btrfs_scratch.path().join("outer")), b"inner").unwrap();
    let nested = btrfs::delete_subvolume(&top, b"outer").unwrap_err();
    assert!(matches!(nested, Error::AlreadyExists { .. }), "{nested:?}");
    assert_eq!(
        nested.to_string(),
        r#"deleting a subvolume ("outer"): exists already"#
    );
}

#[test]
fn compression_is_inherited_by_new_files() {
    skip_unless_available!();
    let scratch = Scratch::btrfs(mib(128)).unwrap();
    let top = open(scratch.path());
    for compression in [
        Compression::Zlib,
        Compression::Lzo,
        Compression::Off,
        Compression::Zstd,
    ] {
        btrfs::set_compression(&top, compression).unwrap();
        assert_eq!(compression.as_str().parse(), Ok(compression));
    }
    assert!("zip".parse::<Compression>().is_err());
    fs::write(scratch.path().join("file"), vec![b'a'; 1 << 20]).unwrap();
    let file = open(scratch.path().join("file"));
    const FIEMAP_EXTENT_ENCODED: u32 = 0x8;
    assert!(cow_fs::physical_extents(&file).all(|extent| extent.unwrap().flags & FIEMAP_EXTENT_ENCODED != 0));
}
