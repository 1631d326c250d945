//! Content that is not as the manifest says: the archive breaks off and does not look whole.

use std::io;

use archive::{Archive, Error, Format, Selection};

use super::rig::*;

const SIZES: [usize; 2] = [1000, 600_000];

/// An archive of a sound file and one that has other content than it should, as far as it comes.
fn broken(format: Format, size: usize, content: Option<usize>) -> (Error, Vec<u8>) {
    let mut backup = Backup::default();
    backup.file("a", b"sound").file("b", &noise(size));
    match content {
        Some(len) => backup.content.insert(b"b".to_vec(), noise(len)),
        None => backup.content.remove(&b"b"[..]),
    };
    let selection = Selection::new([""]).unwrap();
    let mut sent = Vec::new();
    let mut archive = Archive::create(format, &mut sent).unwrap();
    let mut failure = None;
    for member in backup.members(&selection, format) {
        if let Err(error) = archive.add(&member, |from| backup.open(&member, from)) {
            failure = Some(error);
            let again = archive.add(&member, |_| Ok(io::empty()));
            assert!(matches!(again, Err(Error::Failed)));
        }
    }
    assert!(matches!(archive.finish(), Err(Error::Failed)));
    (failure.unwrap(), sent)
}

#[test]
fn content_that_is_too_short_breaks_off() {
    for (format, size) in Format::ALL
        .into_iter()
        .flat_map(|format| SIZES.map(|size| (format, size)))
    {
        let (error, _) = broken(format, size, Some(size - 1));
        let (wanted, found) = (size as u64, size as u64 - 1);
        assert!(
            matches!(error, Error::Short { size_bytes, found_bytes, .. } if (size_bytes, found_bytes) == (wanted, found)),
            "{error}"
        );
    }
}

#[test]
fn content_that_is_too_long_breaks_off() {
    for (format, size) in Format::ALL
        .into_iter()
        .flat_map(|format| SIZES.map(|size| (format, size)))
    {
        let (error, _) = broken(format, size, Some(size + 1));
        assert!(
            matches!(error, Error::Long { size_bytes, .. } if size_bytes == size as u64),
            "{error}"
        );
    }
}

#[test]
fn content_that_is_not_there_breaks_off() {
    for format in Format::ALL {
        let (error, _) = broken(format, 1000, None);
        assert!(matches!(error, Error::Content { .. }), "{error}");
    }
}

#[test]
fn no_program_takes_it_for_whole() {
    for content in [None, Some(999), Some(1001)] {
        let read = |format| {
            let (_, sent) = broken(format, 1000, content);
            let unpacking = Unpacking::of(&sent, format);
            match format {
                Format::Zip => unpacking.run("unzip", &["-tqq"]),
                Format::Tar => unpacking.run("tar", &["-tf"]),
                Format::TarZst => unpacking.run("zstd", &["--test", "--quiet"]),
            }
        };
        for format in Format::ALL {
            let ran = read(format);
            assert!(!ran.succeeded, "{format:?} {content:?}: {ran:?}");
        }
    }
}

#[test]
fn a_path_that_a_zip_has_no_room_for_is_an_error() {
    let mut backup = Backup::default();
    let path = vec!["x".repeat(250); 300].join("/");
    backup.file(&path, b"deep");
    let selection = Selection::new([""]).unwrap();
    let members = selection.clone().members(&backup.reader(), Format::Zip).unwrap();
    let planned = archive::planned_len(Format::Zip, members);
    assert!(matches!(planned, Err(Error::PathTooLong { .. })));
    assert!(backup.archive_from(&selection, Format::Tar, 0).is_ok());
}
