//! Measures the manifest: `cargo run --release -p manifest --example throughput`.
//!
//! Prints entries per second and core for a tree of 300,000 files in 30,000 directories, what it takes to
//! assemble the manifest of an incremental that found nothing changed, and the speed of block hashes beside
//! plain BLAKE3.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use manifest::assemble::Assembler;
use manifest::content::BlockHasher;
use manifest::{
    BackupKind, Conclusion, ContentHash, DirRecord, Entry, Header, Kind, Metadata, Reader, Result, Timestamp,
    Writer,
};

const TOP: u64 = 173;
const FILES_EACH: u64 = 10;

fn header() -> Header {
    Header {
        client: "client".into(),
        name: "261129-0650".into(),
        kind: BackupKind::Incremental,
        started: Timestamp::default(),
        base: None,
        sources: Vec::new(),
        server_id: "server".into(),
    }
}

fn entry(name: String, seed: u64, kind: Kind, owner: &(Arc<str>, Arc<str>)) -> Entry {
    let nanos = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 35) as u32;
    let time = Timestamp {
        secs: 1_700_000_000 + (seed % 100_000) as i64,
        nanos: nanos % 1_000_000_000,
    };
    let metadata = Metadata {
        mode: 0o644,
        uid: 1000,
        gid: 1000,
        user: Some(Arc::clone(&owner.0)),
        group: Some(Arc::clone(&owner.1)),
        mtime: time,
        ctime: time,
        ino: 1_000_000 + seed,
        ..Metadata::default()
    };
    Entry {
        name: name.into_bytes().into(),
        metadata,
        kind,
    }
}

fn records() -> Vec<DirRecord> {
    let owner = ("someone".into(), "users".into());
    let directory = |path: String, entries| DirRecord {
        path: path.into_bytes().into(),
        entries,
    };
    let subdirectories = || {
        (0..TOP)
            .map(|at| entry(format!("dir-{at:03}"), at, Kind::Directory, &owner))
            .collect::<Vec<_>>()
    };
    let mut records = vec![directory(String::new(), subdirectories())];
    for top in 0..TOP {
        records.push(directory(format!("dir-{top:03}"), subdirectories()));
        for sub in 0..TOP {
            let first = (top * TOP + sub) * FILES_EACH;
            let file = |at: u64| {
                let hash = ContentHash::of(&(first + at).to_le_bytes());
                let kind = Kind::File {
                    size: 200 + (at * 379) % 4000,
                    hash,
                    block_hashes: Arc::default(),
                };
                entry(format!("file-{:06}.txt", first + at), first + at, kind, &owner)
            };
            records.push(directory(
                format!("dir-{top:03}/dir-{sub:03}"),
                (0..FILES_EACH).map(file).collect(),
            ));
        }
    }
    records
}

/// The best of five.
fn best<T>(mut work: impl FnMut() -> Result<T>) -> Result<(Duration, T)> {
    let mut best: Option<(Duration, T)> = None;
    for _ in 0..5 {
        let start = Instant::now();
        let outcome = work()?;
        let took = start.elapsed();
        if best.as_ref().is_none_or(|(least, _)| took < *least) {
            best = Some((took, outcome));
        }
    }
    best.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::Other).into())
}

fn report(out: &mut impl std::io::Write, what: &str, took: Duration, entries: u64) -> Result<()> {
    let million_per_s = entries as f64 / took.as_secs_f64() / 1e6;
    Ok(writeln!(
        out,
        "{what:<28} {:7.1} ms  {million_per_s:6.2} million entries/s",
        took.as_secs_f64() * 1e3
    )?)
}

fn main() -> Result<()> {
    let out = &mut std::io::stdout().lock();
    let records = records();
    let path = std::env::temp_dir().join(format!("throughput-{}.manifest", std::process::id()));

    let (took, summary) = best(|| {
        let mut writer = Writer::create(File::create(&path)?, &header())?;
        records.iter().try_for_each(|record| writer.push(record))?;
        Ok(writer.finish(&Conclusion::default())?.0)
    })?;
    let entries = summary.totals.entries();
    writeln!(
        out,
        "{entries} entries in {} directories, {} bytes",
        summary.totals.directories, summary.len_bytes
    )?;
    report(out, "encode and write", took, entries)?;
    drop(records);

    let reader = Reader::open(File::open(&path)?)?;
    let (took, _) = best(|| {
        reader
            .records()
            .try_fold(0, |sum, record| Ok(sum + record?.entries.len()))
    })?;
    report(out, "read and decode", took, entries)?;
    let (took, _) = best(|| {
        reader
            .raw_records()
            .try_fold(0, |sum, record| Ok(sum + record?.bytes().len()))
    })?;
    report(out, "read, leave encoded", took, entries)?;
    let (took, _) = best(|| {
        reader.raw_records().try_fold(0, |sum, record| {
            let record = record?;
            Ok(sum
                + record
                    .entries()?
                    .map(|entry| Ok(entry?.name.len()))
                    .sum::<Result<usize>>()?)
        })
    })?;
    report(out, "read, borrow entries", took, entries)?;

    let copy = path.with_extension("copy");
    let (took, copied) = best(|| {
        let mut assembler = Assembler::new(Writer::create(File::create(&copy)?, &header())?);
        reader
            .raw_records()
            .try_for_each(|record| assembler.push_raw(&record?))?;
        Ok(assembler.finish(&Conclusion::default())?.0)
    })?;
    assert_eq!(copied.digest, summary.digest);
    report(out, "assemble, nothing changed", took, entries)?;

    let (took, _) = best(|| reader.lookup(b"dir-100/dir-050/file-173500.txt"))?;
    writeln!(
        out,
        "{:<28} {:7.2} ms",
        "look one entry up",
        took.as_secs_f64() * 1e3
    )?;
    std::fs::remove_file(&path)?;
    std::fs::remove_file(&copy)?;

    let content = vec![0x5a; 256 << 20];
    let (plain, _) = best(|| {
        let mut hasher = blake3::Hasher::new();
        content.chunks(1 << 20).for_each(|piece| {
            hasher.update(piece);
        });
        Ok(hasher.finalize())
    })?;
    let (blocks, _) = best(|| {
        let mut hasher = BlockHasher::new();
        content.chunks(1 << 20).for_each(|piece| {
            hasher.update(piece);
        });
        Ok(hasher.finish())
    })?;
    let rate = |took: Duration| 256.0 / took.as_secs_f64();
    writeln!(
        out,
        "BLAKE3 {:.0} MiB/s, with block hashes {:.0} MiB/s",
        rate(plain),
        rate(blocks)
    )?;
    Ok(())
}
