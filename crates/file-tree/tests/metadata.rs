//! Metadata: what is read is what was there, what is applied is what was wanted, and the rest is told.
#![allow(clippy::unwrap_used)]

mod support;

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use file_tree::metadata::{
    Apply, Aspect, NotApplied, Owners, Prior, Target, apply, prepare_empty_file, read,
};
use file_tree::{Dir, Error, Names};
use manifest::{InodeFlags, Metadata, Timestamp, Xattr};
use support::{NOBODY, is_nobody_or_ran_as_nobody, is_root, temporary};

const FRESH: Apply<'_> = Apply {
    owners: Owners::Numeric,
    prior: Prior::Fresh,
    flags: InodeFlags::KEPT,
};
const UNKNOWN: Apply<'_> = Apply {
    owners: Owners::Numeric,
    prior: Prior::Unknown,
    flags: InodeFlags::KEPT,
};

fn read_at(dir: &Dir, name: &str) -> Metadata {
    let stat = dir.stat(name.as_bytes()).unwrap();
    read(Target::At(dir, name.as_bytes()), &stat, &Names::system()).unwrap()
}

fn run(program: &str, arguments: &[&str], path: &Path) {
    let status = Command::new(program).args(arguments).arg(path).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "{program} {arguments:?} {}",
        path.display()
    );
}

fn xattr(name: &str, value: &[u8]) -> Xattr {
    Xattr {
        name: name.as_bytes().into(),
        value: value.into(),
    }
}

/// What is equal between an original and its copy.
fn comparable(metadata: Metadata) -> Metadata {
    Metadata {
        ctime: Timestamp::default(),
        ino: 0,
        ..metadata
    }
}

/// Makes one of each kind with all metadata that root can give.
fn make_varied(root: &Path) -> [&'static str; 6] {
    std::fs::write(root.join("file"), b"x").unwrap();
    std::fs::write(root.join("program"), b"x").unwrap();
    std::fs::create_dir(root.join("dir")).unwrap();
    symlink("target", root.join("link")).unwrap();
    let dir = Dir::open(root).unwrap();
    dir.create_fifo(b"fifo", 0o640).unwrap();
    dir.create_device(
        b"null",
        0o666,
        file_tree::DeviceKind::Char,
        file_tree::DeviceNumber { major: 1, minor: 3 },
    )
    .unwrap();
    run(
        "setfattr",
        &["-n", "user.comment", "-v", "hello"],
        &root.join("file"),
    );
    run("setfattr", &["-n", "user.empty"], &root.join("file"));
    run(
        "setfattr",
        &["-n", "trusted.secret", "-v", "0xfffe00"],
        &root.join("dir"),
    );
    run(
        "setfattr",
        &["-h", "-n", "trusted.link", "-v", "1"],
        &root.join("link"),
    );
    run("setfattr", &["-n", "trusted.fifo", "-v", "1"], &root.join("fifo"));
    run("setfacl", &["-m", "u:1234:rw,g:1235:r"], &root.join("file"));
    run(
        "setfacl",
        &["-m", "u:1234:rwx", "-d", "-m", "g:1235:rx"],
        &root.join("dir"),
    );
    for (name, mode) in [
        ("program", "6755"),
        ("dir", "3770"),
        ("fifo", "0604"),
        ("null", "0606"),
    ] {
        run("chown", &["1000:1001"], &root.join(name));
        run("chmod", &[mode], &root.join(name));
    }
    run("setcap", &["cap_net_raw+ep"], &root.join("program"));
    run("chown", &["-h", "7:8"], &root.join("link"));
    for (name, time) in [
        ("file", "@1.000000001"),
        ("program", "@-86400.5"),
        ("dir", "2038-02-01 00:00:00.999999999 UTC"),
        ("link", "@123456789.123456789"),
        ("fifo", "@0"),
        ("null", "@4000000000"),
    ] {
        run("touch", &["-h", "-m", "-d", time], &root.join(name));
    }
    ["file", "program", "dir", "link", "fifo", "null"]
}

#[test]
fn everything_that_is_read_is_applied_to_a_fresh_entry() {
    if !is_root() {
        eprintln!("skipped: owners, trusted attributes and capabilities need root");
        return;
    }
    let (original, original_dir) = temporary();
    let (copy, copy_dir) = temporary();
    let names = make_varied(original.path());
    std::fs::write(copy.path().join("file"), b"x").unwrap();
    std::fs::write(copy.path().join("program"), b"x").unwrap();
    std::fs::create_dir(copy.path().join("dir")).unwrap();
    symlink("target", copy.path().join("link")).unwrap();
    copy_dir.create_fifo(b"fifo", 0).unwrap();
    let null = file_tree::DeviceNumber { major: 1, minor: 3 };
    copy_dir
        .create_device(b"null", 0, file_tree::DeviceKind::Char, null)
        .unwrap();
    for name in names {
        let wanted = read_at(&original_dir, name);
        let refused = apply(Target::At(&copy_dir, name.as_bytes()), &wanted, FRESH).unwrap();
        assert_eq!(refused, [], "{name}");
        assert_eq!(comparable(read_at(&copy_dir, name)), comparable(wanted), "{name}");
    }
    let program = read_at(&copy_dir, "program");
    assert_eq!(program.mode, 0o6755);
    assert!(
        program
            .xattrs
            .iter()
            .any(|xattr| *xattr.name == *b"security.capability")
    );
    assert_eq!(
        program.mtime,
        Timestamp {
            secs: -86401,
            nanos: 500_000_000
        }
    );
    let dir = read_at(&copy_dir, "dir");
    assert_eq!(dir.xattrs.len(), 3, "both access lists and the attribute");
}

#[test]
fn what_is_not_wanted_is_removed_from_an_entry_that_was_there() {
    if !is_root() {
        eprintln!("skipped: owners, trusted attributes and capabilities need root");
        return;
    }
    let (directory, dir) = temporary();
    make_varied(directory.path());
    let wanted = Metadata {
        mode: 0o640,
        user: Some("root".into()),
        group: Some("root".into()),
        mtime: Timestamp { secs: 5, nanos: 6 },
        xattrs: vec![xattr("user.comment", b"other"), xattr("user.new", b"")],
        ..Metadata::default()
    };
    for name in ["file", "program", "dir"] {
        let target = File::open(directory.path().join(name)).unwrap();
        assert_eq!(apply(&target, &wanted, UNKNOWN).unwrap(), []);
        assert_eq!(comparable(read_at(&dir, name)), wanted, "{name}");
    }
}

#[test]
fn read_gives_the_same_through_a_descriptor_and_by_name() {
    let (directory, dir) = temporary();
    std::fs::write(directory.path().join("f"), b"x").unwrap();
    let stat = dir.stat(b"f").unwrap();
    let open = File::open(directory.path().join("f")).unwrap();
    let names = Names::system();
    assert_eq!(
        read(&open, &stat, &names).unwrap(),
        read(Target::At(&dir, b"f"), &stat, &names).unwrap()
    );
    assert!(matches!(
        read(Target::At(&dir, b"../f"), &stat, &names),
        Err(Error::BadName { .. })
    ));
    assert!(
        read(Target::At(&dir, b"gone"), &stat, &names)
            .unwrap_err()
            .is_not_found()
    );
}

#[test]
fn attributes_of_any_size_are_read_whole() {
    let (directory, dir) = temporary_with_large_attributes();
    let Some(expected) = expected_large(&dir) else {
        eprintln!("skipped: no user attributes here");
        return;
    };
    let read = read_at(&dir, "f");
    assert_eq!(read.xattrs, expected);
    drop(directory);
}

fn temporary_with_large_attributes() -> (tempfile::TempDir, Dir) {
    let (directory, dir) = temporary();
    dir.create_file(b"f", 0o644).unwrap();
    (directory, dir)
}

fn expected_large(dir: &Dir) -> Option<Vec<Xattr>> {
    let file = dir.open_file(b"f", file_tree::Access::ReadWrite).unwrap();
    let mut wanted = Metadata {
        mode: 0o644,
        ..read_at(dir, "f")
    };
    // Names of 2 KiB together, and a value above what is tried first.
    for number in 0..12 {
        wanted
            .xattrs
            .push(xattr(&format!("user.{number:02}{}", "n".repeat(180)), b""));
    }
    wanted.xattrs.push(xattr("user.zz", &[7; 1100]));
    let refused = apply(&file, &wanted, FRESH).unwrap();
    refused.is_empty().then_some(wanted.xattrs)
}

#[test]
fn attributes_of_other_kinds_are_never_applied() {
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o644).unwrap();
    let before = read_at(&dir, "f");
    let wanted = Metadata {
        xattrs: vec![
            xattr("btrfs.compression", b"zlib"),
            xattr("security.selinux", b"x"),
            xattr("security.evm", b"x"),
            xattr("system.nfs4_acl", b"x"),
        ],
        ..before.clone()
    };
    assert_eq!(apply(&file, &wanted, UNKNOWN).unwrap(), []);
    assert_eq!(comparable(read_at(&dir, "f")), comparable(before));
}

#[test]
fn who_is_not_root_is_told_what_is_missing_and_never_gets_setuid() {
    if !is_nobody_or_ran_as_nobody("who_is_not_root_is_told_what_is_missing_and_never_gets_setuid") {
        return;
    }
    let (directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o600).unwrap();
    let wanted = Metadata {
        mode: 0o6455,
        mtime: Timestamp { secs: 1, nanos: 2 },
        flags: InodeFlags(InodeFlags::IMMUTABLE.0 | InodeFlags::NODUMP.0),
        xattrs: vec![xattr("trusted.x", b"1"), xattr("user.x", b"2")],
        ..Metadata::default()
    };
    let refused: Vec<Aspect> = apply(&file, &wanted, FRESH)
        .unwrap()
        .into_iter()
        .map(|NotApplied { what, .. }| what)
        .collect();
    for what in [
        Aspect::Owner,
        Aspect::Group,
        Aspect::Mode,
        Aspect::Xattr(b"trusted.x".as_slice().into()),
    ] {
        assert!(refused.contains(&what), "{what:?} in {refused:?}");
    }
    assert!(
        refused
            .iter()
            .any(|what| matches!(what, Aspect::Flags(flags) if flags.contains(InodeFlags::IMMUTABLE)))
    );
    let applied = read_at(&dir, "f");
    assert_eq!((applied.uid, applied.gid), (NOBODY, NOBODY));
    // The owner may not write, and yet the attribute is set.
    assert_eq!((applied.mode, applied.mtime), (0o455, wanted.mtime));
    assert!(!refused.contains(&Aspect::Times));
    if !refused.contains(&Aspect::Xattr(b"user.x".as_slice().into())) {
        assert_eq!(applied.xattrs, [xattr("user.x", b"2")]);
    }
    drop(directory);
}

#[test]
fn names_decide_on_the_owner_if_asked_to() {
    if !is_root() {
        eprintln!("skipped: changing owners needs root");
        return;
    }
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o600).unwrap();
    let names = Names::fixed(&[(3001, "ann")], &[(3002, "staff")]);
    let wanted = Metadata {
        uid: 11,
        gid: 12,
        user: Some("ann".into()),
        group: Some("nobody knows".into()),
        ..Metadata::default()
    };
    assert_eq!(
        apply(
            &file,
            &wanted,
            Apply {
                owners: Owners::ByName(&names),
                ..FRESH
            }
        )
        .unwrap(),
        []
    );
    let metadata = file.metadata().unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (3001, 12));
}

#[test]
fn flags_come_last_and_go_first() {
    if !is_root() {
        eprintln!("skipped: the immutable flag needs root");
        return;
    }
    let (directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o600).unwrap();
    let wanted = Metadata {
        mode: 0o640,
        mtime: Timestamp { secs: 3, nanos: 0 },
        flags: InodeFlags(InodeFlags::IMMUTABLE.0 | InodeFlags::NODUMP.0 | InodeFlags::NOATIME.0),
        ..Metadata::default()
    };
    let refused = apply(&file, &wanted, FRESH).unwrap();
    if refused
        .iter()
        .any(|refused| matches!(refused.what, Aspect::Flags(_)))
    {
        eprintln!("skipped: no inode flags here");
        return;
    }
    let read = read_at(&dir, "f");
    assert_eq!(
        (read.flags, read.mode, read.mtime),
        (wanted.flags, wanted.mode, wanted.mtime)
    );
    assert!(std::fs::write(directory.path().join("f"), b"x").is_err());

    // Flags that are not asked for stay as they are; of those that are, none is left.
    let plain = Metadata {
        mode: 0o600,
        mtime: Timestamp { secs: 4, nanos: 0 },
        ..Metadata::default()
    };
    let only = Apply {
        flags: InodeFlags(InodeFlags::IMMUTABLE.0 | InodeFlags::NODUMP.0),
        ..UNKNOWN
    };
    assert_eq!(apply(Target::At(&dir, b"f"), &plain, only).unwrap(), []);
    let read = read_at(&dir, "f");
    assert_eq!(
        (read.flags, read.mode, read.mtime),
        (InodeFlags::NOATIME, 0o600, plain.mtime)
    );
}

#[test]
fn a_time_that_means_something_else_to_the_kernel_is_refused() {
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o600).unwrap();
    let before = read_at(&dir, "f");
    let now_to_the_kernel = Timestamp {
        secs: 0,
        nanos: (1 << 30) - 1,
    };
    let refused = apply(
        &file,
        &Metadata {
            mtime: now_to_the_kernel,
            ..before.clone()
        },
        FRESH,
    )
    .unwrap();
    assert_eq!(refused[0].what, Aspect::Times);
    assert_eq!(read_at(&dir, "f").mtime, before.mtime);
}

#[test]
fn a_name_that_became_a_link_is_not_followed() {
    let (directory, dir) = temporary();
    std::fs::write(directory.path().join("victim"), b"x").unwrap();
    std::fs::set_permissions(directory.path().join("victim"), PermissionsExt::from_mode(0o600)).unwrap();
    symlink("victim", directory.path().join("link")).unwrap();
    let before = read_at(&dir, "victim");
    let wanted = Metadata {
        mode: 0o4777,
        uid: before.uid,
        gid: before.gid,
        mtime: Timestamp { secs: 9, nanos: 9 },
        ..Metadata::default()
    };
    apply(Target::At(&dir, b"link"), &wanted, UNKNOWN).unwrap();
    assert_eq!(read_at(&dir, "victim"), before);
    assert_eq!(read_at(&dir, "link").mtime, wanted.mtime);
}

#[test]
fn an_empty_file_takes_no_flags_that_its_file_system_lacks() {
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"f", 0o600).unwrap();
    assert_eq!(prepare_empty_file(&file, InodeFlags::NODUMP).unwrap(), []);
    let refused = prepare_empty_file(&file, InodeFlags::NOCOW).unwrap();
    let has = read_at(&dir, "f").flags.contains(InodeFlags::NOCOW);
    assert!(has || refused.len() == 1 || refused.is_empty());
}
