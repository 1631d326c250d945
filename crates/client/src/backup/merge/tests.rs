//! Tests of the module above.

use std::collections::BTreeMap;

use manifest::{DirRecord, encode_record};

use super::*;
use crate::backup::fake::{FakeSource, Node, metadata, stat};

const SMALL_BYTES: u64 = 16 << 10;

fn file(ino: u64, size: u64, version: u32) -> Node {
    Node::File {
        stat: stat(FileType::File, ino, size, version),
        content: Vec::new(),
    }
}

fn linked(ino: u64, names: u32) -> Node {
    let mut stat = stat(FileType::File, ino, 10, 0);
    stat.nlink = names;
    Node::File {
        stat,
        content: Vec::new(),
    }
}

fn source(children: Vec<(&str, Node)>) -> FakeSource {
    let children = children
        .into_iter()
        .map(|(name, node)| (name.as_bytes().to_vec(), node))
        .collect();
    let root = Node::Dir {
        stat: stat(FileType::Directory, 1, 0, 0),
        children,
    };
    FakeSource::new(BTreeMap::from([(b"s".to_vec(), root)]))
}

fn base_record(path: &[u8], entries: Vec<Entry>) -> RawRecord {
    let mut bytes = Vec::new();
    encode_record(
        &DirRecord {
            path: path.into(),
            entries,
        },
        &mut bytes,
    )
    .unwrap();
    RawRecord::new(bytes).unwrap()
}

fn known(name: &str, stat: &Stat) -> Entry {
    let kind = match stat.kind {
        FileType::Directory => Kind::Directory,
        _ => Kind::file(stat.size, ContentHash([9; 32]), Arc::default()),
    };
    Entry {
        name: name.as_bytes().into(),
        metadata: metadata(stat),
        kind,
    }
}

/// Merges the root and the directory `s`, whose base has the entries.
fn merged(mode: Mode, source: &FakeSource, base: Vec<Entry>) -> (Step, Vec<Problem>) {
    merged_by(Merge::new(mode, SMALL_BYTES, Arc::default()), source, base)
}

fn merged_by(mut merge: Merge, source: &FakeSource, base: Vec<Entry>) -> (Step, Vec<Problem>) {
    let mut problems = Vec::new();
    let dirs = source.dirs();
    let root = base_record(b"", vec![known("s", &stat(FileType::Directory, 1, 0, 0))]);
    assert!(matches!(
        merge.directory(&dirs[0], Some(&root), &mut problems),
        Ok(Step::Same)
    ));
    let step = merge
        .directory(&dirs[1], Some(&base_record(b"s", base)), &mut problems)
        .unwrap();
    (step, problems)
}

fn changed(step: Step) -> Changed {
    match step {
        Step::Changed(changed) => *changed,
        Step::Same => panic!("it should have changed"),
    }
}

#[test]
fn what_the_base_has_damaged_is_sent_as_if_it_were_new() {
    let source = source(vec![("a", file(5, 10, 0)), ("b", file(6, 1 << 30, 0))]);
    let base = || {
        vec![
            known("a", &stat(FileType::File, 5, 10, 0)),
            known("b", &stat(FileType::File, 6, 1 << 30, 0)),
        ]
    };
    for mode in [Mode::Incremental, Mode::Full] {
        let merge = Merge::new(mode, SMALL_BYTES, Arc::default());
        let merge = merge.doubting([b"s/b".to_vec(), b"other/a".to_vec()]);
        let (step, problems) = merged_by(merge, &source, base());
        assert!(problems.is_empty());
        let changed = changed(step);
        let sent = changed.files.iter().find(|file| *file.entry.name == *b"b");
        assert!(sent.expect("is sent").base.is_none(), "{mode:?}");
        assert!(changed.delta.removed.is_empty());
        let others = changed
            .files
            .iter()
            .filter(|file| *file.entry.name == *b"a")
            .count();
        assert_eq!(others, usize::from(mode == Mode::Full));
    }
}

#[test]
fn an_unchanged_directory_is_the_same() {
    let source = source(vec![("a", file(5, 10, 0)), ("b", file(6, 1 << 30, 0))]);
    let base = || {
        vec![
            known("a", &file(5, 10, 0).stat()),
            known("b", &file(6, 1 << 30, 0).stat()),
        ]
    };
    assert!(matches!(merged(Mode::Incremental, &source, base()).0, Step::Same));
    let full = changed(merged(Mode::Full, &source, base()).0);
    assert_eq!(full.files.len(), 2);
    assert!(full.files.iter().all(|file| file.base.is_some()));
}

#[test]
fn size_times_and_inode_tell_that_a_file_changed() {
    let before = file(5, 10, 0).stat();
    let mut touched = before;
    touched.mtime.nanos += 1;
    let mut changed_meta = before;
    changed_meta.ctime.nanos += 1;
    for now in [
        file(5, 11, 0).stat(),
        file(6, 10, 0).stat(),
        touched,
        changed_meta,
    ] {
        let source = source(vec![(
            "a",
            Node::File {
                stat: now,
                content: Vec::new(),
            },
        )]);
        let changed = changed(merged(Mode::Incremental, &source, vec![known("a", &before)]).0);
        assert_eq!(changed.files.len(), 1);
        assert_eq!(changed.delta.upserts[0].pending, Some(FileId(1)));
        assert_eq!(changed.delta.basis, Basis::Delta);
    }
}

#[test]
fn what_is_gone_is_removed_and_what_is_new_added() {
    let source = source(vec![("b", file(6, 10, 0)), ("c", file(7, 10, 0))]);
    let base = vec![
        known("a", &file(5, 10, 0).stat()),
        known("b", &file(6, 10, 0).stat()),
        known("d", &file(8, 1, 0).stat()),
    ];
    let changed = changed(merged(Mode::Incremental, &source, base).0);
    assert_eq!(changed.delta.removed, [Box::from(*b"a"), Box::from(*b"d")]);
    assert_eq!(changed.delta.upserts.len(), 1);
    assert_eq!(*changed.delta.upserts[0].entry.name, *b"c");
    assert_eq!(changed.files[0].base, None);
}

#[test]
fn metadata_of_files_that_the_server_may_have_is_complete_before_they_are_announced() {
    let source = source(vec![
        ("large", file(5, SMALL_BYTES + 1, 0)),
        ("small", file(6, SMALL_BYTES, 0)),
    ]);
    let changed = changed(merged(Mode::Incremental, &source, Vec::new()).0);
    let details: Vec<Detail> = changed.files.iter().map(|file| file.detail).collect();
    assert_eq!(details, [Detail::Complete, Detail::Seen]);
}

#[test]
fn sockets_are_left_out_and_reported() {
    let socket = || Node::Socket {
        stat: stat(FileType::Socket, 5, 0, 0),
    };
    let (step, problems) = merged(Mode::Incremental, &source(vec![("a", socket())]), Vec::new());
    assert!(matches!(step, Step::Same));
    assert_eq!(problems[0].kind, ProblemKind::Skipped);
    let base = vec![known("a", &file(5, 10, 0).stat())];
    let changed = changed(merged(Mode::Incremental, &source(vec![("a", socket())]), base).0);
    assert_eq!(changed.delta.removed, [Box::from(*b"a")]);
}

#[test]
fn the_first_name_is_the_file_and_the_others_are_links() {
    let source = source(vec![
        ("a", linked(5, 2)),
        ("b", linked(5, 2)),
        ("c", linked(6, 2)),
    ]);
    let first = changed(merged(Mode::Incremental, &source, Vec::new()).0);
    assert_eq!(first.files.len(), 2);
    let link = &first.delta.upserts[1];
    assert_eq!(
        (&link.entry.kind, link.pending),
        (
            &Kind::HardLink {
                target: (*b"s/a").into()
            },
            None
        )
    );
    let mut base = vec![known("a", &linked(5, 2).stat()), known("c", &linked(6, 2).stat())];
    base.insert(1, link.entry.clone());
    assert!(matches!(
        merged(Mode::Incremental, &source, base.clone()).0,
        Step::Same
    ));
    let full = changed(merged(Mode::Full, &source, base).0);
    assert_eq!(full.delta.upserts.len(), 2);
}

#[test]
fn a_link_whose_file_is_gone_becomes_the_file() {
    let base = vec![
        known("a", &linked(5, 2).stat()),
        Entry {
            kind: Kind::HardLink {
                target: (*b"s/a").into(),
            },
            ..known("b", &linked(5, 2).stat())
        },
    ];
    let changed = changed(merged(Mode::Incremental, &source(vec![("b", linked(5, 1))]), base).0);
    assert_eq!(changed.delta.removed, [Box::from(*b"a")]);
    assert!(changed.files[0].base.is_none());
    assert!(matches!(changed.delta.upserts[0].entry.kind, Kind::File { .. }));
}
