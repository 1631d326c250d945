//! File backups: the walk over the source's manifest beside that of what the new tree grows from.

use std::iter::Peekable;

use manifest::delta::{Basis as DeltaBasis, DirDelta, FileId, Upsert};
use manifest::{DirRecord, Entry, Kind, Metadata, RawRecord, RawRecords, Reader, compare_paths, join_path};

use super::content::Contents;
use super::{Done, Route, TransferOptions, base_of};
use crate::error::{During as _, Result};
use crate::ingest::Ingest;

/// Copies a file backup.
pub(super) fn copy(route: &Route<'_>, options: &TransferOptions<'_>) -> Result<Done> {
    let (client, name) = (route.client(), &route.origin.name);
    let base = route.base()?;
    let ingest = Ingest::begin_transfer(&route.to.shared, client, base.as_ref(), route.origin)?;
    let base = ingest.base_name();
    let mut walk = Walk::new(route, &ingest, options)?;
    let walked = walk.run();
    if walked.is_err() {
        // What is complete is found again; without, it is copied again.
        let _ = walk.contents.keep.flush();
    }
    walked?;
    let keep = walk.contents.keep;
    let read_bytes = keep.read_bytes();
    let summary = keep.finish(route.source.manifest().conclusion())?;
    route.check_digest(summary.digest)?;
    let committed = ingest.commit(name)?;
    Ok((committed, base, read_bytes))
}

struct Walk<'a> {
    route: &'a Route<'a>,
    ingest: &'a Ingest,
    contents: Contents<'a>,
    base: Peekable<Box<dyn Iterator<Item = manifest::Result<RawRecord>>>>,
    /// The records on the way to the present one, for what they say of it.
    above: Vec<Above>,
    /// Whether whoever compares manifests would be wrong on what this backup shares.
    grows_from_other: bool,
    next_file: u64,
}

/// A directory on the way to the present one.
struct Above {
    raw: RawRecord,
    record: Option<DirRecord>,
}

impl<'a> Walk<'a> {
    fn new(route: &'a Route<'a>, ingest: &'a Ingest, options: &TransferOptions<'_>) -> Result<Self> {
        let base: Box<dyn Iterator<Item = _>> = match ingest.base_manifest() {
            Some(file) => {
                let file = file.try_clone().during("open", "the base's manifest")?;
                let records: RawRecords = Reader::open(file).map_err(route.manifest_error())?.raw_records();
                Box::new(records)
            }
            None => Box::new(std::iter::empty()),
        };
        let by_manifest = base_of(route.source.manifest());
        let is_other = by_manifest != ingest.base_name();
        // A base that is there, or may still follow, would be taken for the one that this has grown from.
        let is_anywhere = by_manifest.is_some_and(|base| {
            let stores = [route.from, route.to];
            stores
                .iter()
                .any(|store| store.open_manifest(route.client(), &base).is_ok())
        });
        Ok(Self {
            route,
            ingest,
            contents: Contents::new(route, ingest, options)?,
            base: base.peekable(),
            above: Vec::new(),
            grows_from_other: is_other && is_anywhere,
            next_file: 0,
        })
    }

    fn run(&mut self) -> Result<()> {
        for record in self.route.source.manifest().raw_records() {
            self.route.check_cancelled()?;
            let record = record.map_err(self.route.manifest_error())?;
            let base = self.base_record(record.path())?;
            if self.grows_from_other {
                self.ingest.note_retold(record.path())?;
            }
            match base {
                Some(base)
                    if base.bytes() == record.bytes() && !self.ingest.is_any_damaged_in(record.path()) =>
                {
                    let lost = self.ingest.same(&record)?;
                    self.fill(&record, &lost)?;
                }
                base => self.directory(&record, base.as_ref())?,
            }
            self.enter(&record);
            self.contents.keep.push(&record)?;
        }
        Ok(())
    }

    /// The base's record of a directory, up to which the base's are passed.
    fn base_record(&mut self, path: &[u8]) -> Result<Option<RawRecord>> {
        while let Some(record) = self.base.next_if(|record| match record {
            Ok(record) => compare_paths(record.path(), path).is_le(),
            Err(_) => true,
        }) {
            let record = record.map_err(self.route.manifest_error())?;
            if record.path() == path {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Makes a directory that is new or has changed.
    fn directory(&mut self, raw: &RawRecord, base: Option<&RawRecord>) -> Result<()> {
        let decode = |raw: &RawRecord| raw.decode().map_err(self.route.manifest_error());
        let (record, base) = (decode(raw)?, base.map(decode).transpose()?);
        let delta = self.delta(&record, base.as_ref())?;
        let slot = self.ingest.directory(&delta, &record, base.as_ref())?;
        self.contents.keep.begin(there(&record, &delta, slot.lost()));
        let pending = delta.pending().map(|(_, entry)| entry);
        self.contents.give(&slot, pending, base.as_ref())?;
        self.fill(raw, slot.lost())
    }

    /// Copies files that the base should have had and has lost.
    fn fill(&mut self, raw: &RawRecord, lost: &[Box<[u8]>]) -> Result<()> {
        if lost.is_empty() {
            return Ok(());
        }
        let record = raw.decode().map_err(self.route.manifest_error())?;
        // Their entries are the base's, the files are not.
        self.ingest.note_retold(raw.path())?;
        let slot = self.ingest.reopen(raw.path(), lost.len())?;
        let entries = lost.iter().filter_map(|name| record.find(name));
        self.contents.give(&slot, entries, None)
    }

    fn delta(&mut self, record: &DirRecord, base: Option<&DirRecord>) -> Result<DirDelta> {
        let mut upserts = Vec::new();
        for entry in &record.entries {
            let old = base.and_then(|base| base.find(&entry.name));
            if old == Some(entry) && !self.ingest.is_damaged(&join_path(&record.path, &entry.name)) {
                continue;
            }
            let is_file = matches!(entry.kind, Kind::File { .. });
            self.next_file += u64::from(is_file);
            upserts.push(Upsert {
                entry: entry.clone(),
                pending: is_file.then_some(FileId(self.next_file)),
            });
        }
        let removed = base.map(|base| {
            let gone = base
                .entries
                .iter()
                .filter(|entry| record.find(&entry.name).is_none());
            gone.map(|entry| entry.name.clone()).collect()
        });
        Ok(DirDelta {
            path: record.path.clone(),
            metadata: self.metadata(&record.path)?,
            basis: match base {
                Some(_) => DeltaBasis::Delta,
                None => DeltaBasis::Complete,
            },
            removed: removed.unwrap_or_default(),
            upserts,
        })
    }

    /// A directory's own metadata, as the one above lists it; `None` for the root.
    fn metadata(&mut self, path: &[u8]) -> Result<Option<Metadata>> {
        let Some((parent, name)) = manifest::split_path(path) else {
            return Ok(None);
        };
        while self.above.pop_if(|above| above.raw.path() != parent).is_some() {}
        let Some(above) = self.above.last_mut() else {
            return Ok(None);
        };
        if above.record.is_none() {
            above.record = Some(above.raw.decode().map_err(self.route.manifest_error())?);
        }
        let entry = above.record.as_ref().and_then(|record| record.find(name));
        Ok(entry.map(|entry| entry.metadata.clone()))
    }

    /// Remembers a directory for those beneath it.
    fn enter(&mut self, record: &RawRecord) {
        let path = record.path();
        while self
            .above
            .pop_if(|above| !manifest::is_beneath(path, above.raw.path()))
            .is_some()
        {}
        self.above.push(Above {
            raw: record.clone(),
            record: None,
        });
    }
}

/// What is there of a directory before its files come.
fn there(record: &DirRecord, delta: &DirDelta, lost: &[Box<[u8]>]) -> DirRecord {
    let mut pending = delta.pending().map(|(_, entry)| &entry.name).peekable();
    let mut is_there = |entry: &&Entry| {
        while pending.next_if(|name| **name < entry.name).is_some() {}
        pending.next_if(|name| **name == entry.name).is_none() && lost.binary_search(&entry.name).is_err()
    };
    DirRecord {
        path: record.path.clone(),
        entries: record.entries.iter().filter(&mut is_there).cloned().collect(),
    }
}
