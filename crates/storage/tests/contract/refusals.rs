//! What is refused: entries of a client that breaks the rules, and storages that can't be opened.

use std::fs;
use std::os::unix::fs::symlink;

use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{ContentHash, DirRecord, Entry, Kind, Metadata};
use storage::{BackendKind, Basis, CreateOptions, Error, FileStart, OpenOptions, Store};

use crate::check::{Strictness::Exact, check_all};
use crate::driver::{SOURCE, back_up};
use crate::lab::{Lab, client, nth, server};

fn file(name: &[u8], content: &[u8]) -> Entry {
    Entry {
        name: name.into(),
        metadata: Metadata {
            mode: 0o644,
            ..Metadata::default()
        },
        kind: Kind::file(content.len() as u64, ContentHash::of(content), Default::default()),
    }
}

fn entry(name: &[u8], kind: Kind) -> Entry {
    Entry {
        name: name.into(),
        metadata: Metadata {
            mode: 0o755,
            ..Metadata::default()
        },
        kind,
    }
}

fn delta(path: &[u8], entries: Vec<Entry>) -> DirDelta {
    let upserts = entries.into_iter().enumerate().map(|(at, entry)| {
        let pending = matches!(entry.kind, Kind::File { .. }).then_some(FileId(at as u64 + 1));
        Upsert { entry, pending }
    });
    DirDelta {
        path: path.into(),
        metadata: (!path.is_empty()).then(Metadata::default),
        basis: DeltaBasis::Complete,
        removed: Vec::new(),
        upserts: upserts.collect(),
    }
}

/// Gives a delta to an ingest without the checks that decoding it would have made.
fn give(ingest: &storage::Ingest, delta: &DirDelta) -> storage::Result<std::sync::Arc<storage::DirSlot>> {
    let entries = delta.upserts.iter().map(|upsert| upsert.entry.clone()).collect();
    ingest.directory(
        delta,
        &DirRecord {
            path: delta.path.clone(),
            entries,
        },
        None,
    )
}

pub fn malicious_names(lab: Lab) {
    let (store, laptop) = (lab.store(), client("laptop"));
    lab.write("kept", b"kept");
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    let outside = lab.file_system().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), b"mine").unwrap();
    let mut bad: Vec<DirDelta> = Vec::new();
    for name in [
        &b".."[..],
        b".",
        b"",
        b"a/b",
        b"/etc",
        b"../x",
        b"a\0b",
        &[b'n'; 256],
    ] {
        bad.push(delta(b"", vec![file(name, b"")]));
        bad.push(delta(b"", vec![entry(name, Kind::Directory)]));
        bad.push(delta(b"", vec![entry(b"link", Kind::HardLink { target: name.into() })]).clone());
        bad.push(DirDelta {
            removed: vec![name.into()],
            basis: DeltaBasis::Delta,
            ..delta(b"", Vec::new())
        });
    }
    // A path is a fine target.
    bad.retain(|delta| {
        !delta.upserts.iter().any(|upsert| {
            upsert.entry.kind
                == Kind::HardLink {
                    target: b"a/b"[..].into(),
                }
        })
    });
    for path in [
        &b".."[..],
        b"/",
        b"/etc",
        b"a/../..",
        b"a//b",
        b"a/",
        b"./a",
        b"a\0",
    ] {
        bad.push(delta(path, Vec::new()));
    }
    bad.push(delta(b"not listed", vec![file(b"x", b"")]));
    bad.push(delta(b"not/listed", vec![file(b"x", b"")]));
    for basis in [Basis::Fresh, Basis::Backup(nth(1))] {
        for delta in &bad {
            let ingest = store.begin(&laptop, &basis).unwrap();
            let refused = give(&ingest, delta);
            assert!(
                matches!(refused, Err(Error::InvalidEntry { .. })),
                "{delta:?}: {refused:?}"
            );
        }
        // A link, and then a path through it.
        let ingest = store.begin(&laptop, &basis).unwrap();
        let target: Box<[u8]> = outside.as_os_str().as_encoded_bytes().into();
        give(
            &ingest,
            &delta(
                b"",
                vec![entry(b"link", Kind::Symlink { target }), file(b"z", b"z")],
            ),
        )
        .unwrap();
        for path in [&b"link"[..], b"link/below"] {
            let refused = give(&ingest, &delta(path, vec![file(b"file", b"yours")]));
            assert!(matches!(refused, Err(Error::InvalidEntry { .. })), "{refused:?}");
        }
        drop(ingest);
        // A name in the content calls goes no other way.
        let ingest = store.begin(&laptop, &basis).unwrap();
        let slot = give(&ingest, &delta(b"", vec![file(b"z", b"z")])).unwrap();
        for name in [&b"../z"[..], b"..", b"/z", b""] {
            assert!(ingest.put_small(&slot, &file(name, b"z"), b"z").is_err());
            assert!(ingest.file(&slot, &file(name, b"z"), FileStart::New).is_err());
            assert!(ingest.skip(&slot, name).is_err());
        }
        assert_eq!(slot.pending(), 1);
    }
    // A link that looks like one into the pool is a link.
    let ingest = store.begin(&laptop, &Basis::Fresh).unwrap();
    let target = b"../../.perennial/pool/laptop/0123456789abcdef0123456789abcdef";
    give(
        &ingest,
        &delta(
            b"",
            vec![entry(
                b"link",
                Kind::Symlink {
                    target: target[..].into(),
                },
            )],
        ),
    )
    .unwrap();
    assert!(give(&ingest, &delta(b"link", Vec::new())).is_err());
    drop(ingest);
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"mine");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
    check_all(store, Exact);
}

pub fn order_and_contents(lab: Lab) {
    let (store, laptop) = (lab.store(), client("laptop"));
    lab.write("kept", b"kept");
    back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    assert!(matches!(
        store.begin(&laptop, &Basis::Backup(nth(2))),
        Err(Error::UnknownBackup { .. })
    ));
    let ingest = store.begin(&laptop, &Basis::Fresh).unwrap();
    assert!(matches!(
        store.begin(&laptop, &Basis::Fresh),
        Err(Error::Busy { .. })
    ));
    if store.backend() == BackendKind::Hardlink {
        assert!(matches!(
            store.pool_backup(&laptop, &nth(1)),
            Err(Error::Busy { .. })
        ));
    }
    let root = vec![
        entry(b"a", Kind::Directory),
        entry(b"b", Kind::Directory),
        file(b"f", b"four"),
    ];
    let slot = give(&ingest, &delta(b"", root)).unwrap();
    let wrong_size = ingest.put_small(&slot, &file(b"f", b"four"), b"five!");
    assert!(matches!(wrong_size, Err(Error::InvalidEntry { .. })));
    let no_file = ingest.put_small(&slot, &entry(b"f", Kind::Fifo), b"");
    assert!(matches!(no_file, Err(Error::InvalidEntry { .. })));
    for entry in [file(b"f", b"four"), file(b"g", b"four")] {
        assert!(matches!(
            ingest.unchanged(&slot, &entry),
            Err(Error::NoBase { .. })
        ));
        assert!(matches!(
            ingest.file(&slot, &entry, FileStart::Patch),
            Err(Error::NoBase { .. })
        ));
    }
    ingest.put_small(&slot, &file(b"f", b"four"), b"four").unwrap();
    give(&ingest, &delta(b"b", Vec::new())).unwrap();
    for path in [&b"a"[..], b"b", b""] {
        assert!(matches!(
            give(&ingest, &delta(path, Vec::new())),
            Err(Error::OutOfOrder { .. })
        ));
    }
    // Neither an unfinished manifest nor somebody else's can be committed.
    assert!(matches!(ingest.commit(&nth(2)), Err(Error::Manifest { .. })));
    let ingest = store.begin(&laptop, &Basis::Fresh).unwrap();
    let header = crate::driver::header(&laptop, &nth(2), None);
    crate::driver::take_in(store, &ingest, &header, lab.source(), crate::driver::Until::End).unwrap();
    assert!(matches!(ingest.commit(&nth(3)), Err(Error::Corrupt { .. })));
    let taken = crate::driver::try_back_up(store, &laptop, &nth(1), Basis::Fresh, lab.source());
    assert!(matches!(taken, Err(Error::BackupExists { .. })));
    assert_eq!(store.backups(&laptop).unwrap(), [nth(1)]);
    // Beneath a committed backup nothing is changed by any of this.
    check_all(store, Exact);
    let tree = store.open_backup(&laptop, &nth(1)).unwrap();
    for path in [&b""[..], SOURCE.as_bytes(), b"src/none", b"src/kept/x", b"none/x"] {
        assert!(
            matches!(tree.open_file(path), Err(Error::NotInBackup { .. })),
            "{path:?}"
        );
    }
    assert!(tree.open_file(b"../1/src/kept").is_err());
}

pub fn opening_is_refused_for_a_reason(mut lab: Lab) {
    let path = lab.storage();
    let options = OpenOptions::new(server());
    let create = CreateOptions::new(server());
    assert!(matches!(
        Store::create(&path, &create),
        Err(Error::AlreadyAStorage { .. })
    ));
    let locked = Store::open(&path, &options).unwrap_err();
    assert!(
        matches!(locked, Error::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{locked}"
    );
    assert!(locked.hint().is_some());
    lab.store = None;
    let other = OpenOptions::new("server-2".parse().unwrap());
    let refused = Store::open(&path, &other).unwrap_err();
    assert!(
        matches!(&refused, Error::OtherOwner { owner, .. } if *owner == server()),
        "{refused}"
    );
    drop(Store::adopt(&path, &other).unwrap());
    assert!(matches!(
        Store::open(&path, &options),
        Err(Error::OtherOwner { .. })
    ));
    drop(Store::adopt(&path, &options).unwrap());
    // Not there, not ours.
    let beside = lab.file_system().join("beside");
    assert!(matches!(
        Store::open(&beside, &options),
        Err(Error::Missing { .. })
    ));
    assert!(matches!(
        Store::create(&beside.join("deeper"), &create),
        Err(Error::Missing { .. })
    ));
    fs::create_dir(&beside).unwrap();
    assert!(matches!(
        Store::open(&beside, &options),
        Err(Error::NotAStorage { .. })
    ));
    fs::write(beside.join("thesis.tex"), b"").unwrap();
    assert!(matches!(
        Store::create(&beside, &create),
        Err(Error::NotAStorage { .. })
    ));
    assert_eq!(
        fs::read_dir(&beside).unwrap().count(),
        1,
        "nothing was left there"
    );
    symlink(&path, lab.file_system().join("by-link")).unwrap();
    drop(Store::open(&lab.file_system().join("by-link"), &options).unwrap());
    // Newer, damaged.
    let identity = path.join(".perennial/storage.toml");
    let text = fs::read_to_string(&identity).unwrap();
    fs::write(&identity, text.replace("format = 1", "format = 2\nnovelty = [1]")).unwrap();
    assert!(matches!(
        Store::open(&path, &options),
        Err(Error::NewerFormat {
            found: 2,
            known: 1,
            ..
        })
    ));
    fs::write(&identity, b"format = 1\n").unwrap();
    assert!(matches!(Store::open(&path, &options), Err(Error::Corrupt { .. })));
    fs::write(&identity, &text).unwrap();
    // Another backend than the file system has.
    if lab.kind == crate::lab::Kind::Ext4 {
        fs::write(&identity, text.replace("hardlink", "btrfs")).unwrap();
        assert!(matches!(
            Store::open(&path, &options),
            Err(Error::Unsupported { .. })
        ));
        assert_eq!(
            Store::adopt(&path, &options).unwrap().backend(),
            BackendKind::Hardlink
        );
    }
    lab.reopen();
    refuses_read_only(&mut lab);
}

/// Remounts the file system read-only, where it is a scratch one.
fn refuses_read_only(lab: &mut Lab) {
    if lab.kind == crate::lab::Kind::Plain {
        return;
    }
    lab.store = None;
    let remount = |how: &str| {
        let status = std::process::Command::new("mount")
            .args(["-o", how])
            .arg(lab.file_system())
            .status()
            .unwrap();
        assert!(status.success());
    };
    remount("remount,ro");
    let refused = Store::open(&lab.storage(), &OpenOptions::new(server()));
    assert!(matches!(refused, Err(Error::ReadOnly { .. })), "{refused:?}");
    remount("remount,rw");
    lab.reopen();
}

#[test]
fn all_that_threads_share_can_be_shared() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Store>();
    is_shared::<storage::Ingest>();
    is_shared::<storage::FileSink>();
    is_shared::<storage::DirSlot>();
    is_shared::<storage::BackupTree>();
}
