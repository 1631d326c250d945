//! Operations: encoding, decoding in pieces, and what a delta may do to its base.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use generate::{bytes, directory, entries, metadata, plain, record, small_file};
use manifest::delta::{Basis, DirDelta, FileId, Op, OpStream, Upsert, decode_ops, encode_op, encode_ops};
use manifest::{ContentHash, DirRecord, Entry, Error, Kind, Metadata, Result};
use proptest::collection::vec;
use proptest::prelude::*;

/// A delta that leads from one record to another, and the ids of those that it announces.
fn between(base: &DirRecord, goal: &DirRecord, first_file: u64) -> DirDelta {
    let mut next = first_file;
    let removed = base
        .entries
        .iter()
        .filter(|old| goal.find(&old.name).is_none())
        .map(|old| old.name.clone())
        .collect();
    let upserts = goal
        .entries
        .iter()
        .filter(|new| base.find(&new.name) != Some(new))
        .map(|new| {
            let is_file = matches!(new.kind, Kind::File { .. });
            next += u64::from(is_file);
            let mut entry = new.clone();
            if is_file {
                entry.kind = Kind::pending_file(new.size());
            }
            Upsert {
                entry,
                pending: is_file.then_some(FileId(next)),
            }
        })
        .collect();
    DirDelta {
        path: goal.path.clone(),
        metadata: Some(Metadata::default()),
        basis: Basis::Delta,
        removed,
        upserts,
    }
}

fn arbitrary_delta() -> impl Strategy<Value = DirDelta> {
    let kind = prop_oneof![
        Just(Kind::Directory),
        Just(Kind::Fifo),
        (0u64..9).prop_map(Kind::pending_file)
    ];
    (record(), entries(kind, 9), metadata()).prop_map(|(base, goal, metadata)| {
        let path = if base.path.is_empty() {
            bytes("x")
        } else {
            base.path.clone()
        };
        let base = DirRecord {
            path: path.clone(),
            ..base
        };
        let goal = DirRecord { path, entries: goal };
        DirDelta {
            metadata: Some(metadata),
            ..between(&base, &goal, 7)
        }
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (1u64..).prop_map(|dirs| Op::Same { dirs }),
        (1u64..9).prop_map(|dirs| Op::Drop { dirs }),
        arbitrary_delta().prop_map(|delta| Op::Dir(Box::new(delta))),
    ]
}

proptest! {
    #[test]
    fn operations_round_trip_in_any_pieces(ops in vec(op(), 0..8), cuts in vec(1usize..60, 1..9)) {
        let mut encoded = Vec::new();
        encode_ops(&ops, &mut encoded).unwrap();
        let decoded: Vec<Op> = decode_ops(&encoded).map(Result::unwrap).collect();
        prop_assert_eq!(&decoded, &ops);

        let mut stream = OpStream::new(1 << 20);
        let (mut rest, mut found) = (&encoded[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            stream.feed(piece);
            while let Some(op) = stream.next_op().unwrap() {
                found.push(op);
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(stream.finish().is_ok());
        prop_assert_eq!(&found, &ops);
    }

    #[test]
    fn cut_or_changed_operations_never_panic(op in op(), at: prop::sample::Index, byte: u8) {
        let mut encoded = Vec::new();
        encode_op(&op, &mut encoded).unwrap();
        let at = at.index(encoded.len());
        if at > 0 {
            prop_assert!(decode_ops(&encoded[..at]).next().unwrap().is_err());
            let mut stream = OpStream::new(1 << 20);
            stream.feed(&encoded[..at]);
            prop_assert!(matches!(stream.next_op(), Ok(None)));
            prop_assert!(stream.finish().is_err());
        }
        encoded[at] = byte;
        let decoded: Result<Vec<Op>> = decode_ops(&encoded).collect();
        if let Ok(ops) = decoded {
            let mut again = Vec::new();
            encode_ops(&ops, &mut again).unwrap();
            prop_assert_eq!(again, encoded);
        }
    }

    #[test]
    fn a_delta_leads_from_its_base_to_its_goal(base in record(), goal in record()) {
        let goal = DirRecord { path: base.path.clone(), ..goal };
        let delta = between(&base, &goal, 0);
        let applied = delta.apply(Some(&base)).unwrap();
        let mut expected = goal.clone();
        for (at, _) in &applied.pending {
            expected.entries[*at].kind = Kind::pending_file(goal.entries[*at].size());
        }
        prop_assert_eq!(&applied.record, &expected);
        let announced: Vec<(FileId, &Entry)> = delta.pending().collect();
        let found: Vec<(FileId, &Entry)> =
            applied.pending.iter().map(|(at, file)| (*file, &applied.record.entries[*at])).collect();
        prop_assert_eq!(announced, found);

        // The same as complete list, which needs no base and ignores the one that is there.
        let all = DirRecord { path: base.path.clone(), entries: vec![] };
        let complete = DirDelta { basis: Basis::Complete, ..between(&all, &goal, 0) };
        let mut expected = goal.clone();
        for entry in &mut expected.entries {
            if let Kind::File { size, .. } = entry.kind {
                entry.kind = Kind::pending_file(size);
            }
        }
        prop_assert_eq!(complete.apply(Some(&base)).unwrap().record, expected.clone());
        prop_assert_eq!(complete.apply(None).unwrap().record, expected);
    }
}

fn delta(removed: &[&str], upserts: &[Entry]) -> DirDelta {
    DirDelta {
        path: bytes("d"),
        metadata: Some(Metadata::default()),
        basis: Basis::Delta,
        removed: removed.iter().map(|name| bytes(name)).collect(),
        upserts: upserts
            .iter()
            .map(|entry| Upsert {
                entry: entry.clone(),
                pending: None,
            })
            .collect(),
    }
}

#[test]
fn a_delta_that_does_not_fit_is_refused() {
    let base = directory("d", vec![small_file("a", "1"), small_file("c", "2")]);
    let (a, b) = (small_file("a", "3"), small_file("b", "4"));
    assert!(delta(&["a"], std::slice::from_ref(&b)).apply(Some(&base)).is_ok());
    let mismatch = [
        delta(&["b"], &[]),
        delta(&["a", "x"], &[]),
        delta(&["a"], std::slice::from_ref(&a)),
        delta(&["b"], std::slice::from_ref(&b)),
        DirDelta {
            basis: Basis::Complete,
            ..delta(&["a"], &[])
        },
    ];
    for delta in mismatch {
        assert!(
            matches!(delta.apply(Some(&base)), Err(Error::DeltaMismatch { .. })),
            "{delta:?}"
        );
    }
    let order = [
        delta(&["c", "a"], &[]),
        delta(&["a", "a"], &[]),
        delta(&[], &[b, a]),
    ];
    for delta in order {
        assert!(
            matches!(delta.apply(Some(&base)), Err(Error::EntryOrder { .. })),
            "{delta:?}"
        );
        assert!(encode_op(&Op::Dir(Box::new(delta)), &mut Vec::new()).is_err());
    }
    assert!(matches!(
        delta(&[], &[]).apply(None),
        Err(Error::MissingBase { .. })
    ));
    assert!(matches!(
        delta(&[], &[]).apply(Some(&directory("e", vec![]))),
        Err(Error::MissingBase { .. })
    ));
    let mut special = delta(&[], &[plain("p", Kind::Fifo)]);
    special.upserts[0].pending = Some(FileId(1));
    assert!(matches!(special.apply(Some(&base)), Err(Error::WrongFile { .. })));
}

#[test]
fn what_breaks_a_rule_is_not_encoded() {
    let refused = |op: Op| encode_op(&op, &mut Vec::new()).is_err();
    assert!(refused(Op::Same { dirs: 0 }));
    assert!(refused(Op::Drop { dirs: 0 }));
    let dir = |delta: DirDelta| Op::Dir(Box::new(delta));
    assert!(refused(dir(DirDelta {
        metadata: None,
        ..delta(&[], &[])
    })));
    assert!(refused(dir(DirDelta {
        path: bytes(""),
        ..delta(&[], &[])
    })));
    assert!(refused(dir(DirDelta {
        path: bytes("../x"),
        ..delta(&[], &[])
    })));
    assert!(refused(dir(delta(&["a/b"], &[]))));
    // Its content is unknown and nobody will tell.
    assert!(refused(dir(delta(&[], &[plain("f", Kind::pending_file(1))]))));
}

#[test]
fn a_pending_file_travels_without_its_hash() {
    let mut with_hash = delta(&[], &[small_file("f", "content")]);
    with_hash.upserts[0].pending = Some(FileId(9));
    let mut encoded = Vec::new();
    encode_op(&Op::Dir(Box::new(with_hash)), &mut encoded).unwrap();
    let Some(Ok(Op::Dir(decoded))) = decode_ops(&encoded).next() else {
        panic!("not a directory")
    };
    assert_eq!(decoded.upserts[0].entry.hash(), Some(ContentHash::PENDING));
    assert_eq!(decoded.upserts[0].entry.size(), 7);
}

#[test]
fn an_operation_over_the_limit_is_refused_by_its_length() {
    let mut encoded = Vec::new();
    encode_op(&Op::Dir(Box::new(delta(&["0123456789"], &[]))), &mut encoded).unwrap();
    let mut stream = OpStream::new(10);
    stream.feed(&encoded[..2]);
    assert!(matches!(stream.next_op(), Err(Error::TooLong { .. })));
}
