//! The assembler: whatever order files are completed in, the manifest is the same, and it notices what
//! can't be.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use std::collections::HashSet;
use std::sync::Arc;

use generate::{bytes, conclusion, directory, header, plain, small_file, tree, write};
use manifest::assemble::{Assembler, Outcome};
use manifest::delta::FileId;
use manifest::{DirRecord, Entry, Error, Kind, Reader, Result, Writer, join_path};
use proptest::collection::vec;
use proptest::prelude::*;

fn assembler() -> Assembler<Vec<u8>> {
    Assembler::new(Writer::create(Vec::new(), &header()).unwrap())
}

fn read(bytes: &[u8]) -> Vec<DirRecord> {
    Reader::open(bytes)
        .unwrap()
        .records()
        .map(Result::unwrap)
        .collect()
}

type Announced = (DirRecord, Vec<(usize, FileId)>, Vec<(FileId, Entry)>);

/// The record with its files pending, and what they are completed with.
fn announce(record: &DirRecord, next: &mut u64) -> Announced {
    let (mut announced, mut pending, mut later) = (record.clone(), Vec::new(), Vec::new());
    for (at, entry) in announced.entries.iter_mut().enumerate() {
        if let Kind::File { size, .. } = entry.kind {
            *next += 1;
            pending.push((at, FileId(*next)));
            later.push((FileId(*next), entry.clone()));
            entry.kind = Kind::pending_file(size);
        }
    }
    (announced, pending, later)
}

/// What should be left of a tree without some files, and without hard links to them.
fn without(records: &[DirRecord], dropped: &HashSet<Box<[u8]>>) -> Vec<DirRecord> {
    let mut left = records.to_vec();
    for record in &mut left {
        let path = record.path.clone();
        record.entries.retain(|entry| match &entry.kind {
            Kind::HardLink { target } => !dropped.contains(target),
            _ => !dropped.contains(&join_path(&path, &entry.name)),
        });
    }
    left
}

/// Aims some hard links at files that come before them, so that dropping has something to do.
fn relink(records: &mut [DirRecord]) {
    let mut first_file = None;
    for record in records {
        let path = record.path.clone();
        for entry in &mut record.entries {
            match (&mut entry.kind, &first_file) {
                (Kind::HardLink { target }, Some(file)) => *target = Box::clone(file),
                (Kind::File { .. }, None) => first_file = Some(join_path(&path, &entry.name)),
                _ => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn any_order_of_completion_gives_the_same(
        mut records in tree(),
        picks in vec((any::<prop::sample::Index>(), 0u8..4, any::<bool>()), 60),
        raw in any::<bool>(),
    ) {
        relink(&mut records);
        let (base, _) = write(&records, 2);
        let mut raws = Reader::open(&base[..]).unwrap().raw_records();
        let mut assembler = assembler();
        let (mut open, mut dropped, mut next) = (Vec::new(), HashSet::new(), 0);
        let mut picks = picks.into_iter().cycle();
        let finish_one = |assembler: &mut Assembler<Vec<u8>>,
                          open: &mut Vec<(FileId, Entry, Box<[u8]>)>,
                          dropped: &mut HashSet<Box<[u8]>>,
                          at: usize,
                          drop: bool| {
            let (file, entry, path) = open.swap_remove(at);
            if drop {
                dropped.insert(path);
                assembler.complete(file, Outcome::Dropped).unwrap();
            } else {
                assembler.complete(file, Outcome::Stored(entry)).unwrap();
            }
        };
        for record in &records {
            let unchanged = raws.next().unwrap().unwrap();
            if raw && picks.next().unwrap().2 {
                assembler.push_raw(&unchanged).unwrap();
            } else {
                let (announced, pending, later) = announce(record, &mut next);
                assembler.push(announced, &pending).unwrap();
                open.extend(later.into_iter().map(|(file, entry)| {
                    let path = join_path(&record.path, &entry.name);
                    (file, entry, path)
                }));
            }
            let (at, count, drop) = picks.next().unwrap();
            for _ in 0..usize::from(count).min(open.len()) {
                let at = at.index(open.len());
                finish_one(&mut assembler, &mut open, &mut dropped, at, drop);
            }
            prop_assert_eq!(assembler.pending_count(), open.len());
            prop_assert_eq!(assembler.oldest_unfinished_path().is_some(), !open.is_empty());
            prop_assert_eq!(assembler.waiting_bytes() > 0, !open.is_empty());
        }
        while !open.is_empty() {
            let (at, _, drop) = picks.next().unwrap();
            let at = at.index(open.len());
            finish_one(&mut assembler, &mut open, &mut dropped, at, drop);
        }
        let expected = without(&records, &dropped);
        let links = |records: &[DirRecord]| {
            let all = records.iter().flat_map(|record| &record.entries);
            all.filter(|entry| matches!(entry.kind, Kind::HardLink { .. })).count()
        };
        prop_assert_eq!(assembler.take_lost_links().len(), links(&records) - links(&expected));
        prop_assert_eq!(assembler.waiting_bytes(), 0);
        let (summary, assembled) = assembler.finish(&conclusion()).unwrap();
        prop_assert_eq!(read(&assembled), expected.clone());
        prop_assert_eq!(summary.digest, write(&expected, 0).1.digest);
    }
}

fn subdirectory(name: &str) -> Entry {
    plain(name, Kind::Directory)
}

#[test]
fn a_directory_must_be_listed_by_its_parent() {
    let root = directory(
        "",
        vec![subdirectory("a"), subdirectory("b"), plain("p", Kind::Fifo)],
    );
    let a = directory("a", vec![subdirectory("x")]);
    for (path, fits) in [
        ("a/x", true),
        ("b", true),
        ("a/y", false),
        ("a/x/z", false),
        ("c", false),
        ("p", false),
    ] {
        let mut assembler = assembler();
        assembler.push(root.clone(), &[]).unwrap();
        assembler.push(a.clone(), &[]).unwrap();
        let pushed = assembler.push(directory(path, vec![]), &[]);
        match fits {
            true => assert!(pushed.is_ok(), "{path}"),
            false => assert!(matches!(pushed, Err(Error::UnlistedDirectory { .. })), "{path}"),
        }
    }
    let pushed = assembler().push(a.clone(), &[]);
    assert!(
        matches!(pushed, Err(Error::UnlistedDirectory { .. })),
        "the root is missing"
    );
    // Its parent's record was skipped, though it is listed.
    let mut assembler = assembler();
    assembler.push(root, &[]).unwrap();
    assert!(matches!(
        assembler.push(directory("a/x", vec![]), &[]),
        Err(Error::UnlistedDirectory { .. })
    ));
}

#[test]
fn the_parent_may_still_be_pending() {
    let mut assembler = assembler();
    let root = directory("", vec![subdirectory("a"), plain("f", Kind::pending_file(1))]);
    assembler.push(root, &[(1, FileId(1))]).unwrap();
    assembler.push(directory("a", vec![]), &[]).unwrap();
    assert_eq!(assembler.oldest_unfinished_path(), Some(&b""[..]));
    assert_eq!(assembler.written().directories, 0);
    assembler
        .complete(FileId(1), Outcome::Stored(small_file("f", "1")))
        .unwrap();
    assert_eq!(assembler.written().directories, 2);
    assembler.finish(&conclusion()).unwrap();
}

#[test]
fn directories_must_be_in_order() {
    let mut assembler = assembler();
    assembler
        .push(directory("", vec![subdirectory("a"), subdirectory("b")]), &[])
        .unwrap();
    assembler.push(directory("b", vec![]), &[]).unwrap();
    for path in ["b", "a", ""] {
        assert!(matches!(
            assembler.push(directory(path, vec![]), &[]),
            Err(Error::DirectoryOrder { .. })
        ));
    }
}

#[test]
fn files_are_announced_once_and_completed_once() {
    let root = directory(
        "",
        vec![
            plain("f", Kind::pending_file(1)),
            plain("g", Kind::pending_file(1)),
        ],
    );
    let mut assembler = assembler();
    assembler.push(root, &[(0, FileId(1)), (1, FileId(2))]).unwrap();
    let (f, g) = (small_file("f", "1"), small_file("g", "2"));
    assert!(matches!(
        assembler.complete(FileId(3), Outcome::Dropped),
        Err(Error::UnknownFile(FileId(3)))
    ));
    let wrong = [
        g.clone(),
        plain("f", Kind::Fifo),
        plain("f", Kind::pending_file(1)),
    ];
    for entry in wrong {
        let refused = assembler.complete(FileId(1), Outcome::Stored(entry));
        assert!(matches!(refused, Err(Error::WrongFile { .. })));
    }
    assembler.complete(FileId(1), Outcome::Stored(f)).unwrap();
    assert!(matches!(
        assembler.complete(FileId(1), Outcome::Dropped),
        Err(Error::UnknownFile(FileId(1)))
    ));
    match assembler.finish(&conclusion()) {
        Err(Error::Incomplete { pending: 1, path }) => assert_eq!(&*path, b""),
        other => panic!("{other:?}"),
    }
}

#[test]
fn announcements_that_can_not_be_are_refused() {
    let root = || {
        directory(
            "",
            vec![plain("f", Kind::pending_file(1)), plain("p", Kind::Fifo)],
        )
    };
    let refused = |pending: &[(usize, FileId)]| assembler().push(root(), pending).unwrap_err();
    assert!(matches!(refused(&[(1, FileId(1))]), Error::WrongFile { .. }));
    assert!(matches!(refused(&[(2, FileId(1))]), Error::WrongFile { .. }));
    assert!(matches!(
        refused(&[(0, FileId(1)), (0, FileId(2))]),
        Error::WrongFile { .. }
    ));
    assert!(matches!(refused(&[(0, FileId(0))]), Error::RepeatedFile(_)));
    let mut assembler = assembler();
    let root = directory("", vec![subdirectory("d"), plain("f", Kind::pending_file(1))]);
    assembler.push(root, &[(1, FileId(5))]).unwrap();
    assembler.complete(FileId(5), Outcome::Dropped).unwrap();
    let repeated = assembler.push(
        directory("d", vec![plain("f", Kind::pending_file(1))]),
        &[(0, FileId(5))],
    );
    assert!(matches!(repeated, Err(Error::RepeatedFile(FileId(5)))));
}

#[test]
fn a_dropped_file_takes_its_hard_links_with_it() {
    let link = plain("link", Kind::HardLink { target: bytes("f") });
    let (base, _) = write(
        &[
            directory("", vec![subdirectory("d"), small_file("f", "1")]),
            directory("d", vec![link]),
        ],
        0,
    );
    let mut raws = Reader::open(&base[..]).unwrap().raw_records().skip(1);
    let mut assembler = assembler();
    let root = directory("", vec![subdirectory("d"), plain("f", Kind::pending_file(1))]);
    assembler.push(root, &[(1, FileId(1))]).unwrap();
    assembler.push_raw(&raws.next().unwrap().unwrap()).unwrap();
    assembler.complete(FileId(1), Outcome::Dropped).unwrap();
    assert_eq!(assembler.take_lost_links(), [bytes("d/link")]);
    let (_, assembled) = assembler.finish(&conclusion()).unwrap();
    assert_eq!(
        read(&assembled),
        [directory("", vec![subdirectory("d")]), directory("d", vec![])]
    );
}

#[test]
fn block_hashes_are_given_up_where_they_would_be_too_long() {
    let size = 300u64 << 30;
    let block_hashes: Arc<[manifest::BlockHash]> = vec![manifest::BlockHash([1; 32]); 1 << 21].into();
    let large = |name: &str, size: u64| {
        plain(
            name,
            Kind::File {
                size,
                hash: manifest::ContentHash([1; 32]),
                block_hashes: Arc::clone(&block_hashes),
            },
        )
    };
    let mut record = directory("", vec![large("a", size), large("b", size), large("c", size)]);
    record.shed_block_hashes();
    let kept: Vec<bool> = record
        .entries
        .iter()
        .map(|entry| matches!(&entry.kind, Kind::File { block_hashes, .. } if !block_hashes.is_empty()))
        .collect();
    assert_eq!(kept, [true, true, false]);
}

#[test]
fn what_is_unfinished_is_written_without_what_is_not_there() {
    let first = directory(
        "",
        ["a", "b", "c", "d"].map(|name| small_file(name, name)).to_vec(),
    );
    let (record, pending, later) = announce(&first, &mut 0);
    let mut assembler = assembler();
    assembler.push(record, &pending).unwrap();
    let outcome = |at: usize| (later[at].0, Outcome::Stored(later[at].1.clone()));
    let (a, stored) = outcome(0);
    assembler.complete(a, stored).unwrap();
    assembler.complete(later[1].0, Outcome::Dropped).unwrap();
    assembler.so_far(later[2].0, Some(later[2].1.clone())).unwrap();
    assembler.so_far(later[3].0, Some(later[3].1.clone())).unwrap();
    assembler.so_far(later[3].0, None).unwrap();
    let wrong = assembler.so_far(later[3].0, Some(later[2].1.clone()));
    assert!(matches!(wrong, Err(Error::WrongFile { .. })), "{wrong:?}");
    let mut unfinished = Writer::create(Vec::new(), &header()).unwrap();
    assembler.write_unfinished(&mut unfinished).unwrap();
    let (_, written) = unfinished.finish(&conclusion()).unwrap();
    let names: Vec<_> = read(&written)[0]
        .entries
        .iter()
        .map(|entry| entry.name.clone())
        .collect();
    assert_eq!(names, [bytes("a"), bytes("c")]);
    // It changes nothing of what comes out in the end.
    for at in [2, 3] {
        let (id, stored) = outcome(at);
        assembler.complete(id, stored).unwrap();
    }
    let (_, written) = assembler.finish(&conclusion()).unwrap();
    assert_eq!(read(&written), without(&[first], &HashSet::from([bytes("b")])));
}
