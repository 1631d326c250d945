//! What is written is read back, in order, from a path on, and by path; the digest depends on the records
//! only.
#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod generate;

use generate::{conclusion, directory, header, plain, record, sampler, small_file, tree, write};
use manifest::{
    DirRecord, Error, Kind, RawRecord, Reader, Writer, compare_paths, decode_entry, decode_record,
    encode_entry, encode_record, join_path, read_partial,
};
use proptest::prelude::*;

fn read(bytes: &[u8]) -> Reader<&[u8]> {
    Reader::open(bytes).unwrap()
}

proptest! {
    #[test]
    fn records_round_trip(record in record()) {
        let mut encoded = Vec::new();
        encode_record(&record, &mut encoded).unwrap();
        prop_assert_eq!(decode_record(&encoded).unwrap(), record.clone());
        let raw = RawRecord::new(encoded).unwrap();
        prop_assert_eq!(raw.path(), &*record.path);
        for entry in &record.entries {
            let mut encoded = Vec::new();
            encode_entry(entry, &mut encoded).unwrap();
            prop_assert_eq!(&decode_entry(&encoded).unwrap(), entry);
        }
    }

    #[test]
    fn manifests_round_trip(records in tree(), per_frame in 0usize..4) {
        let (bytes, summary) = write(&records, per_frame);
        let reader = read(&bytes);
        prop_assert_eq!(reader.header(), &header());
        prop_assert_eq!(reader.conclusion(), &conclusion());
        prop_assert_eq!(reader.digest(), summary.digest);
        prop_assert_eq!(reader.totals(), &summary.totals);
        prop_assert_eq!(summary.len_bytes, bytes.len() as u64);
        reader.verify().unwrap();
        let read: Vec<DirRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &records);
        let listed: usize = records.iter().map(|record| record.entries.len()).sum();
        prop_assert_eq!(summary.totals.entries(), listed as u64);
        let partial: Vec<DirRecord> =
            read_partial(&bytes[..]).unwrap().map(|record| record.decode().unwrap()).collect();
        prop_assert_eq!(&partial, &records);
    }

    #[test]
    fn everything_is_found_by_its_path(records in tree(), per_frame in 1usize..4) {
        let (bytes, _) = write(&records, per_frame);
        let reader = read(&bytes);
        for record in &records {
            prop_assert_eq!(reader.directory(&record.path).unwrap(), Some(record.clone()));
            let missing = join_path(&record.path, b"no such name");
            prop_assert_eq!(reader.lookup(&missing).unwrap(), None);
            prop_assert_eq!(reader.directory(&missing).unwrap(), None);
            for from in [&record.path, &missing] {
                let not_before = |record: &&DirRecord| compare_paths(&record.path, from).is_ge();
                let expected: Vec<_> = records.iter().filter(not_before).cloned().collect();
                let found: Vec<_> = reader.records_from(from).unwrap().map(Result::unwrap).collect();
                prop_assert_eq!(found, expected);
            }
            for entry in &record.entries {
                let path = join_path(&record.path, &entry.name);
                prop_assert_eq!(reader.lookup(&path).unwrap(), Some(entry.clone()));
            }
        }
    }

    #[test]
    fn raw_copies_have_the_same_digest(records in tree(), per_frame in 0usize..4, skip in 0usize..3) {
        let (bytes, summary) = write(&records, per_frame);
        let mut writer = Writer::create(Vec::new(), &header()).unwrap();
        for (at, raw) in read(&bytes).raw_records().enumerate() {
            // Copied and encoded records in turn, so that frames are left in the middle.
            if skip > 0 && at % (skip + 1) == skip {
                writer.push(&records[at]).unwrap();
            } else {
                writer.push_raw(&raw.unwrap()).unwrap();
            }
        }
        let (copy, copied) = writer.finish(&conclusion()).unwrap();
        prop_assert_eq!(copy.digest, summary.digest);
        prop_assert_eq!(copy.totals, summary.totals);
        let read: Vec<DirRecord> = read(&copied).records().map(Result::unwrap).collect();
        prop_assert_eq!(&read, &records);
    }
}

#[test]
fn whole_frames_are_copied_as_they_are() {
    let records: Vec<DirRecord> = (0..2000)
        .map(|at| {
            let entries = (0..20)
                .map(|file| small_file(&format!("{file:02}"), &format!("{at} {file}")))
                .collect();
            directory(&format!("d{at:05}"), entries)
        })
        .collect();
    let (bytes, _) = write(&records, 0);
    let mut writer = Writer::create(Vec::new(), &header()).unwrap();
    read(&bytes)
        .raw_records()
        .for_each(|raw| writer.push_raw(&raw.unwrap()).unwrap());
    let (_, copied) = writer.finish(&conclusion()).unwrap();
    assert_eq!(copied, bytes);
}

#[test]
fn a_frame_that_is_left_in_the_middle_is_encoded_anew() {
    // One frame with a long record in front and another behind.
    let long = |path: &str| {
        let entries = (0..9000)
            .map(|file| small_file(&format!("{file:06}"), &format!("{path}{file}")))
            .collect();
        directory(path, entries)
    };
    let records = [
        directory("a", vec![]),
        long("b"),
        directory("c", vec![]),
        long("d"),
    ];
    let (bytes, _) = write(&records, 0);
    let mut writer = Writer::create(Vec::new(), &header()).unwrap();
    let raws: Vec<RawRecord> = read(&bytes).raw_records().map(Result::unwrap).collect();
    writer.push_raw(&raws[0]).unwrap();
    writer.push(&directory("aa", vec![])).unwrap();
    raws[1..3].iter().for_each(|raw| writer.push_raw(raw).unwrap());
    writer.push(&long("cc")).unwrap();
    let (_, copied) = writer.finish(&conclusion()).unwrap();
    read(&copied).verify().unwrap();
    assert_eq!(read(&copied).records().count(), 5);
}

#[test]
fn a_directory_longer_than_a_frame_is_read_back() {
    let entries = (0..20_000)
        .map(|file| small_file(&format!("{file:06}"), &file.to_string()))
        .collect();
    let records = [
        directory("", vec![plain("big", Kind::Directory)]),
        directory("big", entries),
        directory("small", vec![]),
    ];
    let (bytes, _) = write(&records, 0);
    let reader = read(&bytes);
    assert!(reader.records().map(Result::unwrap).eq(records.iter().cloned()));
    assert_eq!(
        reader.lookup(b"big/019999").unwrap().unwrap(),
        small_file("019999", "19999")
    );
}

#[test]
fn an_empty_manifest_is_one() {
    let (bytes, summary) = write(&[], 0);
    let reader = read(&bytes);
    assert_eq!(reader.records().count(), 0);
    assert_eq!(reader.lookup(b"a").unwrap(), None);
    assert_eq!(summary.totals.entries(), 0);
}

#[test]
fn many_owners_round_trip() {
    let mut record = directory("many", vec![]);
    for at in 0..300u32 {
        let mut entry = plain(&format!("{at:04}"), Kind::Fifo);
        entry.metadata.uid = at % 100;
        entry.metadata.user = Some(format!("user{}", at % 100).into());
        record.entries.push(entry);
    }
    let mut encoded = Vec::new();
    encode_record(&record, &mut encoded).unwrap();
    assert_eq!(decode_record(&encoded).unwrap(), record);
}

#[test]
fn what_breaks_a_rule_is_not_written() {
    let mut writer = Writer::create(Vec::new(), &header()).unwrap();
    writer.push(&directory("b", vec![])).unwrap();
    for path in ["b", "a", ""] {
        let refused = writer.push(&directory(path, vec![]));
        assert!(matches!(refused, Err(Error::DirectoryOrder { .. })), "{path}");
    }
    for path in ["/c", "c/", "c/../d", "c//d"] {
        assert!(
            matches!(
                writer.push(&directory(path, vec![])),
                Err(Error::InvalidPath { .. })
            ),
            "{path}"
        );
    }
    let twice = vec![plain("x", Kind::Fifo), plain("x", Kind::Fifo)];
    assert!(matches!(
        writer.push(&directory("c", twice)),
        Err(Error::EntryOrder { .. })
    ));
    let unsorted = vec![plain("y", Kind::Fifo), plain("x", Kind::Fifo)];
    assert!(matches!(
        writer.push(&directory("c", unsorted)),
        Err(Error::EntryOrder { .. })
    ));
    let mut bad = vec![
        plain("..", Kind::Fifo),
        plain("a/b", Kind::Fifo),
        plain(
            "x",
            Kind::Symlink {
                target: Box::default(),
            },
        ),
        plain(
            "x",
            Kind::HardLink {
                target: generate::bytes("/etc/passwd"),
            },
        ),
        plain("x", Kind::pending_file(5)),
    ];
    bad.push(small_file("x", "y"));
    bad[5].metadata.mode = 0o10000;
    bad.push(small_file("x", "y"));
    bad[6].metadata.mtime.nanos = 1_000_000_000;
    bad.push(small_file("x", "y"));
    if let Kind::File { block_hashes, .. } = &mut bad[7].kind {
        *block_hashes = [manifest::BlockHash([1; 32])].into();
    }
    for entry in bad {
        let refused = writer.push(&directory("c", vec![entry.clone()]));
        assert!(matches!(refused, Err(Error::InvalidEntry { .. })), "{entry:?}");
    }
    // None of it has left a trace.
    writer.push(&directory("c", vec![])).unwrap();
    let (_, bytes) = writer.finish(&conclusion()).unwrap();
    assert_eq!(read(&bytes).records().count(), 2);
}

#[test]
fn the_sampler_round_trips() {
    let (bytes, _) = write(&sampler(), 0);
    assert!(read(&bytes).records().map(Result::unwrap).eq(sampler()));
}
