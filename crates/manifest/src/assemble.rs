//! Puts a new manifest together while the content of its files is still on its way.
//!
//! Directories are pushed in manifest order, files are completed in any order, and records go to the
//! [`Writer`] in order as soon as no file in front of them is pending. A record waits in one of two states:
//! *open*, with entries that change still, or *encoded*, which takes a third of the memory.
//! [`Assembler::waiting_bytes`] tells how much there is, for the caller to hold back.
//!
//! It has no lock and no thread: the caller locks. Both ends of a session run one, with the same input, and
//! come to the same manifest.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::Write;

use crate::content::ContentHash;
use crate::delta::FileId;
use crate::entry::{DirRecord, Entry, Kind};
use crate::error::{Error, Result};
use crate::header::{Conclusion, Summary, Totals};
use crate::path::join_path;
use crate::record::{Entries, KindRef, RawRecord, Tally, encode_record};
use crate::writer::Writer;

mod lineage;

use lineage::Lineage;

/// How a pending file ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "most are stored, and none is kept")]
pub enum Outcome {
    /// The content is stored: the entry as it is now, a regular file of the announced name.
    Stored(Entry),
    /// The file is gone or can't be read: the backup goes without it.
    Dropped,
}

/// Puts a manifest together; see the module.
#[derive(Debug)]
pub struct Assembler<W> {
    writer: Writer<W>,
    lineage: Lineage,
    /// Not empty only if the first record is pending.
    queue: VecDeque<Waiting>,
    next_sequence: u64,
    pending: HashMap<FileId, Place>,
    last_file: FileId,
    waiting_bytes: usize,
    dropped: HashSet<Box<[u8]>>,
    lost_links: Vec<Box<[u8]>>,
    scratch: Vec<u8>,
}

/// Where a pending file is listed.
#[derive(Debug, Clone, Copy)]
struct Place {
    sequence: u64,
    entry: usize,
}

/// What can't be written before what is in front of it.
#[derive(Debug)]
struct Waiting {
    sequence: u64,
    bytes: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(OpenRecord),
    /// Records one after the other, each behind its length of 4 bytes, little endian.
    Encoded(Vec<u8>),
}

#[derive(Debug)]
struct OpenRecord {
    record: DirRecord,
    pending: usize,
    dropped: Vec<usize>,
    /// Whether there are hard links: which of them stay is known when all in front is complete.
    linked: bool,
}

impl<W: Write> Assembler<W> {
    /// Begins with a writer to which nothing has been pushed.
    pub fn new(writer: Writer<W>) -> Self {
        Self {
            writer,
            lineage: Lineage::default(),
            queue: VecDeque::new(),
            next_sequence: 0,
            pending: HashMap::new(),
            last_file: FileId(0),
            waiting_bytes: 0,
            dropped: HashSet::new(),
            lost_links: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Adds the next directory with its pending files by their place in it, both rising.
    ///
    /// # Errors
    /// If the directory is out of order or its parent doesn't list it, if a pending entry is no regular
    /// file, or if a file id is not above all before. The assembler is of no use after that.
    pub fn push(&mut self, mut record: DirRecord, pending: &[(usize, FileId)]) -> Result<()> {
        let mut linked = false;
        self.lineage.enter(&record.path)?;
        for entry in &record.entries {
            match entry.kind {
                Kind::Directory => self.lineage.list(&entry.name),
                Kind::HardLink { .. } => linked = true,
                _ => {}
            }
        }
        self.announce(&record, pending)?;
        record.shed_block_hashes();
        let mut open = OpenRecord {
            record,
            pending: pending.len(),
            dropped: Vec::new(),
            linked,
        };
        if pending.is_empty() {
            if self.queue.is_empty() {
                self.unlink(&mut open);
                return self.writer.push(&open.record);
            }
            if !linked {
                let mut encoded = std::mem::take(&mut self.scratch);
                encoded.clear();
                encode_record(&open.record, &mut encoded)?;
                self.wait_encoded(&encoded);
                self.scratch = encoded;
                return Ok(());
            }
        }
        let bytes = memory_bytes(&open.record);
        self.wait(bytes, State::Open(open));
        Ok(())
    }

    /// Adds the next directory as it lies in another manifest.
    ///
    /// # Errors
    /// As [`Assembler::push`], or if the record is malformed.
    pub fn push_raw(&mut self, record: &RawRecord) -> Result<()> {
        let mut linked = false;
        let lineage = &mut self.lineage;
        lineage.enter(record.path())?;
        let tally = record.tally(|name, kind| match kind {
            KindRef::Directory => lineage.list(name),
            KindRef::HardLink { .. } => linked = true,
            _ => {}
        })?;
        if linked && !(self.queue.is_empty() && self.dropped.is_empty()) {
            let record = record.decode()?;
            let mut open = OpenRecord {
                record,
                pending: 0,
                dropped: Vec::new(),
                linked,
            };
            if self.queue.is_empty() {
                self.unlink(&mut open);
                return self.writer.push(&open.record);
            }
            self.wait(memory_bytes(&open.record), State::Open(open));
        } else if self.queue.is_empty() {
            self.writer.push_tallied(record, &tally)?;
        } else {
            self.wait_encoded(record.bytes());
        }
        Ok(())
    }

    /// Notes that a file is left out of a directory that is about to be pushed, so that hard links to it are, too.
    pub fn leave_out(&mut self, path: Box<[u8]>) {
        self.dropped.insert(path);
    }

    /// Ends a pending file; writes whatever can be written then.
    ///
    /// # Errors
    /// If the file is not pending, or is stored as something else than was announced.
    pub fn complete(&mut self, file: FileId, outcome: Outcome) -> Result<()> {
        let place = *self.pending.get(&file).ok_or(Error::UnknownFile(file))?;
        let (open, bytes) = open_record(&mut self.queue, file, place)?;
        let announced = &mut open.record.entries[place.entry];
        match outcome {
            Outcome::Stored(entry) => {
                if entry.name != announced.name
                    || entry.hash().is_none_or(|hash| hash == ContentHash::PENDING)
                {
                    return Err(Error::WrongFile {
                        file,
                        name: announced.name.clone(),
                    });
                }
                let more = entry_bytes(&entry).saturating_sub(entry_bytes(announced));
                *bytes += more;
                self.waiting_bytes += more;
                *announced = entry;
            }
            Outcome::Dropped => {
                self.dropped.insert(join_path(&open.record.path, &announced.name));
                open.dropped.push(place.entry);
            }
        }
        open.pending -= 1;
        self.pending.remove(&file);
        if open.pending == 0 {
            remove_entries(&mut open.record.entries, std::mem::take(&mut open.dropped));
            open.record.shed_block_hashes();
            self.close(place.sequence)?;
        }
        Ok(())
    }

    /// Tells what is there of a pending file, for [`Assembler::write_unfinished`]: an entry whose content is what
    /// the tree has so far, or `None` where that is nothing that could be built on.
    ///
    /// # Errors
    /// If the file is not pending, or has another name.
    pub fn so_far(&mut self, file: FileId, entry: Option<Entry>) -> Result<()> {
        let place = *self.pending.get(&file).ok_or(Error::UnknownFile(file))?;
        let (open, bytes) = open_record(&mut self.queue, file, place)?;
        let announced = &mut open.record.entries[place.entry];
        let entry = match entry {
            Some(entry) if entry.name == announced.name && entry.hash().is_some() => entry,
            Some(_) => {
                return Err(Error::WrongFile {
                    file,
                    name: announced.name.clone(),
                });
            }
            None => Entry {
                kind: Kind::pending_file(announced.size()),
                ..announced.clone()
            },
        };
        let before = *bytes;
        *bytes = (*bytes + entry_bytes(&entry)).saturating_sub(entry_bytes(announced));
        self.waiting_bytes = (self.waiting_bytes + *bytes).saturating_sub(before);
        *announced = entry;
        Ok(())
    }

    /// Writes the records that can't be written yet, without the files of which nothing is there. What was told
    /// by [`Assembler::so_far`] stands for a file. Hard links to what is left out stay.
    pub fn write_unfinished<O: Write>(&self, out: &mut Writer<O>) -> Result<()> {
        for waiting in &self.queue {
            match &waiting.state {
                State::Open(open) => {
                    let dropped: HashSet<usize> = open.dropped.iter().copied().collect();
                    let is_there = |(at, entry): &(usize, &Entry)| {
                        entry.hash() != Some(ContentHash::PENDING) && !dropped.contains(at)
                    };
                    let entries = open.record.entries.iter().enumerate().filter(is_there);
                    let mut record = DirRecord {
                        path: open.record.path.clone(),
                        entries: entries.map(|(_, entry)| entry.clone()).collect(),
                    };
                    record.shed_block_hashes();
                    out.push(&record)?;
                }
                State::Encoded(run) => write_run(out, run)?,
            }
        }
        Ok(())
    }

    /// How many files are pending.
    pub fn pending_count(&self) -> usize {
        self.pending.len()
    }

    /// Memory, about, that is taken by records that can't be written yet.
    pub fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// The directory that holds up all that wait: the first with a pending file.
    pub fn oldest_unfinished_path(&self) -> Option<&[u8]> {
        self.queue.front().and_then(|waiting| match &waiting.state {
            State::Open(open) => Some(&*open.record.path),
            State::Encoded(_) => None,
        })
    }

    /// Counts of what has been written so far.
    pub fn written(&self) -> &Totals {
        self.writer.totals()
    }

    /// Takes the paths of hard links that were left out because the file they belong to was.
    pub fn take_lost_links(&mut self) -> Vec<Box<[u8]>> {
        std::mem::take(&mut self.lost_links)
    }

    /// Writes out the frame that is being filled, so that a crash loses none of its records.
    pub fn flush_frame(&mut self) -> Result<()> {
        self.writer.flush_frame()
    }

    /// Ends the manifest and gives the target back.
    ///
    /// # Errors
    /// If files are pending.
    pub fn finish(self, conclusion: &Conclusion) -> Result<(Summary, W)> {
        if let Some(path) = self.oldest_unfinished_path() {
            return Err(Error::Incomplete {
                pending: self.pending.len(),
                path: path.into(),
            });
        }
        self.writer.finish(conclusion)
    }

    fn announce(&mut self, record: &DirRecord, pending: &[(usize, FileId)]) -> Result<()> {
        let mut after = None;
        for &(entry, file) in pending {
            if file <= self.last_file {
                return Err(Error::RepeatedFile(file));
            }
            let listed = record
                .entries
                .get(entry)
                .filter(|_| after.is_none_or(|after| entry > after));
            match listed.map(|entry| &entry.kind) {
                Some(Kind::File { .. }) => {}
                _ => {
                    let name = record
                        .entries
                        .get(entry)
                        .map(|entry| entry.name.clone())
                        .unwrap_or_default();
                    return Err(Error::WrongFile { file, name });
                }
            }
            after = Some(entry);
            self.last_file = file;
            self.pending.insert(
                file,
                Place {
                    sequence: self.next_sequence,
                    entry,
                },
            );
        }
        Ok(())
    }

    fn wait(&mut self, bytes: usize, state: State) {
        self.queue.push_back(Waiting {
            sequence: self.next_sequence,
            bytes,
            state,
        });
        self.next_sequence += 1;
        self.waiting_bytes += bytes;
    }

    fn wait_encoded(&mut self, record: &[u8]) {
        // Runs are bounded so that adding to one never has to copy much.
        const RUN_BYTES: usize = 1 << 20;
        self.waiting_bytes += record.len();
        match self.queue.back_mut() {
            Some(Waiting {
                bytes,
                state: State::Encoded(run),
                ..
            }) if run.len() < RUN_BYTES => {
                *bytes += record.len();
                append_record(run, record);
            }
            _ => {
                let mut run = Vec::new();
                append_record(&mut run, record);
                self.waiting_bytes -= record.len();
                self.wait(record.len(), State::Encoded(run));
            }
        }
    }

    /// Goes on where the record of a sequence number has no more pending files.
    fn close(&mut self, sequence: u64) -> Result<()> {
        if self.queue.front().is_some_and(|front| front.sequence == sequence) {
            return self.write_complete();
        }
        let at = self
            .queue
            .binary_search_by_key(&sequence, |waiting| waiting.sequence);
        let Some(waiting) = at.ok().and_then(|at| self.queue.get_mut(at)) else {
            return Ok(());
        };
        if let State::Open(open) = &waiting.state
            && !open.linked
        {
            let mut encoded = Vec::new();
            encode_record(&open.record, &mut encoded)?;
            let mut run = Vec::with_capacity(encoded.len() + 4);
            append_record(&mut run, &encoded);
            self.waiting_bytes = self.waiting_bytes - waiting.bytes + encoded.len();
            (waiting.bytes, waiting.state) = (encoded.len(), State::Encoded(run));
        }
        Ok(())
    }

    /// Writes records up to the first that is pending.
    fn write_complete(&mut self) -> Result<()> {
        while let Some(waiting) = self.queue.pop_front() {
            match waiting.state {
                State::Open(open) if open.pending > 0 => {
                    self.queue.push_front(Waiting {
                        state: State::Open(open),
                        ..waiting
                    });
                    return Ok(());
                }
                State::Open(mut open) => {
                    self.unlink(&mut open);
                    self.writer.push(&open.record)?;
                }
                State::Encoded(run) => write_run(&mut self.writer, &run)?,
            }
            self.waiting_bytes -= waiting.bytes;
        }
        Ok(())
    }

    /// Removes hard links to files that were dropped. All in front of the record is complete.
    fn unlink(&mut self, open: &mut OpenRecord) {
        if !open.linked || self.dropped.is_empty() {
            return;
        }
        let OpenRecord { record, .. } = open;
        record.entries.retain(|entry| {
            let lost = matches!(&entry.kind, Kind::HardLink { target } if self.dropped.contains(target));
            if lost {
                self.lost_links.push(join_path(&record.path, &entry.name));
            }
            !lost
        });
    }
}

/// The record of a pending file among those that wait, with the count of its bytes.
fn open_record(
    queue: &mut VecDeque<Waiting>,
    file: FileId,
    place: Place,
) -> Result<(&mut OpenRecord, &mut usize)> {
    let at = queue.binary_search_by_key(&place.sequence, |waiting| waiting.sequence);
    let waiting = at.ok().and_then(|at| queue.get_mut(at));
    match waiting {
        Some(Waiting {
            state: State::Open(open),
            bytes,
            ..
        }) if place.entry < open.record.entries.len() => Ok((open, bytes)),
        _ => Err(Error::UnknownFile(file)),
    }
}

fn write_run<W: Write>(out: &mut Writer<W>, mut run: &[u8]) -> Result<()> {
    while let Some((len, rest)) = run.split_first_chunk() {
        let (record, rest) = rest.split_at(u32::from_le_bytes(*len) as usize);
        let entries = Entries::new(record)?;
        let path = entries.path();
        out.push_encoded(path, record, &Tally::of_entries(entries, |_, _| {})?)?;
        run = rest;
    }
    Ok(())
}

fn append_record(run: &mut Vec<u8>, record: &[u8]) {
    // A record has at most 256 MiB.
    run.extend_from_slice(&(record.len() as u32).to_le_bytes());
    run.extend_from_slice(record);
}

fn remove_entries(entries: &mut Vec<Entry>, mut dropped: Vec<usize>) {
    if dropped.is_empty() {
        return;
    }
    dropped.sort_unstable();
    let mut at = 0;
    entries.retain(|_| {
        at += 1;
        dropped.binary_search(&(at - 1)).is_err()
    });
}

/// Memory, about, that a record takes.
fn memory_bytes(record: &DirRecord) -> usize {
    record.path.len() + record.entries.iter().map(entry_bytes).sum::<usize>()
}

fn entry_bytes(entry: &Entry) -> usize {
    let blocks = match &entry.kind {
        Kind::File { block_hashes, .. } => block_hashes.len() * 32,
        _ => 0,
    };
    let xattrs = entry
        .metadata
        .xattrs
        .iter()
        .map(|xattr| xattr.name.len() + xattr.value.len() + 32)
        .sum::<usize>();
    size_of::<Entry>() + entry.name.len() + entry.metadata.opaque.len() + blocks + xattrs
}
