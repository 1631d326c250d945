//! Turns a directory into the operations of an ingest, as server and client would together: scan, compare with the base
//! manifest, send what differs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use file_tree::{Access, Dir, FileType, Identity, Names};
use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{
    BackupKind, Conclusion, ContentHash, DirRecord, Entry, Header, Kind, Metadata, RawRecord, Reader, Source,
    Summary, Timestamp, Writer, join_path,
};
use storage::{
    BackupName, Basis, ClientName, Committed, DirSlot, Error, FileStart, Ingest, Location, Reuse, Store,
};

/// Name of the one source that backups have.
pub const SOURCE: &str = "src";

/// How far a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    End,
    /// After this many directories.
    Directories(usize),
    /// After this one has been announced, before any of its files has come.
    Announced(&'static str),
}

/// A directory of the source.
#[derive(Debug, Clone)]
pub struct Scanned {
    pub metadata: Option<Metadata>,
    pub record: DirRecord,
}

/// Takes a whole backup in and commits it.
pub fn back_up(
    store: &Store,
    client: &ClientName,
    name: &BackupName,
    basis: Basis,
    source: &Path,
) -> Committed {
    try_back_up(store, client, name, basis, source).unwrap()
}

pub fn try_back_up(
    store: &Store,
    client: &ClientName,
    name: &BackupName,
    basis: Basis,
    source: &Path,
) -> storage::Result<Committed> {
    let ingest = store.begin(client, &basis)?;
    let base = match &basis {
        Basis::Backup(base) => Some(base.clone()),
        _ => None,
    };
    take_in(
        store,
        &ingest,
        &header(client, name, base.as_ref()),
        source,
        Until::End,
    )?;
    let committed = ingest.commit(name)?;
    store.point_current(client, name)?;
    Ok(committed)
}

pub fn header(client: &ClientName, name: &BackupName, base: Option<&BackupName>) -> Header {
    Header {
        client: client.to_string(),
        name: name.to_string(),
        kind: BackupKind::Incremental,
        started: Timestamp {
            secs: 1_760_000_000,
            nanos: 0,
        },
        base: base.map(ToString::to_string),
        sources: vec![Source {
            name: SOURCE.as_bytes().into(),
            path: b"/src"[..].into(),
            consistency: "none".into(),
        }],
        server_id: "server-1".into(),
    }
}

/// Takes the source in as far as said; the manifest is finished if that is to the end.
pub fn take_in(
    store: &Store,
    ingest: &Ingest,
    header: &Header,
    source: &Path,
    until: Until,
) -> storage::Result<Option<Summary>> {
    let scanned = scan(source);
    let base = base_records(ingest);
    let mut writer = Writer::create(ingest.manifest_file()?, header).unwrap();
    let mut session = Session {
        store,
        ingest,
        source,
        next_id: 0,
    };
    for (at, dir) in scanned.iter().enumerate() {
        if until == Until::Directories(at) {
            writer.flush_frame().unwrap();
            return Ok(None);
        }
        let base = base.get(&dir.record.path);
        if matches!(until, Until::Announced(path) if path.as_bytes() == &*dir.record.path) {
            session.announce(dir, base.map(|(_, record)| record))?;
            return Ok(None);
        }
        session.directory(dir, base)?;
        writer.push(&dir.record).unwrap();
        // Each directory is found again after a crash.
        writer.flush_frame().unwrap();
        storage::crash::point("driver: directory complete");
    }
    Ok(Some(writer.finish(&Conclusion::default()).unwrap().0))
}

type Base = BTreeMap<Box<[u8]>, (RawRecord, DirRecord)>;

fn base_records(ingest: &Ingest) -> Base {
    let Some(file) = ingest.base_manifest() else {
        return Base::new();
    };
    let reader = Reader::open(file.try_clone().unwrap()).unwrap();
    let records = reader.raw_records().map(|record| record.unwrap());
    records
        .map(|record| (record.path().into(), (record.clone(), record.decode().unwrap())))
        .collect()
}

struct Session<'a> {
    store: &'a Store,
    ingest: &'a Ingest,
    source: &'a Path,
    next_id: u64,
}

impl Session<'_> {
    fn directory(&mut self, dir: &Scanned, base: Option<&(RawRecord, DirRecord)>) -> storage::Result<()> {
        if let Some((raw, record)) = base
            && *record == dir.record
        {
            assert!(self.ingest.same(raw)?.is_empty());
            return Ok(());
        }
        let base = base.map(|(_, record)| record);
        let delta = self.delta(dir, base);
        let merged = delta.apply(base).unwrap();
        assert_eq!(merged.record, dir.record);
        let slot = self.ingest.directory(&delta, &merged.record, base)?;
        let pending: Vec<&Entry> = delta
            .upserts
            .iter()
            .filter(|upsert| upsert.pending.is_some())
            .map(|upsert| &upsert.entry)
            .collect();
        assert_eq!(slot.pending(), pending.len());
        assert!(slot.lost().is_empty());
        let give = |entries: &[&Entry]| -> storage::Result<()> {
            let given = |entry: &&Entry| -> storage::Result<()> {
                self.content(&slot, entry, base.and_then(|base| base.find(&entry.name)))?;
                storage::crash::point("driver: file complete");
                Ok(())
            };
            entries.iter().try_for_each(given)
        };
        if pending.len() > 4 {
            let (one, other) = pending.split_at(pending.len() / 2);
            std::thread::scope(|scope| {
                let thread = scope.spawn(|| give(one));
                give(other)?;
                thread.join().unwrap()
            })?;
        } else {
            give(&pending)?;
        }
        assert_eq!(slot.pending(), 0);
        Ok(())
    }

    fn announce(&mut self, dir: &Scanned, base: Option<&DirRecord>) -> storage::Result<()> {
        let delta = self.delta(dir, base);
        let merged = delta.apply(base).unwrap();
        self.ingest.directory(&delta, &merged.record, base).map(drop)
    }

    fn delta(&mut self, dir: &Scanned, base: Option<&DirRecord>) -> DirDelta {
        let old = |name: &[u8]| base.and_then(|base| base.find(name));
        let mut upserts = Vec::new();
        for entry in &dir.record.entries {
            let old = old(&entry.name);
            if old == Some(entry) {
                continue;
            }
            let pending = match &entry.kind {
                // With its content unchanged a file may be announced or not.
                Kind::File { hash, .. }
                    if old.and_then(Entry::hash) == Some(*hash) && entry.name.len() % 2 == 0 =>
                {
                    None
                }
                Kind::File { .. } => {
                    self.next_id += 1;
                    Some(FileId(self.next_id))
                }
                _ => None,
            };
            upserts.push(Upsert {
                entry: entry.clone(),
                pending,
            });
        }
        let gone = |entry: &&Entry| dir.record.find(&entry.name).is_none();
        let removed = base.map(|base| {
            base.entries
                .iter()
                .filter(gone)
                .map(|entry| entry.name.clone())
                .collect()
        });
        DirDelta {
            path: dir.record.path.clone(),
            metadata: dir.metadata.clone(),
            basis: if base.is_some() {
                DeltaBasis::Delta
            } else {
                DeltaBasis::Complete
            },
            removed: removed.unwrap_or_default(),
            upserts,
        }
    }

    fn content(&self, slot: &Arc<DirSlot>, entry: &Entry, old: Option<&Entry>) -> storage::Result<()> {
        let Kind::File { size, hash, .. } = entry.kind else {
            unreachable!("only files are announced")
        };
        if old.and_then(Entry::hash) == Some(hash) {
            match self.ingest.unchanged(slot, entry) {
                Err(Error::NoBase { .. }) => {}
                done => return done,
            }
        }
        let bytes = self.read(slot.path(), &entry.name);
        assert_eq!(
            ContentHash::of(&bytes),
            hash,
            "the source must not change while a test backs it up"
        );
        if size <= storage::SMALL_FILE_BYTES {
            return self.ingest.put_small(slot, entry, &bytes);
        }
        if self.store.index().has_size(size)
            && let Some(location) = self.store.index().lookup(hash, size)
            && self.reuse(slot, entry, &location)? == Reuse::Done
        {
            return Ok(());
        }
        let start = match old.map(|old| &old.kind) {
            Some(Kind::File { size, .. }) if *size >= manifest::BLOCK_HASHES_FROM_BYTES => FileStart::Patch,
            _ => FileStart::New,
        };
        self.write(slot, entry, &bytes, start, old)
    }

    fn reuse(&self, slot: &DirSlot, entry: &Entry, location: &Location) -> storage::Result<Reuse> {
        self.ingest.reuse(slot, entry, location)
    }

    fn write(
        &self,
        slot: &Arc<DirSlot>,
        entry: &Entry,
        bytes: &[u8],
        start: FileStart,
        old: Option<&Entry>,
    ) -> storage::Result<()> {
        let sink = self.ingest.file(slot, entry, start)?;
        let known = match (start, old.map(|old| &old.kind)) {
            (FileStart::Patch, Some(Kind::File { block_hashes, .. })) => &block_hashes[..],
            _ => &[],
        };
        for (index, block) in bytes.chunks(manifest::BLOCK_BYTES as usize).enumerate() {
            let offset = index as u64 * manifest::BLOCK_BYTES;
            let hash = manifest::content::hash_block(index as u64, block);
            if known.get(index) == Some(&hash) {
                continue;
            }
            if block.iter().all(|&byte| byte == 0) {
                sink.punch(offset, block.len() as u64)?;
            } else {
                sink.write_at(block, offset)?;
            }
        }
        sink.finish(entry)
    }

    fn read(&self, path: &[u8], name: &[u8]) -> Vec<u8> {
        let below = path.strip_prefix(SOURCE.as_bytes()).unwrap();
        let dir = Dir::open(self.source)
            .unwrap()
            .open_beneath(below.strip_prefix(b"/").unwrap_or(below))
            .unwrap();
        read_all(&dir.open_file(name, Access::Read).unwrap())
    }
}

pub fn read_all(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Scans a source: the root that lists it, and all of its directories in manifest order.
pub fn scan(source: &Path) -> Vec<Scanned> {
    let dir = Dir::open(source).unwrap();
    let names = Names::fixed(&[], &[]);
    let stat = dir.stat_self().unwrap();
    let metadata = file_tree::metadata::read(&dir, &stat, &names).unwrap();
    let entry = Entry {
        name: SOURCE.as_bytes().into(),
        metadata: metadata.clone(),
        kind: Kind::Directory,
    };
    let root = DirRecord {
        path: Box::default(),
        entries: vec![entry],
    };
    let mut scan = Scan {
        found: vec![Scanned {
            metadata: None,
            record: root,
        }],
        inodes: HashMap::new(),
        names,
    };
    scan.directory(&dir, SOURCE.as_bytes().into(), metadata);
    scan.found
}

struct Scan {
    found: Vec<Scanned>,
    inodes: HashMap<Identity, Box<[u8]>>,
    names: Names,
}

impl Scan {
    fn directory(&mut self, dir: &Dir, path: Box<[u8]>, metadata: Metadata) {
        let mut listing = dir.list().unwrap();
        listing.sort_by_name();
        let entries: Vec<Entry> = listing
            .iter()
            .filter_map(|listed| self.entry(dir, &path, listed.name))
            .collect();
        let record = DirRecord {
            path: path.clone(),
            entries: entries.clone(),
        };
        self.found.push(Scanned {
            metadata: Some(metadata),
            record,
        });
        for entry in entries.into_iter().filter(Entry::is_directory) {
            self.directory(
                &dir.child(&entry.name).unwrap(),
                join_path(&path, &entry.name),
                entry.metadata,
            );
        }
    }

    fn entry(&mut self, dir: &Dir, path: &[u8], name: &[u8]) -> Option<Entry> {
        let stat = dir.stat(name).unwrap();
        let target = file_tree::metadata::Target::At(dir, name);
        let metadata = file_tree::metadata::read(target, &stat, &self.names).unwrap();
        if stat.kind != FileType::Directory && stat.nlink > 1 {
            if let Some(first) = self.inodes.get(&stat.identity()) {
                return Some(Entry {
                    name: name.into(),
                    metadata,
                    kind: Kind::HardLink {
                        target: first.clone(),
                    },
                });
            }
            self.inodes.insert(stat.identity(), join_path(path, name));
        }
        let kind = match stat.kind {
            FileType::File => {
                let bytes = read_all(&dir.open_file(name, Access::Read).unwrap());
                let mut hasher = manifest::content::BlockHasher::new();
                hasher.update(&bytes);
                let hashed = hasher.finish();
                Kind::file(hashed.size, hashed.hash, hashed.block_hashes)
            }
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink {
                target: dir.read_link(name).unwrap(),
            },
            FileType::Fifo => Kind::Fifo,
            FileType::CharDevice => Kind::CharDevice {
                major: stat.rdev.major,
                minor: stat.rdev.minor,
            },
            FileType::BlockDevice => Kind::BlockDevice {
                major: stat.rdev.major,
                minor: stat.rdev.minor,
            },
            FileType::Socket | FileType::Unknown => return None,
        };
        Some(Entry {
            name: name.into(),
            metadata,
            kind,
        })
    }
}
