//! Resuming, and the comparison of two manifests.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use std::collections::BTreeMap;

use generate::{conclusion, directory, header, plain, small_file, tree, write};
use manifest::diff::{Change, ChangeKind, Difference, diff};
use manifest::{
    DirRecord, Entry, Kind, Reader, Result, Writer, compare_paths, compose, join_path, read_partial,
};
use proptest::prelude::*;

fn resume(partial: &[u8], base: Option<&[u8]>, touched_up_to: Option<&[u8]>) -> Vec<DirRecord> {
    let mut writer = Writer::create(Vec::new(), &header()).unwrap();
    let base = base.map(|base| Reader::open(base).unwrap());
    let partial = read_partial(partial).unwrap();
    compose::resume(partial, base.as_ref(), touched_up_to, &mut writer).unwrap();
    let (_, bytes) = writer.finish(&conclusion()).unwrap();
    Reader::open(&bytes[..])
        .unwrap()
        .records()
        .map(Result::unwrap)
        .collect()
}

#[test]
fn what_was_touched_is_taken_from_neither() {
    let of = |paths: &[&str], content: &str| -> Vec<DirRecord> {
        paths
            .iter()
            .map(|path| directory(path, vec![small_file("f", content)]))
            .collect()
    };
    let (old, new) = (of(&["", "a", "b", "c", "d"], "old"), of(&["", "a"], "new"));
    let (base, _) = write(&old, 1);
    let (partial, _) = write(&new, 1);
    let whole = resume(&partial, Some(&base), None);
    assert_eq!(whole, [&new[..], &old[2..]].concat());
    let touched = resume(&partial, Some(&base), Some(b"b/x"));
    assert_eq!(touched, [&new[..], &old[3..]].concat());
    let behind = resume(&partial, Some(&base), Some(b""));
    assert_eq!(behind, whole);
    assert_eq!(resume(&partial, None, Some(b"b")), new);
    let nothing = write(&[], 0).0;
    assert_eq!(resume(&nothing, Some(&base), None), old);
    assert_eq!(resume(&nothing, Some(&base), Some(b"")), old[1..]);
}

/// All entries of a tree by path.
fn flat(records: &[DirRecord]) -> BTreeMap<Box<[u8]>, Entry> {
    let each = |record: &DirRecord| -> Vec<(Box<[u8]>, Entry)> {
        record
            .entries
            .iter()
            .map(|entry| (join_path(&record.path, &entry.name), entry.clone()))
            .collect()
    };
    records.iter().flat_map(each).collect()
}

proptest! {
    #[test]
    fn a_cut_manifest_resumes_to_a_mixture(old in tree(), new in tree(), cut: prop::sample::Index) {
        let (base, _) = write(&old, 2);
        let (mut partial, _) = write(&new, 1);
        partial.truncate(cut.index(partial.len()));
        prop_assume!(read_partial(&partial[..]).is_ok());
        let completed: Vec<DirRecord> =
            read_partial(&partial[..]).unwrap().map(|record| record.decode().unwrap()).collect();
        let mut expected = completed.clone();
        let after = completed.last().map(|record| record.path.clone());
        expected.extend(old.iter().filter(|record| {
            after.as_ref().is_none_or(|after| compare_paths(&record.path, after).is_gt())
        }).cloned());
        prop_assert_eq!(resume(&partial, Some(&base), None), expected);
    }

    #[test]
    fn a_diff_turns_the_older_into_the_newer(old in tree(), new in tree(), share in any::<bool>()) {
        // Two arbitrary trees have hardly anything in common; one and a part of it has.
        let new = if share { old.iter().step_by(2).cloned().collect() } else { new };
        let ((older, _), (newer, _)) = (write(&old, 2), write(&new, 3));
        let (older, newer) = (Reader::open(&older[..]).unwrap(), Reader::open(&newer[..]).unwrap());
        let changes: Vec<Change> = diff(&older, &newer).map(Result::unwrap).collect();
        let (before, after) = (flat(&old), flat(&new));
        let mut result = before.clone();
        for Change { path, kind } in changes {
            match kind {
                ChangeKind::Added(entry) => prop_assert!(result.insert(path, entry).is_none()),
                ChangeKind::Removed(entry) => prop_assert_eq!(result.remove(&path), Some(entry)),
                ChangeKind::Changed { before, after, .. } => {
                    prop_assert_eq!(result.insert(path, after), Some(before));
                }
            }
        }
        let same = |result: &BTreeMap<Box<[u8]>, Entry>| {
            result.len() == after.len()
                && result.iter().all(|(path, entry)| {
                    after.get(path).is_some_and(|after| Difference::between(entry, after).is_none())
                })
        };
        prop_assert!(same(&result));
    }
}

#[test]
fn differences_are_of_content_or_of_metadata_or_none() {
    let before = small_file("f", "1");
    let mut touched = before.clone();
    touched.metadata.ctime.secs = 9;
    touched.metadata.ino = 9;
    assert_eq!(Difference::between(&before, &touched), None);
    touched.metadata.mode = 0o600;
    assert_eq!(Difference::between(&before, &touched), Some(Difference::Metadata));
    assert_eq!(
        Difference::between(&before, &small_file("f", "2")),
        Some(Difference::Content)
    );
    assert_eq!(
        Difference::between(&before, &plain("f", Kind::Fifo)),
        Some(Difference::Content)
    );
}

#[test]
fn a_diff_ends_at_the_first_damage() {
    let records: Vec<DirRecord> = ["", "a", "b"]
        .iter()
        .map(|path| directory(path, vec![small_file("f", path)]))
        .collect();
    let (bytes, _) = write(&records, 1);
    let mut damaged = bytes.clone();
    let middle = damaged.len() / 2 - 100;
    damaged[middle] ^= 1;
    let older = Reader::open(&bytes[..]).unwrap();
    let Ok(newer) = Reader::open(&damaged[..]) else {
        panic!("the damage is in no frame")
    };
    let changes: Vec<_> = diff(&older, &newer).collect();
    assert_eq!(changes.iter().filter(|change| change.is_err()).count(), 1);
    assert!(changes.last().unwrap().is_err());
}
