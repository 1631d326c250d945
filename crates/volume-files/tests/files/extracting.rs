//! Extracting beside what is there already, and from volumes that mean harm.

use std::fs;
use std::os::unix::fs::symlink;

use volume_files::extract::Existing;

use crate::rig::{Image, MIB, cant};

/// An ext4 with the files of a directory.
fn image_of(fill: impl FnOnce(&std::path::Path)) -> Image {
    let source = tempfile::tempdir().unwrap();
    fill(source.path());
    let options = format!("-q -F -t ext4 -d {}", source.path().display());
    Image::made_by("mke2fs", &options, 8 * MIB)
}

#[test]
fn what_is_there_is_kept_replaced_or_ends_the_work() {
    if cant(&["mke2fs"]) {
        return;
    }
    let image = image_of(|dir| {
        fs::create_dir(dir.join("d")).unwrap();
        for name in ["a", "d/b", "z"] {
            fs::write(dir.join(name), format!("new {name}")).unwrap();
        }
    });
    let to = image.dir().join("to");
    fs::create_dir_all(to.join("d")).unwrap();
    fs::write(to.join("d/b"), "old").unwrap();
    let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
    let error = image.extract_to("", &to, Existing::Fail).err().unwrap();
    assert!(error.to_string().contains("d/b is there already"), "{error}");
    assert_eq!((read("a"), read("d/b")), ("new a".into(), "old".into()));
    assert!(!to.join("z").exists());
    let (said, told) = image.extract_to("", &to, Existing::Keep).unwrap();
    assert_eq!((read("d/b"), read("z")), ("old".into(), "new z".into()));
    assert_eq!((said.files, said.problems, told.problems.len()), (1, 2, 2));
    let (said, _) = image.extract_to("", &to, Existing::Overwrite).unwrap();
    assert_eq!((said.files, said.problems, read("d/b")), (3, 0, "new d/b".into()));
    // A directory is never replaced by a file, nor a file by a directory.
    fs::remove_file(to.join("a")).unwrap();
    fs::create_dir(to.join("a")).unwrap();
    fs::remove_dir_all(to.join("d")).unwrap();
    fs::write(to.join("d"), "a file").unwrap();
    let (said, told) = image.extract_to("", &to, Existing::Overwrite).unwrap();
    assert_eq!(
        (said.problems, told.problems.len()),
        (2, 2),
        "{:?}",
        told.problems
    );
    assert_eq!(read("d"), "a file");
    assert!(!to.join(".perennial-extracting").exists());
}

#[test]
fn a_single_file_is_extracted_by_its_name() {
    if cant(&["mke2fs"]) {
        return;
    }
    let image = image_of(|dir| {
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/b"), "content").unwrap();
    });
    let (to, said, _) = image.extracted("d/b");
    assert_eq!(fs::read(to.join("b")).unwrap(), b"content");
    assert_eq!((said.files, said.directories), (1, 0));
}

#[test]
fn nothing_is_written_through_a_link_or_outside_of_the_directory() {
    if cant(&["mke2fs"]) {
        return;
    }
    let names = ["NAMEMARK1", "NAMEMARK2", "NAMEMARK3"];
    let image = image_of(|dir| {
        for name in names {
            fs::write(dir.join(name), "harm").unwrap();
        }
        fs::create_dir(dir.join("d")).unwrap();
        fs::write(dir.join("d/f"), "harm").unwrap();
        symlink("/nowhere", dir.join("e")).unwrap();
    });
    // Names that no kernel would write.
    let mut bytes = fs::read(&image.path).unwrap();
    for (name, hostile) in names
        .into_iter()
        .zip(["../harm12", "/tmp/harm", "x\0.......".split_at(9).0])
    {
        let places: Vec<_> = (0..bytes.len() - 9)
            .filter(|at| bytes[*at..].starts_with(name.as_bytes()))
            .collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + 9].copy_from_slice(hostile.as_bytes());
        }
    }
    fs::write(&image.path, bytes).unwrap();
    let (outside, to) = (image.dir().join("outside"), image.dir().join("to"));
    fs::create_dir(&outside).unwrap();
    fs::create_dir(&to).unwrap();
    symlink(&outside, to.join("d")).unwrap();
    symlink(outside.join("f"), to.join("e")).unwrap();
    for existing in [Existing::Keep, Existing::Overwrite] {
        let (_, told) = image.extract_to("", &to, existing).unwrap();
        let bad = told
            .problems
            .iter()
            .filter(|(_, reason)| reason.contains("is not a valid file name"));
        assert_eq!(bad.count(), 3, "{:?}", told.problems);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
        assert!(!image.dir().join("harm12").exists());
    }
    // A link that is in the way of another is replaced itself.
    assert_eq!(fs::read_link(to.join("e")).unwrap().to_str(), Some("/nowhere"));
}
