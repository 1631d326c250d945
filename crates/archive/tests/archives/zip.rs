//! What Info-ZIP and Python make of zip archives.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use archive::Format;
use manifest::Kind;

use super::rig::*;

fn sampler() -> Backup {
    let mut backup = Backup::default();
    backup
        .add("docs", metadata(0o750), Kind::Directory)
        .add("docs/empty", metadata(0o700), Kind::Directory)
        .file("docs/zero", b"")
        .file_with("docs/run", metadata(0o755), &noise(5000))
        .file("docs/brim", &noise(256 << 10))
        .file("docs/large", &noise((256 << 10) + 1))
        .file("docs/grüße.txt", b"hello")
        .file(format!("docs/{}/{}/x", "a".repeat(200), "b".repeat(200)), b"deep")
        .symlink("docs/link", b"../../etc/passwd")
        .hard_link("docs/sub/run-too", "docs/run")
        .hard_link("docs/sub/large-too", "docs/large")
        .add("docs/pipe", metadata(0o600), Kind::Fifo)
        .add(
            "docs/null",
            metadata(0o666),
            Kind::CharDevice { major: 1, minor: 3 },
        );
    backup
}

#[test]
fn info_zip_restores_what_a_zip_keeps() {
    let backup = sampler();
    let unpacking = Unpacking::of(&backup.archive(&["docs"], Format::Zip), Format::Zip);
    unpacking.run("unzip", &["-tqq"]).content();
    // With owners, if it may.
    unpacking.run("unzip", &["-qqX"]).content();
    for (path, entry) in &backup.entries {
        let at = unpacking.path(path);
        if matches!(entry.kind, Kind::Fifo | Kind::CharDevice { .. }) {
            assert!(!at.exists());
            continue;
        }
        let found = fs::symlink_metadata(&at).unwrap_or_else(|error| panic!("{at:?}: {error}"));
        let wanted = &entry.metadata;
        if let Kind::Symlink { .. } = entry.kind {
            assert_eq!(fs::read_link(&at).unwrap().to_str(), Some("../../etc/passwd"));
            continue;
        }
        assert_eq!(found.mode() & 0o777, wanted.mode & 0o777, "{at:?}");
        assert_eq!(found.mtime(), wanted.mtime.secs, "{at:?}");
        if is_root() {
            assert_eq!((found.uid(), found.gid()), (wanted.uid, wanted.gid), "{at:?}");
        }
        match &entry.kind {
            Kind::Directory => assert!(found.is_dir()),
            Kind::HardLink { target } => assert_eq!(fs::read(&at).unwrap(), backup.content[&**target]),
            _ => assert_eq!(fs::read(&at).unwrap(), backup.content[path], "{at:?}"),
        }
    }
}

#[test]
fn python_finds_the_same() {
    let backup = sampler();
    let unpacking = Unpacking::of(&backup.archive(&["docs"], Format::Zip), Format::Zip);
    let script = "
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
assert archive.testzip() is None
for member in archive.infolist():
    assert member.flag_bits & 0x800
    print(member.filename[:20], member.file_size, oct(member.external_attr >> 16), *member.date_time[:3])";
    let printed = unpacking.run("python3", &["-c", script]).content();
    let long = "a".repeat(15);
    let expected = format!(
        "docs/ 0 0o40750 2020 9 13\n\
         docs/brim 262144 0o100644 2020 9 13\n\
         docs/grüße.txt 5 0o100644 2020 9 13\n\
         docs/large 262145 0o100644 2020 9 13\n\
         docs/link 16 0o120777 2020 9 13\n\
         docs/run 5000 0o100755 2020 9 13\n\
         docs/zero 0 0o100644 2020 9 13\n\
         docs/{long} 0 0o40755 2020 9 13\n\
         docs/{long} 0 0o40755 2020 9 13\n\
         docs/{long} 4 0o100644 2020 9 13\n\
         docs/empty/ 0 0o40700 2020 9 13\n\
         docs/sub/ 0 0o40755 2020 9 13\n\
         docs/sub/large-too 262145 0o100644 2020 9 13\n\
         docs/sub/run-too 5000 0o100755 2020 9 13\n"
    );
    assert_eq!(printed, expected);
}

#[test]
fn names_that_are_no_text_stay_apart() {
    let mut backup = Backup::default();
    backup
        .file(b"raw\xff", b"1")
        .file(b"raw\xfe", b"2")
        .file("raw", b"3");
    let unpacking = Unpacking::of(&backup.archive(&[""], Format::Zip), Format::Zip);
    unpacking.run("unzip", &["-qq"]).content();
    assert_eq!(fs::read(unpacking.path("raw%FF")).unwrap(), b"1");
    assert_eq!(fs::read(unpacking.path("raw%FE")).unwrap(), b"2");
    assert_eq!(fs::read(unpacking.path("raw")).unwrap(), b"3");
}
