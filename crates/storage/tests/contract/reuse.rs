//! Content that is in the storage already.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{ContentHash, Entry, Kind, Metadata};
use storage::{Basis, Location, Reuse, Unwatched};

use crate::check::{Strictness, check_all};
use crate::driver::back_up;
use crate::lab::{self, Lab, client, nth};

fn content(seed: u8) -> Vec<u8> {
    (0..100_000u32).map(|at| (at % 251) as u8 ^ seed).collect()
}

pub fn content_of_another_client(lab: Lab) {
    for file in 0..20 {
        lab.write(&format!("dir-{}/{file}", file % 4), &content(file));
    }
    let store = lab.store();
    back_up(store, &client("laptop"), &nth(1), Basis::Fresh, lab.source());
    let reaped = store.reap(&Unwatched).unwrap();
    assert_eq!(reaped.indexed, [(client("laptop"), nth(1))]);
    assert!(store.reap(&Unwatched).unwrap().indexed.is_empty());
    let before = lab.used_bytes();
    let committed = back_up(store, &client("desktop"), &nth(1), Basis::Fresh, lab.source());
    assert_eq!(
        (committed.outcome.reused_files, committed.outcome.written_bytes),
        (20, 0)
    );
    if lab.kind != lab::Kind::Plain {
        let grown = lab.used_bytes().saturating_sub(before);
        assert!(grown < 1 << 20, "grew by {grown} bytes");
    }
    check_all(store, Strictness::Exact);
    // With other metadata: the content is shared all the same.
    for file in 0..20 {
        let file = fs::File::open(lab.source().join(format!("dir-{}/{file}", file % 4))).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    let committed = back_up(store, &client("phone"), &nth(1), Basis::Fresh, lab.source());
    assert_eq!(
        (committed.outcome.reused_files, committed.outcome.written_bytes),
        (20, 0)
    );
    let shares_inodes = matches!(lab.kind, lab::Kind::Ext4 | lab::Kind::Plain);
    assert_eq!(
        committed.outcome.reduced_entries,
        if shares_inodes { 20 } else { 0 }
    );
    check_all(
        store,
        if shares_inodes {
            Strictness::Content
        } else {
            Strictness::Exact
        },
    );
    // Each is independent of the others.
    store.delete(&client("laptop"), &nth(1)).unwrap();
    store.reap(&Unwatched).unwrap();
    check_all(
        store,
        if shares_inodes {
            Strictness::Content
        } else {
            Strictness::Exact
        },
    );
}

/// One directory with one announced file, in a new ingest of the client.
fn with_pending(
    lab: &Lab,
    entry: &Entry,
    check: impl FnOnce(&storage::Ingest, &std::sync::Arc<storage::DirSlot>),
) {
    let ingest = lab.store().begin(&client("other"), &Basis::Fresh).unwrap();
    let other = Entry {
        name: b"other"[..].into(),
        ..entry.clone()
    };
    let upsert = |entry: Entry, id| Upsert {
        entry,
        pending: Some(FileId(id)),
    };
    let delta = DirDelta {
        path: Box::default(),
        metadata: None,
        basis: DeltaBasis::Complete,
        removed: Vec::new(),
        upserts: vec![upsert(entry.clone(), 1), upsert(other, 2)],
    };
    let merged = delta.apply(None).unwrap().record;
    let slot = ingest.directory(&delta, &merged, None).unwrap();
    check(&ingest, &slot);
}

fn entry(content: &[u8]) -> Entry {
    Entry {
        name: b"file"[..].into(),
        metadata: Metadata {
            mode: 0o644,
            ..Metadata::default()
        },
        kind: Kind::file(content.len() as u64, ContentHash::of(content), Default::default()),
    }
}

pub fn content_of_the_same_backup(lab: Lab) {
    let bytes = content(1);
    with_pending(&lab, &entry(&bytes), |ingest, slot| {
        ingest.put_small(slot, &entry(&bytes), &bytes).unwrap();
        let other = Entry {
            name: b"other"[..].into(),
            ..entry(&bytes)
        };
        assert_eq!(ingest.reuse_own(slot, &other, b"missing").unwrap(), Reuse::Stale);
        assert_eq!(ingest.reuse_own(slot, &other, b"file").unwrap(), Reuse::Done);
        assert_eq!(slot.pending(), 0);
    });
}

pub fn stale_locations_are_refused(lab: Lab) {
    lab.write("dir/a", &content(1));
    lab.write("dir/b", &content(2));
    let (store, laptop) = (lab.store(), client("laptop"));
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    store.reap(&Unwatched).unwrap();
    let place = |client: &str, backup, path: &[u8]| Location {
        client: lab::client(client),
        backup,
        path: path.into(),
    };
    let wanted = entry(&content(1));
    with_pending(&lab, &wanted, |ingest, slot| {
        for location in [
            place("laptop", nth(1), b"src/dir/b"),
            place("laptop", nth(1), b"src/dir"),
            place("laptop", nth(1), b"src/dir/none"),
            place("laptop", nth(1), b"none/a"),
            place("laptop", nth(1), b""),
            place("laptop", nth(2), b"src/dir/a"),
            place("nobody", nth(1), b"src/dir/a"),
        ] {
            assert_eq!(
                ingest.reuse(slot, &wanted, &location).unwrap(),
                Reuse::Stale,
                "{location:?}"
            );
        }
        assert_eq!(slot.pending(), 2);
        assert_eq!(
            ingest
                .reuse(slot, &wanted, &place("laptop", nth(1), b"src/dir/a"))
                .unwrap(),
            Reuse::Done
        );
    });
    // A wrong hint was forgotten, and comes back with the index.
    let (Kind::File { size, hash, .. }, other) = (wanted.kind.clone(), entry(&content(2))) else {
        unreachable!()
    };
    assert!(store.index().lookup(hash, size).is_none());
    assert!(store.index().lookup(other.hash().unwrap(), size).is_some());
    // A location in a deleted backup.
    store.delete(&laptop, &nth(1)).unwrap();
    let location = store.index().lookup(other.hash().unwrap(), size).unwrap();
    with_pending(&lab, &other, |ingest, slot| {
        assert_eq!(ingest.reuse(slot, &other, &location).unwrap(), Reuse::Stale);
    });
}

pub fn ownership_passes_on(lab: Lab) {
    for file in 0..3 {
        lab.write(&format!("dir/{file}"), &content(file));
    }
    let (store, laptop) = (lab.store(), client("laptop"));
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    fs::remove_file(lab.source().join("dir/0")).unwrap();
    lab.write("dir/1", &content(9));
    back_up(store, &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    store.reap(&Unwatched).unwrap();
    let owner = |seed| {
        let wanted = entry(&content(seed));
        store
            .index()
            .lookup(wanted.hash().unwrap(), wanted.size())
            .map(|location| location.backup)
    };
    let owners = || [0, 1, 2, 9].map(owner);
    assert_eq!(owners(), [Some(nth(1)), Some(nth(1)), Some(nth(1)), Some(nth(2))]);
    store.delete(&laptop, &nth(1)).unwrap();
    store.reap(&Unwatched).unwrap();
    assert_eq!(owners(), [None, None, Some(nth(2)), Some(nth(2))]);
    store.delete(&laptop, &nth(2)).unwrap();
    store.reap(&Unwatched).unwrap();
    assert_eq!(owners(), [None, None, None, None]);
}

pub fn index_is_rebuilt(mut lab: Lab) {
    lab.write("dir/a", &content(1));
    let laptop = client("laptop");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    lab.store().reap(&Unwatched).unwrap();
    let wanted = entry(&content(1));
    let find = |lab: &Lab| {
        lab.store()
            .index()
            .lookup(wanted.hash().unwrap(), wanted.size())
            .map(|at| at.backup)
    };
    assert_eq!(find(&lab), Some(nth(1)));
    lab.store = None;
    fs::remove_dir_all(lab.storage().join(".perennial/index")).unwrap();
    lab.reopen();
    assert_eq!(find(&lab), None);
    assert_eq!(lab.store().reap(&Unwatched).unwrap().indexed.len(), 2);
    assert_eq!(find(&lab), Some(nth(1)));
    lab.store().reset_index().unwrap();
    assert_eq!(find(&lab), None);
    lab.store().reap(&Unwatched).unwrap();
    assert_eq!(find(&lab), Some(nth(1)));
    let stored = fs::metadata(lab.storage().join(format!("laptop/{}/src/dir/a", nth(2)))).unwrap();
    assert_eq!(stored.size(), 100_000);
}

/// ext4 allows 65,000 names of an inode; an inode that has them is replaced by a copy, which the index leads to.
pub fn the_limit_of_links_is_no_obstacle(lab: Lab) {
    if lab.kind != lab::Kind::Ext4 {
        return;
    }
    lab.write("dir/large", &content(1));
    lab.write("dir/small", b"small");
    let (store, laptop) = (lab.store(), client("laptop"));
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    store.reap(&Unwatched).unwrap();
    let many = lab.file_system().join("many");
    fs::create_dir(&many).unwrap();
    for name in ["large", "small"] {
        let stored = lab.storage().join(format!("laptop/{}/src/dir/{name}", nth(1)));
        let limit = (0..70_000).find(|at| fs::hard_link(&stored, many.join(format!("{name}-{at}"))).is_err());
        assert_eq!(limit, Some(64_999));
    }
    let committed = back_up(store, &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    assert_eq!(
        (committed.outcome.carried_files, committed.outcome.written_files),
        (2, 0)
    );
    check_all(store, Strictness::Exact);
    let wanted = entry(&content(1));
    let location = store
        .index()
        .lookup(wanted.hash().unwrap(), wanted.size())
        .unwrap();
    assert_eq!(location.backup, nth(2));
    let committed = back_up(store, &client("desktop"), &nth(1), Basis::Fresh, lab.source());
    assert_eq!(committed.outcome.reused_files, 1);
    let stored = fs::metadata(lab.storage().join(format!("desktop/{}/src/dir/large", nth(1)))).unwrap();
    assert_eq!(stored.nlink(), 2);
}
