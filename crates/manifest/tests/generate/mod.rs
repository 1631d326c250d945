//! Entries, directories and trees for tests: arbitrary ones, and one that is written out.
#![allow(dead_code, reason = "each test uses a part")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use manifest::{
    BackupKind, BlockHash, Conclusion, ContentHash, DirRecord, Entry, Header, InodeFlags, Kind, Metadata,
    Problem, Source, Summary, Timestamp, Writer, Xattr, compare_paths, split_path,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

pub fn bytes(text: &str) -> Box<[u8]> {
    text.as_bytes().into()
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        8 => "[a-e]{1,3}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..20),
        1 => vec(any::<u8>(), 250..=255),
    ];
    name.prop_filter("a valid name", |name| manifest::check_name(name).is_ok())
}

fn time() -> impl Strategy<Value = Timestamp> {
    let secs = prop_oneof![0i64..2_000_000_000, any::<i64>()];
    (secs, 0u32..1_000_000_000).prop_map(|(secs, nanos)| Timestamp { secs, nanos })
}

fn owner_name() -> impl Strategy<Value = Option<Arc<str>>> {
    proptest::option::of("[a-c]{0,2}".prop_map(|name| Arc::from(name.as_str())))
}

pub fn metadata() -> impl Strategy<Value = Metadata> {
    let ids = (
        0u32..3,
        prop_oneof![0u32..3, any::<u32>()],
        owner_name(),
        owner_name(),
    );
    let rare = (
        prop_oneof![4 => Just(0u32), 1 => any::<u32>()],
        prop_oneof![4 => Just(BTreeMap::new()), 1 => btree_map("[a-d.]{1,4}", vec(any::<u8>(), 0..8), 0..4)],
        prop_oneof![4 => Just(Vec::new()), 1 => vec(any::<u8>(), 0..8)],
    );
    (0u32..=0o7777, ids, time(), time(), any::<u64>(), rare).prop_map(
        |(mode, (uid, gid, user, group), mtime, ctime, ino, (flags, xattrs, opaque))| Metadata {
            mode,
            uid,
            gid,
            user,
            group,
            mtime,
            ctime,
            ino,
            flags: InodeFlags(flags),
            xattrs: xattrs
                .into_iter()
                .map(|(name, value)| Xattr {
                    name: name.into_bytes().into(),
                    value: value.into(),
                })
                .collect(),
            opaque: opaque.into(),
        },
    )
}

fn file() -> impl Strategy<Value = Kind> {
    let size = prop_oneof![4 => 0u64..5000, 1 => (1u64 << 20)..(3 << 20), 1 => any::<u64>()];
    (size, any::<[u8; 32]>(), any::<bool>()).prop_map(|(size, mut hash, with_blocks)| {
        hash[0] |= 1;
        let count = if with_blocks && (1 << 20..4 << 20).contains(&size) {
            size.div_ceil(128 << 10)
        } else {
            0
        };
        let block_hashes = (0..count).map(|at| BlockHash([at as u8; 32])).collect();
        Kind::File {
            size,
            hash: ContentHash(hash),
            block_hashes,
        }
    })
}

fn leaf() -> impl Strategy<Value = Kind> {
    let target = vec(1u8..=255, 1..12).prop_map(Vec::into_boxed_slice);
    prop_oneof![
        6 => file(),
        1 => target.prop_map(|target| Kind::Symlink { target }),
        1 => "[a-c]{1,2}(/[a-c]{1,2}){0,2}".prop_map(|target| Kind::HardLink { target: bytes(&target) }),
        1 => Just(Kind::Fifo),
        1 => (any::<u32>(), 0u32..9).prop_map(|(major, minor)| Kind::CharDevice { major, minor }),
        1 => (0u32..300, any::<u32>()).prop_map(|(major, minor)| Kind::BlockDevice { major, minor }),
    ]
}

pub fn entries(kind: impl Strategy<Value = Kind>, most: usize) -> impl Strategy<Value = Vec<Entry>> {
    btree_map(name(), (metadata(), kind), 0..=most).prop_map(|entries| {
        entries
            .into_iter()
            .map(|(name, (metadata, kind))| Entry {
                name: name.into(),
                metadata,
                kind,
            })
            .collect()
    })
}

pub fn record() -> impl Strategy<Value = DirRecord> {
    let path = vec(name(), 0..4).prop_map(|names| names.join(&b'/').into_boxed_slice());
    let kind = prop_oneof![leaf(), Just(Kind::Directory)];
    (path, entries(kind, 12)).prop_map(|(path, entries)| DirRecord { path, entries })
}

/// A whole tree: all directories in manifest order, each listed by its parent.
pub fn tree() -> impl Strategy<Value = Vec<DirRecord>> {
    let paths = btree_set("[a-c!]{1,2}(/[a-c!]{1,2}){0,3}", 0..10);
    (paths, vec(entries(leaf(), 5), 40), metadata()).prop_map(|(paths, mut fillings, metadata)| {
        let mut all: BTreeSet<Box<[u8]>> = [Box::from(&b""[..])].into();
        for path in &paths {
            let mut path = path.as_bytes();
            all.insert(path.into());
            while let Some((parent, _)) = split_path(path) {
                all.insert(parent.into());
                path = parent;
            }
        }
        let mut records: Vec<DirRecord> = all
            .iter()
            .map(|path| {
                let filling = fillings.pop().unwrap_or_default();
                let mut entries: BTreeMap<Box<[u8]>, Entry> = filling
                    .into_iter()
                    .map(|entry| (entry.name.clone(), entry))
                    .collect();
                for child in &all {
                    if let Some((parent, name)) = split_path(child)
                        && *parent == **path
                    {
                        let entry = Entry {
                            name: name.into(),
                            metadata: metadata.clone(),
                            kind: Kind::Directory,
                        };
                        entries.insert(name.into(), entry);
                    }
                }
                DirRecord {
                    path: path.clone(),
                    entries: entries.into_values().collect(),
                }
            })
            .collect();
        records.sort_by(|a, b| compare_paths(&a.path, &b.path));
        records
    })
}

pub fn header() -> Header {
    Header {
        client: "laptop".into(),
        name: "261129-0650".into(),
        kind: BackupKind::Incremental,
        started: Timestamp {
            secs: 1_795_935_054,
            nanos: 5,
        },
        base: Some("261128-0650".into()),
        sources: vec![Source {
            name: bytes("home"),
            path: bytes("/home"),
            consistency: "btrfs snapshot".into(),
        }],
        server_id: "4f9c".into(),
    }
}

pub fn conclusion() -> Conclusion {
    Conclusion {
        finished: Timestamp {
            secs: 1_795_935_099,
            nanos: 0,
        },
        problem_count: 3,
        problems: vec![Problem {
            path: bytes("home/x"),
            kind: "unreadable".into(),
            message: "denied".into(),
        }],
    }
}

/// Writes records, each `per_frame` of them to a frame; 0 leaves that to the writer.
pub fn write(records: &[DirRecord], per_frame: usize) -> (Vec<u8>, Summary) {
    let mut writer = Writer::create(Vec::new(), &header()).unwrap();
    for (at, record) in records.iter().enumerate() {
        writer.push(record).unwrap();
        if per_frame > 0 && (at + 1) % per_frame == 0 {
            writer.flush_frame().unwrap();
        }
    }
    let (summary, bytes) = writer.finish(&conclusion()).unwrap();
    (bytes, summary)
}

/// A file entry with little to it.
pub fn small_file(name: &str, content: &str) -> Entry {
    let kind = Kind::file(
        content.len() as u64,
        ContentHash::of(content.as_bytes()),
        Arc::default(),
    );
    Entry {
        name: bytes(name),
        metadata: Metadata {
            mode: 0o644,
            ..Metadata::default()
        },
        kind,
    }
}

/// An entry of any kind with little to it.
pub fn plain(name: &str, kind: Kind) -> Entry {
    Entry {
        name: bytes(name),
        metadata: Metadata {
            mode: 0o755,
            ..Metadata::default()
        },
        kind,
    }
}

pub fn directory(path: &str, entries: Vec<Entry>) -> DirRecord {
    DirRecord {
        path: bytes(path),
        entries,
    }
}

/// A tree that has each kind of entry and each field once at least. The frozen fixtures hold it: never
/// change it.
pub fn sampler() -> Vec<DirRecord> {
    let rich = Metadata {
        mode: 0o4750,
        uid: 1000,
        gid: 100,
        user: Some("anna".into()),
        group: Some("users".into()),
        mtime: Timestamp {
            secs: 1_795_935_054,
            nanos: 123_456_789,
        },
        ctime: Timestamp {
            secs: 1_795_935_060,
            nanos: 987_654_321,
        },
        ino: 4711,
        flags: InodeFlags(InodeFlags::NODUMP.0 | InodeFlags::NOCOW.0),
        xattrs: vec![
            Xattr {
                name: bytes("security.capability"),
                value: Box::new([1, 0, 0, 2, 0, 32, 0, 0]),
            },
            Xattr {
                name: bytes("user.comment"),
                value: bytes(""),
            },
        ],
        opaque: Box::new([0xde, 0xad]),
    };
    let ancient = Metadata {
        mtime: Timestamp { secs: -5, nanos: 1 },
        ..rich.clone()
    };
    let with = |name: &[u8], metadata: &Metadata, kind: Kind| Entry {
        name: name.into(),
        metadata: metadata.clone(),
        kind,
    };
    let blocks = (0..9).map(|at| BlockHash([at; 32])).collect();
    let large = Kind::File {
        size: (1 << 20) + 1,
        hash: ContentHash([7; 32]),
        block_hashes: blocks,
    };
    let without = Kind::File {
        size: 1 << 40,
        hash: ContentHash([8; 32]),
        block_hashes: Arc::default(),
    };
    vec![
        directory("", vec![plain("home", Kind::Directory)]),
        directory(
            "home",
            vec![
                with(b"a", &rich, Kind::Directory),
                with(b"a.b", &ancient, Kind::Directory),
                with(
                    b"b",
                    &Metadata::default(),
                    Kind::BlockDevice { major: 8, minor: 1 },
                ),
                with(
                    b"c",
                    &Metadata::default(),
                    Kind::CharDevice {
                        major: 4,
                        minor: 70_000,
                    },
                ),
                with(b"f", &rich, Kind::Fifo),
                with(
                    b"h",
                    &rich,
                    Kind::HardLink {
                        target: bytes("home/a/large"),
                    },
                ),
                with(
                    b"l",
                    &rich,
                    Kind::Symlink {
                        target: bytes("../x"),
                    },
                ),
                with(b"not\xffutf8\n", &ancient, small_file("", "hello").kind),
            ],
        ),
        directory(
            "home/a",
            vec![with(b"large", &rich, large), with(b"vast", &rich, without)],
        ),
        directory("home/a.b", vec![]),
    ]
}

/// What version 2 adds to the [`sampler`]. The frozen fixture holds it: never change it.
pub fn sampler_2() -> Vec<DirRecord> {
    let mut records = sampler();
    let volume = Kind::Volume {
        size: 500 << 30,
        hash: ContentHash([9; 32]),
    };
    records[0].entries.push(plain("sda1.raw", volume));
    records
}
