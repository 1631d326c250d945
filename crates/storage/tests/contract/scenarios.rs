//! Backing up, backing up again, deleting.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{Conclusion, ContentHash, DirRecord, Entry, Kind, Metadata, Writer};
use scratch_fs::tree::{Aspects, compare_trees_with};
use storage::{Basis, Error};

use crate::check::{Strictness::Exact, check, check_all};
use crate::driver::{self, SOURCE, back_up, header, try_back_up};
use crate::lab::{self, Lab, client, nth};

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The tree in the storage is the source, by an independent comparison.
fn assert_same_as_source(lab: &Lab, name: &storage::BackupName) {
    let tree = lab.storage().join("laptop").join(name.as_str()).join(SOURCE);
    let aspects = if lab.is_root() {
        Aspects::METADATA
    } else {
        Aspects {
            owners: false,
            ..Aspects::CONTENT
        }
    };
    let mut differences = compare_trees_with(lab.source(), &tree, aspects);
    if lab.kind == lab::Kind::Xfs {
        // XFS has no room for the number of this device, and shows access lists under a second name.
        differences.retain(|line| !line.starts_with("special/disk") && !line.contains("SGI_ACL"));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

pub fn first_backup_is_complete(mut lab: Lab) {
    lab.fill(1);
    let laptop = client("laptop");
    let committed = back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    assert_eq!(committed.outcome.lost_entries, 0);
    assert!(committed.totals.files > 0 && committed.outcome.written_files > 0);
    check(lab.store(), &laptop, &nth(1), Exact);
    assert_same_as_source(&lab, &nth(1));
    let current = lab.storage().join("laptop/current");
    assert_eq!(fs::read_link(current).unwrap(), Path::new(nth(1).as_str()));
    let store = lab.reopen();
    assert_eq!(store.backups(&laptop).unwrap(), [nth(1)]);
    assert!(store.incomplete(&laptop).unwrap().is_none());
    check_all(store, Exact);
}

pub fn unchanged_backup_takes_nothing(lab: Lab) {
    lab.fill(2);
    lab.write("large", &bytes(2, 20 << 20));
    let laptop = client("laptop");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    let before = lab.used_bytes();
    let committed = back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    assert_eq!(committed.outcome.written_files, 0);
    let grown = lab.used_bytes().saturating_sub(before);
    // The temporary directory's file system has other users.
    if lab.kind != lab::Kind::Plain {
        assert!(grown < 3 << 20, "grew by {grown} bytes");
    }
    check_all(lab.store(), Exact);
    assert_same_as_source(&lab, &nth(2));
}

pub fn changes_are_taken_in_and_the_base_stays(lab: Lab) {
    lab.fill(3);
    let laptop = client("laptop");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    for round in 2..6 {
        lab.mutate(round, 12);
        back_up(
            lab.store(),
            &laptop,
            &nth(round),
            Basis::Backup(nth(round - 1)),
            lab.source(),
        );
        assert_same_as_source(&lab, &nth(round));
        check_all(lab.store(), Exact);
    }
}

pub fn types_change_into_each_other(lab: Lab) {
    let laptop = client("laptop");
    let make: [fn(&Path); 5] = [
        |path| fs::write(path, b"a file").unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
            fs::create_dir(path.join("below")).unwrap();
            fs::write(path.join("below/file"), bytes(1, 40_000)).unwrap();
        },
        |path| symlink("/somewhere/else", path).unwrap(),
        |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, 0o640.into(), 0).unwrap();
        },
        |path| fs::write(path, bytes(2, 3 << 20)).unwrap(),
    ];
    // Each name goes through the types from another one on.
    let count = make.len();
    for round in 0..=count {
        for start in 0..count {
            let path = lab.source().join(format!("name-{start}"));
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&path).unwrap(),
                Ok(_) => fs::remove_file(&path).unwrap(),
                Err(_) => {}
            }
            make[(start + round * (start + 1)) % count](&path);
        }
        let basis = if round == 0 {
            Basis::Fresh
        } else {
            Basis::Backup(nth(round - 1))
        };
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
        assert_same_as_source(&lab, &nth(round));
    }
    check_all(lab.store(), Exact);
}

pub fn large_file_is_patched_in_place(lab: Lab) {
    let laptop = client("laptop");
    let mut content = bytes(4, 40 << 20);
    lab.write("large", &content);
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    let before = lab.used_bytes();
    content[10 << 20..(10 << 20) + 300_000].copy_from_slice(&bytes(5, 300_000));
    lab.write("large", &content);
    let committed = back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    assert!(
        committed.outcome.written_bytes <= 4 * manifest::BLOCK_BYTES,
        "{:?}",
        committed.outcome
    );
    let grown = lab.used_bytes().saturating_sub(before);
    match lab.kind {
        lab::Kind::Btrfs | lab::Kind::Xfs => {
            assert!(grown < 5 << 20, "grew by {grown} bytes");
            let file = File::open(lab.storage().join(format!("laptop/{}/src/large", nth(2)))).unwrap();
            assert!(cow_fs::shared_bytes(&file).unwrap() > 38 << 20);
        }
        lab::Kind::Ext4 => assert!((40 << 20..44 << 20).contains(&grown), "grew by {grown} bytes"),
        lab::Kind::Plain => {}
    }
    // Shorter, longer, and cut at a block with nothing else changed.
    for (round, len) in [(3, 33 << 20), (4, (45 << 20) + 77), (5, 45 << 20)] {
        content.resize(len, 7);
        lab.write("large", &content);
        back_up(
            lab.store(),
            &laptop,
            &nth(round),
            Basis::Backup(nth(round - 1)),
            lab.source(),
        );
    }
    check_all(lab.store(), Exact);
}

pub fn sparse_file_stays_sparse(lab: Lab) {
    let laptop = client("laptop");
    let path = lab.source().join("sparse");
    let file = File::create(&path).unwrap();
    file.set_len(100 << 20).unwrap();
    file.write_all_at(&bytes(1, 200_000), 50 << 20).unwrap();
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    file.write_all_at(b"more", 80 << 20).unwrap();
    file.write_all_at(&[0; 300_000], 50 << 20).unwrap();
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    // Metadata alone: where inodes are shared a copy is made.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    back_up(lab.store(), &laptop, &nth(3), Basis::Backup(nth(2)), lab.source());
    check_all(lab.store(), Exact);
    for round in 1..=3 {
        let stored = fs::metadata(lab.storage().join(format!("laptop/{}/src/sparse", nth(round)))).unwrap();
        assert!(
            stored.blocks() * 512 < 2 << 20,
            "backup {round} takes {} blocks",
            stored.blocks()
        );
    }
}

pub fn hard_links_are_kept_and_split(lab: Lab) {
    let laptop = client("laptop");
    lab.write("a/first", &bytes(1, 2 << 20));
    fs::create_dir_all(lab.source().join("b")).unwrap();
    let (first, second, third) = (
        lab.source().join("a/first"),
        lab.source().join("b/second"),
        lab.source().join("b/third"),
    );
    fs::hard_link(&first, &second).unwrap();
    fs::hard_link(&first, &third).unwrap();
    let mut round = 1;
    let mut next = |lab: &Lab| {
        let basis = if round == 1 {
            Basis::Fresh
        } else {
            Basis::Backup(nth(round - 1))
        };
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
        check_all(lab.store(), Exact);
        assert_same_as_source(lab, &nth(round));
        round += 1;
    };
    next(&lab);
    next(&lab);
    // All names change together.
    File::options()
        .write(true)
        .open(&second)
        .unwrap()
        .write_all_at(b"changed", 1 << 20)
        .unwrap();
    next(&lab);
    // One of them becomes a file of its own, as editors do it, with a part of the old content.
    let mut content = fs::read(&first).unwrap();
    content[..6].copy_from_slice(b"parted");
    fs::write(lab.source().join("a/new"), &content).unwrap();
    fs::rename(lab.source().join("a/new"), &first).unwrap();
    next(&lab);
    // They come together again, and part again.
    fs::remove_file(&third).unwrap();
    fs::hard_link(&first, &third).unwrap();
    next(&lab);
    fs::remove_file(&first).unwrap();
    next(&lab);
    fs::set_permissions(&second, fs::Permissions::from_mode(0o640)).unwrap();
    next(&lab);
}

pub fn metadata_alone_changes(lab: Lab) {
    let laptop = client("laptop");
    for name in ["even", "odd", "large.bin"] {
        lab.write(
            &format!("dir/{name}"),
            &bytes(name.len() as u64, 50_000 * name.len()),
        );
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    for (at, name) in ["even", "odd", "large.bin"].into_iter().enumerate() {
        let path = lab.source().join("dir").join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600 + at as u32 * 8)).unwrap();
    }
    fs::set_permissions(lab.source().join("dir"), fs::Permissions::from_mode(0o750)).unwrap();
    let committed = back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    assert_eq!(committed.outcome.written_bytes, 0);
    check_all(lab.store(), Exact);
    assert_same_as_source(&lab, &nth(2));
}

pub fn default_access_lists_are_not_inherited(lab: Lab) {
    let laptop = client("laptop");
    fs::create_dir(lab.source().join("dir")).unwrap();
    // Version 2; user::rwx, user:1234:rwx, group::r-x, mask::rwx, other::---, as linux/posix_acl_xattr.h has it.
    let mut acl = 2u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in [
        (1u16, 7u16, u32::MAX),
        (2, 7, 1234),
        (4, 5, u32::MAX),
        (16, 7, u32::MAX),
        (32, 0, u32::MAX),
    ] {
        acl.extend_from_slice(&tag.to_le_bytes());
        acl.extend_from_slice(&permissions.to_le_bytes());
        acl.extend_from_slice(&id.to_le_bytes());
    }
    lab.write("dir/before", b"made before the list");
    let dir = File::open(lab.source().join("dir")).unwrap();
    let set = rustix::fs::fsetxattr(
        &dir,
        "system.posix_acl_default",
        &acl,
        rustix::fs::XattrFlags::empty(),
    );
    if set.is_err() {
        eprintln!("skipped: no access lists on the temporary directory");
        return;
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    lab.write("dir/after", b"made after it");
    lab.write("dir/below/file", b"in a directory that inherits it");
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    back_up(lab.store(), &laptop, &nth(3), Basis::Backup(nth(2)), lab.source());
    check_all(lab.store(), Exact);
}

pub fn odd_names_and_deep_paths(lab: Lab) {
    use std::os::unix::ffi::OsStrExt as _;
    let laptop = client("laptop");
    for name in [
        &b"new\nline"[..],
        b"\xff\xfe",
        b" ",
        b"-rf",
        &[b'n'; 255],
        b"current",
        b".perennial",
    ] {
        fs::write(lab.source().join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
    // Beyond PATH_MAX: each level is made relative to the one above.
    let mut dir = file_tree::Dir::open(lab.source()).unwrap();
    for level in 0..30 {
        dir = dir
            .create_dir(format!("{level:0>200}").as_bytes(), 0o755)
            .unwrap();
        let file = dir.create_file(b"file", 0o644).unwrap();
        file.write_all_at(&bytes(level, 100), 0).unwrap();
    }
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    dir.create_file(b"one more", 0o600).unwrap();
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    check_all(lab.store(), Exact);
    lab.store().delete(&laptop, &nth(1)).unwrap();
    lab.store().reap(&storage::Unwatched).unwrap();
    check_all(lab.store(), Exact);
}

pub fn any_backup_can_be_deleted(mut lab: Lab) {
    lab.fill(5);
    lab.write("large", &bytes(6, 3 << 20));
    let laptop = client("laptop");
    for round in 1..=5 {
        let basis = if round == 1 {
            Basis::Fresh
        } else {
            Basis::Backup(nth(round - 1))
        };
        back_up(lab.store(), &laptop, &nth(round), basis, lab.source());
        lab.mutate(round, 8);
    }
    let reading = lab.store().open_backup(&laptop, &nth(3)).unwrap();
    assert!(matches!(
        lab.store().delete(&laptop, &nth(3)),
        Err(Error::Busy { .. })
    ));
    drop(reading);
    for (delete, newest) in [(3, 5), (1, 5), (5, 4)] {
        lab.store().delete(&laptop, &nth(delete)).unwrap();
        assert!(matches!(
            lab.store().delete(&laptop, &nth(delete)),
            Err(Error::UnknownBackup { .. })
        ));
        assert!(!lab.storage().join("laptop").join(nth(delete).as_str()).exists());
        assert_eq!(lab.store().current(&laptop).unwrap(), Some(nth(newest)));
        check_all(lab.store(), Exact);
        if delete == 1 {
            lab.reopen();
        }
        let reaped = lab.store().reap(&storage::Unwatched).unwrap();
        assert!(
            !reaped.removed.is_empty() || !reaped.waiting.is_empty(),
            "{reaped:?}"
        );
        check_all(lab.store(), Exact);
    }
    assert_eq!(lab.store().backups(&laptop).unwrap(), [nth(2), nth(4)]);
    // The kernel says when the subvolumes are gone.
    for _ in 0..200 {
        if lab.store().reap(&storage::Unwatched).unwrap().waiting.is_empty() {
            break;
        }
    }
    assert_eq!(
        fs::read_dir(lab.storage().join(".perennial/trash"))
            .unwrap()
            .count(),
        0
    );
}

pub fn unreadable_files_are_skipped(lab: Lab) {
    let (store, laptop, name) = (lab.store(), client("laptop"), nth(1));
    let ingest = store.begin(&laptop, &Basis::Fresh).unwrap();
    let file = |name: &[u8], size| Entry {
        name: name.into(),
        metadata: Metadata {
            mode: 0o644,
            ..Metadata::default()
        },
        kind: Kind::pending_file(size),
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
        upserts: vec![
            upsert(file(b"gone", 5), 1),
            upsert(file(b"kept", 5), 2),
            upsert(file(b"partly", 70_000), 3),
        ],
    };
    let merged = delta.apply(None).unwrap().record;
    let slot = ingest.directory(&delta, &merged, None).unwrap();
    ingest.skip(&slot, b"gone").unwrap();
    let sink = ingest
        .file(&slot, &merged.entries[2], storage::FileStart::New)
        .unwrap();
    sink.write_at(&[1; 10_000], 0).unwrap();
    drop(sink);
    ingest.skip(&slot, b"partly").unwrap();
    let kept = Entry {
        kind: Kind::file(5, ContentHash::of(b"hello"), Default::default()),
        ..file(b"kept", 5)
    };
    ingest.put_small(&slot, &kept, b"hello").unwrap();
    assert_eq!(slot.pending(), 0);
    let mut writer = Writer::create(ingest.manifest_file().unwrap(), &header(&laptop, &name, None)).unwrap();
    writer
        .push(&DirRecord {
            path: Box::default(),
            entries: vec![kept],
        })
        .unwrap();
    writer.finish(&Conclusion::default()).unwrap();
    ingest.commit(&name).unwrap();
    let tree = store.open_backup(&laptop, &name).unwrap();
    assert_eq!(driver::read_all(&tree.open_file(b"kept").unwrap()), b"hello");
    assert!(matches!(tree.open_file(b"gone"), Err(Error::NotInBackup { .. })));
    assert!(matches!(
        tree.open_file(b"partly"),
        Err(Error::NotInBackup { .. })
    ));
}

pub fn content_from_many_threads(lab: Lab) {
    for at in 0..300 {
        lab.write(
            &format!("dir-{}/file-{at}", at % 3),
            &bytes(at, 100 + at as usize * 30),
        );
    }
    let laptop = client("laptop");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    check_all(lab.store(), Exact);
    assert_same_as_source(&lab, &nth(1));
}

pub fn a_full_disk_is_told_and_leaves_the_committed(lab: Lab) {
    if lab.kind == lab::Kind::Plain {
        return;
    }
    let laptop = client("laptop");
    lab.write("small", b"fits");
    back_up(lab.store(), &laptop, &nth(1), Basis::Fresh, lab.source());
    let file = File::create(lab.source().join("huge")).unwrap();
    let piece = bytes(9, 1 << 20);
    for at in 0..600 {
        file.write_all_at(&piece, at << 20).unwrap();
    }
    let full = try_back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source()).unwrap_err();
    assert!(full.is_full(), "{full}");
    check_all(lab.store(), Exact);
    lab.store()
        .discard_incomplete(&laptop, storage::BackupKind::File)
        .unwrap();
    fs::remove_file(lab.source().join("huge")).unwrap();
    lab.write("more", b"fits too");
    // btrfs frees what was discarded in the background, after its next transaction.
    let has_space = || {
        lab.store().reap(&storage::Unwatched).unwrap();
        lab.used_bytes() < 200 << 20
    };
    assert!(
        (0..500).any(|_| has_space()),
        "{} bytes are in use",
        lab.used_bytes()
    );
    back_up(lab.store(), &laptop, &nth(2), Basis::Backup(nth(1)), lab.source());
    check_all(lab.store(), Exact);
}
