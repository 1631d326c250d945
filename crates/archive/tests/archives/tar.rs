//! What GNU tar and Python make of tar archives.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};

use archive::{Format, Selection};
use manifest::{Kind, Timestamp};

use super::rig::*;

/// cap_net_raw+ep, as the kernel keeps it (struct vfs_cap_data).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// user::rw-, user:1234:r--, group::r--, mask::r--, other::---, as the kernel keeps it.
const ACL: [u8; 44] = [
    2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 210, 4, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16,
    0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
];

fn long(letter: &str) -> String {
    letter.repeat(200)
}

fn sampler() -> Backup {
    let mut backup = Backup::default();
    let mut rich = metadata(0o4640);
    rich.xattrs = vec![
        xattr("security.capability", &CAPABILITY),
        xattr("system.posix_acl_access", &ACL),
        xattr("user.a=b", b"\0bytes\n"),
        xattr("user.empty", b""),
    ];
    let mut old = metadata(0o600);
    old.mtime = Timestamp {
        secs: -2,
        nanos: 500_000_000,
    };
    old.user = Some("somebody who has a name that is long".into());
    old.group = Some("grüppe".into());
    backup
        .add("docs", metadata(0o2550), Kind::Directory)
        .add("docs/empty", metadata(0o700), Kind::Directory)
        .file("docs/zero", b"")
        .file_with("docs/rich", rich, &noise(5000))
        .file_with("docs/old", old, &noise(512))
        .file("docs/large", &noise(700_000))
        .file("docs/grüße.txt", b"hello")
        .file(b"docs/raw\xff\n", b"bytes")
        .file(format!("docs/{}/{}/x", long("a"), long("b")), b"deep")
        .file(format!("docs/sub/{}/{}", "c".repeat(100), "d".repeat(90)), b"cut")
        .symlink("docs/link", b"../../etc/passwd")
        .symlink("docs/raw-link", b"\xfe")
        .symlink("docs/long-link", long("e").as_bytes())
        .hard_link("docs/sub/rich-too", "docs/rich")
        .add("docs/pipe", metadata(0o600), Kind::Fifo)
        .add(
            "docs/null",
            metadata(0o666),
            Kind::CharDevice { major: 1, minor: 3 },
        );
    backup
}

/// Extracts all that there is, and checks it.
fn check(backup: &Backup, unpacking: &Unpacking) {
    for (path, entry) in &backup.entries {
        let at = unpacking.path(path);
        let found = fs::symlink_metadata(&at).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        let wanted = &entry.metadata;
        let mtime = (wanted.mtime.secs, i64::from(wanted.mtime.nanos));
        assert_eq!((found.mtime(), found.mtime_nsec()), mtime, "{at:?}");
        if !matches!(entry.kind, Kind::Symlink { .. }) {
            assert_eq!(found.mode() & 0o7777, wanted.mode, "{at:?}");
        }
        assert_eq!((found.uid(), found.gid()), (wanted.uid, wanted.gid), "{at:?}");
        match &entry.kind {
            Kind::Directory => assert!(found.is_dir()),
            Kind::Symlink { target } => {
                use std::os::unix::ffi::OsStrExt as _;
                assert_eq!(fs::read_link(&at).unwrap().as_os_str().as_bytes(), &**target);
            }
            Kind::HardLink { target } => {
                let first = fs::symlink_metadata(unpacking.path(target)).unwrap();
                assert_eq!(found.ino(), first.ino());
            }
            Kind::Fifo => assert!(found.file_type().is_fifo()),
            Kind::CharDevice { .. } => {
                assert!(found.file_type().is_char_device());
                assert_eq!(found.rdev(), 0x103);
            }
            _ => assert_eq!(fs::read(&at).unwrap(), backup.content[path], "{at:?}"),
        }
    }
}

/// Extracts with GNU tar, which must have nothing to say but that a time is strange, and that it takes names as bytes anyway.
fn extract(unpacking: &Unpacking, options: &[&str]) {
    let mut arguments = vec!["--warning=no-timestamp", "--warning=no-unknown-keyword"];
    arguments.extend(options);
    arguments.push("-xpf");
    assert_eq!(unpacking.run("tar", &arguments).content(), "");
}

fn can_own() -> bool {
    if !is_root() {
        eprintln!("skipped: owners, devices and capabilities take root");
    }
    is_root()
}

#[test]
fn gnu_tar_restores_everything() {
    if !can_own() {
        return;
    }
    let backup = sampler();
    let unpacking = Unpacking::of(&backup.archive(&["docs"], Format::Tar), Format::Tar);
    extract(&unpacking, &["--xattrs", "--xattrs-include=*", "--acls"]);
    check(&backup, &unpacking);
    let rich = unpacking.path("docs/rich");
    assert_eq!(get_xattr(&rich, "user.a=b").unwrap(), b"\0bytes\n");
    assert_eq!(get_xattr(&rich, "user.empty").unwrap(), b"");
    assert_eq!(get_xattr(&rich, "security.capability").unwrap(), CAPABILITY);
    assert_eq!(get_xattr(&rich, "system.posix_acl_access").unwrap(), ACL);
}

#[test]
fn what_is_compressed_is_the_same() {
    if !can_own() {
        return;
    }
    let backup = sampler();
    let unpacking = Unpacking::of(&backup.archive(&["docs"], Format::TarZst), Format::TarZst);
    unpacking.run("zstd", &["--test", "--quiet"]).content();
    extract(&unpacking, &["--zstd"]);
    check(&backup, &unpacking);
    let plain = zstd::decode_all(&fs::read(&unpacking.archive).unwrap()[..]).unwrap();
    assert_eq!(plain, backup.archive(&["docs"], Format::Tar));
}

#[test]
fn python_reads_names_that_are_no_text() {
    let backup = sampler();
    let unpacking = Unpacking::of(&backup.archive(&["docs"], Format::Tar), Format::Tar);
    let script = "
import sys, tarfile, os
for member in tarfile.open(sys.argv[1]):
    print(os.fsencode(member.name).hex(), member.mtime, member.uname, member.gname)";
    let printed = unpacking.run("python3", &["-c", script]).content();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), backup.entries.len());
    for path in backup.entries.keys() {
        let hex: String = path.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(
            lines.iter().any(|line| line.starts_with(&format!("{hex} "))),
            "{hex}"
        );
    }
    let owner = "-1.5 somebody who has a name that is long grüppe";
    assert!(lines.iter().any(|line| line.ends_with(owner)), "{printed}");
}

#[test]
fn numbers_may_be_larger_than_ustar_knows() {
    if !can_own() {
        return;
    }
    let mut backup = Backup::default();
    let mut far = metadata(0o600);
    (far.uid, far.gid) = (4_000_000_000, 3_000_000);
    far.mtime.secs = 9_000_000_000;
    let device = Kind::BlockDevice {
        major: 300,
        minor: 900_000,
    };
    backup.file_with("x", far, b"x").add("y", metadata(0o600), device);
    let unpacking = Unpacking::of(&backup.archive(&[""], Format::Tar), Format::Tar);
    extract(&unpacking, &[]);
    check_owner(&unpacking);
    let found = fs::symlink_metadata(unpacking.path("y")).unwrap();
    assert_eq!(rustix::fs::major(found.rdev()), 300);
    assert_eq!(rustix::fs::minor(found.rdev()), 900_000);
}

fn check_owner(unpacking: &Unpacking) {
    let found = fs::symlink_metadata(unpacking.path("x")).unwrap();
    assert_eq!((found.uid(), found.gid()), (4_000_000_000, 3_000_000));
    assert_eq!(found.mtime(), 9_000_000_000);
}

#[test]
fn a_link_whose_first_name_is_not_selected_is_a_copy() {
    let mut backup = Backup::default();
    backup
        .file("a/first", b"shared")
        .hard_link("b/one", "a/first")
        .hard_link("b/two", "a/first");
    let unpacking = Unpacking::of(&backup.archive(&["b"], Format::Tar), Format::Tar);
    unpacking.run("tar", &["-xf"]).content();
    for name in ["b/one", "b/two"] {
        assert_eq!(fs::read(unpacking.path(name)).unwrap(), b"shared");
    }
    let whole = Unpacking::of(&backup.archive(&["a", "b/two"], Format::Tar), Format::Tar);
    whole.run("tar", &["-xf"]).content();
    assert_eq!(fs::metadata(whole.path("b/two")).unwrap().nlink(), 2);
}

#[test]
fn dropped_content_is_not_read() {
    let mut backup = Backup::default();
    backup
        .file("a", &noise(400_000))
        .file("b", &noise(400_000))
        .file("c", b"end");
    let selection = Selection::new([""]).unwrap();
    let all = backup.archive_from(&selection, Format::Tar, 0).unwrap();
    let mut opened = Vec::new();
    let mut archive = archive::Archive::resume(Format::Tar, Vec::new(), 500_000).unwrap();
    for member in backup.members(&selection, Format::Tar) {
        let open = |from| {
            opened.push((member.name.clone(), from));
            backup.open(&member, from)
        };
        archive.add(&member, open).unwrap();
    }
    assert_eq!(archive.finish().unwrap(), all[500_000..]);
    // Records and header of each take 512 bytes three times, and 400,000 is not quite 782 of them.
    let dropped = 500_000 - (1536 + 782 * 512 + 1536);
    assert_eq!(opened, [(b"b"[..].into(), dropped), (b"c"[..].into(), 0)]);
}
