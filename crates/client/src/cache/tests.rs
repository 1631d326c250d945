//! Tests of the module above.

use std::os::unix::fs::FileExt as _;

use manifest::{BackupKind, Conclusion, DirRecord, Header, Source, Timestamp, Writer};

use super::*;

fn header() -> Header {
    Header {
        client: "laptop".into(),
        name: "261129-0700".into(),
        kind: BackupKind::Full,
        started: Timestamp::default(),
        base: None,
        sources: vec![Source {
            name: (*b"s").into(),
            path: (*b"/s").into(),
            consistency: "none".into(),
        }],
        server_id: "server".into(),
    }
}

/// Keeps a manifest that lists `count` sources' names only.
fn kept(cache: &Cache, count: u8) -> ContentHash {
    let part = cache.create().unwrap();
    let mut writer = Writer::create(part.file().unwrap(), &header()).unwrap();
    let entries = (0..count).map(|number| manifest::Entry {
        name: vec![b'a' + number].into(),
        metadata: manifest::Metadata::default(),
        kind: manifest::Kind::Fifo,
    });
    writer
        .push(&DirRecord {
            path: Box::default(),
            entries: entries.collect(),
        })
        .unwrap();
    let (summary, _) = writer.finish(&Conclusion::default()).unwrap();
    cache.keep(part, summary.digest).unwrap();
    summary.digest
}

#[test]
fn a_kept_manifest_is_found_by_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    assert_eq!(cache.digests().unwrap(), []);
    let digest = kept(&cache, 1);
    assert_eq!(cache.digests().unwrap(), [digest]);
    let reader = cache.manifest(digest).unwrap().unwrap();
    assert_eq!(reader.records().count(), 1);
    assert!(cache.manifest(ContentHash([7; 32])).unwrap().is_none());
}

#[test]
fn only_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let digests: Vec<ContentHash> = (0..6).map(|count| kept(&cache, count)).collect();
    let held = cache.digests().unwrap();
    assert_eq!(held.len(), KEPT);
    assert!(held.contains(&digests[5]));
}

#[test]
fn a_damaged_manifest_is_none_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    for damage in 0..3 {
        let digest = kept(&cache, 2);
        let path = cache.path(digest);
        let len_bytes = fs::metadata(&path).unwrap().len();
        let file = File::options().write(true).open(&path).unwrap();
        match damage {
            0 => file.set_len(len_bytes / 2).unwrap(),
            1 => file.write_all_at(&[0xff; 8], len_bytes - 8).unwrap(),
            _ => file.set_len(0).unwrap(),
        }
        assert!(cache.manifest(digest).unwrap().is_none(), "damage {damage}");
        assert_eq!(cache.digests().unwrap(), []);
    }
}

#[test]
fn a_manifest_under_a_wrong_name_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let digest = kept(&cache, 2);
    let other = ContentHash([1; 32]);
    fs::rename(cache.path(digest), cache.path(other)).unwrap();
    assert!(cache.manifest(other).unwrap().is_none());
}

#[test]
fn what_was_not_kept_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    drop(cache.create().unwrap());
    std::mem::forget(cache.create().unwrap());
    assert_eq!(cache.files(PART_SUFFIX).unwrap().len(), 1);
    let cache = Cache::open(dir.path()).unwrap();
    assert!(cache.files(PART_SUFFIX).unwrap().is_empty());
    fs::write(cache.dir.join("not hex.manifest"), "").unwrap();
    assert_eq!(cache.digests().unwrap(), []);
}
