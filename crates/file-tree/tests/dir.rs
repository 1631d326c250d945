//! `Dir`: paths from outside never leave it, and neither their length nor what is swapped in matters.
#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};

use file_tree::{Access, DeviceKind, DeviceNumber, Dir, Error, FileType, SourceFile};
use support::{is_root, temporary, temporary_in_memory};

#[test]
fn a_path_that_is_not_relative_and_plain_is_refused() {
    let (_directory, dir) = temporary();
    dir.create_dir(b"a", 0o755)
        .unwrap()
        .create_dir(b"b", 0o755)
        .unwrap();
    for bad in [
        &b"../"[..],
        b"..",
        b"a/..",
        b"a/../..",
        b"/",
        b"/etc",
        b"a//b",
        b"a/",
        b"./a",
        b"a/.",
        b"a\0/b",
        b"a/b\0",
    ] {
        assert!(
            matches!(dir.open_beneath(bad), Err(Error::BadPath { .. })),
            "{:?}",
            file_tree::shown(bad)
        );
        assert!(dir.locate(bad).is_err());
    }
    for bad in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        assert!(matches!(dir.child(bad), Err(Error::BadName { .. })));
        assert!(matches!(dir.stat(bad), Err(Error::BadName { .. })));
        assert!(matches!(dir.create_file(bad, 0o644), Err(Error::BadName { .. })));
        assert!(matches!(
            dir.remove_tree(bad, file_tree::Subvolumes::Refuse),
            Err(Error::BadName { .. })
        ));
        assert!(matches!(
            dir.create_hard_link(b"ok", &dir, bad),
            Err(Error::BadName { .. })
        ));
        assert!(matches!(dir.rename(b"a", &dir, bad), Err(Error::BadName { .. })));
    }
    assert_eq!(
        dir.open_beneath(b"").unwrap().stat_self().unwrap(),
        dir.stat_self().unwrap()
    );
    assert_eq!(
        dir.open_beneath(b"a/b").unwrap().stat_self().unwrap().kind,
        FileType::Directory
    );
}

#[test]
fn no_symbolic_link_is_followed_at_any_place_of_a_path() {
    let (directory, dir) = temporary();
    dir.create_dir(b"real", 0o755)
        .unwrap()
        .create_dir(b"sub", 0o755)
        .unwrap();
    std::fs::write(directory.path().join("real/file"), b"x").unwrap();
    for (link, target) in [
        ("link", "real"),
        ("out", "/etc"),
        ("up", ".."),
        ("real/deep", "sub"),
        ("file", "real/file"),
    ] {
        symlink(target, directory.path().join(link)).unwrap();
    }
    for path in [
        &b"link"[..],
        b"link/sub",
        b"out",
        b"up",
        b"real/deep",
        b"real/deep/x",
    ] {
        let error = dir.open_beneath(path).unwrap_err();
        assert!(
            matches!(error, Error::SymbolicLink { .. } | Error::NotDirectory { .. }),
            "{error}"
        );
    }
    assert!(matches!(dir.child(b"link"), Err(Error::NotDirectory { .. })));
    assert!(matches!(
        dir.open_file(b"file", Access::Read),
        Err(Error::SymbolicLink { .. })
    ));
    assert_eq!(dir.stat(b"out").unwrap().kind, FileType::Symlink);
    assert_eq!(&*dir.read_link(b"out").unwrap(), b"/etc");
    assert!(matches!(
        dir.open_beneath(b"real/file"),
        Err(Error::NotDirectory { .. })
    ));
    assert!(matches!(
        dir.open_beneath(b"missing/x"),
        Err(Error::NotFound { .. })
    ));
}

#[test]
fn a_path_longer_than_path_max_is_opened() {
    let (_directory, dir) = temporary();
    let name = [b'n'; 250];
    let mut path = Vec::new();
    let mut deepest = dir.open_beneath(b"").unwrap();
    for _ in 0..60 {
        deepest = deepest.create_dir(&name, 0o755).unwrap();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(&name);
    }
    assert!(path.len() > 3 * 4096);
    assert_eq!(
        dir.open_beneath(&path).unwrap().stat_self().unwrap(),
        deepest.stat_self().unwrap()
    );
    let (parent, last) = dir.locate(&path).unwrap();
    assert_eq!(parent.stat(last).unwrap(), deepest.stat_self().unwrap());
}

#[test]
fn every_kind_of_entry_is_created_and_nothing_is_replaced() {
    let (directory, dir) = temporary();
    dir.create_file(b"file", 0o600)
        .unwrap()
        .write_all(b"content")
        .unwrap();
    dir.create_symlink(b"link", b"\xff/anything\n").unwrap();
    dir.create_fifo(b"fifo", 0o600).unwrap();
    dir.create_hard_link(b"again", &dir, b"file").unwrap();
    dir.create_hard_link(b"link2", &dir, b"link").unwrap();
    assert_eq!(std::fs::read(directory.path().join("again")).unwrap(), b"content");
    assert_eq!(&*dir.read_link(b"link2").unwrap(), b"\xff/anything\n");
    assert!(
        std::fs::symlink_metadata(directory.path().join("fifo"))
            .unwrap()
            .file_type()
            .is_fifo()
    );
    assert_eq!(dir.stat(b"file").unwrap().nlink, 2);
    for name in [&b"file"[..], b"link", b"fifo"] {
        assert!(matches!(dir.create_file(name, 0o600), Err(Error::Exists { .. })));
        assert!(matches!(dir.create_dir(name, 0o700), Err(Error::Exists { .. })));
        assert!(matches!(
            dir.create_symlink(name, b"x"),
            Err(Error::Exists { .. })
        ));
        assert!(matches!(
            dir.rename_new(b"again", &dir, name),
            Err(Error::Exists { .. })
        ));
    }
    if !is_root() {
        eprintln!("skipped: device nodes need root");
        return;
    }
    let number = DeviceNumber { major: 1, minor: 3 };
    dir.create_device(b"null", 0o666, DeviceKind::Char, number)
        .unwrap();
    let stat = dir.stat(b"null").unwrap();
    assert_eq!((stat.kind, stat.rdev), (FileType::CharDevice, number));
    let large = DeviceNumber {
        major: 4095,
        minor: 1_000_000,
    };
    dir.create_device(b"large", 0o600, DeviceKind::Block, large)
        .unwrap();
    assert_eq!(dir.stat(b"large").unwrap().rdev, large);
}

#[test]
fn a_created_entry_never_begins_with_setuid() {
    let (directory, dir) = temporary();
    dir.create_file(b"file", 0o6755).unwrap();
    assert_eq!(
        std::fs::metadata(directory.path().join("file")).unwrap().mode() & 0o7000,
        0
    );
}

#[test]
fn names_swap_in_one_step() {
    let (directory, dir) = temporary();
    std::fs::write(directory.path().join("a"), b"1").unwrap();
    dir.create_dir(b"b", 0o755).unwrap();
    dir.exchange(b"a", &dir, b"b").unwrap();
    assert_eq!(dir.stat(b"a").unwrap().kind, FileType::Directory);
    assert_eq!(dir.stat(b"b").unwrap().kind, FileType::File);
    dir.remove(b"b").unwrap();
    assert!(matches!(
        dir.remove(b"a"),
        Err(Error::Io { .. } | Error::Denied { .. })
    ));
    dir.remove_dir(b"a").unwrap();
    assert!(dir.list().unwrap().is_empty());
}

#[test]
fn names_are_bytes() {
    let (_directory, dir) = temporary();
    let long = [0xfe; 255];
    let names = [&b"\xff\xfe"[..], b"new\nline", b" ", b"-rf", b"\x01", &long];
    for name in names {
        dir.create_file(name, 0o644).unwrap();
    }
    let mut listing = dir.list().unwrap();
    listing.sort_by_name();
    let mut expected = names.to_vec();
    expected.sort_unstable();
    assert_eq!(
        listing.iter().map(|listed| listed.name).collect::<Vec<_>>(),
        expected
    );
    assert!(listing.iter().all(|listed| listed.kind == FileType::File));
    // A second listing begins at the beginning again.
    assert_eq!(dir.list().unwrap().len(), names.len());
}

#[test]
fn a_directory_is_listed_that_fills_many_buffers() {
    let (_directory, dir) = temporary_in_memory();
    for number in 0..5000 {
        dir.create_symlink(format!("{number:0100}").as_bytes(), b"x")
            .unwrap();
    }
    let mut listing = dir.list().unwrap();
    listing.sort_by_name();
    let names: Vec<String> = listing
        .iter()
        .map(|listed| String::from_utf8(listed.name.to_vec()).unwrap())
        .collect();
    assert_eq!(
        names,
        (0..5000)
            .map(|number| format!("{number:0100}"))
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_descriptor_that_is_no_directory_is_refused() {
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"file", 0o644).unwrap();
    assert!(matches!(
        Dir::from_fd(file.into()),
        Err(Error::NotDirectory { .. })
    ));
}

#[test]
fn a_source_file_is_the_one_that_was_scanned() {
    let (directory, dir) = temporary();
    std::fs::write(directory.path().join("f"), b"0123456789").unwrap();
    let scanned = dir.stat(b"f").unwrap();
    let file = SourceFile::open(&dir, b"f", &scanned).unwrap();
    let mut buffer = [0; 4];
    assert_eq!(file.read_at(&mut buffer, 8).unwrap(), 2);
    assert_eq!(&buffer[..2], b"89");
    assert!(file.is_unchanged_since(&scanned).unwrap());
    std::fs::write(directory.path().join("f"), b"01234").unwrap();
    assert!(!file.is_unchanged_since(&scanned).unwrap());

    // Whatever takes its place is noticed, and a FIFO doesn't make anyone wait.
    std::fs::rename(directory.path().join("f"), directory.path().join("old")).unwrap();
    std::fs::write(directory.path().join("f"), b"0123456789").unwrap();
    assert!(matches!(
        SourceFile::open(&dir, b"f", &scanned),
        Err(Error::Replaced { .. })
    ));
    dir.remove(b"f").unwrap();
    dir.create_fifo(b"f", 0o644).unwrap();
    assert!(matches!(
        SourceFile::open(&dir, b"f", &scanned),
        Err(Error::Replaced { .. })
    ));
    dir.remove(b"f").unwrap();
    dir.create_symlink(b"f", b"old").unwrap();
    assert!(matches!(
        SourceFile::open(&dir, b"f", &scanned),
        Err(Error::Replaced { .. })
    ));
    dir.remove(b"f").unwrap();
    dir.create_dir(b"f", 0o755).unwrap();
    assert!(matches!(
        SourceFile::open(&dir, b"f", &scanned),
        Err(Error::Replaced { .. })
    ));
    dir.remove_dir(b"f").unwrap();
    assert!(SourceFile::open(&dir, b"f", &scanned).unwrap_err().is_not_found());
}

#[test]
fn the_data_of_a_sparse_file_is_found() {
    use std::os::unix::fs::FileExt;
    let (_directory, dir) = temporary();
    let file = dir.create_file(b"sparse", 0o644).unwrap();
    file.set_len(64 << 20).unwrap();
    file.write_all_at(&[1; 4096], 1 << 20).unwrap();
    file.write_all_at(&[1; 4096], 32 << 20).unwrap();
    let scanned = dir.stat(b"sparse").unwrap();
    let ranges = SourceFile::open(&dir, b"sparse", &scanned)
        .unwrap()
        .data_ranges()
        .unwrap();
    assert!(
        ranges.iter().any(|range| range.contains(&(1 << 20))),
        "{ranges:?}"
    );
    assert!(
        ranges.iter().map(|range| range.end - range.start).sum::<u64>() < 1 << 20,
        "{ranges:?}"
    );
    dir.create_file(b"empty", 0o644).unwrap();
    let scanned = dir.stat(b"empty").unwrap();
    assert!(
        SourceFile::open(&dir, b"empty", &scanned)
            .unwrap()
            .data_ranges()
            .unwrap()
            .is_empty()
    );
}
