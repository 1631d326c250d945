//! What the server spends per file. Measured by hand: `cargo nextest run --release -p storage --run-ignored only speed`.

use std::time::{Duration, Instant};

use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{Conclusion, ContentHash, DirRecord, Entry, Kind, Metadata, Reader, Timestamp, Writer};
use storage::{Basis, Ingest, Unwatched};

use crate::driver::header;
use crate::lab::{self, Lab, client, nth};

const DIRECTORIES: usize = 5000;
const FILES: usize = 16;
const FILE_BYTES: usize = 8000;

fn metadata(mode: u32) -> Metadata {
    let mtime = Timestamp {
        secs: 1_700_000_000,
        nanos: 5,
    };
    Metadata {
        mode,
        uid: 1000,
        gid: 1000,
        mtime,
        ..Metadata::default()
    }
}

fn records() -> Vec<DirRecord> {
    let name = |number: usize| format!("{number:05}").into_bytes().into_boxed_slice();
    let directory = |number| Entry {
        name: name(number),
        metadata: metadata(0o755),
        kind: Kind::Directory,
    };
    let kind = Kind::file(
        FILE_BYTES as u64,
        ContentHash::of(&[1; FILE_BYTES]),
        Default::default(),
    );
    let file = |number| Entry {
        name: name(number),
        metadata: metadata(0o644),
        kind: kind.clone(),
    };
    let root = DirRecord {
        path: Box::default(),
        entries: (0..DIRECTORIES).map(directory).collect(),
    };
    let below = (0..DIRECTORIES).map(|at| DirRecord {
        path: name(at),
        entries: (0..FILES).map(file).collect(),
    });
    std::iter::once(root).chain(below).collect()
}

fn new_delta(record: &DirRecord) -> DirDelta {
    let upsert = |(at, entry): (usize, &Entry)| Upsert {
        entry: entry.clone(),
        pending: matches!(entry.kind, Kind::File { .. }).then_some(FileId(at as u64 + 1)),
    };
    DirDelta {
        path: record.path.clone(),
        metadata: (!record.path.is_empty()).then(|| metadata(0o755)),
        basis: DeltaBasis::Complete,
        removed: Vec::new(),
        upserts: record.entries.iter().enumerate().map(upsert).collect(),
    }
}

/// Processor time of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn measure<T>(lab: &Lab, what: &str, work: impl FnOnce() -> T) -> T {
    let (wall, spent) = (Instant::now(), cpu());
    let done = work();
    let per_file = |time: Duration| time.as_secs_f64() * 1e6 / (DIRECTORIES * FILES) as f64;
    println!(
        "{:?} {what}: {:.1} µs of processor, {:.1} µs of time per file",
        lab.kind,
        per_file(cpu() - spent),
        per_file(wall.elapsed())
    );
    done
}

fn commit(ingest: Ingest, round: usize, records: &[DirRecord]) {
    let base = (round > 1).then(|| nth(round - 1));
    let header = header(&client("laptop"), &nth(round), base.as_ref());
    let mut writer = Writer::create(ingest.manifest_file().unwrap(), &header).unwrap();
    records.iter().for_each(|record| writer.push(record).unwrap());
    writer.finish(&Conclusion::default()).unwrap();
    ingest.commit(&nth(round)).unwrap();
}

fn speed(kind: lab::Kind) {
    let Some(lab) = Lab::with_size(kind, 4 << 30) else {
        return;
    };
    let (store, laptop) = (lab.store(), client("laptop"));
    let records = records();
    let deltas: Vec<DirDelta> = records.iter().map(new_delta).collect();
    let content = vec![1; FILE_BYTES];
    let ingest = store.begin(&laptop, &Basis::Fresh).unwrap();
    measure(&lab, "first backup", || {
        for (delta, record) in deltas.iter().zip(&records) {
            let slot = ingest.directory(delta, record, None).unwrap();
            for entry in record.entries.iter().filter(|entry| !entry.is_directory()) {
                ingest.put_small(&slot, entry, &content).unwrap();
            }
        }
    });
    measure(&lab, "its commit", || commit(ingest, 1, &records));
    measure(&lab, "counting it", || store.account(&Unwatched).unwrap());
    let ingest = measure(&lab, "begin of the second", || {
        store.begin(&laptop, &Basis::Backup(nth(1))).unwrap()
    });
    let base = Reader::open(ingest.base_manifest().unwrap().try_clone().unwrap()).unwrap();
    measure(&lab, "nothing changed", || {
        for record in base.raw_records() {
            ingest.same(&record.unwrap()).unwrap();
        }
    });
    measure(&lab, "its commit", || commit(ingest, 2, &records));
    measure(&lab, "counting it", || store.account(&Unwatched).unwrap());
    measure(&lab, "pooling", || store.pool_backup(&laptop, &nth(2)).unwrap());
    let ingest = store.begin(&laptop, &Basis::Backup(nth(2))).unwrap();
    measure(&lab, "nothing changed, pooled", || {
        for record in base.raw_records() {
            ingest.same(&record.unwrap()).unwrap();
        }
    });
    measure(&lab, "its commit", || commit(ingest, 3, &records));
    let start = Instant::now();
    store.delete(&laptop, &nth(2)).unwrap();
    println!("{kind:?} delete: {:.1} ms", start.elapsed().as_secs_f64() * 1e3);
    measure(&lab, "reaping", || store.reap(&Unwatched).unwrap());
}

#[test]
#[ignore = "a measurement"]
fn speed_on_btrfs() {
    speed(lab::Kind::Btrfs);
}

#[test]
#[ignore = "a measurement"]
fn speed_on_xfs() {
    speed(lab::Kind::Xfs);
}

#[test]
#[ignore = "a measurement"]
fn speed_on_ext4() {
    speed(lab::Kind::Ext4);
}
